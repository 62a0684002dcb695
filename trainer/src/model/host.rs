//! Operations on long sequences that the CPU device would do on one thread, or with more memory than needed: tanh, and
//! dropout without a stored mask. Elsewhere, and for f64, the tensor library's own operations compute the same.

use burn::tensor::{Bytes, DType, Device, Tensor, TensorData};
use burn_autodiff::Autodiff;
use burn_autodiff::checkpoint::base::Checkpointer;
use burn_autodiff::grads::Gradients;
use burn_autodiff::ops::{Backward, Ops, OpsKind, unary};
use burn_flex::{Flex, FlexTensor, Layout};
use rayon::prelude::*;

use super::mask::{BLOCK, Mask};

/// tanh, [N, width].
pub(super) fn tanh(x: Tensor<2>) -> Tensor<2> {
    if x.dtype() == DType::F32 {
        if let Ok(tracked) = x.clone().try_into_primitive::<Autodiff<Flex>>() {
            drop(x);
            let (values, guard) = tracked.into_parts();
            let output = tanh_of(values);
            return Tensor::from_primitive::<Autodiff<Flex>>(
                match Tanh.prepare::<Plain>([guard]).compute_bound().stateful() {
                    OpsKind::Tracked(prep) => prep.finish(output.clone(), output),
                    OpsKind::UnTracked(prep) => prep.finish(output),
                },
            );
        }
        if let Ok(values) = x.clone().try_into_primitive::<Flex>() {
            drop(x);
            return Tensor::from_primitive::<Flex>(tanh_of(values));
        }
    }
    x.tanh()
}

/// `x` times the mask's factors.
pub(super) fn dropped<const D: usize>(x: Tensor<D>, mask: Mask) -> Tensor<D> {
    if x.dtype() == DType::F32
        && let Ok(tracked) = x.clone().try_into_primitive::<Autodiff<Flex>>()
    {
        drop(x);
        let (values, guard) = tracked.into_parts();
        let output = masked(values, mask);
        return Tensor::from_primitive::<Autodiff<Flex>>(
            match Dropped.prepare::<Plain>([guard]).compute_bound().stateful() {
                OpsKind::Tracked(prep) => prep.finish(mask, output),
                OpsKind::UnTracked(prep) => prep.finish(output),
            },
        );
    }
    let (device, dtype) = (x.device().inner(), x.dtype());
    let factors: Tensor<D> = if device == Device::flex() {
        let factors = mask.factors(x.shape().num_elements());
        Tensor::from_data(TensorData::new(factors, x.shape()), (&device, dtype))
    } else {
        // A card draws for itself: hundreds of megabytes of factors per step would be longer on the way than a step.
        mask.seed(&device);
        Tensor::random(x.shape(), mask.distribution(), (&device, dtype)).mul_scalar(mask.kept())
    };
    x * factors
}

/// What the device's tensors keep for the way back: everything.
type Plain = burn_autodiff::checkpoint::strategy::NoCheckpointing;

#[derive(Debug)]
struct Tanh;

impl Backward<Flex, 1> for Tanh {
    /// The output: the slope is 1 less its square, so the input need not be kept.
    type State = FlexTensor;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let keys = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |grad| {
            let keys: &[f32] = keys.storage();
            changed(grad, |first, values| {
                let keys = keys.get(first..first + values.len()).unwrap_or_default();
                for (value, key) in values.iter_mut().zip(keys) {
                    *value *= 1.0 - key * key;
                }
            })
        });
    }
}

#[derive(Debug)]
struct Dropped;

impl Backward<Flex, 1> for Dropped {
    type State = Mask;

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _checkpointer: &mut Checkpointer) {
        let mask = ops.state;
        unary::<Flex, _>(ops.parents, ops.node, grads, |grad| masked(grad, mask));
    }
}

fn masked(x: FlexTensor, mask: Mask) -> FlexTensor {
    changed(x, |first, values| mask.apply(first, values))
}

fn tanh_of(x: FlexTensor) -> FlexTensor {
    changed(x, |_, values| {
        for value in values {
            *value = tanh_f32(*value);
        }
    })
}

