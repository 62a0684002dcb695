//! Numbers as words of a few columns, whatever their size.

/// A number of things.
pub(super) fn count(n: u64) -> String {
    if n < 10_000_000 { n.to_string() } else { format!("{:.1e}", n as f64) }
}

/// Valence with its sign.
pub(super) fn valence(value: f32) -> String {
    if value.abs() < 100.0 { format!("{value:+.2}") } else { format!("{value:+.1e}") }
}

/// Decibels.
pub(super) fn decibels(value: f32) -> String {
    format!("{:.0}", value.clamp(-999.0, 999.0))
}

/// A latency of so many milliseconds.
pub(super) fn latency(ms: f64) -> String {
    if ms < 10_000.0 { format!("{ms:.0} ms") } else { span(ms / 1e3) }
}

/// A span of time of so many seconds.
pub(super) fn span(seconds: f64) -> String {
    // Float to integer stays within the integer's range.
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (minutes, hours, days) {
        (0, ..) => format!("{seconds} s"),
        (_, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (_, _, 0) => format!("{hours} h {} min", minutes % 60),
        _ => format!("{} d {} h", count(days), hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_short() {
        assert_eq!(
            [0.0, 59.9, 61.0, 3_600.0, 90_000.0].map(span),
            ["0 s", "59 s", "1 min 1 s", "1 h 0 min", "1 d 1 h"]
        );
        assert_eq!([0.4, 9_999.0, 12_000.0].map(latency), ["0 ms", "9999 ms", "12 s"]);
        assert_eq!([-0.5, 3.0, 99.9].map(valence), ["-0.50", "+3.00", "+99.90"]);
        assert_eq!([0, 9_999_999, 10_000_000].map(count), ["0", "9999999", "1.0e7"]);
        let extremes = [span(f64::MAX), latency(f64::MAX), valence(f32::MIN), count(u64::MAX), decibels(f32::MIN)];
        for text in extremes {
            assert!(text.len() <= 14, "{text}");
        }
    }
}
