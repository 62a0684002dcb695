//! Numbers of a report against the networks that they are of.

use burn::tensor::{Device, Tensor};
use mien_models::tensor::NamedTensors;
use mien_trainer::data::{Source, Split};
use mien_trainer::evaluate::{Mode, compare};
use mien_trainer::report::similarity::{Feature, Sampling};
use mien_trainer::report::{FLOWS, Report};
use mien_trainer::train::Learner;

use super::{experiment, gathered, request, run, store};

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f64> {
    tensor.inner().try_into_vec_as::<f32>().unwrap().into_iter().map(f64::from).collect()
}

#[test]
fn matrices_and_weights_are_those_of_the_network() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), "store");
    let runs = [run(&folder.path().join("full"), &store, "full", &[1])];
    let device = Device::flex();
    let mut request = request(&runs, &device);
    request.sampling = Sampling { most: 100, seed: 1 };
    for (feature, width) in [(Feature::Contrast, 64), (Feature::Fused, 128)] {
        request.feature = feature;
        let report = Report::gather(&request, &store, &mut |_| {}).unwrap();
        let found = &report.runs[0];

        // All clips at once, where the report took five at a time.
        let weights = NamedTensors::open(&found.run.weights(1)).unwrap();
        let learner = Learner::new(&experiment(&store, "full", &[1]), Some(weights), 1, &device).unwrap();
        let clips: Vec<usize> = (0..24).collect();
        let batch = store.batch(Split::Test, &clips).unwrap();
        let labels: Vec<f64> = batch.labels.iter().map(|l| f64::from(*l)).collect();
        let mut order = clips.clone();
        order.sort_by(|a, b| labels[*a].total_cmp(&labels[*b]).then_with(|| batch.ids[*a].cmp(&batch.ids[*b])));
        for (k, flow) in learner.flows(&batch).unwrap().into_iter().enumerate() {
            let rows = match feature {
                Feature::Contrast => values(flow.contrast),
                Feature::Fused => values(flow.fused),
            };
            let row = |clip: usize| &rows[clip * width..(clip + 1) * width];
            let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
            let similarity = &found.similarity[k];
            assert!(similarity.labels.windows(2).all(|pair| pair[0] <= pair[1]));
            assert_eq!((similarity.labels.len(), similarity.cosines.len()), (24, 24 * 24));
            for (i, a) in order.iter().map(|clip| row(*clip)).enumerate() {
                assert!((f64::from(similarity.cosines[i * 24 + i]) - 1.0).abs() < 1e-5);
                for (j, b) in order.iter().map(|clip| row(*clip)).enumerate() {
                    let expected = product(a, b) / (product(a, a) * product(b, b)).sqrt();
                    let cosine = f64::from(similarity.cosines[i * 24 + j]);
                    assert!((cosine - expected).abs() < 1e-4, "{} {feature} {i} {j}: {cosine}, {expected}", FLOWS[k]);
                }
            }
            let weights = values(flow.modality_weights);
            let mean = found.weights[k].unwrap().mean;
            for (m, mean) in mean.into_iter().enumerate() {
                let expected = weights.iter().skip(m).step_by(3).sum::<f64>() / 24.0;
                assert!((mean - expected).abs() < 1e-5, "{mean}, {expected}");
            }
        }
    }
}

#[test]
fn one_flow_alone_gives_what_both_flows_give() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), "store");
    let batch = store.batch(Split::Valid, &[3, 0, 7]).unwrap();
    // Without LLM_g the flow without text gets a zero row whatever the corpus has.
    for preset in ["full", "table1-row1", "table1-row2"] {
        let learner = Learner::new(&experiment(&store, preset, &[1]), None, 1, &Device::flex()).unwrap();
        let both = learner.flows(&batch).unwrap();
        for (flow, missing) in both.into_iter().zip([false, true]) {
            let alone = learner.valences(&batch, missing).unwrap();
            assert_eq!(alone.iter().map(|v| f64::from(*v)).collect::<Vec<_>>(), values(flow.valence), "{preset}");
        }
    }
}

