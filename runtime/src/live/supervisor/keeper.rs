//! One device: its state, its attempt, its deadlines.

use std::time::{Duration, Instant};

use mien_capture::SessionClock;
use mien_capture::device::{DeviceKind, DeviceState};

use super::attempt::{Attempt, Fault, Opener, Phase};
use super::backoff::{Absence, Backoff};
use super::state::{Action, Event, next};
use super::status::{DeviceChange, DeviceLimits, DeviceStatus};
use crate::live::pulse::Pulse;

/// Threads of one device that may hang in its driver: with so many of them only another process helps.
const MOST_ABANDONED: usize = 8;
/// From when on an attempt that was told to stop counts as hanging, and is left behind with all that it has.
const HANGS: Duration = Duration::from_secs(3);
/// A device that ran so long works: the next wait is a short one.
const WORKS: Duration = Duration::from_secs(5);

/// What all keepers are given.
pub(super) struct Watch {
    pub(super) clock: SessionClock,
    /// For tests: no wait between attempts.
    pub(super) impatient: bool,
    /// How long the device may give nothing for a reason within this process.
    pub(super) patience: Duration,
    /// Shows the watchdog whether the device can be had.
    pub(super) pulse: Option<Pulse>,
}

/// An attempt that was told to stop.
struct Leaving {
    attempt: Attempt,
    since: Instant,
    abandoned: bool,
}

/// Keeps one device.
pub(super) struct Keeper {
    kind: DeviceKind,
    opener: Opener,
    limits: DeviceLimits,
    backoff: Backoff,
    /// For tests: no wait between attempts.
    impatient: bool,
    clock: SessionClock,
    attempt: Option<Attempt>,
    /// Attempts that were told to stop and have not ended yet.
    leaving: Vec<Leaving>,
    retry_at: Option<Instant>,
    data: u64,
    /// When data came last, or when waiting for it began.
    data_at: Instant,
    /// When data came last from any attempt, or since when the device is wanted.
    given_at: Instant,
    /// Why the last attempt failed, if it did.
    last_fault: Option<Fault>,
    /// How long the device may give nothing for a reason within this process.
    patience: Duration,
    /// Shows the watchdog whether the device can be had.
    pulse: Option<Pulse>,
    /// When the attempt under way was seen to be open.
    open_since: Option<Instant>,
    /// The reason that was told last.
    told: Option<String>,
    pub(super) status: DeviceStatus,
}

impl Keeper {
    pub(super) fn new(
        kind: DeviceKind,
        opener: Opener,
        limits: DeviceLimits,
        watch: Watch,
    ) -> Self {
        let Watch { clock, impatient, patience, pulse } = watch;
        let status = DeviceStatus { device: opener.label(), ..DeviceStatus::default() };
        Self {
            kind,
            opener,
            limits,
            backoff: Backoff::new(fastrand::Rng::new()),
            impatient,
            clock,
            attempt: None,
            leaving: Vec::new(),
            retry_at: None,
            data: 0,
            data_at: Instant::now(),
            given_at: Instant::now(),
            last_fault: None,
            patience,
            pulse,
            open_since: None,
            told: None,
            status,
        }
    }

    /// Nothing is expected of the device any longer.
    pub(super) fn end(&self) {
        if let Some(pulse) = &self.pulse {
            pulse.end();
        }
    }

    /// Whether a device may still be open.
    pub(super) fn held(&self) -> bool {
        self.attempt.is_some() || !self.leaving.is_empty()
    }

    /// Looks at everything once; gives the changes that are worth telling.
    pub(super) fn turn(&mut self, wanted: bool, tree_changed: bool) -> Vec<DeviceChange> {
        let mut changes = Vec::new();
        if !wanted || self.status.state == DeviceState::Closed {
            self.given_at = Instant::now();
            self.last_fault = None;
        }
        let freed = self.clear();
        changes.extend(self.take(if wanted { Event::Enable } else { Event::Disable }, None));
        // As good as a device that was plugged in.
        if tree_changed || freed {
            self.backoff.reset();
            changes.extend(self.take(Event::TreeChanged, None));
        }
        if self.retry_at.is_some_and(|at| Instant::now() >= at) {
            changes.extend(self.take(Event::RetryDue, None));
        }
        changes.extend(self.look());
        self.watch();
        changes
    }

    /// Drops the attempts that have ended, and gives up those that hang. Gives whether that may let another attempt succeed: a
    /// thread that hung gave its device back, or one that hangs was left behind with all that it had.
    fn clear(&mut self) -> bool {
        let hung = self.status.abandoned;
        self.leaving.retain(|leaving| !leaving.attempt.ended());
        let mut given_up = false;
        for leaving in self.leaving.iter_mut().filter(|l| !l.abandoned && l.since.elapsed() > HANGS) {
            leaving.abandoned = true;
            given_up = true;
            self.opener.abandon(&leaving.attempt);
            let (kind, name) = (self.kind, &self.status.device);
            log::warn!("{kind} {name}: a thread hangs in its driver; it is left behind, and what it gives is not heard or seen");
        }
        let hanging = self.leaving.iter().filter(|l| l.abandoned).count();
        self.status.abandoned = hanging;
        if hanging >= MOST_ABANDONED && self.status.exhausted.is_none() {
            self.status.exhausted = Some(format!("{hanging} threads hang in its driver, and only a new process can help"));
        }
        given_up || hanging < hung
    }

