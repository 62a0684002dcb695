//! Memory that is there against memory that the bundle needs.

use std::fs::read_to_string;
use std::path::{Path, PathBuf};

use mien_models::bundle::Manifest;

use super::{Finding, MACHINE};
use crate::config::Config;

/// Memory that can be allocated without swapping.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Available {
    bytes: u64,
    /// What sets the limit.
    by: String,
}

/// Which form of the method fits.
pub(super) fn examine(manifest: &Manifest, config: &Config, add: &mut dyn FnMut(Finding)) {
    let memory = manifest.memory;
    let with_llm = memory.with_llm.filter(|_| config.llm.enabled);
    add(judged(available(Path::new("/")), with_llm, memory.without_llm));
}

/// `with_llm` is the need with the language model where it is wanted, `without` the need of all the rest.
fn judged(available: Option<Available>, with_llm: Option<u64>, without: u64) -> Finding {
    let check = "memory";
    let mib = |bytes: u64| bytes >> 20;
    // The missing part is rounded up: giving exactly the amount that is shown must help.
    let short = |need: u64, there: u64| need.saturating_sub(there).div_ceil(1 << 20);
    let Some(Available { bytes, by }) = available else {
        let found = format!("unknown, {} MiB are needed", mib(with_llm.unwrap_or(without)));
        return Finding::note(check, found, "mount /proc, or compare with `free -m`");
    };
    let there = format!("{} MiB available ({by})", mib(bytes));
    let limit = "a container's or unit's limit (--memory, MemoryMax=)";
    match with_llm {
        Some(need) if bytes >= need => {
            Finding::ok(check, format!("{there}: everything fits, the language model included ({} MiB)", mib(need)))
        }
        Some(need) if bytes >= without => {
            let found = format!(
                "{there}: voice and face fit ({} MiB), the language model does not ({} MiB)",
                mib(without),
                mib(need)
            );
            let fix = format!("set llm.enabled = false, or free {} MiB more or raise {limit}", short(need, bytes));
            Finding::warning(check, found, fix)
        }
        None if bytes >= without => {
            Finding::ok(check, format!("{there}: voice and face fit, without language model ({} MiB)", mib(without)))
        }
        _ => {
            let found = format!("{there}: not even voice and face without language model fit ({} MiB)", mib(without));
            let fix = format!(
                "end other programs or raise {limit} until {} MiB more are free, or install a smaller bundle",
                short(without, bytes)
            );
            Finding::failure(check, MACHINE, found, fix)
        }
    }
}

/// The smallest of what the machine and each control group above this process allow; `root` is the root folder.
fn available(root: &Path) -> Option<Available> {
    let meminfo = read_to_string(root.join("proc/meminfo")).ok();
    let machine = meminfo.and_then(|text| field(&text, "MemAvailable:")).and_then(|kib| kib.checked_mul(1024));
    let machine = machine.map(|bytes| Available { bytes, by: "the machine".into() });
    machine.into_iter().chain(control_groups(root)).min_by_key(|a| a.bytes)
}

/// The number after `key` at the start of a line.
fn field(text: &str, key: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(key))?.split_whitespace().next()?.parse().ok()
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
    use std::fs;

    use super::super::Status;
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
        assert_eq!(available(folder.path()).unwrap(), Available { bytes: 8 * GIB, by: "the machine".into() });
        assert_eq!(available(root(&[]).path()), None);
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
        let found = available(folder.path()).unwrap();
        assert_eq!(found.bytes, 3 * GIB);
        assert!(found.by.ends_with("system.slice"), "{found:?}");
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
        assert_eq!(available(folder.path()).unwrap().bytes, GIB + GIB / 2);
        let unlimited = root(&[
            MEMINFO,
            ("proc/self/cgroup", "4:memory:/\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"),
        ]);
        assert_eq!(available(unlimited.path()).unwrap().bytes, 8 * GIB);
    }

    #[test]
    fn what_fits_is_told() {
        let there = |bytes| Some(Available { bytes, by: "the machine".into() });
        assert_eq!(judged(there(8 * GIB), Some(6 * GIB), GIB).status, Status::Ok);
        let partly = judged(there(4 * GIB), Some(6 * GIB), GIB);
        assert!(partly.status == Status::Warning && partly.exit_code == 0, "{partly:?}");
        assert!(partly.fix.unwrap().contains("llm.enabled = false, or free 2048 MiB"));
        assert_eq!(judged(there(4 * GIB), None, GIB).status, Status::Ok);
        let not = judged(there(GIB), Some(6 * GIB), 2 * GIB);
        assert!(not.status == Status::Failure && not.exit_code == 1 && not.fix.unwrap().contains("1024 MiB"));
        assert_eq!(judged(None, None, GIB).status, Status::Note);
    }
}
