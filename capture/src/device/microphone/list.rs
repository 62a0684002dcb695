//! Which microphones there are.

use std::collections::BTreeSet;

use cpal::traits::{DeviceTrait, HostTrait};

use crate::device::info::{DeviceInfo, DeviceKind};
use crate::error::{CaptureError, Result};
use crate::quiet::quietly;

use super::cards::{card_name, grouped, native};
use super::open::fault;

/// Formats shown of one device; plug-ins convert anything into anything.
const FORMATS_SHOWN: usize = 8;

/// Converters and bridges of ALSA that are named on every machine, whatever is plugged in. They can be opened by their ids;
/// they are no microphones to choose from, and to ask JACK's for its formats starts a client inside this program, which
/// does not survive being started thousands of times.
const NO_MICROPHONES: [&str; 10] =
    ["null", "jack", "oss", "lavrate", "samplerate", "speexrate", "speex", "upmix", "vdownmix", "usbstream"];

/// The microphones with what they can deliver; each is asked, which may take a driver some time.
pub(super) fn list() -> Result<Vec<DeviceInfo>> {
    quietly(|| {
        let host = cpal::default_host();
        let known = named_devices(&host)?;
        let asked = |info: DeviceInfo| {
            let (device, _) = known.iter().find(|(_, d)| d.id == native(&info))?;
            with_formats(device, info)
        };
        Ok(grouped(known.iter().map(|(_, info)| info.clone()).collect(), card_name)
            .into_iter()
            .filter_map(asked)
            .collect())
    })
    .unwrap_or_else(|_| Err(broke()))
}

/// The microphones by name alone: nothing is opened.
pub(super) fn names() -> Result<Vec<DeviceInfo>> {
    quietly(|| {
        let known = named_devices(&cpal::default_host())?;
        Ok(grouped(known.into_iter().map(|(_, info)| info).collect(), card_name))
    })
    .unwrap_or_else(|_| Err(broke()))
}

fn broke() -> CaptureError {
    CaptureError::Device {
        kind: DeviceKind::Microphone,
        device: "list".into(),
        action: "ask for it",
        reason: "the sound system's library broke down".into(),
        remedy: "check the ALSA configuration (`arecord -L`)",
    }
}

/// Everything that may be a microphone, as the sound system names it.
fn named_devices(host: &cpal::Host) -> Result<Vec<(cpal::Device, DeviceInfo)>> {
    let devices = host.input_devices().map_err(|e| fault("list", "ask for it", &e))?;
    Ok(devices.filter_map(|device| named(&device).map(|info| (device, info))).collect())
}

/// What a device is called; `None` for one that has no stable id or is no microphone.
fn named(device: &cpal::Device) -> Option<DeviceInfo> {
    let id = device.id().ok()?;
    if NO_MICROPHONES.contains(&id.id().split(':').next().unwrap_or_default()) {
        return None;
    }
    let id = id.to_string();
    let name = device.description().map_or_else(|_| id.clone(), |d| d.name().to_owned());
    let aliases = if id.ends_with(":default") { vec!["default".into()] } else { Vec::new() };
    Some(DeviceInfo { kind: DeviceKind::Microphone, id, name, aliases, formats: Vec::new(), trouble: None })
}

/// With what a device can deliver; `None` for one that does not exist behind its name.
fn with_formats(device: &cpal::Device, info: DeviceInfo) -> Option<DeviceInfo> {
    match device.supported_input_configs() {
        Ok(configs) => Some(DeviceInfo { formats: formats(configs), ..info }),
        // Names without a card behind them are listed by ALSA everywhere; one that is in use is a device all the same.
        Err(e) if e.kind() == cpal::ErrorKind::DeviceBusy || e.kind() == cpal::ErrorKind::PermissionDenied => {
            Some(DeviceInfo { trouble: Some(e.to_string()), ..info })
        }
        Err(_) => None,
    }
}

fn formats(configs: impl Iterator<Item = cpal::SupportedStreamConfigRange>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    let mut formats: Vec<String> = configs
        .map(|c| {
            let rates = match (c.min_sample_rate(), c.max_sample_rate()) {
                (low, high) if low == high => format!("{low} Hz"),
                (low, high) => format!("{low} to {high} Hz"),
            };
            let plural = if c.channels() == 1 { "" } else { "s" };
            format!("{rates}, {} channel{plural}, {}", c.channels(), c.sample_format())
        })
        .filter(|text| seen.insert(text.clone()))
        .collect();
    let more = formats.len().saturating_sub(FORMATS_SHOWN);
    if more > 0 {
        formats.truncate(FORMATS_SHOWN);
        formats.push(format!("and {more} more"));
    }
    formats
}
