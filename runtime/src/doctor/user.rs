//! Who runs the program, and what the groups are called.

use std::fs::read_to_string;

/// The user of this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct User {
    /// Effective user id.
    pub(super) uid: u32,
    /// Login name, or the number where it has none.
    pub(super) name: String,
    /// Effective group and supplementary groups.
    pub(super) gids: Vec<u32>,
}

impl User {
    /// The user that the kernel and `/etc/passwd` tell of.
    pub(super) fn current() -> Option<Self> {
        let passwd = read_to_string("/etc/passwd").unwrap_or_default();
        Self::parse(&read_to_string("/proc/self/status").ok()?, &passwd)
    }

    fn parse(status: &str, passwd: &str) -> Option<Self> {
        let numbers = |key: &str| -> Option<Vec<u32>> {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().map(|n| n.parse().ok()).collect()
        };
        // Real, effective, saved, and of the file system.
        let uid = *numbers("Uid:")?.get(1)?;
        let mut gids = vec![*numbers("Gid:")?.get(1)?];
        gids.extend(numbers("Groups:").unwrap_or_default());
        let name = passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            let name = fields.next()?;
            (fields.nth(1)?.parse() == Ok(uid)).then(|| name.to_owned())
        });
        Some(Self { uid, name: name.unwrap_or_else(|| uid.to_string()), gids })
    }
}

/// A line of `/etc/group`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Its name.
    pub(super) name: String,
    /// Login names of its members, other than those whose own group it is.
    pub(super) members: Vec<String>,
}

impl Group {
    /// The group with this number, if `/etc/group` has it.
    pub(super) fn of(gid: u32) -> Option<Self> {
        Self::parse(&read_to_string("/etc/group").ok()?, gid)
    }

    fn parse(text: &str, gid: u32) -> Option<Self> {
        text.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            let [name, _, number, members] = fields.as_slice() else { return None };
            (number.parse() == Ok(gid)).then(|| Self {
                name: (*name).to_owned(),
                members: members.split(',').map(str::trim).filter(|m| !m.is_empty()).map(str::to_owned).collect(),
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "Name:\tmien\nUid:\t0\t1000\t0\t0\nGid:\t0\t1001\t0\t0\nGroups:\t29 44 \n";
    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nkiosk:x:1000:1001::/home/kiosk:/bin/sh\n";

    #[test]
    fn the_effective_user_counts() {
        let user = User::parse(STATUS, PASSWD).unwrap();
        assert_eq!(user, User { uid: 1000, name: "kiosk".into(), gids: vec![1001, 29, 44] });
        assert_eq!(User::parse(STATUS, "").unwrap().name, "1000");
        assert_eq!(User::parse("Name:\tmien\n", PASSWD), None);
    }

    #[test]
    fn groups_have_members() {
        let text = "audio:x:29:kiosk, anna\nvideo:x:44:\nbroken\n";
        let audio = Group::parse(text, 29).unwrap();
        assert_eq!((audio.name.as_str(), audio.members.as_slice()), ("audio", &["kiosk".into(), "anna".into()][..]));
        assert!(Group::parse(text, 44).unwrap().members.is_empty());
        assert_eq!(Group::parse(text, 45), None);
    }
}
