//! The detector's model file, as the `rustface` package publishes it.

/// A file of foreign origin with what its licence asks to go with it.
#[derive(Clone, Copy, Debug)]
pub struct DetectorModel {
    /// The name under which it is published.
    pub file_name: &'static str,
    /// The file's bytes.
    pub bytes: &'static [u8],
    /// SPDX name of its licence.
    pub licence: &'static str,
    /// The licence's text, which must accompany copies.
    pub licence_text: &'static str,
    /// Where it comes from.
    pub source: &'static str,
}

/// The SeetaFace frontal-face model that a bundle maker writes into a bundle.
///
/// Devices read the bundle's copy, whose digest the manifest holds, not these bytes. The build script takes them from
/// the published package; this repository has no copy.
#[must_use]
pub fn detector_model() -> DetectorModel {
    DetectorModel {
        file_name: "seeta_fd_frontal_v1.0.bin",
        bytes: include_bytes!(concat!(env!("OUT_DIR"), "/seeta_fd_frontal_v1.0.bin")),
        licence: "BSD-2-Clause",
        licence_text: include_str!(concat!(env!("OUT_DIR"), "/seeta_fd_frontal_v1.0.LICENSE")),
        source: "SeetaFace detection model (VIPL, ICT, Chinese Academy of Sciences) as published in the rustface crate",
    }
}
