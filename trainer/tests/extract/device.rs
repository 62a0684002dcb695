//! What is extracted is what the device fuses: through a store and the bundle's own fusion to the device's scores.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use mien_models::bundle::{Bundle, MODES, Role};
use mien_models::fusion::{Fusion, FusionInput};
use mien_models::tensor::Tensor;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::mode::{Presence, TextMode};
use mien_runtime::record::Record;
use mien_runtime::rung::Rung;
use mien_runtime::scorer::{Scorer, ScorerSettings};
use mien_runtime::transcript::Transcript;
use mien_trainer::data::corpus::{Modality, SPLITS};
use mien_trainer::data::npy;
use mien_trainer::data::store::Store;
use mien_trainer::extract::ClipList;

use super::material::{Room, Run, portrait, voice, wav};

/// Clips of every kind: each of voice, face and words there or not.
fn every_kind() -> Room {
    let room = Room::new();
    let face = portrait();
    fs::create_dir(room.path("frames")).unwrap();
    for n in 0..3 {
        fs::copy(&face, room.path(&format!("frames/{n}.png"))).unwrap();
    }
    fs::write(room.path("silence.wav"), wav(&[0; 16_000])).unwrap();
    let click: Vec<i16> = (0..300).map(|n| if n % 20 < 10 { 9000 } else { -9000 }).collect();
    fs::write(room.path("click.wav"), wav(&click)).unwrap();
    let film = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-loop", "1", "-framerate", "5", "-i", &face])
        .args(["-i", &voice("Front_Left"), "-shortest", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"])
        .arg(room.path("film.mp4"))
        .status();
    assert!(film.expect("ffmpeg is not installed: run `cargo xtask setup`").success());
    let (center, rear) = (voice("Front_Center"), voice("Rear_Center"));
    let list = format!(
        "label,id,path,split,face,transcript\n\
         1,all_0,{center},train,{face},front center\n\
         -0.3333333333333333,all_1,film.mp4,train,,\"front left, in a film\"\n\
         2,voice_0,{rear},train,,\n\
         -3,words_0,{center},valid,,front center\n\
         0,face_0,frames,valid,,nothing is heard\n\
         3,silent_0,silence.wav,test,{face},\n\
         0,click_0,click.wav,test,,click\n\
         1,silent_1,silence.wav,test,,nothing is heard or seen\n"
    );
    room.write("list.csv", &list);
    room
}

/// The device's record of a clip, scored as one utterance.
fn device(scorer: &mut Scorer, list: &ClipList, id: &str, text: &TextRequest) -> Record {
    let clip = list.clips().iter().find(|clip| clip.id == id).unwrap();
    let (path, face) = (list.place(&clip.path), clip.face.as_ref().map(|face| list.place(face)));
    let request = ClipRequest { path: &path, face: face.as_deref(), text, whole: true, timing: false, first_seq: 0 };
    let mut records = score_clip(scorer, &request).unwrap();
    assert_eq!(records.len(), 1);
    records.remove(0)
}

#[test]
fn fused_rows_give_the_devices_scores_in_every_mode() {
    let room = every_kind();
    let printed = room.extract("rows", &["--rows", "f32"]).printed();
    assert!(printed.contains("8 clips extracted, 0 stood already, 0 failed"), "{printed}");
    assert!(printed.contains("--rows f32 --zero-row-for-empty"), "{printed}");
    // As it stands, but for the user's word on what stands for nothing.
    let refused = room.import("rows", "store", &["--rows", "f32"]).refused(3);
    assert!(refused.contains("--zero-row-for-empty"), "{refused}");
    room.import("rows", "store", &["--rows", "f32", "--zero-row-for-empty"]).printed();

    let bundle = Bundle::open(&room.path("bundle")).unwrap();
    let settings = ScorerSettings { threads: 1, llm_threads: 1, llm_context: 1024, gpu_layers: 0, rung: Rung::Full };
    let mut scorer = Scorer::open(&bundle, &settings).unwrap();
    let config = bundle.manifest().fusion;
    let mut fusion = Fusion::load(&bundle.path(Role::Fusion).unwrap(), &config).unwrap();
    let list = ClipList::read(&room.path("list.csv")).unwrap();
    let store = Store::open(&room.path("store")).unwrap();
    let (mut worst, mut modes) = (0f32, BTreeSet::new());
    for split in SPLITS {
        for (n, id) in store.index().split(split).ids.iter().enumerate() {
            let rows = |modality, width| {
                let data = store.rows(split, n, modality).unwrap().unwrap();
                Tensor::new([data.len() / width, width], data).unwrap()
            };
            let (audio, video) = (rows(Modality::Audio, config.audio), rows(Modality::Video, config.video));
            let there =
                |modality: Modality| npy::extent(&room.path(&format!("rows/{modality}/{id}.npy"))).unwrap().rows > 0;
            let said = list.clips().iter().find(|clip| clip.id == *id).unwrap().transcript.clone();
            let mut texts = vec![
                (TextRequest::Simulate, rows(Modality::Simulated, config.text), there(Modality::Simulated)),
                (TextRequest::Absent, Tensor::zeros([1, config.text]), false),
            ];
            if let Some(said) = said {
                let given = TextRequest::Given(Transcript::Whole(said));
                texts.push((given, rows(Modality::Text, config.text), there(Modality::Text)));
            }
            for (request, text, has_text) in texts {
                let record = device(&mut scorer, &list, id, &request);
                let (Some(valence), Some(mode)) = (record.valence, record.mode) else {
                    // Without its words there is nothing to score in silence.
                    assert!(id == "silent_1" && !has_text, "{id} {request:?}");
                    continue;
                };
                assert_eq!(mode.audio, Presence::of(there(Modality::Audio)), "{id}");
                assert_eq!(mode.face, Presence::of(there(Modality::Video)), "{id}");
                assert_eq!(mode.text != TextMode::Absent, has_text, "{id} {request:?}");
                let text_missing = mode.text != TextMode::Real;
                let input = FusionInput { audio: &audio, text: &text, video: &video, text_missing };
                let fused = fusion.run(&[input]).unwrap().remove(0);
                let difference = (fused.valence - valence).abs();
                assert!(difference <= 1e-6, "{id} {}: {} and {valence}", mode.name(), fused.valence);
                worst = worst.max(difference);
                modes.insert(mode.name());
            }
        }
    }
    println!("largest difference {worst:.1e} in the modes {modes:?}");
    // All modes of a device but the two in which text would be simulated without sound.
    for mode in MODES.into_iter().filter(|mode| !matches!(*mode, "simulated" | "simulated+face")) {
        assert!(modes.contains(mode), "{mode} in {modes:?}");
    }
}

#[test]
fn half_precision_rounds_and_changes_nothing_else() {
    let room = Room::new();
    let center = voice("Front_Center");
    room.write("list.csv", &format!("id,path,split,label,transcript\na_0,{center},train,1,front center\n"));
    room.extract("full", &["--rows", "f32"]).printed();
    room.extract("half", &[]).printed();
    for modality in Modality::ALL {
        let [full, half] =
            ["full", "half"].map(|out| npy::read(&room.path(&format!("{out}/{modality}/a_0.npy"))).unwrap());
        assert_eq!(full.extent, half.extent);
        let rounded: Vec<f32> = full.values.iter().map(|v| half::f16::from_f32(*v).to_f32()).collect();
        assert_eq!(half.values, rounded, "{modality}");
    }
}

#[test]
fn what_the_language_model_wrote_is_kept_and_the_table_is_the_lists() {
    let room = Room::with_six_clips();
    room.extract("rows", &[]).printed();
    let said = room.record("rows", "voice-2_0")["outcome"]["extracted"]["said"].as_str().unwrap().to_owned();
    let bundle = Bundle::open(&room.path("bundle")).unwrap();
    let settings = ScorerSettings { threads: 1, llm_threads: 1, llm_context: 1024, gpu_layers: 0, rung: Rung::Full };
    let mut scorer = Scorer::open(&bundle, &settings).unwrap();
    let list = ClipList::read(&room.path("list.csv")).unwrap();
    let record = device(&mut scorer, &list, "voice-2_0", &TextRequest::Simulate);
    assert_eq!(Some(said), record.transcript);
    let table = room.table("rows");
    assert_eq!(table[0], "id,split,label,speaker,text");
    assert_eq!(table[3], "voice-2_0,test,-0.5,s2,\"front center, he said\"");
    assert_eq!(table.len(), 7);
}

#[test]
fn without_the_language_model_there_is_no_text_of_either_kind() {
    let room = Room::with_six_clips();
    let printed = room.extract("rows", &["--no-llm"]).printed();
    assert!(printed.contains("import also needs"), "{printed}");
    let names: Vec<String> = room.tree("rows").into_keys().collect();
    assert!(names.contains(&"audio/voice-0_0.npy".into()) && names.contains(&"video/voice-0_0.npy".into()));
    assert!(!names.iter().any(|name| name.starts_with("text") || name.starts_with("simulated")), "{names:?}");
}

#[test]
fn untrained_weights_are_said_wherever_the_rows_go() {
    let room = Room::with_six_clips();
    let run = room.extract("rows", &[]);
    assert!(run.stderr.contains("WARNING") && run.stderr.contains("untrained"), "{run:?}");
    let file = fs::read_to_string(room.path("rows/extraction.toml")).unwrap();
    assert!(file.contains("untrained") && file.contains("trained = false"), "{file}");
    let printed = room.import("rows", "store", &["--zero-row-for-empty"]).printed();
    assert!(printed.contains("untrained"), "{printed}");
    assert!(Store::open(&room.path("store")).unwrap().index().remarks.iter().any(|r| r.contains("untrained")));
}

#[test]
fn without_a_bundle_the_built_in_one_serves_and_says_what_it_knows() {
    let room = Room::with_six_clips();
    let run = Run::of(room.command_without_bundle("rows", &[]).output().unwrap());
    let statement = "pocket: knows only its small world";
    assert!(run.stderr.contains(&format!("WARNING: {statement}")) && !run.stderr.contains("untrained"), "{run:?}");
    run.printed();
    let file = fs::read_to_string(room.path("rows/extraction.toml")).unwrap();
    assert!(file.contains(&format!("\nstatement = \"{statement}")), "{file}");
    assert_eq!(file.matches(statement).count(), 1, "said once: {file}");
    let printed = room.import("rows", "store", &["--zero-row-for-empty"]).printed();
    assert!(printed.contains(statement), "{printed}");
}
