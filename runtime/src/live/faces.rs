//! Faces become rows while the person still speaks.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use heapless::Deque;
use mien_capture::device::RawPicture;
use mien_capture::{Span, Timestamp};
use mien_models::engine::{forget_scratch, on_own_threads};
use mien_models::tensor::Tensor;
use zeroize::Zeroize;

use super::board::Board;
use super::losses::{Loss, Losses};
use super::stage::{Stage, Turn};
use super::tape::{Tape, TapeItem};
use super::view::PictureView;
use crate::scorer::{Eye, Optics, eye};
use crate::wiping::wipe_stack;
use crate::{Result, RuntimeError};

/// Pictures that wait to be looked at; overflow: the oldest is lost and counted.
pub(crate) const PICTURES: usize = 4;
/// Faces cut out but not yet embedded: those of the time before somebody is known to speak. Overflow: the oldest is lost; counted
/// only while somebody speaks.
pub(crate) const CROPS: usize = 16;
/// Rows of the utterance under way; overflow: the oldest is lost and counted.
pub(crate) const ROWS: usize = 1024;
/// Requests that wait; overflow: the oldest gets no answer, and its utterance is scored without a face.
const REQUESTS: usize = 4;

/// Face rows of an utterance.
pub(crate) struct FaceRows {
    /// Numbers of the pictures, in the order of time.
    pub(crate) numbers: Vec<u64>,
    /// [pictures, width].
    pub(crate) rows: Tensor,
}

/// Rows that were asked for.
pub(crate) struct Collecting {
    rows: Receiver<FaceRows>,
    hurry: Arc<AtomicBool>,
}

impl Collecting {
    /// The rows. After `patience` no further face is begun and those at hand come, one at least; `None` where even that takes
    /// longer than `limit`, or the stage has ended. `beat` is called all the while.
    pub(crate) fn wait(&self, patience: Duration, limit: Duration, beat: impl Fn()) -> Option<FaceRows> {
        if let Ok(rows) = self.rows.recv_timeout(patience) {
            return Some(rows);
        }
        self.hurry.store(true, Ordering::Relaxed);
        let deadline = Instant::now() + limit;
        loop {
            beat();
            let left = deadline.saturating_duration_since(Instant::now());
            match self.rows.recv_timeout(left.min(Duration::from_millis(100))) {
                Ok(rows) => return Some(rows),
                Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
                Err(_) => return None,
            }
        }
    }
}

enum Request {
    Collect { span: Span, hurry: Arc<AtomicBool>, reply: SyncSender<FaceRows> },
    Swap(Option<Box<Optics>>),
    Wipe,
}

/// Where pictures and requests wait for the face stage.
pub(crate) struct FaceInbox {
    waiting: Mutex<Waiting>,
    filled: Condvar,
}

#[derive(Default)]
struct Waiting {
    pictures: Deque<RawPicture, PICTURES>,
    requests: Deque<Request, REQUESTS>,
    /// When the utterance under way began.
    speaking_from: Option<Timestamp>,
    closed: bool,
}

impl FaceInbox {
    pub(crate) fn new() -> Self {
        Self { waiting: Mutex::default(), filled: Condvar::new() }
    }

