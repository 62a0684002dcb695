//! Valence over the last utterances.

use mien_runtime::live::view::ScoreView;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Axis, Block, Chart, Dataset, GraphType};

use super::draw::Scene;
use super::figures::count;

/// The scale's ends; a score beyond them is drawn at the edge.
const EDGE: f32 = 3.0;
/// Utterances that the chart is wide at least, so that the first ones do not jump.
const FEWEST: f64 = 9.0;
/// A first score: one character, so that it differs from a revised one without colours, too.
const FIRST: Color = Color::Yellow;
const REVISED: Color = Color::Cyan;

/// Draws first scores as dots and revised ones as a line.
pub(super) fn draw(frame: &mut Frame, area: Rect, scene: &Scene) {
    let scores = &scene.view.scores;
    let oldest = scores.iter().map(|s| s.utterance).min().unwrap_or(0);
    let newest = scores.iter().map(|s| s.utterance).max().unwrap_or(0);
    let first = points(scores, oldest, |revision| revision == 1);
    let revised = points(scores, oldest, |revision| revision > 1);
    let end = ((newest - oldest) as f64).max(FEWEST);
    let zero = [(-0.5, 0.0), (end + 0.5, 0.0)];

    let set = |points, color| Dataset::default().data(points).style(Style::new().fg(color));
    let sets = vec![
        set(&zero, Color::DarkGray).graph_type(GraphType::Line).marker(Marker::Custom('─')),
        set(&revised, REVISED).graph_type(GraphType::Line).marker(scene.marker),
        set(&first, FIRST).graph_type(GraphType::Scatter).marker(Marker::Dot),
    ];
    let title = Line::from_iter([
        Span::raw("valence  "),
        Span::styled("• first", Style::new().fg(FIRST)),
        Span::styled("  ─ revised", Style::new().fg(REVISED)),
    ]);
    let numbers =
        if scores.is_empty() { Vec::new() } else { vec![count(oldest), count(oldest.saturating_add(end as u64))] };
    let chart = Chart::new(sets)
        .block(Block::bordered().title(title))
        .legend_position(None)
        .x_axis(Axis::default().bounds([-0.5, end + 0.5]).labels(numbers))
        .y_axis(Axis::default().bounds([f64::from(-EDGE), f64::from(EDGE)]).labels(["-3", "0", "+3"]));
    frame.render_widget(chart, area);
}

/// Utterances from the oldest on, and their scores.
fn points(scores: &[ScoreView], oldest: u64, wanted: impl Fn(u8) -> bool) -> Vec<(f64, f64)> {
    let shown = scores.iter().filter(|s| wanted(s.revision) && s.valence.is_finite());
    shown.map(|s| ((s.utterance - oldest) as f64, f64::from(s.valence.clamp(-EDGE, EDGE)))).collect()
}
