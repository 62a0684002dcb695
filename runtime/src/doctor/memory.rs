//! Memory that is there against memory that the bundle needs: the rung that a session would begin on.

use mien_models::bundle::Manifest;
use mien_models::memory::Available;

use super::Finding;
use crate::RuntimeError;
use crate::config::Config;
use crate::rung::{Chosen, Needs, Rung, choose};

const CHECK: &str = "memory";

/// Which rung a session would begin on; none where it would not begin.
pub(super) fn examine(manifest: &Manifest, config: &Config, add: &mut dyn FnMut(Finding)) -> Option<Rung> {
    let needs = Needs::of(manifest, config.llm_use());
    let mut wish = config.wish();
    // A language model that is wanted and is not there is a finding of its own.
    if needs.full.is_none() && wish.setting.rung().is_none() {
        wish = wish.at_most(Rung::NoLlm);
    }
    let chosen = choose(&needs, Available::now().as_ref(), &wish);
    let rung = chosen.as_ref().ok().map(|chosen| chosen.rung);
    add(judged(chosen));
    rung
}

fn judged(chosen: crate::Result<Chosen>) -> Finding {
    let mib = |bytes: u64| bytes.div_ceil(1 << 20);
    let chosen = match chosen {
        Ok(chosen) => chosen,
        Err(error @ RuntimeError::Memory { .. }) => {
            let code = error.exit_code();
            let RuntimeError::Memory { reason, fix } = error else { return Finding::error(CHECK, &error) };
            return Finding::failure(CHECK, code, reason, fix);
        }
        Err(error) => return Finding::error(CHECK, &error),
    };
    let Chosen { rung, needed, available, .. } = &chosen;
    let Some(Available { bytes, by }) = available else {
        let found = format!("unknown, rung {rung} needs {} MiB", mib(*needed));
        return Finding::note(CHECK, found, "mount /proc, or compare with `free -m`");
    };
    match (chosen.warning(), chosen.remedy()) {
        (Some(_), Some(fix)) => Finding::warning(CHECK, chosen.shortage().unwrap_or_default(), fix),
        _ => {
            let loaded = match rung {
                Rung::Full => "everything, the language model included",
                Rung::NoLlm => "voice and face, without language model",
                Rung::AudioOnly => "voice alone",
            };
            let there = bytes >> 20;
            Finding::ok(CHECK, format!("rung {rung}: {loaded} ({} MiB), {there} MiB available ({by})", mib(*needed)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;
    use crate::rung::Wish;

    const GIB: u64 = 1 << 30;

    #[test]
    fn what_fits_is_told() {
        let needs = Needs { bundle: "b".into(), full: Some(6 * GIB), no_llm: 2 * GIB, audio_only: GIB };
        let config = Config::default();
        let told = |there: Option<u64>, wish: &Wish| {
            let available = there.map(|bytes| Available { bytes, by: "the machine".into() });
            judged(choose(&needs, available.as_ref(), wish))
        };
        let wish = config.wish();
        let full = told(Some(8 * GIB), &wish);
        assert!(full.status == Status::Ok && full.found.contains("rung full"), "{full:?}");
        let partly = told(Some(4 * GIB), &wish);
        assert!(partly.status == Status::Warning && partly.exit_code == 0, "{partly:?}");
        assert!(partly.found.contains("rung no-llm") && partly.fix.unwrap().contains("free 2048 MiB"));
        let voice = told(Some(2 * GIB - 1), &wish);
        assert!(voice.status == Status::Warning && voice.found.contains("rung audio-only"), "{voice:?}");
        let mut without = config.clone();
        without.llm.enabled = false;
        assert_eq!(told(Some(4 * GIB), &without.wish()).status, Status::Ok);
        let not = told(Some(GIB - 1), &wish);
        assert!(not.status == Status::Failure && not.exit_code == 1, "{not:?}");
        assert!(not.fix.unwrap().contains("until 1 MiB more"));
        assert_eq!(told(None, &wish).status, Status::Note);
        let forced = told(Some(4 * GIB), &Wish::exactly(Rung::Full));
        assert!(forced.status == Status::Failure && forced.fix.unwrap().contains("engine.rung = \"no-llm\""));
    }
}
