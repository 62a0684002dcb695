//! The built-in held-out clips: what is said beside what is heard, and three valences beside the label.

use std::time::Instant;

use mien_models::bundle::Manifest;
use mien_runtime::pocket::{HeldOutClip, HeldOutClips};
use mien_runtime::record::{BundleMark, Record, SCHEMA};
use mien_runtime::rung::Rung;
use mien_runtime::transcript::Transcript;
use mien_runtime::word_errors::ErrorRate;
use serde::Serialize;

use super::{DemoArgs, Show, Way};
use crate::cli::output::{self, Failure};
use crate::cli::score::shortened;
use crate::cli::table::Table;

/// Most characters of what was heard that are shown: a language model that learned nothing never ends.
const HEARD: usize = 120;

pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let held_out = HeldOutClips::unpack()?;
    let mut show = Show::open(args)?;
    let mut shown = Vec::new();
    let start = Instant::now();
    if !args.json {
        output::line("Three clips that no network learned from: voices, faces and sentences of their own.")?;
    }
    for clip in held_out.clips() {
        let scored = Scored::new(&mut show, &held_out, clip)?;
        if args.json {
            scored.lines().try_for_each(|line| output::json(&line))?;
        } else {
            scored.print()?;
        }
        shown.push(scored);
    }
    let (mark, rung) = (show.scorer.mark(), show.rung);
    let errors = shown.iter().filter_map(Scored::word_errors).reduce(|mut all, one| {
        all.join(one);
        all
    });
    let errors = errors.map(WordErrors::from);
    if args.json {
        let summary = Summary { clips: shown.len(), word_errors: errors, rung, bundle: mark };
        return output::json(&SummaryLine { schema: SCHEMA, summary });
    }
    valences(&shown, &show.scorer.facts().manifest)?;
    let told = match errors {
        Some(WordErrors { errors, words }) => format!("{errors} in {words} words that were said"),
        None => format!("no word is heard without the language model (rung {rung})"),
    };
    output::line("")?;
    output::line(&format!("errors  {told}"))?;
    let (scores, took, loading) = (show.seq, start.elapsed().as_secs_f64(), show.loading.as_secs_f64());
    output::line(&format!("time    {scores} scores in {took:.2} s, after {loading:.2} s of loading; rung {rung}"))?;
    output::line(&format!("bundle  {}  sha256 {}", mark.name, mark.digest))?;
    match &mark.statement {
        None => Ok(()),
        Some(statement) => output::line(&format!("NOTE    {statement}")),
    }
}

/// A clip with its scores.
struct Scored<'a> {
    clip: &'a HeldOutClip,
    scores: Vec<(Way, Record)>,
}

impl<'a> Scored<'a> {
    fn new(show: &mut Show, held_out: &HeldOutClips, clip: &'a HeldOutClip) -> Result<Self, Failure> {
        let path = held_out.path(clip);
        let spoken = Transcript::whole(&clip.transcript, &clip.id)?;
        let mut scores = Vec::new();
        for way in Way::on(show.rung) {
            for record in show.score(&path, None, &way.text(&spoken))? {
                // Where it was unpacked is another folder each time.
                scores.push((way, Record { file: clip.id.clone(), ..record }));
            }
        }
        Ok(Self { clip, scores })
    }

    /// What the language model wrote down of the sound.
    fn heard(&self) -> Option<&str> {
        self.score(Way::SimulatedText)?.transcript.as_deref()
    }

    fn word_errors(&self) -> Option<ErrorRate> {
        let mut rate = ErrorRate::default();
        rate.add_texts(&self.clip.transcript, self.heard()?);
        Some(rate)
    }

    fn score(&self, way: Way) -> Option<&Record> {
        self.scores.iter().find_map(|(other, record)| (*other == way).then_some(record))
    }

    fn print(&self) -> Result<(), Failure> {
        output::line("")?;
        let seconds = self.scores.first().map_or(0.0, |(_, record)| record.end_s - record.start_s);
        output::line(&format!("{}  ({seconds:.1} s)", self.clip.id))?;
        output::line(&format!("  said   {}", self.clip.transcript))?;
        let Some(heard) = self.heard() else { return Ok(()) };
        let heard = if heard.is_empty() { "(no word)" } else { heard };
        output::line(&format!("  heard  {}", shortened(heard, HEARD)))
    }

    fn lines(&self) -> impl Iterator<Item = ScoreLine<'_>> {
        let HeldOutClip { transcript, label, .. } = self.clip;
        self.scores.iter().map(move |(way, record)| {
            let word_errors = self.word_errors().filter(|_| *way == Way::SimulatedText).map(WordErrors::from);
            ScoreLine { record, demo: Beside { way: *way, said: transcript, label: *label, word_errors } }
        })
    }
}

/// The valences of all clips side by side.
fn valences(shown: &[Scored<'_>], manifest: &Manifest) -> Result<(), Failure> {
    output::line("")?;
    let half = if manifest.interval90.is_empty() { "" } else { " (± half of its 90 % interval)" };
    output::line(&format!("Label, and valence three ways{half}:"))?;
    let mut table = Table::new(&["clip", "label", "real text", "simulated text", "no LLM"]);
    for scored in shown {
        let [real, simulated, none] =
            Way::ALL.map(|way| scored.score(way).map_or("-".into(), |record| valence(record, manifest)));
        table.row([scored.clip.id.clone(), format!("{:+.2}", scored.clip.label), real, simulated, none]);
    }
    table.print()
}

fn valence(record: &Record, manifest: &Manifest) -> String {
    let Some(valence) = record.valence else { return "-".into() };
    let half = record.mode.and_then(|mode| manifest.interval90(&mode.name()));
    format!("{valence:+.2}{}", half.map(|half| format!(" ± {half:.2}")).unwrap_or_default())
}

/// A record with what it is to be held against.
#[derive(Serialize)]
struct ScoreLine<'a> {
    #[serde(flatten)]
    record: &'a Record,
    demo: Beside<'a>,
}

#[derive(Serialize)]
struct Beside<'a> {
    /// Where the text comes from.
    way: Way,
    /// What is said in the clip.
    said: &'a str,
    /// How positive it is.
    label: f64,
    /// Of text simulated from sound.
    word_errors: Option<WordErrors>,
}

/// The fewest words put in, left out or exchanged that lead from what was said to what was heard.
#[derive(Clone, Copy, Serialize)]
struct WordErrors {
    errors: usize,
    /// Words that were said.
    words: usize,
}

impl From<ErrorRate> for WordErrors {
    fn from(ErrorRate { errors, words, .. }: ErrorRate) -> Self {
        Self { errors, words }
    }
}

/// The last line: all clips together.
#[derive(Serialize)]
struct SummaryLine<'a> {
    schema: u32,
    summary: Summary<'a>,
}

#[derive(Serialize)]
struct Summary<'a> {
    clips: usize,
    /// Null without the language model.
    word_errors: Option<WordErrors>,
    rung: Rung,
    bundle: &'a BundleMark,
}
