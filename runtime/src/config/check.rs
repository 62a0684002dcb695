//! Which values a setting may have.

use super::Config;
use crate::RuntimeError;
use crate::rung::Rung;

type Fault = (String, String);

fn fault(key: &str, reason: String) -> Result<(), Fault> {
    Err((key.into(), reason))
}

/// A number within bounds, both included; not a number is within none.
fn within(key: &str, value: f64, low: f64, high: f64) -> Result<(), Fault> {
    if value >= low && value <= high { Ok(()) } else { fault(key, format!("{value}, expected {low} to {high}")) }
}

impl Config {
    /// Holds that a configuration that was put together by `origin` (the command line, a program) can be used.
    ///
    /// # Errors
    /// [`RuntimeError::Config`] with the key, and what was expected and found.
    pub fn check(&self, origin: &str) -> crate::Result<()> {
        self.values()
            .map_err(|(key, reason)| RuntimeError::Config { path: origin.into(), reason: format!("{key}: {reason}") })
    }

    /// Whether every value can be used.
    ///
    /// # Errors
    /// The key, and what was expected and found.
    pub(super) fn values(&self) -> Result<(), Fault> {
        let (m, c, s, l) = (&self.microphone, &self.camera, &self.speech, &self.llm);
        if !m.enabled && !c.enabled {
            return fault("microphone.enabled", "both devices are switched off, expected at least one".into());
        }
        for (key, device) in [("microphone.device", &m.device), ("camera.device", &c.device)] {
            if device.trim().is_empty() {
                return fault(key, "empty, expected a name or id; see `mien devices`".into());
            }
        }
        if let Some(rate) = m.rate_hz {
            within("microphone.rate_hz", rate.into(), 8_000.0, 192_000.0)?;
        }
        if let Some(channels) = &m.channels {
            let most = mien_capture::device::MOST_CHANNELS;
            if channels.is_empty() || channels.len() > most {
                let found = channels.len();
                return fault("microphone.channels", format!("{found} channels, expected 1 to {most}, or none at all"));
            }
            for (index, channel) in channels.iter().enumerate() {
                within("microphone.channels", (*channel).into(), 0.0, (most - 1) as f64)?;
                if channels.iter().take(index).any(|before| before == channel) {
                    return fault("microphone.channels", format!("{channel} stands twice, expected each channel once"));
                }
            }
        }
        within("engine.hung_device_s", self.engine.hung_device_s, 1.0, 86_400.0)?;
        within("microphone.buffer_ms", m.buffer_ms.into(), 20.0, 500.0)?;
        for (key, seconds) in [
            ("microphone.open_s", m.open_s),
            ("microphone.first_samples_s", m.first_samples_s),
            ("microphone.no_samples_s", m.no_samples_s),
            ("camera.open_s", c.open_s),
            ("camera.first_picture_s", c.first_picture_s),
            ("camera.no_pictures_s", c.no_pictures_s),
        ] {
            within(key, seconds, 0.1, 600.0)?;
        }
        let forced = self.engine.rung.rung();
        if forced.is_some_and(Rung::has_llm) && !l.enabled {
            return fault("engine.rung", "full has the language model, which llm.enabled = false leaves out".into());
        }
        if forced.is_some_and(|rung| !rung.has_face()) && !m.enabled {
            return fault("engine.rung", "audio-only opens no camera, and the microphone is switched off".into());
        }
        within("camera.width", c.width.into(), 16.0, 8192.0)?;
        within("camera.height", c.height.into(), 16.0, 8192.0)?;
        within("camera.fps", c.fps.into(), 1.0, 240.0)?;
        // The rows of the longest utterance, 60 s, must fit into the face stage's memory.
        within("camera.pictures_per_s", c.pictures_per_s, 0.1, 15.0)?;
        within("speech.enter", s.enter.into(), 0.01, 0.99)?;
        if !(s.leave > 0.0 && s.leave < s.enter) {
            return fault(
                "speech.leave",
                format!("{}, expected more than 0 and less than enter ({})", s.leave, s.enter),
            );
        }
        within("speech.hang_over_s", s.hang_over_s, 0.05, 5.0)?;
        within("speech.pre_roll_s", s.pre_roll_s, 0.0, 2.0)?;
        within("speech.post_roll_s", s.post_roll_s, 0.0, s.hang_over_s)?;
        within("speech.shortest_s", s.shortest_s, 0.0, 5.0)?;
        within("llm.context", l.context.into(), 16.0, 32768.0)?;
        within("llm.gpu_layers", l.gpu_layers.into(), 0.0, 1000.0)?;
        within("llm.waiting_s", l.waiting_s, 0.0, 600.0)?;
        within("llm.longest_s", l.longest_s, 0.1, 3600.0)?;
        for (key, threads) in [("llm.threads", l.threads), ("engine.threads", self.engine.threads)] {
            if let Some(threads) = threads {
                within(key, threads.into(), 1.0, 256.0)?;
            }
        }
        Ok(())
    }
}
