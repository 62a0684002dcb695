//! The sound server that microphones may come from: whether it is on this machine, and how its client library behaves in
//! this process.

mod address;
#[cfg(feature = "microphone")]
mod alsa_conf;
#[cfg(feature = "microphone")]
mod alsa_lines;
mod client_conf;
mod environment;

use std::ffi::OsString;
use std::fmt;

use client_conf::ClientConf;

/// A sound server that is reached over the network, or may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RemoteServer {
    /// The server as it is named.
    pub server: String,
    /// What names it: a variable of the environment, or a key of a file.
    pub origin: String,
}

impl fmt::Display for RemoteServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (named by {})", self.server, self.origin)
    }
}

/// Sets up the sound system's libraries for this process: what they have to say goes to the log at level debug, and
/// PulseAudio's client library takes sound through its socket and not through shared memory, and starts no server of its own.
///
/// PulseAudio's library waits without end, with its lock held, for a piece of shared memory that ALSA's plug-in has taken and
/// not yet given back when the server dies (`pa_memimport_free`), so neither reading nor closing ever comes back. Through
/// the socket there is nothing to wait for. That is a setting of its `client.conf`, which is read anew for each connection,
/// so a file in memory that includes the one in use takes its place (PULSE_CLIENTCONFIG).
///
/// Call it first in the program: a variable of the environment can be changed only before the first thread is started.
///
/// # Errors
/// Why PulseAudio's library keeps its settings; a stream that hangs is abandoned then.
pub fn prepare() -> Result<(), String> {
    #[cfg(feature = "microphone")]
    alsa_lines::to_log();
    environment::take_settings(&ClientConf::of(&environment::variables()))
}

/// The sound server over the network that opening or listing a microphone could connect to, if any is named: by
/// PULSE_SERVER, PulseAudio's `client.conf`, PIPEWIRE_REMOTE or ALSA's configuration. Nothing is connected to find out.
#[must_use]
pub fn remote() -> Option<RemoteServer> {
    let variables = environment::variables();
    let named = |name: &str| variables.iter().find(|(key, _)| key == name).map(|(_, value)| text(value));
    let conf = ClientConf::of(&variables);
    let pulse = match named("PULSE_SERVER") {
        Some(servers) => address::remote_pulse(&servers).map(|server| (server, "PULSE_SERVER".to_owned())),
        None => conf.remote(named("DISPLAY").as_deref()),
    };
    let pipewire = || {
        let remote = address::remote_pipewire(&named("PIPEWIRE_REMOTE")?)?;
        Some((remote, "PIPEWIRE_REMOTE".to_owned()))
    };
    let found = pulse.or_else(pipewire);
    // Last: reading ALSA's configuration may itself ask PulseAudio's library whether a server runs.
    #[cfg(feature = "microphone")]
    let found = found.or_else(alsa_conf::remote);
    found.map(|(server, origin)| RemoteServer { server, origin })
}

/// Whether `server`, as an argument of an ALSA name gives it, leads to the network: PipeWire's servers are names there.
#[must_use]
pub fn is_remote(server: &str) -> bool {
    address::remote_pipewire(server).is_some()
}

/// As a library in C would read it.
fn text(value: &OsString) -> String {
    value.to_string_lossy().into_owned()
}
