//! Instructions and cores.

use mien_models::engine::Isa;

use super::{CONFIG, Finding, MACHINE};
use crate::config::Config;
use crate::rung::Rung;

/// Everything about computing; `llm` tells whether the language model is to run. Gives whether its engine can run here.
pub(super) fn examine(config: &Config, llm: bool, add: &mut dyn FnMut(Finding)) -> bool {
    let features = features();
    add(instructions(&features, llm));
    add(arithmetic(Isa::best()));
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    add(threads(config, cores));
    features.iter().all(|f| f.there || !f.needed)
}

/// An extension of the instruction set.
struct Feature {
    name: &'static str,
    there: bool,
    /// Whether the language model's engine is compiled for it and cannot do without.
    needed: bool,
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<Feature> {
    let feature = |name, there, needed| Feature { name, there, needed };
    vec![
        feature("SSE4.2", std::arch::is_x86_feature_detected!("sse4.2"), true),
        feature("AVX", std::arch::is_x86_feature_detected!("avx"), true),
        feature("AVX2", std::arch::is_x86_feature_detected!("avx2"), true),
        feature("FMA", std::arch::is_x86_feature_detected!("fma"), true),
        feature("F16C", std::arch::is_x86_feature_detected!("f16c"), true),
        feature("BMI2", std::arch::is_x86_feature_detected!("bmi2"), true),
        feature("AVX-512F", std::arch::is_x86_feature_detected!("avx512f"), false),
        feature("AVX-512 VNNI", std::arch::is_x86_feature_detected!("avx512vnni"), false),
    ]
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<Feature> {
    let feature = |name, there| Feature { name, there, needed: false };
    vec![
        feature("NEON", std::arch::is_aarch64_feature_detected!("neon")),
        feature("FP16", std::arch::is_aarch64_feature_detected!("fp16")),
        feature("dot product", std::arch::is_aarch64_feature_detected!("dotprod")),
        feature("I8MM", std::arch::is_aarch64_feature_detected!("i8mm")),
    ]
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<Feature> {
    Vec::new()
}

fn instructions(features: &[Feature], llm: bool) -> Finding {
    let check = "processor";
    let names = |wanted: &dyn Fn(&Feature) -> bool| -> String {
        let names: Vec<&str> = features.iter().filter(|f| wanted(f)).map(|f| f.name).collect();
        if names.is_empty() { "none".into() } else { names.join(", ") }
    };
    let found = format!("{}: has {}; lacks {}", std::env::consts::ARCH, names(&|f| f.there), names(&|f| !f.there));
    if features.iter().all(|f| f.there || !f.needed) {
        return Finding::ok(check, found);
    }
    let missing = names(&|f| f.needed && !f.there);
    if llm {
        let found = format!("{found}; the language model needs {missing}");
        Finding::failure(check, MACHINE, found, "set llm.enabled = false, or run on a processor that has them")
    } else {
        let found = format!("{found}; no language model can run here without {missing}");
        Finding::note(check, found, "leave llm.enabled = false, or run on a processor that has them")
    }
}

/// What the encoders' products are computed with.
fn arithmetic(isa: Isa) -> Finding {
    let check = "arithmetic";
    if isa.multiplies_bytes() {
        return Finding::ok(check, format!("voice and face networks compute with {isa}"));
    }
    let found =
        "this processor has no instructions that multiply bytes, so int8 networks are slower than f32 ones here";
    Finding::note(check, found, "choose a bundle in f32, or a processor with AVX2, AVX-512 VNNI or NEON's dot product")
}

fn threads(config: &Config, cores: usize) -> Finding {
    let check = "cores";
    let settings = config.scorer_settings(Rung::Full);
    let found =
        format!("{cores}; {} threads for networks, {} for the language model", settings.threads, settings.llm_threads);
    if config.llm.enabled && settings.llm_threads > cores {
        let fix = format!("set llm.threads to at most {cores}, or leave it out");
        return Finding::failure(
            check,
            CONFIG,
            format!("{found}, which waits actively and may have no more than {cores}"),
            fix,
        );
    }
    if settings.threads > cores {
        let fix = format!("set engine.threads to at most {cores}, or leave it out");
        return Finding::warning(check, found, fix);
    }
    if cores == 1 {
        let fix = "set llm.enabled = false where scores come late, or give the machine or container more cores";
        return Finding::warning(check, format!("{found}: sound, pictures and networks share one core"), fix);
    }
    Finding::ok(check, found)
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    fn machine(avx2: bool, vnni: bool) -> [Feature; 2] {
        let feature = |name, there, needed| Feature { name, there, needed };
        [feature("AVX2", avx2, true), feature("AVX-512 VNNI", vnni, false)]
    }

    #[test]
    fn only_what_the_language_model_needs_can_fail() {
        let plain = instructions(&machine(true, false), true);
        assert_eq!(plain.status, Status::Ok);
        assert!(plain.found.contains("has AVX2; lacks AVX-512 VNNI"), "{plain:?}");
        let old = instructions(&machine(false, false), true);
        assert!(old.status == Status::Failure && old.exit_code == 1, "{old:?}");
        assert_eq!(instructions(&machine(false, false), false).status, Status::Note);
    }

    #[test]
    fn more_threads_than_cores_are_told() {
        let mut config = Config::default();
        config.engine.threads = Some(4);
        config.llm.threads = Some(3);
        assert_eq!(threads(&config, 4).status, Status::Ok);
        assert_eq!(threads(&config, 3).status, Status::Warning);
        let failed = threads(&config, 2);
        assert!(failed.status == Status::Failure && failed.exit_code == 3, "{failed:?}");
        config.llm.enabled = false;
        assert_eq!(threads(&config, 2).status, Status::Warning);
    }
}
