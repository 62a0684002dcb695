//! Microphones: which there are, whether the configured one opens, and how loud it is there.

use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use mien_capture::device::{SoundCounters, SoundDevice, microphone, sound_ring};
use mien_capture::{CaptureError, SampleRate, SessionClock};
use zeroize::Zeroize;

use super::patience::{Steps, Stopped, within};
use super::{DEVICE, Finding};
use crate::RuntimeError;
use crate::config::Config;
use crate::live::devices;
use crate::live::level::{Loudness, loudness};
use crate::live::supervisor::DeviceLimits;
use crate::offline;

/// Time for asking the sound system what there is.
const LISTING: Duration = Duration::from_secs(5);
/// How long the microphone is listened to, from its first sample on.
const LISTENING: Duration = Duration::from_secs(2);
/// How often the ring is emptied; it holds more than a second.
const LOOK: Duration = Duration::from_millis(10);
/// No configured deadline is waited for longer.
const LONGEST: Duration = Duration::from_secs(10);
/// What listening may take besides waiting and listening, on a machine that is busy.
const SLACK: Duration = Duration::from_secs(3);
/// A peak below it is no sound: quieter than any converter's own noise.
const DEAD_DBFS: f32 = -80.0;
/// A peak below it is too quiet for speech at arm's length.
const QUIET_DBFS: f32 = -50.0;

/// The microphones that the system lists; a sound server over the network is asked only where `config` allows it.
pub(super) fn list(config: Option<&Config>, add: &mut dyn FnMut(Finding)) {
    let check = "microphones";
    if !config.is_some_and(|config| config.engine.allow_remote_sound_server)
        && let Err(error) = offline::check_any_sound_server()
    {
        return add(Finding::error(check, &error));
    }
    add(match within(LISTING, microphone::list) {
        Err(stopped) => {
            let found = format!("asked for a list: {stopped}");
            Finding::failure(check, DEVICE, found, "restart the sound server (`pulseaudio -k`), or the machine")
        }
        Ok(Err(error)) => Finding::error(check, &RuntimeError::Clip(error)),
        Ok(Ok(found)) if found.is_empty() => Finding::note(
            check,
            "none",
            "plug one in, or start the sound server; `arecord -l` shows what the kernel sees; give a container \
             --device /dev/snd",
        ),
        Ok(Ok(found)) => super::listed(check, &found),
    });
}

/// Opens the configured microphone and listens to it.
pub(super) fn listen(config: &Config, add: &mut dyn FnMut(Finding)) {
    let check = "microphone";
    if !config.microphone.enabled {
        add(Finding::ok(check, "switched off in the configuration"));
        return;
    }
    if let Err(error) = offline::check_sound_server(config) {
        return add(Finding::error(check, &error));
    }
    listen_to(devices::microphone(config), config.microphone.limits(), add);
}

fn listen_to(device: Arc<dyn SoundDevice>, limits: DeviceLimits, add: &mut dyn FnMut(Finding)) {
    let check = "microphone";
    let label = device.label();
    let (open, first) = (limits.open.min(LONGEST), limits.first.min(LONGEST));
    let steps = Steps::of(move |tell: &SyncSender<Step>| probe(device.as_ref(), first, tell));
    let stuck = |what: &str, found: String| {
        let fix = "pull the cable and plug it in again; restart the sound server (`pulseaudio -k`) or the machine";
        Finding::failure(check, DEVICE, format!("microphone {label}: cannot {what}: {found}"), fix)
    };
    match steps.next(open) {
        Ok(Step::Opened(described)) => add(Finding::ok(check, described)),
        Ok(Step::Refused(error)) => return add(Finding::error(check, &RuntimeError::Clip(error))),
        // It is opened before it is listened to.
        Ok(Step::Heard(_)) => return,
        Err(stopped) => return add(stuck("open it", format!("{stopped} ({:.1} s)", open.as_secs_f64()))),
    }
    match steps.next(first + LISTENING + SLACK) {
        Ok(Step::Heard(heard)) => level(&heard, first, add),
        Ok(Step::Refused(error)) => add(Finding::error("level", &RuntimeError::Clip(error))),
        Ok(Step::Opened(_)) => {}
        Err(stopped) => return add(stuck("read it", stopped.to_string())),
    }
    // Also so that no driver is at work when the program ends.
    if !steps.ended(SLACK) {
        add(stuck("close it", Stopped::Hung.to_string()));
    }
}