    fn locked(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new picture; never waits.
    pub(crate) fn picture(&self, picture: RawPicture, losses: &Losses) {
        let mut waiting = self.locked();
        if waiting.pictures.is_full() {
            waiting.pictures.pop_front();
            losses.add(Loss::Pictures, 1);
        }
        let _ = waiting.pictures.push_back(picture);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Somebody speaks since then, or nobody does.
    pub(crate) fn speaking(&self, from: Option<Timestamp>) {
        let mut waiting = self.locked();
        if waiting.speaking_from != from {
            waiting.speaking_from = from;
            drop(waiting);
            self.filled.notify_one();
        }
    }

    /// Asks for the rows of `span`; they come once every waiting picture of it is worked off, or in a hurry.
    pub(crate) fn collect(&self, span: Span) -> Collecting {
        let (reply, rows) = sync_channel(1);
        let hurry = Arc::new(AtomicBool::new(false));
        self.request(Request::Collect { span, hurry: Arc::clone(&hurry), reply });
        Collecting { rows, hurry }
    }

    /// Exchanges the networks before the next picture; without any, pictures are thrown away.
    pub(crate) fn swap(&self, optics: Option<Optics>) {
        self.request(Request::Swap(optics.map(Box::new)));
    }

    /// Zeroes every picture, face and row.
    pub(crate) fn wipe(&self) {
        let mut waiting = self.locked();
        while let Some(mut picture) = waiting.pictures.pop_front() {
            picture.bytes.zeroize();
        }
        drop(waiting);
        self.request(Request::Wipe);
    }

    fn request(&self, request: Request) {
        let mut waiting = self.locked();
        if waiting.requests.is_full() {
            waiting.requests.pop_front();
        }
        let _ = waiting.requests.push_back(request);
        drop(waiting);
        self.filled.notify_one();
    }

    /// Ends the stage.
    pub(crate) fn close(&self) {
        self.locked().closed = true;
        self.filled.notify_one();
    }

    /// Pictures that wait.
    pub(crate) fn len(&self) -> usize {
        self.locked().pictures.len()
    }

    /// Pictures taken before `end`, the oldest first.
    fn picture_before(&self, end: Timestamp) -> Option<RawPicture> {
        let mut waiting = self.locked();
        let due = waiting.pictures.front().is_some_and(|p| p.time < end);
        if due { waiting.pictures.pop_front() } else { None }
    }
}

/// The stage's work in the order of its urgency.
enum Work {
    Request(Request),
    Picture(RawPicture),
    Embed(Timestamp),
    Nothing,
    End,
}

/// A face cut out of a picture.
struct Crop {
    number: u64,
    time: Timestamp,
    face: Tensor,
}

struct Row {
    number: u64,
    time: Timestamp,
    row: Vec<f32>,
}

/// The stage: one thread's faces.
pub(crate) struct FaceStage {
    /// None while the rung has no networks for faces.
    eye: Option<Eye>,
    inbox: Arc<FaceInbox>,
    board: Arc<Board>,
    losses: Arc<Losses>,
    tape: Option<Arc<Tape>>,
    number: u64,
    crops: Deque<Crop, CROPS>,
    rows: Box<Deque<Row, ROWS>>,
}

impl Stage for FaceStage {
    fn turn(&mut self) -> Turn {
        match self.next_work() {
            Work::Request(Request::Collect { span, hurry, reply }) => {
                // Nobody waits any longer for an answer that cannot be sent.
                let _ = reply.try_send(self.collect(span, &hurry));
            }
            Work::Request(Request::Swap(optics)) => match optics.map(|optics| eye(*optics)).transpose() {
                Ok(eye) => {
                    self.wipe();
                    self.eye = eye;
                }
                Err(error) => log::error!("{error}; faces go on with the bundle before"),
            },
            Work::Request(Request::Wipe) => self.wipe(),
            Work::Picture(picture) => self.look(picture),
            Work::Embed(from) => {
                self.embed(from);
            }
            Work::Nothing => {}
            Work::End => return Turn::Over,
        }
        Turn::Next
    }

    fn renew(&mut self) -> Result<()> {
        // Also where a request to do so broke off.
        self.wipe();
        self.eye.as_mut().map_or(Ok(()), Eye::renew)
    }
}

impl FaceStage {
    pub(crate) fn new(
        optics: Optics,
        inbox: Arc<FaceInbox>,
        board: Arc<Board>,
        losses: Arc<Losses>,
        tape: Option<Arc<Tape>>,
    ) -> Result<Self> {
        let eye = Some(eye(optics)?);
        Ok(Self { eye, inbox, board, losses, tape, number: 0, crops: Deque::new(), rows: Box::default() })
    }

    fn next_work(&self) -> Work {
        let inbox = self.inbox.locked();
        let idle = |w: &mut Waiting| {
            let embedding = w.speaking_from.is_some() && !self.crops.is_empty();
            w.pictures.is_empty() && w.requests.is_empty() && !embedding && !w.closed
        };
        let waited = self.inbox.filled.wait_timeout_while(inbox, Duration::from_millis(200), idle);
        let (mut waiting, _) = waited.unwrap_or_else(PoisonError::into_inner);
        if let Some(request) = waiting.requests.pop_front() {
            return Work::Request(request);
        }
        if waiting.closed {
            return Work::End;
        }
        // Embedding the faces at hand comes before looking for more: a queue of pictures loses its oldest anyway.
        match (waiting.speaking_from, self.crops.is_empty()) {
            (Some(from), false) => Work::Embed(from),
            _ => waiting.pictures.pop_front().map_or(Work::Nothing, Work::Picture),
        }
    }

    /// Finds the face of one picture.
    fn look(&mut self, mut picture: RawPicture) {
        let Some(eye) = &mut self.eye else { return picture.bytes.zeroize() };
        let number = self.number;
        self.number += 1;
        let looked = picture.decode().map_err(RuntimeError::from).and_then(|f| eye.look(&f));
        let (width, height, time) = (picture.width, picture.height, picture.time);
        match &self.tape {
            Some(tape) => tape.put(TapeItem::Picture { number, picture }),
            None => {
                let mut bytes = picture.bytes;
                bytes.zeroize();
            }
        }
        let found = looked.unwrap_or_else(|error| {
            log::debug!("{error}");
            self.losses.add(Loss::DamagedPictures, 1);
            None
        });
        let face = found.as_ref().map(|(b, _)| [b.x.into(), b.y.into(), b.width.into(), b.height.into()]);
        self.board.picture(PictureView { time, width, height, face });
        let Some((_, face)) = found else { return };
        if self.crops.is_full() {
            self.crops.pop_front();
            if self.inbox.locked().speaking_from.is_some() {
                self.losses.add(Loss::Faces, 1);
            }
        }
        let _ = self.crops.push_back(Crop { number, time, face });
    }

    /// Turns the oldest face into a row, unless it is from before `from`.
    fn embed(&mut self, from: Timestamp) {
        let Some(crop) = self.crops.pop_front() else { return };
        if crop.time < from {
            return;
        }
        let Some(eye) = &mut self.eye else { return };
        match eye.embed(crop.face) {
            Ok(row) => {
                if self.rows.is_full() {
                    self.rows.pop_front();
                    self.losses.add(Loss::Faces, 1);
                }
                let _ = self.rows.push_back(Row { number: crop.number, time: crop.time, row });
            }
            Err(error) => {
                log::warn!("{error}; this face is left out");
                self.losses.add(Loss::Faces, 1);
            }
        }
    }

    /// The rows of `span`; what is older is forgotten. What is still to be done when `hurry` comes is lost and counted, once
    /// there is one face: a score without any would be another mode's.
    fn collect(&mut self, span: Span, hurry: &AtomicBool) -> FaceRows {
        while let Some(mut picture) = self.inbox.picture_before(span.end()) {
            let seen = self.embedded(span) || self.crops.iter().any(|crop| span.contains(crop.time));
            if seen && hurry.load(Ordering::Relaxed) {
                picture.bytes.zeroize();
                self.losses.add(Loss::Pictures, 1);
            } else {
                self.look(picture);
            }
        }
        while self.crops.front().is_some_and(|crop| crop.time < span.end()) {
            if self.embedded(span) && hurry.load(Ordering::Relaxed) {
                let lost = self.crops.pop_front().is_some_and(|crop| span.contains(crop.time));
                self.losses.add(Loss::Faces, lost.into());
            } else {
                self.embed(span.start());
            }
        }
        let mut numbers = Vec::new();
        let mut data = Vec::new();
        while self.rows.front().is_some_and(|row| row.time < span.end()) {
            if let Some(row) = self.rows.pop_front()
                && span.contains(row.time)
            {
                numbers.push(row.number);
                data.extend(row.row);
            }
        }
        let width = self.eye.as_ref().map_or(0, Eye::width);
        let rows = Tensor::new([numbers.len(), width], data).unwrap_or_else(|_| Tensor::zeros([0, width]));
        FaceRows { numbers, rows }
    }

    /// Whether a face of `span` is a row already.
    fn embedded(&self, span: Span) -> bool {
        self.rows.iter().any(|row| span.contains(row.time))
    }

    fn wipe(&mut self) {
        while let Some(crop) = self.crops.pop_front() {
            crop.face.into_data().zeroize();
        }
        while let Some(mut row) = self.rows.pop_front() {
            row.row.zeroize();
        }
        if let Some(Err(error)) = self.eye.as_mut().map(Eye::renew) {
            log::error!("{error}");
        }
        on_own_threads(|| {
            forget_scratch();
            wipe_stack();
        });
        self.board.no_picture();
        if let Some(tape) = &self.tape {
            tape.put(TapeItem::ForgetFaces);
        }
    }
}
