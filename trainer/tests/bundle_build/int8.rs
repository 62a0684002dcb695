//! Encoders in bytes: bundles that score almost alike, and those that must not appear.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use mien_models::bundle::{Bundle, GraphNumbers, Role};
use mien_models::manet;
use mien_models::tensor::{NamedTensors, Tensor, write_safetensors};
use mien_models::wavlm::byte_layers;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::rung::Rung;
use mien_runtime::scorer::{Scorer, ScorerSettings};
use serde_json::Value;

use super::{NETWORKS, Place, SEED};

/// Recorded voices of Debian's alsa-utils.
const VOICES: [&str; 3] = ["Front_Left", "Front_Right", "Rear_Center"];

/// A folder with the voices, and a list of them in which the first one has a face.
fn with_clips(place: &Place) {
    fs::create_dir(place.path("clips")).unwrap();
    let portrait = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/assets/astronaut.png");
    let mut list = String::from("id,path,split,label,face\n");
    for (n, voice) in VOICES.iter().enumerate() {
        let from = format!("/usr/share/sounds/alsa/{voice}.wav");
        fs::copy(&from, place.path(&format!("clips/{voice}.wav"))).expect("run `cargo xtask setup`");
        let face = if n == 0 { portrait.canonicalize().expect("run `cargo xtask setup`") } else { "".into() };
        list += &format!("voice-{n}_0,clips/{voice}.wav,train,0,{}\n", face.display());
    }
    fs::write(place.path("clips.csv"), list).unwrap();
}

/// Checkpoints whose layers neither blow up nor shrink what goes through them: with the formula's own weights, valences
/// run into millions.
fn calm() -> Place {
    let place = Place::new();
    for network in NETWORKS {
        let specs = place.specs(network);
        let formula = NamedTensors::formula(SEED, &specs);
        let tensors = specs.iter().map(|spec| {
            let inputs: usize = spec.shape.iter().skip(1).product();
            let scale = if spec.shape.len() > 1 { (3.0 / inputs as f32).sqrt() } else { 1.0 };
            let values = formula.get(&spec.name, &spec.shape).unwrap().iter().map(|v| v * scale).collect();
            (spec.name.clone(), Tensor::new(spec.shape.clone(), values).unwrap())
        });
        let tensors = NamedTensors::from_tensors("a test", tensors.collect::<Vec<_>>());
        write_safetensors(&place.checkpoint(network), &tensors, &specs, &BTreeMap::new()).unwrap();
    }
    place
}

/// Valences of the listed voices by the bundle `name`, as `mien score` gives them.
fn valences(place: &Place, name: &str) -> Vec<f64> {
    let bundle = Bundle::open(&place.path(name)).unwrap();
    let settings = ScorerSettings { threads: 2, llm_threads: 1, llm_context: 16, gpu_layers: 0, rung: Rung::NoLlm };
    let mut scorer = Scorer::open(&bundle, &settings).unwrap();
    let portrait = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/assets/astronaut.png");
    let mut valences = Vec::new();
    for (n, voice) in VOICES.iter().enumerate() {
        let request = ClipRequest {
            path: &place.path(&format!("clips/{voice}.wav")),
            face: (n == 0).then_some(portrait.as_path()),
            text: &TextRequest::Absent,
            whole: false,
            timing: false,
            first_seq: 0,
        };
        valences.extend(score_clip(&mut scorer, &request).unwrap().iter().map(|r| f64::from(r.valence.unwrap())));
    }
    valences
}

