//! Figures on canvases: the same drawing makes lines and letters (SVG) and pixels (PNG).
//!
//! Letters on pixels come from a font in the program: a machine needs none. On the page the browser's own is taken.

use std::sync::OnceLock;

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::register_font;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::figure::{Bar, Colour, Entry, Figure, Layer, Panel};
use super::picture::{Picture, failed, png};
use crate::Result;

/// Pixels to a point.
pub(super) const ZOOM: i32 = 2;
/// Family name of the font, which browsers know as well.
const FAMILY: &str = "sans-serif";
/// Points from one line of a legend to the next.
const LINE: i32 = 20;
/// Points of a legend's sample of a line.
const SAMPLE: i32 = 22;
/// Points that names of places take.
const NAMES: i32 = 190;

const INK: RGBColor = RGBColor(40, 40, 40);
const GRID: RGBColor = RGBColor(222, 222, 222);

/// A canvas or a part of one.
pub(super) type Area<DB> = DrawingArea<DB, Shift>;
/// What drawing on it ends in.
pub(super) type Drawn<DB> = std::result::Result<(), DrawingAreaErrorKind<<DB as DrawingBackend>::ErrorType>>;
type Plane<'a, DB> = ChartContext<'a, DB, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Points in pixels.
pub(super) fn px(points: i32) -> i32 {
    points * ZOOM
}

/// Letters of `points`.
pub(super) fn letters(points: i32) -> TextStyle<'static> {
    (FAMILY, px(points)).into_font().color(&INK)
}

/// Draws `figure` in both forms.
///
/// # Errors
/// Report when the drawing library fails.
pub(super) fn render(figure: &Figure) -> Result<Picture> {
    let name = &figure.name;
    prepare(name)?;
    let size = size(figure);
    let pixels = (size.0 * ZOOM as u32, size.1 * ZOOM as u32);
    let mut svg = String::new();
    {
        let canvas = SVGBackend::with_string(&mut svg, pixels).into_drawing_area();
        draw(figure, &canvas).and_then(|()| canvas.present()).map_err(|e| failed(name, e))?;
    }
    // The page decides how large it is shown.
    let svg = svg.replacen(&format!("width=\"{}\" height=\"{}\" ", pixels.0, pixels.1), "", 1);
    let png = png(name, pixels, on_pixels(name, pixels, |canvas| draw(figure, canvas))?)?;
    Ok(Picture { name: name.clone(), about: figure.about.clone(), svg: Some(svg), png, size })
}

