//! Whether the device nodes may be opened by this user.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Finding;
use super::patience::within;
use super::user::{Group, User};

/// Time for opening all nodes of a kind.
const LIMIT: Duration = Duration::from_secs(3);
/// `O_NONBLOCK` of Linux: opening a node that is in use must not wait for it.
const NON_BLOCKING: i32 = 0o4000;

/// Devices of one kind.
struct Kind {
    check: &'static str,
    folder: &'static str,
    /// How the names of the nodes begin that are tried.
    prefix: &'static str,
    /// The group that distributions give such nodes to.
    group: &'static str,
    /// What to do where there are none.
    missing: &'static str,
}

const SOUND: Kind = Kind {
    check: "sound access",
    folder: "/dev/snd",
    // One for each sound card; the other nodes of a card have the same owner, and opening those may disturb.
    prefix: "controlC",
    group: "audio",
    missing: "plug a sound card in; `cat /proc/asound/cards` shows the kernel's; give a container --device /dev/snd",
};

const CAMERA: Kind = Kind {
    check: "camera access",
    folder: "/dev",
    prefix: "video",
    group: "video",
    missing: "plug a camera in; `dmesg | tail` shows what the kernel sees; give a container --device /dev/video0",
};

/// Access to sound cards and cameras. Never a failure: a sound server may serve where the nodes do not, and whether the
/// configured device opens is a check of its own.
pub(super) fn examine(add: &mut dyn FnMut(Finding)) {
    let user = User::current();
    for kind in [SOUND, CAMERA] {
        add(access(&kind, user.as_ref()));
    }
}

fn access(kind: &Kind, user: Option<&User>) -> Finding {
    let nodes = nodes(Path::new(kind.folder), kind.prefix);
    if nodes.is_empty() {
        return Finding::note(kind.check, format!("no {}/{}*", kind.folder, kind.prefix), kind.missing);
    }
    let who = user.map_or("this user", |u| u.name.as_str());
    let tried = nodes.clone();
    let denied = match within(LIMIT, move || tried.into_iter().filter(|node| denied(node)).collect::<Vec<_>>()) {
        Ok(denied) => denied,
        Err(stopped) => {
            let found = format!("{} cannot be tried: {stopped}", listed(&nodes));
            return Finding::warning(kind.check, found, "pull the device's cable and plug it in again, or restart");
        }
    };
    match denied.first() {
        None => Finding::ok(kind.check, format!("{} may open {}", who, listed(&nodes))),
        Some(first) => {
            let found = format!("{} may not open {}", who, listed(&denied));
            Finding::warning(kind.check, found, cure(kind, first, user))
        }
    }
}

/// Nodes of `folder` that are named `prefix` and a number.
fn nodes(folder: &Path, prefix: &str) -> Vec<PathBuf> {
    let numbered = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).and_then(|n| n.strip_prefix(prefix));
        name.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut nodes: Vec<PathBuf> = entries.map(|e| e.path()).filter(numbered).collect();
    nodes.sort();
    nodes
}

/// Whether permission is what forbids opening; a device that is in use or gone may be opened as far as that goes.
fn denied(node: &Path) -> bool {
    let opened = OpenOptions::new().read(true).write(true).custom_flags(NON_BLOCKING).open(node);
    opened.is_err_and(|e| e.kind() == std::io::ErrorKind::PermissionDenied)
}

fn listed(nodes: &[PathBuf]) -> String {
    nodes.iter().map(|n| n.display().to_string()).collect::<Vec<_>>().join(", ")
}

fn cure(kind: &Kind, node: &Path, user: Option<&User>) -> String {
    let gid = fs::metadata(node).ok().map(|m| m.gid());
    let group = gid.and_then(Group::of);
    cure_for(kind, node, gid, group.as_ref(), user)
}

fn cure_for(kind: &Kind, node: &Path, gid: Option<u32>, group: Option<&Group>, user: Option<&User>) -> String {
    let name = user.map_or("$USER", |u| u.name.as_str());
    match (group, gid) {
        (Some(group), Some(gid)) if gid != 0 => {
            let has = user.is_some_and(|u| u.gids.contains(&gid));
            let listed = user.is_some_and(|u| group.members.contains(&u.name));
            let group = &group.name;
            if has {
                // In the group, and refused all the same: the node's mode or the container forbids it.
                format!("`sudo chmod g+rw {}`; in a container allow the device itself (--device)", node.display())
            } else if listed {
                format!("log in again, or restart the service: {name} is in the group {group} from the next login on")
            } else {
                format!(
                    "`sudo usermod -aG {group} {name}` and log in again; in a unit file SupplementaryGroups={group}"
                )
            }
        }
        (None, Some(gid)) if gid != 0 => format!("give the container the node's group: --group-add {gid}"),
        _ => format!(
            "`sudo chgrp {group} {node}; sudo chmod g+rw {node}`, then `sudo usermod -aG {group} {name}`; for good \
             by a udev rule",
            group = kind.group,
            node = node.display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbered_nodes_count() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["video0", "video12", "video", "videox", "vide0", "avideo1"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = nodes(folder.path(), "video");
        let names: Vec<_> = found.iter().map(|n| n.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["video0", "video12"]);
        assert!(nodes(&folder.path().join("missing"), "video").is_empty());
    }

    #[test]
    fn the_cure_depends_on_what_the_user_lacks() {
        let user = |gids: &[u32]| User { uid: 1000, name: "kiosk".into(), gids: gids.to_vec() };
        let audio = |members: &[&str]| Group {
            name: "audio".into(),
            members: members.iter().map(|m| (*m).to_owned()).collect(),
        };
        let node = Path::new("/dev/snd/controlC0");
        let cure = |gid, group: Option<&Group>, user: &User| cure_for(&SOUND, node, Some(gid), group, Some(user));
        assert!(cure(29, Some(&audio(&[])), &user(&[1000])).contains("usermod -aG audio kiosk"));
        assert!(cure(29, Some(&audio(&["kiosk"])), &user(&[1000])).starts_with("log in again"));
        assert!(cure(29, Some(&audio(&["kiosk"])), &user(&[29])).contains("chmod"));
        assert!(cure(29, None, &user(&[])).contains("--group-add 29"));
        assert!(cure(0, None, &user(&[])).contains("chgrp audio /dev/snd/controlC0"));
    }
}
