//! Seeing: pictures to face rows.

use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::Builder;

use mien_capture::{Frames, RgbFrame};
use mien_models::bundle::{Bundle, FaceSection, Role};
use mien_models::engine::on_one_thread;
use mien_models::face::{CropSettings, FaceBox, FaceFinder, FaceTracker, crop_face};
use mien_models::manet::Manet;
use mien_models::tensor::Tensor;

use crate::{Result, RuntimeError};

/// Crops that wait while others become rows.
const AHEAD: usize = 2;
/// Most faces of a clip that become rows at once: each needs memory of its own.
const AT_ONCE: usize = 4;

/// Largest face detector that is read; the published one has a megabyte.
const DETECTOR_BYTES_LIMIT: u64 = 64 << 20;

/// What an eye is made of. A detector belongs to the thread that makes it, so an eye is put together there.
pub(crate) struct Optics {
    detector: Vec<u8>,
    face: FaceSection,
    manet: Manet,
    threads: usize,
}

impl Optics {
    /// The networks for faces of a verified bundle, for `threads` threads.
    pub(super) fn open(bundle: &Bundle, threads: usize) -> Result<Self> {
        let manifest = bundle.manifest();
        let open = || {
            let detector = bundle.file(Role::FaceDetector)?.read(DETECTOR_BYTES_LIMIT)?;
            let manet = Manet::load(bundle.graph(Role::Manet)?, &manifest.manet)?;
            Ok(Self { detector, face: manifest.face, manet, threads })
        };
        open().map_err(RuntimeError::Bundle)
    }

    pub(super) fn tracker(&self) -> Result<FaceTracker> {
        FaceFinder::from_bytes(&self.detector, self.face.finder)
            .and_then(|finder| FaceTracker::new(finder, self.face.track))
            .map_err(RuntimeError::Bundle)
    }
}

/// Finds the face that counts and turns it into a row.
pub(crate) struct Eye {
    tracker: FaceTracker,
    crop: CropSettings,
    manet: Manet,
    /// The same network for other threads, made when a clip first needs them.
    others: Vec<Manet>,
    threads: usize,
}

impl Eye {
    pub(super) fn new(optics: Optics, tracker: FaceTracker) -> Self {
        let Optics { face, manet, threads, .. } = optics;
        Self { tracker, crop: face.crop, manet, others: Vec::new(), threads }
    }

    /// The face that counts in the next picture, and its crop [3, 224, 224].
    pub(crate) fn look(&mut self, frame: &RgbFrame) -> Result<Option<(FaceBox, Tensor)>> {
        face_in(&mut self.tracker, &self.crop, frame)
    }

    /// Forgets the face that was followed.
    pub(crate) fn forget(&mut self) {
        self.tracker.reset();
    }

    /// Throws away everything that pictures left in the working memory, and the face that was followed.
    pub(crate) fn renew(&mut self) -> Result<()> {
        self.tracker.renew();
        self.others.clear();
        self.manet.renew().map_err(RuntimeError::stage("MA-Net"))
    }

    /// Numbers in a row.
    pub(crate) fn width(&self) -> usize {
        self.manet.config().embedding()
    }

    /// Face rows [frames with a face, width] in the order of time. While crops become rows, each on one thread, the face in the
    /// next picture is looked for; no more than [`AHEAD`] crops wait, so memory does not grow with the clip.
    /// Of `pictures` at most; a single one is worked on by all threads.
    pub(super) fn see(&mut self, frames: Frames<'_>, pictures: usize) -> Result<Tensor> {
        self.tracker.reset();
        let at_once = self.threads.min(AT_ONCE).min(pictures).max(1);
        while self.others.len() + 1 < at_once {
            self.others.push(self.manet.fork().map_err(RuntimeError::stage("MA-Net"))?);
        }
        let width = self.width();
        let Self { tracker, crop: settings, manet, others, .. } = self;
        let (crops, waiting) = sync_channel(AHEAD);
        // Only the threads that take crops hold it, so that nothing is handed on once all of them have ended.
        let waiting = Arc::new(Mutex::new(waiting));
        let mut rows = std::thread::scope(|scope| {
            let thread = |source| RuntimeError::Thread { name: "face row", source };
            let mut embedding = Vec::new();
            for manet in std::iter::once(manet).chain(others).take(at_once) {
                let waiting = Arc::clone(&waiting);
                let work = move || match at_once {
                    1 => embed_waiting(manet, &waiting),
                    _ => on_one_thread(|| embed_waiting(manet, &waiting)),
                };
                embedding.push(Builder::new().name("face rows".into()).spawn_scoped(scope, work).map_err(thread)?);
            }
            drop(waiting);
            let looked = look_for_faces(frames, tracker, settings, crops);
            let mut rows = Vec::new();
            for thread in embedding {
                // A panic there ends this thread as it would have ended it here.
                rows.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic))?);
            }
            looked.map(|()| rows)
        })?;
        rows.sort_unstable_by_key(|(index, _)| *index);
        let count = rows.len();
        let data = rows.into_iter().flat_map(|(_, row)| row).collect();
        Tensor::new([count, width], data).map_err(RuntimeError::stage("MA-Net"))
    }

    pub(super) fn sees_a_face(&mut self, frames: Frames<'_>) -> Result<bool> {
        self.tracker.reset();
        for frame in frames {
            if self.tracker.observe(&frame?).is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// One face [3, 224, 224] to its row `[width]`.
    pub(crate) fn embed(&mut self, crop: Tensor) -> Result<Vec<f32>> {
        embed(&mut self.manet, crop)
    }
}

/// The face that counts in `frame`, and its crop [3, 224, 224].
fn face_in(tracker: &mut FaceTracker, settings: &CropSettings, frame: &RgbFrame) -> Result<Option<(FaceBox, Tensor)>> {
    let Some(face) = tracker.observe(frame) else { return Ok(None) };
    let crop = crop_face(frame, &face, settings).map_err(RuntimeError::stage("face crop"))?;
    Ok(Some((face, crop)))
}

/// Hands on the crop of each picture with a face and its number among them, until nobody takes them any more.
fn look_for_faces(
    frames: Frames<'_>,
    tracker: &mut FaceTracker,
    settings: &CropSettings,
    crops: SyncSender<(usize, Tensor)>,
) -> Result<()> {
    let mut count = 0;
    for frame in frames {
        let Some((_, crop)) = face_in(tracker, settings, &frame?)? else { continue };
        if crops.send((count, crop)).is_err() {
            break;
        }
        count += 1;
    }
    Ok(())
}

/// The rows of the crops that this thread gets hold of, with their numbers.
fn embed_waiting(manet: &mut Manet, waiting: &Mutex<Receiver<(usize, Tensor)>>) -> Result<Vec<(usize, Vec<f32>)>> {
    let mut rows = Vec::new();
    loop {
        let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((index, crop)) = next else { return Ok(rows) };
        rows.push((index, embed(manet, crop)?));
    }
}

fn embed(manet: &mut Manet, crop: Tensor) -> Result<Vec<f32>> {
    let batch: Vec<usize> = [1].iter().chain(crop.shape()).copied().collect();
    let output = crop.reshaped(batch).and_then(|face| manet.run(&face));
    Ok(output.map_err(RuntimeError::stage("MA-Net"))?.embedding.into_data())
}
