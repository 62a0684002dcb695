//! Weights by the authors' names: from files and from seeds into the network, and out of it again.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{DType, Device, Element, Gradients, Tensor, TensorData};
use mien_models::fusion::{FusionConfig, parameters, recognise};
use mien_models::tensor::{NamedTensors, TensorSpec};

use super::attention::{Crossing, Pooling};
use super::imagination::Imagination;
use super::layers::{Gap, Linear, Mlp1, Mlp2, UnusedNorm, UnusedRelu};
use super::umca::{Umca, plain};
use crate::hash::{key, mix, unit};
use crate::{Result, TrainerError};

/// PyTorch's initial values (spec section 6), drawn from `seed`: a tensor depends on the seed and its name alone.
///
/// Weights and biases of affine maps are uniform in +-1/sqrt(inputs), stage-1 queries normal with standard deviation
/// sqrt(2 / (1 + D)); prelu 0.25; layer norm 1 and 0.
pub fn initial(config: &FusionConfig, seed: u64) -> NamedTensors {
    let specs = parameters(config);
    let inputs: BTreeMap<&str, usize> =
        specs.iter().filter_map(|s| Some((s.name.strip_suffix(".weight")?, *s.shape.get(1)?))).collect();
    let tensors = specs.iter().map(|spec| {
        let key = key(&[seed, mien_models::tensor::formula::fnv1a64(&spec.name)]);
        let module = spec.name.rsplit_once('.').map_or("", |(module, _)| module);
        let n = spec.shape.iter().product::<usize>();
        let values = match (module, inputs.get(module)) {
            ("prelu", _) => vec![0.25; n],
            ("layer_normali", _) => vec![if spec.name.ends_with("weight") { 1.0 } else { 0.0 }; n],
            (_, Some(&inputs)) => {
                let bound = 1.0 / (inputs as f64).sqrt();
                (0..n as u64).map(|i| ((2.0 * unit(mix(key, i)) - 1.0) * bound) as f32).collect()
            }
            (_, None) => {
                let deviation = (2.0 / spec.shape.iter().sum::<usize>() as f64).sqrt();
                (0..n as u64).map(|i| (normal(key, i) * deviation) as f32).collect()
            }
        };
        (spec.name.clone(), spec.shape.clone(), values)
    });
    let tensors =
        tensors.filter_map(|(name, shape, values)| Some((name, mien_models::tensor::Tensor::new(shape, values).ok()?)));
    NamedTensors::from_tensors(format!("initial values, seed {seed}"), tensors)
}

