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

/// Whether this program can compute on CUDA cards, given cards.
pub const WITH_CUDA: bool = cfg!(feature = "cuda");

/// Names of the devices that [`device`] can open on this machine: the processor, then the CUDA cards that a driver shows.
pub fn devices() -> Vec<String> {
    let cards = (0..cuda_cards()).map(|number| format!("cuda:{number}"));
    std::iter::once("cpu".to_owned()).chain(cards).collect()
}

#[cfg(feature = "cuda")]
fn cuda(number: usize) -> std::result::Result<Device, String> {
    // Asked for first: opening a card that is not there ends a thread of the driver's library.
    let cards = cuda_cards();
    if number < cards {
        return Ok(Device::cuda(number));
    }
    Err(match cards {
        0 => "no driver on this machine shows a CUDA card; use cpu".into(),
        cards => format!("expected a number below {cards}, the count of CUDA cards that the driver shows"),
    })
}

#[cfg(feature = "cuda")]
fn cuda_cards() -> usize {
    Device::enumerate(burn::tensor::DeviceType::Cuda).len()
}

#[cfg(not(feature = "cuda"))]
fn cuda(_number: usize) -> std::result::Result<Device, String> {
    Err("this program was built without CUDA; build it with --features mien-trainer/cuda, or use cpu".into())
}

#[cfg(not(feature = "cuda"))]
fn cuda_cards() -> usize {
    0
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

    #[test]
    fn what_is_listed_can_be_opened() {
        let names = devices();
        assert_eq!(names[0], "cpu");
        for name in &names {
            assert!(device(name).is_ok(), "{name}");
        }
    }
}
