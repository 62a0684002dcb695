//! The stage between the ring and the scorer: rate, level, utterances.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mien_capture::device::{SoundBlock, SoundReader};
use zeroize::Zeroize;

use super::graph::Wiring;
use super::hearing::{Hearing, HearingStep, Intake};
use super::losses::Loss;
use super::queue::{Overflow, Queue};
use super::score::Ended;
use super::stage::{Stage, Turn};
use super::tape::TapeItem;
use crate::Result;
use crate::speech::SegmentSettings;
use crate::wiping::wipe_stack;

/// How often the ring is looked at: a fiftieth of a second.
const TURN: Duration = Duration::from_millis(20);

/// What the listener is told.
#[derive(Clone)]
pub(crate) enum Tell {
    /// The microphone's stream ended; an utterance under way counts.
    StreamEnded,
    /// Throw away and zero everything heard from the stream `streams` and those before it: the session was muted for the time
    /// number `mutes`.
    Wipe { streams: u32, mutes: u64 },
    /// Cut speech by these settings from the next stream on.
    Settings(SegmentSettings),
    /// The stream ended and no other comes.
    Finish,
}

/// What the listener was told and has not done yet; overflow: refused, which eight tellings in 20 ms would take.
pub(crate) type Tellings = Queue<Tell, 8>;

/// An empty queue of tellings.
pub(crate) fn tellings() -> Tellings {
    Queue::new(Overflow::Refuse)
}

/// The stage: one thread.
pub(crate) struct ListenStage {
    pub(crate) ring: SoundReader,
    pub(crate) hearing: Hearing,
    pub(crate) intake: Intake,
    pub(crate) wiring: Arc<Wiring>,
    /// What it was told and has not done yet.
    pub(crate) told: Option<Tell>,
    /// The ring is to be zeroed as soon as no stream writes to it.
    pub(crate) unwiped: bool,
    /// What comes from this stream or an earlier one is thrown away: a hanging driver may still deliver.
    pub(crate) silenced: u32,
    /// The last mute that it was told of: what it heard before that is not scored.
    pub(crate) mutes: u64,
}

impl Stage for ListenStage {
    fn turn(&mut self) -> Turn {
        // Kept until it is done: a turn that breaks off does it again.
        self.told = self.told.take().or_else(|| self.wiring.tellings.pop());
        let told = self.told.clone();
        let wiping = matches!(told, Some(Tell::Wipe { .. }));
        let turn = self.work(told);
        self.told = None;
        if wiping || self.unwiped {
            wipe_stack();
        }
        if turn == Turn::Next {
            std::thread::sleep(TURN);
        }
        turn
    }

    fn renew(&mut self) -> Result<()> {
        // The utterance under way is lost: what of it was taken in is not known.
        self.intake.wipe();
        self.step(HearingStep::Forget);
        Ok(())
    }
}

impl ListenStage {
    fn work(&mut self, told: Option<Tell>) -> Turn {
        if let Some(Tell::Wipe { streams, mutes }) = told {
            self.intake.wipe();
            self.step(HearingStep::Forget);
            self.unwiped = true;
            self.silenced = streams;
            self.mutes = mutes;
        }
        // What came before another telling belongs before it.
        while let Some(mut block) = self.ring.take() {
            if block.stream > self.silenced {
                self.take(&block);
            }
            block.zeroize();
        }
        match told {
            Some(Tell::StreamEnded) => self.step(HearingStep::End),
            Some(Tell::Settings(settings)) => self.hearing.set_settings(settings),
            Some(Tell::Finish) => {
                self.step(HearingStep::End);
                return Turn::Over;
            }
            Some(Tell::Wipe { .. }) | None => {}
        }
        if self.unwiped && self.ring.wipe() {
            self.unwiped = false;
        }
        let counters = self.ring.counters();
        self.wiring.losses.set(Loss::Overruns, counters.overruns());
        self.wiring.losses.set(Loss::Samples, counters.dropped());
        Turn::Next
    }

    fn take(&mut self, block: &SoundBlock) {
        match self.intake.steps(block, &self.hearing) {
            Ok((steps, _)) => steps.into_iter().for_each(|step| self.step(step)),
            Err(error) => {
                // The device stays open; a rate that cannot be converted is told of once per block at debug level only.
                log::debug!("{error}");
            }
        }
    }

    fn step(&mut self, step: HearingStep) {
        let heard = self.hearing.step(&step);
        self.wiring.tape(|| TapeItem::Hearing(step.clone()));
        let mut step = step;
        if let HearingStep::Sound(samples) = &mut step {
            samples.zeroize();
        }
        self.hand_on(heard);
        let from = self.hearing.speaking_from();
        if let Some(faces) = &self.wiring.faces {
            faces.speaking(from);
        }
        self.wiring.board.sound(self.hearing.level(), from.is_some());
    }

    fn hand_on(&self, heard: Result<Vec<super::hearing::Heard>>) {
        let heard = heard.unwrap_or_else(|error| {
            log::error!("{error}");
            Vec::new()
        });
        for heard in heard {
            let decided = Instant::now();
            if let Some(mut lost) = self.wiring.utterances.push(Ended { heard, decided, mutes: self.mutes }) {
                lost.heard.samples.zeroize();
                self.wiring.losses.add(Loss::Utterances, 1);
                log::error!("the scorer is too slow for this speech: an utterance is lost");
            }
        }
    }
}
