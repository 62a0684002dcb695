//! The servers that ALSA's configuration names (`asound.conf`, `~/.asoundrc` and what they include).
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::ptr;

use alsa_sys::{
    SND_CONFIG_TYPE_COMPOUND, SND_CONFIG_TYPE_STRING, snd_config_delete, snd_config_get_id, snd_config_get_string,
    snd_config_get_type, snd_config_iterator_end, snd_config_iterator_entry, snd_config_iterator_first,
    snd_config_iterator_next, snd_config_t, snd_config_update_free, snd_config_update_r, snd_config_update_t,
};

use super::address;

/// Deeper than any configuration is.
const DEEPEST: usize = 24;

/// A node of the configuration: text, or further nodes.
#[derive(Debug, PartialEq, Eq)]
enum Node {
    Text(String),
    Nodes(Vec<(String, Node)>),
}

/// The first server over the network that a device of ALSA's configuration would connect to, and where it stands.
pub(super) fn remote() -> Option<(String, String)> {
    let mut found = None;
    search(&read()?, &mut Vec::new(), false, &mut found);
    found
}

/// Looks for servers below `node`, which stands at `path`, of a device of PulseAudio where `pulse`.
fn search(node: &Node, path: &mut Vec<String>, pulse: bool, found: &mut Option<(String, String)>) {
    let Node::Nodes(nodes) = node else { return };
    let is_pulse = |(key, value): &(String, Node)| key == "type" && *value == Node::Text("pulse".into());
    let pulse = pulse || nodes.iter().any(is_pulse);
    for (key, value) in nodes {
        path.push(key.clone());
        if key.eq_ignore_ascii_case("server") {
            let server = named(value).into_iter().find_map(|text| match pulse {
                true => address::remote_pulse(&text),
                false => address::remote_pipewire(&text),
            });
            if let (Some(server), None) = (server, &found) {
                *found = Some((server, format!("{} in ALSA's configuration", path.join("."))));
            }
        }
        search(value, path, pulse, found);
        path.pop();
    }
}

/// What the value of a server may become: its text; for one that is made when it is used, its default and the variables
/// that it is made of.
fn named(value: &Node) -> Vec<String> {
    let nodes = match value {
        // An argument's place, which the default of the argument fills.
        Node::Text(text) if text.starts_with('$') => return Vec::new(),
        Node::Text(text) => return vec![text.clone()],
        Node::Nodes(nodes) => nodes,
    };
    let variables = |node: &Node| match node {
        Node::Text(name) => std::env::var(name).into_iter().collect(),
        Node::Nodes(names) => names
            .iter()
            .filter_map(|(_, name)| match name {
                Node::Text(name) => std::env::var(name).ok(),
                Node::Nodes(_) => None,
            })
            .collect::<Vec<_>>(),
    };
    let of = |(key, node): &(String, Node)| match key.as_str() {
        "default" => named(node),
        "vars" => variables(node),
        _ => Vec::new(),
    };
    nodes.iter().flat_map(of).collect()
}

/// ALSA's whole configuration as it is now; `None` where ALSA itself cannot read it.
fn read() -> Option<Node> {
    let mut top: *mut snd_config_t = ptr::null_mut();
    let mut update: *mut snd_config_update_t = ptr::null_mut();
    // SAFETY: both are null, as the call wants them for a first reading, and a null path means the files in use. It makes a
    // configuration of our own, which no other thread knows.
    let read = unsafe { snd_config_update_r(&mut top, &mut update, ptr::null()) };
    if read < 0 || top.is_null() {
        return None;
    }
    let node = node(top, 0);
    // SAFETY: both come from the call above, are freed once, and `node` holds copies alone.
    unsafe {
        snd_config_delete(top);
        snd_config_update_free(update);
    }
    node
}

/// A copy of a node of a live configuration.
fn node(config: *const snd_config_t, depth: usize) -> Option<Node> {
    // SAFETY: the caller has the configuration that `config` is a node of.
    match unsafe { snd_config_get_type(config) } {
        SND_CONFIG_TYPE_STRING => {
            let mut value: *const c_char = ptr::null();
            // SAFETY: as above; the text belongs to the node and is copied at once.
            let got = unsafe { snd_config_get_string(config, &mut value) };
            (got >= 0).then(|| copied(value)).flatten().map(Node::Text)
        }
        SND_CONFIG_TYPE_COMPOUND if depth < DEEPEST => {
            let mut nodes = Vec::new();
            // SAFETY: a compound's iterators go from its first to its end, and nobody changes it meanwhile.
            unsafe {
                let (mut at, end) = (snd_config_iterator_first(config), snd_config_iterator_end(config));
                while at != end {
                    let entry = snd_config_iterator_entry(at);
                    let mut id: *const c_char = ptr::null();
                    if snd_config_get_id(entry, &mut id) >= 0 {
                        nodes.extend(copied(id).zip(node(entry, depth + 1)));
                    }
                    at = snd_config_iterator_next(at);
                }
            }
            Some(Node::Nodes(nodes))
        }
        _ => None,
    }
}

/// A copy of a text of ALSA's.
fn copied(text: *const c_char) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: ALSA's texts end with a zero and live as long as the node that they are of.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Node {
        Node::Text(text.into())
    }

    fn nodes(nodes: Vec<(&str, Node)>) -> Node {
        Node::Nodes(nodes.into_iter().map(|(key, node)| (key.to_owned(), node)).collect())
    }

    fn found(top: &Node) -> Option<(String, String)> {
        let mut found = None;
        search(top, &mut Vec::new(), false, &mut found);
        found
    }

    #[test]
    fn servers_of_devices_are_found_wherever_they_stand() {
        let pulse = |server: Node| nodes(vec![("type", text("pulse")), ("server", server)]);
        let device = |inner: Node| nodes(vec![("pcm", nodes(vec![("x", inner)]))]);
        assert_eq!(
            found(&device(pulse(text("tcp:far")))),
            Some(("tcp:far".into(), "pcm.x.server in ALSA's configuration".into()))
        );
        assert_eq!(found(&device(pulse(text("far")))).unwrap().0, "far");
        assert_eq!(found(&device(pulse(text("unix:/run/pulse/native")))), None);
        assert_eq!(found(&device(pulse(text("$SERVER")))), None);
        // Below another device, as an argument's default, and made from a default.
        let below = nodes(vec![("type", text("plug")), ("slave", nodes(vec![("pcm", pulse(text("far")))]))]);
        assert_eq!(found(&device(below)).unwrap().1, "pcm.x.slave.pcm.server in ALSA's configuration");
        let argument = nodes(vec![
            ("@args", nodes(vec![("SERVER", nodes(vec![("type", text("string")), ("default", text("far"))]))])),
            ("type", text("pulse")),
            ("server", text("$SERVER")),
        ]);
        assert_eq!(found(&device(argument)).unwrap().0, "far");
        let made = nodes(vec![("@func", text("getenv")), ("default", text("tcp:far"))]);
        assert_eq!(found(&device(pulse(made))).unwrap().0, "tcp:far");
        // PipeWire's servers are names.
        let pipewire = |server: &str| device(nodes(vec![("type", text("pipewire")), ("server", text(server))]));
        assert_eq!(found(&pipewire("pipewire-0")), None);
        assert_eq!(found(&pipewire("tcp:far")).unwrap().0, "tcp:far");
    }

    #[test]
    fn the_configuration_of_this_machine_can_be_read() {
        let top = read().unwrap();
        let Node::Nodes(nodes) = &top else { panic!("{top:?}") };
        assert!(nodes.iter().any(|(key, _)| key == "pcm"), "{nodes:?}");
    }
}
