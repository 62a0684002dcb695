//! What holds for any weights of UMCA with MIA, and what it refuses.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use mien_models::engine::{Input, LoadedGraph};
use mien_models::fusion::{
    Fusion, FusionConfig, FusionInput, FusionOutput, Mia, MiaResidual, PaddedLengths, Padding, build, contract,
    parameters, recognise,
};
use mien_models::tensor::{NamedTensors, Tensor, TensorSpec, formula, write_safetensors};
use mien_models::{ModelError, Result};

/// Small widths for tests of behaviour; odd, so that no width is a multiple of a vector's.
const SMALL: FusionConfig = FusionConfig { audio: 11, text: 13, video: 7, ..FusionConfig::PUBLISHED };

fn network(config: &FusionConfig, tensors: NamedTensors) -> Fusion {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fusion.onnx");
    build(config, &recognise(config, tensors).unwrap(), &path).unwrap();
    Fusion::load(&path, config).unwrap()
}

fn small(config: &FusionConfig) -> Fusion {
    network(config, NamedTensors::formula(5, &parameters(config)))
}

/// Audio, text and video of one clip.
struct Clip {
    audio: Tensor,
    text: Tensor,
    video: Tensor,
    text_missing: bool,
}

impl Clip {
    /// Formula features of `rows` rows per stream for [`SMALL`].
    fn small(seed: u64, rows: [usize; 3], text_missing: bool) -> Self {
        let stream = |name: &str, rows: usize, width: usize| {
            Tensor::new([rows, width], formula::fill(seed, &format!("input.{name}"), &[rows, width])).unwrap()
        };
        Self {
            audio: stream("audio", rows[0], SMALL.audio),
            text: stream("text", rows[1], SMALL.text),
            video: stream("video", rows[2], SMALL.video),
            text_missing,
        }
    }

    fn input(&self) -> FusionInput<'_> {
        let Self { audio, text, video, text_missing } = self;
        FusionInput { audio, text, video, text_missing: *text_missing }
    }
}

fn inputs(clips: &[Clip]) -> Vec<FusionInput<'_>> {
    clips.iter().map(Clip::input).collect()
}

/// Every number of an output, in one order.
fn numbers(output: &FusionOutput) -> Vec<f32> {
    let tensors =
        [&output.fused, &output.contrast, &output.text_representation, &output.text_hidden, &output.text_cross];
    let mut all = vec![output.valence];
    all.extend(output.modality_weights);
    all.extend(output.view_weights);
    all.extend(tensors.iter().flat_map(|t| t.data()));
    all
}

fn difference(a: &FusionOutput, b: &FusionOutput) -> f32 {
    numbers(a).iter().zip(numbers(b)).fold(0.0, |m, (a, b)| m.max((a - b).abs()))
}

#[test]
fn a_clip_does_not_depend_on_its_batch() {
    for mia_residual in [MiaResidual::Text, MiaResidual::Transition] {
        let mut fusion = small(&FusionConfig { mia_residual, ..SMALL });
        // Lengths on both sides of vector widths, one row, and none; both flows in one batch.
        let clips: Vec<Clip> = [[1, 1, 1], [33, 5, 64], [4, 80, 3], [0, 2, 0], [150, 1, 17]]
            .into_iter()
            .enumerate()
            .map(|(i, rows)| Clip::small(i as u64, rows, i % 2 == 1))
            .collect();
        let alone: Vec<FusionOutput> =
            clips.iter().map(|clip| fusion.run(&[clip.input()]).unwrap().remove(0)).collect();
        for batch in [vec![0, 1, 2, 3, 4], vec![4, 0], vec![3, 3, 1], vec![2, 1, 0, 4]] {
            let members: Vec<_> = batch.iter().map(|&i| clips[i].input()).collect();
            for (&i, together) in batch.iter().zip(fusion.run(&members).unwrap()) {
                assert!(
                    alone[i] == together,
                    "clip {i} in batch {batch:?} differs by {:e}",
                    difference(&alone[i], &together)
                );
            }
        }
    }
}

