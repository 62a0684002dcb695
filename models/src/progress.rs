//! A sign of life from within a long run of a network.
//!
//! A run may take minutes on a small machine, and whoever looks after its thread cannot tell such a run from one that hangs. So
//! the engine and llama.cpp's callback say after each operator that there was progress.

use std::cell::RefCell;

/// What is called on progress.
type Told = Box<dyn Fn()>;

thread_local! {
    static TOLD: RefCell<Option<Told>> = const { RefCell::new(None) };
}

/// From now on `told` is called after each operator that a network on this thread has computed, thousands of times a second:
/// it must neither wait nor panic.
pub fn on_progress(told: impl Fn() + 'static) {
    TOLD.set(Some(Box::new(told)));
}

/// There was progress on this thread.
pub(crate) fn progress() {
    TOLD.with_borrow(|told| {
        if let Some(told) = told {
            told();
        }
    });
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::rc::Rc;

    use super::*;

    #[test]
    fn only_the_thread_that_asked_is_told() {
        let count = Rc::new(Cell::new(0));
        let mine = Rc::clone(&count);
        on_progress(move || mine.set(mine.get() + 1));
        progress();
        std::thread::spawn(progress).join().unwrap();
        progress();
        assert_eq!(count.get(), 2);
    }
}
