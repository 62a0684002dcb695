//! Commands that convert what cannot be read here.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The command that makes a sound file of `path` that can be read.
pub(crate) fn sound(path: &Path) -> String {
    command(path, "-vn -ar 16000 -ac 1", "wav")
}

/// The command that makes a film of `path` that can be read.
pub(crate) fn film(path: &Path) -> String {
    command(path, "-c:v libx264 -pix_fmt yuv420p -c:a aac", "mp4")
}

/// The command that makes a film of `path`, whose pictures are fields, that can be read.
pub(crate) fn deinterlaced(path: &Path) -> String {
    command(path, "-vf yadif -c:v libx264 -pix_fmt yuv420p -c:a aac", "mp4")
}

/// The command that makes a picture of `path` that can be read.
pub(crate) fn picture(path: &Path) -> String {
    command(path, "-frames:v 1", "png")
}

/// The command of `program`, which takes two names, that makes a picture of `path` that can be read.
pub(crate) fn picture_by(program: &str, path: &Path) -> String {
    format!("{program} {} {}", quoted(&plain(path)), quoted(&plain(&target(path, "png"))))
}

fn command(path: &Path, options: &str, extension: &str) -> String {
    format!("ffmpeg -i {} {options} {}", quoted(&plain(path)), quoted(&plain(&target(path, extension))))
}

/// The name of the new file: never that of the old one.
fn target(path: &Path, extension: &str) -> PathBuf {
    let mut to = path.with_extension(extension);
    if to == path {
        let mut name = path.file_stem().unwrap_or_default().to_owned();
        name.push("-converted.");
        name.push(extension);
        to = path.with_file_name(name);
    }
    to
}

/// `path` so that ffmpeg takes it for a file: not for an option, not for a protocol.
fn plain(path: &Path) -> PathBuf {
    let bytes = path.as_os_str().as_encoded_bytes();
    if path.is_relative() && (bytes.starts_with(b"-") || bytes.contains(&b':')) {
        Path::new(".").join(path)
    } else {
        path.to_owned()
    }
}

/// `path` as one word of a shell's line, whatever is in it; on one line.
fn quoted(path: &Path) -> String {
    match path.to_str() {
        Some(text) if !text.chars().any(char::is_control) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => ansi_c(path.as_os_str()),
    }
}

/// Quoting for names with line ends or bytes that are no text (bash, zsh, POSIX 2024).
fn ansi_c(name: &OsStr) -> String {
    let mut word = "$'".to_owned();
    for byte in name.as_encoded_bytes() {
        match byte {
            b'\'' | b'\\' => {
                word.push('\\');
                word.push(char::from(*byte));
            }
            b' '..=b'~' => word.push(char::from(*byte)),
            other => word.push_str(&format!("\\{other:03o}")),
        }
    }
    word.push('\'');
    word
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::path::{Path, PathBuf};
    use std::process::Command;

    use super::{film, quoted, sound};

    #[test]
    fn a_command_names_the_file_and_another_one() {
        assert_eq!(sound(Path::new("/a/talk.amr")), "ffmpeg -i '/a/talk.amr' -vn -ar 16000 -ac 1 '/a/talk.wav'");
        assert_eq!(sound(Path::new("gsm.wav")), "ffmpeg -i 'gsm.wav' -vn -ar 16000 -ac 1 'gsm-converted.wav'");
        assert!(film(Path::new("-i.mkv")).starts_with("ffmpeg -i './-i.mkv' "));
        assert!(sound(Path::new("a:b.amr")).starts_with("ffmpeg -i './a:b.amr' "));
    }

    /// A shell takes each name for what it is.
    #[test]
    fn a_shell_reads_the_name_back() {
        for name in ["it's $HOME `id`; \"x\".amr", "two\nlines'\\.amr", "tab\t.amr", "ä.amr", "!!.amr"] {
            let path = PathBuf::from(name);
            let line = format!("printf %s {}", quoted(&path));
            assert_eq!(line.lines().count(), 1, "{line}");
            let output = Command::new("bash").args(["-c", &line]).output().unwrap();
            assert_eq!(String::from_utf8(output.stdout).unwrap(), name);
        }
    }
}
