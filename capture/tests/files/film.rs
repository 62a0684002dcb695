//! Films: the pictures of mp4 files.

use std::path::{Path, PathBuf};
use std::process::Command;

use mien_capture::{CaptureError, Media, RgbFrame, Span, Timestamp, file};

use super::material::{ffmpeg, folder, text};

/// Makes a film of `count` pictures at 25 a second whose brightness tells which one it is, with the x264 options given.
///
/// The stored luma is 16 + 2 (n mod 100).
fn ramp(folder: &Path, name: &str, count: u32, x264: &str, more: &[&str]) -> PathBuf {
    let path = folder.join(name);
    let source = format!(
        "nullsrc=s=64x48:r=25:d={},geq=lum='16+2*mod(N,100)':cb=128:cr=128,format=yuv420p",
        f64::from(count) / 25.0
    );
    let x264 = format!("{x264}:threads=1");
    ffmpeg(
        &[
            &["-f", "lavfi", "-i", &source, "-c:v", "libx264", "-crf", "10", "-x264-params", &x264],
            more,
            &[text(&path)],
        ]
        .concat(),
    );
    path
}

fn frames(media: &Media, span: Option<Span>) -> Vec<RgbFrame> {
    let pictures = media.pictures.as_ref().expect("a film has pictures");
    pictures.within(span).map(|frame| frame.unwrap_or_else(|e| panic!("{e}"))).collect()
}

/// Which picture of a ramp this is, modulo 100.
fn number(frame: &RgbFrame) -> u32 {
    let luma = frame.luma();
    let mean = luma.iter().map(|v| f64::from(*v)).sum::<f64>() / luma.len() as f64;
    // Video range back to stored luma.
    ((mean * 219.0 / 255.0) / 2.0).round() as u32
}

#[test]
fn pictures_come_in_the_order_of_display_at_their_times() {
    let dir = folder();
    for (name, x264, more) in [
        ("baseline", "keyint=250", &["-profile:v", "baseline"][..]),
        ("no_b", "keyint=30:bframes=0", &[]),
        ("b", "keyint=250:bframes=3:b-adapt=0:b-pyramid=none", &[]),
        ("pyramid", "keyint=250:bframes=5:b-adapt=0:b-pyramid=normal:ref=4", &[]),
        ("short_gops", "keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0", &[]),
        ("long_runs", "keyint=60:bframes=16:b-adapt=0:b-pyramid=normal", &[]),
        ("open_gop", "keyint=24:min-keyint=24:bframes=3:b-adapt=0:open-gop=1:scenecut=0", &[]),
        ("slices", "keyint=50:bframes=2:b-adapt=0:slices=3", &[]),
        ("intra", "keyint=1", &[]),
        ("fragments", "keyint=25:bframes=3:b-adapt=0", &["-movflags", "frag_keyframe+empty_moov"]),
        ("fast_start", "keyint=50:bframes=3", &["-movflags", "faststart"]),
        ("no_edits", "keyint=50:bframes=3:b-adapt=0", &["-use_editlist", "0"]),
    ] {
        let media = file::open(&ramp(dir.path(), &format!("{name}.mp4"), 300, x264, more)).unwrap();
        assert!(media.audio.is_none(), "{name}");
        let pictures = media.pictures.as_ref().unwrap();
        assert_eq!(pictures.count(), 300, "{name}");
        let frames = frames(&media, None);
        assert_eq!(frames.len(), 300, "{name}");
        let start = frames[0].time().as_nanos();
        assert!(start == 0 || name == "no_edits" || name == "fragments", "{name} starts at {start} ns");
        for (n, frame) in (0..).zip(&frames) {
            assert_eq!(frame.time().as_nanos() - start, u64::from(n) * 40_000_000, "{name}, picture {n}");
            assert_eq!(number(frame), n % 100, "{name}, picture {n}");
            assert_eq!((frame.width(), frame.height()), (64, 48), "{name}");
        }
        assert_eq!(pictures.span().start().as_nanos(), start, "{name}");
        assert_eq!(pictures.span().duration_s(), 12.0, "{name}");
        assert!(!pictures.is_still());
    }
}

