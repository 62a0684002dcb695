//! Which cameras there are.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use v4l::Device;
use v4l::capability::Flags;
use v4l::context::enum_devices;
use v4l::frameinterval::FrameIntervalEnum;
use v4l::framesize::FrameSizeEnum;
use v4l::video::Capture;

use crate::device::info::{DeviceInfo, DeviceKind};
use crate::quiet::quietly;

/// Formats shown of one camera.
const FORMATS_SHOWN: usize = 12;

/// A camera and its node.
pub(super) struct Node {
    pub(super) info: DeviceInfo,
    /// The N of /dev/videoN.
    pub(super) index: usize,
}

/// Every node that captures pictures, in the order of the nodes' numbers.
pub(super) fn list() -> Vec<Node> {
    let mut nodes: Vec<_> = quietly(enum_devices).unwrap_or_default();
    nodes.sort_by_key(v4l::context::Node::index);
    let links = links();
    let mut of_bus: BTreeMap<String, usize> = BTreeMap::new();
    nodes
        .iter()
        .filter_map(|node| {
            let path = node.path().to_owned();
            // The library panics on names that are no UTF-8.
            let asked = quietly(|| ask(&path)).ok()?;
            let mut aliases = vec![path.display().to_string()];
            aliases.extend(links.iter().filter(|(_, to)| *to == path).map(|(link, _)| link.display().to_string()));
            let name = node.name().unwrap_or_default().trim_end().to_owned();
            let info = match asked {
                Ok(Some(asked)) => {
                    let count = of_bus.entry(asked.bus.clone()).or_default();
                    *count += 1;
                    // A bus may carry several cameras; the first one needs no number.
                    let id = match *count {
                        1 => format!("v4l:{}", asked.bus),
                        n => format!("v4l:{}:{n}", asked.bus),
                    };
                    let DeviceInfo { formats, .. } = asked.info;
                    DeviceInfo { kind: DeviceKind::Camera, id, name: asked.info.name, aliases, formats, trouble: None }
                }
                // Nodes of metadata and outputs are no cameras.
                Ok(None) => return None,
                Err(error) => {
                    let id = format!("v4l:{}", path.display());
                    let trouble = Some(match error.raw_os_error() {
                        Some(13) => "no permission: add the user to the group video".into(),
                        _ => error.to_string(),
                    });
                    DeviceInfo { kind: DeviceKind::Camera, id, name, aliases, formats: Vec::new(), trouble }
                }
            };
            Some(Node { info, index: node.index() })
        })
        .collect()
}

struct Asked {
    bus: String,
    info: DeviceInfo,
}

/// What a node says of itself; `None` for one that does not capture.
fn ask(path: &Path) -> std::io::Result<Option<Asked>> {
    let device = Device::with_path(path)?;
    let caps = device.query_caps()?;
    if !caps.capabilities.contains(Flags::VIDEO_CAPTURE | Flags::STREAMING) {
        return Ok(None);
    }
    let mut formats = Vec::new();
    for format in device.enum_formats().unwrap_or_default() {
        for size in device.enum_framesizes(format.fourcc).unwrap_or_default() {
            formats.push(match size.size {
                FrameSizeEnum::Discrete(s) => {
                    let rates = device.enum_frameintervals(format.fourcc, s.width, s.height).unwrap_or_default();
                    let fastest = rates.iter().filter_map(|r| fps(&r.interval)).fold(0.0, f64::max);
                    format!("{}x{} {}, up to {fastest:.0} pictures a second", s.width, s.height, format.fourcc)
                }
                FrameSizeEnum::Stepwise(s) => {
                    format!("{}x{} to {}x{} {}", s.min_width, s.min_height, s.max_width, s.max_height, format.fourcc)
                }
            });
        }
    }
    let more = formats.len().saturating_sub(FORMATS_SHOWN);
    if more > 0 {
        formats.truncate(FORMATS_SHOWN);
        formats.push(format!("and {more} more"));
    }
    let info = DeviceInfo {
        kind: DeviceKind::Camera,
        id: String::new(),
        name: caps.card,
        aliases: Vec::new(),
        formats,
        trouble: None,
    };
    Ok(Some(Asked { bus: caps.bus, info }))
}

/// The fastest rate of an interval.
fn fps(interval: &FrameIntervalEnum) -> Option<f64> {
    let fraction = match interval {
        FrameIntervalEnum::Discrete(f) => f,
        FrameIntervalEnum::Stepwise(s) => &s.min,
    };
    (fraction.numerator > 0).then(|| f64::from(fraction.denominator) / f64::from(fraction.numerator))
}

/// The links that udev makes by serial number and by socket, with the nodes that they lead to.
fn links() -> Vec<(PathBuf, PathBuf)> {
    ["/dev/v4l/by-id", "/dev/v4l/by-path"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(folder).ok())
        .flat_map(|entries| entries.flatten())
        .filter_map(|entry| Some((entry.path(), entry.path().canonicalize().ok()?)))
        .collect()
}
