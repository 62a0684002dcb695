//! Values and slopes of every operation, against the tensor library's own steps in f64.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::*;
use crate::hash::{mix, unit};

fn data<const D: usize>(key: u64, shape: [usize; D], device: &Device, dtype: DType) -> Tensor<D> {
    let n = shape.iter().product::<usize>() as u64;
    let numbers: Vec<f64> = (0..n).map(|i| 4.0 * unit(mix(key, i)) - 2.0).collect();
    Tensor::from_data(TensorData::new(numbers, shape), (device, dtype))
}

/// The numbers of `operation` for inputs of `shapes`, and the slope by each input of the numbers' sum with fixed weights.
fn run(shapes: &[Vec<usize>], dtype: DType, operation: &dyn Fn(Vec<Tensor<1>>) -> Tensor<1>) -> Vec<Vec<f64>> {
    let device = Device::flex().autodiff();
    let inputs: Vec<Tensor<1>> = shapes
        .iter()
        .enumerate()
        .map(|(i, shape)| data(i as u64, [shape.iter().product()], &device, dtype).require_grad())
        .collect();
    let output = operation(inputs.clone());
    let weights = data(99, output.dims(), &device, dtype);
    let mut found = vec![output.clone().inner().try_into_vec_as::<f64>().unwrap()];
    let mut gradients = (output * weights).sum().backward();
    for input in &inputs {
        found.push(input.grad_remove(&mut gradients).unwrap().try_into_vec_as::<f64>().unwrap());
    }
    found
}

fn compare(name: &str, shapes: &[&[usize]], operation: impl Fn(Vec<Tensor<1>>) -> Tensor<1>) {
    let shapes: Vec<Vec<usize>> = shapes.iter().map(|shape| shape.to_vec()).collect();
    let fast = run(&shapes, DType::F32, &operation);
    let exact = run(&shapes, DType::F64, &operation);
    for (part, (fast, exact)) in fast.iter().zip(&exact).enumerate() {
        let largest = exact.iter().fold(1f64, |m, v| m.max(v.abs()));
        assert_eq!(fast.len(), exact.len());
        for (i, (fast, exact)) in fast.iter().zip(exact).enumerate() {
            assert!((fast - exact).abs() <= 3e-6 * largest, "{name}, part {part}, {i}: {fast}, expected {exact}");
        }
    }
}

fn take<const D: usize>(inputs: &[Tensor<1>], i: usize, shape: [usize; D]) -> Tensor<D> {
    inputs[i].clone().reshape(shape)
}

#[test]
fn activations_are_those_of_the_library() {
    compare("gelu", &[&[301, 111]], |x| flat(gelu(take(&x, 0, [301, 111]))));
    // Views: the operation sees rows in another order than memory has them.
    compare("gelu of a view", &[&[30, 11]], |x| flat(gelu(take(&x, 0, [30, 11]).transpose())));
    compare("swiglu", &[&[301, 111], &[301, 111]], |x| flat(swiglu(take(&x, 0, [301, 111]), take(&x, 1, [301, 111]))));
}

#[test]
fn norms_are_those_of_the_library() {
    // More rows than one task has.
    let shape = [3000, 24];
    compare("layer norm", &[&shape, &[24], &[24]], |x| {
        flat(layer_norm(take(&x, 0, shape), x[1].clone(), x[2].clone(), 1e-5))
    });
    compare("rms norm", &[&shape, &[24]], |x| flat(rms_norm(take(&x, 0, shape), x[1].clone(), 1e-5)));
    for rectified in [false, true] {
        compare("batch norm", &[&shape, &[24], &[24]], |x| {
            flat(batch_norm(take(&x, 0, shape), x[1].clone(), x[2].clone(), 1e-5, rectified).0)
        });
    }
}

#[test]
fn moments_are_those_of_the_columns() {
    let x = data(7, [1000, 3], &Device::flex(), DType::F64);
    let numbers = x.clone().try_into_vec_as::<f64>().unwrap();
    for dtype in [DType::F32, DType::F64] {
        let ones = Tensor::<1>::ones([3], (&Device::flex(), dtype));
        let (_, moments) = batch_norm(x.clone().cast(dtype), ones.clone(), ones, 1e-5, false);
        for column in 0..3 {
            let values: Vec<f64> = numbers.iter().skip(column).step_by(3).copied().collect();
            let mean = values.iter().sum::<f64>() / 1000.0;
            let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 1000.0;
            assert!((f64::from(moments.mean[column]) - mean).abs() < 1e-6);
            assert!((f64::from(moments.variance[column]) - variance).abs() < 1e-6);
        }
    }
}

