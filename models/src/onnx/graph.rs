//! The graph under construction: inputs, constants, nodes, outputs.

use std::collections::HashSet;
use std::io::Write;
use std::path::{Path, PathBuf};

use prost::Message;
use tract_onnx::pb;
use tract_onnx::pb::tensor_proto::{DataLocation, DataType};

use super::weights::{Extent, WeightWriter};
use crate::new_file::NewFile;
use crate::{ModelError, Result};

/// ONNX operator set of the files; 17 has LayerNormalization and every ONNX runtime of the last years reads it.
const OPSET: i64 = 17;
/// ONNX file version that belongs to [`OPSET`].
const IR_VERSION: i64 = 8;
/// Domain of our own operators.
const OWN_DOMAIN: &str = "mien";
/// Tensors of at least this many elements go to the weight file; smaller ones stay in the graph.
const EXTERNAL_FROM: usize = 256;

/// Element type of a graph input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit float.
    F32,
    /// 64-bit signed integer.
    I64,
    /// Truth value.
    Bool,
}

impl Dtype {
    pub(crate) fn onnx(self) -> i32 {
        match self {
            Self::F32 => DataType::Float as i32,
            Self::I64 => DataType::Int64 as i32,
            Self::Bool => DataType::Bool as i32,
        }
    }
}

/// Axis length of a graph input or output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dim {
    /// Always this long.
    Fixed(usize),
    /// Known at run time; the same name means the same length. May be an expression such as `320*T+80`.
    Named(&'static str),
}

/// A tensor of the graph: a graph input, a constant or a node's output.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Value(String);

impl Value {
    /// The tensor's name in the file.
    pub fn name(&self) -> &str {
        &self.0
    }
}

