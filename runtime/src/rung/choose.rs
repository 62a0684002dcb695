//! The rung that a wish, a bundle and a machine give together.

use mien_models::bundle::Manifest;
use mien_models::memory::Available;

use super::{Rung, RungSetting};
use crate::{Result, RuntimeError};

/// What raises a limit that somebody set.
const LIMIT: &str = "a limit that somebody set (a container's --memory, a unit's MemoryMax=, a shell's ulimit)";

/// How much a part of the method is wanted; the words are the option or setting that says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// It is switched off.
    Off(&'static str),
    /// It is taken where it fits.
    Wanted,
    /// Without it the request cannot be met.
    Needed(&'static str),
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The rung, or the highest that fits.
    pub setting: RungSetting,
    /// The language model.
    pub llm: Demand,
    /// Faces.
    pub face: Demand,
}

impl Wish {
    /// The very rung `rung`, everything of it wanted.
    pub fn exactly(rung: Rung) -> Self {
        Self { setting: rung.into(), llm: Demand::Wanted, face: Demand::Wanted }
    }

    /// The same without what `rung` does not have: a live session keeps the stages that it began with.
    #[must_use]
    pub fn at_most(self, rung: Rung) -> Self {
        let within =
            |has: bool, demand: Demand| if has { demand } else { Demand::Off("the rung of the session's start") };
        Self { llm: within(rung.has_llm(), self.llm), face: within(rung.has_face(), self.face), ..self }
    }

    /// The rungs that meet it, the highest first; never none.
    fn ladder(&self) -> Vec<Rung> {
        if let Some(rung) = self.setting.rung() {
            return vec![rung];
        }
        let admits = |demand: Demand, has: bool| match demand {
            Demand::Off(_) => !has,
            Demand::Wanted => true,
            Demand::Needed(_) => has,
        };
        let meets = |rung: &Rung| {
            // There is no rung with words and without faces, so words bring the networks for faces along.
            let face = rung.has_llm() && matches!(self.face, Demand::Off(_)) || admits(self.face, rung.has_face());
            face && admits(self.llm, rung.has_llm())
        };
        Rung::ALL.into_iter().filter(meets).collect()
    }
}

/// How the language model is run, as far as main memory depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LlmUse {
    /// Positions of its context.
    pub context: usize,
    /// Layers that lie on a GPU. Where that is one without memory of its own, loading looks at what is there once more.
    pub gpu_layers: u32,
}

/// Memory in bytes that each rung of a bundle needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needs {
    /// The bundle's name, for messages.
    pub bundle: String,
    /// [`Rung::Full`]; none in a bundle without a language model.
    pub full: Option<u64>,
    /// [`Rung::NoLlm`].
    pub no_llm: u64,
    /// [`Rung::AudioOnly`].
    pub audio_only: u64,
}

impl Needs {
    /// What `manifest` says of main memory, for a language model that is run so.
    pub fn of(manifest: &Manifest, llm: LlmUse) -> Self {
        let memory = &manifest.memory;
        Self {
            bundle: manifest.name.clone(),
            full: manifest.full_bytes(llm.context, llm.gpu_layers),
            no_llm: memory.without_llm,
            audio_only: manifest.audio_only_bytes(),
        }
    }

    /// The need of one rung.
    fn bytes(&self, rung: Rung) -> Result<u64> {
        match rung {
            Rung::Full => self.full.ok_or_else(|| RuntimeError::Request {
                what: "language model".into(),
                reason: format!("bundle {} has none; leave it out with --no-llm, or use another bundle", self.bundle),
            }),
            Rung::NoLlm => Ok(self.no_llm),
            Rung::AudioOnly => Ok(self.audio_only),
        }
    }
}

/// The rung that was chosen, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// The rung.
    pub rung: Rung,
    /// Memory in bytes that it needs.
    pub needed: u64,
    /// Memory that there is; none where the system does not tell.
    pub available: Option<Available>,
    /// The rung that was wanted and its need in bytes, where it does not fit.
    pub wanted: Option<(Rung, u64)>,
}

impl Chosen {
    /// Why the rung is lower than what was wanted, and what to do; none where it is not.
    pub fn warning(&self) -> Option<String> {
        Some(format!("{}; {}", self.shortage()?, self.remedy()?))
    }

    /// Why the rung is lower than what was wanted; none where it is not.
    pub fn shortage(&self) -> Option<String> {
        let (wanted, needed) = self.wanted?;
        Some(format!("rung {}: {}", self.rung, shortage(wanted, needed, self.available.as_ref()?)))
    }