/// How far the thread at the microphone has come.
enum Step {
    /// It is open; what it is called.
    Opened(String),
    /// It cannot be opened, or broke.
    Refused(CaptureError),
    /// It was listened to.
    Heard(Heard),
}

/// Two seconds of a microphone, as far as it may be told.
#[derive(Clone, Copy, Debug)]
struct Heard {
    samples: usize,
    rate: SampleRate,
    /// Every sample is exactly 0.
    zeros: bool,
    loudness: Loudness,
    overruns: u64,
}

/// Opens `device`, waits at most `first` for its first sample, listens, closes it.
fn probe(device: &dyn SoundDevice, first: Duration, tell: &SyncSender<Step>) {
    // Nobody listens any longer where the time is up: what cannot be told is of no use.
    let tell = |step: Step| {
        let _ = tell.send(step);
    };
    let (lender, mut reader) = sound_ring(SessionClock::start());
    let Some(sink) = lender.lend() else { return };
    let mut stream = match device.open(sink) {
        Ok(stream) => stream,
        Err(error) => return tell(Step::Refused(error)),
    };
    tell(Step::Opened(stream.describe()));
    // Room for all of it at any rate: a vector that grows would leave copies of the sound behind.
    let room = LISTENING.as_secs() as usize * 192_000;
    let mut samples: Vec<f32> = Vec::with_capacity(room);
    let mut rate = SampleRate::HZ_16000;
    let opened = Instant::now();
    let mut begun: Option<Instant> = None;
    let mut fault = None;
    while begun.map_or(opened.elapsed() < first, |begun| begun.elapsed() < LISTENING) {
        fault = stream.fault();
        if fault.is_some() {
            break;
        }
        while let Some(mut block) = reader.take() {
            begun.get_or_insert_with(Instant::now);
            rate = block.rate;
            samples.extend(block.samples().iter().take(room - samples.len()));
            block.zeroize();
        }
        std::thread::sleep(LOOK);
    }
    let heard = measured(&samples, rate, reader.counters());
    samples.zeroize();
    tell(match fault {
        Some(error) => Step::Refused(error),
        None => Step::Heard(heard),
    });
    drop(stream);
    reader.wipe();
}

fn measured(samples: &[f32], rate: SampleRate, counters: &Arc<SoundCounters>) -> Heard {
    Heard {
        samples: samples.len(),
        rate,
        zeros: samples.iter().all(|&s| s == 0.0),
        loudness: loudness(samples),
        overruns: counters.overruns(),
    }
}

/// What the level says.
fn level(heard: &Heard, first: Duration, add: &mut dyn FnMut(Finding)) {
    let check = "level";
    let Loudness { rms_dbfs, peak_dbfs, clipped } = heard.loudness;
    let found = format!(
        "{:.1} s heard: rms {rms_dbfs:.0} dBFS, peak {peak_dbfs:.0} dBFS",
        heard.samples as f64 / f64::from(heard.rate.hz())
    );
    let raise = "speak meanwhile; unmute and raise the capture (`alsamixer`, F4; `pactl list sources`), and see \
                 whether the microphone has a switch";
    add(if heard.samples == 0 {
        let found = format!("open, and no sample within {:.1} s", first.as_secs_f64());
        Finding::failure(
            check,
            DEVICE,
            found,
            "choose another microphone.device (`mien devices`), or restart the sound server",
        )
    } else if heard.zeros {
        Finding::failure(check, DEVICE, format!("{found}: digital silence, the microphone is muted or dead"), raise)
    } else if peak_dbfs < DEAD_DBFS {
        Finding::failure(check, DEVICE, format!("{found}: quieter than any room, the microphone is dead"), raise)
    } else if clipped > 0 {
        let found = format!("{found}, {clipped} samples clipped");
        Finding::warning(check, found, "lower the capture (`alsamixer`, F4; `pactl set-source-volume`)")
    } else if peak_dbfs < QUIET_DBFS {
        Finding::warning(check, format!("{found}: too quiet for speech"), raise)
    } else {
        Finding::ok(check, found)
    });
    if heard.overruns > 0 {
        let found = format!("the driver lost sound {} times", heard.overruns);
        add(Finding::warning("overruns", found, "raise microphone.buffer_ms, or end other programs"));
    }
}

