//! `mien demo`: one utterance in all three ways, on built-in clips or on a recording of the user's own.

mod clips;
mod recording;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use clap::Args;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::default_bundle::choose;
use mien_runtime::record::Record;
use mien_runtime::rung::{Demand, Rung};
use mien_runtime::scorer::Scorer;
use mien_runtime::transcript::Transcript;
use serde::Serialize;

use super::output::{self, Failure};
use super::{EngineArgs, RungArgs};

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// A recording of speech instead of the three clips [default with --face: alsa-utils' recorded voice]
    #[arg(long, value_name = "FILE", requires = "text")]
    speech: Option<PathBuf>,
    /// What the recording says [default with --face: "front center"]
    #[arg(long, value_name = "TEXT", requires = "speech")]
    text: Option<String>,
    /// A portrait beside the recording [default with --speech: the astronaut picture of scikit-image]
    #[arg(long, value_name = "PATH")]
    face: Option<PathBuf>,
    /// JSON lines instead of lines for people
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    rung: RungArgs,
}

pub(crate) fn run(args: &DemoArgs) -> Result<(), Failure> {
    if args.speech.is_some() || args.face.is_some() { recording::run(args) } else { clips::run(args) }
}

/// Where the text comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Way {
    /// What is said.
    RealText,
    /// The language model, from sound.
    SimulatedText,
    /// Nowhere.
    NoLlm,
}

impl Way {
    const ALL: [Self; 3] = [Self::RealText, Self::SimulatedText, Self::NoLlm];

    /// The ways that `rung` has the networks for: what does not fit is left out of the show, which says so.
    fn on(rung: Rung) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(move |way| rung.has_llm() || *way == Self::NoLlm)
    }

    fn text(self, spoken: &Transcript) -> TextRequest {
        match self {
            Self::RealText => TextRequest::Given(spoken.clone()),
            Self::SimulatedText => TextRequest::Simulate,
            Self::NoLlm => TextRequest::Absent,
        }
    }
}

/// Loaded networks, and how many records they have given.
struct Show {
    scorer: Scorer,
    rung: Rung,
    loading: Duration,
    seq: u64,
}

impl Show {
    /// Loads as much of the bundle as fits, and says what it says of itself.
    fn open(args: &DemoArgs) -> Result<Self, Failure> {
        let start = Instant::now();
        let chosen = choose(args.engine.bundle.as_deref())?;
        let (llm, face) = (Demand::Wanted, Demand::Wanted);
        let rung = args.rung.choose(chosen.bundle.manifest(), &args.engine, llm, face, args.json)?;
        let scorer = Scorer::open(&chosen.bundle, &args.engine.settings(rung))?;
        // A loaded network no longer needs its files.
        drop(chosen);
        output::warn_statement(scorer.statement(), args.json);
        Ok(Self { scorer, rung, loading: start.elapsed(), seq: 0 })
    }

    /// Scores a recording as one utterance, so that the scores of all ways are of the same stretch of sound.
    fn score(&mut self, path: &Path, face: Option<&Path>, text: &TextRequest) -> Result<Vec<Record>, Failure> {
        let request = ClipRequest { path, face, text, whole: true, timing: true, first_seq: self.seq };
        let records = score_clip(&mut self.scorer, &request)?;
        self.seq += records.len() as u64;
        Ok(records)
    }
}