    /// What makes the wanted rung fit, or says that the chosen one is meant.
    pub fn remedy(&self) -> Option<String> {
        let (_, needed) = self.wanted?;
        let missing = missing_mib(needed, self.available.as_ref()?.bytes);
        Some(format!(
            "free {missing} MiB more or raise {LIMIT}, or say that it is meant with engine.rung = \"{0}\" (--rung {0})",
            self.rung
        ))
    }
}

/// The highest rung that `wish` admits and that fits: one whose need is at most what is available. Where nobody knows
/// what is available, the highest that `wish` admits.
///
/// # Errors
/// [`RuntimeError::Request`] for wishes that exclude each other, and where the language model is wanted and the bundle
/// has none; [`RuntimeError::Memory`] where no rung fits.
pub fn choose(needs: &Needs, available: Option<&Available>, wish: &Wish) -> Result<Chosen> {
    consistent(wish)?;
    let ladder = wish.ladder();
    let rungs = ladder.into_iter().map(|rung| Ok((rung, needs.bytes(rung)?))).collect::<Result<Vec<_>>>()?;
    let (Some(&top), Some(&bottom)) = (rungs.first(), rungs.last()) else {
        return Err(request("rung", "no rung meets the request; please report this"));
    };
    let Some(there) = available else {
        return Ok(Chosen { rung: top.0, needed: top.1, available: None, wanted: None });
    };
    match rungs.into_iter().find(|(_, needed)| *needed <= there.bytes) {
        Some((rung, needed)) => {
            let wanted = (rung != top.0).then_some(top);
            Ok(Chosen { rung, needed, available: Some(there.clone()), wanted })
        }
        None => Err(RuntimeError::Memory {
            reason: shortage(bottom.0, bottom.1, there),
            fix: no_room(needs, there, wish, bottom),
        }),
    }
}

/// As [`choose`], for what this machine has now.
///
/// # Errors
/// As [`choose`].
pub fn choose_here(manifest: &Manifest, llm: LlmUse, wish: &Wish) -> Result<Chosen> {
    let chosen = choose(&Needs::of(manifest, llm), Available::now().as_ref(), wish)?;
    if chosen.available.is_none() {
        log::info!(
            "rung {}: nobody says how much memory there is, {} MiB are needed",
            chosen.rung,
            chosen.needed >> 20
        );
    }
    Ok(chosen)
}

/// Whether the parts of a wish can be met at once. Networks that somebody asks for and nothing uses do no harm.
fn consistent(wish: &Wish) -> Result<()> {
    let Some(rung) = wish.setting.rung() else { return Ok(()) };
    let excluded = |what: &str, reason: String| Err(request(what, &format!("{reason}; give one of both")));
    match (rung.has_llm(), wish.llm) {
        (true, Demand::Off(by)) => {
            return excluded("rung full", format!("has the language model, which {by} leaves out"));
        }
        (false, Demand::Needed(by)) => {
            return excluded(by, format!("needs the language model, which rung {rung} leaves out"));
        }
        _ => {}
    }
    match (rung.has_face(), wish.face) {
        (false, Demand::Needed(by)) => {
            excluded(by, format!("needs the networks for faces, which rung {rung} leaves out"))
        }
        _ => Ok(()),
    }
}

fn request(what: &str, reason: &str) -> RuntimeError {
    RuntimeError::Request { what: what.into(), reason: reason.into() }
}

fn shortage(rung: Rung, needed: u64, there: &Available) -> String {
    let Available { bytes, by } = there;
    format!("{rung} needs {} MiB, {} MiB are available ({by})", needed.div_ceil(1 << 20), bytes >> 20)
}

/// Rounded up: giving exactly the amount that is shown must help.
fn missing_mib(needed: u64, there: u64) -> u64 {
    needed.saturating_sub(there).div_ceil(1 << 20)
}

