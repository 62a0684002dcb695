//! How much memory this process can still have: what the machine, every control group above the process, and the process's own
//! limits (`ulimit`) leave.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

/// Addresses that are kept for what is no network, and for networks while they are loaded.
const RESERVE: u64 = 96 << 20;
/// Threads on each core: those of the matrix products, and those of the language model.
const THREADS_OF_EACH: u64 = 2;
/// A thread's stack where nobody sets another one.
const USUAL_STACK: u64 = 8 << 20;

/// A limit of a process, as /proc tells it.
struct Limit {
    name: &'static str,
    /// How much of it is used.
    used: &'static str,
    by: &'static str,
}

const LIMITS: [Limit; 2] = [
    Limit { name: "Max address space", used: "VmSize:", by: "limit of addresses, ulimit -v" },
    Limit { name: "Max data size", used: "VmData:", by: "limit of data, ulimit -d" },
];

/// Memory that can be allocated without swapping and without being killed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Available {
    /// How much, in bytes.
    pub bytes: u64,
    /// What sets the limit, for people.
    pub by: String,
}

impl Available {
    /// What there is now; none where the system does not tell, as without /proc.
    #[must_use]
    pub fn now() -> Option<Self> {
        Self::below(Path::new("/"))
    }

    /// As [`Available::now`], for a system whose root folder is `root`: the smallest of what the machine, each control
    /// group above this process, in both versions of that interface, and the limits of the process itself allow.
    #[must_use]
    pub fn below(root: &Path) -> Option<Self> {
        let meminfo = read_to_string(root.join("proc/meminfo")).ok();
        let machine = meminfo.and_then(|text| field(&text, "MemAvailable:")).and_then(|kib| kib.checked_mul(1024));
        let machine = machine.map(|bytes| Self { bytes, by: "the machine".into() });
        machine.into_iter().chain(control_groups(root)).chain(own_limits(root)).min_by_key(|a| a.bytes)
    }
}

/// The number after `key` at the start of a line.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
}

/// Whether this process has a limit on its addresses or data.
pub(crate) fn is_limited() -> bool {
    let limits = read_to_string("/proc/self/limits").unwrap_or_default();
    LIMITS.iter().any(|limit| field(&limits, limit.name).is_some())
}

/// What the limits of this process leave, of its addresses and of its data: an allocation beyond one fails, which ends a
/// program. Threads that are still to be started take stacks, and networks more addresses than they fill, so as much as that
/// is not for them.
fn own_limits(root: &Path) -> Vec<Available> {
    let text = |name: &str| read_to_string(root.join("proc/self").join(name)).unwrap_or_default();
    let (limits, status) = (text("limits"), text("status"));
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    // "unlimited" is no number.
    let stack = field(&limits, "Max stack size").unwrap_or(USUAL_STACK).max(USUAL_STACK);
    let reserve = RESERVE.saturating_add(threads.saturating_mul(THREADS_OF_EACH).saturating_mul(stack));
    let left = |limit: &Limit| {
        let bytes = field(&limits, limit.name)?;
        let used = field(&status, limit.used).unwrap_or(0).saturating_mul(1024);
        Some(Available { bytes: bytes.saturating_sub(used).saturating_sub(reserve), by: limit.by.into() })
    };
    LIMITS.iter().filter_map(left).collect()
}

/// What each control group that holds this process leaves; both versions of the interface.
fn control_groups(root: &Path) -> Vec<Available> {
    let text = read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
    let folder = root.join("sys/fs/cgroup");
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, path) = (fields.next()?, fields.next()?, fields.next()?);
            let v2 = controllers.is_empty();
            (v2 || controllers.split(',').any(|c| c == "memory")).then(|| {
                let mount = if v2 { folder.clone() } else { folder.join("memory") };
                above(&mount, path).into_iter().filter_map(|group| left(&group, v2)).collect::<Vec<_>>()
            })
        })
        .flatten()
        .collect()
}

/// The group and all groups that it is in. Inside a container the path may start at the host; then only its end, or
/// nothing of it, is there.
fn above(mount: &Path, path: &str) -> Vec<PathBuf> {
    let own = mount.join(path.trim_start_matches('/'));
    own.ancestors().take_while(|a| a.starts_with(mount)).map(Path::to_owned).collect()
}