#[test]
fn a_part_of_a_film_is_the_same_as_that_part_of_the_whole() {
    let dir = folder();
    for (name, x264) in [
        ("short_gops", "keyint=12:min-keyint=12:bframes=3:b-adapt=0:scenecut=0"),
        ("open_gop", "keyint=24:min-keyint=24:bframes=3:b-adapt=0:open-gop=1:scenecut=0"),
        ("long_gop", "keyint=250:bframes=3:b-adapt=0"),
    ] {
        let media = file::open(&ramp(dir.path(), &format!("{name}.mp4"), 100, x264, &[])).unwrap();
        let whole = frames(&media, None);
        for (start_ms, end_ms) in [(0, 40), (0, 4000), (470, 530), (480, 520), (1900, 2500), (3999, 9000), (50, 70)] {
            let at = |ms: u64| Timestamp::from_nanos(ms * 1_000_000);
            let span = Span::new(at(start_ms), at(end_ms)).unwrap();
            let expected: Vec<_> = whole.iter().filter(|frame| span.contains(frame.time())).cloned().collect();
            assert_eq!(frames(&media, Some(span)), expected, "{name}, {start_ms} to {end_ms} ms");
        }
        let nothing = Span::new(Timestamp::from_nanos(7_000_000_000), Timestamp::MAX).unwrap();
        assert!(frames(&media, Some(nothing)).is_empty());
    }
}

/// The colours are those that ffmpeg itself gives for the same film.
#[test]
fn colours_agree_with_a_second_decoder() {
    let dir = folder();
    let path = dir.path().join("colours.mp4");
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        "testsrc2=s=322x240:r=30:d=2",
        "-c:v",
        "libx264",
        "-profile:v",
        "high",
        "-bf",
        "3",
        "-pix_fmt",
        "yuv420p",
        text(&path),
    ]);
    let raw = Command::new("ffmpeg")
        .args(["-loglevel", "error", "-nostdin", "-i", text(&path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"])
        .output()
        .expect("ffmpeg is there, it made the film");
    let size = 322 * 240 * 3;
    let frames = frames(&file::open(&path).unwrap(), None);
    assert_eq!((frames.len(), raw.stdout.len()), (60, 60 * size));
    for (frame, truth) in frames.iter().zip(raw.stdout.chunks_exact(size)) {
        let off = |a: &u8, b: &u8| f64::from(a.abs_diff(*b));
        let mean = frame.data().iter().zip(truth).map(|(a, b)| off(a, b)).sum::<f64>() / size as f64;
        assert!(mean < 1.5, "{:?}: colours are off by {mean} on average", frame.time());
    }
}

#[test]
fn sound_and_pictures_share_a_clock() {
    let dir = folder();
    let path = dir.path().join("both.mp4");
    // A flash and a beep from 1.0 s to 1.2 s.
    let beep = "aevalsrc='if(between(t,1,1.2),0.8*sin(2*PI*1000*t),0)':s=48000:d=2,aformat=channel_layouts=stereo";
    let flash = "nullsrc=s=64x64:r=50:d=2,geq=lum='if(between(N,50,59),235,16)':cb=128:cr=128,format=yuv420p";
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        flash,
        "-f",
        "lavfi",
        "-i",
        beep,
        "-c:v",
        "libx264",
        "-bf",
        "3",
        "-c:a",
        "aac",
        "-b:a",
        "160k",
        text(&path),
    ]);
    let media = file::open(&path).unwrap();
    assert!(media.notes.is_empty(), "{:?}", media.notes);
    let audio = media.audio.as_ref().unwrap();
    assert_eq!((audio.samples().len(), audio.rate().hz()), (96_000, 48_000));
    let loud = |range: std::ops::Range<usize>| audio.samples()[range].iter().fold(0.0_f32, |p, s| p.max(s.abs()));
    assert!(loud(0..47_000) < 0.05 && loud(48_100..57_500) > 0.5 && loud(58_600..96_000) < 0.05);
    for frame in frames(&media, None) {
        let bright = frame.luma().iter().all(|v| *v > 128);
        let beeping = Span::new(Timestamp::from_nanos(1_000_000_000), Timestamp::from_nanos(1_200_000_000)).unwrap();
        assert_eq!(bright, beeping.contains(frame.time()), "at {} s", frame.time().as_secs_f64());
    }
}

