//! What this machine lacks before `mien run` can work, each lack with its cure.
//!
//! Every group of findings is a file. Whatever touches a driver runs on a thread that can be left behind (`patience`),
//! so that the examination ends even where a driver hangs.

mod bundle;
mod camera;
mod graphics;
mod memory;
mod microphone;
mod patience;
mod permissions;
mod processor;
mod service;
mod user;

use std::path::Path;

use mien_capture::CaptureError;
use mien_capture::device::DeviceInfo;
use serde::Serialize;

use crate::RuntimeError;
use crate::config::Config;
use crate::rung::Rung;

/// How good a finding is, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As it should be.
    Ok,
    /// Worth knowing; nothing is worse for it.
    Note,
    /// It works, and not as well as it should.
    Warning,
    /// It does not work.
    Failure,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How good that is.
    pub status: Status,
    /// What is there.
    pub found: String,
    /// A command or setting that mends it; none where all is well.
    pub fix: Option<String>,
    /// The process exit code that it asks for; 0 for anything but a failure.
    #[serde(skip)]
    pub exit_code: u8,
}

/// Exit code for a machine that is too small.
const MACHINE: u8 = 1;
/// Exit code for a setting that cannot work.
const CONFIG: u8 = 3;
/// Exit code for a device that does not deliver.
const DEVICE: u8 = 4;

impl Finding {
    fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, status: Status::Ok, found: found.into(), fix: None, exit_code: 0 }
    }

    fn note(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { check, status: Status::Note, found: found.into(), fix: Some(fix.into()), exit_code: 0 }
    }

    fn warning(check: &'static str, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Warning, ..Self::note(check, found, fix) }
    }

    fn failure(check: &'static str, exit_code: u8, found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { status: Status::Failure, exit_code, ..Self::note(check, found, fix) }
    }

    /// An error as a finding. Where the fix is not known here, it is what the message says after its last semicolon.
    fn error(check: &'static str, error: &RuntimeError) -> Self {
        let text = error.to_string();
        let failure = |found: &str, fix: String| Self::failure(check, error.exit_code(), found, fix);
        match error {
            RuntimeError::Clip(CaptureError::DeviceUnknown { kind, .. }) => {
                let found = text.strip_suffix("; see `mien devices`").unwrap_or(&text);
                let ids = "to an id that `mien devices` shows";
                failure(found, format!("plug it in, set {kind}.device {ids}, or set {kind}.enabled = false"))
            }
            RuntimeError::Clip(CaptureError::DeviceAmbiguous { kind, .. }) => {
                let found = text.strip_suffix("; name one by its id").unwrap_or(&text);
                failure(found, format!("set {kind}.device to one of these ids"))
            }
            RuntimeError::Clip(CaptureError::Device { remedy, .. }) => {
                let found = text.strip_suffix(remedy).unwrap_or(&text).trim_end_matches("; ");
                // A remedy that names this command leads in a circle.
                let fix = if remedy.contains("mien doctor") {
                    "check the cable and the findings above; `dmesg | tail` shows what the kernel says"
                } else {
                    remedy
                };
                failure(found, fix.into())
            }
            _ => {
                let (found, fix) =
                    text.rsplit_once("; ").unwrap_or((&text, "correct it, then run `mien doctor` again"));
                failure(found, fix.into())
            }
        }
    }
}

/// Everything that was found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of the checks.
    pub findings: Vec<Finding>,
    /// The worst of them.
    pub worst: Status,
    /// The process exit code: 0 without a failure; else the highest of 1 (machine), 3 (configuration), 4 (device) and
    /// 5 (bundle) that a failure asks for.
    pub exit_code: u8,
}

