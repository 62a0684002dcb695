//! The trainer's network and objective against the authors' module and the specification's table.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod formula_data;

use burn::tensor::{DType, Device, Tensor};
use formula_data::{batch, fusion_golden};
use mien_models::fusion::{Fusion, FusionConfig, FusionInput, Mia, MiaResidual, Padding, parameters};
use mien_models::tensor::{NamedTensors, Tensor as Plain, formula};
use mien_trainer::data::{Batch, Stream};
use mien_trainer::model::{Flow, Noise, Umca};
use mien_trainer::objective::{Mkd1Operand, Objective, TERMS};
use mien_trainer::train::{Experiment, Learner, Network, device, flows};

fn network(config: &FusionConfig, weights: NamedTensors, dtype: DType) -> Umca {
    Umca::new(config, weights, 0, &Device::flex(), dtype).unwrap()
}

fn experiment(config: &FusionConfig) -> Experiment {
    let FusionConfig { audio, text, video, width, mia, mia_residual, padding } = *config;
    let network = Network { audio, text, video, width, mia, mia_residual, padding, simulated_text: true };
    Experiment { network, ..Experiment::default() }
}

fn both(model: &Umca, batch: &Batch, dtype: DType) -> [Flow; 2] {
    flows(model, &experiment(model.config()), batch, [Noise::off(), Noise::off()], dtype).unwrap()
}

fn numbers<const D: usize>(tensor: &Tensor<D>) -> Vec<f64> {
    tensor.clone().try_into_vec_as::<f64>().unwrap()
}

#[test]
fn outputs_and_losses_are_those_of_the_authors_module() {
    let golden = fusion_golden();
    let mut checked = 0;
    for (tag, mia) in [("released", Mia::Off), ("mia", Mia::On)] {
        let config = FusionConfig { mia, ..FusionConfig::PUBLISHED };
        let model = network(&config, NamedTensors::formula(7, &parameters(&config)), DType::F32);
        let labels: Vec<f32> = formula::fill(7, "input.label", &[4]).iter().map(|l| 3.0 * l).collect();
        let batch = batch(7, [&[50; 4], &[12; 4], &[17; 4], &[20; 4]], [1024, 4096, 1024], labels);
        let [complete, missing] = both(&model, &batch, DType::F32);
        let mut check = |name: String, shape: &[usize], found: Vec<f64>| {
            let expected = golden.get(&name, shape).unwrap();
            let largest = expected.iter().fold(1f64, |m, v| m.max(f64::from(v.abs())));
            let apart = found.iter().zip(expected.iter()).fold(0f64, |m, (a, b)| m.max((a - f64::from(*b)).abs()));
            assert_eq!(found.len(), expected.len());
            println!("{name:30} {apart:.1e} apart, largest {largest:.1}");
            // The module's own f32 sums are up to 1.4e-5 from exact where values exceed 1, and so are these.
            assert!(apart <= 2e-5 * largest, "{name}: {apart:e}");
            checked += 1;
        };
        for (name, flow) in [("complete", &complete), ("missing", &missing)] {
            let name = |part: &str| format!("{tag}.{name}.{part}");
            check(name("valence"), &[4, 1], numbers(&flow.valence));
            check(name("fused"), &[4, 128], numbers(&flow.fused));
            check(name("contrast"), &[4, 64], numbers(&flow.contrast));
            check(name("text_hidden"), &[4, 256], numbers(&flow.text_hidden));
            check(name("text_cross"), &[4, 7, 128], numbers(&flow.text_cross));
        }
        let losses = Objective::default().losses(&complete, &missing, &batch.labels);
        for (term, value) in TERMS.iter().zip(losses.values()).skip(1) {
            check(format!("{tag}.loss.{term}"), &[1], vec![value]);
        }
    }
    assert_eq!(checked, golden.len(), "a golden tensor was not looked at");
}

