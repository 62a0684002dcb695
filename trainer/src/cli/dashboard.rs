//! A run on a terminal: where it stands, the objective's terms, validation so far.

use std::io::{IsTerminal, Stderr, stderr};
use std::time::{Duration, Instant};

use mien_trainer::objective::TERMS;
use mien_trainer::train::{EpochDone, Report, StepDone};
use ratatui::backend::CrosstermBackend;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::Line;
use ratatui::widgets::{Block, Gauge, Paragraph, Sparkline};
use ratatui::{Frame, Terminal, TerminalOptions, Viewport};

/// Lines that the dashboard takes at the foot of the terminal.
const HEIGHT: u16 = 18;
/// Totals kept for the curve; more than any terminal is wide.
const CURVE: usize = 512;
/// A terminal is drawn to at most this often.
const PAUSE: Duration = Duration::from_millis(100);
/// Share of the old value in the smoothed time per step.
const SMOOTHING: f64 = 0.9;

/// The dashboard, or `None` where stderr is no terminal or cannot be drawn on.
pub(crate) fn dashboard() -> Option<Box<dyn Report>> {
    if !stderr().is_terminal() {
        return None;
    }
    let options = TerminalOptions { viewport: Viewport::Inline(HEIGHT) };
    let terminal = Terminal::with_options(CrosstermBackend::new(stderr()), options).ok()?;
    Some(Box::new(Dashboard { terminal, view: View::default(), drawn: None }))
}

struct Dashboard {
    terminal: Terminal<CrosstermBackend<Stderr>>,
    view: View,
    drawn: Option<Instant>,
}

impl Dashboard {
    fn draw(&mut self, now: bool) {
        if !now && self.drawn.is_some_and(|at| at.elapsed() < PAUSE) {
            return;
        }
        // A terminal that went away does not stop the training.
        let _ = self.terminal.draw(|frame| self.view.render(frame, frame.area()));
        self.drawn = Some(Instant::now());
    }
}

impl Report for Dashboard {
    fn began(&mut self, seed: u64, _step: u64) {
        self.view = View { seed, ..View::default() };
        self.draw(true);
    }

    fn step(&mut self, step: &StepDone) {
        self.view.step(step, Instant::now());
        self.draw(false);
    }

    fn epoch(&mut self, epoch: &EpochDone) {
        self.view.epochs.push(*epoch);
        self.draw(true);
    }
}

impl Drop for Dashboard {
    fn drop(&mut self) {
        self.draw(true);
        // The shell's prompt goes below.
        let below = self.terminal.get_frame().area().bottom();
        let _ = self.terminal.set_cursor_position((0, below));
        let _ = self.terminal.show_cursor();
        eprintln!();
    }
}

/// What is shown.
#[derive(Default)]
struct View {
    seed: u64,
    last: Option<StepDone>,
    at: Option<Instant>,
    seconds: Option<f64>,
    totals: Vec<u64>,
    epochs: Vec<EpochDone>,
}

impl View {
    fn step(&mut self, step: &StepDone, at: Instant) {
        if let Some(before) = self.at.replace(at) {
            let seconds = at.duration_since(before).as_secs_f64();
            self.seconds = Some(self.seconds.map_or(seconds, |old| SMOOTHING * old + (1.0 - SMOOTHING) * seconds));
        }
        // The curve's bars are whole numbers: thousandths.
        self.totals.push((step.terms[0] * 1000.0).max(0.0) as u64);
        if self.totals.len() > CURVE {
            self.totals.remove(0);
        }
        self.last = Some(*step);
    }