/// A track may begin later than the film: pictures keep their times, silence fills in for sound.
#[test]
fn a_late_track_is_late() {
    let dir = folder();
    let film = ramp(dir.path(), "film.mp4", 50, "keyint=25:bframes=2", &[]);
    let tone = dir.path().join("tone.m4a");
    ffmpeg(&["-f", "lavfi", "-i", "sine=440:r=16000:d=1", "-c:a", "aac", text(&tone)]);
    let late_sound = dir.path().join("late_sound.mp4");
    ffmpeg(&["-i", text(&film), "-itsoffset", "0.5", "-i", text(&tone), "-c", "copy", text(&late_sound)]);
    let media = file::open(&late_sound).unwrap();
    let audio = media.audio.unwrap();
    let begins = audio.samples().iter().position(|s| s.abs() > 0.01).unwrap() as f64 / 16_000.0;
    assert!((begins - 0.5).abs() < 0.01, "sound begins at {begins} s");
    assert!((audio.duration_s() - 1.5).abs() < 0.01, "{}", audio.duration_s());
    assert_eq!(media.notes.len(), 1);

    let late_film = dir.path().join("late_film.mp4");
    ffmpeg(&["-i", text(&tone), "-itsoffset", "0.4", "-i", text(&film), "-c", "copy", text(&late_film)]);
    let media = file::open(&late_film).unwrap();
    assert_eq!(frames(&media, None)[0].time().as_nanos(), 400_000_000);
    assert_eq!(media.audio.unwrap().duration_s(), 1.0);
}

/// Phones change the time between pictures with the light.
#[test]
fn times_follow_the_table_where_the_pace_varies() {
    let dir = folder();
    let path = dir.path().join("varying.mp4");
    let luma = "geq=lum='16+2*mod(N,100)':cb=128:cr=128,format=yuv420p";
    let source = format!("nullsrc=s=64x48:r=25:d=4,{luma},select='mod(n,3)*gte(n,5)'");
    let x264 = "bframes=3:b-adapt=0:threads=1";
    ffmpeg(&[
        "-f",
        "lavfi",
        "-i",
        &source,
        "-f",
        "lavfi",
        "-i",
        "sine=440:r=16000:d=4",
        "-vsync",
        "vfr",
        "-c:v",
        "libx264",
        "-crf",
        "10",
        "-x264-params",
        x264,
        "-c:a",
        "aac",
        text(&path),
    ]);
    let media = file::open(&path).unwrap();
    assert_eq!(media.audio.as_ref().unwrap().duration_s(), 4.0);
    let kept: Vec<u32> = (5..100).filter(|n| n % 3 != 0).collect();
    let found: Vec<_> = frames(&media, None).iter().map(|f| (number(f), f.time().as_nanos())).collect();
    // ffmpeg starts the film with the first picture that is kept.
    let expected: Vec<_> = kept.iter().map(|n| (*n, u64::from(n - 5) * 40_000_000)).collect();
    assert_eq!(found, expected);
}

/// Cutting without encoding keeps pictures before the cut in the file; the edit list hides them.
#[test]
fn pictures_that_the_edit_list_hides_are_not_shown() {
    let dir = folder();
    let x264 = "keyint=20:min-keyint=20:bframes=3:b-adapt=0:scenecut=0";
    let film = ramp(dir.path(), "film.mp4", 100, x264, &[]);
    let cut = dir.path().join("cut.mp4");
    ffmpeg(&["-ss", "1.32", "-i", text(&film), "-c", "copy", text(&cut)]);
    let media = file::open(&cut).unwrap();
    let frames = frames(&media, None);
    assert_eq!(frames.len(), media.pictures.as_ref().unwrap().count());
    for (n, frame) in (33..).zip(&frames) {
        assert_eq!((number(frame), frame.time().as_nanos()), (n, u64::from(n - 33) * 40_000_000));
    }
    assert_eq!(frames.len(), 67);
}

