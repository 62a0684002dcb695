//! Manifests that are not acceptable, and the acceptable one written and read.

use std::fs;
use std::path::Path;

use mien_models::ModelError;
use mien_models::bundle::{Bundle, MANIFEST_NAME, Manifest, MemorySection, MethodSection, Metric, Role};

use crate::material::{Copy, dry_manifest};

/// The manifest with one piece replaced, and what the error must say, the first being the text of the line that it names.
const FALSE_MANIFESTS: &[(&str, &str, &[&str])] = &[
    ("schema = 2", "schema = 3", &["schema = 3", "schema: expected 2, found 3"]),
    ("schema = 2", "schema = \"2\"", &["schema = ", "invalid type: string", "expected u32"]),
    ("trained = false", "trained = \"no\"", &["trained = ", "invalid type: string", "expected a boolean"]),
    ("trained = false", "trained = false\ncolour = 3", &["colour = 3", "unknown field `colour`"]),
    ("trained = false\n", "", &["missing field `trained`"]),
    ("trained = false", "trained = false\ntrained = true", &["trained = true", "duplicate key"]),
    ("step = 4", "step = 0", &["finder", "step: expected 1 to 16, found 0"]),
    ("step = 4", "step = 4\nsteps = 4", &["steps = 4", "unknown field `steps`"]),
    ("margin = 0.2", "margin = nan", &["crop", "margin: expected 0 to 2"]),
    ("every = 5", "every = 0", &["track", "every: expected at least 1, found 0"]),
    ("every = 5", "every = -5", &["every = -5", "invalid value: integer `-5`, expected u32"]),
    (
        "sample_rate = 16000",
        "sample_rate = 8000",
        &["sample_rate = 8000", "audio.sample_rate: expected 16000, found 8000"],
    ),
    ("longest_utterance_s = 30.0", "longest_utterance_s = inf", &["longest_utterance_s = inf", "expected 1 to 60"]),
    (
        "longest_utterance_s = 30.0",
        "longest_utterance_s = 0.5",
        &["audio.longest_utterance_s: expected 1 to 60 seconds, found 0.5"],
    ),
    ("audio_layer = 3", "audio_layer = 5", &["audio_layer = 5", "method.audio_layer: expected 0 to 4"]),
    (
        "simulated_layers = [-4]",
        "simulated_layers = [0]",
        &["simulated_layers = [0]", "index 0 of a model of 6 blocks"],
    ),
    ("simulated_layers = [-4]", "simulated_layers = []", &["simulated_layers = []", "method.simulated_layers"]),
    ("beams = 1", "beams = 4", &["beams = 4", "method.beams: expected 1, found 4"]),
    ("max_new_tokens = 200", "max_new_tokens = 0", &["max_new_tokens = 0", "expected 1 to 4096, found 0"]),
    ("max_new_tokens = 200", "max_new_tokens = 4097", &["max_new_tokens = 4097", "expected 1 to 4096, found 4097"]),
    (
        "video = 128",
        "video = 64",
        &["video = 64", "fusion.video: expected 128, the width of MA-Net's embedding, found 64"],
    ),
    (
        "embedding_length = 64",
        "embedding_length = 65",
        &["embedding_length = 65", "expected 64, the fusion's text width, found 65"],
    ),
    ("heads = 4", "heads = 5", &["[wavlm]", "wavlm: ", "multiple of heads 5"]),
    ("padding = \"masked\"", "padding = \"none\"", &["padding = ", "unknown variant `none`", "`masked`"]),
    ("role = \"llm\"", "role = \"llms\"", &["role = ", "unknown variant `llms`"]),
    ("role = \"llm\"", "role = \"licence\"", &["[llm]", "llm: expected the table and a file of role llm or neither"]),
    (
        "role = \"manet\"",
        "role = \"wavlm\"",
        &["role = \\\"wavlm\\\"", "file[2].role: expected each role once, found wavlm again"],
    ),
    ("role = \"manet\"", "role = \"licence\"", &["expected a file of role manet, found none"]),
    ("path = \"manet.onnx\"", "path = \"wavlm.onnx\"", &["path = ", "file[2].path: expected each path once"]),
    (
        "path = \"manet.onnx\"",
        "path = \"../manet.onnx\"",
        &["path = ", "expected a path below the bundle's folder", "../manet.onnx"],
    ),
    (
        "path = \"manet.onnx\"",
        "path = \"/etc/passwd\"",
        &["path = ", "file[2].path: expected a path below the bundle's folder"],
    ),
    (
        "path = \"wavlm.weights\"",
        "path = \"other.weights\"",
        &[
            "path = ",
            "file[1].path: expected \"wavlm.weights\", the name that its graph gives, found \"other.weights\"",
        ],
    ),
    ("licence = \"", "licence = \"\\u202e", &["licence = ", "file[0].licence: expected one line", "\\u{202e}"]),
    ("licence = \"", "licence = \"\\u001b[2J", &["licence = ", "file[0].licence: expected one line"]),
    ("source = \"", "source = \"\\n", &["source = ", "file[0].source: expected one line", "\\n"]),
    ("source = \"", "source = \"\\u2067", &["source = ", "file[0].source: expected one line"]),
    ("sha256 = \"", "sha256 = \"z", &["sha256 = ", "sha256: expected 64 digits 0-9a-f"]),
    (
        "statement = \"untrained formula weights: scores mean nothing\"",
        "statement = \"\"",
        &["statement = ", "statement: expected one line of 1 to 500"],
    ),
    ("name = \"dry-small\"", "name = \"a\\u001bb\"", &["name = ", "name: expected one line"]),
];

