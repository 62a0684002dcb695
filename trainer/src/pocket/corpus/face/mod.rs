//! How one looks: drawn faces that the device's own face finder finds.
//!
//! A head is an ellipsoid with hills and hollows, turned and lit; what is on its surface is looked up place by place, so
//! a turn of the head moves eyes, nose and mouth as it should. Everything is a smooth function of a few numbers: no
//! picture of anybody was used.

mod colour;
mod expression;
mod head;
mod identity;
mod paint;
mod scene;
mod skin;

use expression::Play;
use identity::Identity;
use scene::Stage;

use crate::draw::Draw;
use crate::{Result, TrainerError};

/// Pixels on each side of a picture.
pub const SIDE: u32 = 224;
/// Quality of the JPEG files.
const QUALITY: u8 = 88;
/// Tells the streams of random numbers apart.
const IDENTITY: u64 = 3;

/// A person whose face shows a valence through one clip.
#[derive(Clone, Debug)]
pub struct Actor {
    who: Identity,
    play: Play,
    stage: Stage,
    grain: Vec<u64>,
}

impl Actor {
    /// The person with face number `face` in the corpus of `seed`, who shows `valence`, -3 to 3. `key` gives errors of
    /// the expression, the place, the light and what moves.
    pub fn new(seed: u64, face: u64, valence: f64, key: &[u64]) -> Self {
        let who = Identity::new(&mut Draw::new(&[seed, IDENTITY, face]));
        let mut draw = Draw::new(key);
        let play = Play::new(valence, &mut draw);
        Self { who, play, stage: Stage::new(&mut draw), grain: key.to_vec() }
    }

    /// Pixels [[`SIDE`], [`SIDE`], 3] (red, green, blue) at `time` seconds, while the voice is as loud as `loudness`,
    /// 0 to 1.
    pub fn pixels(&self, time: f64, loudness: f32) -> Vec<u8> {
        let mut grain = self.grain.clone();
        grain.push(time.to_bits());
        let at = time as f32;
        let shown = self.play.at(at, loudness);
        paint::picture(&self.who, shown, &self.stage, at, &mut Draw::new(&grain))
    }

    /// The same as the bytes of a JPEG file.
    ///
    /// # Errors
    /// Engine where the encoder refuses.
    pub fn jpeg(&self, time: f64, loudness: f32) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, QUALITY);
        encoder
            .encode(&self.pixels(time, loudness), SIDE, SIDE, image::ExtendedColorType::Rgb8)
            .map_err(|e| TrainerError::Engine { action: "write a picture", reason: e.to_string() })?;
        Ok(bytes)
    }
}