/// Examines the machine for a live session with the configuration file `config` (none: the defaults) and the bundle in
/// `bundle` (none: as the configuration says); tells each finding as soon as it is there.
///
/// It opens the configured microphone and camera and listens for two seconds; nothing of that is kept. Each device
/// takes some seconds at most, also where its driver hangs; only the bundle takes as long as reading its files takes.
pub fn examine(config: Option<&Path>, bundle: Option<&Path>, tell: &mut dyn FnMut(&Finding)) -> Report {
    let mut findings = Vec::new();
    let mut add = |finding: Finding| {
        tell(&finding);
        findings.push(finding);
    };
    let config = match config {
        None => {
            add(Finding::ok("configuration", "none named, the defaults serve (`mien config default`)"));
            Some(Config::default())
        }
        Some(path) => match Config::read(path) {
            Ok(config) => {
                add(Finding::ok("configuration", path.display().to_string()));
                Some(config)
            }
            Err(error) => {
                add(Finding::error("configuration", &error));
                None
            }
        },
    };
    permissions::examine(&mut add);
    // With a configuration that cannot be read, nobody knows which devices and which bundle are meant.
    microphone::list(config.as_ref(), &mut add);
    if let Some(config) = &config {
        microphone::listen(config, &mut add);
    }
    camera::list(&mut add);
    let named = bundle.or_else(|| config.as_ref().and_then(|c| c.bundle.as_deref()));
    let manifest = if named.is_some() || config.is_some() { bundle::examine(named, &mut add) } else { None };
    let settings = config.clone().unwrap_or_default();
    if let Some(manifest) = &manifest {
        bundle::examine_llm(manifest, &settings, &mut add);
    }
    let rung = manifest.as_ref().and_then(|manifest| memory::examine(manifest, &settings, &mut add));
    // What is seen depends on the rung: for voice alone no camera is opened.
    if let Some(config) = &config {
        camera::look(config, rung, &mut add);
    }
    let llm = rung.map_or(settings.llm.enabled && manifest.as_ref().is_none_or(|m| m.llm.is_some()), Rung::has_llm);
    let able = processor::examine(&settings, llm, &mut add);
    graphics::examine(&settings, llm, able, &mut add);
    if let Some(config) = &config {
        service::examine_socket(config, &mut add);
    }
    service::examine_systemd(&mut add);
    let worst = findings.iter().map(|f| f.status).max().unwrap_or(Status::Ok);
    let exit_code = findings.iter().map(|f| f.exit_code).max().unwrap_or(0);
    Report { findings, worst, exit_code }
}

/// The devices of a list, and what is wrong with those that could not be asked.
fn listed(check: &'static str, devices: &[DeviceInfo]) -> Finding {
    let names = |devices: &mut dyn Iterator<Item = String>| devices.collect::<Vec<_>>().join("; ");
    let all = names(&mut devices.iter().map(|d| format!("{} ({})", d.id, d.name)));
    let found = format!("{}: {all}", devices.len());
    let trouble = |d: &DeviceInfo| d.trouble.as_ref().map(|trouble| format!("{}: {trouble}", d.id));
    match names(&mut devices.iter().filter_map(trouble)) {
        none if none.is_empty() => Finding::ok(check, found),
        // In use, mostly, by a running live program: that is no fault.
        trouble => {
            let fix = "end the program that uses it (`fuser -v /dev/snd/* /dev/video*`), or see the findings on access";
            Finding::note(check, format!("{found}; not asked: {trouble}"), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use mien_capture::device::DeviceKind;

    use super::*;

    #[test]
    fn an_error_becomes_what_is_wrong_and_what_to_do() {
        let refused = |remedy| {
            let error = CaptureError::Device {
                kind: DeviceKind::Camera,
                device: "cam".into(),
                action: "open it",
                reason: "busy".into(),
                remedy,
            };
            Finding::error("camera", &error.into())
        };
        let finding = refused("plug it in; `mien devices` lists what there is");
        assert_eq!(finding.found, "camera cam: cannot open it: busy");
        assert_eq!(finding.fix.as_deref(), Some("plug it in; `mien devices` lists what there is"));
        assert_eq!((finding.status, finding.exit_code), (Status::Failure, 4));
        let circle = refused("check the cable; `mien doctor` says more");
        assert!(!circle.fix.unwrap().contains("doctor"));
        let missing = CaptureError::Missing { path: "/no/file.wav".into() };
        let finding = Finding::error("microphone", &missing.into());
        assert_eq!(finding.fix.as_deref(), Some("check the path"));
        assert_eq!(finding.exit_code, 3);
        let wanted = "Twin".to_owned();
        let unknown = CaptureError::DeviceUnknown {
            kind: DeviceKind::Camera,
            wanted: wanted.clone(),
            found: "none".into(),
            unasked: false,
        };
        let finding = Finding::error("camera", &unknown.into());
        assert!(finding.found.ends_with("found: none"), "{finding:?}");
        assert!(finding.fix.unwrap().contains("camera.enabled = false"));
        let found = "a (Twin), b (Twin)".into();
        let twins = CaptureError::DeviceAmbiguous { kind: DeviceKind::Microphone, wanted, found };
        let finding = Finding::error("microphone", &twins.into());
        assert!(finding.found.ends_with("b (Twin)"), "{finding:?}");
        assert_eq!(finding.fix.as_deref(), Some("set microphone.device to one of these ids"));
    }
}
