//! Operators of our own in tract: products of bytes, and what is slow in pieces.
//!
//! Their nodes stand in files that [`crate::onnx`] writes, with names that no other runtime knows. A node's first inputs
//! are data in `f32`; the others are constants, which the operator takes over when the graph is read.

mod attention;
mod constants;
mod convolution;
mod linear;
mod norm;
mod output;
mod pool;
mod reduce;

use std::fmt::Debug;
use std::sync::Arc;

use tract_onnx::prelude::*;
use tract_onnx::tract_hir::internal::*;

use constants::Constants;

/// Names of the operators, as files have them.
pub(crate) mod names {
    use crate::onnx::Numbers;

    /// Rows of bytes times a matrix: x [.., in], perhaps a residual [.., out]; panels, scales, bias.
    pub(crate) const BYTE_LINEAR: &str = "MienLinear8";
    /// The same over floats, without scales.
    pub(crate) const LINEAR: &str = "MienLinear";
    /// Convolution over bytes, channels last: x [T, in] or [N, H, W, in], perhaps a residual; panels, scales, bias, and
    /// perhaps gain and shift of a layer norm.
    pub(crate) const BYTE_CONVOLUTION: &str = "MienConvolution8";
    /// The same over floats, without scales.
    pub(crate) const CONVOLUTION: &str = "MienConvolution";
    /// Self-attention with gated position bias: projections [T, 3 H], stream [T, H]; table, gate weights, bias, constants.
    pub(crate) const ATTENTION: &str = "MienGatedAttention";
    /// Largest value of each window, channels last: x [N, H, W, C].
    pub(crate) const POOL: &str = "MienMaxPool";
    /// Mean and largest value over places or channels, channels last: x [N, H, W, C].
    pub(crate) const POOLED: &str = "MienPooled";
    /// Layer norm over the last axis: x; gain, bias.
    pub(crate) const NORM: &str = "MienLayerNorm";

    /// What the product or convolution `name` multiplies; none for other operators.
    pub(crate) fn numbers(name: &str) -> Option<Numbers> {
        match name {
            BYTE_LINEAR | BYTE_CONVOLUTION => Some(Numbers::Bytes),
            LINEAR | CONVOLUTION => Some(Numbers::Floats),
            _ => None,
        }
    }
}

/// What a node says of itself.
trait Node: Debug + Send + Sync + 'static {
    /// Number of inputs that are data.
    fn data(&self) -> usize;
    /// Axes of the output for those of the data.
    fn shape(&self, data: &[TVec<TDim>]) -> TractResult<TVec<TDim>>;
    /// The operator with its constants.
    fn with(&self, constants: Constants<'_>) -> TractResult<Arc<dyn Operator>>;
}

/// Data of a run.
struct Data<'a> {
    shape: &'a [usize],
    values: &'a [f32],
}

