//! Whole pictures, drawn into memory.

use std::collections::BTreeMap;

use mien_capture::Timestamp;
use mien_capture::device::DeviceState;
use mien_runtime::live::supervisor::DeviceStatus;
use mien_runtime::live::view::{LatencyView, LevelView, LiveView, PictureView, ScoreView};
use mien_runtime::record::BundleMark;
use mien_runtime::rung::Rung;
use mien_runtime::steering::is_steering;
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::Position;
use ratatui::style::Color;
use ratatui::symbols::Marker;

use super::draw::{Scene, draw};

fn empty() -> LiveView {
    LiveView {
        time_s: 0.0,
        muted: false,
        recording: None,
        bundle: BundleMark {
            name: "small".into(),
            digest: "0123456789abcdef".repeat(4),
            trained: true,
            statement: None,
        },
        rung: Rung::NoLlm,
        microphone: DeviceStatus::default(),
        camera: DeviceStatus::default(),
        level: LevelView { rms_dbfs: -120.0, peak_dbfs: -120.0, clipping: false, dead: false },
        speaking: false,
        picture: None,
        scores: Vec::new(),
        first_ms: LatencyView::default(),
        revised_ms: LatencyView::default(),
        dropped: BTreeMap::new(),
        queues: vec![("utterances", 0, 8)],
    }
}

fn score(utterance: u64, revision: u8, valence: f32) -> ScoreView {
    let mode = if revision == 1 { "voice + face" } else { "voice + face + simulated text" }.into();
    ScoreView {
        utterance,
        start_s: 10.0 * utterance as f64,
        end_s: 10.0 * utterance as f64 + 2.5,
        revision,
        valence,
        mode,
    }
}

fn full() -> LiveView {
    let status = |state, device: &str, reason: Option<&str>| DeviceStatus {
        state,
        device: device.into(),
        reason: reason.map(String::from),
        since: Timestamp::from_nanos(60_000_000_000),
        openings: 3,
        faults: 2,
        abandoned: 1,
        ..DeviceStatus::default()
    };
    LiveView {
        time_s: 125.0,
        microphone: status(DeviceState::Running, "alsa:desk", None),
        camera: status(DeviceState::Reopening, "v4l:door", Some("cable pulled")),
        level: LevelView { rms_dbfs: -30.0, peak_dbfs: -6.0, clipping: true, dead: false },
        speaking: true,
        picture: Some(PictureView {
            time: Timestamp::from_nanos(124_000_000_000),
            width: 640,
            height: 480,
            face: Some([160, 120, 320, 240]),
        }),
        scores: vec![score(5, 1, -2.0), score(5, 2, -1.0), score(6, 1, 2.5), score(6, 2, 0.83)],
        first_ms: LatencyView { p50: 480.0, p90: 620.0, p99: 700.0, count: 24 },
        revised_ms: LatencyView { p50: 2_100.0, p90: 3_300.0, p99: 4_000.0, count: 22 },
        dropped: BTreeMap::from([("pictures".into(), 7), ("samples".into(), 1_600)]),
        queues: vec![("utterances", 8, 8), ("output", 1, 32)],
        ..empty()
    }
}

/// A moment at which everything must be said at once.
fn loud() -> LiveView {
    let mut view = full();
    view.bundle.statement = Some("untrained formula weights: scores mean nothing".into());
    LiveView { muted: true, recording: Some("/var/lib/study".into()), ..view }
}

fn drawn(view: &LiveView, messages: &[&str], width: u16, height: u16) -> Buffer {
    let messages: Vec<String> = messages.iter().map(|m| (*m).to_owned()).collect();
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let scene = Scene { view, messages: &messages, marker: Marker::HalfBlock };
    terminal.draw(|frame| draw(frame, &scene)).unwrap();
    terminal.backend().buffer().clone()
}

fn row(buffer: &Buffer, y: u16) -> String {
    (0..buffer.area.width).map(|x| buffer[(x, y)].symbol()).collect()
}

fn text(buffer: &Buffer) -> String {
    (0..buffer.area.height).map(|y| row(buffer, y) + "\n").collect()
}

#[track_caller]
fn holds(buffer: &Buffer, words: &[&str]) {
    let text = text(buffer);
    for word in words {
        assert!(text.contains(word), "{word} is missing in\n{text}");
    }
}

/// The background behind `word`'s first character.
#[track_caller]
fn background(buffer: &Buffer, word: &str) -> Color {
    let find = |y| row(buffer, y).find(word).map(|at| (row(buffer, y)[..at].chars().count() as u16, y));
    let place = (0..buffer.area.height).find_map(find).unwrap_or_else(|| panic!("{word} is missing"));
    buffer[place].bg
}

fn places(buffer: &Buffer, wanted: impl Fn(&str, Color) -> bool) -> Vec<Position> {
    let cells = buffer.area.positions().filter(|p| wanted(buffer[*p].symbol(), buffer[*p].fg));
    cells.collect()
}

