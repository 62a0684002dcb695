//! What a device is called, and the choice of one by name.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::error::{CaptureError, Result};

/// What a device delivers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceKind {
    /// Sound.
    Microphone,
    /// Pictures.
    Camera,
}

impl fmt::Display for DeviceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Microphone => "microphone",
            Self::Camera => "camera",
        })
    }
}

/// Where a device stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeviceState {
    /// Not wanted: switched off, muted, or the program ends.
    #[default]
    Closed,
    /// Being opened, or open and without anything from it so far.
    Opening,
    /// It delivers.
    Running,
    /// It is open and delivers nothing.
    Stalled,
    /// It cannot be used now; the next attempt waits.
    Reopening,
}

/// A device that the system lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeviceInfo {
    /// What it delivers.
    pub kind: DeviceKind,
    /// A name that stays the same over restarts, for configuration files; unique among the listed devices.
    pub id: String,
    /// The name for people; twins share it.
    pub name: String,
    /// Other unique names of the same device (`/dev/video0`, links by serial number); they may change over restarts.
    pub aliases: Vec<String>,
    /// What it can deliver, one format each ("16000 Hz, 1 channel, f32"; "640x480 MJPEG, 30 pictures a second").
    pub formats: Vec<String>,
    /// Why the formats could not be asked for (busy, permission), if so.
    pub trouble: Option<String>,
}

/// The one device among `devices` that `wanted` names: by its id, by an alias, or by a name that exactly one device has.
///
/// A name is compared whole and by case: part of a name could match another device tomorrow.
///
/// # Errors
/// [`CaptureError::DeviceUnknown`] for a name that no device has, [`CaptureError::DeviceAmbiguous`] for one that several
/// have; both list what there is.
pub fn select<'a>(devices: &'a [DeviceInfo], kind: DeviceKind, wanted: &str) -> Result<&'a DeviceInfo> {
    let of_kind = || devices.iter().filter(|d| d.kind == kind);
    if let Some(device) = of_kind().find(|d| d.id == wanted || d.aliases.iter().any(|a| a == wanted)) {
        return Ok(device);
    }
    let named: Vec<&DeviceInfo> = of_kind().filter(|d| d.name == wanted).collect();
    let listed = |devices: Vec<&DeviceInfo>| {
        let ids: Vec<String> = devices.iter().map(|d| format!("{} ({})", d.id, d.name)).collect();
        if ids.is_empty() { "none".into() } else { ids.join(", ") }
    };
    match named.as_slice() {
        [device] => Ok(device),
        [] => Err(CaptureError::DeviceUnknown {
            kind,
            wanted: wanted.into(),
            found: listed(of_kind().collect()),
            unasked: of_kind().any(|d| d.trouble.is_some()),
        }),
        _ => Err(CaptureError::DeviceAmbiguous { kind, wanted: wanted.into(), found: listed(named) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn camera(id: &str, name: &str, alias: &str) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Camera,
            id: id.into(),
            name: name.into(),
            aliases: vec![alias.into()],
            formats: Vec::new(),
            trouble: None,
        }
    }

    #[test]
    fn a_device_is_chosen_by_id_alias_or_a_name_that_only_it_has() {
        let devices = [
            camera("v4l:usb-1", "Twin", "/dev/video0"),
            camera("v4l:usb-2", "Twin", "/dev/video2"),
            camera("v4l:usb-3", "Other", "/dev/video4"),
        ];
        let chosen = |wanted| select(&devices, DeviceKind::Camera, wanted).map(|d| d.id.as_str());
        assert_eq!(chosen("v4l:usb-2").unwrap(), "v4l:usb-2");
        assert_eq!(chosen("/dev/video0").unwrap(), "v4l:usb-1");
        assert_eq!(chosen("Other").unwrap(), "v4l:usb-3");
        let twins = chosen("Twin").unwrap_err().to_string();
        assert!(twins.contains("v4l:usb-1") && twins.contains("v4l:usb-2") && !twins.contains("usb-3"), "{twins}");
        for wrong in ["twin", "Oth", "", "/dev/video1"] {
            let error = chosen(wrong).unwrap_err();
            assert!(matches!(error, CaptureError::DeviceUnknown { .. }), "{error}");
            assert!(error.to_string().contains("v4l:usb-3"), "{error}");
        }
        assert!(select(&devices, DeviceKind::Microphone, "Other").is_err());
    }

    #[test]
    fn an_unknown_device_may_be_one_that_does_not_answer() {
        let gone = camera("v4l:/dev/video0", "", "/dev/video0");
        let silent = DeviceInfo { trouble: Some("No such device".into()), ..gone.clone() };
        for (devices, expected) in [(vec![], false), (vec![gone.clone()], false), (vec![gone, silent], true)] {
            let error = select(&devices, DeviceKind::Camera, "v4l:usb-1").unwrap_err();
            assert!(matches!(error, CaptureError::DeviceUnknown { unasked, .. } if unasked == expected), "{error}");
        }
    }
}