/// A number of the standard normal distribution (Box and Muller).
fn normal(key: u64, i: u64) -> f64 {
    let [a, b] = [2 * i, 2 * i + 1].map(|counter| unit(mix(key, counter)));
    (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
}

impl Umca {
    /// The network of `config` with the values of `tensors`, as numbers of type `dtype` on `device`.
    ///
    /// The names may carry the prefixes of wrappers. What is optional and missing (parameters that nothing reads, and
    /// the imagination blocks where they are switched off) is drawn from `seed`.
    ///
    /// # Errors
    /// As [`recognise`], and for values that are not finite.
    pub fn new(config: &FusionConfig, tensors: NamedTensors, seed: u64, device: &Device, dtype: DType) -> Result<Self> {
        let tensors = recognise(config, tensors)?;
        let shapes = parameters(config).into_iter().map(|spec| (spec.name, spec.shape)).collect();
        let read = Reader { tensors, initial: initial(config, seed), shapes, device, dtype };
        Ok(Self {
            config: *config,
            frame_dim_reshape_0: read.linear("frame_dim_reshape_0")?,
            frame_dim_reshape_1: read.linear("frame_dim_reshape_1")?,
            frame_dim_reshape_2: read.linear("frame_dim_reshape_2")?,
            missing_text_imagination_mlp: read.imagination("missing_text_imagination_mlp")?,
            missing_cross_text_query_imagination_mlp: read.imagination("missing_cross_text_query_imagination_mlp")?,
            fra2utt_0: read.pooling("fra2utt_0")?,
            fra2utt_1: read.pooling("fra2utt_1")?,
            fra2utt_2: read.pooling("fra2utt_2")?,
            audio_mlp: read.mlp2("audio_mlp")?,
            text_mlp: read.mlp2("text_mlp")?,
            video_mlp: read.mlp2("video_mlp")?,
            attention_mlp: read.mlp2("attention_mlp")?,
            fc_att: read.linear("fc_att")?,
            cross_fused_query_mlp: read.mlp1("cross_fused_query_mlp")?,
            cross_at_query_mlp: read.mlp1("cross_at_query_mlp")?,
            cross_tv_query_mlp: read.mlp1("cross_tv_query_mlp")?,
            cross_av_query_mlp: read.mlp1("cross_av_query_mlp")?,
            cross_audio_query_mlp: read.mlp1("cross_audio_query_mlp")?,
            cross_text_query_mlp: read.mlp1("cross_text_query_mlp")?,
            cross_video_query_mlp: read.mlp1("cross_video_query_mlp")?,
            cross_att_fra2utt_0: read.crossing("cross_att_fra2utt_0")?,
            cross_att_fra2utt_1: read.crossing("cross_att_fra2utt_1")?,
            cross_att_fra2utt_2: read.crossing("cross_att_fra2utt_2")?,
            cross_audio_mlp: read.mlp2("cross_audio_mlp")?,
            cross_text_mlp: read.mlp2("cross_text_mlp")?,
            cross_video_mlp: read.mlp2("cross_video_mlp")?,
            cross_attention_mlp: read.mlp2("cross_attention_mlp")?,
            cross_fc_att: read.linear("cross_fc_att")?,
            fc_out_e: read.linear("fc_out_e")?,
            fc_out_v: read.linear("fc_out_v")?,
            fc_out_ev: read.linear("fc_out_ev")?,
            orgin_linear_change: (read.linear("orgin_linear_change.0")?, Gap, read.linear("orgin_linear_change.2")?),
            prelu: UnusedRelu { weight: read.vector("prelu.weight")? },
            layer_normali: UnusedNorm {
                weight: read.vector("layer_normali.weight")?,
                bias: read.vector("layer_normali.bias")?,
            },
        })
    }

    /// Every parameter's values as f32, by name, rows of the checkpoint table; row-major.
    ///
    /// # Errors
    /// [`TrainerError::Engine`].
    pub fn values(&self) -> Result<BTreeMap<String, Vec<f32>>> {
        let mut collect = Collect { path: Vec::new(), values: BTreeMap::new(), failed: None };
        self.visit(&mut collect);
        match collect.failed {
            None => Ok(collect.values),
            Some(reason) => Err(TrainerError::Engine { action: "read the weights", reason }),
        }
    }

    /// Names and shapes of all parameters in the order of the checkpoint table, each required.
    pub fn specs(&self) -> Vec<TensorSpec> {
        let mut specs = parameters(&self.config);
        for spec in &mut specs {
            spec.required = true;
        }
        specs
    }

    /// The gradient of every parameter that has one, by name, row-major; they are taken out of `gradients`.
    ///
    /// # Errors
    /// [`TrainerError::Engine`].
    pub fn gradients<E: Element>(&self, gradients: &mut Gradients) -> Result<BTreeMap<String, Vec<E>>> {
        let mut take = Take { path: Vec::new(), gradients, taken: BTreeMap::new(), failed: None };
        self.visit(&mut take);
        match take.failed {
            None => Ok(take.taken),
            Some(reason) => Err(TrainerError::Engine { action: "read the gradients", reason }),
        }
    }

    /// The network with other values, row-major, for the parameters that `values` names.
    pub fn with_values<E: Element>(self, values: &BTreeMap<String, Vec<E>>) -> Self {
        self.map(&mut Replace { path: Vec::new(), values })
    }
}

/// Fetches parameters by key.
struct Reader<'a> {
    tensors: NamedTensors,
    initial: NamedTensors,
    shapes: BTreeMap<String, Vec<usize>>,
    device: &'a Device,
    dtype: DType,
}