#[test]
fn a_session_that_has_seen_nothing_says_so() {
    let buffer = drawn(&empty(), &[], 80, 24);
    holds(
        &buffer,
        &[
            "microphone none",
            "camera     none",
            "no speech",
            "no face",
            "no score yet",
            "first none yet",
            "revised none yet",
            "lost nothing",
            "utterances 0/8",
            "bundle small (trained, sha256 0123456789ab)",
            "rung no-llm",
            "valence",
            "q stop",
            "m mute",
            "r load",
        ],
    );
    let text = text(&buffer);
    for word in ["MUTED", "RECORDING", "SPEAKING", "CLIPPING", "DEAD", "untrained", "no picture"] {
        assert!(!text.contains(word), "{word} in\n{text}");
    }
    // A camera that has shown nothing yet is another thing than none.
    let waiting = LiveView { camera: full().camera, ..empty() };
    holds(&drawn(&waiting, &[], 80, 24), &["no picture"]);
}

#[test]
fn a_full_view_shows_every_part() {
    let buffer = drawn(&full(), &[], 100, 40);
    holds(
        &buffer,
        &[
            "microphone running  alsa:desk  for 1 min 5 s  opened 3  faults 2  hanging 1",
            "camera     REOPENING  cable pulled  v4l:door",
            "-30 dB, peak -6 dB",
            "SPEAKING",
            "CLIPPING",
            "FACE",
            "+0.83 revised: voice + face + simulated text",
            "utterance 6, 2.5 s long, 1 min 2 s ago",
            "first p50 480 ms, p90 620 ms of 24",
            "revised p50 2100 ms, p90 3300 ms of 22",
            "lost pictures 7, samples 1600",
            "utterances 8/8",
            "output 1/32",
            "640x480, 1 s ago",
            "face 320x240",
            "up 2 min 5 s",
        ],
    );
    assert_eq!(background(&buffer, "REOPENING"), Color::Red);
    assert_eq!(background(&buffer, "CLIPPING"), Color::Red);
    assert_eq!(background(&buffer, "utterances 8/8"), Color::Red);
    assert_ne!(background(&buffer, "output 1/32"), Color::Red);
    let dead = LiveView { level: LevelView { dead: true, ..empty().level }, ..full() };
    assert_eq!(background(&drawn(&dead, &[], 100, 40), "DEAD"), Color::Red);
}

#[test]
fn muted_recording_and_untrained_are_loud_in_every_size() {
    for (width, height) in [(40, 12), (80, 24), (160, 50), (60, 3)] {
        let buffer = drawn(&loud(), &["a message"], width, height);
        assert_eq!(background(&buffer, "MUTED"), Color::Red, "{width}x{height}");
        assert_eq!(background(&buffer, "RECORDING"), Color::Magenta, "{width}x{height}");
        assert_eq!(background(&buffer, "untrained formula weights"), Color::Yellow, "{width}x{height}");
    }
    holds(&drawn(&loud(), &[], 80, 24), &["RECORDING into /var/lib/study", "scores mean nothing"]);
}

#[test]
fn a_small_terminal_keeps_what_matters() {
    let buffer = drawn(&loud(), &[], 40, 12);
    let words =
        ["running", "REOPENING  cable pulled", "SPEAKING", "FACE", "CLIPPING", "-30 dB", "+0.83 revised: voice"];
    holds(&buffer, &words);
    holds(&buffer, &["first 480 ms/620 ms", "lost pictures 7", "utterances 8/8", "q stop"]);
    // What does not fit ends in an ellipsis.
    holds(&buffer, &["…"]);
}

#[test]
fn the_face_is_drawn_where_it_is() {
    let buffer = drawn(&full(), &[], 160, 50);
    let green = places(&buffer, |symbol, color| color == Color::Green && ["▀", "▄", "█"].contains(&symbol));
    // The meter is green only below -12 dB, and the view's peak is above.
    let (left, right) = (green.iter().map(|p| p.x).min().unwrap(), green.iter().map(|p| p.x).max().unwrap());
    let (top, bottom) = (green.iter().map(|p| p.y).min().unwrap(), green.iter().map(|p| p.y).max().unwrap());
    // The frame around the picture, by its corners.
    let corners = |corner: &str| places(&buffer, |symbol, _| symbol == corner);
    let (begin, end) = (corners("┌")[0], corners("┘")[0]);
    let share = |at: u16, from: u16, to: u16| (f64::from(at) + 0.5 - f64::from(from + 1)) / f64::from(to - from - 1);
    // The face takes the middle half of the picture in both directions.
    for (at, from, to, expected) in [
        (left, begin.x, end.x, 0.25),
        (right, begin.x, end.x, 0.75),
        (top, begin.y, end.y, 0.25),
        (bottom, begin.y, end.y, 0.75),
    ] {
        let share = share(at, from, to);
        assert!((share - expected).abs() < 0.06, "{share} instead of {expected}");
    }
    // The picture keeps its proportions: characters are twice as high as wide.
    let aspect = f64::from(end.x - begin.x - 1) / (2.0 * f64::from(end.y - begin.y - 1));
    assert!((aspect - 4.0 / 3.0).abs() < 0.1, "{aspect}");
}

