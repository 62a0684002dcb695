//! A clip's files: spoken, mixed, drawn.

use std::collections::BTreeMap;

use super::face::Actor;
use super::plan::Plan;
use super::settings::PICTURES;
use super::speech::espeak::Espeak;
use super::speech::prosody::Prosody;
use super::speech::sound::{LENGTHS, Sound};
use crate::draw::Draw;
use crate::{Result, TrainerError};

/// The sound's name in a clip's folder.
pub(super) const SOUND: &str = "sound.wav";
/// The name of the table that tells when pictures are shown.
pub(super) const TIMES: &str = "times.csv";
/// How much faster a sentence is said that is too long, and how often that is tried.
const FASTER: f64 = 1.15;
const TRIES: usize = 6;

/// A clip that was made.
#[derive(Clone, Debug)]
pub(super) struct Clip {
    /// Contents by name.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Length of the sound.
    pub(super) seconds: f64,
    /// Words a minute, after what length allows.
    pub(super) rate: u16,
    /// Speech over noise, dB.
    pub(super) snr: f64,
}

impl Clip {
    /// Makes what `plan` says.
    ///
    /// # Errors
    /// Program where espeak-ng fails or cannot say the sentence in the longest time that a clip may have.
    pub(super) fn make(plan: &Plan, espeak: &Espeak) -> Result<Self> {
        let (sound, rate) = spoken(plan, espeak)?;
        let mut files = BTreeMap::from([(SOUND.to_owned(), sound.wav()?)]);
        let actor = Actor::new(plan.seed(), plan.role.face, plan.valences.face, &plan.face_key());
        let mut times = String::from("file,time_s\n");
        let pictures = (sound.seconds() * f64::from(PICTURES)).ceil() as u32;
        for number in 0..pictures {
            let time = f64::from(number) / f64::from(PICTURES);
            let name = format!("{number:02}.jpg");
            times.push_str(&format!("{name},{time:.3}\n"));
            files.insert(name, actor.jpeg(time, sound.loudness(time))?);
        }
        files.insert(TIMES.to_owned(), times.into_bytes());
        Ok(Self { files, seconds: sound.seconds(), rate, snr: sound.snr })
    }
}

/// The sound of a clip and the rate at which it is spoken.
fn spoken(plan: &Plan, espeak: &Espeak) -> Result<(Sound, u16)> {
    let speaker = &plan.role.speaker;
    let mut prosody = plan.prosody;
    for _ in 0..TRIES {
        let speech = espeak.say(&plan.sentence.text(), speaker.accent, speaker.variant, &prosody)?;
        let sound = Sound::mix(speech, prosody.level, &mut Draw::new(&plan.room_key()))?;
        if sound.seconds() <= LENGTHS[1] {
            return Ok((sound, prosody.rate));
        }
        prosody = Prosody { rate: (f64::from(prosody.rate) * FASTER) as u16, ..prosody };
    }
    let reason = format!(
        "takes more than {} s for {:?} in the voice {}+{}; is it another version?",
        LENGTHS[1],
        plan.sentence.text(),
        speaker.accent,
        speaker.variant
    );
    Err(TrainerError::Program { program: "espeak-ng", reason })
}
