//! The order of numbered names.

use std::cmp::Ordering;
use std::ffi::OsStr;

/// The order in which a person counts: digits in a row are a number, so that `frame2` comes before `frame10`. Everything else goes
/// by its bytes; names that differ in zeros before numbers alone go by all of theirs.
pub(super) fn compare(a: &OsStr, b: &OsStr) -> Ordering {
    let (whole_a, whole_b) = (a.as_encoded_bytes(), b.as_encoded_bytes());
    let (mut a, mut b) = (whole_a, whole_b);
    loop {
        let order = match (number(&mut a), number(&mut b)) {
            (Some(a), Some(b)) => a.len().cmp(&b.len()).then_with(|| a.cmp(b)),
            (Some(_), None) => b.split_off_first().map_or(Ordering::Greater, |other| b'0'.cmp(other)),
            (None, Some(_)) => a.split_off_first().map_or(Ordering::Less, |own| own.cmp(&b'0')),
            (None, None) => match (a.split_off_first(), b.split_off_first()) {
                (None, None) => return whole_a.cmp(whole_b),
                (own, other) => own.cmp(&other),
            },
        };
        if order != Ordering::Equal {
            return order;
        }
    }
}

/// Takes the digits off the front of `rest`; gives them without zeros before them.
fn number<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let end = rest.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(rest.len());
    let (digits, after) = rest.split_at(end);
    *rest = after;
    let zeros = digits.iter().position(|digit| *digit != b'0').unwrap_or(digits.len());
    digits.get(zeros..).filter(|_| end > 0)
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;
    use std::ffi::OsStr;

    use super::compare;

    fn sorted(names: &[&'static str]) -> Vec<&'static str> {
        let mut names = names.to_vec();
        names.sort_by(|a, b| compare(OsStr::new(a), OsStr::new(b)));
        names
    }

    #[test]
    fn numbers_count_as_numbers() {
        assert_eq!(
            sorted(&["frame10.png", "frame1.png", "frame9.png", "frame2.png"]),
            ["frame1.png", "frame2.png", "frame9.png", "frame10.png"]
        );
        assert_eq!(sorted(&["a_0010", "a_0009", "a_10", "a_9"]), ["a_0009", "a_9", "a_0010", "a_10"]);
        assert_eq!(sorted(&["2-10", "2-9", "10-1", "1"]), ["1", "2-9", "2-10", "10-1"]);
        assert_eq!(sorted(&["b", "a", "ä1", "ä10", "ä2", ""]), ["", "a", "b", "ä1", "ä2", "ä10"]);
        // Beyond any integer.
        let long = "x99999999999999999999999999999999999999998";
        assert_eq!(sorted(&["x100000000000000000000000000000000000000000", long]).first(), Some(&long));
    }

    /// An order that contradicts itself makes sorting panic or depend on the order before.
    #[test]
    fn the_order_is_one() {
        let names: Vec<String> = ["", "0", "00", "1", "01", "10", "9", "a", "a0", "a00", "a1", "a01b", "a1b", "a-1", "/", ":", "a:", "é1"]
            .iter()
            .flat_map(|name| ["", "2", "02", "b", "10"].map(|end| format!("{name}{end}")))
            .collect();
        let order = |a: &String, b: &String| compare(OsStr::new(a), OsStr::new(b));
        for a in &names {
            for b in &names {
                assert_eq!(order(a, b), order(b, a).reverse(), "{a:?} {b:?}");
                assert_eq!(order(a, b) == Ordering::Equal, a == b, "{a:?} {b:?}");
                for c in &names {
                    if order(a, b).is_lt() && order(b, c).is_lt() {
                        assert!(order(a, c).is_lt(), "{a:?} {b:?} {c:?}");
                    }
                }
            }
        }
    }
}
