//! Lengths that stand before what they measure.

use crate::structure::set_number;

/// The length of a safetensors header: up to the brace that closes the first one.
pub fn safetensors(bytes: &mut [u8]) {
    let (mut depth, mut text, mut escaped) = (0_u32, false, false);
    let header = bytes.get(8..).unwrap_or_default();
    let end = header.iter().position(|byte| {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if text => escaped = true,
            b'"' => text = !text,
            b'{' if !text => depth += 1,
            b'}' if !text => depth = depth.saturating_sub(1),
            _ => return false,
        }
        *byte == b'}' && !text && depth == 0
    });
    if let Some(end) = end {
        // Spaces may follow, up to the first tensor.
        let spaces = header.iter().skip(end + 1).take_while(|b| **b == b' ').count();
        set_number(bytes, 0, 8, false, (end + 1 + spaces) as u64);
    }
}
