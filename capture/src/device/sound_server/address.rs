//! Which names of sound servers lead to the network.

/// The first server of PulseAudio's list `servers` that is not a socket of this machine.
///
/// A list is separated by spaces, and its servers are tried in turn. Each may have the id of a machine in braces before it,
/// which says where it is of use. A path, or `unix:` and a path, is a socket; `tcp:`, `tcp4:`, `tcp6:` and everything else
/// is a host's name or number.
pub(super) fn remote_pulse(servers: &str) -> Option<String> {
    let bare = |server: &str| {
        let inner = server.strip_prefix('{').and_then(|rest| rest.split_once('}'));
        inner.map_or_else(|| server.to_owned(), |(_, rest)| rest.to_owned())
    };
    let local = |server: &str| server.is_empty() || server.starts_with('/') || server.starts_with("unix:");
    servers.split_whitespace().find(|server| !local(&bare(server))).map(str::to_owned)
}

/// A server of PipeWire's `remote` that is not a socket of this machine. A name or a path is one; several stand in a list in
/// brackets.
pub(super) fn remote_pipewire(remote: &str) -> Option<String> {
    let separator = |c: char| c.is_whitespace() || "[],\"'".contains(c);
    let schemes = ["tcp", "udp", "vsock", "ws", "http", "pulse"];
    let far = |name: &&str| {
        let scheme = name.split_once(':').map(|(scheme, _)| scheme.trim_end_matches(['4', '6']).to_ascii_lowercase());
        match scheme.as_deref() {
            None => false,
            Some(scheme) if schemes.iter().any(|s| scheme.starts_with(s)) => true,
            // A host with a port.
            Some("unix" | "portal" | "internal") => false,
            Some(_) => !name.starts_with('/'),
        }
    };
    remote.split(separator).find(|name| far(name)).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_sockets_of_this_machine_are_local_to_pulseaudio() {
        for local in [
            "",
            "  ",
            "unix:/run/user/1000/pulse/native",
            "/tmp/pulse",
            "{0123456789abcdef}unix:/run/pulse/native",
            "{id}/run/pulse",
            "unix:/a unix:/b",
        ] {
            assert_eq!(remote_pulse(local), None, "{local}");
        }
        for (servers, found) in [
            ("tcp:10.0.0.5:4713", "tcp:10.0.0.5:4713"),
            ("tcp4:kiosk.example", "tcp4:kiosk.example"),
            ("tcp6:[fe80::1]", "tcp6:[fe80::1]"),
            ("kiosk", "kiosk"),
            ("localhost", "localhost"),
            ("192.168.1.2", "192.168.1.2"),
            ("[::1]:4713", "[::1]:4713"),
            ("{0123456789abcdef}tcp:kiosk:4713", "{0123456789abcdef}tcp:kiosk:4713"),
            ("{id}kiosk", "{id}kiosk"),
            ("unix:/run/pulse/native  tcp:kiosk", "tcp:kiosk"),
            ("\tkiosk\nunix:/a", "kiosk"),
            ("{id", "{id"),
            ("UNIX:/a", "UNIX:/a"),
        ] {
            assert_eq!(remote_pulse(servers).as_deref(), Some(found), "{servers}");
        }
    }

    #[test]
    fn pipewires_names_and_paths_are_local() {
        for local in ["", "pipewire-0", "/run/user/0/pipewire-0", "unix:/run/pw", "[ \"pipewire-0-manager\", \"pipewire-0\" ]"]
        {
            assert_eq!(remote_pipewire(local), None, "{local}");
        }
        for (remote, found) in [
            ("tcp:10.0.0.5:4713", "tcp:10.0.0.5:4713"),
            ("TCP4:kiosk", "TCP4:kiosk"),
            ("kiosk:4713", "kiosk:4713"),
            ("[ \"pipewire-0\", \"tcp:kiosk\" ]", "tcp:kiosk"),
        ] {
            assert_eq!(remote_pipewire(remote).as_deref(), Some(found), "{remote}");
        }
    }
}
