//! `mien devices`.

use std::path::PathBuf;

use clap::Args;
use mien_capture::device::{DeviceInfo, camera, microphone};
use mien_runtime::config::Config;
use mien_runtime::{RuntimeError, offline};
use serde_json::json;

use super::output::{self, Failure};

#[derive(Args)]
pub(crate) struct DevicesArgs {
    /// The configuration of the live program, which says whether a sound server may be on another machine [default: every
    /// setting's default]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One JSON object instead of lines for people
    #[arg(long)]
    pub(crate) json: bool,
}

pub(crate) fn run(args: &DevicesArgs) -> Result<(), Failure> {
    let config = args.config.as_deref().map(Config::read).transpose()?.unwrap_or_default();
    if !config.engine.allow_remote_sound_server {
        offline::check_any_sound_server()?;
    }
    offline::forbid_internet(&config)?;
    let microphones = microphone::list().map_err(RuntimeError::from)?;
    let cameras = camera::list().map_err(RuntimeError::from)?;
    if args.json {
        return output::json(&json!({ "microphones": microphones, "cameras": cameras }));
    }
    show("microphones", &microphones, "snd_* modules, or a sound server that runs for this user")?;
    show("cameras", &cameras, "/dev/video*, and the group `video` of this user")
}

/// A device in as many lines as it has things to say; its id first, because that goes into a configuration.
fn show(kind: &str, devices: &[DeviceInfo], look_at: &str) -> Result<(), Failure> {
    output::line(&format!("{kind}:"))?;
    if devices.is_empty() {
        output::line(&format!("  none found; look at {look_at}; `mien doctor` tells more"))?;
    }
    for device in devices {
        output::line(&format!("  {}", device.id))?;
        output::line(&format!("      name     {}", device.name))?;
        if !device.aliases.is_empty() {
            output::line(&format!("      also     {}", device.aliases.join(", ")))?;
        }
        for format in &device.formats {
            output::line(&format!("      format   {format}"))?;
        }
        if let Some(trouble) = &device.trouble {
            output::line(&format!("      trouble  {trouble}"))?;
        }
    }
    Ok(())
}
