//! What is planted: what a clip's speaker feels, says and how well it is heard, before any row is made of it.

use crate::data::corpus::Clip;
use crate::draw::Draw;

/// Clips of a speaker, at least and at most.
const CLIPS_OF_A_SPEAKER: (usize, usize) = (3, 9);
/// Mean and standard deviation of what is felt: MOSEI's labels are mostly positive.
const FELT: (f64, f64) = (0.25, 1.1);
/// People who label a clip; a label is the mean of their whole numbers.
const RATERS: usize = 3;
/// Standard deviation of a rater's error.
const RATER_ERROR: f64 = 1.0;
/// Words of a clip: median, deviation of the logarithm, most.
const WORDS: (f64, f64, usize) = (5.0, 0.45, 14);
/// Share of words that say what is felt.
const FELT_WORDS: f64 = 0.8;
/// Standard deviation of a word's polarity around what is felt.
const POLARITY_ERROR: f64 = 0.5;
/// Audio and face rows for each word.
const FRAMES_OF_A_WORD: [f64; 2] = [1.2, 0.8];
/// Most audio and face rows of a clip.
const MOST_FRAMES: [usize; 2] = [22, 14];
/// In full din, the share of words that are misheard as any other word.
const MISHEARD: f64 = 0.1;
/// In full din, the share of words that are not heard at all.
const UNHEARD: f64 = 0.1;
/// In full din, how much more negative than it was said a word is heard.
const SOURED: f64 = 1.5;

/// A word: its polarity where it says what is felt, or nothing.
pub(super) type Word = Option<f64>;

/// A clip before any row is made of it.
#[derive(Clone, Debug)]
pub(super) struct Latent {
    /// What is felt; not rounded, not clamped.
    pub(super) felt: f64,
    /// Number of the speaker, who has the same voice and face in every clip.
    pub(super) speaker: u64,
    /// What is said.
    pub(super) said: Vec<Word>,
    /// What the recogniser takes it for.
    pub(super) heard: Vec<Word>,
    /// How loud it is around the speaker, in [0, 1): the recogniser's errors come from it, and it can be heard.
    pub(super) din: f64,
    /// Audio and face rows.
    pub(super) frames: [usize; 2],
    /// Key of the numbers that are drawn for rows.
    pub(super) key: [u64; 2],
}

/// `count` clips of speakers from number `first` on, and the number after the last speaker's.
pub(super) fn clips(seed: u64, first: u64, count: usize) -> (Vec<(Clip, Latent)>, u64) {
    let mut clips = Vec::with_capacity(count);
    let mut speaker = first;
    while clips.len() < count {
        let (least, most) = CLIPS_OF_A_SPEAKER;
        let of_speaker = Draw::new(&[seed, speaker]).between(least, most).min(count - clips.len());
        clips.extend((0..of_speaker as u64).map(|n| clip(seed, speaker, n)));
        speaker += 1;
    }
    (clips, speaker)
}

/// Clip `n` of a speaker.
fn clip(seed: u64, speaker: u64, n: u64) -> (Clip, Latent) {
    let key = [seed, (speaker << 8) | n];
    let mut draw = Draw::new(&[key[0], key[1], 0]);
    let felt = FELT.0 + FELT.1 * draw.normal();
    let grades: f64 = (0..RATERS).map(|_| (felt + RATER_ERROR * draw.normal()).round().clamp(-3.0, 3.0)).sum();
    let (median, deviation, most) = WORDS;
    let words = draw.length(median, deviation, 1, most);
    let mut said: Vec<Word> = (0..words).map(|_| word(&mut draw, felt)).collect();
    if said.iter().all(Option::is_none) {
        // A clip that says nothing of what is felt would have a label out of thin air.
        said[0] = Some(felt + POLARITY_ERROR * draw.normal());
    }
    let din = draw.unit();
    let heard = heard(&mut draw, &said, din);
    let frames = [0, 1].map(|m| {
        let most = MOST_FRAMES[m];
        draw.length(FRAMES_OF_A_WORD[m] * words as f64, 0.2, 1, most)
    });
    let video = format!("planted-{speaker:04}");
    let clip =
        Clip { id: format!("{video}_{n}"), label: grades / RATERS as f64, speaker: Some(video), transcript: None };
    (clip, Latent { felt, speaker, said, heard, din, frames, key })
}

fn word(draw: &mut Draw, felt: f64) -> Word {
    draw.chance(FELT_WORDS).then(|| felt + POLARITY_ERROR * draw.normal())
}

/// What a recogniser makes of `said`; one word at least.
fn heard(draw: &mut Draw, said: &[Word], din: f64) -> Vec<Word> {
    let mut heard = Vec::with_capacity(said.len());
    for word in said {
        if draw.chance(din * UNHEARD) {
            continue;
        }
        // A word that is taken for another one is taken for any word that people say.
        let any = FELT.0 + FELT.1 * draw.normal();
        let misheard = draw.chance(din * MISHEARD);
        heard.push(if misheard { self::word(draw, any) } else { word.map(|polarity| polarity - din * SOURED) });
    }
    if heard.is_empty() {
        heard.push(None);
    }
    heard
}
