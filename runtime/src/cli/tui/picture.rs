//! The camera's picture: its frame and the face in it, never the picture itself.

use mien_runtime::live::view::{LiveView, PictureView};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Color;
use ratatui::widgets::canvas::{Canvas, Rectangle};
use ratatui::widgets::{Block, Paragraph};

use super::draw::Scene;
use super::figures::span;

/// Fewest columns: the title fits.
const NARROWEST: u16 = 24;

/// The left part of `area` that shows the picture in its own proportions, at most half of it.
pub(super) fn place(view: &LiveView, area: Rect) -> Rect {
    let (width, height) = view.picture.map_or((4, 3), |p| (p.width.max(1), p.height.max(1)));
    // A character is about twice as high as wide. Float to integer stays within the integer's range.
    let aspect = 2.0 * f64::from(width) / f64::from(height);
    let most = area.width / 2;
    let columns = (f64::from(area.height.saturating_sub(2)) * aspect).round() as u16;
    if columns.saturating_add(2) <= most {
        return Rect { width: columns.saturating_add(2).max(NARROWEST.min(most)), ..area };
    }
    let rows = (f64::from(most.saturating_sub(2)) / aspect).round() as u16;
    Rect { width: most, height: rows.saturating_add(2).min(area.height), ..area }
}

/// Draws the frame and the face.
pub(super) fn draw(frame: &mut Frame, area: Rect, scene: &Scene) {
    let Some(picture) = scene.view.picture else {
        frame.render_widget(Paragraph::new("no picture").centered().block(Block::bordered().title("picture")), area);
        return;
    };
    let age = span(scene.view.time_s - picture.time.as_secs_f64());
    let told = match picture.face {
        Some([_, _, width, height]) => format!("face {width}x{height}"),
        None => "no face".into(),
    };
    let block = Block::bordered().title(format!("{}x{}, {age} ago", picture.width, picture.height)).title_bottom(told);
    let bounds = [f64::from(picture.width.max(1)), f64::from(picture.height.max(1))];
    let face = face_in(&picture, bounds);
    let canvas = Canvas::default()
        .block(block)
        .marker(scene.marker)
        .x_bounds([0.0, bounds[0]])
        .y_bounds([0.0, bounds[1]])
        .paint(|context| {
            if let Some(face) = &face {
                context.draw(face);
            }
        });
    frame.render_widget(canvas, area);
}

/// The part of the face's box that lies within the picture, upwards from the lower left corner as a canvas has it.
fn face_in(picture: &PictureView, [width, height]: [f64; 2]) -> Option<Rectangle> {
    let [x, y, w, h] = picture.face?.map(|n| n as f64);
    let [left, right] = [x, x + w].map(|x| x.clamp(0.0, width));
    let [top, bottom] = [y, y + h].map(|y| y.clamp(0.0, height));
    let seen = right > left && bottom > top;
    seen.then_some(Rectangle {
        x: left,
        y: height - bottom,
        width: right - left,
        height: bottom - top,
        color: Color::Green,
    })
}

#[cfg(test)]
mod tests {
    use mien_capture::Timestamp;

    use super::*;

    fn box_of(face: [i64; 4]) -> Option<[f64; 4]> {
        let picture = PictureView { time: Timestamp::ZERO, width: 640, height: 480, face: Some(face) };
        face_in(&picture, [640.0, 480.0]).map(|r| [r.x, r.y, r.width, r.height])
    }

    #[test]
    fn a_face_is_cut_at_the_picture_s_edges() {
        assert_eq!(box_of([160, 0, 320, 120]), Some([160.0, 360.0, 320.0, 120.0]));
        assert_eq!(box_of([-100, 400, 200, 200]), Some([0.0, 0.0, 100.0, 80.0]));
        assert_eq!(box_of([700, 0, 50, 50]), None);
        assert_eq!(box_of([i64::MIN, i64::MIN, i64::MAX, i64::MAX]), None);
        assert_eq!(box_of([0, 0, i64::MAX, i64::MAX]), Some([0.0, 0.0, 640.0, 480.0]));
    }
}