/// `x` row-major and from offset 0, block by block changed in place where nobody else holds it, else copied.
fn changed(x: FlexTensor, change: impl Fn(usize, &mut [f32]) + Sync) -> FlexTensor {
    let mut x = if x.is_contiguous() && x.layout().start_offset() == 0 { x } else { x.to_contiguous() };
    let n = x.layout().num_elements();
    if let Some(values) = x.try_storage_mut::<f32>() {
        let values = values.get_mut(..n).unwrap_or_default();
        values.par_chunks_mut(BLOCK).enumerate().for_each(|(block, values)| change(block * BLOCK, values));
        return x;
    }
    let old: &[f32] = x.storage();
    let mut new = vec![0f32; n];
    new.par_chunks_mut(BLOCK).zip(old.par_chunks(BLOCK)).enumerate().for_each(|(block, (new, old))| {
        new.copy_from_slice(old.get(..new.len()).unwrap_or_default());
        change(block * BLOCK, new);
    });
    FlexTensor::new(Bytes::from_elems(new), Layout::contiguous(x.layout().shape().clone()), DType::F32)
}

/// tanh as an odd rational function, without branches, so that the compiler makes vector instructions of it. Beyond
/// the bound tanh is 1 to the last bit.
fn tanh_f32(x: f32) -> f32 {
    const BOUND: f32 = 7.905_311;
    let x = x.clamp(-BOUND, BOUND);
    let s = x * x;
    let mut p = -2.760_768_5e-16_f32;
    p = p * s + 2.000_188e-13;
    p = p * s - 8.604_672e-11;
    p = p * s + 5.122_297e-8;
    p = p * s + 1.485_722_4e-5;
    p = p * s + 6.372_619_3e-4;
    p = p * s + 4.893_524_6e-3;
    let mut q = 1.198_258_4e-6_f32;
    q = q * s + 1.185_347_1e-4;
    q = q * s + 2.268_434_7e-3;
    q = q * s + 4.893_525e-3;
    x * p / q
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tanh_is_as_exact_as_f32_can_be() {
        let mut worst = 0f64;
        for i in -120_000..=120_000 {
            let x = i as f32 * 1e-4;
            let exact = f64::from(x).tanh();
            worst = worst.max((f64::from(tanh_f32(x)) - exact).abs() / exact.abs().max(1e-30));
        }
        assert!(worst < 6e-7, "relative error {worst:e}");
        for (x, expected) in [(0.0, 0.0), (f32::INFINITY, 1.0), (f32::NEG_INFINITY, -1.0), (100.0, 1.0)] {
            assert!((tanh_f32(x) - expected).abs() < 2e-7, "{x}: {}", tanh_f32(x));
        }
        assert!(tanh_f32(f32::NAN).is_nan());
    }

    /// Value and slope with and without the CPU's own operations, also for tensors that are views or shared.
    #[test]
    fn operations_agree_with_the_librarys_own() {
        let numbers = |key: u64, n: u64| -> Vec<f64> {
            (0..n).map(|i| 4.0 * crate::hash::unit(crate::hash::mix(key, i)) - 2.0).collect()
        };
        let mask = Mask::new(3, 0.3);
        let run = |dtype: DType| -> Vec<Vec<f64>> {
            let device = Device::flex().autodiff();
            let data = |key| TensorData::new(numbers(key, 210 * 101), [210, 101]);
            let x: Tensor<2> = Tensor::from_data(data(1), (&device, dtype)).require_grad();
            let weights: Tensor<2> = Tensor::from_data(data(2), (&device, dtype));
            // Shared: the first is used twice. A view: the second is transposed.
            let shared = tanh(x.clone());
            let view = dropped(tanh(x.clone().transpose()), mask).transpose();
            let product = dropped(shared.clone(), mask) * shared + view;
            let value = product.clone().inner().try_into_vec_as::<f64>().unwrap();
            let mut gradients = (product * weights).sum().backward();
            vec![value, x.grad_remove(&mut gradients).unwrap().try_into_vec_as::<f64>().unwrap()]
        };
        for (fast, exact) in run(DType::F32).iter().zip(run(DType::F64)) {
            for (fast, exact) in fast.iter().zip(exact) {
                assert!((fast - exact).abs() < 2e-5, "{fast}, expected {exact}");
            }
        }
    }
}
