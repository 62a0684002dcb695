//! Films with several tracks, with tracks of other kinds, and with tracks that cannot be read.

use std::path::{Path, PathBuf};

use mien_capture::file::{self, ReadOptions};
use mien_capture::{CaptureError, Media};

use super::material::{ffmpeg, folder, text};

const PICTURE: [&str; 4] = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=1"];
const TONE: [&str; 4] = ["-f", "lavfi", "-i", "sine=440:r=16000:d=1"];
const OTHER_TONE: [&str; 4] = ["-f", "lavfi", "-i", "sine=880:r=16000:d=1"];
const SILENCE: [&str; 4] = ["-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono:d=1"];
const H264: [&str; 4] = ["-c:v", "libx264", "-pix_fmt", "yuv420p"];

fn made(folder: &Path, name: &str, arguments: &[&[&str]]) -> PathBuf {
    let path = folder.join(name);
    ffmpeg(&[arguments.concat().as_slice(), &[text(&path)]].concat());
    path
}

fn with_track(path: &Path, number: u32) -> Result<Media, CaptureError> {
    file::open_with(path, &ReadOptions { sound_track: Some(number), ..ReadOptions::default() })
}

/// Takes away the mark `enabled` of the track `number`, from 0.
fn disable(path: &Path, number: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    let headers: Vec<_> = (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"tkhd").collect();
    bytes[headers[number] + 7] &= !1;
    std::fs::write(path, bytes).unwrap();
}

fn enable(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    for at in (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"tkhd").collect::<Vec<_>>() {
        bytes[at + 7] |= 1;
    }
    std::fs::write(path, bytes).unwrap();
}

fn sound(media: &Media) -> &[f32] {
    media.audio.as_ref().unwrap().samples()
}

#[test]
fn the_first_enabled_track_with_sound_is_heard() {
    let dir = folder();
    let aac = ["-c:a", "aac"];
    let tone = made(dir.path(), "tone.m4a", &[&TONE, &aac]);
    let other = made(dir.path(), "other.m4a", &[&OTHER_TONE, &aac]);
    let (tone, other) = (file::open(&tone).unwrap(), file::open(&other).unwrap());
    let maps = ["-map", "0", "-map", "1", "-map", "2"];
    let quiet = made(dir.path(), "quiet.mp4", &[&PICTURE, &SILENCE, &TONE, &maps, &H264, &aac]);
    let both = made(dir.path(), "both.mp4", &[&PICTURE, &TONE, &OTHER_TONE, &maps, &H264, &aac]);
    enable(&both);

    // The first one is silent, enabled or not.
    enable(&quiet);
    let media = file::open(&quiet).unwrap();
    assert_eq!(sound(&media), sound(&tone));
    assert!(media.notes.iter().any(|note| note.contains("number 2")), "{:?}", media.notes);
    disable(&quiet, 1);
    assert_eq!(sound(&file::open(&quiet).unwrap()), sound(&tone));
    assert!(with_track(&quiet, 1).unwrap().audio.unwrap().is_silent());
    assert_eq!(sound(&with_track(&quiet, 2).unwrap()), sound(&tone));

    let media = file::open(&both).unwrap();
    assert_eq!(sound(&media), sound(&tone));
    assert!(media.notes.iter().any(|note| note.contains("--sound-track")), "{:?}", media.notes);
    assert_eq!(sound(&with_track(&both, 2).unwrap()), sound(&other));
    disable(&both, 1);
    assert_eq!(sound(&file::open(&both).unwrap()), sound(&other));
    for number in [0, 3, u32::MAX] {
        let error = with_track(&both, number).unwrap_err();
        let told = error.to_string();
        assert!(told.contains("1 (AAC, 16000 Hz") && told.contains("2 (AAC"), "{told}");
    }
}

