//! The device's own face finder sees the drawn faces, and what they show can be learned from one person for another.

use std::f64::consts::PI;

use mien_capture::{RgbFrame, Timestamp, file};
use mien_models::face::{CROP_SIDE, CropSettings, FaceFinder, FaceSettings, crop_face, detector_model};
use mien_trainer::data::Split;
use mien_trainer::extract::ClipList;
use mien_trainer::pocket::corpus::face::{Actor, SIDE};
use mien_trainer::pocket::corpus::faces;

use super::material::shared;

/// Rows and columns to which crops are reduced before anything is learned of them, the parts that they have along each
/// side, and directions of edges that are told apart.
const COARSE: usize = 56;
const PARTS: usize = 8;
const DIRECTIONS: usize = 8;

fn finder() -> FaceFinder {
    FaceFinder::from_bytes(detector_model().bytes, FaceSettings::default()).unwrap()
}

fn picture(face: u64, valence: f64, key: u64) -> RgbFrame {
    let actor = Actor::new(1, face, valence, &[77, key]);
    let pixels = actor.pixels(0.37 * (key % 9) as f64, (key % 5) as f32 / 4.0);
    RgbFrame::new(SIDE, SIDE, pixels, Timestamp::ZERO).unwrap()
}

#[test]
fn the_finder_finds_the_face_of_everybody_in_every_mood() {
    let mut finder = finder();
    let (mut found, mut asked) = (0, 0);
    for face in faces(Split::Train).chain(faces(Split::Valid)).chain(faces(Split::Test)) {
        let frame = picture(face, if face % 2 == 0 { 3.0 } else { -3.0 }, face);
        asked += 1;
        found += usize::from(finder.find(&frame).unwrap().iter().any(|found| {
            let [x, y] = [(found.x, found.width), (found.y, found.height)].map(|(at, size)| at + size as i32 / 2);
            (80..150).contains(&x) && (80..175).contains(&y) && (60..170).contains(&found.width)
        }));
    }
    println!("{found} of {asked} faces found");
    assert!(found * 100 >= asked * 99, "{found} of {asked} faces found");
}

#[test]
fn the_finder_finds_a_face_in_every_clip() {
    let room = shared();
    let list = ClipList::read(&room.path("corpus/list.csv")).unwrap();
    let mut finder = finder();
    let (mut found, mut asked) = (0, 0);
    for clip in list.clips() {
        let media = file::open(&list.place(&clip.path)).unwrap();
        let frames: Vec<_> = media.pictures.as_ref().unwrap().frames().map(Result::unwrap).collect();
        let seen = frames.iter().filter(|frame| !finder.find(frame).unwrap().is_empty()).count();
        assert!(seen > 0, "{}", clip.id);
        (found, asked) = (found + seen, asked + frames.len());
        // The face moves from picture to picture.
        assert!(frames.windows(2).all(|pair| pair[0].data() != pair[1].data()));
    }
    println!("{found} of {asked} pictures");
    assert!(found * 100 >= asked * 98, "{found} of {asked} pictures");
}

/// Which way edges run in each part of a face's crop: histograms of directions, each part's brought to one length, so
/// that light counts little.
fn edges(finder: &mut FaceFinder, frame: &RgbFrame) -> Option<Vec<f64>> {
    let face = *finder.find(frame).unwrap().first()?;
    let crop = crop_face(frame, &face, &CropSettings::default()).unwrap();
    let (plane, block) = (CROP_SIDE * CROP_SIDE, CROP_SIDE / COARSE);
    let mut grey = [[0.0; COARSE]; COARSE];
    for (at, value) in crop.data().iter().enumerate() {
        grey[at % plane / CROP_SIDE / block][at % CROP_SIDE / block] += f64::from(*value) / (3 * block * block) as f64;
    }
    let mut parts = vec![[0.0; DIRECTIONS]; PARTS * PARTS];
    for y in 1..COARSE - 1 {
        for x in 1..COARSE - 1 {
            let (dx, dy) = (grey[y][x + 1] - grey[y][x - 1], grey[y + 1][x] - grey[y - 1][x]);
            let direction = dy.atan2(dx).rem_euclid(PI) / PI * DIRECTIONS as f64;
            let (lower, share) = (direction as usize, direction.fract());
            let part = &mut parts[y * PARTS / COARSE * PARTS + x * PARTS / COARSE];
            part[lower % DIRECTIONS] += dx.hypot(dy) * (1.0 - share);
            part[(lower + 1) % DIRECTIONS] += dx.hypot(dy) * share;
        }
    }
    let even = |part: [f64; DIRECTIONS]| {
        let length = (part.iter().map(|v| v * v).sum::<f64>() + 0.015).sqrt();
        part.map(|v| v / length)
    };
    Some(parts.into_iter().flat_map(even).collect())
}

