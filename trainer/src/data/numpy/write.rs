//! Arrays as `numpy.save` writes them.

use half::f16;
use half::slice::HalfFloatSliceExt;

use super::super::store::RowType;

/// Bytes before the first element: what numpy takes for an array of two axes.
const DATA_START: usize = 128;

/// The bytes of a `.npy` file with `values` as [rows, width], row-major, little-endian.
///
/// # Errors
/// A phrase: how many numbers there are for other axes, or the first number that is not finite or that the type cannot
/// hold.
pub(crate) fn npy_bytes(values: &[f32], rows: usize, width: usize, row_type: RowType) -> Result<Vec<u8>, String> {
    if rows.checked_mul(width) != Some(values.len()) {
        return Err(format!("{} numbers, expected {rows} rows of {width}", values.len()));
    }
    if let Some((at, value)) = values.iter().enumerate().find(|(_, v)| !v.is_finite()) {
        return Err(format!("number {at} is {value}, expected finite numbers"));
    }
    let dtype = match row_type {
        RowType::F16 => "<f2",
        RowType::F32 => "<f4",
    };
    let dict = format!("{{'descr': '{dtype}', 'fortran_order': False, 'shape': ({rows}, {width}), }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let length = DATA_START - bytes.len() - size_of::<u16>();
    bytes.extend((length as u16).to_le_bytes());
    // Two axes take 40 digits at most: the dict always fits.
    bytes.extend(format!("{dict:<0$}\n", length - 1).into_bytes());
    match row_type {
        RowType::F32 => bytes.extend(values.iter().flat_map(|value| value.to_le_bytes())),
        RowType::F16 => {
            let mut halves = vec![f16::ZERO; values.len()];
            halves.convert_from_f32_slice(values);
            if let Some(at) = halves.iter().position(|half| half.is_infinite()) {
                let value = values.get(at).copied().unwrap_or_default();
                return Err(format!("number {at} is {value}, beyond what f16 holds (65504); use --rows f32"));
            }
            bytes.extend(halves.iter().flat_map(|half| half.to_le_bytes()));
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::{Elements, Header};
    use super::*;

    #[test]
    fn files_are_those_that_numpy_wrote() {
        // The fixtures are numpy's own files.
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/npy");
        for (name, row_type) in
            [("f2", RowType::F16), ("f4", RowType::F32), ("one_row", RowType::F32), ("empty", RowType::F32)]
        {
            let numpys = std::fs::read(format!("{folder}/{name}.npy")).unwrap();
            let header = Header::parse(&numpys).unwrap();
            let values = Elements { dtype: header.dtype, bytes: &numpys[header.data_start..] }.floats().unwrap();
            let ours = npy_bytes(&values, header.shape[0], header.shape[1], row_type).unwrap();
            assert_eq!(ours, numpys, "{name}");
        }
    }

    #[test]
    fn numbers_that_rows_cannot_hold_are_refused() {
        assert!(npy_bytes(&[1.0; 5], 2, 3, RowType::F32).unwrap_err().contains("expected 2 rows of 3"));
        for bad in [f32::NAN, f32::INFINITY] {
            assert!(npy_bytes(&[0.0, bad], 1, 2, RowType::F16).unwrap_err().contains("number 1 is"));
        }
        assert!(npy_bytes(&[7e4], 1, 1, RowType::F16).unwrap_err().contains("65504"));
        assert!(npy_bytes(&[7e4], 1, 1, RowType::F32).is_ok());
    }

    #[test]
    fn the_largest_axes_fit_the_header() {
        let header = npy_bytes(&[], usize::MAX, 0, RowType::F16).unwrap();
        assert_eq!(Header::parse(&header).unwrap().shape, [usize::MAX, 0]);
        assert_eq!(header.len(), DATA_START);
    }
}
