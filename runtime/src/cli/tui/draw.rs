//! The whole picture.

use mien_runtime::live::view::LiveView;
use mien_runtime::steering::is_steering;
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::symbols::Marker;
use ratatui::text::Line;

use super::rows::{Rows, put};
use super::{picture, status, trace};

/// Rows from which the area of picture and trace tells something.
const PANEL: u16 = 5;
/// Columns from which picture and trace go beside each other.
const BESIDE: u16 = 64;

/// What is drawn.
pub(super) struct Scene<'a> {
    /// The session.
    pub(super) view: &'a LiveView,
    /// The last messages, oldest first.
    pub(super) messages: &'a [String],
    /// What lines are made of.
    pub(super) marker: Marker,
}

/// The finest marks that a terminal of this name has: the console of a kernel has no braille.
pub(super) fn marker(term: Option<&str>) -> Marker {
    if matches!(term, None | Some("linux")) { Marker::HalfBlock } else { Marker::Braille }
}

/// Draws the session. The order is that of importance: the last parts fall away first in a small terminal.
pub(super) fn draw(frame: &mut Frame, scene: &Scene) {
    let view = scene.view;
    let mut rows = Rows::new(frame.area());
    if rows.rest().height > 2 {
        let area = rows.bottom(1);
        let keys = Line::styled("q stop   m mute   r load the bundle anew", Style::new().fg(Color::DarkGray));
        put(frame, area, keys);
    }
    status::banners(frame, &mut rows, view);
    status::devices(frame, &mut rows, view);
    status::sound(frame, &mut rows, view);
    status::score(frame, &mut rows, view);
    status::latencies(frame, &mut rows, view);
    status::losses(frame, &mut rows, view);
    status::queues(frame, &mut rows, view);
    status::head(frame, &mut rows, view);
    messages(frame, &mut rows, scene.messages);
    panels(frame, rows.rest(), scene);
    clean(frame.buffer_mut());
}

/// The newest lines, in up to a quarter of what is left.
fn messages(frame: &mut Frame, rows: &mut Rows, messages: &[String]) {
    let height = (rows.rest().height / 4).min(messages.len() as u16);
    let area = rows.bottom(height);
    let newest = messages.iter().skip(messages.len() - usize::from(height));
    for (row, text) in area.rows().zip(newest) {
        put(frame, row, Line::raw(text.as_str()));
    }
}

fn panels(frame: &mut Frame, area: Rect, scene: &Scene) {
    if area.height < PANEL {
        return;
    }
    if area.width < BESIDE || scene.view.camera.device.is_empty() {
        trace::draw(frame, area, scene);
        return;
    }
    let place = picture::place(scene.view, area);
    picture::draw(frame, place, scene);
    trace::draw(frame, Rect { x: place.right(), width: area.width - place.width, ..area }, scene);
}

/// Names, reasons and messages come from outside: whatever way their characters took into the picture, none steers the
/// terminal.
fn clean(buffer: &mut Buffer) {
    for cell in &mut buffer.content {
        if cell.symbol().chars().any(is_steering) {
            cell.set_symbol("·");
        }
    }
}