#[test]
fn a_false_manifest_is_named_by_line_key_expected_and_found() {
    let copy = Copy::new();
    let good = copy.manifest_text();
    for (piece, replacement, says) in FALSE_MANIFESTS {
        let at = good.find(piece).unwrap_or_else(|| panic!("no {piece:?} in\n{good}"));
        let bad = [&good[..at], replacement, &good[at + piece.len()..]].concat();
        copy.write_manifest(&bad);
        let fault = copy.fault();
        assert!(matches!(fault, ModelError::Manifest { .. }), "{fault}");
        let text = fault.to_string();
        assert!(text.contains("manifest.toml: line ") && !text.contains('\n'), "{text}");
        for part in *says {
            assert!(text.contains(part), "{replacement:?}: expected {part:?} in {text:?}");
        }
        // The line that is named is the line that is quoted.
        let number: usize = text.split("line ").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        let quoted: String = bad.lines().nth(number - 1).unwrap().trim().chars().take(80).collect();
        assert!(text.contains(&format!("line {number} ({quoted:?})")), "{text}");
    }
}

#[test]
fn a_manifest_that_is_no_text_or_too_large_is_refused() {
    let copy = Copy::new();
    for (bytes, says) in [
        (b"".to_vec(), "expected digest ="),
        (b"\xff\xfe".to_vec(), "expected UTF-8 text, found another byte at 0"),
        (vec![b'#'; 2 << 20], "expected at most 1048576 bytes"),
        (vec![b'['; 1 << 20], "line 1"),
        (b"schema = ".to_vec(), "line 1"),
    ] {
        copy.write_unsealed(&bytes);
        let text = copy.fault().to_string();
        assert!(text.contains(says) && !text.contains('\n') && text.len() < 2000, "{text}");
        let Ok(sealed) = String::from_utf8(bytes) else { continue };
        copy.write_manifest(sealed);
        let text = copy.fault().to_string();
        assert!(text.contains("manifest.toml: ") && !text.contains('\n') && text.len() < 2000, "{text}");
    }
    fs::remove_file(copy.folder().join(MANIFEST_NAME)).unwrap();
    assert!(matches!(copy.fault(), ModelError::Io { .. }));
    assert!(matches!(Bundle::open(Path::new("/nonexistent/bundle")).unwrap_err(), ModelError::Io { .. }));
}

#[test]
fn every_key_survives_being_written_and_read() {
    let manifest = Manifest {
        interval90: [("audio+simulated+face".into(), 1.25), ("audio+text".into(), 0.5)].into(),
        metrics: vec![Metric {
            protocol: "own \"test\" split".into(),
            mode: "audio+face".into(),
            mae: 0.625,
            clips: 3,
        }],
        ..dry_manifest()
    };
    let path = Path::new("m.toml");
    let text = manifest.to_toml(path).unwrap();
    let back = Manifest::parse(&text, path).unwrap();
    assert_eq!(back, manifest);
    assert_eq!((back.interval90("audio+text"), back.interval90("audio")), (Some(0.5), None));

    let refused = |change: fn(&mut Manifest)| {
        let mut bad = manifest.clone();
        change(&mut bad);
        bad.to_toml(path).unwrap_err().to_string()
    };
    assert!(refused(|m| m.metrics[0].mode = "voice".into()).contains("metric[0].mode: expected one of"));
    assert!(refused(|m| m.metrics[0].mae = f64::NAN).contains("metric[0].mae"));
    assert!(refused(|m| _ = m.interval90.insert("all".into(), 1.0)).contains("interval90.all"));
    assert!(refused(|m| _ = m.interval90.insert("text".into(), -1.0)).contains("interval90.text"));
    assert!(refused(|m| _ = m.interval90.insert("text".into(), 6.5)).contains("above 0 up to 6, found 6.5"));
    assert!(refused(|m| m.metrics[0].protocol = "a\u{1b}b".into()).contains("metric[0].protocol: expected one line"));
    // The published prompt has a line end.
    assert!(manifest.method.prompt.contains('\n'));
    for bad in ["a\rb", "a\u{9b}b", "a\u{202e}b"] {
        let text =
            Manifest { method: MethodSection { prompt: bad.into(), ..manifest.method.clone() }, ..manifest.clone() }
                .to_toml(path)
                .unwrap_err()
                .to_string();
        assert!(text.contains("method.prompt: expected no control characters but line ends"), "{text}");
    }
    assert!(refused(|m| m.memory.audio_only = Some(u64::MAX >> 1)).contains("memory.audio_only: expected at most"));
    assert!(refused(|m| m.memory.with_llm = None).contains("memory.with_llm: expected a value, found none"));
}

