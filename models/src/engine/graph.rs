//! Loading a graph against its contract and preparing a plan.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use prost::Message;
use tract_onnx::pb;
use tract_onnx::prelude::*;

use super::contract::{GraphContract, TensorContract};
use super::files::{GraphSource, NOWHERE, Weights, redirect};
use super::operator;
use super::session::Session;
use crate::onnx::Dtype;
use crate::{HeldFile, ModelError, Result};

/// Most characters of a file's description that are repeated in a message.
const DESCRIPTION_SHOWN: usize = 1000;
/// Largest graph file that is read; weights lie beside it, so a graph is a few hundred kilobytes.
const GRAPH_BYTES_LIMIT: u64 = 64 << 20;

/// A graph whose inputs and outputs are known to satisfy its contract.
pub struct LoadedGraph {
    contract: GraphContract,
    model: TypedModel,
}

/// An optimised plan; shared by any number of sessions.
#[derive(Clone)]
pub struct PreparedGraph {
    pub(super) contract: Arc<GraphContract>,
    pub(super) plan: Arc<TypedRunnableModel>,
}

impl LoadedGraph {
    /// Reads an ONNX file and the weight file that it names. Each is opened once and nothing of it is mapped.
    ///
    /// # Errors
    /// [`ModelError::Io`], [`ModelError::Format`] for a damaged file, [`ModelError::Contract`] for the graph of another
    /// network, size or configuration, [`ModelError::Engine`] when tract cannot run an operator, [`ModelError::Changed`] for
    /// files that are no longer what was hashed.
    pub fn load<'a>(source: impl Into<GraphSource<'a>>, contract: GraphContract) -> Result<Self> {
        let source = source.into();
        let file = source.graph()?;
        let path = file.path();
        let mut proto = read(&file)?;
        check_contract(path, &proto, &contract)?;
        check_description(path, &proto, &contract)?;
        check_weight_file(path, &proto)?;
        let weights = if redirect(&mut proto) { Some(source.weights()?) } else { None };
        let mut reader = operator::reader();
        if let Some(weights) = &weights {
            reader.provider = Arc::new(Weights::of(weights));
        }
        // tract panics on a few malformed graphs (an output that names no tensor); a panic is an error here.
        let parsed = mien_capture::quietly(|| -> TractResult<TypedModel> {
            let parsed = reader.parse(&proto, Some(NOWHERE.0))?;
            if !parsed.unresolved_inputs.is_empty() {
                return Err(TractError::msg("a node reads a tensor that nothing makes"));
            }
            drop(proto);
            // Sessions refuse empty axes. Told so, tract fuses residual and bias additions into the products before them.
            for axis in parsed.model.symbols.all_symbols() {
                parsed.model.symbols.add_assertion(format!("{axis}>=1"))?;
            }
            parsed.model.into_typed()?.into_decluttered()
        });
        let model = match parsed {
            Ok(Ok(model)) => model,
            Ok(Err(e)) => {
                let fault = engine(&contract, "read the graph", &e);
                return Err(match &weights {
                    Some(weights) => weights.blame(fault),
                    None => fault,
                });
            }
            Err(_) => return Err(damaged(path, "the graph is malformed".into())),
        };
        Ok(Self { contract, model })
    }

    /// The graph for one length of the axis `name`; worth it where the axis never varies, as each length that is
    /// prepared holds its own packed weights.
    ///
    /// # Errors
    /// [`ModelError::Engine`] when no axis has that name or the length cannot be.
    pub fn with_length(self, name: &str, length: usize) -> Result<Self> {
        let Self { contract, model } = self;
        let fixed = || -> TractResult<TypedModel> {
            let axis = model.symbols.get(name).ok_or_else(|| TractError::msg(format!("no axis is named {name}")))?;
            model.set_symbols(&HashMap::from([(axis, length.to_dim())]))?.into_decluttered()
        };
        let model = fixed().map_err(|e| engine(&contract, "fix the length of an axis", &e))?;
        Ok(Self { contract, model })
    }

    /// Optimises the graph for this machine. Weights are packed for its matrix kernels, the unpacked ones freed.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn prepare(self) -> Result<PreparedGraph> {
        let Self { contract, model } = self;
        let plan = model
            .into_optimized()
            .and_then(|m| m.into_runnable())
            .map_err(|e| engine(&contract, "prepare the graph", &e))?;
        Ok(PreparedGraph { contract: Arc::new(contract), plan })
    }
}

impl PreparedGraph {
    /// A session with its own working memory, for one thread.
    ///
    /// # Errors
    /// [`ModelError::Engine`].
    pub fn session(&self) -> Result<Session> {
        Session::new(self)
    }
}

/// The ONNX file as it stands; its weights lie beside it.
///
/// # Errors
/// [`ModelError::Io`]; [`ModelError::Format`] for a file that is too large or no graph; [`ModelError::Changed`].
pub(crate) fn read(file: &HeldFile) -> Result<pb::ModelProto> {
    if file.len() > GRAPH_BYTES_LIMIT {
        let reason = format!("{} bytes, expected at most {GRAPH_BYTES_LIMIT}", file.len());
        return Err(damaged(file.path(), reason));
    }
    let bytes = file.read(GRAPH_BYTES_LIMIT)?;
    pb::ModelProto::decode(bytes.as_slice()).map_err(|e| damaged(file.path(), e.to_string()))
}

/// An engine error with tract's chain of causes in one line.
pub(super) fn engine(contract: &GraphContract, action: &'static str, error: &TractError) -> ModelError {
    ModelError::Engine { model: contract.model.into(), action, reason: format!("{error:#}").replace('\n', " ") }
}

