//! What ALSA's library and its plug-ins write to stderr becomes lines of the log, at level debug.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    /// `alsa_lines.c`: hands every message of ALSA's, formatted, to `take`.
    fn mien_alsa_lines(take: extern "C" fn(*const c_char, c_int, *const c_char, *const c_char)) -> c_int;
}

/// From now on, on every thread.
pub(super) fn to_log() {
    // SAFETY: `line` may be called on any thread at any time, and lives as long as the program.
    if unsafe { mien_alsa_lines(line) } < 0 {
        log::debug!("ALSA's messages stay on stderr");
    }
}

/// One message. Called by ALSA's library on whatever thread uses it; never by an audio callback.
extern "C" fn line(file: *const c_char, line: c_int, function: *const c_char, message: *const c_char) {
    if !log::log_enabled!(target: "alsa", log::Level::Debug) {
        return;
    }
    let text = |text: *const c_char| match text.is_null() {
        true => String::new(),
        // SAFETY: a text that ends with a zero, which the caller keeps until this call is over.
        false => unsafe { CStr::from_ptr(text) }.to_string_lossy().trim().to_owned(),
    };
    let (file, function, message) = (text(file), text(function), text(message));
    // A panic must not go on into C.
    let _ = std::panic::catch_unwind(|| log::debug!(target: "alsa", "{file}:{line} ({function}): {message}"));
}
