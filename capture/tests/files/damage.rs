//! Files that are cut short, garbled or hostile: an error, the whole recording, or its beginning with a note; never a panic.

use std::path::{Path, PathBuf};

use mien_capture::{CaptureError, ErrorKind, file};

use super::material::{Dice, Encoding, chirp, ffmpeg, folder, text, wav, wav_bytes};

/// Everything in a recording: its sound, and times and pixels of its pictures.
type Content = (Option<Vec<f32>>, Vec<(u64, Vec<u8>)>);

fn read(path: &Path) -> Result<Content, CaptureError> {
    read_noted(path).map(|(content, _)| content)
}

/// The content, and the notes on it.
fn read_noted(path: &Path) -> Result<(Content, Vec<String>), CaptureError> {
    let media = file::open(path)?;
    let frames = match &media.pictures {
        Some(pictures) => pictures
            .frames()
            .map(|frame| frame.map(|frame| (frame.time().as_nanos(), frame.into_data())))
            .collect::<Result<_, _>>()?,
        None => Vec::new(),
    };
    Ok(((media.audio.map(|clip| clip.into_samples()), frames), media.notes))
}

/// One small file of each kind.
fn specimens(folder: &Path) -> Vec<PathBuf> {
    let source = wav(folder, "tone.wav", &chirp(6_000, 16_000), 16_000, 1, Encoding::I16);
    let mut paths = vec![source.clone()];
    for name in [
        "tone.flac",
        "tone.mp3",
        "tone.ogg",
        "tone.aac",
        "tone.m4a",
        "tone.opus",
        "tone.webm",
        "tone.mka",
        "tone.caf",
        "tone.aiff",
    ] {
        let path = folder.join(name);
        ffmpeg(&["-i", text(&source), text(&path)]);
        paths.push(path);
    }
    let picture = "testsrc2=s=64x48:r=25:d=0.6";
    for (name, options) in [
        ("film.mp4", &["-bf", "2", "-pix_fmt", "yuv420p"][..]),
        ("front.mp4", &["-bf", "2", "-pix_fmt", "yuv420p", "-movflags", "faststart"]),
        ("parts.mp4", &["-g", "5", "-pix_fmt", "yuv420p", "-movflags", "frag_keyframe+empty_moov"]),
    ] {
        let path = folder.join(name);
        ffmpeg(
            &[&["-f", "lavfi", "-i", picture, "-i", text(&source), "-c:v", "libx264"], options, &[text(&path)]]
                .concat(),
        );
        paths.push(path);
    }
    for name in ["still.png", "still.jpg", "still.bmp"] {
        let path = folder.join(name);
        ffmpeg(&["-f", "lavfi", "-i", picture, "-frames:v", "1", text(&path)]);
        paths.push(path);
    }
    paths
}

fn name(path: &Path) -> &str {
    path.file_name().unwrap().to_str().unwrap()
}

#[test]
fn what_is_not_a_recording_is_told_of_in_one_line() {
    let dir = folder();
    let path = |name: &str, content: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, content).unwrap();
        path
    };
    let refused = |path: &Path| {
        let error = read(path).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BadInput);
        assert_eq!(error.to_string().lines().count(), 1, "{error}");
        assert!(error.to_string().contains(name(path)), "{error}");
        error
    };
    assert!(matches!(refused(&dir.path().join("absent.wav")), CaptureError::Missing { .. }));
    for name in ["empty.wav", "empty.mp4", "empty.png", "empty.mp3"] {
        assert!(matches!(refused(&path(name, b"")), CaptureError::Empty { .. }));
    }
    for (name, content) in
        [("words.wav", &b"This is not a wav file at all."[..]), ("zeros.mp4", &[0; 4096]), ("short.mp3", b"a")]
    {
        assert!(matches!(refused(&path(name, content)), CaptureError::UnknownFormat { .. }), "{name}");
    }
    let film = path("film.mkv", b"\x1a\x45\xdf\xa3\x01\x02\x03\x04\x05\x06\x07\x08");
    assert!(matches!(refused(&film), CaptureError::Malformed { .. }));
    let film = path("film.avi", b"RIFF\x10\0\0\0AVI LIST");
    assert!(matches!(refused(&film), CaptureError::Convert { .. }));
    assert!(matches!(read(Path::new("/dev/null")).unwrap_err(), CaptureError::NotAFile { .. }));
    let mut dice = Dice(7);
    for kind in ["RIFF\0\0\0\0WAVE", "fLaC", "OggS\0", "ID3\x04", "\0\0\0\x20ftyp", "BM\0\0\0\0\0\0\0\0"] {
        let mut content = kind.as_bytes().to_vec();
        content.extend((0..3000).map(|_| dice.below(256) as u8));
        refused(&path("noise", &content));
    }
}

