//! Similarity matrices as pictures: a square of colours for each, with the labels beside it, and one scale for all.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::draw::{Area, Drawn, ZOOM, letters, on_pixels, px};
use super::picture::{Picture, png};
use super::similarity::Similarity;
use crate::Result;

/// Points that a matrix takes with its title and labels.
const WIDTH: i32 = 312;
const HEIGHT: i32 = 330;
/// Points of a matrix's side, and where it begins in its place.
const SIDE: i32 = 256;
const LEFT: i32 = 44;
const TOP: i32 = 34;
/// Points of the scale beside the last column.
const SCALE: i32 = 84;
/// Points of the scale's width.
const SCALE_WIDTH: i32 = 16;
/// Labels nearer to each other than so many points are left out.
const APART: i32 = 14;

/// Draws `matrices` row after row, `columns` side by side, each under its title. The numbers are small squares of
/// colour, so the picture is pixels alone.
///
/// # Errors
/// Report when the drawing library fails.
pub(super) fn render(name: &str, about: &str, columns: usize, matrices: &[(String, &Similarity)]) -> Result<Picture> {
    let columns = columns.max(1);
    let rows = matrices.len().div_ceil(columns).max(1);
    let size = ((WIDTH * columns as i32 + SCALE) as u32, (HEIGHT * rows as i32) as u32);
    let (width, height) = (size.0 * ZOOM as u32, size.1 * ZOOM as u32);
    let places: Vec<(i32, i32)> = (0..matrices.len())
        .map(|k| (WIDTH * (k % columns) as i32 + LEFT, HEIGHT * (k / columns) as i32 + TOP))
        .collect();
    let scale = (WIDTH * columns as i32 + 14, TOP);
    let mut pixels = on_pixels(name, (width, height), |canvas| {
        canvas.fill(&WHITE)?;
        for ((title, matrix), place) in matrices.iter().zip(&places) {
            frame(canvas, title, &matrix.labels, *place)?;
        }
        draw_scale(canvas, scale)
    })?;
    let side = px(SIDE) as usize;
    for ((_, matrix), place) in matrices.iter().zip(&places) {
        let clips = matrix.labels.len();
        let at = |x: usize, y: usize| {
            let cosine = matrix.cosines.get((y * clips / side) * clips + x * clips / side);
            cosine.map_or([255; 3], |cosine| colour(*cosine))
        };
        paint(&mut pixels, width as usize, *place, (side, side), at);
    }
    let bar = |_: usize, y: usize| colour(1.0 - 2.0 * y as f32 / (side as f32 - 1.0));
    paint(&mut pixels, width as usize, scale, (px(SCALE_WIDTH) as usize, side), bar);
    let png = png(name, (width, height), pixels)?;
    Ok(Picture { name: name.into(), about: about.into(), svg: None, png, size })
}

/// Title, border and labels of a matrix at `place`.
fn frame(
    canvas: &Area<BitMapBackend<'_>>,
    title: &str,
    labels: &[f64],
    (x, y): (i32, i32),
) -> Drawn<BitMapBackend<'static>> {
    let above = letters(13).pos(Pos::new(HPos::Center, VPos::Center));
    canvas.draw_text(title, &above, (px(x + SIDE / 2), px(y - 16)))?;
    border(canvas, (x, y), (SIDE, SIDE))?;
    for (label, at) in ticks(labels) {
        let text = format!("{label}");
        let line = BLACK.stroke_width(1);
        canvas.draw(&PathElement::new(vec![(px(x - 4), px(y + at)), (px(x) - 1, px(y + at))], line))?;
        canvas.draw(&PathElement::new(vec![(px(x + at), px(y + SIDE) + 1), (px(x + at), px(y + SIDE + 4))], line))?;
        let left = letters(12).pos(Pos::new(HPos::Right, VPos::Center));
        canvas.draw_text(&text, &left, (px(x - 6), px(y + at)))?;
        let below = letters(12).pos(Pos::new(HPos::Center, VPos::Top));
        canvas.draw_text(&text, &below, (px(x + at), px(y + SIDE + 6)))?;
    }
    let below = letters(12).pos(Pos::new(HPos::Center, VPos::Top));
    canvas.draw_text("label", &below, (px(x + SIDE / 2), px(y + SIDE + 20)))
}

