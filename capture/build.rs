//! Compiles the one function that must be in C, where there are microphones.

fn main() {
    println!("cargo::rerun-if-changed=src/device/sound_server/alsa_lines.c");
    let linux = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux");
    if linux && std::env::var_os("CARGO_FEATURE_MICROPHONE").is_some() {
        cc::Build::new().file("src/device/sound_server/alsa_lines.c").compile("mien_alsa_lines");
    }
}
