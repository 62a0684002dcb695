//! Equal runs give equal bytes, and the program gives what its parts give.

use mien_capture::{SampleRate, file, to_rate};
use mien_models::bundle::{Bundle, Role};
use mien_models::fusion::{Fusion, FusionInput};
use mien_models::tensor::Tensor;
use mien_models::wavlm::Wavlm;

use crate::material::{Material, SPEECH, mien, portrait};

#[test]
fn two_runs_are_bit_equal_on_any_number_of_threads() {
    let face = portrait();
    let args = ["score", SPEECH, "--face", face.to_str().unwrap(), "--json"];
    let first = mien(&args);
    assert_eq!(first.code, 0, "{}", first.stderr);
    assert!(!first.stdout.is_empty());
    assert_eq!(first.stdout, mien(&args).stdout);
    let one_thread = mien(&[&args[..], &["--threads", "1"]].concat());
    assert_eq!(first.stdout, one_thread.stdout);
}

#[test]
fn a_score_does_not_depend_on_the_clips_before_it() {
    let film = Material::new();
    let film = film.film();
    let alone = mien(&["score", SPEECH, "--json"]).records();
    let after = mien(&["score", film.to_str().unwrap(), SPEECH, "--json"]).records();
    assert_eq!(alone[0]["valence"], after[1]["valence"]);
    let seq: Vec<_> = after.iter().map(|r| r["seq"].as_u64().unwrap()).collect();
    assert_eq!(seq, [0, 1]);
}

#[test]
fn the_program_gives_what_the_networks_give_one_by_one() {
    let folder = Material::new();
    let path = folder.path("dry");
    assert_eq!(mien(&["bundle", "dry", "--out", path.to_str().unwrap()]).code, 0);
    let args = ["score", SPEECH, "--whole", "--no-llm", "--json", "--bundle", path.to_str().unwrap()];
    let record = mien(&args).records().remove(0);

    let bundle = Bundle::open(&path).unwrap();
    let manifest = bundle.manifest();
    let sound = to_rate(file::open(SPEECH.as_ref()).unwrap().audio.unwrap(), SampleRate::HZ_16000).unwrap();
    let wavlm = Wavlm::load(&bundle.path(Role::Wavlm).unwrap(), &manifest.wavlm, manifest.method.audio_layer).unwrap();
    let heard = wavlm.session().unwrap().run(sound.samples()).unwrap();
    let mut fusion = Fusion::load(&bundle.path(Role::Fusion).unwrap(), &manifest.fusion).unwrap();
    let text = Tensor::zeros([1, manifest.fusion.text]);
    let video = Tensor::zeros([1, manifest.fusion.video]);
    let input = FusionInput { audio: &heard.audio, text: &text, video: &video, text_missing: true };
    let output = fusion.run(&[input]).unwrap().remove(0);
    assert_eq!(record["valence"].as_f64().unwrap() as f32, output.valence);
    for (view, weight) in record["views"].as_array().unwrap().iter().zip(output.view_weights) {
        assert_eq!(view.as_f64().unwrap() as f32, weight);
    }
}