#[test]
fn the_trace_shows_first_and_revised_scores() {
    let buffer = drawn(&full(), &[], 160, 50);
    let title = places(&buffer, |symbol, _| symbol == "─").first().map(|p| p.y).unwrap();
    let mut dots = places(&buffer, |symbol, _| symbol == "•");
    dots.retain(|p| p.y > title);
    assert_eq!(dots.len(), 2, "{dots:?}");
    dots.sort_by_key(|p| p.x);
    // Utterance 5 had -2, utterance 6 had +2.5: further right and higher up.
    assert!(dots[1].y < dots[0].y);
    let line = places(&buffer, |symbol, color| color == Color::Cyan && ["▀", "▄", "█"].contains(&symbol));
    assert!(!line.is_empty());
    // Revised scores lie between the first ones here.
    assert!(line.iter().all(|p| (dots[1].y..=dots[0].y).contains(&p.y)));
    let axis = text(&buffer);
    assert!(axis.contains("+3") && axis.contains("-3"));
}

#[test]
fn the_meter_follows_the_level() {
    let filled = |rms_dbfs| {
        let level = LevelView { rms_dbfs, peak_dbfs: 0.0, clipping: false, dead: false };
        let buffer = drawn(&LiveView { level, ..empty() }, &[], 120, 12);
        let full = places(&buffer, |symbol, _| symbol == "█").len();
        (full, full + places(&buffer, |symbol, _| symbol == "░" || symbol == "│").len())
    };
    let (half, all) = filled(-30.0);
    assert_eq!(half, all / 2);
    assert_eq!(filled(-120.0).0, 0);
    // The peak's stroke stands on the last column.
    assert_eq!(filled(0.0).0, all - 1);
}

#[test]
fn messages_stand_above_the_keys_newest_last() {
    let buffer = drawn(&empty(), &["first message", "second message"], 80, 30);
    let rows: Vec<String> = (0..30).map(|y| row(&buffer, y)).collect();
    assert!(rows[29].starts_with("q stop"));
    assert!(rows[28].starts_with("second message"));
    assert!(rows[27].starts_with("first message"));
}

#[test]
fn nothing_from_outside_steers_the_terminal() {
    let bad = "\u{1b}[2J\u{202e}txt\u{7}\u{2066}\u{9b}31m\r\n\tZ";
    let mut view = loud();
    view.recording = Some(format!("/tmp/{bad}").into());
    view.bundle = BundleMark { name: bad.into(), digest: bad.into(), trained: false, statement: Some(bad.into()) };
    for device in [&mut view.microphone, &mut view.camera] {
        device.device = bad.into();
        device.reason = Some(bad.into());
    }
    for score in &mut view.scores {
        score.mode = bad.into();
    }
    view.dropped = BTreeMap::from([(bad.into(), 1)]);
    for (width, height) in [(40, 12), (80, 24), (160, 50)] {
        let buffer = drawn(&view, &[bad], width, height);
        for place in buffer.area.positions() {
            let symbol = buffer[place].symbol();
            assert!(!symbol.chars().any(is_steering), "{symbol:?} at {place:?}");
        }
        holds(&buffer, &["REOPENING", "txt"]);
    }
}

#[test]
fn extreme_values_and_sizes_are_drawn() {
    let status = |state| DeviceStatus {
        state,
        device: "x".repeat(2_000),
        reason: Some("y ".repeat(2_000)),
        since: Timestamp::MAX,
        openings: u64::MAX,
        faults: u64::MAX,
        abandoned: usize::MAX,
        ..DeviceStatus::default()
    };
    let latency = LatencyView { p50: f64::MAX, p90: f64::MAX, p99: f64::MAX, count: usize::MAX };
    let extreme = |utterance, valence| ScoreView { end_s: f64::MAX, start_s: f64::MIN, ..score(utterance, 1, valence) };
    let view = LiveView {
        time_s: f64::MAX,
        microphone: status(DeviceState::Stalled),
        camera: status(DeviceState::Opening),
        level: LevelView { rms_dbfs: f32::MAX, peak_dbfs: f32::MIN, clipping: true, dead: true },
        picture: Some(PictureView {
            time: Timestamp::MAX,
            width: u32::MAX,
            height: 0,
            face: Some([i64::MIN, i64::MAX, i64::MAX, i64::MIN]),
        }),
        scores: vec![extreme(u64::MAX, f32::MIN), extreme(0, f32::MAX)],
        first_ms: latency,
        revised_ms: latency,
        dropped: BTreeMap::from([("samples".into(), u64::MAX)]),
        queues: vec![("utterances", usize::MAX, 0)],
        ..loud()
    };
    for width in (1..70).chain([100, 160, 300]) {
        for height in (1..30).chain([60]) {
            drawn(&view, &["a message"], width, height);
        }
    }
    holds(&drawn(&view, &[], 160, 50), &["STALLED", "+3.4e38", "samples 1.8e19", "SPEAKING"]);
}