/// A node that has its constants. What it promises stands in [`output`].
trait Operator: output::WritesAll + Debug + Send + Sync {
    /// Writes every number of `out`, whose axes are those that the node said; what stands there before is nothing to read.
    fn run(&self, data: &[Data<'_>], out: &mut [f32]) -> TractResult<()>;
}

type Build = fn(&tract_onnx::pb::NodeProto) -> TractResult<Arc<dyn Node>>;

const OPERATORS: [(&str, Build); 8] = [
    (names::BYTE_LINEAR, linear::Linear::read),
    (names::LINEAR, linear::Linear::read),
    (names::BYTE_CONVOLUTION, convolution::Convolution::read),
    (names::CONVOLUTION, convolution::Convolution::read),
    (names::ATTENTION, attention::Attention::read),
    (names::POOL, pool::MaxPool::read),
    (names::POOLED, reduce::Pooled::read),
    (names::NORM, norm::LayerNorm::read),
];

/// The ONNX reader with all operators.
pub(super) fn reader() -> tract_onnx::Onnx {
    let mut onnx = tract_onnx::onnx();
    for (name, _) in OPERATORS {
        onnx.op_register.insert(name, read);
    }
    onnx
}

fn read(
    _: &tract_onnx::model::ParsingContext<'_>,
    node: &tract_onnx::pb::NodeProto,
) -> TractResult<(Box<dyn InferenceOp>, Vec<String>)> {
    let build = OPERATORS.iter().find(|(name, _)| *name == node.op_type).map(|(_, build)| build);
    let build = build.with_context(|| format!("no operator is named {}", node.op_type))?;
    let (name, node, inputs) = (node.op_type.clone(), build(node)?, node.input.len());
    Ok((expand(Pending { name, node, inputs }), vec![]))
}

/// A node before its constants are known.
#[derive(Clone, Debug)]
struct Pending {
    name: String,
    node: Arc<dyn Node>,
    inputs: usize,
}

impl Expansion for Pending {
    fn name(&self) -> StaticName {
        self.name.clone().into()
    }

    fn rules<'r, 'p: 'r, 's: 'r>(
        &'s self,
        s: &mut Solver<'r>,
        inputs: &'p [TensorProxy],
        outputs: &'p [TensorProxy],
    ) -> InferenceResult {
        check_input_arity(inputs, self.inputs)?;
        check_output_arity(outputs, 1)?;
        let data = inputs.get(..self.node.data()).context("a data input is missing")?;
        for input in data {
            s.equals(&input.datum_type, f32::datum_type())?;
        }
        s.equals(&outputs[0].datum_type, f32::datum_type())?;
        s.given_all(data.iter().map(|input| &input.shape), move |s, shapes: Vec<TVec<TDim>>| {
            s.equals(&outputs[0].shape, self.node.shape(&shapes)?)
        })
    }

    fn wire(&self, prefix: &str, model: &mut TypedModel, inputs: &[OutletId]) -> TractResult<TVec<OutletId>> {
        let (data, constants) = inputs.split_at_checked(self.node.data()).context("a data input is missing")?;
        let tensors = constants.iter().map(|outlet| {
            let fact = model.outlet_fact(*outlet)?;
            fact.konst.clone().with_context(|| format!("{prefix}: a constant is computed"))
        });
        let tensors = tensors.collect::<TractResult<Vec<_>>>()?;
        let operator = self.node.with(Constants::new(prefix, &tensors))?;
        let own = Own { name: self.name.clone(), node: self.node.clone(), operator, fixed: None };
        model.wire_node(prefix, own, data)
    }
}

/// A node in a graph that can run.
#[derive(Clone, Debug)]
struct Own {
    name: String,
    node: Arc<dyn Node>,
    operator: Arc<dyn Operator>,
    /// Axes of the output where no length varies.
    fixed: Option<TVec<usize>>,
}

impl Own {
    /// Axes of the output of a run.
    fn axes(&self, inputs: &[TValue]) -> TractResult<TVec<usize>> {
        if let Some(fixed) = &self.fixed {
            return Ok(fixed.clone());
        }
        let shapes: Vec<TVec<TDim>> = inputs.iter().map(|i| i.shape().iter().map(|d| d.to_dim()).collect()).collect();
        self.node.shape(&shapes)?.iter().map(|d| Ok(d.to_usize()?)).collect()
    }
}

// Two nodes with the same constants are the same; others are not compared.
impl PartialEq for Own {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.operator, &other.operator)
    }
}

impl Eq for Own {}

impl Op for Own {
    fn name(&self) -> StaticName {
        self.name.clone().into()
    }

    op_as_typed_op!();
}

impl EvalOp for Own {
    op_out_of_plan!();

    fn eval(&self, _: &EvalContext, inputs: TVec<TValue>) -> TractResult<TVec<TValue>> {
        let views = inputs.iter().map(|input| input.try_as_plain_ram()).collect::<TractResult<Vec<_>>>()?;
        let data = views
            .iter()
            .zip(&inputs)
            .map(|(view, input)| Ok(Data { shape: input.shape(), values: view.as_slice::<f32>()? }));
        let data = data.collect::<TractResult<Vec<_>>>()?;
        let out = output::run(self.operator.as_ref(), &data, &self.axes(&inputs)?)?;
        Ok(tvec!(out.into_tvalue()))
    }
}

impl TypedOp for Own {
    fn output_facts(&self, inputs: &[&TypedFact]) -> TractResult<TVec<TypedFact>> {
        let shapes: Vec<TVec<TDim>> = inputs.iter().map(|fact| fact.shape.to_tvec()).collect();
        Ok(tvec!(f32::fact(self.node.shape(&shapes)?)))
    }

    /// Lengths that do not vary are worked out once: the plan refuses inputs of others.
    fn codegen(&self, model: &TypedModel, node: &TypedNode) -> TractResult<Option<TypedModelPatch>> {
        let axes = node.outputs.first().and_then(|output| output.fact.shape.as_concrete());
        let Some(axes) = axes.filter(|_| self.fixed.is_none()) else { return Ok(None) };
        let fixed = Self { fixed: Some(axes.into()), ..self.clone() };
        TypedModelPatch::replace_single_op(model, node, &node.inputs, fixed).map(Some)
    }

    as_op!();
}
