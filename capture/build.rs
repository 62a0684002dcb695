//! Compiles the one function that must be in C, where there are microphones.

fn main() {
    println!("cargo::rerun-if-changed=src/device/sound_server/alsa_lines.c");
    if std::env::var_os("CARGO_FEATURE_MICROPHONE").is_some() {
        cc::Build::new().file("src/device/sound_server/alsa_lines.c").warnings_into_errors(true).compile("mien_alsa_lines");
    }
}
