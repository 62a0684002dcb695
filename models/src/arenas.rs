//! The C library's allocator where addresses are limited. The `unsafe` block of that is here.
#![allow(unsafe_code)]

/// Keeps the allocator to one arena from now on, where the process has a limit on its addresses or data (`ulimit -v`, `-d`).
///
/// For each thread it would reserve 64 MiB of addresses and more while it does so, which are then missing for networks. Threads
/// wait for each other a little more instead. To be called before threads are started; other C libraries have no arenas.
pub fn limit_arenas() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    if crate::memory::is_limited() {
        use std::ffi::c_int;
        /// From malloc.h.
        const M_ARENA_MAX: c_int = -8;
        unsafe extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        // SAFETY: takes two numbers, and locks the allocator for itself. A refusal leaves it as it was.
        let _ = unsafe { mallopt(M_ARENA_MAX, 1) };
    }
}