/// A codec that is not read costs its own part of the film.
#[test]
fn sound_is_heard_whatever_the_pictures_are() {
    let dir = folder();
    let tone = made(dir.path(), "tone.m4a", &[&TONE, &["-c:a", "aac"]]);
    let tone = file::open(&tone).unwrap();
    for (name, options, expected) in [
        ("old.mp4", &["-c:v", "mpeg4"][..], "MPEG-4 part 2"),
        ("new.mp4", &["-c:v", "libx265", "-x265-params", "log-level=none"], "HEVC"),
        ("phone.mov", &["-c:v", "libx265", "-tag:v", "hvc1", "-x265-params", "log-level=none"], "HEVC"),
        ("free.mp4", &["-c:v", "libvpx-vp9"], "VP9"),
        ("camera.mov", &["-c:v", "mjpeg", "-pix_fmt", "yuvj420p"], "Motion JPEG"),
        ("cut.mov", &["-c:v", "prores"], "ProRes"),
        ("deep.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv420p10le"], "High 10"),
        ("full.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv444p"], "High 4:4:4"),
        ("wide.mp4", &["-c:v", "libx264", "-pix_fmt", "yuv422p"], "High 4:2:2"),
        (
            "fields.mp4",
            &["-c:v", "libx264", "-pix_fmt", "yuv420p", "-flags", "+ilme+ildct", "-x264-params", "tff=1"],
            "interlaced",
        ),
    ] {
        let mute = made(dir.path(), name, &[&PICTURE, options]);
        let error = file::open(&mute).unwrap_err();
        let told = error.to_string();
        assert!(matches!(error, CaptureError::Convert { .. }) && told.contains(expected), "{name}: {told}");
        let command = if expected == "interlaced" { "yadif" } else { "ffmpeg -i" };
        assert!(told.contains(command) && told.contains(name) && !told.contains("damaged"), "{told}");

        let film = made(dir.path(), name, &[&PICTURE, &TONE, options, &["-c:a", "aac"]]);
        let media = file::open(&film).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert!(media.pictures.is_none(), "{name}");
        assert_eq!(sound(&media), sound(&tone), "{name}");
        let told = media.notes.join(" ");
        assert!(told.contains(expected) && told.contains(command), "{name}: {told}");
    }
}

#[test]
fn pictures_are_seen_whatever_the_sound_is() {
    let dir = folder();
    let film = made(dir.path(), "film.mp4", &[&PICTURE, &TONE, &H264, &["-c:a", "ac3"]]);
    let media = file::open(&film).unwrap();
    assert!(media.audio.is_none());
    assert_eq!(media.pictures.as_ref().unwrap().frames().map(Result::unwrap).count(), 25);
    let told = media.notes.join(" ");
    assert!(told.contains("AC-3") && told.contains("ffmpeg"), "{told}");
    let error = with_track(&film, 1).unwrap_err();
    assert!(error.to_string().contains("AC-3"), "{error}");

    // A second track that can be read is heard.
    let maps = ["-map", "0", "-map", "1", "-map", "2", "-c:a:0", "ac3", "-c:a:1", "aac"];
    let film = made(dir.path(), "two.mp4", &[&PICTURE, &TONE, &OTHER_TONE, &maps, &H264]);
    enable(&film);
    let media = file::open(&film).unwrap();
    assert!(media.audio.is_some());
    assert!(media.notes.iter().any(|note| note.contains("number 2")), "{:?}", media.notes);

    // A packet of sound that begins with an element that no decoder of AAC-LC knows.
    let film = made(dir.path(), "hurt.mp4", &[&PICTURE, &TONE, &H264, &["-c:a", "aac"]]);
    let mut bytes = std::fs::read(&film).unwrap();
    let sizes = bytes.windows(4).rposition(|bytes| bytes == b"stsz").unwrap();
    let offsets = bytes.windows(4).rposition(|bytes| bytes == b"stco").unwrap();
    let number = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (first, size) = (number(&bytes, offsets + 12), number(&bytes, sizes + 16));
    bytes[first..first + size].fill(0x4f);
    std::fs::write(&film, bytes).unwrap();
    let media = file::open(&film).unwrap();
    assert!(media.audio.is_none() && media.pictures.is_some());
    assert!(media.notes.iter().any(|note| note.starts_with("No sound:")), "{:?}", media.notes);
}

