//! Every stage learns something, and says so.

use mien_trainer::course::Finished;
use mien_trainer::pocket::stage::STATEMENT;

use super::material::{log, trained};

#[test]
fn the_loss_of_every_stage_falls() {
    // A projector before a llama that repeats nothing yet can tell it little: of its loss nearly all is the llama's.
    for (stage, share) in [("llama", 0.9), ("wavlm", 0.9), ("manet", 0.9), ("projector", 1.0)] {
        let (losses, measures) = log(trained(), stage);
        let part = losses.len() / 4;
        let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
        let (begin, end) = (mean(&losses[..part]), mean(&losses[losses.len() - part..]));
        println!("{stage}: {begin:.3} to {end:.3}; {:?}", measures.last().unwrap());
        assert!(end < share * begin, "{stage}: {begin} to {end}");
        // A measure after every ten steps.
        let steps: Vec<u64> = measures.iter().map(|(step, _)| *step).collect();
        assert_eq!(steps, (1..=losses.len() as u64 / 10).map(|n| 10 * n).collect::<Vec<_>>());
        let finished = Finished::read(&trained().join(stage)).unwrap().unwrap();
        assert_eq!(finished.valid, measures.last().unwrap().1);
        let text = std::fs::read_to_string(trained().join(stage).join("stage.toml")).unwrap();
        assert!(text.contains(STATEMENT), "{text}");
    }
}

/// Sixty steps are enough to know which words come often.
#[test]
fn the_llama_is_less_surprised_than_at_the_start() {
    let (_, measures) = log(trained(), "llama");
    let of = |place: usize| measures[place].1["perplexity"];
    let by_counts = measures[0].1["perplexity_by_counts"];
    assert!(of(5) < of(0), "{} to {}", of(0), of(5));
    // About 150 words, some of them often.
    assert!((20.0..160.0).contains(&by_counts), "{by_counts}");
}