/// Parameters of the parity fill: position p in the checkpoint table, 1/sqrt(shape[1]) or 0.1 as amplitude.
fn parity_weights(config: &FusionConfig) -> NamedTensors {
    let tensors = parameters(config).into_iter().enumerate().map(|(p, spec)| {
        let amplitude = spec.shape.get(1).map_or(0.1, |&fan_in| 1.0 / (fan_in as f64).sqrt());
        let n = spec.shape.iter().product::<usize>() as u64;
        let data = (0..n).map(|j| (formula::parity_unit(p as u64, j) * amplitude) as f32).collect();
        (spec.name, Plain::new(spec.shape, data).unwrap())
    });
    NamedTensors::from_tensors("the parity fill", tensors)
}

fn parity_stream(p: u64, lengths: [usize; 2], width: usize) -> Stream {
    let longest = lengths[0].max(lengths[1]);
    let mut rows = Vec::new();
    for (clip, &length) in lengths.iter().enumerate() {
        let start = clip as u64 * 1_000_000_000;
        rows.extend((0..(length * width) as u64).map(|j| formula::parity_unit(p, start + j) as f32));
        rows.resize((clip + 1) * longest * width, 0.0);
    }
    Stream { rows, lengths: lengths.to_vec(), longest, width }
}

#[test]
fn the_parity_table_holds() {
    use MiaResidual::{Text, Transition};
    let c = FusionConfig::PUBLISHED;
    let batch = Batch {
        ids: vec!["a".into(), "b".into()],
        audio: parity_stream(1000, [7, 4], c.audio),
        text: parity_stream(1001, [5, 3], c.text),
        video: parity_stream(1002, [9, 6], c.video),
        simulated: parity_stream(1003, [4, 2], c.text),
        labels: vec![1.0, -2.0 / 3.0],
    };
    let reference = [-0.10035746, -0.10051583, 0.76565665];
    let masked = [-0.10035746, -0.10115694, 0.76529389];
    // Padding, MIA, residual, complete: y_0, y_1, MSE; missing: y_0, y_1, MSE; MKD1 query, MKD1 h_t, MKD2, RS, RNC, total.
    let rows = [
        (
            Padding::Reference,
            Mia::Off,
            Text,
            reference,
            [-0.10029362, -0.10054377, 0.76557059],
            [0.02281407, 0.04977138, 0.05150414, 0.00022473, 0.82824429, 1.21809928],
        ),
        (
            Padding::Reference,
            Mia::On,
            Text,
            reference,
            [-0.10056222, -0.10099482, 0.76561092],
            [0.20700685, 0.17515505, 0.14511690, 0.00079450, 0.82826911, 1.30215415],
        ),
        (
            Padding::Reference,
            Mia::On,
            Transition,
            reference,
            [-0.10074903, -0.10134595, 0.76561797],
            [0.30615743, 0.20978590, 0.25544842, 0.00114988, 0.82828631, 1.38935959],
        ),
        (
            Padding::Masked,
            Mia::Off,
            Text,
            masked,
            [-0.10029362, -0.10129046, 0.76514815],
            [0.02842377, 0.07448810, 0.09302397, 0.00029568, 0.82815691, 1.24729707],
        ),
        (
            Padding::Masked,
            Mia::On,
            Text,
            masked,
            [-0.10056222, -0.10140742, 0.76537761],
            [0.20690457, 0.18308456, 0.16677194, 0.00089048, 0.82822487, 1.31699477],
        ),
        (
            Padding::Masked,
            Mia::On,
            Transition,
            masked,
            [-0.10074903, -0.10140173, 0.76558644],
            [0.30756399, 0.21795558, 0.28809791, 0.00139281, 0.82826855, 1.41218044],
        ),
    ];
    let mut worst = 0f64;
    for (padding, mia, mia_residual, complete_row, missing_row, loss_row) in rows {
        let config = FusionConfig { padding, mia, mia_residual, ..c };
        // The table was computed in f64.
        for (dtype, tolerance) in [(DType::F64, 2e-8), (DType::F32, 1e-6)] {
            let model = network(&config, parity_weights(&config), dtype);
            let [complete, missing] = both(&model, &batch, dtype);
            let query = Objective::default().losses(&complete, &missing, &batch.labels).values();
            let representation = Objective { mkd1_operand: Mkd1Operand::Representation, ..Objective::default() };
            let representation = representation.losses(&complete, &missing, &batch.labels).values();
            let [total, task_complete, task_missing, mkd1, mkd2, rs, rnc] = query;
            let [y, missing_y] = [&complete, &missing].map(|flow| numbers(&flow.valence));
            let found = [
                y[0],
                y[1],
                task_complete,
                missing_y[0],
                missing_y[1],
                task_missing,
                mkd1,
                representation[3],
                mkd2,
                rs,
                rnc,
                total,
            ];
            let expected = [&complete_row[..], &missing_row, &loss_row].concat();
            for (found, expected) in found.into_iter().zip(expected) {
                let apart = (found - expected).abs();
                assert!(
                    apart <= tolerance,
                    "{padding:?} {mia:?} {mia_residual:?} {dtype:?}: {found:.9}, expected {expected}"
                );
                worst = worst.max(apart);
            }
            let first = |tensor: &Tensor<2>, n: usize| numbers(tensor)[..n].to_vec();
            for (found, expected) in [
                (first(&complete.modality_weights, 3), vec![0.13716228, 0.00378192, -0.16514855]),
                (first(&complete.fused, 1), vec![0.00323826]),
                (first(&complete.contrast, 3), vec![0.03689872, -0.02076806, -0.02866699]),
                (
                    first(&complete.view_weights, 7),
                    vec![0.05300856, 0.05318914, -0.03201030, 0.04063672, -0.05321009, -0.18123649, 0.00913745],
                ),
            ] {
                for (found, expected) in found.iter().zip(&expected) {
                    assert!((found - expected).abs() <= tolerance, "{found}, expected {expected}");
                }
            }
        }
    }
    println!("parity table: largest difference {worst:.1e}");
}

