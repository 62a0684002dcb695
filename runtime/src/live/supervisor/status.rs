//! What the supervisor tells of a device.

use std::time::Duration;

use mien_capture::Timestamp;
use mien_capture::device::DeviceKind;
use serde::Serialize;

use mien_capture::device::DeviceState;

/// How a device stands.
#[derive(Clone, Debug, Default, Serialize)]
pub struct DeviceStatus {
    /// Its state.
    pub state: DeviceState,
    /// Its name: as configured, or with id and format while it is open; empty where there is none.
    pub device: String,
    /// Why it is not running, where there is more to say.
    pub reason: Option<String>,
    /// Since when it is in this state.
    #[serde(skip)]
    pub since: Timestamp,
    /// How often it was opened.
    pub openings: u64,
    /// How often an attempt failed or an open device broke.
    pub faults: u64,
    /// Threads that hang in the driver and were left behind.
    pub abandoned: usize,
    /// Why it cannot be had, once it has given nothing for `engine.hung_device_s` for a reason within this process: the service
    /// manager's watchdog is not served meanwhile. A device that is not plugged in is no such reason.
    pub stuck: Option<String>,
    /// Why only another process can have it, if so: the session ends.
    pub exhausted: Option<String>,
}

/// A change of a device's state.
#[derive(Clone, Debug)]
pub struct DeviceChange {
    /// Which device.
    pub kind: DeviceKind,
    /// The state before.
    pub from: DeviceState,
    /// The state from now on.
    pub to: DeviceState,
    /// When, in the session's time.
    pub time: Timestamp,
    /// The device's name.
    pub device: String,
    /// Why, where there is more to say.
    pub reason: Option<String>,
}

/// How long a device may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceLimits {
    /// For opening.
    pub open: Duration,
    /// From opening to the first sample or picture.
    pub first: Duration,
    /// Between samples or pictures.
    pub silent: Duration,
}