/// The graph itself, as any engine may run it: a padded batch under masks, whatever lies in the padding.
#[test]
fn masked_rows_of_a_batch_have_no_weight() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fusion.onnx");
    build(&SMALL, &NamedTensors::formula(5, &parameters(&SMALL)), &path).unwrap();
    let mut fusion = Fusion::load(&path, &SMALL).unwrap();
    let mut graph = LoadedGraph::load(&path, contract(&SMALL)).unwrap().prepare().unwrap().session().unwrap();
    let clips = [Clip::small(1, [3, 9, 1], true), Clip::small(2, [8, 2, 4], false), Clip::small(3, [1, 1, 6], true)];
    let pad = |stream: fn(&Clip) -> &Tensor, rubbish: f32| {
        let longest = clips.iter().map(|c| stream(c).rows()).max().unwrap();
        let width = stream(&clips[0]).width();
        let (mut rows, mut mask) = (Vec::new(), Vec::new());
        for (i, clip) in clips.iter().map(stream).enumerate() {
            rows.extend_from_slice(clip.data());
            rows.resize((i + 1) * longest * width, rubbish);
            mask.extend((0..longest).map(|t| t < clip.rows()));
        }
        (Tensor::new([clips.len(), longest, width], rows).unwrap(), [clips.len(), longest], mask)
    };
    for rubbish in [0.0, -7.5e3] {
        let [a, t, v] = [pad(|c| &c.audio, rubbish), pad(|c| &c.text, rubbish), pad(|c| &c.video, rubbish)];
        let missing: Vec<bool> = clips.iter().map(|c| c.text_missing).collect();
        let masks = [Input::Bool(&a.1, &a.2), Input::Bool(&t.1, &t.2), Input::Bool(&v.1, &v.2)];
        let flow = Input::Bool(&[3], &missing);
        let outputs =
            graph.run(&[(&a.0).into(), (&t.0).into(), (&v.0).into(), masks[0], masks[1], masks[2], flow]).unwrap();
        let alone = fusion.run(&inputs(&clips)).unwrap();
        for (i, alone) in alone.iter().enumerate() {
            assert!((outputs[0].data()[i] - alone.valence).abs() <= 1e-6, "valence of clip {i}");
            for (batch, alone) in [(&outputs[1], &alone.fused), (&outputs[3], &alone.text_representation)] {
                let row = batch.row(i).unwrap().iter().zip(alone.data());
                let error = row.fold(0f32, |m, (a, b)| m.max((a - b).abs()));
                assert!(error <= 1e-5, "clip {i}: {error:e}");
            }
        }
    }
}

#[test]
fn the_flag_alone_switches_the_imagination() {
    let clips = |missing| [Clip::small(1, [9, 4, 6], missing), Clip::small(2, [3, 8, 2], missing)];
    let (mut on, mut off) = (small(&SMALL), small(&FusionConfig { mia: Mia::Off, ..SMALL }));
    let complete = on.run(&inputs(&clips(false))).unwrap();
    assert_eq!(complete, off.run(&inputs(&clips(false))).unwrap(), "real text is not touched");
    assert_eq!(complete, off.run(&inputs(&clips(true))).unwrap(), "without MIA the flag means nothing");
    let missing = on.run(&inputs(&clips(true))).unwrap();
    for (complete, missing) in complete.iter().zip(&missing) {
        assert_ne!(complete.text_representation, missing.text_representation);
        assert_ne!(complete.text_cross, missing.text_cross);
        assert_ne!(complete.valence, missing.valence);
    }
}

#[test]
fn reference_padding_is_zero_rows_that_count() {
    let mut reference = small(&FusionConfig { padding: Padding::Reference, ..SMALL });
    let mut masked = small(&SMALL);
    let short = Clip::small(1, [3, 2, 4], true);
    let long = Clip::small(2, [10, 6, 5], false);
    let extended = |t: &Tensor, rows: usize| {
        let mut data = t.data().to_vec();
        data.resize(rows * t.width(), 0.0);
        Tensor::new([rows, t.width()], data).unwrap()
    };
    let by_hand = Clip {
        audio: extended(&short.audio, 10),
        text: extended(&short.text, 6),
        video: extended(&short.video, 5),
        text_missing: true,
    };
    let expected = masked.run(&[by_hand.input()]).unwrap().remove(0);
    let in_batch = reference.run(&[short.input(), long.input()]).unwrap().remove(0);
    assert_eq!(difference(&expected, &in_batch), 0.0);
    let lengths = PaddedLengths { audio: 10, text: 6, video: 5 };
    let by_length = reference.run_padded(&[short.input()], lengths).unwrap().remove(0);
    assert_eq!(difference(&expected, &by_length), 0.0);
    let alone = reference.run(&[short.input()]).unwrap().remove(0);
    assert!(difference(&expected, &alone) > 1e-4, "padding is seen");
    let unseen = masked.run_padded(&[short.input()], lengths).unwrap().remove(0);
    assert_eq!(difference(&alone, &unseen), 0.0, "with masks it is not");
    let error = reference.run_padded(&[long.input()], PaddedLengths { text: 5, ..lengths }).unwrap_err();
    assert!(error.to_string().contains("at most 5 rows"), "{error}");
}

