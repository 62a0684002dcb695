//! `mien demo`: the main job on real speech and a real face.

use std::path::{Path, PathBuf};

use clap::Args;
use mien_runtime::clip::{ClipRequest, TextRequest, score_clip};
use mien_runtime::default_bundle::choose;
use mien_runtime::rung::Demand;
use mien_runtime::scorer::Scorer;
use mien_runtime::transcript::Transcript;
use mien_runtime::{Result, RuntimeError};

use super::output::{self, Failure};
use super::score::{print, warn_untrained};
use super::{EngineArgs, RungArgs};

/// Recorded human voice of Debian's alsa-utils, and what it says.
const SPEECH: &str = "/usr/share/sounds/alsa/Front_Center.wav";
const SPOKEN: &str = "front center";

/// Where a portrait lies that set-up or the distribution put there.
const PORTRAITS: [&str; 2] =
    ["target/assets/astronaut.png", "/usr/lib/python3/dist-packages/skimage/data/astronaut.png"];

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// A recording of speech [default: alsa-utils' recorded voice]
    #[arg(long, value_name = "FILE", requires = "text")]
    speech: Option<PathBuf>,
    /// What the recording says [default: "front center"]
    #[arg(long, value_name = "TEXT", requires = "speech")]
    text: Option<String>,
    /// A portrait [default: the astronaut picture of scikit-image]
    #[arg(long, value_name = "PATH")]
    face: Option<PathBuf>,
    /// JSON lines instead of a table
    #[arg(long)]
    pub(crate) json: bool,
    #[command(flatten)]
    engine: EngineArgs,
    #[command(flatten)]
    rung: RungArgs,
}

pub(crate) fn run(args: &DemoArgs) -> std::result::Result<(), Failure> {
    let speech = speech(args.speech.as_deref())?;
    let spoken = args.text.as_deref().unwrap_or(SPOKEN);
    let face = args.face.clone().unwrap_or_else(portrait);
    present(&face, "a portrait", "python3-skimage")?;
    let ways = [
        ("with transcript", TextRequest::Given(Transcript::inline(spoken)?)),
        ("text simulated from sound", TextRequest::Simulate),
        ("without language model", TextRequest::Absent),
    ];
    let chosen = choose(args.engine.bundle.as_deref())?;
    // What does not fit is left out of the show, which says so.
    let (llm, shown) = (Demand::Wanted, Demand::Wanted);
    let rung = args.rung.choose(chosen.bundle.manifest(), &args.engine, llm, shown, args.json)?;
    let mut scorer = Scorer::open(&chosen.bundle, &args.engine.settings(rung))?;
    // A loaded network no longer needs its files.
    drop(chosen);
    warn_untrained(&scorer, args.json);
    if !args.json {
        output::line(&format!("speech  {}  (says \"{spoken}\")", speech.display()))?;
        let unseen = if rung.has_face() { "" } else { "  (not looked at)" };
        output::line(&format!("face    {}{unseen}", face.display()))?;
        output::line(&format!("rung    {rung}"))?;
        output::line("")?;
    }
    let mut seq = 0;
    for (way, text) in ways.iter().filter(|(_, text)| rung.has_llm() || !text.needs_llm()) {
        // One utterance in all three ways, so that the scores are of the same stretch of sound.
        let request = ClipRequest { path: &speech, face: Some(&face), text, whole: true, timing: true, first_seq: seq };
        let records = score_clip(&mut scorer, &request)?;
        seq += records.len() as u64;
        for record in &records {
            if args.json {
                output::json(record)?;
            }
        }
        if !args.json {
            output::line(&format!("{way}:"))?;
            print(&records)?;
            let stages: f64 = records.iter().filter_map(|r| r.latency_ms).map(|l| l.stages_ms()).sum();
            output::line(&format!("took {stages:.0} ms"))?;
            output::line("")?;
        }
    }
    if !args.json {
        for line in scorer.summary() {
            output::line(&line)?;
        }
    }
    Ok(())
}

/// The recording that is named, else alsa-utils' voice.
pub(crate) fn speech(named: Option<&Path>) -> Result<PathBuf> {
    let path = named.unwrap_or(Path::new(SPEECH));
    present(path, "recorded speech", "alsa-utils")?;
    Ok(path.into())
}

/// The portrait that set-up or the distribution put there; the first place where none did.
pub(crate) fn portrait() -> PathBuf {
    PORTRAITS.iter().map(PathBuf::from).find(|p| p.is_file()).unwrap_or_else(|| PORTRAITS[0].into())
}

fn present(path: &Path, what: &str, package: &str) -> Result<()> {
    if path.is_file() || path.is_dir() {
        return Ok(());
    }
    Err(RuntimeError::Unscorable {
        path: path.into(),
        reason: format!(
            "not found, expected {what}; run `cargo xtask setup`, or name another (Debian's package: {package})"
        ),
    })
}