fn border(canvas: &Area<BitMapBackend<'_>>, (x, y): (i32, i32), (w, h): (i32, i32)) -> Drawn<BitMapBackend<'static>> {
    let corners = [(px(x) - 1, px(y) - 1), (px(x + w), px(y + h))];
    canvas.draw(&Rectangle::new(corners, BLACK.stroke_width(1)))
}

/// Where clips with labels from -3, -2, ... on begin, in points from the matrix's corner.
fn ticks(labels: &[f64]) -> Vec<(i32, i32)> {
    let mut found: Vec<(i32, i32)> = Vec::new();
    for label in -3..=3 {
        let first = labels.partition_point(|l| *l < f64::from(label));
        let at = (first as f64 / labels.len().max(1) as f64 * f64::from(SIDE)) as i32;
        let there = labels.get(first).is_some_and(|l| *l < f64::from(label + 1));
        if there && found.last().is_none_or(|(_, before)| at - before >= APART) {
            found.push((label, at));
        }
    }
    found
}

/// The scale's border and numbers.
fn draw_scale(canvas: &Area<BitMapBackend<'_>>, (x, y): (i32, i32)) -> Drawn<BitMapBackend<'static>> {
    border(canvas, (x, y), (SCALE_WIDTH, SIDE))?;
    for (step, text) in ["1", "0.5", "0", "-0.5", "-1"].into_iter().enumerate() {
        let right = letters(12).pos(Pos::new(HPos::Left, VPos::Center));
        canvas.draw_text(text, &right, (px(x + SCALE_WIDTH + 5), px(y + step as i32 * SIDE / 4)))?;
    }
    let above = letters(13).pos(Pos::new(HPos::Left, VPos::Center));
    canvas.draw_text("cosine", &above, (px(x), px(y - 16)))
}

/// Blue at -1, nearly white at 0, red at 1; in between evenly.
fn colour(cosine: f32) -> [u8; 3] {
    const ENDS: [[f32; 3]; 2] = [[33.0, 102.0, 172.0], [178.0, 24.0, 43.0]];
    const MIDDLE: [f32; 3] = [247.0, 247.0, 247.0];
    let cosine = if cosine.is_finite() { cosine.clamp(-1.0, 1.0) } else { 0.0 };
    let [below, above] = ENDS;
    let end = if cosine < 0.0 { below } else { above };
    let mut mixed = [0; 3];
    for ((out, middle), end) in mixed.iter_mut().zip(MIDDLE).zip(end) {
        *out = (middle + (end - middle) * cosine.abs()).round() as u8;
    }
    mixed
}

/// Sets the pixels of a block of `wide` x `high` at the point `place` of an image of `width` pixels.
fn paint(
    pixels: &mut [u8],
    width: usize,
    (x, y): (i32, i32),
    (wide, high): (usize, usize),
    colour: impl Fn(usize, usize) -> [u8; 3],
) {
    let (left, top) = (px(x) as usize, px(y) as usize);
    for row in 0..high {
        let begin = ((top + row) * width + left) * 3;
        let Some(line) = pixels.get_mut(begin..begin + wide * 3) else { continue };
        for (column, pixel) in line.chunks_exact_mut(3).enumerate() {
            pixel.copy_from_slice(&colour(column, row));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_the_scale() {
        assert_eq!([-1.0, 0.0, 1.0].map(colour), [[33, 102, 172], [247, 247, 247], [178, 24, 43]]);
        assert_eq!(colour(f32::NAN), colour(0.0));
        assert_eq!(colour(7.0), colour(1.0));
        // Redder and redder.
        let greens: Vec<u8> = (0..=10).map(|i| colour(i as f32 / 10.0)[1]).collect();
        assert!(greens.windows(2).all(|pair| pair[0] > pair[1]), "{greens:?}");
    }

    #[test]
    fn every_square_of_a_matrix_has_its_colour() {
        let labels = vec![-2.0, 0.0, 1.0, 3.0];
        let cosines: Vec<f32> = (0..16).map(|i| i as f32 / 8.0 - 1.0).collect();
        let matrix = Similarity { labels, cosines: cosines.clone(), order: None };
        let picture = render("m", "", 1, &[("A".into(), &matrix)]).unwrap();
        let image = image::load_from_memory(&picture.png).unwrap().to_rgb8();
        assert_eq!(image.dimensions(), (2 * picture.size.0, 2 * picture.size.1));
        for (k, cosine) in cosines.iter().enumerate() {
            let middle = |at: i32, k: usize| (px(at) + px(SIDE) * (2 * k as i32 + 1) / 8) as u32;
            let pixel = image.get_pixel(middle(LEFT, k % 4), middle(TOP, k / 4));
            assert_eq!(pixel.0, colour(*cosine), "square {k}");
        }
    }

    #[test]
    fn ticks_stand_where_labels_begin() {
        assert_eq!(ticks(&[-2.0, 0.0, 1.0, 3.0]), [(-2, 0), (0, 64), (1, 128), (3, 192)]);
        assert_eq!(ticks(&[]), []);
        // Too near to each other: the first is kept.
        let labels: Vec<f64> = (0..100).map(|i| if i < 98 { 0.0 } else { f64::from(i) - 96.0 }).collect();
        assert_eq!(ticks(&labels), [(0, 0), (2, 250)]);
    }
}
