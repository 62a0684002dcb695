//! The processor's instruction set, found once, and the one way into code that is compiled for it.
#![allow(unsafe_code)]

use std::fmt;
use std::sync::OnceLock;

use super::float::FloatTile;
use super::half::HalfTile;
use super::integer::IntegerTile;
use super::{float, half, integer};

/// An instruction set that this processor has; values exist for those alone.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Isa(Set);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Set {
    #[cfg(target_arch = "x86_64")]
    Avx512Halves,
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni,
    #[cfg(target_arch = "x86_64")]
    AvxVnni,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    NeonDot,
    Plain,
}

/// The tiles of an instruction set.
pub(super) trait Tiles: IntegerTile + FloatTile + HalfTile {}
impl<T: IntegerTile + FloatTile + HalfTile> Tiles for T {}

/// Work that is compiled once for each instruction set. `run` must be `#[inline(always)]`, or it is compiled for none.
pub(super) trait Work {
    /// What it gives.
    type Output;
    /// Does it with the tiles `T`.
    fn run<T: Tiles>(self) -> Self::Output;
}

impl Isa {
    /// The fastest one of this processor.
    #[must_use]
    pub fn best() -> Self {
        static BEST: OnceLock<Isa> = OnceLock::new();
        *BEST.get_or_init(|| Self::usable().into_iter().next().unwrap_or(Self(Set::Plain)))
    }

    /// All of this processor, the fastest first; the last needs nothing.
    #[must_use]
    pub fn usable() -> Vec<Self> {
        let mut found = Vec::new();
        #[cfg(target_arch = "x86_64")]
        {
            use std::arch::is_x86_feature_detected as has;
            if has!("avx512f") && has!("avx512bw") && has!("avx512vl") && has!("avx512vnni") && has!("fma") {
                if has!("avx512bf16") {
                    found.push(Set::Avx512Halves);
                }
                found.push(Set::Avx512Vnni);
            }
            if has!("avx2") && has!("fma") && has!("avxvnni") {
                found.push(Set::AvxVnni);
            }
            if has!("avx2") && has!("fma") {
                found.push(Set::Avx2);
            }
        }
        #[cfg(target_arch = "aarch64")]
        if std::arch::is_aarch64_feature_detected!("dotprod") {
            found.push(Set::NeonDot);
        }
        found.push(Set::Plain);
        found.into_iter().map(Self).collect()
    }

    /// Whether it has instructions that multiply bytes and add the products up; without, bytes are slower than floats.
    #[must_use]
    pub fn multiplies_bytes(self) -> bool {
        self.0 != Set::Plain
    }

    /// Runs `work` in code for this instruction set.
    #[inline]
    pub(super) fn run<W: Work>(self, work: W) -> W::Output {
        match self.0 {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a value of an instruction set exists only after its features were found on this processor.
            Set::Avx512Halves => unsafe { avx512_halves(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx512Vnni => unsafe { avx512_vnni(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::AvxVnni => unsafe { avx_vnni(work) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: as above.
            Set::Avx2 => unsafe { avx2(work) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: as above.
            Set::NeonDot => unsafe { neon_dot(work) },
            Set::Plain => work.run::<All<integer::Plain, float::Plain, half::Plain>>(),
        }
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Halves => "AVX-512 VNNI and BF16",
            #[cfg(target_arch = "x86_64")]
            Set::Avx512Vnni => "AVX-512 VNNI",
            #[cfg(target_arch = "x86_64")]
            Set::AvxVnni => "AVX-VNNI",
            #[cfg(target_arch = "x86_64")]
            Set::Avx2 => "AVX2",
            #[cfg(target_arch = "aarch64")]
            Set::NeonDot => "NEON dot product",
            Set::Plain => "plain",
        })
    }
}

impl fmt::Debug for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Integer tiles, float tiles and tiles of halves, each of a kind.
struct All<I, F, H>(std::marker::PhantomData<(I, F, H)>);

impl<I: IntegerTile, F, H> IntegerTile for All<I, F, H> {
    const OFFSET: i32 = I::OFFSET;

    #[inline(always)]
    fn dot<const M: usize>(
        rows: [&[u8]; M],
        window: integer::Window,
        panel: &[i8],
        sums: &mut [[i32; integer::LANES]; integer::ROWS],
    ) {
        I::dot(rows, window, panel, sums);
    }
}

impl<I, F: FloatTile, H> FloatTile for All<I, F, H> {
    #[inline(always)]
    fn product<const M: usize>(rows: [&[f32]; M], matrix: &[f32], stride: usize, out: float::Tile<'_>) {
        F::product(rows, matrix, stride, out);
    }
}

impl<I, F, H: HalfTile> HalfTile for All<I, F, H> {
    const FAST: bool = H::FAST;

    #[inline(always)]
    fn halve(from: &[f32], to: &mut [u32]) {
        H::halve(from, to);
    }

    #[inline(always)]
    fn half_product<const M: usize>(rows: [&[u32]; M], matrix: &[u32], out: float::Tile<'_>) {
        H::half_product(rows, matrix, out);
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,avx512bf16,fma")]
fn avx512_halves<W: Work>(work: W) -> W::Output {
    work.run::<All<integer::Avx512Vnni, float::Avx512, half::Avx512>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni,fma")]
fn avx512_vnni<W: Work>(work: W) -> W::Output {
    work.run::<All<integer::Avx512Vnni, float::Avx512, half::Plain>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma,avxvnni")]
fn avx_vnni<W: Work>(work: W) -> W::Output {
    work.run::<All<integer::AvxVnni, float::Avx2, half::Plain>>()
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn avx2<W: Work>(work: W) -> W::Output {
    work.run::<All<integer::Avx2, float::Avx2, half::Plain>>()
}

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon,dotprod")]
fn neon_dot<W: Work>(work: W) -> W::Output {
    work.run::<All<integer::NeonDot, float::Plain, half::Plain>>()
}
