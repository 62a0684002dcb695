//! Times, spans, clips and pictures.

use mien_capture::{AudioClip, CaptureError, RgbFrame, SampleRate, Span, Timestamp};
use std::time::Duration;

fn span(start_ms: u64, end_ms: u64) -> Span {
    Span::new(Timestamp::from_nanos(start_ms * 1_000_000), Timestamp::from_nanos(end_ms * 1_000_000)).unwrap()
}

#[test]
fn only_times_that_can_be_told_are_times() {
    assert_eq!(Timestamp::from_secs_f64(1.5).unwrap().as_nanos(), 1_500_000_000);
    assert_eq!(Timestamp::from_secs_f64(-0.0).unwrap(), Timestamp::ZERO);
    for bad in [-1e-9, f64::NAN, f64::INFINITY, f64::NEG_INFINITY, 1.9e10, f64::MAX] {
        assert!(matches!(Timestamp::from_secs_f64(bad), Err(CaptureError::InvalidTime { .. })), "{bad}");
    }
}

#[test]
fn sums_of_times_stop_at_the_ends() {
    let second = Duration::from_secs(1);
    assert_eq!(Timestamp::MAX.checked_add(second), None);
    assert_eq!(Timestamp::MAX.saturating_add(second), Timestamp::MAX);
    assert_eq!(Timestamp::ZERO.saturating_sub(second), Timestamp::ZERO);
    assert_eq!(Timestamp::ZERO.checked_since(Timestamp::from_nanos(1)), None);
    assert_eq!(Timestamp::from_nanos(5).saturating_since(Timestamp::from_nanos(2)), Duration::from_nanos(3));
}

#[test]
fn a_span_holds_its_start_and_not_its_end() {
    let s = span(1000, 2000);
    assert!(s.contains(s.start()) && !s.contains(s.end()));
    assert_eq!(s.duration_s(), 1.0);
    assert_eq!(s.overlap_s(&span(1500, 9000)), 0.5);
    assert_eq!(s.overlap_s(&span(2000, 3000)), 0.0);
    assert_eq!(s.overlap_s(&span(0, 500)), 0.0);
    assert!(matches!(Span::new(s.end(), s.start()), Err(CaptureError::InvalidSpan { .. })));
}

#[test]
fn slices_of_spans_that_touch_touch() {
    // 44.1 kHz: no sample after the first stands on a whole nanosecond.
    let rate = SampleRate::new(44_100).unwrap();
    let samples: Vec<f32> = (0..1000).map(|i| i as f32).collect();
    let clip = AudioClip::new(samples.clone(), rate).unwrap();
    for cut in 0..=1000_u32 {
        let middle = Timestamp::from_secs_f64(f64::from(cut) / 44_100.0).unwrap();
        let before = clip.slice(Span::new(Timestamp::ZERO, middle).unwrap());
        let after = clip.slice(Span::new(middle, Timestamp::MAX).unwrap());
        assert_eq!(before.len(), cut as usize);
        assert_eq!([before, after].concat(), samples);
    }
    assert!(clip.slice(span(1000, 2000)).is_empty());
    assert_eq!(clip.slice(clip.span()), samples);
}

#[test]
fn a_clip_knows_its_length_and_its_silence() {
    let clip = |samples| AudioClip::new(samples, SampleRate::HZ_16000).unwrap();
    assert_eq!(clip(vec![0.5; 8000]).duration_s(), 0.5);
    assert!(clip(vec![]).is_silent());
    assert!(clip(vec![0.00005, -0.00005]).is_silent());
    assert!(!clip(vec![0.0, -0.001]).is_silent());
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let refused = AudioClip::new(vec![0.0, bad], SampleRate::HZ_16000);
        assert!(matches!(refused, Err(CaptureError::NotFinite { index: 1 })));
    }
}

#[test]
fn rates_outside_the_range_are_refused() {
    for hz in [0, 999, 768_001, u32::MAX] {
        assert!(matches!(SampleRate::new(hz), Err(CaptureError::InvalidRate { .. })), "{hz}");
    }
    assert_eq!(SampleRate::new(16_000).unwrap(), SampleRate::HZ_16000);
}

#[test]
fn a_picture_has_three_bytes_a_pixel_and_bt601_luma() {
    let frame = RgbFrame::new(4, 1, vec![255, 255, 255, 255, 0, 0, 0, 255, 0, 0, 0, 255], Timestamp::ZERO).unwrap();
    assert_eq!(frame.luma(), [255, 76, 150, 29]);
    for (width, height, len) in [(4, 1, 11), (0, 1, 0), (u32::MAX, u32::MAX, 3)] {
        let refused = RgbFrame::new(width, height, vec![0; len], Timestamp::ZERO);
        assert!(matches!(refused, Err(CaptureError::InvalidFrame { .. })));
    }
}