#[test]
fn no_rows_stand_as_one_zero_row() {
    let mut fusion = small(&SMALL);
    let full = Clip::small(4, [5, 3, 2], true);
    let none = |width: usize| Tensor::zeros([0, width]);
    let zero = |width: usize| Tensor::zeros([1, width]);
    let empty = Clip { text: none(SMALL.text), video: none(SMALL.video), ..Clip::small(4, [5, 3, 2], true) };
    let zeros = Clip { text: zero(SMALL.text), video: zero(SMALL.video), ..Clip::small(4, [5, 3, 2], true) };
    let outputs = fusion.run(&[empty.input(), zeros.input(), full.input()]).unwrap();
    assert!(outputs[0] == outputs[1]);
    assert_ne!(outputs[0], outputs[2]);
    assert!(fusion.run(&[]).unwrap().is_empty());
}

#[test]
fn same_input_same_bytes() {
    let clips = [Clip::small(1, [40, 12, 9], false), Clip::small(2, [7, 30, 25], true)];
    let mut fusion = small(&SMALL);
    let first = fusion.run(&inputs(&clips)).unwrap();
    assert_eq!(first, fusion.run(&inputs(&clips)).unwrap(), "second run");
    assert_eq!(first, fusion.fork().unwrap().run(&inputs(&clips)).unwrap(), "another session");
    assert_eq!(first, small(&SMALL).run(&inputs(&clips)).unwrap(), "built and loaded again");

    let folder = tempfile::tempdir().unwrap();
    let bytes = |name: &str| {
        let path = folder.path().join(name).join("fusion.onnx");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        build(&SMALL, &NamedTensors::formula(5, &parameters(&SMALL)), &path).unwrap();
        (std::fs::read(&path).unwrap(), std::fs::read(path.with_extension("weights")).unwrap())
    };
    assert!(bytes("a") == bytes("b"), "the files");
}

// --- refusals ---

#[test]
fn features_that_cannot_be_are_refused_and_the_network_stays_usable() {
    let mut fusion = small(&SMALL);
    let good = Clip::small(1, [4, 4, 4], false);
    let before = fusion.run(&[good.input()]).unwrap();
    for shape in [vec![4, SMALL.text + 1], vec![0, SMALL.audio], vec![SMALL.text], vec![1, 4, SMALL.text]] {
        let bad = Clip { text: Tensor::zeros(shape), ..Clip::small(1, [4, 4, 4], false) };
        let error = fusion.run(&[good.input(), bad.input()]).unwrap_err();
        assert!(matches!(error, ModelError::Contract { .. }), "{error}");
        assert!(error.to_string().contains("text of clip 1"), "{error}");
    }
    for value in [f32::NAN, f32::INFINITY] {
        let mut data = vec![0.0; 3 * SMALL.video];
        data[9] = value;
        let video = Tensor::new([3, SMALL.video], data).unwrap();
        let bad = Clip { video, ..Clip::small(1, [4, 4, 4], false) };
        let error = fusion.run(&[bad.input()]).unwrap_err();
        assert!(matches!(&error, ModelError::NotFinite { what, index: 9, .. } if what == "video of clip 0"), "{error}");
    }
    assert_eq!(fusion.run(&[good.input()]).unwrap(), before);
}

/// What becomes of a damaged checkpoint.
fn take(config: &FusionConfig, damage: impl FnOnce(&mut Vec<(String, Tensor)>)) -> Result<()> {
    let fill = |s: TensorSpec| {
        let data = formula::fill(5, &s.name, &s.shape);
        (s.name, Tensor::new(s.shape, data).unwrap())
    };
    let mut tensors: Vec<_> = parameters(config).into_iter().map(fill).collect();
    damage(&mut tensors);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fusion.onnx");
    let tensors = recognise(config, NamedTensors::from_tensors("a checkpoint", tensors))?;
    let built = build(config, &tensors, &path);
    assert_eq!(path.exists(), built.is_ok(), "a refused network leaves no file");
    built
}

