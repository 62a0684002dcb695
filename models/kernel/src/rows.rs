//! Tiles of one row, of two, and so on: their number is a constant of the code that multiplies them.

/// `$tile` with `$rows`, an array of `$row` for each `$i` below `$count`, which is 1 to 6.
///
/// A macro: what a closure gives would be compiled without the instruction set.
macro_rules! for_rows {
    (@ $i:ident => $row:expr, $rows:ident => $tile:expr, $($n:literal)*) => {{
        let $rows = [$({ let $i: usize = $n; $row }),*];
        $tile
    }};
    ($count:expr, $i:ident => $row:expr, $rows:ident => $tile:expr) => {
        match $count {
            1 => $crate::rows::for_rows!(@ $i => $row, $rows => $tile, 0),
            2 => $crate::rows::for_rows!(@ $i => $row, $rows => $tile, 0 1),
            3 => $crate::rows::for_rows!(@ $i => $row, $rows => $tile, 0 1 2),
            4 => $crate::rows::for_rows!(@ $i => $row, $rows => $tile, 0 1 2 3),
            5 => $crate::rows::for_rows!(@ $i => $row, $rows => $tile, 0 1 2 3 4),
            _ => $crate::rows::for_rows!(@ $i => $row, $rows => $tile, 0 1 2 3 4 5),
        }
    };
}

pub(crate) use for_rows;
