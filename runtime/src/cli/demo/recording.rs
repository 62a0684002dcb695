//! A recording of the user's own, with a portrait.

use mien_runtime::transcript::Transcript;

use super::{DemoArgs, Show, Way};
use crate::cli::output::{self, Failure};
use crate::cli::sample::{SPOKEN, portrait, present, speech};
use crate::cli::score::print;

pub(super) fn run(args: &DemoArgs) -> Result<(), Failure> {
    let speech = speech(args.speech.as_deref())?;
    let spoken = args.text.as_deref().unwrap_or(SPOKEN);
    let transcript = Transcript::inline(spoken)?;
    let face = args.face.clone().unwrap_or_else(portrait);
    present(&face, "a portrait", "python3-skimage")?;
    let mut show = Show::open(args)?;
    let rung = show.rung;
    if !args.json {
        output::line(&format!("speech  {}  (says \"{spoken}\")", speech.display()))?;
        let unseen = if rung.has_face() { "" } else { "  (not looked at)" };
        output::line(&format!("face    {}{unseen}", face.display()))?;
        output::line(&format!("rung    {rung}"))?;
        output::line("")?;
    }
    for way in Way::on(rung) {
        let records = show.score(&speech, Some(&face), &way.text(&transcript))?;
        if args.json {
            records.iter().try_for_each(output::json)?;
            continue;
        }
        let title = match way {
            Way::RealText => "with transcript",
            Way::SimulatedText => "text simulated from sound",
            Way::NoLlm => "without language model",
        };
        output::line(&format!("{title}:"))?;
        print(&records)?;
        let stages: f64 = records.iter().filter_map(|r| r.latency_ms).map(|l| l.stages_ms()).sum();
        output::line(&format!("took {stages:.0} ms"))?;
        output::line("")?;
    }
    if !args.json {
        for line in show.scorer.summary() {
            output::line(&line)?;
        }
    }
    Ok(())
}
