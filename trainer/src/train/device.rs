//! The computing device by name.

use burn::tensor::Device;

use crate::{Result, TrainerError};

/// The device that `name` asks for: `cpu`, or `cuda:N` in a program that is built with the feature `cuda`.
///
/// # Errors
/// [`TrainerError::Device`] for other names and for cards that are not there.
pub fn device(name: &str) -> Result<Device> {
    let refused = |reason: String| TrainerError::Device { asked: name.to_owned(), reason };
    match name.split_once(':') {
        None if name == "cpu" => Ok(Device::flex()),
        Some(("cuda", number)) => {
            let number =
                number.parse().map_err(|_| refused("expected a card's number after cuda:, like cuda:0".into()))?;
            cuda(number).map_err(refused)
        }
        _ => Err(refused("expected cpu or cuda:N".into())),
    }
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> std::result::Result<Device, String> {
    use burn::tensor::DeviceType;
    // Asked for first: opening a card that is not there ends a thread of the driver's library.
    let cards = Device::enumerate(DeviceType::Cuda).len();
    if number < cards {
        return Ok(Device::cuda(number));
    }
    Err(format!("this machine has {cards} CUDA cards that the driver shows; use a smaller number, or cpu"))
}

#[cfg(not(feature = "cuda"))]
fn cuda(_number: usize) -> std::result::Result<Device, String> {
    Err("this program was built without CUDA; build it with --features cuda, or use cpu".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_no_device_are_refused() {
        assert!(device("cpu").is_ok());
        for name in ["", "gpu", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:99", "cpu:0"] {
            let error = device(name).unwrap_err().to_string();
            assert!(error.contains(name), "{error}");
        }
    }
}