    fn render(&self, frame: &mut Frame<'_>, area: Rect) {
        let [head, epoch, whole, curve, terms, valid] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Min(4),
            Constraint::Length(3),
            Constraint::Length(7),
        ])
        .areas(area);
        let Some(step) = &self.last else {
            frame.render_widget(Line::from(format!("seed {}: the first step", self.seed)).bold(), head);
            return;
        };
        let total = (step.epochs * step.batches).max(1);
        let done = (step.epoch - 1) * step.batches + step.batch;
        let left =
            self.seconds.map_or(String::new(), |s| format!(", at most {} left", span(s * (total - done) as f64)));
        let pace = self.seconds.map_or(String::new(), |s| format!(" {s:.2} s/step{left}"));
        let title = format!("seed {}  step {}  rate {:.2e} {pace}", self.seed, step.step, step.rate);
        frame.render_widget(Line::from(title).bold(), head);
        let gauge = |done: usize, all: usize, what: String, colour| {
            let share = done as f64 / all.max(1) as f64;
            Gauge::default().ratio(share.clamp(0.0, 1.0)).label(what).gauge_style(Style::new().fg(colour))
        };
        let what = format!("epoch {} of {}: batch {} of {}", step.epoch, step.epochs, step.batch, step.batches);
        frame.render_widget(gauge(step.batch, step.batches, what, Color::Cyan), epoch);
        frame.render_widget(gauge(done, total, "the whole run".into(), Color::Blue), whole);
        let shown = self.totals.len().saturating_sub(usize::from(curve.width.saturating_sub(2)));
        let bars = self.totals.get(shown..).unwrap_or_default();
        let title = format!("total, now {:.4}", step.terms[0]);
        frame.render_widget(Sparkline::default().data(bars).block(Block::bordered().title(title)), curve);
        let parts = TERMS.iter().zip(step.terms).skip(1);
        let parts: Vec<String> = parts.map(|(name, value)| format!("{name} {value:.4}")).collect();
        frame.render_widget(Paragraph::new(parts.join("   ")).block(Block::bordered().title("terms")), terms);
        self.render_validation(frame, valid);
    }

    fn render_validation(&self, frame: &mut Frame<'_>, area: Rect) {
        let rows = usize::from(area.height.saturating_sub(2));
        let skipped = self.epochs.len().saturating_sub(rows);
        let line = |e: &EpochDone| {
            let text = format!(
                "epoch {:>3}   complete {:.4}   missing {:.4}   total {:.4}",
                e.epoch, e.valid.complete, e.valid.missing, e.means[0]
            );
            if e.best { Line::from(text + "   best so far").green() } else { Line::from(text) }
        };
        let lines: Vec<Line<'_>> = self.epochs.iter().skip(skipped).map(line).collect();
        let title = Block::bordered().title("mean absolute error on the validation split");
        frame.render_widget(Paragraph::new(lines).block(title), area);
    }
}

/// Seconds as a person says them.
fn span(seconds: f64) -> String {
    let seconds = seconds.max(0.0) as u64;
    match (seconds / 3600, seconds / 60 % 60, seconds % 60) {
        (0, 0, s) => format!("{s} s"),
        (0, m, s) => format!("{m} min {s} s"),
        (h, m, _) => format!("{h} h {m} min"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mien_trainer::train::Errors;
    use ratatui::backend::TestBackend;

    fn shown(view: &View, width: u16) -> String {
        let mut terminal = Terminal::new(TestBackend::new(width, HEIGHT)).unwrap();
        terminal.draw(|frame| view.render(frame, frame.area())).unwrap();
        terminal.backend().to_string()
    }

    #[test]
    fn what_a_run_tells_is_on_the_screen() {
        let mut view = View { seed: 42, ..View::default() };
        assert!(shown(&view, 100).contains("seed 42"));
        let begun = Instant::now();
        for batch in 1..=30 {
            let step = StepDone {
                seed: 42,
                epoch: 2,
                batch,
                batches: 60,
                epochs: 4,
                step: 60 + batch as u64,
                clips: 96,
                rate: 4e-5,
                terms: [2.5, 0.9, 1.1, 0.2, 0.3, 0.04, 5.25],
            };
            view.step(&step, begun + Duration::from_secs(2 * batch as u64));
        }
        let valid = Errors { complete: 0.5061, missing: 0.5502 };
        view.epochs.push(EpochDone { seed: 42, epoch: 1, epochs: 4, means: [3.0; 7], valid, best: true });
        let screen = shown(&view, 120);
        for text in ["epoch 2 of 4: batch 30 of 60", "2.00 s/step", "5 min 0 s left", "now 2.5000", "rnc 5.2500"] {
            assert!(screen.contains(text), "{text} in {screen}");
        }
        for text in ["complete 0.5061", "missing 0.5502", "best so far", "step 90", "4.00e-5"] {
            assert!(screen.contains(text), "{text} in {screen}");
        }
        // A narrow terminal cuts and does not panic.
        shown(&view, 3);
    }

    #[test]
    fn spans_read_naturally() {
        assert_eq!([5.4, 65.0, 7384.0].map(span), ["5 s", "1 min 5 s", "2 h 3 min"]);
    }
}