/// Weights go through a file unchanged, under exactly the authors' names, and the device's graph builder takes them.
#[test]
fn saved_weights_read_back_equal_and_are_what_the_device_reads() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let config = FusionConfig { audio: 6, text: 10, video: 4, ..FusionConfig::PUBLISHED };
    let drawn = mien_trainer::model::initial(&config, 42);
    let learner = Learner::new(&experiment(&config), Some(drawn), 42, &device("cpu").unwrap()).unwrap();
    learner.save(&path, &[("seed".to_owned(), "42".to_owned())].into()).unwrap();
    let model = learner.model();
    let file = NamedTensors::open(&path).unwrap();
    let specs = parameters(&config);
    assert_eq!(file.len(), specs.len());
    let values = model.values().unwrap();
    for spec in &specs {
        assert_eq!(file.get(&spec.name, &spec.shape).unwrap(), values[&spec.name], "{}", spec.name);
    }
    let again = network(&config, NamedTensors::open(&path).unwrap(), DType::F32);
    assert_eq!(again.values().unwrap(), values);
    let tensors = mien_models::fusion::recognise(&config, NamedTensors::open(&path).unwrap()).unwrap();
    mien_models::fusion::build(&config, &tensors, &folder.path().join("fusion.onnx")).unwrap();
}