#[test]
fn results_are_those_of_logs_and_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path(), "store");
    let runs = [
        run(&folder.path().join("full"), &store, "full", &[1, 2]),
        run(&folder.path().join("less"), &store, "table1-row2", &[1]),
    ];
    let report = gathered(&runs, &store).unwrap();
    let titles: Vec<String> = report.runs.iter().map(|run| run.run.title()).collect();
    assert_eq!(titles, ["A: full method", "B: no MIA, no MKD"]);
    assert_eq!(report.shown, (10, 24));
    for run in &report.runs {
        // The same clips for every run.
        assert_eq!(run.similarity[0].labels, report.runs[0].similarity[1].labels);
        let modes: Vec<&str> = run.measured.evaluation.modes.iter().map(|m| m.mode.as_str()).collect();
        let expected = [
            "complete",
            "text-missing",
            "no-llm",
            "no-face",
            "text-missing-no-face",
            "text+face",
            "simulated+face",
            "noise",
        ];
        assert_eq!(modes, expected);
        let pairs = run.measured.predictions.pairs(Mode::TEXT_MISSING);
        let bins = &run.calibration[1].as_ref().unwrap().bins;
        assert_eq!(bins.iter().map(|bin| bin.clips).sum::<usize>(), 24);
        let predicted: f64 = bins.iter().map(|bin| bin.clips as f64 * bin.prediction).sum();
        assert!((predicted - pairs.iter().map(|p| p.0).sum::<f64>()).abs() < 1e-9);
        assert_eq!(run.taken_away.len(), 7);
        let faceless = run.taken_away.iter().find(|t| (t.from, t.what) == (Mode::TEXT_MISSING, "face")).unwrap();
        let without = run.measured.predictions.pairs(Mode::TEXT_MISSING_NO_FACE);
        let error = |pairs: &[(f64, f64)]| pairs.iter().map(|(p, y)| (p - y).abs()).sum::<f64>() / 24.0;
        assert!((faceless.mae.difference - (error(&without) - error(&pairs))).abs() < 1e-12);
        let triples: Vec<_> = pairs.iter().zip(&without).map(|(a, b)| (a.0, b.0, a.1)).collect();
        assert_eq!(compare(&triples, 50, 1)[&mien_trainer::evaluate::Measure::Mae], faceless.mae);
    }
    // The second seed's log, by hand: totals 8.5, 7.5, 6.5, 5.5 at half epochs.
    let curves = &report.runs[0].run.curves[1];
    assert_eq!(curves.total, [(0.5, 8.5), (1.0, 7.5), (1.5, 6.5), (2.0, 5.5)]);
    assert_eq!((curves.seed, curves.best, curves.chosen().unwrap().valid.missing), (2, 2, 0.75));
    assert_eq!(report.runs[0].evaluations.len(), 1, "one seed unless all are asked for");

    let device = Device::flex();
    let mut all = request(&runs, &device);
    (all.all_seeds, all.seed) = (true, Some(1));
    let mut told = Vec::new();
    let report =
        Report::gather(&all, &store, &mut |step| told.push((step.run, step.seed, step.what, step.done))).unwrap();
    let seeds: Vec<u64> = report.runs[0].evaluations.iter().map(|(seed, _)| *seed).collect();
    assert_eq!(seeds, [1, 2]);
    assert_eq!(report.runs[0].evaluations[0].1, report.runs[0].measured.evaluation);
    assert_ne!(report.runs[0].evaluations[1].1.modes, report.runs[0].evaluations[0].1.modes);
    assert!(told.contains(&('B', 1, "looked at", 24)) && told.contains(&('A', 2, "measured", 24)), "{told:?}");
}

#[test]
fn readers_are_warned_of_what_is_known() {
    let folder = tempfile::tempdir().unwrap();
    let store_of = |name: &str| store(folder.path(), name);
    let (plain, synthetic) = (store_of("store"), store_of("store (synthetic)"));
    let warnings = |store: &mien_trainer::data::store::Store, preset: &str| {
        let run = run(
            &folder.path().join(format!("{preset} on {}", store.path().file_name().unwrap().display())),
            store,
            preset,
            &[1],
        );
        gathered(&[run], store).unwrap().environment.warnings
    };
    // Two epochs of a warm-up of five.
    let found = warnings(&plain, "full");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("A: full method, seed 1: hardly trained") && found[0].contains("5 epochs"), "{found:?}");
    // The corpus of the other store lies in a folder that says so; a store keeps where it came from.
    let found = warnings(&synthetic, "full");
    assert!(found[0].contains("synthetic"), "{found:?}");
    let found = warnings(&plain, "table1-row6");
    assert!(found.iter().any(|w| w.contains("A: no RNC") && w.contains("untrained head")), "{found:?}");
}
