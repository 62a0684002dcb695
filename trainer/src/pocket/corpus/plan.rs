//! A clip before anything of it is made: who says what in which mood. A function of seed, split and number.

use super::cast::{Role, role};
use super::grammar::Sentence;
use super::label::Valences;
use super::settings::CorpusSettings;
use super::speech::prosody::Prosody;
use crate::data::Split;
use crate::data::corpus::{SPLITS, split_name};
use crate::draw::Draw;

/// Tell the streams of random numbers apart.
const CLIP: u64 = 4;
const MOOD: u64 = 0;
const SENTENCE: u64 = 1;
const PROSODY: u64 = 2;
const ROOM: u64 = 3;
const FACE: u64 = 4;

/// A clip's plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    /// Utterance id, `<video>_<segment>`; a video is a sitting of one voice and one face.
    pub(super) id: String,
    pub(super) split: Split,
    pub(super) role: Role,
    pub(super) valences: Valences,
    pub(super) sentence: Sentence,
    pub(super) prosody: Prosody,
    key: [u64; 4],
    seed: u64,
}

impl Plan {
    /// The plan of clip number `n` of `split`.
    pub(super) fn new(seed: u64, split: Split, n: usize) -> Self {
        let key = [seed, CLIP, split as u64, n as u64];
        let of = |what: u64| [key[0], key[1], key[2], key[3], what];
        let role = role(seed, split, n);
        let (valences, sentence) = Valences::new(&mut Draw::new(&of(MOOD)), &of(SENTENCE));
        let prosody = Prosody::new(&role.speaker, valences.prosody, &of(PROSODY));
        let [sitting, clip] = role.sitting;
        let id = format!("{}-{}-{}{sitting:04}_{clip}", role.speaker.name, role.identity(), split_name(split));
        Self { id, split, role, valences, sentence, prosody, key, seed }
    }

    /// Plans of all clips, split by split.
    pub(super) fn all(settings: &CorpusSettings) -> Vec<Self> {
        let of_split = |(split, count): (Split, usize)| (0..count).map(move |n| Self::new(settings.seed, split, n));
        SPLITS.into_iter().zip(settings.clips).flat_map(of_split).collect()
    }

    /// The corpus' seed.
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    /// Key of what is drawn for the room and its noise.
    pub(super) fn room_key(&self) -> [u64; 5] {
        self.key_of(ROOM)
    }

    /// Key of what is drawn for the pictures.
    pub(super) fn face_key(&self) -> [u64; 5] {
        self.key_of(FACE)
    }

    fn key_of(&self, what: u64) -> [u64; 5] {
        let [a, b, c, d] = self.key;
        [a, b, c, d, what]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn default() -> Vec<Plan> {
        Plan::all(&CorpusSettings::default())
    }

    #[test]
    fn voices_timbres_and_faces_of_a_split_are_in_no_other_one() {
        let plans = default();
        assert_eq!(plans.len(), 4100);
        assert_eq!(plans.iter().map(|plan| &plan.id).collect::<BTreeSet<_>>().len(), plans.len());
        let names: [fn(&Plan) -> String; 3] = [
            |plan| plan.role.speaker.name.clone(),
            |plan| plan.role.speaker.variant.into(),
            |plan| plan.role.identity(),
        ];
        for what in names {
            let of = |split: Split| plans.iter().filter(|plan| plan.split == split).map(what).collect::<BTreeSet<_>>();
            let [train, valid, test] = SPLITS.map(of);
            assert!(train.is_disjoint(&valid) && train.is_disjoint(&test) && valid.is_disjoint(&test));
            assert!(train.len() >= 30 && valid.len() >= 6 && test.len() >= 8, "{train:?} {valid:?} {test:?}");
        }
    }

    #[test]
    fn words_voice_and_face_share_a_mood_but_in_the_stated_share() {
        let plans = default();
        let share = plans.iter().filter(|plan| plan.valences.contradict()).count() as f64 / plans.len() as f64;
        // 15 % are drawn so, a few more come so by chance; a standard error is half of a percent.
        assert!((0.13..0.19).contains(&share), "{share}");
        let column = |of: fn(&Valences) -> f64, contradict: bool| -> Vec<f64> {
            plans.iter().filter(|p| p.valences.contradict() == contradict).map(|plan| of(&plan.valences)).collect()
        };
        let columns: [fn(&Valences) -> f64; 4] = [|v| v.text, |v| v.prosody, |v| v.face, Valences::label];
        let [text, prosody, face, label] = columns.map(|of| [false, true].map(|contradict| column(of, contradict)));
        for other in [&prosody, &face] {
            let r = [0, 1].map(|kind| correlation(&text[kind], &other[kind]));
            assert!(r[0] > 0.5 && r[1] < -0.8, "{r:?}");
        }
        // Text tells most where nothing contradicts it, and least where voice and face do.
        let tells = |kind: usize| [&text, &prosody, &face].map(|of| correlation(&of[kind], &label[kind]));
        let [text, prosody, face] = tells(0);
        assert!(text > prosody && text > face && prosody > 0.6 && face > 0.6, "{text} {prosody} {face}");
        let [text, prosody, face] = tells(1);
        assert!(text < -0.5 && prosody > 0.8 && face > 0.8, "{text} {prosody} {face}");
    }

    #[test]
    fn labels_are_somewhat_positive_and_use_the_whole_scale() {
        let labels: Vec<f64> = default().iter().map(|plan| plan.valences.label()).collect();
        let mean = labels.iter().sum::<f64>() / labels.len() as f64;
        assert!((0.05..0.35).contains(&mean), "{mean}");
        for grade in -3..=3 {
            let near = labels.iter().filter(|label| (*label - f64::from(grade)).abs() <= 0.5).count();
            assert!(near > 40, "{near} labels near {grade}");
        }
    }

    fn correlation(a: &[f64], b: &[f64]) -> f64 {
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let (ma, mb) = (mean(a), mean(b));
        let sum = |of: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| of(a - ma, b - mb)).sum::<f64>();
        sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
    }
}
