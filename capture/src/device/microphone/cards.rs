//! One entry for each microphone: ALSA has half a dozen names for the same converter of a card.
//!
//! `hw:`, `plughw:`, `sysdefault:`, `front:`, `dsnoop:` and others of one card and device are one microphone. Its id is that of
//! `plughw:`, which converts what the hardware does not offer; the others become aliases. Cards are named by their names, for
//! their numbers change with the order of plugging.

use crate::device::info::DeviceInfo;

/// The host's part of an id.
const HOST: &str = "alsa:";
/// The way to a card that gives what the hardware gives.
const NATIVE: &str = "alsa:hw:";
/// The way to a card that converts.
const CONVERTING: &str = "alsa:plughw:";

/// Which converter an id names: card and device; `None` for an id without a card (a sound server's).
fn converter(id: &str, card_of: impl Fn(&str) -> Option<String>) -> Option<(String, u32)> {
    let (_, arguments) = id.strip_prefix(HOST)?.split_once(':')?;
    let argument = |key: &str| arguments.split(',').find_map(|part| part.strip_prefix(key));
    let card = argument("CARD=")?;
    let card = if card.bytes().all(|b| b.is_ascii_digit()) { card_of(card)? } else { card.to_owned() };
    let device = argument("DEV=").map_or(Some(0), |device| device.parse().ok())?;
    Some((card, device))
}

/// The name of card number `number` (`Loopback` for 0), as the kernel has it.
pub(super) fn card_name(number: &str) -> Option<String> {
    Some(std::fs::read_to_string(format!("/proc/asound/card{number}/id")).ok()?.trim().to_owned())
}

/// Whether the kernel has a sound card that this user may not open: ALSA then says nothing of it at all.
pub(super) fn forbidden() -> bool {
    let Ok(nodes) = std::fs::read_dir("/dev/snd") else { return false };
    let controls = nodes.flatten().filter(|n| n.file_name().as_encoded_bytes().starts_with(b"controlC"));
    let refused = |e: std::io::Error| e.kind() == std::io::ErrorKind::PermissionDenied;
    controls.map(|n| std::fs::File::open(n.path())).any(|opened| opened.is_err_and(refused))
}

/// Whether an id holds a card's number, which is another one after the next start.
fn numbered(id: &str) -> bool {
    id.split_once("CARD=").is_some_and(|(_, card)| card.starts_with(|c: char| c.is_ascii_digit()))
}

/// `devices` with one entry for each microphone, in the order in which it is first named.
pub(super) fn grouped(devices: Vec<DeviceInfo>, card_of: impl Fn(&str) -> Option<String>) -> Vec<DeviceInfo> {
    let mut groups: Vec<(Option<(String, u32)>, DeviceInfo)> = Vec::new();
    for device in devices {
        let converter = converter(&device.id, &card_of);
        let known = groups.iter_mut().find(|(of, group)| (of.is_some() && *of == converter) || group.id == device.id);
        let Some((_, group)) = known else {
            groups.push((converter, device));
            continue;
        };
        if group.id == device.id {
            continue;
        }
        let rank = |id: &str| (numbered(id), !id.starts_with(CONVERTING));
        let mut alias = device;
        if rank(&alias.id) < rank(&group.id) {
            std::mem::swap(&mut alias, group);
            group.aliases.append(&mut alias.aliases);
        }
        if !group.aliases.contains(&alias.id) {
            group.aliases.push(alias.id);
        }
    }
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The id that tells what the hardware offers, without conversions.
pub(super) fn native(device: &DeviceInfo) -> &str {
    let of_card = |id: &&String| id.starts_with(NATIVE) && !numbered(id);
    device.aliases.iter().find(of_card).map_or(device.id.as_str(), String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::device::info::DeviceKind;

    fn device(id: &str, name: &str) -> DeviceInfo {
        DeviceInfo {
            kind: DeviceKind::Microphone,
            id: id.into(),
            name: name.into(),
            aliases: Vec::new(),
            formats: Vec::new(),
            trouble: None,
        }
    }

    #[test]
    fn every_converter_is_listed_once_by_its_converting_id() {
        let listed = [
            "alsa:default",
            "alsa:pulse",
            "alsa:sysdefault:CARD=PCH",
            "alsa:hw:CARD=PCH,DEV=0",
            "alsa:plughw:CARD=PCH,DEV=0",
            "alsa:front:CARD=PCH,DEV=0",
            "alsa:hw:CARD=PCH,DEV=2",
            "alsa:plughw:CARD=PCH,DEV=2",
            "alsa:hw:CARD=0,DEV=0",
            "alsa:plughw:CARD=0,DEV=0",
            "alsa:plughw:CARD=1,DEV=0",
            "alsa:hw:CARD=Webcam,DEV=0",
            "alsa:plughw:CARD=7,DEV=0",
        ];
        let names = |number: &str| match number {
            "0" => Some("PCH".to_owned()),
            "1" => Some("Webcam".to_owned()),
            _ => None,
        };
        let groups = grouped(listed.iter().map(|id| device(id, "name")).collect(), names);
        let ids: Vec<&str> = groups.iter().map(|g| g.id.as_str()).collect();
        let expected = [
            "alsa:default",
            "alsa:pulse",
            "alsa:plughw:CARD=PCH,DEV=0",
            "alsa:plughw:CARD=PCH,DEV=2",
            "alsa:hw:CARD=Webcam,DEV=0",
            // A card that the kernel does not know by that number is left as it is.
            "alsa:plughw:CARD=7,DEV=0",
        ];
        assert_eq!(ids, expected);
        // No name is lost, and none stands twice.
        let mut all: Vec<&str> =
            groups.iter().flat_map(|g| g.aliases.iter().chain([&g.id])).map(String::as_str).collect();
        all.sort_unstable();
        let mut sorted = listed.to_vec();
        sorted.sort_unstable();
        assert_eq!(all, sorted);
        assert_eq!(native(&groups[2]), "alsa:hw:CARD=PCH,DEV=0");
        assert_eq!(native(&groups[1]), "alsa:pulse");
    }

    #[test]
    fn ids_that_are_none_of_a_card_are_left_alone() {
        for id in
            ["alsa:default", "alsa:usbstream:X", "alsa:plughw:CARD=A,DEV=x", "coreaudio:CARD=A", "", "alsa:hw:DEV=1"]
        {
            assert_eq!(converter(id, |_| None), None, "{id}");
        }
        assert_eq!(converter("alsa:sysdefault:CARD=A", |_| None), Some(("A".into(), 0)));
        assert_eq!(converter("alsa:hw:CARD=A,DEV=3,SUBDEV=1", |_| None), Some(("A".into(), 3)));
    }
}
