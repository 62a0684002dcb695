//! A camera's other side: a program that hands one JPEG picture after the other to a v4l2loopback device.
//!
//! A thread rather than a program of its own, so that it pauses and ends at a known moment.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use v4l::Device;
use v4l::buffer::Type;
use v4l::format::{Format, FourCC};
use v4l::io::mmap::Stream;
use v4l::io::traits::OutputStream;
use v4l::video::Output;

/// Size of every picture.
pub(crate) const SIZE: (u32, u32) = (160, 120);
/// Between two pictures: fifteen a second.
const STEP: Duration = Duration::from_millis(66);

const FEED: u8 = 0;
const PAUSE: u8 = 1;
const END: u8 = 2;

/// A writer at work; ends when dropped.
pub(crate) struct Feeder {
    order: Arc<AtomicU8>,
    thread: Option<JoinHandle<()>>,
}

impl Feeder {
    /// Hands `picture` to `node` again and again from now on.
    pub(crate) fn start(node: &str, picture: &str) -> Result<Self> {
        let jpeg = std::fs::read(picture).with_context(|| picture.to_owned())?;
        let device = Device::with_path(Path::new(node)).with_context(|| node.to_owned())?;
        let wanted = FourCC::new(b"MJPG");
        let set = Output::set_format(&device, &Format::new(SIZE.0, SIZE.1, wanted));
        let set = set.with_context(|| format!("set the format of {node}"))?;
        ensure!(set.fourcc == wanted && (set.width, set.height) == SIZE, "{node} is set to {set}");
        // A stream, not `write`: the driver takes only the end of a stream for the end of its writer.
        let mut stream = Stream::with_buffers(&device, Type::VideoOutput, 2).context("ask for buffers")?;
        // A buffer goes out when the next one is asked for. The node is a camera from the first picture on.
        for _ in 0..2 {
            hand_over(&mut stream, &jpeg).with_context(|| format!("hand a picture to {node}"))?;
        }
        let order = Arc::new(AtomicU8::new(FEED));
        let given = Arc::clone(&order);
        let thread = std::thread::spawn(move || {
            loop {
                match given.load(Ordering::Acquire) {
                    FEED => {
                        // A picture that finds no place is one that a camera drops.
                        let _ = hand_over(&mut stream, &jpeg);
                    }
                    PAUSE => {}
                    _ => return,
                }
                std::thread::sleep(STEP);
            }
        });
        Ok(Self { order, thread: Some(thread) })
    }

    /// Hands over nothing, and keeps the device open.
    pub(crate) fn pause(&self) {
        self.order.store(PAUSE, Ordering::Release);
    }

    /// Hands over again.
    pub(crate) fn go_on(&self) {
        self.order.store(FEED, Ordering::Release);
    }
}

fn hand_over(stream: &mut Stream<'static>, jpeg: &[u8]) -> Result<()> {
    let (buffer, meta) = OutputStream::next(stream)?;
    buffer.get_mut(..jpeg.len()).context("the buffer is too small for the picture")?.copy_from_slice(jpeg);
    meta.bytesused = u32::try_from(jpeg.len())?;
    Ok(())
}

impl Drop for Feeder {
    fn drop(&mut self) {
        self.order.store(END, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
