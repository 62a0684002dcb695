//! The life of a device as a table.

use mien_capture::device::DeviceState;

/// What can happen to a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Event {
    /// It is wanted.
    Enable,
    /// It is not wanted any longer.
    Disable,
    /// An attempt could not open it, or an open one broke.
    Fault,
    /// Opening takes too long.
    Overdue,
    /// Something came from it. Only then does it run: an open device may still stay silent.
    Data,
    /// Nothing came from it for as long as its state allows.
    Silent,
    /// The wait for the next attempt is over.
    RetryDue,
    /// A device came or went somewhere in the system.
    TreeChanged,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing.
    None,
    /// Start an attempt.
    Open,
    /// Give up the attempt and start none.
    Close,
    /// Give up the attempt and wait for the next one.
    Retry,
}

/// The state after `event`, and what is to be done: a line for each pair.
///
/// | state \ event | Enable | Disable | Fault, Overdue | Data | Silent | RetryDue, TreeChanged |
/// |---|---|---|---|---|---|---|
/// | Closed | Opening, open | – | – | – | – | – |
/// | Opening | – | Closed, close | Reopening, retry | Running | Reopening, retry | – |
/// | Running | – | Closed, close | Reopening, retry | – | Stalled | – |
/// | Stalled | – | Closed, close | Reopening, retry | Running | Reopening, retry | – |
/// | Reopening | – | Closed, close | – | – | – | Opening, open |
pub(super) fn next(state: DeviceState, event: Event) -> (DeviceState, Action) {
    use Action as A;
    use DeviceState as S;
    use Event as E;
    match (state, event) {
        (S::Closed, E::Enable) => (S::Opening, A::Open),
        (S::Closed, E::Disable | E::Fault | E::Overdue | E::Data | E::Silent | E::RetryDue | E::TreeChanged) => {
            (S::Closed, A::None)
        }
        (S::Opening | S::Running | S::Stalled | S::Reopening, E::Disable) => (S::Closed, A::Close),
        (S::Opening | S::Running | S::Stalled, E::Fault | E::Overdue) => (S::Reopening, A::Retry),
        (S::Opening | S::Stalled, E::Data) => (S::Running, A::None),
        (S::Opening | S::Stalled, E::Silent) => (S::Reopening, A::Retry),
        (S::Opening, E::Enable | E::RetryDue | E::TreeChanged) => (S::Opening, A::None),
        (S::Running, E::Silent) => (S::Stalled, A::None),
        (S::Running, E::Enable | E::Data | E::RetryDue | E::TreeChanged) => (S::Running, A::None),
        (S::Stalled, E::Enable | E::RetryDue | E::TreeChanged) => (S::Stalled, A::None),
        (S::Reopening, E::RetryDue | E::TreeChanged) => (S::Opening, A::Open),
        (S::Reopening, E::Enable | E::Fault | E::Overdue | E::Data | E::Silent) => (S::Reopening, A::None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATES: [DeviceState; 5] =
        [DeviceState::Closed, DeviceState::Opening, DeviceState::Running, DeviceState::Stalled, DeviceState::Reopening];
    const EVENTS: [Event; 8] = [
        Event::Enable,
        Event::Disable,
        Event::Fault,
        Event::Overdue,
        Event::Data,
        Event::Silent,
        Event::RetryDue,
        Event::TreeChanged,
    ];

    /// Whether an attempt exists in a state.
    fn holds_attempt(state: DeviceState) -> bool {
        matches!(state, DeviceState::Opening | DeviceState::Running | DeviceState::Stalled)
    }

    #[test]
    fn every_pair_keeps_the_laws() {
        for state in STATES {
            for event in EVENTS {
                let (after, action) = next(state, event);
                let told = format!("{state:?} + {event:?} -> {after:?}, {action:?}");
                // An attempt exists exactly in the states that hold one, and a wait exactly in Reopening.
                let attempt = match action {
                    Action::None => holds_attempt(state),
                    Action::Open => true,
                    Action::Close | Action::Retry => false,
                };
                assert_eq!(holds_attempt(after), attempt, "{told}");
                assert_eq!(action == Action::Retry, after == DeviceState::Reopening && state != after, "{told}");
                assert_eq!(action == Action::Open, after == DeviceState::Opening && state != after, "{told}");
                if event == Event::Disable {
                    assert_eq!(after, DeviceState::Closed, "{told}");
                } else if event != Event::Enable {
                    assert_eq!(after == DeviceState::Closed, state == DeviceState::Closed, "{told}");
                }
                if action == Action::None && after != state {
                    assert!(holds_attempt(state) && holds_attempt(after), "{told}");
                }
            }
        }
    }

    #[test]
    fn every_state_finds_its_way_back_to_running() {
        for state in STATES {
            let way = [Event::Enable, Event::Fault, Event::RetryDue, Event::Data];
            assert_eq!(way.iter().fold(state, |s, &e| next(s, e).0), DeviceState::Running, "from {state:?}");
        }
    }
}