/// What `draw` leaves on a white canvas: RGB, row-major.
pub(super) fn on_pixels(
    name: &str,
    (width, height): (u32, u32),
    draw: impl FnOnce(&Area<BitMapBackend<'_>>) -> Drawn<BitMapBackend<'static>>,
) -> Result<Vec<u8>> {
    prepare(name)?;
    let mut pixels = vec![255; width as usize * height as usize * 3];
    {
        let canvas = BitMapBackend::with_buffer(&mut pixels, (width, height)).into_drawing_area();
        draw(&canvas).and_then(|()| canvas.present()).map_err(|e| failed(name, e))?;
    }
    Ok(pixels)
}

/// Gives the drawing library its font, once.
fn prepare(name: &str) -> Result<()> {
    static FONT: OnceLock<bool> = OnceLock::new();
    let given = *FONT.get_or_init(|| register_font(FAMILY, FontStyle::Normal, ttf_noto_sans::REGULAR).is_ok());
    if given { Ok(()) } else { Err(failed(name, "the font in the program cannot be read")) }
}

/// Width and height of a figure in points.
fn size(figure: &Figure) -> (u32, u32) {
    let (width, height) = figure.panel;
    let (columns, rows) = (figure.columns.max(1) as u32, figure.rows() as u32);
    let (_, legend) = legend_places(&figure.legend, (width * columns) as i32);
    (width * columns, height * rows + legend as u32)
}

/// Where each line of a legend begins, and how high all of it is, in points. Letters are taken as wide as they usually
/// are.
fn legend_places(legend: &[Entry], width: i32) -> (Vec<(i32, i32)>, i32) {
    let (mut x, mut y) = (12, LINE / 2 + 4);
    let mut places = Vec::new();
    for entry in legend {
        let wide = SAMPLE + 26 + 7 * entry.text.chars().count() as i32;
        if x + wide > width && x > 12 {
            (x, y) = (12, y + LINE);
        }
        places.push((x, y));
        x += wide;
    }
    let height = if places.is_empty() { 0 } else { y + LINE / 2 };
    (places, height)
}

fn draw<DB: DrawingBackend>(figure: &Figure, canvas: &Area<DB>) -> Drawn<DB> {
    canvas.fill(&WHITE)?;
    let (width, _) = canvas.dim_in_pixel();
    let (places, height) = legend_places(&figure.legend, width as i32 / ZOOM);
    for (entry, place) in figure.legend.iter().zip(places) {
        draw_entry(entry, place, canvas)?;
    }
    let (_, body) = canvas.split_vertically(px(height));
    for (panel, area) in figure.panels.iter().zip(body.split_evenly((figure.rows(), figure.columns.max(1)))) {
        draw_panel(panel, canvas, &area)?;
    }
    Ok(())
}

fn draw_entry<DB: DrawingBackend>(entry: &Entry, (x, y): (i32, i32), canvas: &Area<DB>) -> Drawn<DB> {
    let style = rgb(entry.colour).stroke_width(px(2) as u32);
    let pieces: &[(i32, i32)] = if entry.dashed { &[(0, 8), (14, 22)] } else { &[(0, SAMPLE)] };
    for (from, to) in pieces {
        canvas.draw(&PathElement::new(vec![(px(x + from), px(y)), (px(x + to), px(y))], style))?;
    }
    let letters = letters(13).pos(Pos::new(HPos::Left, VPos::Center));
    canvas.draw_text(&entry.text, &letters, (px(x + SAMPLE + 6), px(y)))
}

fn draw_panel<DB: DrawingBackend>(panel: &Panel, canvas: &Area<DB>, area: &Area<DB>) -> Drawn<DB> {
    let named = !panel.names.is_empty();
    let ((x0, x1), (y0, y1)) = (panel.x.range, panel.y.range);
    let (y0, y1) = if named { (-0.5, panel.names.len() as f64 - 0.5) } else { (y0, y1) };
    let mut builder = ChartBuilder::on(area);
    builder.margin(px(8)).margin_right(px(16)).caption(&panel.title, letters(15));
    builder.x_label_area_size(px(42)).y_label_area_size(px(if named { NAMES } else { 58 }));
    let mut plane = builder.build_cartesian_2d(x0..x1, y0..y1)?;
    let no_number = |_: &f64| String::new();
    let mut mesh = plane.configure_mesh();
    mesh.label_style(letters(12)).axis_desc_style(letters(13)).axis_style(INK.stroke_width(1));
    mesh.light_line_style(TRANSPARENT).bold_line_style(GRID.stroke_width(1));
    mesh.x_desc(panel.x.label.as_str()).x_labels(7).x_label_formatter(&number);
    if named {
        mesh.disable_y_mesh().y_label_formatter(&no_number).set_tick_mark_size(LabelAreaPosition::Left, 0);
    } else {
        mesh.y_desc(panel.y.label.as_str()).y_labels(7).y_label_formatter(&number);
    }
    mesh.draw()?;
    for layer in &panel.layers {
        draw_layer(layer, panel, &mut plane)?;
    }
    let letters = letters(12).pos(Pos::new(HPos::Right, VPos::Center));
    for (place, name) in panel.names.iter().enumerate() {
        let (x, y) = plane.backend_coord(&(x0, height_of(place, panel)));
        canvas.draw_text(name, &letters, (x - px(6), y))?;
    }
    Ok(())
}

fn draw_layer<DB: DrawingBackend>(layer: &Layer, panel: &Panel, plane: &mut Plane<'_, DB>) -> Drawn<DB> {
    match layer {
        Layer::Line { points, colour, dashed, faint } => {
            let (mix, width) = if *faint { (0.4, px(1) as u32) } else { (1.0, px(2) as u32) };
            let style = rgb(*colour).mix(mix).stroke_width(width);
            let points = points.iter().copied();
            if points.len() == 1 {
                // A line through one point is a point.
                plane.draw_series(points.map(|point| Circle::new(point, px(3), style.filled())))?;
            } else if *dashed {
                plane.draw_series(DashedLineSeries::new(points, px(6), px(4), style))?;
            } else {
                plane.draw_series(LineSeries::new(points, style))?;
            }
        }
        Layer::Points { points, colour } => {
            let style = rgb(*colour).filled();
            plane.draw_series(points.iter().map(|point| Circle::new(*point, px(4), style)))?;
        }
        Layer::Rings { points, colour } => {
            let style = rgb(*colour).stroke_width(px(1) as u32);
            plane.draw_series(points.iter().map(|point| Circle::new(*point, px(7), style)))?;
        }
        Layer::Columns { bars, width, colour } => {
            let style = rgb(*colour).filled();
            let half = width / 2.0;
            let column =
                |(middle, height): &(f64, f64)| Rectangle::new([(middle - half, 0.0), (middle + half, *height)], style);
            plane.draw_series(bars.iter().map(column))?;
        }
        Layer::Bars { bars, of, colour } => draw_bars(bars, *of, *colour, panel, plane)?,
        Layer::Whiskers { spans, colour } => {
            let style = rgb(*colour).stroke_width(px(1) as u32);
            let whisker = |(x, low, high): &(f64, f64, f64)| PathElement::new(vec![(*x, *low), (*x, *high)], style);
            plane.draw_series(spans.iter().map(whisker))?;
        }
    }
    Ok(())
}

fn draw_bars<DB: DrawingBackend>(
    bars: &[Bar],
    (number, count): (usize, usize),
    colour: Colour,
    panel: &Panel,
    plane: &mut Plane<'_, DB>,
) -> Drawn<DB> {
    // Bars of one place share four fifths of it, the first one on top.
    let thick = 0.8 / count.max(1) as f64;
    let middle = |bar: &Bar| height_of(bar.place, panel) + 0.4 - thick * (number as f64 + 0.5);
    let style = rgb(colour).filled();
    let half = 0.45 * thick;
    let body = |bar: &Bar| Rectangle::new([(0.0, middle(bar) - half), (bar.value, middle(bar) + half)], style);
    plane.draw_series(bars.iter().map(body))?;
    let line = INK.stroke_width(px(1) as u32);
    let span = |bar: &Bar| {
        let (low, high) = bar.interval?;
        Some(PathElement::new(vec![(low, middle(bar)), (high, middle(bar))], line))
    };
    plane.draw_series(bars.iter().filter_map(span))?;
    // Where bars begin.
    let ends = (-0.5, panel.names.len() as f64 - 0.5);
    plane.draw_series([PathElement::new(vec![(0.0, ends.0), (0.0, ends.1)], INK.stroke_width(1))])?;
    Ok(())
}

/// Where a place lies on y: the first name is on top.
fn height_of(place: usize, panel: &Panel) -> f64 {
    panel.names.len() as f64 - 1.0 - place as f64
}

fn rgb((red, green, blue): Colour) -> RGBColor {
    RGBColor(red, green, blue)
}

/// A tick's number, as short as it may be.
fn number(value: &f64) -> String {
    let size = value.abs();
    if size < 1e-12 {
        return "0".into();
    }
    if !(1e-3..1e5).contains(&size) {
        return format!("{value:.1e}").replace(".0e", "e");
    }
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').into()
}

#[cfg(test)]
mod tests {
    use super::super::figure::Axis;
    use super::*;

    #[test]
    fn ticks_are_short() {
        let expected = [
            (0.0, "0"),
            (-1e-17, "0"),
            (0.5, "0.5"),
            (-3.0, "-3"),
            (0.15, "0.15"),
            (2e-5, "2e-5"),
            (2.5e-5, "2.5e-5"),
            (120.0, "120"),
            (0.30000000000000004, "0.3"),
            (1e6, "1e6"),
        ];
        for (value, text) in expected {
            assert_eq!(number(&value), text);
        }
    }

    #[test]
    fn what_a_figure_holds_is_where_its_axes_say() {
        let points = vec![(1.0, 10.0), (2.0, 20.0), (4.0, 0.0)];
        let layers = vec![
            Layer::Line { points: points.clone(), colour: (1, 2, 3), dashed: false, faint: false },
            Layer::Points { points, colour: (4, 5, 6) },
        ];
        let (x, y) = (Axis::exact("along", 0.0, 4.0), Axis::exact("up", 0.0, 20.0));
        let panel = Panel { title: "<one> & two".into(), x, y, names: vec![], layers };
        let legend = vec![Entry { text: "entry".into(), colour: (1, 2, 3), dashed: false }];
        let (name, about) = ("figure".into(), String::new());
        let figure = Figure { name, about, panel: (300, 200), columns: 2, panels: vec![panel.clone(), panel], legend };
        let picture = render(&figure).unwrap();
        assert_eq!(picture.size, (600, 200 + LINE as u32 + 4));

        let svg = picture.svg.unwrap();
        let page = roxmltree::Document::parse(&svg).unwrap();
        let with = |name: &'static str, key: &'static str, value: &'static str| {
            page.descendants().filter(move |n| n.tag_name().name() == name && n.attribute(key) == Some(value))
        };
        let number = |text: &str| text.parse::<f64>().unwrap();
        let lines: Vec<Vec<(f64, f64)>> = with("polyline", "stroke", "#010203")
            .map(|n| n.attribute("points").unwrap().split_whitespace())
            .map(|points| points.map(|p| p.split_once(',').map(|(x, y)| (number(x), number(y))).unwrap()).collect())
            .filter(|points: &Vec<_>| points.len() == 3)
            .collect();
        assert_eq!(lines.len(), 2, "one in each panel: {svg}");
        for line in &lines {
            // Along the axes steps are 1 : 2, and 10 up is half of 20 down; a pixel is a pixel.
            let [a, b, c] = [line[0], line[1], line[2]];
            assert!((2.0 * (b.0 - a.0) - (c.0 - b.0)).abs() <= 2.0, "{line:?}");
            assert!((2.0 * (a.1 - b.1) - (c.1 - b.1)).abs() <= 2.0 && c.1 > a.1 && a.1 > b.1, "{line:?}");
        }
        assert!(lines[0][2].0 < 600.0 && lines[1][0].0 > 600.0, "side by side: {lines:?}");
        assert_eq!(with("circle", "fill", "#040506").count(), 6);
        let texts: Vec<&str> =
            page.descendants().filter(|n| n.tag_name().name() == "text").filter_map(|n| n.text()).collect();
        for text in ["<one> & two", "along", "up", "entry"] {
            assert!(texts.iter().any(|found| found.trim() == text), "{text} in {texts:?}");
        }

        // The same places in pixels.
        let image = image::load_from_memory(&picture.png).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (2 * picture.size.0, 2 * picture.size.1));
        for line in &lines {
            let (x, y) = line[1];
            assert_eq!(image.get_pixel(x as u32, y as u32 + 3).0, [4, 5, 6]);
        }
    }

    #[test]
    fn long_legends_take_several_lines() {
        let entry = |n: usize| Entry { text: format!("seed {n}"), colour: (0, 0, 0), dashed: false };
        let (places, height) = legend_places(&(0..10).map(entry).collect::<Vec<_>>(), 300);
        assert!(places.iter().all(|(x, _)| *x + SAMPLE + 6 + 7 * 6 <= 300), "{places:?}");
        let lines: std::collections::BTreeSet<i32> = places.iter().map(|(_, y)| *y).collect();
        assert_eq!(lines.len(), 4, "{places:?}");
        assert!(lines.iter().all(|y| *y < height));
        assert_eq!(legend_places(&[], 300), (vec![], 0));
    }
}
