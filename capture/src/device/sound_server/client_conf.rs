//! PulseAudio's `client.conf`: which files make it up, and the server that they name.

use std::ffi::OsString;
use std::io::Read;
use std::path::{Path, PathBuf};

use super::address;

/// The system's own.
const SYSTEM: &str = "/etc/pulse/client.conf";
/// A larger file is no configuration.
const LARGEST: u64 = 1 << 20;
/// Files that include each other end somewhere.
const DEEPEST: usize = 8;

/// The files that PulseAudio's client library reads, the later ones over the earlier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ClientConf {
    pub(super) files: Vec<PathBuf>,
}

/// The last value of each key that decides on a server, with the file that gives it.
#[derive(Default)]
struct Values {
    server: Option<(String, PathBuf)>,
    display: Option<(bool, PathBuf)>,
}

impl ClientConf {
    /// The files that a process with the environment `variables` reads: the one that PULSE_CLIENTCONFIG names; else the user's
    /// own; else the system's; and beside it the folder of the same name with `.d`.
    pub(super) fn of(variables: &[(String, OsString)]) -> Self {
        let named = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| PathBuf::from(value));
        let file = match named("PULSE_CLIENTCONFIG") {
            Some(path) => Some(path),
            None => {
                let home = named("HOME").or_else(std::env::home_dir);
                let users = match (named("PULSE_CONFIG_PATH"), home) {
                    (Some(folder), _) => vec![folder],
                    (None, home) => {
                        let own = home.iter().flat_map(|home| [home.join(".pulse"), home.join(".config/pulse")]);
                        own.chain(named("XDG_CONFIG_HOME").map(|folder| folder.join("pulse"))).collect()
                    }
                };
                let users = users.into_iter().map(|folder| folder.join("client.conf"));
                users.chain([PathBuf::from(SYSTEM)]).find(|path| path.exists())
            }
        };
        let Some(file) = file else { return Self::default() };
        let mut beside = file.clone().into_os_string();
        beside.push(".d");
        let mut more: Vec<PathBuf> = std::fs::read_dir(beside)
            .map(|entries| entries.flatten().map(|entry| entry.path()).collect())
            .unwrap_or_default();
        more.retain(|path| path.extension().is_some_and(|e| e == "conf"));
        more.sort();
        Self { files: std::iter::once(file).chain(more).collect() }
    }

    /// The server over the network that these files name, and the file; `display` is that of X11, whose host is tried where
    /// they ask for it.
    pub(super) fn remote(&self, display: Option<&str>) -> Option<(String, String)> {
        let mut values = Values::default();
        self.files.iter().for_each(|file| read(file, &mut values, DEEPEST));
        if let Some((servers, file)) = &values.server
            && let Some(server) = address::remote_pulse(servers)
        {
            return Some((server, format!("default-server in {}", file.display())));
        }
        let (_, file) = values.display.filter(|(wanted, _)| *wanted)?;
        let host = display?.split(':').next().filter(|host| !host.is_empty() && *host != "unix" && !host.starts_with('/'));
        Some((host?.to_owned(), format!("auto-connect-display in {} and DISPLAY", file.display())))
    }
}

/// Takes over what `path` says; one that cannot be read says nothing to PulseAudio's library either.
fn read(path: &Path, values: &mut Values, deepest: usize) {
    let ordinary = path.metadata().is_ok_and(|m| m.is_file());
    let Some(file) = ordinary.then(|| std::fs::File::open(path).ok()).flatten() else { return };
    let mut bytes = Vec::new();
    if file.take(LARGEST).read_to_end(&mut bytes).is_err() {
        return;
    }
    for line in String::from_utf8_lossy(&bytes).lines() {
        let line = line.split(['#', ';']).next().unwrap_or_default().trim();
        if let Some(included) = line.strip_prefix(".include ") {
            if deepest > 0 {
                let included = path.parent().unwrap_or(Path::new("/")).join(included.trim());
                read(&included, values, deepest - 1);
            }
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        match key.trim() {
            "default-server" if value.is_empty() => values.server = None,
            "default-server" => values.server = Some((value.to_owned(), path.to_owned())),
            "auto-connect-display" => {
                let no = ["0", "n", "no", "f", "false", "off"].contains(&value.to_ascii_lowercase().as_str());
                values.display = Some((!no, path.to_owned()));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_in_use_names_the_server() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, text).unwrap();
            path
        };
        let variable = |name: &str, value: &Path| (name.to_owned(), OsString::from(value));
        let home = variable("HOME", folder.path());
        let remote = |variables: &[(String, OsString)]| ClientConf::of(variables).remote(Some("xhost:0"));
        let far = at("far.conf", "# default-server = nowhere\n default-server = unix:/a tcp:far ; no\n");
        let found = remote(&[variable("PULSE_CLIENTCONFIG", &far)]).unwrap();
        assert_eq!(found.0, "tcp:far");
        assert!(found.1.starts_with("default-server in ") && found.1.ends_with("far.conf"), "{}", found.1);
        // A file that is named and not there: nothing is read at all.
        assert_eq!(remote(&[home.clone(), variable("PULSE_CLIENTCONFIG", &folder.path().join("none"))]), None);
        let own = at(".config/pulse/client.conf", "default-server = tcp:own\n");
        assert_eq!(remote(std::slice::from_ref(&home)).unwrap().0, "tcp:own");
        at(".config/pulse/client.conf.d/20.conf", "default-server =\n");
        assert_eq!(remote(std::slice::from_ref(&home)), None, "the last word counts");
        at(".config/pulse/client.conf.d/30.conf", &format!(".include {}\n", far.display()));
        assert_eq!(remote(std::slice::from_ref(&home)).unwrap().0, "tcp:far");
        at(".pulse/client.conf", "default-server = unix:/run/x\n");
        assert_eq!(remote(std::slice::from_ref(&home)), None, "the older place comes first");
        at(".pulse/client.conf", "auto-connect-display = yes\n");
        assert_eq!(remote(std::slice::from_ref(&home)).unwrap().0, "xhost");
        assert_eq!(ClientConf::of(std::slice::from_ref(&home)).remote(Some(":0")), None);
        let elsewhere = variable("PULSE_CONFIG_PATH", &folder.path().join(".config/pulse"));
        assert_eq!(remote(&[home, elsewhere]).unwrap().0, "tcp:far");
        // Files that include themselves.
        let ring = at("ring.conf", "");
        std::fs::write(&ring, format!(".include {}\ndefault-server = tcp:ring\n", ring.display())).unwrap();
        assert_eq!(remote(&[variable("PULSE_CLIENTCONFIG", &ring)]).unwrap().0, "tcp:ring");
        drop(own);
    }
}
