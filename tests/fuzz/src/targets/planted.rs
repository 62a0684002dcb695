//! Readers with faults, for the tests of this crate alone: what is not found here would not be found elsewhere.

use std::time::Duration;

use super::{Case, Limits, Outcome, Target, texts};
use crate::repair;
use crate::structure::{Framing, number};

const FAULTY: Target = Target {
    name: "",
    reads: "",
    file: "input.bin",
    text: false,
    framing: None,
    tokens: &[],
    repair: repair::nothing,
    longest: 256,
    limits: Limits { ms: 40, ms_per_kb: 1, memory: 1 << 20, per_byte: 100 },
    seeds: |_| Ok(texts(&["fine"])),
    prepare: |_| Ok(Box::new(by_word)),
};

/// Breaks the promise that its input names.
pub(super) const BY_WORD: Target = Target { name: "planted-by-word", ..FAULTY };

/// Panics at the size of a box within a box that is smaller than its own header.
pub(super) const IN_BOXES: Target = Target {
    name: "planted-in-boxes",
    framing: Some(Framing::BOXES),
    tokens: &[b"moov", b"trak"],
    seeds: |_| Ok(texts(&["\0\0\0\x20moov\0\0\0\x18trak0123456789abcdef\0\0\0\x08free"])),
    prepare: |_| {
        Ok(Box::new(|case: &Case<'_>| {
            let outer = number(case.bytes, 0, 4, true);
            // The outer one is held against the file, as careful readers do.
            if outer.is_none_or(|size| size < 8 || size > case.bytes.len() as u64)
                || !case.bytes[4..].starts_with(b"moov")
            {
                return Outcome::Refused("no movie".into());
            }
            let inner = number(case.bytes, 8, 4, true).unwrap_or(8);
            assert!(inner >= 8, "a box of {inner} bytes");
            Outcome::Read
        }))
    },
    ..FAULTY
};

fn by_word(case: &Case<'_>) -> Outcome {
    match case.bytes {
        b"panic" => {
            let none: Option<u8> = case.bytes.get(99).copied();
            Outcome::Refused(format!("{:?}", case.bytes[none.map_or(usize::MAX, usize::from)]))
        }
        b"thread" => {
            let _ = std::thread::spawn(|| {
                let bytes = std::hint::black_box([0_u8; 1]);
                bytes[std::hint::black_box(7)]
            })
            .join();
            Outcome::Read
        }
        b"hang" => loop {
            std::thread::sleep(Duration::from_millis(10));
        },
        b"slow" => {
            std::thread::sleep(Duration::from_millis(60));
            Outcome::Read
        }
        b"memory" => {
            let much = std::hint::black_box(vec![1_u8; 8 << 20]);
            Outcome::Refused(format!("{} bytes", much.len()))
        }
        b"abort" => std::process::abort(),
        b"exit" => std::process::exit(0),
        b"endless" => {
            let mut all: Vec<Vec<u8>> = Vec::new();
            loop {
                all.push(vec![1; 64 << 20]);
                std::hint::black_box(&all);
            }
        }
        b"wrong" => Outcome::Wrong("it says so itself".into()),
        b"lines" => Outcome::Refused("one\ntwo".into()),
        b"refused" => Outcome::Refused("with a word".into()),
        _ => Outcome::Read,
    }
}