#[test]
fn what_one_face_shows_is_learned_from_other_faces() {
    let mut finder = finder();
    let mut sample = |split: Split, count: u64| {
        let faces: Vec<u64> = faces(split).collect();
        let picked = (0..count).map(|n| {
            let valence = -3.0 + 6.0 * ((n * 37) % count) as f64 / (count - 1) as f64;
            (faces[(n as usize * 7) % faces.len()], valence, n)
        });
        let pictures = picked.filter_map(|(face, valence, n)| {
            let frame = picture(face, valence, 1000 * (split as u64 + 1) + n);
            Some((edges(&mut finder, &frame)?, valence))
        });
        pictures.collect::<Vec<_>>()
    };
    let (train, test) = (sample(Split::Train, 300), sample(Split::Test, 100));
    let mean = |at: usize| train.iter().map(|(edges, _)| edges[at]).sum::<f64>() / train.len() as f64;
    let means: Vec<f64> = (0..train[0].0.len()).map(mean).collect();
    let [train, test] = [train, test].map(|sample| {
        let apart = |edges: Vec<f64>| edges.iter().zip(&means).map(|(edge, mean)| edge - mean).collect::<Vec<f64>>();
        sample.into_iter().map(|(edges, valence)| (apart(edges), valence)).collect::<Vec<_>>()
    });
    // Ridge regression in its dual form: weights of the training pictures.
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let mut system: Vec<Vec<f64>> =
        train.iter().map(|(a, v)| train.iter().map(|(b, _)| dot(a, b)).chain([*v]).collect()).collect();
    (0..system.len()).for_each(|n| system[n][n] += 10.0);
    let weights = solved(system);
    let told: Vec<f64> =
        test.iter().map(|(a, _)| train.iter().zip(&weights).map(|((b, _), w)| w * dot(a, b)).sum()).collect();
    let shown: Vec<f64> = test.iter().map(|(_, valence)| *valence).collect();
    let r = correlation(&told, &shown);
    println!("{} and {} faces: correlation {r:.2}", train.len(), test.len());
    assert!(r > 0.6, "a linear reader of edges has correlation {r} with what unknown faces show");
}

/// Solves linear equations by elimination; each row ends with its right side.
fn solved(mut rows: Vec<Vec<f64>>) -> Vec<f64> {
    let n = rows.len();
    for at in 0..n {
        let pivot = rows[at].clone();
        for row in rows.iter_mut().skip(at + 1) {
            let factor = row[at] / pivot[at];
            row.iter_mut().zip(&pivot).skip(at).for_each(|(value, p)| *value -= factor * p);
        }
    }
    let mut values = vec![0.0; n];
    for at in (0..n).rev() {
        let known: f64 = (at + 1..n).map(|i| rows[at][i] * values[i]).sum();
        values[at] = (rows[at][n] - known) / rows[at][at];
    }
    values
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
    let (ma, mb) = (mean(a), mean(b));
    let sum = |of: &dyn Fn(f64, f64) -> f64| a.iter().zip(b).map(|(a, b)| of(a - ma, b - mb)).sum::<f64>();
    sum(&|a, b| a * b) / (sum(&|a, _| a * a) * sum(&|_, b| b * b)).sqrt()
}