/// A film that tells its range and its matrix looks as a second decoder shows it.
#[test]
fn ranges_and_matrices_that_a_stream_tells_are_honoured() {
    let dir = folder();
    let source = "testsrc2=s=320x240:r=10:d=0.5";
    for (name, options) in [
        ("full", &["-vf", "scale=out_range=pc:out_color_matrix=bt601", "-color_range", "pc"][..]),
        ("matrix", &["-vf", "scale=out_color_matrix=bt709", "-colorspace", "bt709"]),
        ("both", &["-vf", "scale=out_range=pc:out_color_matrix=bt709", "-color_range", "pc", "-colorspace", "bt709"]),
    ] {
        let path = dir.path().join(format!("{name}.mp4"));
        let codec = ["-c:v", "libx264", "-crf", "12", "-pix_fmt", "yuv420p"];
        ffmpeg(&[&["-f", "lavfi", "-i", source][..], options, &codec, &[text(&path)]].concat());
        let raw = Command::new("ffmpeg")
            .args(["-loglevel", "error", "-nostdin", "-i", text(&path)])
            .args([
                "-vf",
                "scale=sws_flags=neighbor+accurate_rnd+bitexact+full_chroma_int",
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb24",
                "-",
            ])
            .output()
            .expect("ffmpeg is there, it made the film");
        let size = 320 * 240 * 3;
        // With and without the container's own word: the stream's is enough.
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(4).position(|bytes| bytes == b"colr") {
            bytes[at..at + 4].copy_from_slice(b"free");
            std::fs::write(&path, bytes).unwrap();
        }
        let frames = frames(&file::open(&path).unwrap(), None);
        assert_eq!((frames.len(), raw.stdout.len()), (5, 5 * size), "{name}");
        for (frame, truth) in frames.iter().zip(raw.stdout.chunks_exact(size)) {
            let off: f64 = frame.data().iter().zip(truth).map(|(a, b)| f64::from(a.abs_diff(*b))).sum();
            assert!(off / (size as f64) < 1.0, "{name}: colours are off by {} on average", off / size as f64);
        }
    }
}

#[test]
fn pixels_that_are_no_squares_are_stretched() {
    let dir = folder();
    for (ratio, size) in [("16/11", (256, 144)), ("1/2", (176, 288)), ("1/1", (176, 144))] {
        let path = dir.path().join("stretched.mp4");
        let filter = format!("setsar={ratio}");
        let codec = ["-c:v", "libx264", "-pix_fmt", "yuv420p", "-vf", &filter];
        ffmpeg(&[&["-f", "lavfi", "-i", "testsrc2=s=176x144:r=10:d=0.2"][..], &codec, &[text(&path)]].concat());
        let mut bytes = std::fs::read(&path).unwrap();
        for told_by_stream in [false, true] {
            if told_by_stream && let Some(at) = bytes.windows(4).position(|bytes| bytes == b"pasp") {
                bytes[at..at + 4].copy_from_slice(b"free");
                std::fs::write(&path, &bytes).unwrap();
            }
            let frame = frames(&file::open(&path).unwrap(), None).swap_remove(0);
            assert_eq!((frame.width(), frame.height()), size, "{ratio}, stream {told_by_stream}");
        }
    }
}

/// Browsers keep the parameter sets in the stream, and some programs a whole configuration record in front of key pictures.
#[test]
fn parameter_sets_in_the_stream_are_enough() {
    let dir = folder();
    let fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    for (x264, record) in
        [("keyint=20:bframes=2:repeat-headers=1", &[][..]), ("keyint=20:bframes=2", &["-bsf:v", "dump_extra"])]
    {
        let path = ramp(dir.path(), "film.mp4", 60, x264, &[record, &fragments].concat());
        let mut bytes = std::fs::read(&path).unwrap();
        let stsd = bytes.windows(4).position(|bytes| bytes == b"stsd").unwrap();
        let entry = stsd + bytes[stsd..].windows(4).position(|bytes| bytes == b"avc1").unwrap();
        bytes[entry..entry + 4].copy_from_slice(b"avc3");
        let sets = bytes.windows(4).position(|bytes| bytes == b"avcC").unwrap() + 9;
        assert_eq!(bytes[sets], 0xe1);
        bytes[sets..sets + 2].copy_from_slice(&[0xe0, 0]);
        std::fs::write(&path, bytes).unwrap();
        let media = file::open(&path).unwrap();
        let whole = frames(&media, None);
        assert_eq!(whole.iter().map(number).collect::<Vec<_>>(), (0..60).collect::<Vec<_>>());
        let at = |ms: u64| whole[0].time().saturating_add(std::time::Duration::from_millis(ms));
        let late = Span::new(at(1000), at(1200)).unwrap();
        assert_eq!(frames(&media, Some(late)).iter().map(number).collect::<Vec<_>>(), (25..30).collect::<Vec<_>>());
    }
}