#[test]
fn other_checkpoints_are_refused_by_key() {
    let off = FusionConfig { mia: Mia::Off, ..SMALL };
    let imagination = |name: &str| name.contains("imagination");
    take(&SMALL, |_| {}).unwrap();
    take(&off, |tensors| tensors.retain(|(name, _)| !imagination(name))).unwrap();
    let error = take(&SMALL, |tensors| tensors.retain(|(name, _)| !imagination(name))).unwrap_err();
    assert!(matches!(&error, ModelError::MissingTensor { key, .. } if imagination(key)), "{error}");

    let error = take(&SMALL, |tensors| tensors.retain(|(name, _)| name != "cross_fc_att.bias")).unwrap_err();
    assert!(matches!(&error, ModelError::MissingTensor { key, .. } if key == "cross_fc_att.bias"), "{error}");

    let error = take(&SMALL, |tensors| tensors[2].1 = Tensor::zeros([256, 4096])).unwrap_err();
    let ModelError::TensorShape { key, expected, found, .. } = &error else { panic!("{error}") };
    assert_eq!((key.as_str(), expected, found), ("frame_dim_reshape_1.weight", &vec![256, 13], &vec![256, 4096]));

    let error = take(&SMALL, |tensors| tensors.push(("fc_out_x.bias".into(), Tensor::zeros([1])))).unwrap_err();
    assert!(matches!(&error, ModelError::ExtraTensor { key, .. } if key == "fc_out_x.bias"), "{error}");

    let nan = Tensor::new([1], vec![f32::NAN]).unwrap();
    let error = take(&SMALL, |tensors| tensors.iter_mut().find(|(n, _)| n == "fc_out_v.bias").unwrap().1 = nan);
    let error = error.unwrap_err();
    assert!(matches!(&error, ModelError::NotFinite { what, .. } if what.contains("fc_out_v.bias")), "{error}");
}

#[test]
fn the_authors_files_are_taken_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let expected = small(&SMALL).run(&[Clip::small(1, [4, 4, 4], true).input()]).unwrap();
    let dead = ["fc_out_e.", "fc_out_ev.", "prelu.", "layer_normali."];
    for prefix in ["", "model.", "module.", "module.model."] {
        // Without what nothing reads, and with what only the second class declares.
        let live = parameters(&SMALL).into_iter().filter(|s| !dead.iter().any(|d| s.name.starts_with(d)));
        let mut tensors: Vec<_> = live
            .map(|s| {
                let data = formula::fill(5, &s.name, &s.shape);
                (format!("{prefix}{}", s.name), Tensor::new(s.shape, data).unwrap())
            })
            .collect();
        assert_eq!(tensors.len(), 99);
        tensors.push((format!("{prefix}normali.running_mean"), Tensor::zeros([7])));
        let specs: Vec<_> = tensors.iter().map(|(n, t)| TensorSpec::required(n.clone(), t.shape())).collect();
        let file = folder.path().join("authors.safetensors");
        let set = NamedTensors::from_tensors("a checkpoint", tensors);
        write_safetensors(&file, &set, &specs, &Default::default()).unwrap();
        let mut fusion = network(&SMALL, NamedTensors::open(&file).unwrap());
        assert_eq!(fusion.run(&[Clip::small(1, [4, 4, 4], true).input()]).unwrap(), expected, "prefix {prefix:?}");
    }
}

#[test]
fn a_graph_of_other_sizes_or_switches_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fusion.onnx");
    build(&SMALL, &NamedTensors::formula(5, &parameters(&SMALL)), &path).unwrap();
    for other in [FusionConfig { text: 14, ..SMALL }, FusionConfig { mia: Mia::Off, ..SMALL }] {
        let error = Fusion::load(&path, &other).err().expect("another contract");
        assert!(matches!(error, ModelError::Contract { .. }), "{error}");
    }
    for config in [FusionConfig { audio: 0, ..SMALL }, FusionConfig { video: 1 << 20, ..SMALL }] {
        assert!(matches!(config.validate(), Err(ModelError::Config { .. })), "{config:?}");
    }
}

#[test]
fn configurations_are_read_strictly() {
    let read = |text: &str| serde_json::from_str::<FusionConfig>(text);
    let full =
        r#"{"audio":1024,"text":4096,"video":1024,"mia":"on","mia_residual":"transition","padding":"reference"}"#;
    let expected =
        FusionConfig { mia_residual: MiaResidual::Transition, padding: Padding::Reference, ..FusionConfig::PUBLISHED };
    assert_eq!(read(full).unwrap(), expected);
    // Every switch changes scores, so none may be left out.
    for switch in [r#","mia":"on""#, r#","mia_residual":"transition""#, r#","padding":"reference""#] {
        assert!(read(&full.replace(switch, "")).is_err(), "{switch}");
    }
    assert!(read(&full.replace('}', r#","beams":4}"#)).is_err());
    assert!(read(&full.replace(r#""on""#, r#""maybe""#)).is_err());
}