/// Time codes, chapters and covers stand beside sound and pictures.
#[test]
fn tracks_of_other_kinds_are_passed_over() {
    let dir = folder();
    let plain = made(dir.path(), "plain.m4a", &[&TONE, &["-c:a", "aac"]]);
    let plain = file::open(&plain).unwrap();
    let marks = dir.path().join("marks.txt");
    let chapters = "[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=500\ntitle=one\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=500\nEND=1000\ntitle=two\n";
    std::fs::write(&marks, format!(";FFMETADATA1\ntitle=book\n{chapters}")).unwrap();
    let book = made(
        dir.path(),
        "book.m4b",
        &[
            &TONE,
            &["-i", text(&marks), "-map", "0", "-map_metadata", "1", "-map_chapters", "1", "-c:a", "aac", "-f", "mp4"],
        ],
    );
    let media = file::open(&book).unwrap();
    assert_eq!(sound(&media), sound(&plain));
    assert!(media.pictures.is_none() && media.notes.is_empty(), "{:?}", media.notes);

    let timed = made(dir.path(), "timed.mov", &[&PICTURE, &TONE, &H264, &["-timecode", "01:00:00:00", "-c:a", "aac"]]);
    let media = file::open(&timed).unwrap();
    assert_eq!(sound(&media), sound(&plain));
    assert!(media.pictures.is_some() && media.notes.is_empty(), "{:?}", media.notes);

    // Chapters that are pictures: the sound's track names the pictures' one.
    let film = made(dir.path(), "pictures.m4b", &[&PICTURE, &TONE, &["-c:v", "mjpeg", "-c:a", "aac", "-f", "mp4"]]);
    let mut bytes = std::fs::read(&film).unwrap();
    let tracks: Vec<_> = (0..bytes.len() - 4).filter(|at| &bytes[*at..at + 4] == b"trak").collect();
    let movie = bytes.windows(4).position(|bytes| bytes == b"moov").unwrap();
    let reference = [&20_u32.to_be_bytes()[..], b"tref", &12_u32.to_be_bytes(), b"chap", &1_u32.to_be_bytes()].concat();
    bytes.splice(tracks[1] + 4..tracks[1] + 4, reference);
    for at in [tracks[1], movie] {
        let size = u32::from_be_bytes(bytes[at - 4..at].try_into().unwrap()) + 20;
        bytes[at - 4..at].copy_from_slice(&size.to_be_bytes());
    }
    std::fs::write(&film, bytes).unwrap();
    let media = file::open(&film).unwrap();
    assert_eq!(sound(&media), sound(&plain));
    assert!(media.pictures.is_none() && media.notes.is_empty(), "{:?}", media.notes);
}

/// Uncompressed sound is stored sample by sample: millions of them.
#[test]
fn uncompressed_sound_of_any_length_is_read() {
    let dir = folder();
    let tone = ["-f", "lavfi", "-i", "sine=440:r=48000:d=100"];
    for (codec, wav_codec) in [("pcm_s16le", "pcm_s16le"), ("pcm_s16be", "pcm_s16le"), ("pcm_s24le", "pcm_s24le")] {
        let path = made(dir.path(), "sound.mov", &[&tone, &["-c:a", codec]]);
        let wav = made(dir.path(), "sound.wav", &[&tone, &["-c:a", wav_codec]]);
        let (found, expected) = (file::open(&path).unwrap(), file::open(&wav).unwrap());
        assert!(sound(&found) == sound(&expected), "{codec}");
        assert!(found.notes.is_empty(), "{codec}: {:?}", found.notes);
    }
    for codec in ["pcm_mulaw", "pcm_alaw", "pcm_f32le", "adpcm_ima_qt", "alac"] {
        let path = made(dir.path(), "sound.mov", &[&["-f", "lavfi", "-i", "sine=440:r=16000:d=2"], &["-c:a", codec]]);
        let clip = file::open(&path).unwrap_or_else(|e| panic!("{codec}: {e}")).audio.unwrap();
        assert!((clip.duration_s() - 2.0).abs() < 0.01, "{codec}: {}", clip.duration_s());
        let loudest = clip.samples().iter().fold(0.0_f32, |peak, sample| peak.max(sample.abs()));
        assert!((0.1..0.2).contains(&loudest), "{codec}: {loudest}");
    }
}
