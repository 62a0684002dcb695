//! Published checkpoints into a bundle, as a user runs it. Networks are small ones of the published build with formula weights.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod built;
mod int8;
mod refused;
#[path = "../../../models/tests/llama/split.rs"]
mod split;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use mien_models::bundle::{Bundle, DrySize, Manifest, make_dry};
use mien_models::tensor::{NamedTensors, TensorSpec, write_safetensors};
use mien_models::{fusion, manet, projector, wavlm};
use serde_json::{Value, json};

/// Seed of every weight.
const SEED: u64 = 7;
/// The four networks, by the names of their options.
const NETWORKS: [&str; 4] = ["wavlm", "manet", "projector", "fusion"];

/// A folder with a checkpoint of each network of the small dry bundle, and that bundle.
struct Place {
    folder: tempfile::TempDir,
    dry: Manifest,
}

/// Names before and after a change, a pair for each tensor.
type Renamed = Vec<(String, TensorSpec)>;

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        make_dry(&folder.path().join("dry"), DrySize::Small, SEED).unwrap();
        let dry = Bundle::open(&folder.path().join("dry")).unwrap().manifest().clone();
        let place = Self { folder, dry };
        for network in NETWORKS {
            place.write(network, "", &[]);
        }
        place.write_library(|_| {});
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Parameters of a network of the dry bundle.
    fn specs(&self, network: &str) -> Vec<TensorSpec> {
        match network {
            "wavlm" => wavlm::parameters(&self.dry.wavlm),
            "manet" => manet::parameters(&self.dry.manet),
            "projector" => projector::parameters(&self.dry.projector),
            "fusion" => fusion::parameters(&self.dry.fusion),
            other => panic!("{other}"),
        }
    }

    /// The checkpoint of a network, where [`Place::write`] puts it.
    fn checkpoint(&self, network: &str) -> PathBuf {
        self.path(&format!("{network}.safetensors"))
    }

    /// Writes the checkpoint of a network with `prefix` before each name, and `more` tensors beside.
    fn write(&self, network: &str, prefix: &str, more: &[(&str, &[usize])]) {
        let specs = self.specs(network);
        let formula = NamedTensors::formula(SEED, &specs);
        let renamed: Renamed = specs
            .iter()
            .map(|s| (s.name.clone(), TensorSpec::required(format!("{prefix}{}", s.name), s.shape.clone())))
            .collect();
        let mut tensors: Vec<_> = renamed
            .iter()
            .map(|(name, spec)| {
                let values = formula.get(name, &spec.shape).unwrap().into_owned();
                (spec.name.clone(), mien_models::tensor::Tensor::new(spec.shape.clone(), values).unwrap())
            })
            .collect();
        let mut specs: Vec<TensorSpec> = renamed.into_iter().map(|(_, spec)| spec).collect();
        for (name, shape) in more {
            specs.push(TensorSpec::required(*name, *shape));
            tensors.push(((*name).into(), mien_models::tensor::Tensor::zeros(*shape)));
        }
        let tensors = NamedTensors::from_tensors("a test", tensors);
        write_safetensors(&self.checkpoint(network), &tensors, &specs, &BTreeMap::new()).unwrap();
    }

    /// Writes WavLM's `config.json` beside the checkpoints.
    fn write_library(&self, change: impl FnOnce(&mut serde_json::Map<String, Value>)) {
        let c = &self.dry.wavlm;
        let mut value = json!({
            "model_type": "wavlm", "feat_extract_norm": "layer", "do_stable_layer_norm": true, "conv_bias": false,
            "hidden_size": c.hidden, "num_hidden_layers": c.layers, "num_attention_heads": c.heads,
            "intermediate_size": c.intermediate, "conv_dim": vec![c.conv_channels; 7],
            "num_conv_pos_embeddings": c.conv_pos_kernel, "num_conv_pos_embedding_groups": c.conv_pos_groups,
            "num_buckets": c.buckets, "max_bucket_distance": c.max_distance, "layer_norm_eps": 1e-5,
        });
        change(value.as_object_mut().unwrap());
        std::fs::write(self.path("config.json"), value.to_string()).unwrap();
    }

    /// Arguments that make the bundle `out`, with the file `path` for `network` instead of the good one.
    fn arguments(&self, out: &str, instead: Option<(&str, &Path)>) -> Vec<String> {
        let mut arguments: Vec<String> = vec!["bundle".into(), "build".into(), "--out".into(), self.text(out)];
        for network in NETWORKS {
            let path = match instead {
                Some((other, path)) if other == network => path.to_owned(),
                _ => self.checkpoint(network),
            };
            arguments.extend([format!("--{network}"), path.display().to_string()]);
        }
        arguments.extend(["--audio-layer".into(), self.dry.method.audio_layer.to_string()]);
        arguments
    }

    fn run(&self, arguments: &[String], more: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_mien-train")).args(arguments).args(more).output().unwrap()
    }

    /// What a build prints that must succeed.
    fn built(&self, out: &str, more: &[&str]) -> String {
        let output = self.run(&self.arguments(out, None), more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a build says in one line that must fail with `code`; nothing stands at the target then.
    fn refused(&self, code: i32, instead: Option<(&str, &Path)>, more: &[&str]) -> String {
        let output = self.run(&self.arguments("never", instead), more);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{said}");
        assert!(said.starts_with("mien-train: ") && said.trim().lines().count() == 1, "{said}");
        let left: Vec<_> = std::fs::read_dir(self.folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(left.iter().all(|name| !name.to_string_lossy().contains("never")), "{left:?}");
        said
    }
}