#[test]
fn what_a_part_needs_is_less_than_the_whole_and_grows_with_what_it_holds() {
    let manifest = dry_manifest();
    let memory = manifest.memory;
    let needs = [manifest.audio_only_bytes(), memory.without_llm, memory.with_llm.unwrap()];
    assert_eq!(memory.audio_only, Some(needs[0]));
    assert!(needs[0] < needs[1] && needs[1] < needs[2], "{needs:?}");
    // Each need holds the files of its networks at least, and a longest utterance.
    let bytes = |roles: &[Role]| -> u64 { roles.iter().filter_map(|role| manifest.file(*role)).map(|f| f.bytes).sum() };
    let voice = [Role::Wavlm, Role::WavlmWeights, Role::Fusion, Role::FusionWeights];
    assert!(needs[0] > bytes(&voice));
    assert!(needs[1] - needs[0] >= bytes(&[Role::Manet, Role::ManetWeights, Role::FaceDetector]));
    assert!(needs[2] - needs[1] >= bytes(&[Role::Projector, Role::ProjectorWeights, Role::Llm]));
    let of = |seconds| MemorySection::of(&manifest.files, &manifest.wavlm, seconds, manifest.llm.as_ref());
    assert_eq!(of(manifest.audio.longest_utterance_s), memory);
    assert!(of(60.0).audio_only > memory.audio_only && of(60.0).with_llm > memory.with_llm);

    // A longer context needs more, up to what the model was trained for; a shorter one is no reason to promise less.
    let llm = manifest.llm.as_ref().unwrap();
    let at = |positions| memory.with_context(llm, positions).unwrap();
    assert_eq!((at(16), at(1024)), (needs[2], needs[2]));
    // Keys and values of 6 blocks of width 64, four bytes each.
    assert_eq!(at(2048) - at(1024), 1024 * 2 * 6 * 64 * 4);
    assert_eq!(at(1 << 20), at(llm.context_length));

    // Layers on a card take their weights, keys and values along; the embedding stays, and so does all the rest.
    let on_card = |layers| manifest.full_bytes(1024, layers).unwrap();
    assert_eq!(on_card(0), needs[2]);
    assert!((0..7).all(|layers| on_card(layers + 1) < on_card(layers)));
    assert!(on_card(7) == on_card(1000) && on_card(7) > needs[1]);
    let file: u64 = manifest.files.iter().filter(|file| file.role == Role::Llm).map(|file| file.bytes).sum();
    let moved = file * 7 / 8 + 1024 * 2 * 6 * 64 * 4;
    assert!((needs[2] - on_card(7)).abs_diff(moved) < 64, "{} and {moved}", needs[2] - on_card(7));

    // A fusion of the same size changes nothing, a larger one every need.
    assert_eq!(memory.with_fusion(1000, 1000), memory);
    let larger = memory.with_fusion(1000, 3000);
    assert_eq!(larger.without_llm - memory.without_llm, larger.audio_only.unwrap() - needs[0]);
    assert!(larger.without_llm >= memory.without_llm + 2000);
}

#[test]
fn a_manifest_from_before_there_was_a_need_of_voice_alone_has_an_estimate() {
    let path = Path::new("m.toml");
    let mut manifest = dry_manifest();
    manifest.memory.audio_only = None;
    manifest.memory.without_llm = 1 << 40;
    let text = manifest.to_toml(path).unwrap();
    assert!(!text.contains("audio_only"), "{text}");
    let old = Manifest::parse(&text, path).unwrap();
    assert_eq!(old, manifest);
    let estimate = old.audio_only_bytes();
    assert!(estimate >= dry_manifest().audio_only_bytes(), "{estimate}: whatever operators its graphs have");
    assert!(estimate < 1 << 30, "{estimate}");
    // It is never more than what is needed with faces.
    manifest.memory.without_llm = 12345;
    assert_eq!(manifest.audio_only_bytes(), 12345);
}
