//! Reading batches ahead of the computation that takes them.

use std::sync::mpsc::sync_channel;

use super::batch::Batch;
use super::source::{Source, Split};
use crate::Result;

/// Batches that wait between reader and taker; with the one in the making, three are in memory.
const WAITING: usize = 1;

/// Gives each of `batches` to `take`, in order; the next ones are read by another thread meanwhile. The first error of
/// either side ends it.
///
/// # Errors
/// What reading or `take` finds wrong.
pub fn each_batch(
    source: &dyn Source,
    split: Split,
    batches: &[Vec<usize>],
    take: &mut dyn FnMut(Batch) -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        // Bounded: a reader that is ahead waits. It ends when the taker has gone.
        let (sender, receiver) = sync_channel(WAITING);
        scope.spawn(move || {
            for clips in batches {
                let batch = source.batch(split, clips);
                let last = batch.is_err();
                if sender.send(batch).is_err() || last {
                    break;
                }
            }
        });
        receiver.into_iter().try_for_each(|batch| take(batch?))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::batch::Stream;
    use super::super::source::ClipLengths;
    use super::*;
    use crate::TrainerError;

    /// A corpus whose clip 7 cannot be read.
    struct Counting {
        read: AtomicUsize,
    }

    impl Source for Counting {
        fn name(&self) -> &str {
            "counting"
        }

        fn digest(&self) -> &str {
            ""
        }

        fn widths(&self) -> [usize; 3] {
            [1; 3]
        }

        fn lengths(&self, _: Split) -> &[ClipLengths] {
            &[]
        }

        fn batch(&self, _: Split, clips: &[usize]) -> Result<Batch> {
            self.read.fetch_add(1, Ordering::SeqCst);
            if clips.contains(&7) {
                return Err(TrainerError::corpus("clip 7", "unreadable"));
            }
            let stream = Stream { rows: vec![0.0; clips.len()], lengths: vec![1; clips.len()], longest: 1, width: 1 };
            let ids = clips.iter().map(ToString::to_string).collect();
            let (audio, text, simulated, video) = (stream.clone(), stream.clone(), stream.clone(), stream);
            Ok(Batch { ids, audio, text, simulated, video, labels: vec![0.0; clips.len()] })
        }
    }

    fn counting() -> Counting {
        Counting { read: AtomicUsize::new(0) }
    }

    #[test]
    fn batches_come_in_order() {
        let batches = vec![vec![3, 1], vec![2], vec![5, 6, 4]];
        let mut ids = Vec::new();
        let source = counting();
        each_batch(&source, Split::Train, &batches, &mut |batch| {
            ids.push(batch.ids.join(","));
            Ok(())
        })
        .unwrap();
        assert_eq!(ids, ["3,1", "2", "5,6,4"]);
    }

    #[test]
    fn an_error_of_either_side_ends_it() {
        let batches: Vec<Vec<usize>> = (0..100).map(|i| vec![i]).collect();
        let source = counting();
        let mut taken = 0;
        let error = each_batch(&source, Split::Train, &batches, &mut |_| {
            taken += 1;
            Ok(())
        });
        assert!(error.unwrap_err().to_string().contains("clip 7"));
        assert_eq!((taken, source.read.load(Ordering::SeqCst)), (7, 8));

        let source = counting();
        let error = each_batch(&source, Split::Train, &batches, &mut |batch| {
            if batch.ids == ["2"] { Err(TrainerError::corpus("taker", "enough")) } else { Ok(()) }
        });
        assert!(error.unwrap_err().to_string().contains("enough"));
        // Those that waited and the one in the making were read for nothing, and no more.
        assert!(source.read.load(Ordering::SeqCst) <= 3 + WAITING + 1);
    }
}
