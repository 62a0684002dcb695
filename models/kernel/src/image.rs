//! Pictures and sequences with zeros around them.

use std::borrow::Cow;

/// A picture of `height` times `width` points of `channels` numbers, and zeros around it; a sequence is a picture of
/// height 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Image {
    /// Lines.
    pub height: usize,
    /// Points of a line.
    pub width: usize,
    /// Numbers of a point.
    pub channels: usize,
    /// Lines of zeros above and below, points of zeros left and right.
    pub around: [usize; 4],
}

impl Image {
    /// Lines with those around.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.around[0] + self.height + self.around[1]
    }

    /// Points of a line with those around.
    #[must_use]
    pub fn points(&self) -> usize {
        self.around[2] + self.width + self.around[3]
    }
}

impl Image {
    /// The picture `x` with what is around it, as `groups` pictures one after the other, each with its share of the
    /// channels. Borrowed where nothing changes.
    ///
    /// # Panics
    /// When `x` is not of the picture's size, or the groups do not divide the channels.
    #[must_use]
    pub fn surrounded<'a>(&self, x: &'a [f32], groups: usize) -> Cow<'a, [f32]> {
        let Self { height, width, channels, around: [above, _, left, _] } = *self;
        assert_eq!(x.len(), height * width * channels, "the picture's size");
        assert!(groups > 0 && channels.is_multiple_of(groups), "groups of equal size");
        if self.around == [0; 4] && groups == 1 {
            return Cow::Borrowed(x);
        }
        let each = channels / groups;
        let line = self.points() * each;
        let mut whole = vec![0.0; groups * self.lines() * line];
        for (group, picture) in whole.chunks_exact_mut(self.lines() * line).enumerate() {
            for (y, row) in x.chunks_exact((width * channels).max(1)).enumerate() {
                let to = &mut picture[(above + y) * line + left * each..][..width * each];
                for (to, point) in to.chunks_exact_mut(each).zip(row.chunks_exact(channels)) {
                    to.copy_from_slice(&point[group * each..][..each]);
                }
            }
        }
        Cow::Owned(whole)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_lies_within_zeros_group_by_group() {
        let image = Image { height: 1, width: 2, channels: 2, around: [1, 0, 0, 1] };
        let found = image.surrounded(&[1.0, 2.0, 3.0, 4.0], 2);
        assert_eq!(*found, [0.0, 0.0, 0.0, 1.0, 3.0, 0.0, 0.0, 0.0, 0.0, 2.0, 4.0, 0.0]);
        let bare = Image { around: [0; 4], ..image };
        assert!(matches!(bare.surrounded(&[1.0, 2.0, 3.0, 4.0], 1), Cow::Borrowed(_)));
    }
}