/// What to do where no rung fits.
fn no_room(needs: &Needs, there: &Available, wish: &Wish, (rung, needed): (Rung, u64)) -> String {
    let free =
        format!("end other programs or raise {LIMIT} until {} MiB more are free", missing_mib(needed, there.bytes));
    let lower = Rung::ALL.into_iter().filter(|lower| *lower < rung);
    let fitting = lower.filter_map(|lower| needs.bytes(lower).ok().map(|bytes| (lower, bytes)));
    match fitting.into_iter().find(|(_, bytes)| *bytes <= there.bytes) {
        Some((lower, _)) if wish.setting != RungSetting::Auto => {
            format!("{free}, or set engine.rung = \"{lower}\" (--rung {lower})")
        }
        Some((lower, _)) => {
            let by = [wish.llm, wish.face]
                .into_iter()
                .find_map(|d| if let Demand::Needed(by) = d { Some(by) } else { None });
            format!("{free}, or leave out {} for rung {lower}", by.unwrap_or("what needs it"))
        }
        None => format!("{free}, or install a smaller bundle"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEMANDS: [Demand; 3] = [Demand::Off("off"), Demand::Wanted, Demand::Needed("needed")];
    const SETTINGS: [RungSetting; 4] =
        [RungSetting::Auto, RungSetting::Full, RungSetting::NoLlm, RungSetting::AudioOnly];

    fn needs() -> Needs {
        Needs { bundle: "b".into(), full: Some(600), no_llm: 200, audio_only: 100 }
    }

    fn there(bytes: u64) -> Available {
        Available { bytes, by: "the machine".into() }
    }

    /// Every wish that can be met where memory is no matter.
    fn wishes() -> Vec<Wish> {
        let all = SETTINGS.into_iter().flat_map(|setting| {
            DEMANDS.into_iter().flat_map(move |llm| DEMANDS.into_iter().map(move |face| Wish { setting, llm, face }))
        });
        let met: Vec<Wish> = all.filter(|wish| choose(&needs(), None, wish).is_ok()).collect();
        // 9 that leave it to the machine; of the others those without contradiction.
        assert_eq!(met.len(), 9 + 6 + 6 + 4, "{met:#?}");
        met
    }

    /// The rung at each amount of memory around every need.
    fn rungs(wish: &Wish) -> Vec<(u64, Option<Rung>)> {
        let amounts = [0, 99, 100, 101, 199, 200, 201, 599, 600, 601, u64::MAX];
        let rung = |bytes| match choose(&needs(), Some(&there(bytes)), wish) {
            Ok(chosen) => Some(chosen.rung),
            Err(RuntimeError::Memory { .. }) => None,
            Err(other) => panic!("{wish:?} at {bytes}: {other}"),
        };
        amounts.into_iter().map(|bytes| (bytes, rung(bytes))).collect()
    }

    #[test]
    fn no_rung_is_chosen_that_does_not_fit_and_none_left_that_does() {
        for wish in wishes() {
            let admitted = wish.ladder();
            for (bytes, rung) in rungs(&wish) {
                let fits = |rung: Rung| needs().bytes(rung).unwrap() <= bytes;
                let expected = Rung::ALL.into_iter().find(|rung| admitted.contains(rung) && fits(*rung));
                assert_eq!(rung, expected, "{wish:?} at {bytes}");
            }
        }
    }

    #[test]
    fn more_memory_never_gives_a_lower_rung() {
        for wish in wishes() {
            let along = rungs(&wish);
            assert!(along.windows(2).all(|pair| pair[0].1 <= pair[1].1), "{wish:?}: {along:?}");
            // Where nobody knows, it is as where everything is there.
            assert_eq!(choose(&needs(), None, &wish).unwrap().rung, along.last().unwrap().1.unwrap());
        }
    }

    #[test]
    fn an_exact_need_is_enough() {
        let auto = Wish { setting: RungSetting::Auto, llm: Demand::Wanted, face: Demand::Wanted };
        let expected = [
            (0, None),
            (99, None),
            (100, Some(Rung::AudioOnly)),
            (101, Some(Rung::AudioOnly)),
            (199, Some(Rung::AudioOnly)),
            (200, Some(Rung::NoLlm)),
            (201, Some(Rung::NoLlm)),
            (599, Some(Rung::NoLlm)),
            (600, Some(Rung::Full)),
            (601, Some(Rung::Full)),
            (u64::MAX, Some(Rung::Full)),
        ];
        assert_eq!(rungs(&auto), expected);
    }

    #[test]
    fn what_is_needed_is_kept_and_what_is_off_is_left_out() {
        for wish in wishes() {
            for rung in rungs(&wish).into_iter().filter_map(|(_, rung)| rung) {
                assert!(!matches!(wish.llm, Demand::Needed(_)) || rung.has_llm(), "{wish:?}: {rung}");
                assert!(!matches!(wish.face, Demand::Needed(_)) || rung.has_face(), "{wish:?}: {rung}");
                assert!(!matches!(wish.llm, Demand::Off(_)) || !rung.has_llm(), "{wish:?}: {rung}");
                assert!(wish.setting.rung().is_none_or(|forced| forced == rung), "{wish:?}: {rung}");
            }
        }
        let off = Demand::Off("off");
        let rung = |llm, face| choose(&needs(), None, &Wish { setting: RungSetting::Auto, llm, face }).unwrap().rung;
        assert_eq!(rung(off, Demand::Wanted), Rung::NoLlm);
        assert_eq!(rung(off, off), Rung::AudioOnly, "nothing is loaded for a camera that is switched off");
        assert_eq!(rung(Demand::Wanted, off), Rung::Full);
        let begun = Wish { setting: RungSetting::Auto, llm: Demand::Wanted, face: Demand::Wanted };
        for start in Rung::ALL {
            assert_eq!(choose(&needs(), None, &begun.at_most(start)).unwrap().rung, start);
        }
    }

    #[test]
    fn a_lower_rung_is_a_warning_with_both_numbers() {
        let mib = |n: u64| n << 20;
        let needs = Needs { full: Some(mib(600)), no_llm: mib(200), audio_only: mib(100) - 5, ..needs() };
        let auto = Wish { setting: RungSetting::Auto, llm: Demand::Wanted, face: Demand::Wanted };
        let at = |bytes| choose(&needs, Some(&there(bytes)), &auto);
        assert_eq!(at(mib(600)).unwrap().warning(), None);
        let warning = at(mib(350)).unwrap().warning().unwrap();
        for part in ["rung no-llm: full needs 600 MiB, 350 MiB are available (the machine)", "free 250 MiB more"] {
            assert!(warning.contains(part), "{warning}");
        }
        // What is switched off is not missed.
        let without = Wish { llm: Demand::Off("--no-llm"), ..auto };
        assert_eq!(choose(&needs, Some(&there(mib(350))), &without).unwrap().warning(), None);
        // Numbers are rounded so that a need is never shown as no more than what is there.
        let error = at(mib(100) - 6).unwrap_err();
        assert_eq!((error.exit_code(), error.kind()), (1, "memory"));
        let error = error.to_string();
        assert!(error.contains("audio-only needs 100 MiB, 99 MiB are available (the machine)"), "{error}");
        assert!(error.contains("until 1 MiB more are free, or install a smaller bundle"), "{error}");
    }

    #[test]
    fn a_rung_that_was_asked_for_is_refused_with_what_would_fit() {
        let error = choose(&needs(), Some(&there(150)), &Wish::exactly(Rung::Full)).unwrap_err();
        assert!(matches!(error, RuntimeError::Memory { .. }), "{error}");
        assert!(error.to_string().contains("set engine.rung = \"audio-only\" (--rung audio-only)"), "{error}");
        let needed = Wish { setting: RungSetting::Auto, llm: Demand::Needed("--text"), face: Demand::Wanted };
        let error = choose(&needs(), Some(&there(250)), &needed).unwrap_err().to_string();
        assert!(error.contains("full needs") && error.contains("leave out --text for rung no-llm"), "{error}");
    }

    #[test]
    fn wishes_that_exclude_each_other_are_told() {
        let wish = |setting, llm, face| Wish { setting, llm, face };
        let (off, wanted, needed) = (Demand::Off("--no-llm"), Demand::Wanted, Demand::Needed("--face"));
        for (wish, parts) in [
            (wish(RungSetting::Full, off, wanted), ["rung full", "--no-llm"]),
            (wish(RungSetting::NoLlm, Demand::Needed("--text"), wanted), ["--text", "rung no-llm"]),
            (wish(RungSetting::AudioOnly, wanted, needed), ["--face", "rung audio-only"]),
        ] {
            let error = choose(&needs(), Some(&there(u64::MAX)), &wish).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(parts.iter().all(|part| error.to_string().contains(part)), "{error}");
        }
    }

    #[test]
    fn a_bundle_without_a_language_model_is_told_where_one_is_wanted() {
        let needs = Needs { full: None, ..needs() };
        for setting in [RungSetting::Auto, RungSetting::Full] {
            let wish = Wish { setting, llm: Demand::Wanted, face: Demand::Wanted };
            let error = choose(&needs, Some(&there(u64::MAX)), &wish).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains("bundle b has none"), "{error}");
        }
        for rung in [Rung::NoLlm, Rung::AudioOnly] {
            assert_eq!(choose(&needs, Some(&there(500)), &Wish::exactly(rung)).unwrap().rung, rung);
        }
    }
}
