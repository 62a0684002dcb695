//! Sharing out the rows of a terminal.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

/// From this height on a text may take several rows, and every banner has its own.
const ROOMY: u16 = 20;

/// The rows that nothing was drawn to yet. What is taken first is the last to fall away in a small terminal.
pub(super) struct Rows {
    left: Rect,
    roomy: bool,
}

impl Rows {
    /// All rows of `area`.
    pub(super) fn new(area: Rect) -> Self {
        Self { left: area, roomy: area.height >= ROOMY }
    }

    /// Whether there is room for more than the most needed.
    pub(super) fn roomy(&self) -> bool {
        self.roomy
    }

    /// The columns.
    pub(super) fn width(&self) -> u16 {
        self.left.width
    }

    /// The rows that are left.
    pub(super) fn rest(&self) -> Rect {
        self.left
    }

    /// The next rows from the top, as many as there are.
    pub(super) fn top(&mut self, height: u16) -> Rect {
        let height = height.min(self.left.height);
        let area = Rect { height, ..self.left };
        self.left.y += height;
        self.left.height -= height;
        area
    }

    /// The next rows from the bottom, as many as there are.
    pub(super) fn bottom(&mut self, height: u16) -> Rect {
        let height = height.min(self.left.height);
        self.left.height -= height;
        Rect { y: self.left.y + self.left.height, height, ..self.left }
    }

    /// Draws a text into the next row, or into up to `most` rows where there is room. The line's style fills its rows.
    pub(super) fn line(&mut self, frame: &mut Frame, line: Line, most: u16) {
        let width = usize::from(self.left.width.max(1));
        let most = if self.roomy { most } else { 1 };
        let wanted = line.width().div_ceil(width).clamp(1, most.into());
        let area = self.top(wanted as u16);
        put(frame, area, line);
    }
}

/// Draws a text into `area`, by words if it has several rows; an ellipsis stands for what does not fit.
pub(super) fn put(frame: &mut Frame, area: Rect, line: Line) {
    if area.is_empty() {
        return;
    }
    let cut = line.width() > usize::from(area.width) * usize::from(area.height);
    let style = line.style;
    let text = Paragraph::new(line).style(style);
    let text = if area.height > 1 { text.wrap(Wrap { trim: true }) } else { text };
    frame.render_widget(text, area);
    if cut {
        frame.buffer_mut()[(area.right() - 1, area.bottom() - 1)].set_symbol("…");
    }
}