fn damaged(path: &Path, reason: String) -> ModelError {
    ModelError::Format { path: path.into(), format: "ONNX", reason, fix: "export the graph again" }
}

/// Weights may lie in the graph's own weight file only: a bundle holds that one against its digest.
fn check_weight_file(path: &Path, proto: &pb::ModelProto) -> Result<()> {
    let Some(graph) = &proto.graph else { return Ok(()) };
    let own = path.with_extension("weights");
    let own = own.file_name().and_then(|name| name.to_str());
    let located = graph.initializer.iter().flat_map(|t| &t.external_data).filter(|e| e.key == "location");
    if let Some(other) = located.map(|e| e.value.as_str()).find(|location| Some(*location) != own) {
        let own = own.unwrap_or("its own weight file");
        return Err(damaged(path, format!("its weights lie in {other:?}, expected {own}")));
    }
    // Sparse tensors, functions, and tensors and graphs in attributes could name files as well; no graph of ours has any.
    if !graph.sparse_initializer.is_empty() || !proto.functions.is_empty() {
        return Err(damaged(path, "it holds sparse tensors or functions, expected none".into()));
    }
    let nested =
        |a: &pb::AttributeProto| a.t.is_some() || a.g.is_some() || !a.tensors.is_empty() || !a.graphs.is_empty();
    if graph.node.iter().any(|n| n.attribute.iter().any(nested)) {
        return Err(damaged(path, "a node holds a tensor or a graph, expected none".into()));
    }
    Ok(())
}

fn check_contract(path: &Path, proto: &pb::ModelProto, contract: &GraphContract) -> Result<()> {
    let graph = proto.graph.as_ref().ok_or_else(|| damaged(path, "it holds no graph".into()))?;
    check_side(contract, &graph.input, &contract.inputs)?;
    check_side(contract, &graph.output, &contract.outputs)?;
    for output in &graph.output {
        if !graph.node.iter().any(|n| n.output.contains(&output.name)) {
            return Err(damaged(path, format!("nothing makes its output {:?}", output.name)));
        }
    }
    Ok(())
}

/// Holds what the file says of itself against the description: a network of another depth may have the same inputs and
/// outputs, and would run under a wrong name.
fn check_description(path: &Path, proto: &pb::ModelProto, contract: &GraphContract) -> Result<()> {
    for (key, expected) in &contract.description {
        let mut said = proto.metadata_props.iter().filter(|entry| entry.key == *key).map(|entry| entry.value.as_str());
        let found = match (said.next(), said.next()) {
            (Some(value), None) if value == expected => continue,
            (Some(value), None) => value.chars().filter(|c| !c.is_control()).take(DESCRIPTION_SHOWN).collect(),
            (None, _) => "nothing; build the graph again".into(),
            (Some(_), Some(_)) => String::from("several values"),
        };
        return Err(ModelError::Contract {
            model: contract.model.into(),
            tensor: (*key).into(),
            expected: expected.clone(),
            found: format!("in {}: {found}", path.display()),
        });
    }
    Ok(())
}

fn check_side(contract: &GraphContract, found: &[pb::ValueInfoProto], expected: &[TensorContract]) -> Result<()> {
    for (i, want) in expected.iter().enumerate() {
        let text = found.get(i).map_or("nothing".into(), describe);
        let wanted = format!("{} {:?} {}", want.name, want.dtype, want.axes_text());
        if !found.get(i).is_some_and(|info| matches(info, want)) {
            return Err(ModelError::Contract {
                model: contract.model.into(),
                tensor: want.name.to_string(),
                expected: wanted,
                found: text,
            });
        }
    }
    if let Some(extra) = found.get(expected.len()) {
        return Err(ModelError::Contract {
            model: contract.model.into(),
            tensor: extra.name.escape_debug().to_string(),
            expected: format!("{} tensors", expected.len()),
            found: format!("{} tensors", found.len()),
        });
    }
    Ok(())
}

fn tensor_type(info: &pb::ValueInfoProto) -> Option<&pb::type_proto::Tensor> {
    match info.r#type.as_ref()?.value.as_ref()? {
        pb::type_proto::Value::TensorType(t) => Some(t),
    }
}

fn matches(info: &pb::ValueInfoProto, want: &TensorContract) -> bool {
    use pb::tensor_shape_proto::dimension::Value;
    let Some(tensor) = tensor_type(info) else { return false };
    let Some(shape) = tensor.shape.as_ref() else { return false };
    info.name == want.name
        && tensor.elem_type == want.dtype.onnx()
        && shape.dim.len() == want.axes.len()
        && shape.dim.iter().zip(&want.axes).all(|(d, a)| match (&d.value, a) {
            (Some(Value::DimValue(n)), Some(fixed)) => usize::try_from(*n) == Ok(*fixed),
            (Some(Value::DimParam(_)) | None, None) => true,
            _ => false,
        })
}

fn describe(info: &pb::ValueInfoProto) -> String {
    use pb::tensor_shape_proto::dimension::Value;
    let axes: Vec<String> = tensor_type(info)
        .and_then(|t| t.shape.as_ref())
        .map(|s| {
            let text = |v: &Option<Value>| match v {
                Some(Value::DimValue(n)) => n.to_string(),
                _ => "?".into(),
            };
            s.dim.iter().map(|d| text(&d.value)).collect()
        })
        .unwrap_or_default();
    let dtype = tensor_type(info).map_or("no tensor".into(), |t| match t.elem_type {
        t if t == Dtype::F32.onnx() => "F32".into(),
        t if t == Dtype::I64.onnx() => "I64".into(),
        t if t == Dtype::Bool.onnx() => "Bool".into(),
        other => format!("ONNX type {other}"),
    });
    format!("{} {dtype} [{}]", info.name.escape_debug(), axes.join(", "))
}