#[test]
fn a_bundle_in_bytes_is_measured_by_the_devices_own_scores() {
    let place = calm();
    with_clips(&place);
    place.built("floats", &[]);
    let told = place.built("bytes", &["--int8", "--calibrate", &place.text("clips.csv"), "--gate", "1", "--json"]);
    let told: Value = serde_json::from_str(&told).unwrap();
    let measured = &told["int8"]["calibration"];

    // What the gate measured is what anybody would, with the two bundles.
    let (floats, bytes) = (valences(&place, "floats"), valences(&place, "bytes"));
    let moved: Vec<f64> = floats.iter().zip(&bytes).map(|(a, b)| (a - b).abs()).collect();
    let largest = moved.iter().copied().fold(0.0, f64::max);
    println!("valences {floats:?} and {bytes:?} in bytes");
    assert!(largest > 0.0, "bytes change something");
    for (key, expected) in [
        ("p99", largest),
        ("largest", largest),
        ("mean", moved.iter().sum::<f64>() / moved.len() as f64),
        ("utterances", moved.len() as f64),
        ("with_voice", moved.len() as f64),
        ("with_face", 1.0),
        ("clips", 3.0),
    ] {
        let found = measured[key].as_f64().unwrap();
        assert!((found - expected).abs() < 1e-9, "{key}: {found} and {expected}");
    }
    assert!(measured["basis"].as_str().unwrap().ends_with("so it is their largest"), "{measured}");
    // Small networks of formula weights, whose rows are noise: the stream keeps its direction all the same.
    let blocks = measured["wavlm"]["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), place.dry.wavlm.layers + 1);
    assert!(blocks.iter().all(|block| block["cosine"].as_f64().unwrap() > 0.99), "{measured}");
    let layer = place.dry.method.audio_layer;
    let shares: Vec<Option<f64>> = blocks.iter().map(|block| block["error_share"].as_f64()).collect();
    assert!((shares.iter().flatten().sum::<f64>() - 1.0).abs() < 1e-9, "{shares:?}");
    assert!(shares[..=layer].iter().all(Option::is_some) && shares[layer + 1..].iter().all(Option::is_none));
    assert_eq!(measured["manet"]["faces"], 1);
    assert!(measured["manet"]["local"]["cosine"].as_f64().unwrap() > 0.99, "{measured}");

    // Graphs and weights of the encoders are others and smaller, everything else is as it was.
    let (floats, bytes) = (Bundle::open(&place.path("floats")).unwrap(), Bundle::open(&place.path("bytes")).unwrap());
    for role in [Role::Projector, Role::ProjectorWeights, Role::Fusion, Role::FusionWeights, Role::FaceDetector] {
        assert_eq!(floats.manifest().file(role).unwrap().sha256, bytes.manifest().file(role).unwrap().sha256, "{role}");
    }
    for role in [Role::WavlmWeights, Role::ManetWeights] {
        let size = |bundle: &Bundle| bundle.manifest().file(role).unwrap().bytes;
        assert!(2 * size(&bytes) < size(&floats), "{role}: {} and {}", size(&bytes), size(&floats));
    }
    let layers = [(Role::Wavlm, byte_layers(&place.dry.wavlm)), (Role::Manet, manet::byte_layers(&place.dry.manet))];
    for (role, layers) in layers.map(|(role, layers)| (role, layers.len())) {
        let numbers = |bundle: &Bundle| GraphNumbers::read(&bundle.path(role).unwrap()).unwrap();
        assert_eq!(numbers(&floats).bytes, 0);
        assert_eq!(numbers(&bytes).bytes, layers, "{role}");
        let source = &bytes.manifest().file(role).unwrap().source;
        assert!(source.contains("computes with bytes, valences moved by p99 0."), "{source}");
    }
    assert_eq!(
        bytes.manifest().file(Role::Fusion).unwrap().source,
        floats.manifest().file(Role::Fusion).unwrap().source
    );
}

#[test]
fn without_clips_the_gate_is_said_not_to_have_run() {
    let place = Place::new();
    let told = place.built("bytes", &["--int8", "--keep-float", "encoder.layers.1", "--keep-float", "conv1"]);
    for part in [
        "WavLM: 20 of 24 in bytes, 4 stay in f32",
        "in bytes, 1 stay in f32",
        "projector and fusion: small",
        "gate     NOT RUN",
        "encoder.layers.0",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let made = Bundle::open(&place.path("bytes")).unwrap();
    assert!(made.manifest().file(Role::Wavlm).unwrap().source.contains("computes with bytes, no gate was run"));
    assert_eq!(GraphNumbers::read(&made.path(Role::Wavlm).unwrap()).unwrap().bytes, 20);
    // The same request gives the same bundle.
    place.built("again", &["--int8", "--keep-float", "encoder.layers.1", "--keep-float", "conv1"]);
    assert_eq!(made.digest(), Bundle::open(&place.path("again")).unwrap().digest());
}

#[test]
fn a_table_tells_every_part() {
    let place = calm();
    with_clips(&place);
    let told = place.built("bytes", &["--int8", "--calibrate", &place.text("clips"), "--gate", "1"]);
    println!("{told}");
    for part in ["frames", "encoder.layers.3", "layer1", "passed: |int8 - f32|", "so it is their largest", "3 clips"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains("no clip reached MA-Net: the gate says nothing of it"), "{told}");
}

#[test]
fn a_gate_that_fails_leaves_nothing_and_names_what_to_keep() {
    let place = calm();
    with_clips(&place);
    let said = place.refused(5, None, &["--int8", "--calibrate", &place.text("clips"), "--gate", "1e-9"]);
    for part in ["p99 of the difference to f32 is 0.", "at most 0.000000001", "so it is their largest", ".wav at 0."] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let named: Vec<&str> =
        said.split("--keep-float ").skip(1).filter_map(|rest| rest.split([' ', ',']).next()).collect();
    assert!(!named.is_empty(), "{said}");
    // What is named can be given.
    let kept: Vec<&str> = named.iter().flat_map(|name| ["--keep-float", name]).collect();
    place.built("kept", &[&["--int8"], &kept[..]].concat());
}

#[test]
fn options_and_clips_that_cannot_be_are_told_in_one_line() {
    let place = calm();
    with_clips(&place);
    let clips = place.text("clips");
    for (options, part) in [
        (&["--calibrate", &clips][..], "--calibrate is for --int8"),
        (&["--keep-float", "conv1"], "--keep-float is for --int8"),
        (&["--gate", "0.1"], "--gate is for --int8"),
        (&["--int8", "--gate", "0.1"], "--gate is for --calibrate"),
    ] {
        let said = place.refused(2, None, options);
        assert!(said.contains(part), "{part}: {said}");
    }
    let said = place.refused(3, None, &["--int8", "--calibrate", &clips, "--gate", "0"]);
    assert!(said.contains("expected a number above 0, found 0"), "{said}");
    let said = place.refused(3, None, &["--int8", "--keep-float", "encoder.layers.4"]);
    assert!(
        said.contains("no byte layer is named \"encoder.layers.4\"") && said.contains("encoder.layers.0"),
        "{said}"
    );

    let calibrated = |name: &str| place.refused(3, None, &["--int8", "--calibrate", &place.text(name)]);
    fs::create_dir(place.path("empty")).unwrap();
    assert!(calibrated("empty").contains("holds no clip"));
    assert!(calibrated("nowhere").contains("nowhere"));
    fs::create_dir(place.path("quiet")).unwrap();
    fs::write(place.path("quiet/still.wav"), silence()).unwrap();
    let said = calibrated("quiet");
    assert!(said.contains("still.wav") && said.contains("no speech") && said.contains("take it out"), "{said}");
    fs::create_dir(place.path("broken")).unwrap();
    fs::write(place.path("broken/notes.txt"), "no sound").unwrap();
    assert!(calibrated("broken").contains("notes.txt"));
}

/// A second of digital silence, 16 bits at 16 kHz.
fn silence() -> Vec<u8> {
    let mut bytes = b"RIFF".to_vec();
    bytes.extend(32_036u32.to_le_bytes());
    bytes.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    bytes.extend([16_000u32, 32_000].iter().flat_map(|field| field.to_le_bytes()));
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(32_000u32.to_le_bytes());
    bytes.resize(bytes.len() + 32_000, 0);
    bytes
}