impl Reader<'_> {
    fn param<const D: usize>(&self, name: &str) -> Result<Param<Tensor<D>>> {
        let none = Vec::new();
        let shape = self.shapes.get(name).unwrap_or(&none);
        let from = if self.tensors.contains(name) { &self.tensors } else { &self.initial };
        let data = TensorData::new(from.get(name, shape)?.into_owned(), shape.clone());
        Ok(Param::from_tensor(Tensor::from_data(data, (self.device, self.dtype))))
    }

    fn vector(&self, name: &str) -> Result<Param<Tensor<1>>> {
        self.param(name)
    }

    fn linear(&self, key: &str) -> Result<Linear> {
        Ok(Linear { weight: self.param(&format!("{key}.weight"))?, bias: self.param(&format!("{key}.bias"))? })
    }

    fn mlp1(&self, key: &str) -> Result<Mlp1> {
        Ok((self.linear(&format!("{key}.0"))?, Gap))
    }

    fn mlp2(&self, key: &str) -> Result<Mlp2> {
        Ok((self.linear(&format!("{key}.0"))?, Gap, Gap, self.linear(&format!("{key}.3"))?))
    }

    fn imagination(&self, key: &str) -> Result<Imagination> {
        let linear = |part: &str| self.linear(&format!("{key}.{part}"));
        Ok(Imagination {
            transition: (linear("transition.0")?, Gap, linear("transition.2")?),
            encoder_0: (linear("encoder_0.0")?, Gap),
            decoder_0: (linear("decoder_0.0")?, Gap),
        })
    }

    fn pooling(&self, key: &str) -> Result<Pooling> {
        Ok(Pooling {
            attention_context_vector: self.param(&format!("{key}.attention_context_vector"))?,
            input_proj: self.linear(&format!("{key}.input_proj"))?,
        })
    }

    fn crossing(&self, key: &str) -> Result<Crossing> {
        Ok(Crossing {
            query_proj: self.linear(&format!("{key}.query_proj"))?,
            input_proj: self.linear(&format!("{key}.input_proj"))?,
        })
    }
}

/// Reads every parameter.
struct Collect {
    path: Vec<String>,
    values: BTreeMap<String, Vec<f32>>,
    failed: Option<String>,
}

impl ModuleVisitor for Collect {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        match plain(param).try_into_vec_as::<f32>() {
            Ok(values) => {
                self.values.insert(self.path.join("."), values);
            }
            Err(error) => self.failed = Some(format!("{}: {error:?}", self.path.join("."))),
        }
    }
}

/// Takes every parameter's gradient.
struct Take<'a, E> {
    path: Vec<String>,
    gradients: &'a mut Gradients,
    taken: BTreeMap<String, Vec<E>>,
    failed: Option<String>,
}

impl<E: Element> ModuleVisitor for Take<'_, E> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = param.val().grad_remove(self.gradients) else { return };
        match gradient.try_into_vec_as::<E>() {
            Ok(values) => {
                self.taken.insert(self.path.join("."), values);
            }
            Err(error) => self.failed = Some(format!("{}: {error:?}", self.path.join("."))),
        }
    }
}

/// Replaces parameters.
struct Replace<'a, E> {
    path: Vec<String>,
    values: &'a BTreeMap<String, Vec<E>>,
}

impl<E: Element> ModuleMapper for Replace<'_, E> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(values) = self.values.get(&self.path.join(".")) else { return param };
        let value = param.val();
        let data = TensorData::new(values.clone(), value.shape());
        let replaced = Tensor::from_data(data, (&value.device(), value.dtype()));
        Param::initialized(param.id, replaced.set_require_grad(value.is_require_grad()))
    }
}
