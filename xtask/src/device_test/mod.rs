//! `cargo xtask device-test`: the live path on a kernel's own devices, in an emulated machine.
//!
//! Debian's kernel boots in QEMU (software emulation: no rights and no special processor are needed) with a loopback sound card,
//! a camera with a test picture and cameras that show what is written to them. In it runs `mien-device-test` of
//! `targets/`, which starts the real program and holds what it does.

mod image;
mod kernel;
mod machine;

use std::path::Path;
use std::time::Instant;

use anyhow::{Result, ensure};

use crate::setup::{self, Need};
use crate::speech;
use crate::steps::{assets, cargo, run, target};

/// `cargo xtask device-test [WORD..]`: the scenarios whose names hold one of the words, or all of them.
pub(crate) fn device_test(words: &[String]) -> Result<()> {
    let architecture = std::env::consts::ARCH;
    ensure!(architecture == "x86_64", "the emulated machine is of x86_64, this one of {architecture}; use such a one");
    setup::run(Need::DeviceTest)?;
    let folder = target().join("device-test");
    std::fs::create_dir_all(&folder)?;
    let kernel = kernel::kernel(&folder)?;
    let programs = ["mien", "mien-device-test"];
    let mut build = vec!["build", "--release", "--locked", "--workspace"];
    build.extend(programs.iter().flat_map(|name| ["--bin", name]));
    run(&cargo(), &build)?;
    let programs = programs.map(|name| target().join("release").join(name));

    let started = Instant::now();
    let data = folder.join("data");
    let _ = std::fs::remove_dir_all(&data);
    std::fs::create_dir_all(&data)?;
    let [mien, _] = &programs;
    material(mien, &data)?;
    std::fs::write(data.join("scenarios"), words.join(" "))?;
    let image = image::image(&folder, &kernel, &programs, &data)?;
    println!("image made in {:.0} s; the machine starts", started.elapsed().as_secs_f64());
    machine::boot(&folder, &kernel, &image)
}

/// What the machine hears, sees and scores with.
fn material(mien: &Path, data: &Path) -> Result<()> {
    let text = |name: &str| data.join(name).display().to_string();
    run(&mien.display().to_string(), &["bundle", "dry", "--out", &text("bundle")])?;
    speech::write(&data.join("voices.wav"), 2, 1.5)?;
    // At the rate of the networks: nothing is resampled between the file and the score, so played and read sound are equal.
    ffmpeg(&["-i", &text("voices.wav"), "-ar", "16000", "-c:a", "pcm_s16le", &text("speech.wav")])?;
    std::fs::remove_file(data.join("voices.wav"))?;
    let portrait = assets().join("astronaut.png").display().to_string();
    let around_the_face = "crop=240:180:104:20,scale=160:120";
    ffmpeg(&["-i", &portrait, "-vf", around_the_face, "-q:v", "3", &text("face.jpg")])?;
    ffmpeg(&["-f", "lavfi", "-i", "testsrc=s=160x120", "-frames:v", "1", "-q:v", "3", &text("empty.jpg")])
}

fn ffmpeg(args: &[&str]) -> Result<()> {
    run("ffmpeg", &[&["-v", "error", "-nostdin", "-y"], args].concat())
}
