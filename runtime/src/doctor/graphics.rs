//! Graphics processors: what the system has, what llama.cpp sees of it, and what the configuration wants of it.

use std::fs::read_dir;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mien_models::llama::{GPU_BACKENDS, GpuDevice, gpu_devices};

use super::patience::{Stopped, within};
use super::{CONFIG, DEVICE, Finding};
use crate::config::Config;

/// Longest time for a driver to tell of its cards: the first call compiles nothing, but wakes sleeping cards.
const PATIENCE: Duration = Duration::from_secs(20);

/// `llm` tells whether the language model is to run; `able`, whether its engine can run here at all.
pub(super) fn examine(config: &Config, llm: bool, able: bool, add: &mut dyn FnMut(Finding)) {
    let asked = if llm { config.llm.gpu_layers } else { 0 };
    let ask = able && !GPU_BACKENDS.is_empty();
    let seen = ask.then(|| within(PATIENCE, gpu_devices));
    add(judged(&gpu_nodes(Path::new("/dev")), GPU_BACKENDS, seen, asked));
}

/// Nodes that drivers of graphics processors make.
fn gpu_nodes(dev: &Path) -> Vec<PathBuf> {
    let named = |folder: &Path, prefix: &str| -> Vec<PathBuf> {
        let entries = read_dir(folder).into_iter().flatten().flatten();
        let matches = |name: &str| {
            name.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
        };
        entries.filter(|e| e.file_name().to_str().is_some_and(matches)).map(|e| e.path()).collect()
    };
    let mut nodes = named(dev, "nvidia");
    nodes.extend(named(&dev.join("dri"), "renderD"));
    nodes.extend(["kfd", "nvhost-gpu", "mali0"].iter().map(|name| dev.join(name)).filter(|node| node.exists()));
    nodes.sort();
    nodes
}

/// `nodes` are the drivers' nodes; `seen` is what llama.cpp sees, where it has one of `backends`; `asked` the layers that are to
/// run on it.
fn judged(nodes: &[PathBuf], backends: &[&str], seen: Option<Result<Vec<GpuDevice>, Stopped>>, asked: u32) -> Finding {
    let check = "gpu";
    let there = match nodes {
        [] => "none".into(),
        nodes => {
            let listed: Vec<String> = nodes.iter().map(|n| n.display().to_string()).collect();
            format!("{} is there", listed.join(", "))
        }
    };
    let wanted = format!("llm.gpu_layers is {asked}");
    let eye = format!("llama.cpp ({})", backends.join(", "));
    match (seen, asked) {
        (None, 0) => {
            let found =
                format!("{there}; this program was built without GPU support, everything runs on the processor");
            if nodes.is_empty() {
                return Finding::ok(check, found);
            }
            let fix = "not needed; to use it, build mien with a GPU backend of llama.cpp";
            Finding::note(check, found, fix)
        }
        (None, _) => {
            let found = format!("{there}; {wanted}, and this program was built without GPU support");
            let fix = "set llm.gpu_layers = 0, or build with --features mien-runtime/vulkan or mien-runtime/cuda";
            Finding::failure(check, CONFIG, found, fix)
        }
        (Some(Err(stopped)), 0) => {
            let found = format!("{there}; {eye} asked in vain: {stopped}");
            Finding::warning(check, found, "not used while llm.gpu_layers is 0; to use it, mend its driver")
        }
        (Some(Err(stopped)), _) => {
            let found = format!("{there}; {wanted}, and {eye} asked in vain: {stopped}");
            Finding::failure(check, DEVICE, found, "mend the card's driver, or set llm.gpu_layers = 0")
        }
        (Some(Ok(devices)), 0) if devices.is_empty() => Finding::ok(check, format!("{there}; {eye} sees none")),
        (Some(Ok(devices)), _) if devices.is_empty() => {
            let found = format!("{there}; {wanted}, and {eye} sees none");
            let fix = "install the card's driver, let this user open its nodes (groups render, video), see that neither \
                       GGML_VK_VISIBLE_DEVICES nor CUDA_VISIBLE_DEVICES hides it; or set llm.gpu_layers = 0";
            Finding::failure(check, DEVICE, found, fix)
        }
        (Some(Ok(devices)), asked) => {
            let listed: Vec<String> = devices.iter().map(ToString::to_string).collect();
            let found = format!("{eye} sees {}", listed.join("; "));
            if asked > 0 {
                return Finding::ok(check, format!("{found}; {wanted}"));
            }
            let fix =
                "not needed; llm.gpu_layers = 1000 puts the whole language model there, a smaller number part of it";
            Finding::note(check, format!("{found}; {wanted}"), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Status;
    use super::*;

    #[test]
    fn graphics_processors_are_told_by_their_nodes() {
        let dev = tempfile::tempdir().unwrap();
        assert_eq!(judged(&gpu_nodes(dev.path()), &[], None, 0).status, Status::Ok);
        std::fs::create_dir(dev.path().join("dri")).unwrap();
        for name in ["nvidia0", "nvidiactl", "nvidia-uvm", "dri/renderD128", "dri/card0"] {
            std::fs::write(dev.path().join(name), "").unwrap();
        }
        let found = gpu_nodes(dev.path());
        assert_eq!(found, [dev.path().join("dri/renderD128"), dev.path().join("nvidia0")]);
        assert_eq!(judged(&found, &[], None, 0).status, Status::Note);
    }

    #[test]
    fn layers_that_cannot_run_on_a_gpu_are_a_failure() {
        let without = judged(&[], &[], None, 7);
        assert_eq!((without.status, without.exit_code), (Status::Failure, CONFIG), "{without:?}");
        assert!(without.found.contains("llm.gpu_layers is 7") && without.fix.unwrap().contains("mien-runtime/vulkan"));
        for seen in [Ok(Vec::new()), Err(Stopped::Hung)] {
            let blind = judged(&["/dev/nvidia0".into()], &["vulkan"], Some(seen.clone()), 7);
            assert_eq!((blind.status, blind.exit_code), (Status::Failure, DEVICE), "{blind:?}");
            assert!(blind.found.contains("/dev/nvidia0") && blind.found.contains("llama.cpp (vulkan)"), "{blind:?}");
            assert_eq!(judged(&[], &["vulkan"], Some(seen), 0).exit_code, 0);
        }
    }

    #[test]
    fn cards_are_named_with_their_memory() {
        let card = GpuDevice {
            name: "Vulkan0".into(),
            description: "A Card".into(),
            integrated: false,
            free: 3 << 30,
            total: 4 << 30,
        };
        let used = judged(&[], &["vulkan"], Some(Ok(vec![card.clone()])), 1000);
        assert_eq!(used.status, Status::Ok);
        assert!(used.found.contains("Vulkan0 (A Card, 3072 of 4096 MiB free)"), "{used:?}");
        let unused = judged(&[], &["vulkan"], Some(Ok(vec![card])), 0);
        assert!(unused.status == Status::Note && unused.fix.unwrap().contains("llm.gpu_layers = 1000"));
    }
}