/// What one group leaves, if it sets a limit. Cached files are given up when memory is wanted, so they count as free.
fn left(group: &Path, v2: bool) -> Option<Available> {
    let (limit, usage) =
        if v2 { ("memory.max", "memory.current") } else { ("memory.limit_in_bytes", "memory.usage_in_bytes") };
    let number = |name: &str| read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    // "max", or in the older version a number beyond any machine.
    let bytes = number(limit).filter(|&bytes| bytes < 1 << 60)?;
    let stat = read_to_string(group.join("memory.stat")).unwrap_or_default();
    let prefix = if v2 { "" } else { "total_" };
    let cached = ["inactive_file ", "active_file "]
        .iter()
        .filter_map(|key| field(&stat, &format!("{prefix}{key}")))
        .fold(0u64, u64::saturating_add);
    let used = number(usage).unwrap_or(0).saturating_sub(cached);
    Some(Available { bytes: bytes.saturating_sub(used), by: format!("limit of {}", group.display()) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::fs;

    use super::*;

    const GIB: u64 = 1 << 30;

    /// A root folder with these files.
    fn root(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        }
        root
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:  16777216 kB\nMemAvailable:    8388608 kB\n");

    #[test]
    fn without_limits_the_machine_tells() {
        let folder = root(&[MEMINFO]);
        let machine = Available { bytes: 8 * GIB, by: "the machine".into() };
        assert_eq!(Available::below(folder.path()).unwrap(), machine);
        assert_eq!(Available::below(root(&[]).path()), None);
    }

    #[test]
    fn the_tightest_control_group_counts_without_its_cached_files() {
        let folder = root(&[
            MEMINFO,
            ("proc/self/cgroup", "0::/system.slice/mien.service\n"),
            ("sys/fs/cgroup/system.slice/mien.service/memory.max", "max\n"),
            ("sys/fs/cgroup/system.slice/memory.max", "4294967296\n"),
            ("sys/fs/cgroup/system.slice/memory.current", "3221225472\n"),
            (
                "sys/fs/cgroup/system.slice/memory.stat",
                "anon 5\nfile 9\ninactive_file 1073741824\nactive_file 1073741824\n",
            ),
        ]);
        let found = Available::below(folder.path()).unwrap();
        assert_eq!(found.bytes, 3 * GIB);
        assert!(found.by.ends_with("system.slice"), "{found:?}");
    }

    #[test]
    fn limits_of_the_process_count_less_what_it_has_and_what_threads_take() {
        let limits = |address: &str, data: &str| {
            let text = format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                 Max data size             {data}            unlimited            bytes     \n\
                 Max stack size            8388608              unlimited            bytes     \n\
                 Max address space         {address}            unlimited            bytes     \n"
            );
            let folder = root(&[
                MEMINFO,
                ("proc/self/limits", &text),
                ("proc/self/status", "VmSize:\t  1048576 kB\nVmData:\t 524288 kB\n"),
            ]);
            Available::below(folder.path()).unwrap()
        };
        let gib = |n: u64| (n * GIB).to_string();
        assert_eq!(limits("unlimited", "unlimited").by, "the machine");
        let address = limits(&gib(6), "unlimited");
        assert!(address.by.contains("ulimit -v") && address.bytes < 5 * GIB, "{address:?}");
        // Byte for byte.
        assert_eq!(limits(&(6 * GIB + 7).to_string(), "unlimited").bytes, address.bytes + 7);
        let data = limits("unlimited", &gib(6));
        assert!(
            data.by.contains("ulimit -d") && data.bytes > address.bytes && data.bytes < 6 * GIB - GIB / 2,
            "{data:?}"
        );
        // The tightest counts, and less than there is already is nothing.
        assert_eq!(limits(&gib(6), &gib(1)).by, limits("unlimited", &gib(1)).by);
        assert_eq!(limits("1000", "unlimited").bytes, 0);
    }

    #[test]
    fn the_older_control_groups_count_too() {
        let folder = root(&[
            MEMINFO,
            ("proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/not/visible/here\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 7\ntotal_inactive_file 536870912\n"),
        ]);
        assert_eq!(Available::below(folder.path()).unwrap().bytes, GIB + GIB / 2);
        let unlimited = root(&[
            MEMINFO,
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(Available::below(unlimited.path()).unwrap().bytes, 8 * GIB);
    }
}
