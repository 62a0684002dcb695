//! A corpus as it lies on the disk: equal for equal settings, splits apart, labels by the rule, clips as they must be.

use std::collections::{BTreeMap, BTreeSet};

use mien_capture::file;
use mien_trainer::data::corpus::split_name;
use mien_trainer::extract::ClipList;

use super::material::{Room, digest, number, rows, shared};

#[test]
fn equal_settings_give_equal_bytes_and_another_seed_gives_others() {
    let room = Room::new();
    let first = room.corpus("a", &["--clips", "6"]).printed();
    let second = room.corpus("b", &["--clips", "4,1,1", "--seed", "1"]).printed();
    assert!(first.contains("6 clips made, 0 stood already"), "{first}");
    assert_eq!(digest(&first), digest(&second));
    let (a, b) = (room.tree("a"), room.tree("b"));
    assert!(a.keys().eq(b.keys()), "{:?} and {:?}", a.keys(), b.keys());
    a.iter().for_each(|(name, bytes)| assert!(*bytes == b[name], "{name} differs"));
    assert_eq!(digest(&room.verify("a").printed()), digest(&first));

    let other = room.corpus("other", &["--clips", "6", "--seed", "2"]).printed();
    assert_ne!(digest(&other), digest(&first));
    let other = room.tree("other");
    let sounds = |tree: &BTreeMap<String, Vec<u8>>| -> BTreeSet<Vec<u8>> {
        tree.iter().filter(|(name, _)| name.ends_with(".wav")).map(|(_, bytes)| bytes.clone()).collect()
    };
    assert!(sounds(&a).is_disjoint(&sounds(&other)));
    assert_eq!(sounds(&a).len(), 6);
}

#[test]
fn a_smaller_corpus_has_the_first_clips_of_a_larger_one() {
    let room = Room::new();
    room.corpus("small", &["--clips", "2,1,1", "--seed", "5"]).printed();
    let (small, large) = (room.tree("small"), shared().tree("corpus"));
    let clips: Vec<&String> = small.keys().filter(|name| name.starts_with("clips/")).collect();
    assert!(clips.len() > 4 * 6, "{clips:?}");
    clips.into_iter().for_each(|name| assert!(small[name] == large[name], "{name} differs"));
}

#[test]
fn labels_are_the_stated_sum_of_what_is_hidden() {
    let rows = rows(&shared().path("corpus/hidden.csv"));
    assert_eq!(rows.len(), 24);
    let mut kinds = BTreeSet::new();
    for row in &rows {
        let [text, prosody, face, error, label] =
            ["text", "prosody", "face", "error", "label"].map(|name| number(row, name));
        for valence in [text, prosody, face, label] {
            assert!((-3.0..=3.0).contains(&valence), "{row:?}");
        }
        let strong = text.abs() >= 1.0 && prosody.abs() >= 1.0 && face.abs() >= 1.0;
        let against = text.signum() != prosody.signum() && text.signum() != face.signum();
        let sum = if strong && against {
            0.1 * text + 0.45 * prosody + 0.45 * face
        } else {
            0.5 * text + 0.25 * prosody + 0.25 * face
        };
        assert!((label - (sum + error).clamp(-3.0, 3.0)).abs() < 1e-12, "{row:?}");
        assert_eq!(row["contradict"], (strong && against).to_string());
        kinds.insert(strong && against);
    }
    assert_eq!(kinds.len(), 2, "clips of both kinds are among them");
}

#[test]
fn clips_are_what_the_capture_path_takes() {
    let room = shared();
    let list = ClipList::read(&room.path("corpus/list.csv")).unwrap();
    let hidden: BTreeMap<String, _> =
        rows(&room.path("corpus/hidden.csv")).into_iter().map(|row| (row["id"].clone(), row)).collect();
    assert_eq!(list.clips().len(), 24);
    let mut of_split: BTreeMap<&str, [BTreeSet<String>; 2]> = BTreeMap::new();
    for clip in list.clips() {
        let row = &hidden[&clip.id];
        assert_eq!(clip.label, number(row, "label"));
        assert_eq!(clip.transcript.as_ref(), Some(&row["transcript"]));
        assert_eq!(split_name(clip.split), row["split"]);
        let [speakers, faces] = of_split.entry(split_name(clip.split)).or_default();
        speakers.insert(clip.speaker.clone().unwrap());
        faces.insert(row["identity"].clone());

        let media = file::open(&list.place(&clip.path)).unwrap();
        assert_eq!(media.notes, Vec::<String>::new());
        let sound = media.audio.unwrap();
        assert_eq!(sound.rate().hz(), 16_000);
        assert!((1.0..=6.0).contains(&sound.duration_s()), "{}: {} s", clip.id, sound.duration_s());
        assert_eq!(sound.duration_s(), number(row, "seconds"));
        let frames: Vec<_> = media.pictures.as_ref().unwrap().frames().map(Result::unwrap).collect();
        assert_eq!(frames.len(), (sound.duration_s() * 5.0).ceil() as usize);
        for (n, frame) in frames.iter().enumerate() {
            assert_eq!((frame.width(), frame.height()), (224, 224));
            assert!((frame.time().as_secs_f64() - 0.2 * n as f64).abs() < 1e-9);
        }
        // Speech is as loud as the table says, but for peaks that had to stay in range, and above the noise.
        let level = active_level(sound.samples());
        let told = number(row, "level_db");
        assert!(level < told + 1.0 && level > told - 4.0, "{}: {level} dB, told {told}", clip.id);
    }
    assert_eq!(of_split.len(), 3);
    let apart = |a: &str, b: &str, kind: usize| of_split[a][kind].is_disjoint(&of_split[b][kind]);
    for kind in 0..2 {
        assert!(apart("train", "valid", kind) && apart("train", "test", kind) && apart("valid", "test", kind));
    }
}

/// Level of the frames within 26 dB of the loudest one, dB of full scale.
fn active_level(samples: &[f32]) -> f64 {
    let powers: Vec<f64> =
        samples.chunks(320).map(|f| f.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / f.len() as f64).collect();
    let loudest = powers.iter().copied().fold(0.0, f64::max);
    let active: Vec<f64> = powers.into_iter().filter(|power| *power > loudest * 10f64.powf(-2.6)).collect();
    10.0 * (active.iter().sum::<f64>() / active.len() as f64).log10()
}
