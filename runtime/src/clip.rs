//! A recording becomes scored utterances.

use std::path::Path;
use std::time::Instant;

use mien_capture::{AudioClip, Media, Pictures, SampleRate, Span, Timestamp, file, to_rate};

use crate::record::{Latency, Record};
use crate::rung::Rung;
use crate::scorer::{Features, Scorer, TextInput, Utterance};
use crate::speech::segment;
use crate::transcript::Transcript;
use crate::{Result, RuntimeError};

/// One frame of WavLM, 25 ms at 16 kHz.
const SHORTEST_SAMPLES: usize = 400;

/// Where the text of a clip comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum TextRequest {
    /// The host knows what was said.
    Given(Transcript),
    /// The language model simulates it from sound.
    Simulate,
    /// No text.
    Absent,
}

impl TextRequest {
    /// Whether scoring loads the language model where it fits.
    pub fn needs_llm(&self) -> bool {
        *self != Self::Absent
    }
}

/// One recording to score.
#[derive(Clone, Copy, Debug)]
pub struct ClipRequest<'a> {
    /// The recording.
    pub path: &'a Path,
    /// Pictures that go with a sound file.
    pub face: Option<&'a Path>,
    /// Where the text comes from.
    pub text: &'a TextRequest,
    /// One utterance, whatever pauses there are.
    pub whole: bool,
    /// Whether records carry wall-clock times.
    pub timing: bool,
    /// Number of the first record.
    pub first_seq: u64,
}

/// Scores a recording utterance by utterance. All of a clip's records come together, so that a clip that turns out to be
/// damaged leaves none behind.
///
/// Without sound the pictures' whole length is one utterance. Sound without speech is left out: such a clip is scored as
/// one utterance by its face and its given transcript, and reported as "no speech" where it has neither.
///
/// # Errors
/// What reading the clip and scoring an utterance raise.
pub fn score_clip(scorer: &mut Scorer, request: &ClipRequest<'_>) -> Result<Vec<Record>> {
    let clip = Clip::open(request)?;
    let start = Instant::now();
    let utterances = clip.utterances(scorer, request)?;
    let segment_ms = start.elapsed().as_secs_f64() * 1e3;
    let spans: Vec<Span> = utterances.iter().map(|u| u.span).collect();
    let (texts, lost) = match request.text {
        TextRequest::Given(transcript) => transcript.assign(&spans),
        TextRequest::Simulate | TextRequest::Absent => (vec![None; spans.len()], Vec::new()),
    };
    let mut records = Vec::with_capacity(utterances.len().max(1));
    for ((found, text), seq) in utterances.iter().zip(texts).zip(request.first_seq..) {
        let text = match (text, request.text) {
            (Some(text), _) => TextInput::Real(text),
            (None, TextRequest::Absent) => TextInput::Absent,
            // An utterance that the subtitles miss still has sound to simulate text from.
            (None, _) => TextInput::Simulate,
        };
        let utterance =
            Utterance { samples: found.samples, pictures: clip.pictures.as_ref().map(|p| (p, Some(found.span))), text };
        let score = scorer.score(utterance)?;
        let mut record = score.into_record(scorer.facts(), seq, &clip.name, found.span);
        if request.timing {
            if let Some(latency) = &mut record.latency_ms {
                latency.segment = segment_ms;
            }
        } else {
            record.latency_ms = None;
        }
        record.notes.extend(found.note.map(String::from));
        records.push(record);
    }
    if records.is_empty() {
        let why = clip.nothing(scorer.facts().rung);
        records.push(scorer.nothing_to_score(request.first_seq, &clip.name, clip.span()?, why));
    }
    if let Some(first) = records.first_mut() {
        first.notes.extend(clip.notes);
        first.notes.extend(clip.pictures.as_ref().and_then(Pictures::left_out));
        if clip.pictures.is_some() && !scorer.facts().rung.has_face() {
            first.notes.push(format!("pictures are not looked at: rung {}", scorer.facts().rung));
        }
        if !lost.is_empty() {
            first.notes.push(format!("{} of the clip's subtitles overlap no utterance and are not used", lost.len()));
        }
    }
    Ok(records)
}

/// The rows of a recording that is one utterance, whatever pauses there are: what [`score_clip`] fuses where the
/// request says `whole`. Training corpora are cut already.
///
/// # Errors
/// What reading the clip and its utterance's rows raise; [`RuntimeError::Unscorable`] for a clip with neither sound
/// nor a face nor a transcript, and for sound that is longer than the bundle's longest utterance.
pub fn clip_features(
    scorer: &mut Scorer,
    path: &Path,
    face: Option<&Path>,
    transcript: Option<&Transcript>,
) -> Result<Features> {
    let text = transcript.map_or(TextRequest::Absent, |transcript| TextRequest::Given(transcript.clone()));
    let request = ClipRequest { path, face, text: &text, whole: true, timing: false, first_seq: 0 };
    let clip = Clip::open(&request)?;
    clip.check_length(scorer.segment_settings().longest_s, "cut it into utterances")?;
    let Some(found) = clip.utterances(scorer, &request)?.into_iter().next() else {
        let reason = format!("{}, and no transcript: there is nothing to extract", clip.nothing(scorer.facts().rung));
        return Err(RuntimeError::Unscorable { path: path.into(), reason });
    };
    let text = transcript.and_then(|transcript| transcript.assign(&[found.span]).0.into_iter().next().flatten());
    let utterance = Utterance {
        samples: found.samples,
        pictures: clip.pictures.as_ref().map(|pictures| (pictures, Some(found.span))),
        text: text.map_or(TextInput::Absent, TextInput::Real),
    };
    let mut features = scorer.features(&utterance)?;
    features.notes.extend(found.note.map(String::from));
    features.notes.extend(clip.notes);
    features.notes.extend(clip.pictures.as_ref().and_then(Pictures::left_out));
    Ok(features)
}

