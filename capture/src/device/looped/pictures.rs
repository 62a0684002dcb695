//! A recording as a camera.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use crate::device::clock::SessionClock;
use crate::device::picture::{PixelFormat, RawPicture};
use crate::device::source::{PictureDevice, PictureStream};
use crate::error::{CaptureError, Result};
use crate::file;
use crate::video::RgbFrame;

/// Pictures that are kept decoded: ten seconds of film.
const KEPT: usize = 300;

/// The pictures of a recording, played at a fixed rate, again and again.
#[derive(Clone, Debug)]
pub struct LoopedPictures {
    path: PathBuf,
    fps: f64,
    clock: SessionClock,
}

impl LoopedPictures {
    /// The recording at `path`, `fps` pictures a second; nothing is read yet.
    #[must_use]
    pub fn new(path: PathBuf, fps: f64, clock: SessionClock) -> Self {
        Self { path, fps, clock }
    }
}

impl PictureDevice for LoopedPictures {
    fn label(&self) -> String {
        format!("file:{}", self.path.display())
    }

    fn open(&self) -> Result<Box<dyn PictureStream>> {
        let pictures = file::open(&self.path)?.pictures;
        let pictures = pictures.ok_or_else(|| CaptureError::NoPictures { path: self.path.clone() })?;
        let kept: Vec<RgbFrame> = pictures.frames().take(KEPT + 1).collect::<Result<_>>()?;
        match kept.len() {
            0 => return Err(CaptureError::NoPictures { path: self.path.clone() }),
            1..=KEPT => {}
            more => {
                let (found, limit) = (more as u64, KEPT as u64);
                return Err(CaptureError::TooLarge {
                    path: self.path.clone(),
                    unit: "pictures to repeat",
                    found,
                    limit,
                });
            }
        }
        let step = Duration::from_secs_f64(1.0 / self.fps.clamp(0.1, 240.0));
        let label = self.label();
        Ok(Box::new(Playing { label, kept, shown: 0, next: Instant::now(), step, clock: self.clock }))
    }
}

struct Playing {
    label: String,
    kept: Vec<RgbFrame>,
    shown: usize,
    next: Instant,
    step: Duration,
    clock: SessionClock,
}

impl PictureStream for Playing {
    fn describe(&self) -> String {
        self.label.clone()
    }

    fn next(&mut self) -> Result<RawPicture> {
        std::thread::sleep(self.next.saturating_duration_since(Instant::now()));
        self.next += self.step;
        let frame = self.kept.get(self.shown % self.kept.len().max(1));
        let frame = frame.ok_or_else(|| CaptureError::NoPictures { path: PathBuf::from(&self.label) })?;
        self.shown += 1;
        let (width, height, bytes) = (frame.width(), frame.height(), frame.data().to_vec());
        Ok(RawPicture { format: PixelFormat::Rgb, width, height, bytes, time: self.clock.now() })
    }
}