/// Pieces of a broadcast keep its clock: sound and pictures begin together, at zero.
#[test]
fn a_piece_of_a_broadcast_begins_at_zero() {
    let dir = folder();
    let path = dir.path().join("piece.mp4");
    let inputs = ["-f", "lavfi", "-i", "testsrc2=s=64x48:r=25:d=2", "-f", "lavfi", "-i", "sine=440:r=16000:d=2"];
    let codec = ["-c:v", "libx264", "-bf", "0", "-pix_fmt", "yuv420p", "-c:a", "aac"];
    let fragments = ["-movflags", "frag_keyframe+empty_moov+default_base_moof"];
    ffmpeg(&[&inputs[..], &codec, &fragments, &[text(&path)]].concat());
    let whole = file::open(&path).unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let places = |kind: &[u8; 4]| (0..bytes.len() - 4).filter(|at| bytes[*at..at + 4] == *kind).collect::<Vec<_>>();
    let (clocks, times) = (places(b"mdhd"), places(b"tfdt"));
    assert_eq!((clocks.len(), times.len()), (2, 2));
    for (clock, time) in clocks.into_iter().zip(times) {
        // Ticks a second behind version, flags and two dates; the time behind version and flags, in eight bytes.
        let ticks = u32::from_be_bytes(bytes[clock + 16..clock + 20].try_into().unwrap());
        let late = u64::from_be_bytes(bytes[time + 8..time + 16].try_into().unwrap()) + 5000 * u64::from(ticks);
        bytes[time + 8..time + 16].copy_from_slice(&late.to_be_bytes());
    }
    std::fs::write(&path, bytes).unwrap();
    let media = file::open(&path).unwrap();
    assert_eq!(media.audio.as_ref().unwrap().samples(), whole.audio.as_ref().unwrap().samples());
    assert_eq!(frames(&media, None), frames(&whole, None));
    assert!(media.notes.iter().any(|note| note.contains("clock begins at 5000")), "{:?}", media.notes);
}

#[test]
fn films_longer_than_is_accepted_are_refused() {
    let dir = folder();
    let path = dir.path().join("slow.mp4");
    let source = "testsrc2=s=64x48:r=1/3600:d=18000";
    ffmpeg(&["-f", "lavfi", "-i", source, "-c:v", "libx264", "-pix_fmt", "yuv420p", text(&path)]);
    let error = file::open(&path).unwrap_err();
    assert!(matches!(error, CaptureError::TooLong { limit_s: 14_400.0, .. }), "{error}");
}

/// ISO/IEC 14496-15 forbids lengths of three bytes.
#[test]
fn only_lengths_that_the_format_knows_are_accepted() {
    let dir = folder();
    let path = ramp(dir.path(), "film.mp4", 5, "keyint=5", &[]);
    let mut bytes = std::fs::read(&path).unwrap();
    // Behind the type: version, profile, compatibility, level, six set bits and the length less one.
    let at = bytes.windows(4).position(|w| w == b"avcC").unwrap() + 8;
    assert_eq!(bytes[at], 0xff);
    for (length, known) in [(1, true), (2, true), (3, false), (4, true)] {
        bytes[at] = 0xfc | (length - 1);
        std::fs::write(&path, &bytes).unwrap();
        match file::open(&path) {
            Ok(_) => assert!(known, "{length}"),
            Err(CaptureError::Malformed { reason, .. }) => assert!(!known && reason.contains("3 bytes"), "{reason}"),
            Err(error) => panic!("{error}"),
        }
    }
}
