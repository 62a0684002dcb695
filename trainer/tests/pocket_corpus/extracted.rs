//! The device's own networks take the clips: sound, every picture's face, transcript.

use mien_models::bundle::{DrySize, make_dry};
use mien_trainer::data::npy;

use super::material::{Room, Run, command, rows};

#[test]
fn extract_and_import_take_the_list_as_it_stands() {
    let room = Room::new();
    room.corpus("corpus", &["--clips", "2,1,1"]).printed();
    make_dry(&room.path("bundle"), DrySize::Small, 7).unwrap();
    let mut extract = command(&["extract"]);
    extract.arg(room.path("corpus/list.csv")).arg("--out").arg(room.path("rows"));
    extract.arg("--bundle").arg(room.path("bundle"));
    let printed = Run::of(extract.output().unwrap()).printed();
    assert!(printed.contains("4 clips extracted, 0 stood already, 0 failed"), "{printed}");
    for modality in ["audio", "video", "text"] {
        assert!(!printed.contains(&format!("no {modality} rows")), "{printed}");
    }
    for row in rows(&room.path("corpus/hidden.csv")) {
        let seconds: f64 = row["seconds"].parse().unwrap();
        let extent = |modality: &str| npy::extent(&room.path(&format!("rows/{modality}/{}.npy", row["id"]))).unwrap();
        // A face in every picture, WavLM's 50 rows a second.
        assert_eq!(extent("video").rows, (seconds * 5.0).ceil() as usize, "{row:?}");
        assert!((extent("audio").rows as f64 - 50.0 * seconds).abs() <= 2.0, "{row:?}");
    }
    let mut import = command(&["import"]);
    import.arg(room.path("rows")).arg("--out").arg(room.path("store")).arg("--zero-row-for-empty");
    let printed = Run::of(import.output().unwrap()).printed();
    assert!(printed.contains("train 2, valid 1, test 1"), "{printed}");
    let printed = Run::of(command(&["data", "check"]).arg(room.path("store")).output().unwrap()).printed();
    assert!(printed.contains("whole, and its splits are apart"), "{printed}");
}
