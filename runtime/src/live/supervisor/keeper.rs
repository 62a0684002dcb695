//! One device: its state, its attempt, its deadlines.

use std::time::{Duration, Instant};

use mien_capture::SessionClock;
use mien_capture::device::{DeviceKind, DeviceState};

use super::attempt::{Attempt, Fault, Opener, Phase};
use super::backoff::{Absence, Backoff};
use super::state::{Action, Event, next};
use super::status::{DeviceChange, DeviceLimits, DeviceStatus};

/// Threads that hang in a driver; with more of them, waiting is all that helps.
const MOST_ABANDONED: usize = 8;
/// From when on an attempt that was told to stop counts as hanging.
const HANGS: Duration = Duration::from_secs(1);
/// A device that ran so long works: the next wait is a short one.
const WORKS: Duration = Duration::from_secs(5);

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
    leaving: Vec<(Attempt, Instant)>,
    retry_at: Option<Instant>,
    data: u64,
    /// When data came last, or when waiting for it began.
    data_at: Instant,
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
        clock: SessionClock,
        impatient: bool,
    ) -> Self {
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
            open_since: None,
            told: None,
            status,
        }
    }

    /// Whether a device may still be open.
    pub(super) fn held(&self) -> bool {
        self.attempt.is_some() || !self.leaving.is_empty()
    }

    /// Looks at everything once; gives the changes that are worth telling.
    pub(super) fn turn(&mut self, wanted: bool, tree_changed: bool) -> Vec<DeviceChange> {
        let mut changes = Vec::new();
        let hung = self.leaving.iter().filter(|(_, since)| since.elapsed() > HANGS).count();
        self.leaving.retain(|(attempt, _)| !attempt.ended());
        let hanging = self.leaving.iter().filter(|(_, since)| since.elapsed() > HANGS).count();
        self.status.abandoned = hanging;
        changes.extend(self.take(if wanted { Event::Enable } else { Event::Disable }, None));
        // A thread that hung until now gives the device back: as good as a device that was plugged in.
        if tree_changed || hanging < hung {
            self.backoff.reset();
            changes.extend(self.take(Event::TreeChanged, None));
        }
        if self.retry_at.is_some_and(|at| Instant::now() >= at) {
            changes.extend(self.take(Event::RetryDue, None));
        }
        changes.extend(self.look());
        changes
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
                    changes.extend(self.take(Event::Overdue, Some(Fault::new(reason))));
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
        match action {
            Action::None => {}
            Action::Open => {
                self.retry_at = None;
                if self.leaving.len() >= MOST_ABANDONED {
                    let reason = format!("{MOST_ABANDONED} attempts hang in the driver; waiting for one to end");
                    return self.wait(Fault::new(reason));
                }
                match self.opener.start() {
                    Ok(attempt) => self.attempt = Some(attempt),
                    Err(fault) => return self.wait(fault),
                }
            }
            Action::Close | Action::Retry => {
                if let Some(attempt) = self.attempt.take() {
                    attempt.stop();
                    self.leaving.push((attempt, Instant::now()));
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