/// A narrower network is the same one in the trainer and on the device.
#[test]
fn a_narrow_network_gives_the_devices_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let config = FusionConfig { audio: 6, text: 10, video: 4, width: 24, ..FusionConfig::PUBLISHED };
    let model = network(&config, NamedTensors::formula(7, &parameters(&config)), DType::F32);
    let batch = batch(7, [&[5], &[3], &[4], &[2]], [6, 10, 4], vec![1.0]);
    let path = folder.path().join("fusion.onnx");
    mien_models::fusion::build(&config, &NamedTensors::formula(7, &parameters(&config)), &path).unwrap();
    let mut device = Fusion::load(&path, &config).unwrap();
    let plain = |stream: &Stream| Plain::new([stream.longest, stream.width], stream.rows.clone()).unwrap();
    let [audio, text, simulated, video] = [&batch.audio, &batch.text, &batch.simulated, &batch.video].map(plain);
    for (flow, (text, text_missing)) in
        both(&model, &batch, DType::F32).iter().zip([(&text, false), (&simulated, true)])
    {
        let input = FusionInput { audio: &audio, text, video: &video, text_missing };
        let scored = device.run(&[input]).unwrap().remove(0);
        assert_eq!(
            [scored.fused.shape(), scored.contrast.shape(), scored.text_cross.shape()],
            [&[12][..], &[6], &[7, 12]]
        );
        let found = [numbers(&flow.valence), numbers(&flow.fused), numbers(&flow.text_cross)].concat();
        let expected = [&[scored.valence], scored.fused.data(), scored.text_cross.data()].concat();
        let largest = expected.iter().fold(1f64, |m, v| m.max(f64::from(v.abs())));
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - f64::from(*expected)).abs() <= 1e-5 * largest, "{found}, expected {expected}");
        }
    }
}

/// Drawn weights have the spread that PyTorch's have.
#[test]
fn drawn_weights_have_the_bounds_of_the_specification() {
    let config = FusionConfig { audio: 64, text: 48, video: 32, ..FusionConfig::PUBLISHED };
    let drawn = mien_trainer::model::initial(&config, 42);
    let get = |name: &str, shape: &[usize]| drawn.get(name, shape).unwrap().into_owned();
    for (name, shape, fan_in) in [
        ("frame_dim_reshape_0.weight", vec![256, 64], 64f32),
        ("attention_mlp.0.weight", vec![256, 768], 768.0),
        ("attention_mlp.0.bias", vec![256], 768.0),
        ("cross_fc_att.bias", vec![7], 128.0),
    ] {
        let values = get(name, &shape);
        let bound = 1.0 / fan_in.sqrt();
        let largest = values.iter().fold(0f32, |m, v| m.max(v.abs()));
        assert!(largest <= bound && largest > 0.5 * bound, "{name}: {largest} of {bound}");
        if values.len() > 200 {
            let variance = values.iter().map(|v| v * v).sum::<f32>() / values.len() as f32;
            assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.2, "{name}: {variance}");
        }
    }
    let query = get("fra2utt_1.attention_context_vector", &[1, 256]);
    let deviation = (query.iter().map(|v| v * v).sum::<f32>() / 256.0).sqrt();
    assert!((deviation / 0.08822 - 1.0).abs() < 0.15, "{deviation}");
    assert_eq!(get("prelu.weight", &[6]), [0.25; 6]);
    assert_eq!(get("layer_normali.weight", &[256]), [1.0; 256]);
    let other = mien_trainer::model::initial(&config, 43);
    assert_ne!(other.get("fc_att.weight", &[3, 256]).unwrap(), get("fc_att.weight", &[3, 256]));
}

/// With masks a clip does not depend on what it is padded with; a batch of one clip is accepted.
#[test]
fn padding_changes_nothing_and_one_clip_is_a_batch() {
    let config = FusionConfig { audio: 6, text: 10, video: 4, ..FusionConfig::PUBLISHED };
    let model = network(&config, mien_trainer::model::initial(&config, 1), DType::F64);
    let pair = batch(5, [&[3, 9], &[2, 6], &[1, 4], &[5, 7]], [6, 10, 4], vec![0.5, -1.0]);
    let alone = |stream: &Stream| Stream {
        rows: stream.rows[..stream.lengths[0] * stream.width].to_vec(),
        lengths: vec![stream.lengths[0]],
        longest: stream.lengths[0],
        width: stream.width,
    };
    let one = Batch {
        ids: vec!["one".into()],
        audio: alone(&pair.audio),
        text: alone(&pair.text),
        simulated: alone(&pair.simulated),
        video: alone(&pair.video),
        labels: vec![0.5],
    };
    for (a, b) in both(&model, &pair, DType::F64).iter().zip(both(&model, &one, DType::F64)) {
        assert!((numbers(&a.valence)[0] - numbers(&b.valence)[0]).abs() < 1e-12);
    }
}