/// A node attribute.
#[derive(Clone, Debug)]
pub enum Attr {
    /// Integer.
    Int(&'static str, i64),
    /// List of integers.
    Ints(&'static str, Vec<i64>),
    /// Float.
    Float(&'static str, f32),
}

/// An ONNX file under construction. Nothing appears on disk under its final name before [`Graph::finish`].
pub struct Graph {
    path: PathBuf,
    graph: pb::GraphProto,
    description: Vec<pb::StringStringEntryProto>,
    weights: WeightWriter,
    names: HashSet<String>,
    scope: Vec<String>,
    own_operators: bool,
}

impl Graph {
    /// Starts the file `path` (`*.onnx`); weights go to the same name ending in `.weights`.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the folder cannot be written.
    pub fn create(path: &Path, name: &str) -> Result<Self> {
        let weights = WeightWriter::create(&path.with_extension("weights"))?;
        let graph = pb::GraphProto { name: name.into(), ..Default::default() };
        let (description, names, scope) = (Vec::new(), HashSet::new(), Vec::new());
        Ok(Self { path: path.to_owned(), graph, description, weights, names, scope, own_operators: false })
    }

    /// Says each value of the network under its key, in the file's metadata. Runtimes ignore it; a key is given once.
    pub fn describe(&mut self, entries: impl IntoIterator<Item = (&'static str, String)>) {
        let entry = |(key, value): (&str, String)| pb::StringStringEntryProto { key: key.into(), value };
        self.description.extend(entries.into_iter().map(entry));
    }

    /// Runs `build` with `name.` before every node's and constant's name, so that a profile or an error can be read.
    pub fn scoped<T>(&mut self, name: impl Into<String>, build: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        self.scope.push(name.into());
        let built = build(self);
        self.scope.pop();
        built
    }

    /// Declares a graph input.
    pub fn input(&mut self, name: &str, dtype: Dtype, dims: &[Dim]) -> Value {
        self.names.insert(name.into());
        self.graph.input.push(value_info(name, dtype, dims));
        Value(name.into())
    }

    /// Declares `value` as the graph output `name`.
    pub fn output(&mut self, name: &str, value: &Value, dtype: Dtype, dims: &[Dim]) {
        self.names.insert(name.into());
        self.graph.node.push(pb::NodeProto {
            name: format!("{name}.output"),
            op_type: "Identity".into(),
            input: vec![value.0.clone()],
            output: vec![name.into()],
            ..Default::default()
        });
        self.graph.output.push(value_info(name, dtype, dims));
    }

    /// A constant f32 tensor.
    ///
    /// # Errors
    /// [`ModelError::Io`] when the weight file cannot be written; [`ModelError::Contract`] when `data` does not fill
    /// `shape`.
    pub fn weight(&mut self, name: &str, shape: &[usize], data: &[f32]) -> Result<Value> {
        if shape.iter().product::<usize>() != data.len() {
            return Err(ModelError::Contract {
                model: self.graph.name.clone(),
                tensor: self.full_name(name),
                expected: format!("{shape:?} elements"),
                found: format!("{} elements", data.len()),
            });
        }
        let name = self.unique(name);
        let mut tensor = initializer(&name, shape, DataType::Float);
        if data.len() < EXTERNAL_FROM {
            tensor.raw_data = data.iter().flat_map(|v| v.to_le_bytes()).collect();
        } else {
            let extent = self.weights.append(data)?;
            self.place(&mut tensor, &extent);
        }
        self.graph.initializer.push(tensor);
        Ok(Value(name))
    }

    /// A constant tensor of signed bytes; `data` fills `shape`.
    pub(super) fn bytes(&mut self, name: &str, shape: &[usize], data: &[i8]) -> Result<Value> {
        let name = self.unique(name);
        let mut tensor = initializer(&name, shape, DataType::Int8);
        let extent = self.weights.append_bytes(data)?;
        self.place(&mut tensor, &extent);
        self.graph.initializer.push(tensor);
        Ok(Value(name))
    }

    /// Says where a tensor lies in the weight file.
    fn place(&self, tensor: &mut pb::TensorProto, extent: &Extent) {
        tensor.data_location = Some(DataLocation::External as i32);
        tensor.external_data = [
            ("location", self.weights.location()),
            ("offset", extent.offset.to_string()),
            ("length", extent.length.to_string()),
        ]
        .into_iter()
        .map(|(key, value)| pb::StringStringEntryProto { key: key.into(), value })
        .collect();
    }

    /// A constant f32 of rank 0.
    pub fn scalar(&mut self, name: &str, value: f32) -> Value {
        self.constant(name, DataType::Float, &[], value.to_le_bytes().to_vec())
    }

    /// A constant i64 of rank 0.
    pub fn int_scalar(&mut self, name: &str, value: i64) -> Value {
        self.constant(name, DataType::Int64, &[], value.to_le_bytes().to_vec())
    }

    /// A constant i64 tensor of rank 1.
    pub fn ints(&mut self, name: &str, values: &[i64]) -> Value {
        let bytes = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.constant(name, DataType::Int64, &[values.len()], bytes)
    }

    /// Adds a node with one output.
    pub fn node(&mut self, op: &str, inputs: &[&Value], attrs: &[Attr]) -> Value {
        self.node_of("", op, inputs, attrs)
    }

    /// Adds a node of an operator of our own.
    pub(super) fn own_node(&mut self, op: &str, inputs: &[&Value], attrs: &[Attr]) -> Value {
        self.own_operators = true;
        self.node_of(OWN_DOMAIN, op, inputs, attrs)
    }

    fn node_of(&mut self, domain: &str, op: &str, inputs: &[&Value], attrs: &[Attr]) -> Value {
        let name = self.unique(op);
        self.graph.node.push(pb::NodeProto {
            name: name.clone(),
            op_type: op.into(),
            domain: domain.into(),
            input: inputs.iter().map(|v| v.0.clone()).collect(),
            output: vec![name.clone()],
            attribute: attrs.iter().map(attribute).collect(),
            ..Default::default()
        });
        Value(name)
    }

    /// Writes graph and weights, each by rename, weights first.
    ///
    /// # Errors
    /// [`ModelError::Io`].
    pub fn finish(self) -> Result<()> {
        self.weights.finish()?;
        let own = self.own_operators.then(|| pb::OperatorSetIdProto { domain: OWN_DOMAIN.into(), version: 1 });
        let standard = pb::OperatorSetIdProto { domain: String::new(), version: OPSET };
        let domains = [standard].into_iter().chain(own).collect();
        let model = pb::ModelProto {
            ir_version: IR_VERSION,
            opset_import: domains,
            producer_name: "mien".into(),
            producer_version: env!("CARGO_PKG_VERSION").into(),
            graph: Some(self.graph),
            metadata_props: self.description,
            ..Default::default()
        };
        let mut file = NewFile::create(&self.path)?;
        file.write_all(&model.encode_to_vec()).map_err(|e| ModelError::io(&self.path, "write", e))?;
        file.publish()
    }

    fn constant(&mut self, name: &str, dtype: DataType, shape: &[usize], raw_data: Vec<u8>) -> Value {
        let name = self.unique(name);
        self.graph.initializer.push(pb::TensorProto {
            name: name.clone(),
            dims: shape.iter().map(|&d| d as i64).collect(),
            data_type: dtype as i32,
            raw_data,
            ..Default::default()
        });
        Value(name)
    }

    /// The layer under construction, for messages.
    pub(super) fn scope_name(&self) -> String {
        format!("{}, {}", self.graph.name, self.scope.join("."))
    }

    fn full_name(&self, name: &str) -> String {
        self.scope.iter().map(String::as_str).chain([name]).collect::<Vec<_>>().join(".")
    }

    fn unique(&mut self, name: &str) -> String {
        let full = self.full_name(name);
        let name = if self.names.contains(&full) {
            // The node count only grows, so this search ends at once in nearly every case.
            (self.graph.node.len() + self.graph.initializer.len()..)
                .map(|i| format!("{full}_{i}"))
                .find(|n| !self.names.contains(n))
                .unwrap_or(full)
        } else {
            full
        };
        self.names.insert(name.clone());
        name
    }
}

fn initializer(name: &str, shape: &[usize], dtype: DataType) -> pb::TensorProto {
    pb::TensorProto {
        name: name.into(),
        dims: shape.iter().map(|&d| d as i64).collect(),
        data_type: dtype as i32,
        ..Default::default()
    }
}

fn value_info(name: &str, dtype: Dtype, dims: &[Dim]) -> pb::ValueInfoProto {
    use pb::tensor_shape_proto::{Dimension, dimension};
    let dim = dims
        .iter()
        .map(|d| Dimension {
            value: Some(match d {
                Dim::Fixed(n) => dimension::Value::DimValue(*n as i64),
                Dim::Named(name) => dimension::Value::DimParam((*name).into()),
            }),
            ..Default::default()
        })
        .collect();
    pb::ValueInfoProto {
        name: name.into(),
        r#type: Some(pb::TypeProto {
            value: Some(pb::type_proto::Value::TensorType(pb::type_proto::Tensor {
                elem_type: dtype.onnx(),
                shape: Some(pb::TensorShapeProto { dim }),
            })),
            ..Default::default()
        }),
        ..Default::default()
    }
}

fn attribute(attr: &Attr) -> pb::AttributeProto {
    use pb::attribute_proto::AttributeType as T;
    let base =
        |name: &str, kind: T| pb::AttributeProto { name: name.into(), r#type: kind as i32, ..Default::default() };
    match attr {
        Attr::Int(name, i) => pb::AttributeProto { i: *i, ..base(name, T::Int) },
        Attr::Ints(name, ints) => pb::AttributeProto { ints: ints.clone(), ..base(name, T::Ints) },
        Attr::Float(name, f) => pb::AttributeProto { f: *f, ..base(name, T::Float) },
    }
}
