//! Pictures as data: panels with axes, lines, points and bars. What draws them is `draw`.

/// Red, green, blue.
pub type Colour = (u8, u8, u8);

/// Colours that people who see colours differently can tell apart (Okabe and Ito).
pub const COLOURS: [Colour; 7] =
    [(0, 114, 178), (213, 94, 0), (0, 158, 115), (204, 121, 167), (230, 159, 0), (86, 180, 233), (90, 90, 90)];

/// Colour number `n`, beginning anew after the last one.
pub fn colour(n: usize) -> Colour {
    COLOURS.get(n % COLOURS.len()).copied().unwrap_or_default()
}

/// A picture of panels, with one legend for all of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// File name without its ending.
    pub name: String,
    /// What it shows, for people who read the page by ear.
    pub about: String,
    /// Width and height of a panel in points; a point is two pixels.
    pub panel: (u32, u32),
    /// Panels side by side.
    pub columns: usize,
    /// Row after row.
    pub panels: Vec<Panel>,
    /// What colours mean.
    pub legend: Vec<Entry>,
}

/// A line of a legend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it means.
    pub text: String,
    /// The colour.
    pub colour: Colour,
    /// Whether the line is dashed.
    pub dashed: bool,
}

/// A pair of axes and what is drawn in them.
#[derive(Clone, Debug, PartialEq)]
pub struct Panel {
    /// Above it.
    pub title: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// Names of the places 0, 1, ... on y, from the top, instead of numbers; y then spans them all.
    pub names: Vec<String>,
    /// Drawn one over the other.
    pub layers: Vec<Layer>,
}

/// An axis.
#[derive(Clone, Debug, PartialEq)]
pub struct Axis {
    /// What it measures.
    pub label: String,
    /// Its ends; finite, the first below the second.
    pub range: (f64, f64),
}

/// Something in a panel.
#[derive(Clone, Debug, PartialEq)]
pub enum Layer {
    /// A line through points.
    Line {
        /// The points.
        points: Vec<(f64, f64)>,
        /// Its colour.
        colour: Colour,
        /// Whether it is dashed.
        dashed: bool,
        /// Whether it stands behind others: thin and pale.
        faint: bool,
    },
    /// Discs.
    Points {
        /// Their middles.
        points: Vec<(f64, f64)>,
        /// Their colour.
        colour: Colour,
    },
    /// Rings that mark points of lines.
    Rings {
        /// Their middles.
        points: Vec<(f64, f64)>,
        /// Their colour.
        colour: Colour,
    },
    /// Upright bars from 0.
    Columns {
        /// Middle and height.
        bars: Vec<(f64, f64)>,
        /// Width.
        width: f64,
        /// Their colour.
        colour: Colour,
    },
    /// Lying bars from 0, at the panel's names.
    Bars {
        /// By name.
        bars: Vec<Bar>,
        /// Several layers of bars share a place: this one's number and how many there are.
        of: (usize, usize),
        /// Their colour.
        colour: Colour,
    },
    /// Upright lines around points.
    Whiskers {
        /// Place on x, and ends on y.
        spans: Vec<(f64, f64, f64)>,
        /// Their colour.
        colour: Colour,
    },
}

/// A lying bar.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Number of the name.
    pub place: usize,
    /// Its length.
    pub value: f64,
    /// Ends of an interval around it.
    pub interval: Option<(f64, f64)>,
}

impl Axis {
    /// An axis over all `values` with a little room at both ends. Numbers that are not finite are passed over.
    pub fn over(label: impl Into<String>, values: impl IntoIterator<Item = f64>) -> Self {
        let (low, high) = values
            .into_iter()
            .filter(|v| v.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
        let (low, high) = if low <= high { (low, high) } else { (0.0, 1.0) };
        let size = low.abs().max(high.abs()).max(1e-9);
        // What is nearly constant has room as well: ticks nearer to each other than numbers are would never end.
        let room = if high - low > 1e-6 * size { 0.05 * (high - low) } else { 0.5 * size };
        Self::exact(label, low - room, high + room)
    }

    /// An axis with given ends; `low` below `high`.
    pub fn exact(label: impl Into<String>, low: f64, high: f64) -> Self {
        Self { label: label.into(), range: (low, high) }
    }
}

impl Figure {
    /// Rows of panels.
    pub fn rows(&self) -> usize {
        self.panels.len().div_ceil(self.columns.max(1)).max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn axes_hold_all_values_and_have_a_length() {
        for values in [
            vec![],
            vec![0.0],
            vec![-7.5],
            vec![1e300, -1e300],
            vec![f64::NAN, 2.0, f64::INFINITY],
            vec![1.0, 1.0 + f64::EPSILON],
        ] {
            let (low, high) = Axis::over("", values.iter().copied()).range;
            assert!(low.is_finite() && high.is_finite() && high - low > 1e-7 * high.abs(), "{values:?}");
            assert!(values.iter().filter(|v| v.is_finite()).all(|v| low < *v && *v < high), "{values:?}");
        }
    }
}
