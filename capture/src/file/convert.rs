//! What to do about content that is whole and only not read here: the command that converts it.

use std::path::Path;

use crate::error::CaptureError;

/// Pictures of a film in a codec that is not read here.
pub(crate) fn pictures(path: &Path, codec: &str) -> CaptureError {
    unread(path, format!("pictures in {codec}"), &film(path, ""))
}

/// Pictures that are stored as fields: each holds every second row.
pub(crate) fn interlaced(path: &Path) -> CaptureError {
    unread(path, "interlaced H.264 pictures".to_owned(), &film(path, "-vf yadif "))
}

/// Sound in a codec that is not read here.
pub(crate) fn sound(path: &Path, codec: &str) -> CaptureError {
    unread(path, format!("sound in {codec}"), &command("ffmpeg -i", path, "-c:v copy -c:a aac", "mp4"))
}

/// A picture in a format that is not read here, converted by `program`.
pub(crate) fn picture(path: &Path, format: &str, program: &str) -> CaptureError {
    unread(path, format.to_owned(), &command(program, path, "", "png"))
}

fn film(path: &Path, filter: &str) -> String {
    command("ffmpeg -i", path, &format!("{filter}-c:v libx264 -pix_fmt yuv420p -c:a aac"), "mp4")
}

fn unread(path: &Path, found: String, command: &str) -> CaptureError {
    CaptureError::Convert { path: path.to_owned(), found, command: command.to_owned() }
}

/// A command for a shell that writes a new file beside the old one.
fn command(program: &str, path: &Path, options: &str, extension: &str) -> String {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    let target = path.with_file_name(format!("{stem}-converted.{extension}"));
    let gap = if options.is_empty() { "" } else { " " };
    format!("{program} {} {options}{gap}{}", quoted(path), quoted(&target))
}

/// A path as a word of a shell's command line; one that begins with a dash is no option.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '_' | '-' | '+' | ':' | ',');
    if !text.is_empty() && text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{interlaced, picture};

    #[test]
    fn commands_can_be_pasted_into_a_shell() {
        let told = interlaced(Path::new("it's my film.mov")).to_string();
        assert!(told.contains(r"ffmpeg -i 'it'\''s my film.mov' -vf yadif -c:v libx264"), "{told}");
        assert!(told.contains(r"'it'\''s my film-converted.mp4'"), "{told}");
        let told = picture(Path::new("-x.heic"), "a HEIC picture", "heif-convert").to_string();
        assert!(told.contains("heif-convert ./-x.heic ./-x-converted.png"), "{told}");
    }
}
