//! Keys as commands.
//!
//! The bytes of the terminal are read as they are: what is wanted is four letters, and a library that waits for events
//! turns for ever once the terminal has gone.

use std::fs::File;
use std::io::{ErrorKind, IsTerminal, Read};

use mien_runtime::live::command::Command;
use mien_runtime::{Result, RuntimeError};

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Request {
    /// A command for the session.
    Do(Command),
    /// The whole picture anew: something else wrote to the terminal.
    Redraw,
    /// The end of the session: no key comes any more.
    Gone,
}

/// Ctrl-C, which a raw terminal gives as a byte.
const CTRL_C: u8 = 3;
/// Ctrl-L.
const CTRL_L: u8 = 12;
/// What cursor keys, function keys and letters with Alt begin with.
const ESCAPE: u8 = 27;

/// Where keys come from: stdin if that is a terminal, else the terminal that the program was started from.
///
/// # Errors
/// [`RuntimeError::Request`] where there is none.
pub(super) fn source() -> Result<Box<dyn Read + Send>> {
    if std::io::stdin().is_terminal() {
        return Ok(Box::new(std::io::stdin()));
    }
    let terminal = File::open("/dev/tty").map_err(|error| RuntimeError::Request {
        what: "--tui".into(),
        reason: format!("no keyboard: stdin is no terminal and /dev/tty cannot be opened ({error}); leave it out"),
    })?;
    Ok(Box::new(terminal))
}

/// Reads keys until `act` says no. A source that ends asks for the end of the session once.
pub(super) fn read(mut source: impl Read, mut act: impl FnMut(Request) -> bool) {
    let mut bytes = [0; 64];
    loop {
        match source.read(&mut bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Ok(0) | Err(_) => {
                act(Request::Gone);
                return;
            }
            Ok(count) => {
                // A key of several bytes arrives in one piece; what follows its first byte are no letters.
                let typed = bytes[..count].iter().take_while(|byte| **byte != ESCAPE);
                for request in typed.filter_map(|byte| request(*byte)) {
                    if !act(request) {
                        return;
                    }
                }
            }
        }
    }
}

/// What one byte asks for.
fn request(byte: u8) -> Option<Request> {
    match byte {
        b'q' | b'Q' | CTRL_C => Some(Request::Do(Command::Stop)),
        b'm' | b'M' => Some(Request::Do(Command::ToggleMute)),
        b'r' | b'R' => Some(Request::Do(Command::Reload)),
        CTRL_L => Some(Request::Redraw),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(typed: &[u8]) -> Vec<Request> {
        let mut requests = Vec::new();
        read(typed, |request| {
            requests.push(request);
            true
        });
        requests
    }

    #[test]
    fn letters_are_commands_and_the_end_of_the_terminal_stops() {
        use Command::{Reload, Stop, ToggleMute};
        let [mute, reload, stop] = [ToggleMute, Reload, Stop].map(Request::Do);
        assert_eq!(asked(b"mxr\x0c"), [mute, reload, Request::Redraw, Request::Gone]);
        assert_eq!(asked(b"\x03"), [stop, Request::Gone]);
        // A cursor key, F1 and Alt-M are none of ours.
        for key in [&b"\x1b[A"[..], b"\x1bOq", b"\x1bm"] {
            assert_eq!(asked(key), [Request::Gone], "{key:?}");
        }
    }

    #[test]
    fn nothing_is_read_once_it_is_refused() {
        let mut count = 0;
        read(&b"mmm"[..], |_| {
            count += 1;
            false
        });
        assert_eq!(count, 1);
    }
}