#[cfg(test)]
mod tests {
    use mien_capture::device::{SoundSink, SoundStream};

    use super::super::Status;
    use super::*;

    /// Hangs when it is opened, or opens and never gives a sample, or breaks down.
    #[derive(Clone, Copy)]
    enum Bad {
        Hangs,
        Silent,
        Panics,
    }

    struct Open(#[expect(dead_code, reason = "held as a driver would")] SoundSink);

    impl SoundStream for Open {
        fn describe(&self) -> String {
            "bad microphone, open".into()
        }

        fn fault(&mut self) -> Option<CaptureError> {
            None
        }
    }

    impl SoundDevice for Bad {
        fn label(&self) -> String {
            "bad".into()
        }

        fn open(&self, sink: SoundSink) -> mien_capture::Result<Box<dyn SoundStream>> {
            match self {
                Self::Hangs => loop {
                    std::thread::park();
                },
                Self::Silent => Ok(Box::new(Open(sink))),
                Self::Panics => panic!("a driver's library"),
            }
        }
    }

    #[test]
    fn a_bad_driver_ends_as_a_finding() {
        let limits = DeviceLimits {
            open: Duration::from_millis(300),
            first: Duration::from_millis(300),
            silent: Duration::from_secs(1),
        };
        let last = |bad: Bad, limits: DeviceLimits| {
            let mut all = Vec::new();
            listen_to(Arc::new(bad), limits, &mut |finding| all.push(finding));
            all.pop().unwrap()
        };
        let hung = last(Bad::Hangs, limits);
        assert!(hung.exit_code == 4 && hung.found.contains("does not answer"), "{hung:?}");
        // Opening takes no time here, and a busy machine may need longer than the short limit to start a thread.
        let patient = DeviceLimits { open: Duration::from_secs(10), ..limits };
        let silent = last(Bad::Silent, patient);
        assert!(silent.exit_code == 4 && silent.found.contains("no sample within 0.3 s"), "{silent:?}");
        let broke = last(Bad::Panics, patient);
        assert!(broke.exit_code == 4 && broke.found.contains("broke down"), "{broke:?}");
    }

    fn found(samples: &[f32]) -> Finding {
        let heard = measured(samples, SampleRate::HZ_16000, &Arc::default());
        let mut all = Vec::new();
        level(&heard, Duration::from_secs(3), &mut |finding| all.push(finding));
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn wave(amplitude: f64) -> Vec<f32> {
        (0..32_000).map(|i| (amplitude * (f64::from(i) * 0.1).sin()) as f32).collect()
    }

    #[test]
    fn levels_from_nothing_to_clipping() {
        assert!(found(&[]).found.contains("no sample within 3.0 s"));
        assert!(found(&[0.0; 32_000]).found.contains("digital silence"));
        // -90, -60, -20 and more than 0 dBFS.
        let dead = found(&wave(3.16e-5));
        assert!(dead.status == Status::Failure && dead.exit_code == 4 && dead.found.contains("dead"), "{dead:?}");
        let quiet = found(&wave(1e-3));
        assert!(quiet.status == Status::Warning && quiet.found.contains("peak -60 dBFS"), "{quiet:?}");
        let good = found(&wave(0.1));
        assert!(good.status == Status::Ok && good.fix.is_none(), "{good:?}");
        assert!(good.found.contains("2.0 s heard: rms -23 dBFS, peak -20 dBFS"), "{good:?}");
        let loud: Vec<f32> = wave(1.5).into_iter().map(|s| s.clamp(-1.0, 1.0)).collect();
        let loud = found(&loud);
        assert!(loud.status == Status::Warning && loud.found.contains("clipped"), "{loud:?}");
    }

    #[test]
    fn what_the_driver_loses_is_told() {
        let counters = Arc::<SoundCounters>::default();
        counters.overrun();
        let heard = measured(&wave(0.1), SampleRate::HZ_16000, &counters);
        let mut all = Vec::new();
        level(&heard, Duration::from_secs(3), &mut |finding| all.push(finding));
        assert_eq!(all.last().unwrap().check, "overruns");
    }
}
