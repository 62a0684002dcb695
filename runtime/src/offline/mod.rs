//! Nothing leaves the machine: no sound server over the network, and no internet sockets in this process.

mod filter;

use mien_capture::device::sound_server;

use crate::config::Config;
use crate::{Result, RuntimeError};

/// Refuses a sound server over the network where `config` has a microphone that could come from one and does not allow it.
///
/// # Errors
/// [`RuntimeError::RemoteSoundServer`].
pub fn check_sound_server(config: &Config) -> Result<()> {
    if config.engine.allow_remote_sound_server || !config.microphone.enabled || is_local(&config.microphone.device) {
        return Ok(());
    }
    if let Some(server) = argument(&config.microphone.device) {
        return Err(RuntimeError::RemoteSoundServer { server, origin: "microphone.device".into() });
    }
    check_any_sound_server()
}

/// Refuses a sound server over the network, whatever microphone is meant: to list them all asks the server.
///
/// # Errors
/// [`RuntimeError::RemoteSoundServer`].
pub fn check_any_sound_server() -> Result<()> {
    match sound_server::remote() {
        None => Ok(()),
        Some(found) => Err(RuntimeError::RemoteSoundServer { server: found.server, origin: found.origin }),
    }
}

/// Keeps every thread of this process, now and later, from making internet sockets, where `config` wants that.
///
/// # Errors
/// [`RuntimeError::SocketFilter`] where the system does not take the filter.
pub fn forbid_internet(config: &Config) -> Result<()> {
    let wanted = config.engine.socket_filter && !config.engine.allow_remote_sound_server;
    if wanted { filter::install() } else { Ok(()) }
}

/// Whether a microphone's name leads past every sound server: a file, or a card's own converters.
fn is_local(device: &str) -> bool {
    ["file:", "alsa:hw:", "alsa:plughw:"].iter().any(|way| device.starts_with(way))
}

/// A server over the network among the arguments of an ALSA name (`alsa:pulse:SERVER=tcp:kiosk`).
fn argument(device: &str) -> Option<String> {
    let server = |argument: &str| Some(argument.strip_prefix("SERVER=")?.trim_matches(['\'', '"']).to_owned());
    let given = device.split([':', ',']).find(|part| part.starts_with("SERVER="))?;
    // The server's own colon splits it as well.
    let whole = device.get(device.find(given)?..)?.split(',').next().and_then(server)?;
    sound_server::is_remote(&whole).then_some(whole)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cards_own_name_and_a_file_need_no_server_and_an_argument_may_name_one() {
        for local in ["file:a.wav", "alsa:hw:CARD=PCH,DEV=0", "alsa:plughw:CARD=PCH,DEV=0"] {
            assert!(is_local(local), "{local}");
        }
        for other in ["default", "alsa:pulse", "alsa:sysdefault:CARD=PCH", "a name"] {
            assert!(!is_local(other) && argument(other).is_none(), "{other}");
        }
        assert_eq!(argument("alsa:pulse:SERVER=tcp:far:4713,DEVICE=x").as_deref(), Some("tcp:far:4713"));
        assert_eq!(argument("alsa:pulse:DEVICE=x,SERVER='tcp:far'").as_deref(), Some("tcp:far"));
        assert_eq!(argument("alsa:pulse:SERVER=unix:/run/pulse/native"), None);
        assert_eq!(argument("alsa:pipewire:SERVER=pipewire-0"), None);
    }
}
