//! Graphs that are not what the manifest says of them, though every digest holds.

use std::fs;
use std::path::Path;

use mien_models::ModelError;
use mien_models::bundle::{Bundle, Manifest, Role};
use mien_models::engine::LoadedGraph;
use mien_models::fusion::{Fusion, Mia, MiaResidual, Padding};
use mien_models::manet::Manet;
use mien_models::projector::{self, Projector};
use mien_models::wavlm::Wavlm;
use prost::Message;
use tract_onnx::pb;

use crate::material::{Copy, dry, dry_manifest};

/// Why one network of the dry bundle does not load with a manifest's sizes; none where it does.
fn refusal(role: Role, m: &Manifest) -> Option<ModelError> {
    let path = Bundle::open(&dry()).unwrap().path(role).unwrap();
    match role {
        Role::Wavlm => Wavlm::load(&path, &m.wavlm, m.method.audio_layer).err(),
        Role::Manet => Manet::load(&path, &m.manet).err(),
        Role::Projector => Projector::load(&path, &m.projector).err(),
        Role::Fusion => Fusion::load(&path, &m.fusion).err(),
        other => panic!("{other} is no graph"),
    }
}

/// Whose graph a changed manifest no longer fits, the changed key, and the change.
type Change = (Role, &'static str, fn(&mut Manifest));

#[test]
fn a_size_that_is_not_the_graphs_is_refused_though_no_input_or_output_shows_it() {
    let changes: [Change; 11] = [
        (Role::Wavlm, "\"layers\":5", |m| m.wavlm.layers = 5),
        (Role::Wavlm, "\"heads\":8", |m| m.wavlm.heads = 8),
        (Role::Wavlm, "\"intermediate\":256", |m| m.wavlm.intermediate = 256),
        (Role::Wavlm, "\"conv_channels\":16", |m| m.wavlm.conv_channels = 16),
        (Role::Wavlm, "\"conv_pos_kernel\":8", |m| m.wavlm.conv_pos_kernel = 8),
        (Role::Wavlm, "\"conv_pos_groups\":2", |m| m.wavlm.conv_pos_groups = 2),
        (Role::Wavlm, "\"buckets\":16", |m| m.wavlm.buckets = 16),
        (Role::Wavlm, "\"max_distance\":81", |m| m.wavlm.max_distance = 81),
        (Role::Wavlm, "\"layer_norm_eps\":0.001", |m| m.wavlm.layer_norm_eps = 1e-3),
        (Role::Projector, "\"hidden\":64", |m| m.projector.hidden = 64),
        (Role::Fusion, "\"mia_residual\":\"transition\"", |m| m.fusion.mia_residual = MiaResidual::Transition),
    ];
    let good = dry_manifest();
    for (role, asked, change) in changes {
        let mut bad = good.clone();
        change(&mut bad);
        match refusal(role, &bad) {
            Some(ModelError::Contract { model, tensor, expected, found }) => {
                assert_eq!(tensor, "mien.config", "{model}");
                assert!(model.eq_ignore_ascii_case(role.name()), "{model}");
                assert!(expected.contains(asked), "{expected}");
                let file = format!("{role}.onnx: {{\"");
                assert!(found.contains(&file) && !found.contains(asked), "{found}");
            }
            other => panic!("{role} {asked}: {other:?}"),
        }
    }
}

#[test]
fn sizes_that_inputs_and_outputs_show_are_refused_by_their_names() {
    let changes: [Change; 5] = [
        (Role::Wavlm, "hidden.3", |m| m.wavlm.hidden = 128),
        (Role::Wavlm, "hidden.2", |m| m.method.audio_layer = 2),
        (Role::Manet, "logits_1", |m| m.manet.classes = 8),
        (Role::Projector, "frames", |m| m.projector.k = 4),
        (Role::Fusion, "text_missing", |m| m.fusion.mia = Mia::Off),
    ];
    for (role, name, change) in changes {
        let mut bad = dry_manifest();
        change(&mut bad);
        let fault = refusal(role, &bad);
        assert!(matches!(&fault, Some(ModelError::Contract { tensor, .. }) if tensor == name), "{role}: {fault:?}");
    }
}

#[test]
fn padding_is_a_switch_of_the_session() {
    let mut manifest = dry_manifest();
    manifest.fusion.padding = Padding::Reference;
    assert!(refusal(Role::Fusion, &manifest).is_none());
}

/// Why the dry bundle's projector does not load after `change` to its graph.
fn refusal_after(change: impl FnOnce(&mut pb::ModelProto)) -> String {
    let copy = Copy::new();
    let path = copy.folder().join("projector.onnx");
    let mut proto = pb::ModelProto::decode(fs::read(&path).unwrap().as_slice()).unwrap();
    change(&mut proto);
    fs::write(&path, proto.encode_to_vec()).unwrap();
    let loaded = LoadedGraph::load(Path::new(&path), projector::contract(&dry_manifest().projector));
    let text = loaded.err().expect("a refusal").to_string();
    assert!(text.contains("projector.onnx"), "{text}");
    text
}

#[test]
fn a_graph_that_says_nothing_or_two_things_of_itself_is_refused() {
    let text = refusal_after(|proto| proto.metadata_props.clear());
    assert!(text.contains("mien.config") && text.contains("nothing; build the graph again"), "{text}");
    let text = refusal_after(|proto| proto.metadata_props.extend(proto.metadata_props.clone()));
    assert!(text.contains("several values"), "{text}");
    let text = refusal_after(|proto| proto.metadata_props[0].value = format!("a\u{1b}\n{}", "b".repeat(1 << 20)));
    assert!(text.len() < 2000 && !text.contains(char::is_control), "{text}");
}

#[test]
fn weights_may_lie_nowhere_but_in_the_graphs_own_file() {
    for other in ["wavlm.weights", "../projector.weights", "/dev/zero", "", "projector.weights/../wavlm.weights"] {
        let text = refusal_after(|proto| {
            let tensors = proto.graph.as_mut().unwrap().initializer.iter_mut();
            let located = tensors.flat_map(|t| &mut t.external_data).find(|entry| entry.key == "location").unwrap();
            located.value = other.into();
        });
        assert!(text.contains(&format!("its weights lie in {other:?}, expected projector.weights")), "{text}");
    }
    let text = refusal_after(|proto| proto.functions.push(pb::FunctionProto::default()));
    assert!(text.contains("sparse tensors or functions, expected none"), "{text}");
    let text =
        refusal_after(|proto| proto.graph.as_mut().unwrap().sparse_initializer.push(pb::SparseTensorProto::default()));
    assert!(text.contains("sparse tensors or functions, expected none"), "{text}");
}
