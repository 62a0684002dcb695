//! The parts that are lines of text.

use mien_capture::device::DeviceState;
use mien_runtime::live::supervisor::DeviceStatus;
use mien_runtime::live::view::{LatencyView, LevelView, LiveView};
use ratatui::Frame;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use super::figures::{count, decibels, latency, span, valence};
use super::rows::Rows;

/// Columns from which the level and its marks go into one row.
const ONE_ROW: u16 = 90;
/// Columns from which figures have their full names.
const WORDS: u16 = 60;
/// The level at the left end of the meter, dB below full scale.
const QUIETEST: f32 = -60.0;
/// Digits of a bundle's digest that tell it from others.
const DIGITS: usize = 12;

fn loud(background: Color) -> Style {
    let text = if background == Color::Red { Color::White } else { Color::Black };
    Style::new().fg(text).bg(background).add_modifier(Modifier::BOLD)
}

fn dim() -> Style {
    Style::new().fg(Color::DarkGray)
}

/// What nobody may overlook: muted, recording, what the bundle says of itself.
pub(super) fn banners(frame: &mut Frame, rows: &mut Rows, view: &LiveView) {
    let long = rows.roomy() || view.recording.is_none();
    let muted = if long { " MUTED: the devices are closed " } else { " MUTED " };
    let muted = view.muted.then(|| (muted.to_owned(), loud(Color::Red)));
    let recording =
        view.recording.as_ref().map(|to| (format!(" RECORDING into {} ", to.display()), loud(Color::Magenta)));
    let banners: Vec<_> = [muted, recording].into_iter().flatten().collect();
    if rows.roomy() {
        for (text, style) in banners {
            rows.line(frame, Line::styled(text, style), 2);
        }
    } else if !banners.is_empty() {
        rows.line(frame, Line::from_iter(banners.into_iter().map(|(text, style)| Span::styled(text, style))), 1);
    }
    if let Some(statement) = &view.bundle.statement {
        rows.line(frame, Line::styled(format!(" {statement} "), loud(Color::Yellow)), 2);
    }
}

/// Name and digest of the bundle, which of its networks are loaded, and how long the session runs.
pub(super) fn head(frame: &mut Frame, rows: &mut Rows, view: &LiveView) {
    let bundle = &view.bundle;
    let digest: String = bundle.digest.chars().take(DIGITS).collect();
    let trained = if bundle.trained { "trained" } else { "untrained" };
    let (rung, up) = (view.rung, span(view.time_s));
    let text = format!("bundle {} ({trained}, sha256 {digest})   rung {rung}   up {up}", bundle.name);
    rows.line(frame, Line::styled(text, dim()), 1);
}

/// Where both devices stand, and why.
pub(super) fn devices(frame: &mut Frame, rows: &mut Rows, view: &LiveView) {
    for (name, device) in [("microphone", &view.microphone), ("camera", &view.camera)] {
        rows.line(frame, device_line(name, device, view.time_s), 3);
    }
}

fn device_line<'a>(name: &'a str, device: &'a DeviceStatus, now_s: f64) -> Line<'a> {
    let mut spans = vec![Span::raw(format!("{name:<11}"))];
    if device.device.is_empty() {
        spans.push(Span::styled("none", dim()));
        return Line::from(spans);
    }
    let (state, style) = match device.state {
        DeviceState::Closed => ("closed", dim()),
        DeviceState::Opening => ("opening", Style::new().fg(Color::Yellow)),
        DeviceState::Running => ("running", Style::new().fg(Color::Green)),
        DeviceState::Stalled => ("STALLED", loud(Color::Yellow)),
        DeviceState::Reopening => ("REOPENING", loud(Color::Red)),
    };
    spans.push(Span::styled(state, style));
    spans.extend(device.reason.as_ref().map(|reason| Span::raw(format!("  {reason}"))));
    spans.push(Span::raw(format!("  {}", device.device)));
    let mut rest = format!("  for {}  opened {}", span(now_s - device.since.as_secs_f64()), count(device.openings));
    if device.faults > 0 {
        rest.push_str(&format!("  faults {}", count(device.faults)));
    }
    if device.abandoned > 0 {
        rest.push_str(&format!("  hanging {}", count(device.abandoned as u64)));
    }
    spans.push(Span::styled(rest, dim()));
    Line::from(spans)
}