/// An open recording with its sound at 16 kHz.
struct Clip {
    name: String,
    sound: Option<AudioClip>,
    pictures: Option<Pictures>,
    notes: Vec<String>,
}

/// A stretch of a clip that becomes one score.
struct Found<'a> {
    span: Span,
    samples: Option<&'a [f32]>,
    note: Option<&'static str>,
}

impl Clip {
    fn open(request: &ClipRequest<'_>) -> Result<Self> {
        let Media { audio, mut pictures, notes, .. } = file::open(request.path)?;
        let name = request.path.display().to_string();
        if let Some(face) = request.face {
            if pictures.is_some() {
                return Err(RuntimeError::Request {
                    what: "pictures of the face".into(),
                    reason: format!("{name} has pictures of its own; give none beside it"),
                });
            }
            pictures = file::open(face)?.pictures;
            if pictures.is_none() {
                return Err(RuntimeError::Unscorable {
                    path: face.into(),
                    reason: "holds no picture, expected a picture or a folder of pictures".into(),
                });
            }
        }
        let sound = audio.map(|a| to_rate(a, SampleRate::HZ_16000)).transpose()?;
        Ok(Self { name, sound, pictures, notes })
    }

    fn utterances<'a>(&'a self, scorer: &mut Scorer, request: &ClipRequest<'_>) -> Result<Vec<Found<'a>>> {
        let Some(sound) = &self.sound else {
            return self.without_sound(scorer, request, "no sound");
        };
        let samples = sound.samples();
        let whole = request.whole || matches!(request.text, TextRequest::Given(Transcript::Whole(_)));
        if whole && !sound.is_silent() {
            let fix = "leave out --whole, or give the transcript with times (--text-file with .srt or .vtt)";
            self.check_length(scorer.segment_settings().longest_s, fix)?;
            let short = samples.len() < SHORTEST_SAMPLES;
            let note = short.then_some("shorter than 25 ms: filled up with silence");
            return Ok(vec![Found { span: self.span()?, samples: Some(samples), note }]);
        }
        let ranges = segment(samples, &scorer.segment_settings());
        if !ranges.is_empty() {
            let found = |r: std::ops::Range<usize>| {
                let span = Span::new(at(r.start)?, at(r.end)?)?;
                Ok(Found { span, samples: samples.get(r), note: None })
            };
            return ranges.into_iter().map(found).collect();
        }
        self.without_sound(scorer, request, "no speech: the sound is left out")
    }

    /// Holds sound that is to be one utterance against the longest that the networks take; `fix` is what to do.
    fn check_length(&self, longest_s: f64, fix: &str) -> Result<()> {
        match &self.sound {
            Some(sound) if !sound.is_silent() && sound.duration_s() > longest_s => Err(RuntimeError::Unscorable {
                path: self.name.clone().into(),
                reason: format!(
                    "{:.1} s of sound as one utterance, expected at most {longest_s} s; {fix}",
                    sound.duration_s()
                ),
            }),
            _ => Ok(()),
        }
    }

    /// The whole clip by its face and its given transcript; nothing where it has neither.
    fn without_sound<'a>(
        &self,
        scorer: &mut Scorer,
        request: &ClipRequest<'_>,
        note: &'static str,
    ) -> Result<Vec<Found<'a>>> {
        let face = match &self.pictures {
            Some(pictures) => scorer.sees_a_face(pictures)?,
            None => false,
        };
        let span = self.span()?;
        let text = match request.text {
            TextRequest::Given(transcript) => transcript.assign(&[span]).0.iter().any(Option::is_some),
            TextRequest::Simulate | TextRequest::Absent => false,
        };
        let remaining = Found { span, samples: None, note: Some(note) };
        Ok(if face || text { vec![remaining] } else { Vec::new() })
    }

    /// Why there is nothing to score.
    fn nothing(&self, rung: Rung) -> &'static str {
        match (&self.sound, rung.has_face()) {
            (Some(_), _) => "no speech",
            (None, true) => "no sound and no face",
            (None, false) => "no sound",
        }
    }

    fn span(&self) -> Result<Span> {
        match (&self.sound, &self.pictures) {
            (Some(sound), _) => Ok(Span::new(at(0)?, at(sound.samples().len())?)?),
            (None, Some(pictures)) => Ok(pictures.span()),
            (None, None) => Err(RuntimeError::Unscorable {
                path: self.name.clone().into(),
                reason: "holds neither sound nor pictures; is this a recording?".into(),
            }),
        }
    }
}

/// Time of a sample at 16 kHz.
fn at(sample: usize) -> Result<Timestamp> {
    Ok(Timestamp::from_secs_f64(sample as f64 / f64::from(SampleRate::HZ_16000.hz()))?)
}

impl Latency {
    /// Sum over the stages of one utterance, without the clip's segmentation.
    pub fn stages_ms(&self) -> f64 {
        self.wavlm + self.manet + self.llm + self.fusion
    }
}
