//! What a running session can be told.

use std::str::FromStr;
use std::sync::Arc;

/// A command from a signal, the control socket or a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Close the devices and zero what was heard and seen.
    Mute,
    /// Open the devices again.
    Unmute,
    /// The other one of the two.
    ToggleMute,
    /// Tell everything.
    Status,
    /// Load the bundle anew.
    Reload,
    /// End the session.
    Stop,
}

impl Command {
    /// Whether it closes or opens the devices: what nobody else may hold up.
    pub fn mutes(self) -> bool {
        matches!(self, Self::Mute | Self::Unmute | Self::ToggleMute)
    }
}

/// The words of the control socket.
const WORDS: [(&str, Command); 6] = [
    ("mute", Command::Mute),
    ("unmute", Command::Unmute),
    ("toggle", Command::ToggleMute),
    ("status", Command::Status),
    ("reload", Command::Reload),
    ("stop", Command::Stop),
];

impl FromStr for Command {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        WORDS.iter().find(|(known, _)| *known == word).map(|(_, command)| *command).ok_or_else(|| {
            let known: Vec<&str> = WORDS.iter().map(|(known, _)| *known).collect();
            format!("unknown command, expected one of {}", known.join(", "))
        })
    }
}

/// Does a command and answers with an object.
pub type Handler = Arc<dyn Fn(Command) -> serde_json::Value + Send + Sync>;
