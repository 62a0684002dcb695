//! Opening a microphone, and the faults of an open one.

use std::sync::{Arc, OnceLock};

use cpal::traits::{DeviceTrait, HostTrait, StreamTrait};
use cpal::{ErrorKind, SampleFormat};

use crate::device::info::{DeviceKind, select};
use crate::device::ring::{SoundCounters, SoundSink};
use crate::device::source::SoundStream;
use crate::error::{CaptureError, Result};
use crate::quiet::quietly;

use super::MicrophoneRequest;
use super::cards::forbidden;
use super::format::{Chosen, choose, data_callback};
use super::list::names;

/// The name of the system's own choice.
const DEFAULT: &str = "default";

/// The error of a refused step.
pub(super) fn refused(device: &str, action: &'static str, reason: String, remedy: &'static str) -> CaptureError {
    CaptureError::Device { kind: DeviceKind::Microphone, device: device.into(), action, reason, remedy }
}

/// The sound system's error, with what to do.
pub(super) fn fault(device: &str, action: &'static str, error: &cpal::Error) -> CaptureError {
    let remedy = match error.kind() {
        ErrorKind::DeviceBusy => "end the program that uses it (`fuser -v /dev/snd/*`)",
        ErrorKind::PermissionDenied => "add the user to the group audio",
        ErrorKind::DeviceNotAvailable => "plug it in; `mien devices` lists what there is",
        ErrorKind::HostUnavailable => "start the sound system",
        ErrorKind::UnsupportedConfig => "set microphone.rate_hz to a rate that `mien devices` shows",
        ErrorKind::ResourceExhausted => "see the system's limits (`ulimit -a`)",
        _ => "check the cable and the sound system (`mien doctor`)",
    };
    let reason = error.message().map_or_else(|| error.kind().to_string(), str::to_owned);
    refused(device, action, reason, remedy)
}

/// The first fault that ended a stream. A dead sound server reports one thousands of times a second.
type FirstFault = Arc<OnceLock<cpal::Error>>;

/// The closure that the sound system calls with errors: counts what heals, keeps the first of the others.
pub(super) fn error_callback(counters: Arc<SoundCounters>, first: FirstFault) -> impl FnMut(cpal::Error) + Send {
    move |error| match error.kind() {
        ErrorKind::Xrun => counters.overrun(),
        ErrorKind::DeviceChanged | ErrorKind::RealtimeDenied => {}
        _ => {
            let _ = first.set(error);
        }
    }
}

pub(super) fn open(request: &MicrophoneRequest, channels: &[u16], sink: SoundSink) -> Result<Box<dyn SoundStream>> {
    quietly(|| {
        let (device, name) = find(&request.device)?;
        let chosen = choose(&device, request, channels)?;
        let stream = start(&device, &name, &chosen, channels, sink)?;
        Ok(Box::new(stream) as Box<dyn SoundStream>)
    })
    .unwrap_or_else(|_| {
        let reason = "the sound system's library broke down".into();
        Err(refused(&request.device, "open it", reason, "check the sound system (`arecord -L`)"))
    })
}

/// The device that `wanted` names, and what to call it.
fn find(wanted: &str) -> Result<(cpal::Device, String)> {
    let host = cpal::default_host();
    if wanted == DEFAULT {
        let device = host.default_input_device().ok_or_else(|| {
            refused(
                wanted,
                "find it",
                "the system names none".into(),
                "plug one in; `mien devices` lists what there is",
            )
        })?;
        let name = device.id().map_or_else(|_| wanted.to_owned(), |id| id.to_string());
        return Ok((device, name));
    }
    let direct = wanted.parse::<cpal::DeviceId>().ok().and_then(|id| host.device_by_id(&id));
    if let Some(device) = direct.filter(|d| d.supports_input()) {
        return Ok((device, wanted.to_owned()));
    }
    let listed = names()?;
    let info = select(&listed, DeviceKind::Microphone, wanted).map_err(|unknown| match unknown {
        CaptureError::DeviceUnknown { .. } if forbidden() => {
            let reason = "this user may not open the sound cards that the kernel has".into();
            refused(wanted, "find it", reason, "add the user to the group audio")
        }
        other => other,
    })?;
    let id = info.id.parse::<cpal::DeviceId>().map_err(|e| fault(wanted, "find it", &e))?;
    let device = host.device_by_id(&id).ok_or_else(|| {
        refused(wanted, "find it", "it went away".into(), "plug it in; `mien devices` lists what there is")
    })?;
    Ok((device, format!("{} ({})", info.id, info.name)))
}

struct OpenMicrophone {
    // Dropped first: the callbacks end before what they use.
    _stream: cpal::Stream,
    name: String,
    described: String,
    first: FirstFault,
}

fn start(
    device: &cpal::Device,
    name: &str,
    chosen: &Chosen,
    channels: &[u16],
    mut sink: SoundSink,
) -> Result<OpenMicrophone> {
    let Chosen { config, format, rate } = *chosen;
    sink.set_format(rate, config.channels);
    sink.set_channels(name, channels)?;
    let first = FirstFault::default();
    let on_error = error_callback(Arc::clone(sink.counters()), Arc::clone(&first));
    macro_rules! build {
        ($sample:ty) => {
            device.build_input_stream(config, data_callback::<$sample>(sink), on_error, None)
        };
    }
    let stream = match format {
        SampleFormat::F32 => build!(f32),
        SampleFormat::F64 => build!(f64),
        SampleFormat::I8 => build!(i8),
        SampleFormat::I16 => build!(i16),
        SampleFormat::I24 => build!(cpal::I24),
        SampleFormat::I32 => build!(i32),
        SampleFormat::U8 => build!(u8),
        SampleFormat::U16 => build!(u16),
        SampleFormat::U24 => build!(cpal::U24),
        SampleFormat::U32 => build!(u32),
        other => {
            let reason = format!("it delivers {other}, which cannot be converted");
            return Err(refused(name, "open it", reason, "choose another device"));
        }
    };
    let stream = stream.map_err(|e| fault(name, "open it", &e))?;
    stream.play().map_err(|e| fault(name, "start it", &e))?;
    let heard = match channels {
        [] => format!("{} channel{}", config.channels, if config.channels == 1 { "" } else { "s" }),
        [one] => format!("channel {one} of {}", config.channels),
        several => {
            let numbers: Vec<String> = several.iter().map(u16::to_string).collect();
            format!("channels {} of {}", numbers.join(", "), config.channels)
        }
    };
    let described = format!("{name}, {rate}, {heard}, {format}");
    Ok(OpenMicrophone { _stream: stream, name: name.to_owned(), described, first })
}

impl SoundStream for OpenMicrophone {
    fn describe(&self) -> String {
        self.described.clone()
    }

    fn fault(&mut self) -> Option<CaptureError> {
        self.first.get().map(|error| fault(&self.name, "read it", error))
    }
}
