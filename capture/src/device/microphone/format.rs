//! The format that a microphone is opened in, and the callback for it.

use cpal::traits::DeviceTrait;
use cpal::{BufferSize, FromSample, InputCallbackInfo, SampleFormat, SizedSample, StreamConfig, SupportedBufferSize};

use crate::device::ring::{SoundSink, check_channels};
use crate::error::Result;
use crate::rate::SampleRate;

use super::MicrophoneRequest;
use super::open::{fault, refused};

/// What a stream is opened with.
pub(super) struct Chosen {
    pub(super) config: StreamConfig,
    pub(super) format: SampleFormat,
    pub(super) rate: SampleRate,
}

/// The closure that the sound system calls with samples: [`SoundSink::push`] and nothing else.
pub fn data_callback<T>(mut sink: SoundSink) -> impl FnMut(&[T], &InputCallbackInfo) + Send + 'static
where
    T: SizedSample,
    f32: FromSample<T>,
{
    move |data, _| sink.push(data, <f32 as FromSample<T>>::from_sample_)
}

/// Formats by how near they are to what is worked with; all can be converted.
const PREFERRED: [SampleFormat; 10] = [
    SampleFormat::F32,
    SampleFormat::I32,
    SampleFormat::I24,
    SampleFormat::I16,
    SampleFormat::U16,
    SampleFormat::F64,
    SampleFormat::U32,
    SampleFormat::U24,
    SampleFormat::U8,
    SampleFormat::I8,
];

/// The rate asked for, else the device's own; then the fewest channels, then the nearest format.
///
/// Where `channels` are chosen, as many as the device has by itself, for a sound server that is asked for fewer mixes them,
/// and for more makes some up.
pub(super) fn choose(device: &cpal::Device, request: &MicrophoneRequest, channels: &[u16]) -> Result<Chosen> {
    let name = &request.device;
    let own = match request.rate_hz {
        Some(_) if channels.is_empty() => None,
        _ => Some(device.default_input_config().map_err(|e| fault(name, "ask for its format", &e))?),
    };
    let rate_hz = request.rate_hz.or(own.as_ref().map(cpal::SupportedStreamConfig::sample_rate));
    let rate_hz = rate_hz.unwrap_or(SampleRate::HZ_16000.hz());
    let offered: Vec<_> =
        device.supported_input_configs().map_err(|e| fault(name, "ask for its formats", &e))?.collect();
    let most = offered.iter().map(|c| c.channels()).max().unwrap_or(0);
    check_channels(name, channels, most.into())?;
    let needed = channels.iter().max().map_or(0, |&last| last + 1);
    // Fewer channels first, but for a choice among them the device's own number before any other.
    let unlike = |count: u16| match &own {
        Some(own) if !channels.is_empty() => (count != own.channels(), count),
        _ => (false, count),
    };
    let rank = |format: SampleFormat| PREFERRED.iter().position(|&f| f == format);
    let best = offered
        .iter()
        .filter(|c| c.min_sample_rate() <= rate_hz && rate_hz <= c.max_sample_rate())
        .filter(|c| c.channels() >= needed)
        .filter_map(|c| Some(((unlike(c.channels()), rank(c.sample_format())?), c)))
        .min_by_key(|(key, _)| *key)
        .map(|(_, c)| c);
    let Some(best) = best else {
        let mut offers: Vec<String> = offered
            .iter()
            .map(|c| format!("{} to {} Hz {}", c.min_sample_rate(), c.max_sample_rate(), c.sample_format()))
            .collect();
        offers.sort();
        offers.dedup();
        let reason =
            format!("{rate_hz} Hz in a format that can be converted is not offered, only {}", offers.join(", "));
        return Err(refused(name, "open it", reason, "set microphone.rate_hz to an offered rate, or leave it out"));
    };
    let wanted = (u64::from(rate_hz) * request.buffer.as_millis() as u64 / 1000).clamp(256, 65_536) as u32;
    let frames = match *best.buffer_size() {
        SupportedBufferSize::Range { min, max } if min <= max => wanted.clamp(min, max),
        _ => wanted,
    };
    let config =
        StreamConfig { channels: best.channels(), sample_rate: rate_hz, buffer_size: BufferSize::Fixed(frames) };
    Ok(Chosen { config, format: best.sample_format(), rate: SampleRate::new(rate_hz)? })
}