/// The level meter, and whether somebody speaks and is seen.
pub(super) fn sound(frame: &mut Frame, rows: &mut Rows, view: &LiveView) {
    let mut marks = Vec::new();
    let mut mark = |on: bool, text: &'static str, style: Style| {
        if on {
            marks.extend([Span::raw(" "), Span::styled(text, style)]);
        }
    };
    mark(view.speaking, " SPEAKING ", loud(Color::Green));
    mark(!view.speaking, "no speech", dim());
    let face = view.picture.is_some_and(|picture| picture.face.is_some());
    mark(face, " FACE ", loud(Color::Green));
    mark(!face, "no face", dim());
    mark(view.level.clipping, " CLIPPING ", loud(Color::Red));
    mark(view.level.dead, " DEAD ", loud(Color::Red));

    let width = rows.width();
    let one_row = width >= ONE_ROW;
    let columns = if one_row { width / 3 } else { width.saturating_sub(26) };
    let mut line = meter(&view.level, columns.into());
    if one_row {
        line.extend(marks);
        rows.line(frame, Line::from(line), 1);
    } else {
        rows.line(frame, Line::from(line), 1);
        rows.line(frame, Line::from(marks), 1);
    }
}

/// A bar for the root mean square, a stroke for the peak, and both as numbers.
fn meter(level: &LevelView, columns: usize) -> Vec<Span<'static>> {
    let column = |db: f32| (((db - QUIETEST) / -QUIETEST).clamp(0.0, 1.0) * columns as f32) as usize;
    let filled = column(level.rms_dbfs);
    let peak = column(level.peak_dbfs).min(columns.saturating_sub(1));
    let bar: String = (0..columns)
        .map(|c| match c {
            _ if c == peak => '│',
            _ if c < filled => '█',
            _ => '░',
        })
        .collect();
    let color = match level.peak_dbfs {
        peak if peak > -3.0 => Color::Red,
        peak if peak > -12.0 => Color::Yellow,
        _ => Color::Green,
    };
    let figures = format!(" {} dB, peak {} dB", decibels(level.rms_dbfs), decibels(level.peak_dbfs));
    vec![Span::styled(bar, Style::new().fg(color)), Span::raw(figures)]
}

/// The last score, and what took part in it.
pub(super) fn score(frame: &mut Frame, rows: &mut Rows, view: &LiveView) {
    let Some(last) = view.scores.last() else {
        rows.line(frame, Line::styled("no score yet", dim()), 1);
        return;
    };
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let revision = if last.revision == 1 { "first" } else { "revised" };
    let when = format!(
        "  utterance {}, {:.1} s long, {} ago",
        count(last.utterance),
        (last.end_s - last.start_s).clamp(0.0, 1e6),
        span(view.time_s - last.end_s)
    );
    let spans = vec![
        Span::styled(valence(last.valence), bold),
        Span::raw(format!(" {revision}: {}", last.mode)),
        Span::styled(when, dim()),
    ];
    rows.line(frame, Line::from(spans), 2);
}

/// From the end of speech to scores: median and 90th percentile.
pub(super) fn latencies(frame: &mut Frame, rows: &mut Rows, view: &LiveView) {
    let words = rows.width() >= WORDS;
    let part = |name: &str, of: &LatencyView| match (of.count, words) {
        (0, _) => format!("{name} none yet"),
        (_, true) => format!("{name} p50 {}, p90 {} of {}", latency(of.p50), latency(of.p90), of.count),
        (_, false) => format!("{name} {}/{}", latency(of.p50), latency(of.p90)),
    };
    let title = if words { "latency  " } else { "" };
    let text = format!("{title}{}   {}", part("first", &view.first_ms), part("revised", &view.revised_ms));
    rows.line(frame, Line::raw(text), 2);
}

/// What was lost.
pub(super) fn losses(frame: &mut Frame, rows: &mut Rows, view: &LiveView) {
    if view.dropped.is_empty() {
        rows.line(frame, Line::styled("lost nothing", dim()), 1);
        return;
    }
    let parts: Vec<String> = view.dropped.iter().map(|(stage, n)| format!("{stage} {}", count(*n))).collect();
    rows.line(frame, Line::styled(format!("lost {}", parts.join(", ")), Style::new().fg(Color::Yellow)), 2);
}

/// How full the queues are.
pub(super) fn queues(frame: &mut Frame, rows: &mut Rows, view: &LiveView) {
    let mut spans = vec![Span::styled("queues", dim())];
    for (name, entries, capacity) in &view.queues {
        let style = match entries {
            n if n >= capacity => loud(Color::Red),
            n if *n >= capacity.div_ceil(2) => Style::new().fg(Color::Yellow),
            _ => dim(),
        };
        spans.push(Span::styled(format!("  {name} {entries}/{capacity}"), style));
    }
    rows.line(frame, Line::from(spans), 2);
}