#[test]
fn cut_files_are_refused_or_their_beginning_is_read_with_a_note() {
    let dir = folder();
    let cut = dir.path().join("cut");
    for path in specimens(dir.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let whole = read(&path).unwrap_or_else(|e| panic!("{e}"));
        // Bare frames tell no length, nor do fragments: there a cut between two of them cannot be seen.
        let countable = !matches!(name(&path), "tone.aac" | "parts.mp4" | "tone.mka" | "tone.webm");
        let step = (bytes.len() / 150).max(1);
        let mut told = 0;
        for len in (0..bytes.len()).step_by(step).chain(bytes.len() - 12..bytes.len()) {
            std::fs::write(&cut, &bytes[..len]).unwrap();
            match read_noted(&cut) {
                Err(error) => {
                    assert_eq!(error.to_string().lines().count(), 1, "{error}");
                    told += 1;
                }
                Ok((content, notes)) => {
                    told += usize::from(!notes.is_empty());
                    if content == whole {
                        continue;
                    }
                    let sound = content.0.unwrap_or_default();
                    assert!(whole.0.as_ref().unwrap().starts_with(&sound), "{} at {len}", name(&path));
                    assert!(content.1.len() <= whole.1.len());
                    let missing = name(&path).starts_with("tone.") || !countable;
                    assert!(missing, "{}: {len} of {} bytes give another content", name(&path), bytes.len());
                    assert!(!countable || !notes.is_empty(), "{} at {len}: nothing is told", name(&path));
                }
            }
        }
        assert!(told > 50, "{}: {told} cuts told", name(&path));
    }
}

#[test]
fn a_cut_wav_says_how_much_is_missing() {
    let dir = folder();
    let path = dir.path().join("cut.wav");
    let samples = chirp(10_000, 16_000);
    let bytes = wav_bytes(&samples, 16_000, 1, Encoding::F32);
    std::fs::write(&path, &bytes[..44 + 4 * 4_000]).unwrap();
    let (content, notes) = read_noted(&path).unwrap();
    assert_eq!(content.0.unwrap(), samples[..4_000]);
    assert!(notes.iter().any(|note| note.contains("40000 bytes") && note.contains("16000 are there")), "{notes:?}");
}

#[test]
fn flipped_bytes_never_cause_a_panic() {
    let dir = folder();
    let flipped = dir.path().join("flipped");
    let mut dice = Dice(2024);
    for path in specimens(dir.path()) {
        let bytes = std::fs::read(&path).unwrap();
        let mut refused = 0;
        for round in 0..120 {
            let mut hurt = bytes.clone();
            // Headers hold most of what a parser may trip over.
            let reach = if round % 2 == 0 { bytes.len().min(400) } else { bytes.len() };
            for _ in 0..1 + dice.below(4) {
                hurt[dice.below(reach)] = dice.below(256) as u8;
            }
            std::fs::write(&flipped, &hurt).unwrap();
            match read(&flipped) {
                Ok((sound, _)) => assert!(sound.unwrap_or_default().iter().all(|sample| sample.is_finite())),
                Err(error) => {
                    assert_eq!(error.to_string().lines().count(), 1, "{error}");
                    refused += 1;
                }
            }
        }
        assert!(refused > 0, "{}: no damage was noticed", name(&path));
    }
}

/// The index of an mp4 sits at its end: this damages each of its bytes in turn.
#[test]
fn a_hostile_index_never_causes_a_panic() {
    let dir = folder();
    let hostile = dir.path().join("hostile.mp4");
    for path in specimens(dir.path()).into_iter().filter(|path| path.extension().unwrap() == "mp4") {
        let bytes = std::fs::read(&path).unwrap();
        let start = bytes.windows(4).position(|w| w == b"moov").unwrap() - 4;
        for at in start..bytes.len().min(start + 2500) {
            let mut hurt = bytes.clone();
            hurt[at] = if hurt[at] == 0xff { 0 } else { 0xff };
            std::fs::write(&hostile, &hurt).unwrap();
            if let Err(error) = file::open(&hostile) {
                assert_eq!(error.to_string().lines().count(), 1, "{error}");
            }
        }
    }
}

