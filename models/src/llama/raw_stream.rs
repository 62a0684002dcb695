//! An open file as the `FILE` that llama.cpp reads a model from: it gets the bytes that were hashed, whatever becomes of the path.
//! Every `unsafe` block of that is here.
#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};
use std::io::{Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use crate::{HeldFile, HeldReader};

/// The C library's table of what a stream of one's own can do (`fopencookie(3)`).
#[repr(C)]
struct Functions {
    read: Option<unsafe extern "C" fn(*mut c_void, *mut c_char, usize) -> isize>,
    write: Option<unsafe extern "C" fn(*mut c_void, *const c_char, usize) -> isize>,
    seek: Option<unsafe extern "C" fn(*mut c_void, *mut i64, c_int) -> c_int>,
    close: Option<unsafe extern "C" fn(*mut c_void) -> c_int>,
}

unsafe extern "C" {
    fn fopencookie(cookie: *mut c_void, mode: *const c_char, functions: Functions) -> *mut c_void;
    fn fclose(stream: *mut c_void) -> c_int;
}

/// Most bytes of one call: the C library asks again for the rest.
const MOST: usize = 1 << 20;

/// A stream of the C library over a [`HeldFile`].
pub(super) struct Stream {
    stream: NonNull<c_void>,
    reader: NonNull<HeldReader>,
}

impl Stream {
    /// Starts at the file's beginning; `None` where the C library has no memory for it.
    pub(super) fn open(file: &HeldFile) -> Option<Self> {
        let reader = NonNull::from(Box::leak(Box::new(file.reader())));
        let functions = Functions { read: Some(read), write: None, seek: Some(seek), close: None };
        // SAFETY: the table is laid out as the C library has it on Linux, with both of its C libraries; the mode is
        // NUL-terminated; the reader lives until `drop`, which closes the stream first.
        let stream = unsafe { fopencookie(reader.as_ptr().cast(), c"rb".as_ptr(), functions) };
        match NonNull::new(stream) {
            Some(stream) => Some(Self { stream, reader }),
            None => {
                // SAFETY: the box from above, which no stream refers to.
                drop(unsafe { Box::from_raw(reader.as_ptr()) });
                None
            }
        }
    }

    /// The `FILE`; valid as long as this value.
    pub(super) fn as_ptr(&self) -> *mut c_void {
        self.stream.as_ptr()
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream was opened here, llama.cpp does not close what it is lent, and after this the reader that it
        // refers to is freed once.
        unsafe {
            fclose(self.stream.as_ptr());
            drop(Box::from_raw(self.reader.as_ptr()));
        }
    }
}

/// Bytes that were read, 0 at the end, -1 for a failure.
unsafe extern "C" fn read(reader: *mut c_void, buffer: *mut c_char, size: usize) -> isize {
    catch_unwind(AssertUnwindSafe(|| {
        if buffer.is_null() || size == 0 {
            return 0;
        }
        // SAFETY: the C library passes the cookie that `open` gave it, which only these functions use, one at a time; the
        // buffer has `size` bytes. They may never have been written: a reader that looks at none of them writes some.
        let (reader, buffer) = unsafe {
            buffer.cast::<u8>().write_bytes(0, size.min(MOST));
            (&mut *reader.cast::<HeldReader>(), std::slice::from_raw_parts_mut(buffer.cast::<u8>(), size.min(MOST)))
        };
        match reader.read(buffer) {
            Ok(n) => n.cast_signed(),
            Err(_) => -1,
        }
    }))
    .unwrap_or(-1)
}

/// Moves to the place that `at` says from where `whence` says, and tells it there; -1 for a failure.
unsafe extern "C" fn seek(reader: *mut c_void, at: *mut i64, whence: c_int) -> c_int {
    catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: as for `read`; `at` is valid for the call.
        let (reader, at) = unsafe { (&mut *reader.cast::<HeldReader>(), &mut *at) };
        // SEEK_SET, SEEK_CUR, SEEK_END.
        let to = match (whence, u64::try_from(*at)) {
            (0, Ok(start)) => SeekFrom::Start(start),
            (1, _) => SeekFrom::Current(*at),
            (2, _) => SeekFrom::End(*at),
            _ => return -1,
        };
        match reader.seek(to).map(i64::try_from) {
            Ok(Ok(now)) => {
                *at = now;
                0
            }
            _ => -1,
        }
    }))
    .unwrap_or(-1)
}
