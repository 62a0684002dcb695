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

/// The product of `lengths`; `None` where no memory has as many places.
pub(super) fn product<const N: usize>(lengths: [usize; N]) -> Option<usize> {
    lengths.into_iter().try_fold(1usize, usize::checked_mul)
}

impl Image {
    /// Lines with those around; the largest number there is where no memory has as many.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.around[0].saturating_add(self.height).saturating_add(self.around[1])
    }

    /// Points of a line with those around; as [`Image::lines`].
    #[must_use]
    pub fn points(&self) -> usize {
        self.around[2].saturating_add(self.width).saturating_add(self.around[3])
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
        assert_eq!(Some(x.len()), product([height, width, channels]), "the picture's size");
        assert!(groups > 0 && channels.is_multiple_of(groups), "groups of equal size");
        assert!(
            product([self.lines(), self.points(), channels]).is_some(),
            "more around the picture than memory holds"
        );
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
        // Lengths whose product wraps around to that of the picture.
        let wide = Image { height: 1 << 63, width: 2, channels: 2, around: [0; 4] };
        assert!(std::panic::catch_unwind(|| wide.surrounded(&[], 1).len()).is_err());
        let around = Image { around: [usize::MAX, 0, 0, 0], ..image };
        assert!(std::panic::catch_unwind(|| around.surrounded(&[1.0, 2.0, 3.0, 4.0], 1).len()).is_err());
        let bare = Image { around: [0; 4], ..image };
        assert!(matches!(bare.surrounded(&[1.0, 2.0, 3.0, 4.0], 1), Cow::Borrowed(_)));
    }
}