/// Tables that promise more than there is memory for.
#[test]
fn promises_of_billions_are_not_believed() {
    let dir = folder();
    let path = dir.path().join("film.mp4");
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=64x48:r=25:d=0.4",
        "-c:v",
        "libx264",
        "-pix_fmt",
        "yuv420p",
        text(&path),
    ]);
    let mut bytes = std::fs::read(&path).unwrap();
    let stsz = bytes.windows(4).position(|w| w == b"stsz").unwrap();
    // One size for all samples, and four billion of them.
    bytes[stsz + 8..stsz + 12].copy_from_slice(&1_u32.to_be_bytes());
    bytes[stsz + 12..stsz + 16].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    assert!(matches!(read(&path).unwrap_err(), CaptureError::TooLarge { .. }));

    let path = dir.path().join("channels.wav");
    let mut bytes = wav_bytes(&chirp(100, 16_000), 16_000, 1, Encoding::F32);
    bytes[22..24].fill(0xff);
    std::fs::write(&path, &bytes).unwrap();
    assert!(read(&path).is_err());
}

/// A film of three seconds whose sound lies in many pieces between its pictures.
fn interleaved(folder: &Path) -> Vec<u8> {
    let path = folder.join("interleaved.mp4");
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=3", "-f", "lavfi", "-i", "sine=440:r=16000:d=3"];
    ffmpeg(&[&inputs[..], &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac", text(&path)]].concat());
    std::fs::read(&path).unwrap()
}

/// Where the type of the first box `kind` of the sound track stands.
fn sound_table(bytes: &[u8], kind: &[u8; 4]) -> usize {
    let find = |kind: &[u8], from: usize| from + bytes[from..].windows(4).position(|w| w == kind).unwrap();
    find(kind, find(b"soun", find(b"moov", 0)))
}

fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())
}

#[test]
fn a_packet_of_sound_beyond_any_codec_is_refused() {
    let dir = folder();
    let path = dir.path().join("film.mp4");
    let mut bytes = interleaved(dir.path());
    // Version and flags, one size for all (none), count, then the sizes.
    let first = sound_table(&bytes, b"stsz") + 16;
    // Room for it, so that it lies within the file.
    bytes.extend((3_u32 << 20).to_be_bytes());
    bytes.extend(b"free");
    bytes.resize(bytes.len() + (3 << 20) - 8, 0);
    bytes[first..first + 4].copy_from_slice(&((1_u32 << 20) + 1).to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    // The pictures stand for themselves.
    let media = file::open(&path).unwrap();
    assert!(media.audio.is_none() && media.pictures.is_some());
    assert!(media.notes.iter().any(|note| note.contains("1048577 bytes of one packet")), "{:?}", media.notes);
}

/// Each packet lies within the file; together they are longer than it.
#[test]
fn packets_of_sound_that_overlap_are_refused() {
    let dir = folder();
    let path = dir.path().join("film.mp4");
    let mut bytes = interleaved(dir.path());
    let (sizes, offsets) = (sound_table(&bytes, b"stsz"), sound_table(&bytes, b"stco"));
    let (packets, pieces) = (number(&bytes, sizes + 12), number(&bytes, offsets + 8) as usize);
    assert!(packets > 40 && pieces > 10, "{packets} packets in {pieces} pieces");
    // Half the file holds a quarter of all packets, and each piece begins at its start.
    let size = bytes.len() as u32 / 2 / (packets / 4);
    bytes[sizes + 8..sizes + 12].copy_from_slice(&size.to_be_bytes());
    bytes[offsets + 12..offsets + 12 + 4 * pieces].fill(0);
    std::fs::write(&path, &bytes).unwrap();
    let error = read(&path).unwrap_err();
    let told = matches!(&error, CaptureError::Malformed { reason, .. } if reason.contains("samples overlap"));
    assert!(told, "{error}");
}