    /// Tells the watchdog whether the device can be had, as far as it depends on this process.
    fn watch(&mut self) {
        let within = self.last_fault.as_ref().filter(|fault| match fault.absence {
            // Not plugged in: another process would not have it either, whatever hangs in this one.
            Absence::Missing => fault.within,
            Absence::Present => fault.within || self.status.abandoned > 0,
        });
        let silent = self.given_at.elapsed();
        self.status.stuck = within
            .filter(|_| silent >= self.patience)
            .map(|fault| format!("nothing for {:.0} s: {}", silent.as_secs_f64(), fault.reason));
        if let Some(pulse) = &self.pulse {
            match self.status.stuck {
                Some(_) => pulse.fail(),
                None => pulse.beat(),
            }
        }
    }

    /// What the attempt says.
    fn look(&mut self) -> Vec<DeviceChange> {
        let Some(attempt) = &self.attempt else { return Vec::new() };
        let (phase, data, since) = (attempt.phase(), attempt.data(), attempt.since);
        let mut changes = Vec::new();
        match phase {
            Phase::Broken(fault) => {
                self.status.faults += 1;
                changes.extend(self.take(Event::Fault, Some(fault)));
                return changes;
            }
            Phase::Opening => {
                if since.elapsed() > self.limits.open {
                    let reason = format!("opening takes longer than {:.1} s", self.limits.open.as_secs_f64());
                    self.status.faults += 1;
                    changes.extend(self.take(Event::Overdue, Some(Fault::within(reason))));
                }
                return changes;
            }
            Phase::Open(name) => {
                if self.open_since.is_none() {
                    self.status.openings += 1;
                    self.status.device = name;
                    self.data = 0;
                    self.data_at = Instant::now();
                    self.open_since = Some(Instant::now());
                }
            }
        }
        if data != self.data {
            self.data = data;
            self.data_at = Instant::now();
            self.given_at = self.data_at;
            self.last_fault = None;
            changes.extend(self.take(Event::Data, None));
            if self.open_since.is_some_and(|since| since.elapsed() > WORKS) {
                self.backoff.reset();
            }
            return changes;
        }
        let stalled = self.status.state == DeviceState::Stalled;
        let limit = if data == 0 { self.limits.first } else { self.limits.silent };
        let limit = if stalled { limit + self.limits.silent } else { limit };
        if self.data_at.elapsed() > limit {
            let reason = format!("nothing came for {:.1} s", self.data_at.elapsed().as_secs_f64());
            self.status.faults += 1;
            changes.extend(self.take(Event::Silent, Some(Fault::new(reason))));
        }
        changes
    }

    /// Goes through the table; gives the change if it is worth telling.
    fn take(&mut self, event: Event, fault: Option<Fault>) -> Option<DeviceChange> {
        let from = self.status.state;
        let (to, action) = next(from, event);
        if let Some(fault) = &fault {
            self.last_fault = Some(fault.clone());
        }
        match action {
            Action::None => {}
            Action::Open => {
                self.retry_at = None;
                if self.leaving.len() >= MOST_ABANDONED {
                    let reason = format!("{MOST_ABANDONED} attempts hang in the driver; waiting for one to end");
                    return self.wait(Fault::within(reason));
                }
                match self.opener.start() {
                    Ok(attempt) => self.attempt = Some(attempt),
                    Err(fault) => return self.wait(fault),
                }
            }
            Action::Close | Action::Retry => {
                if let Some(attempt) = self.attempt.take() {
                    attempt.stop();
                    self.leaving.push(Leaving { attempt, since: Instant::now(), abandoned: false });
                }
                self.open_since = None;
                self.retry_at = None;
                if action == Action::Retry {
                    self.schedule(fault.as_ref().map_or(Absence::Present, |fault| fault.absence));
                }
            }
        }
        if to == from {
            return None;
        }
        self.status.state = to;
        self.status.since = self.clock.now();
        self.status.reason =
            if to == DeviceState::Running { None } else { fault.map(|f| f.reason).or(self.status.reason.take()) };
        self.tell(from)
    }

    fn schedule(&mut self, absence: Absence) {
        let wait = if self.impatient { Duration::ZERO } else { self.backoff.next(absence) };
        self.retry_at = Some(Instant::now() + wait);
    }

    /// No attempt can be made now.
    fn wait(&mut self, fault: Fault) -> Option<DeviceChange> {
        let from = self.status.state;
        self.schedule(fault.absence);
        self.last_fault = Some(fault.clone());
        self.status.state = DeviceState::Reopening;
        self.status.since = self.clock.now();
        self.status.reason = Some(fault.reason);
        self.tell(from)
    }

    /// The change, unless it is one more of the same: a device that is missing for months fails every eight seconds.
    fn tell(&mut self, from: DeviceState) -> Option<DeviceChange> {
        let to = self.status.state;
        let trying = matches!(to, DeviceState::Opening | DeviceState::Reopening)
            && matches!(from, DeviceState::Opening | DeviceState::Reopening);
        if trying && (to == DeviceState::Opening || self.told == self.status.reason) {
            return None;
        }
        self.told = self.status.reason.clone();
        let reason = self.status.reason.clone();
        let (kind, name) = (self.kind, &self.status.device);
        match (&reason, to) {
            (Some(reason), DeviceState::Stalled | DeviceState::Reopening) => log::warn!("{kind} {name}: {reason}"),
            (_, DeviceState::Running) => log::info!("{kind} {name} is running"),
            _ => {}
        }
        Some(DeviceChange { kind, from, to, time: self.status.since, device: name.clone(), reason })
    }
}