#[test]
fn softmax_is_that_of_the_library_over_what_is_visible() {
    let shape = [3, 2, 5, 5];
    for visible in [Visible::Causal, Visible::Lengths(vec![5, 1, 3])] {
        compare("softmax", &[&shape], |x| flat(softmax(take(&x, 0, shape), &visible)));
        compare("gated softmax", &[&shape, &[3, 2, 5], &[2, 5, 5]], |x| {
            flat(gated_softmax(take(&x, 0, shape), take(&x, 1, [3, 2, 5]), take(&x, 2, [2, 5, 5]), &visible))
        });
    }
    let shares = softmax(data(1, shape, &Device::flex(), DType::F32), &Visible::Causal);
    let shares = shares.try_into_vec_as::<f32>().unwrap();
    for (row, shares) in shares.chunks(5).enumerate() {
        assert!((shares.iter().sum::<f32>() - 1.0).abs() < 1e-6);
        assert!(shares[row % 5 + 1..].iter().all(|share| *share == 0.0));
    }
}

#[test]
fn rotation_is_that_of_the_library_and_keeps_lengths() {
    let rotation = Rotation::new(7, 8, 10_000.0);
    compare("rotation", &[&[21, 24]], |x| flat(rotate(take(&x, 0, [21, 24]), &rotation)));
    let x = data(1, [21, 24], &Device::flex(), DType::F32);
    let y = rotate(x.clone(), &rotation).try_into_vec_as::<f32>().unwrap();
    let x = x.try_into_vec_as::<f32>().unwrap();
    let length = |v: &[f32]| v.iter().map(|v| v * v).sum::<f32>();
    assert!(x.chunks(24).zip(y.chunks(24)).all(|(x, y)| (length(x) - length(y)).abs() < 1e-4));
    // The first place of each sequence is not turned.
    assert!([0, 7, 14].iter().all(|row| x[row * 24..][..24] == y[row * 24..][..24]));
}

#[test]
fn windows_are_those_of_the_library() {
    for (kernel, stride) in [(10, 5), (3, 2), (2, 2), (4, 1), (1, 1)] {
        compare("windows", &[&[2, 23, 3]], |x| flat(windows(take(&x, 0, [2, 23, 3]), kernel, stride)));
    }
}

#[test]
fn convolutions_and_largest_numbers_are_those_of_the_library() {
    // More pictures than are laid out at a time.
    let shape = [60, 9, 7, 3];
    for (kernel, stride, padding) in [(3, 1, 1), (3, 2, 1), (7, 2, 3), (1, 2, 0), (7, 1, 3), (2, 2, 0)] {
        let square = Square { kernel, stride, padding };
        let weight = [5, 3, kernel, kernel];
        compare("convolution", &[&shape, &weight], |x| {
            flat(convolution(take(&x, 0, shape), take(&x, 1, weight), square).0)
        });
        compare("largest", &[&shape], |x| flat(largest(take(&x, 0, shape), square)));
        // The library's own convolution, whose pictures have channels first.
        let device = Device::flex();
        let (x, kernels) = (data(1, shape, &device, DType::F32), data(2, weight, &device, DType::F32));
        let options = burn::tensor::ops::ConvOptions::new([stride; 2], [padding; 2], [1; 2], 1);
        let channels_first = x.clone().permute([0, 3, 1, 2]);
        let expected =
            burn::tensor::module::conv2d(channels_first, kernels.clone(), None, options).permute([0, 2, 3, 1]);
        let (found, [rows, columns]) = convolution(x, kernels, square);
        assert_eq!(expected.dims(), [60, rows, columns, 5]);
        let [found, expected] = [found.flatten::<1>(0, 1), expected.flatten(0, 3)];
        let apart = (found - expected).abs().max().try_into_scalar::<f64>().unwrap();
        assert!(apart < 1e-4, "{apart:e}");
    }
}
