//! A view of a live session in the terminal.
//!
//! Two threads: one draws ten times a second from snapshots, one reads keys. Neither holds anything that a stage waits
//! for, so a terminal that stands still stops the view and nothing else.

mod draw;
mod figures;
mod keys;
mod messages;
mod picture;
mod rows;
mod screen;
mod status;
#[cfg(test)]
mod tests;
mod trace;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use mien_runtime::live::command::{Command, Handler};
use mien_runtime::live::view::LiveView;
use mien_runtime::{Result, RuntimeError};
use ratatui::symbols::Marker;

use super::output;
use draw::Scene;
use keys::Request;
pub(crate) use messages::keep;
use screen::Screen;

/// Time between two pictures.
const TURN: Duration = Duration::from_millis(100);
/// How long the end waits for a terminal that takes nothing any longer.
const PATIENCE: Duration = Duration::from_millis(300);

/// Whether there is a terminal to show the view in and to read keys from; sooner known than networks are loaded.
///
/// # Errors
/// [`RuntimeError::Request`] where there is none.
pub(crate) fn check() -> Result<()> {
    screen::check()?;
    keys::source().map(drop)
}

/// Makes the terminal line by line again, for a process that ends at once.
pub(crate) fn put_back() {
    screen::cook();
}

/// The open view. Dropping it puts the terminal back; drop it before what the program still prints, and before a long end,
/// so that a second Ctrl-C finds the terminal as it was.
pub(crate) struct Tui {
    ended: Arc<AtomicBool>,
    /// Why nobody sees the view any longer.
    gone: Arc<OnceLock<String>>,
    drawing: Option<JoinHandle<()>>,
}

impl Tui {
    /// Takes over the terminal and shows what `view` gives; keys become commands for `handler`, and so does the loss of
    /// the terminal: a microphone that nobody can see to be open is closed.
    ///
    /// # Errors
    /// [`RuntimeError::Request`] where stdout or the keyboard is no terminal, or the terminal refuses;
    /// [`RuntimeError::Thread`].
    pub(crate) fn start(view: Arc<dyn Fn() -> LiveView + Send + Sync>, handler: Handler) -> Result<Self> {
        check()?;
        let source = keys::source()?;
        let mut screen = Screen::open().map_err(screen::refused)?;
        messages::open();
        let ended = Arc::new(AtomicBool::new(false));
        let redraw = Arc::new(AtomicBool::new(false));
        let gone: Arc<OnceLock<String>> = Arc::default();

        let (stop, anew, commanded) = (Arc::clone(&ended), Arc::clone(&redraw), Arc::clone(&handler));
        let deaf = Arc::clone(&gone);
        let work = move || {
            let act = |request| {
                if stop.load(Ordering::Relaxed) {
                    return false;
                }
                match request {
                    Request::Redraw => anew.store(true, Ordering::Relaxed),
                    Request::Do(command) => messages::answer(&commanded(command)),
                    Request::Gone => {
                        let _ = deaf.set("the terminal is gone".into());
                        drop(commanded(Command::Stop));
                    }
                }
                true
            };
            if catch_unwind(AssertUnwindSafe(|| keys::read(source, act))).is_err() {
                let _ = deaf.set("the thread that reads keys broke down".into());
                drop(commanded(Command::Stop));
            }
        };
        // Never joined: it may wait for a key for ever, and ends with the program.
        std::thread::Builder::new().name("keys".into()).spawn(work).map_err(|e| thread("keys", e))?;

        let stop = Arc::clone(&ended);
        let marker = draw::marker(std::env::var("TERM").ok().as_deref());
        let unseen = Arc::clone(&gone);
        let work = move || {
            let shown = catch_unwind(AssertUnwindSafe(|| show(&mut screen, &*view, marker, &stop, &redraw)));
            let reason = match shown {
                Ok(Ok(())) => return,
                Ok(Err(error)) => format!("the terminal is gone ({error})"),
                Err(_) => "the thread that draws the view broke down".into(),
            };
            messages::note(&format!("mien: {reason}: the session ends"));
            let _ = unseen.set(reason);
            drop(handler(Command::Stop));
        };
        let drawing = std::thread::Builder::new().name("view".into()).spawn(work).map_err(|e| thread("view", e))?;
        Ok(Self { ended, gone, drawing: Some(drawing) })
    }

    /// Puts the terminal back; gives why nobody saw the view any longer, where that ended the session.
    pub(crate) fn close(self) -> Option<String> {
        self.gone.get().map(|reason| format!("{reason}, and nobody sees any longer that the devices are open"))
    }

    /// Shows a line among the messages.
    pub(crate) fn tell(&self, line: &str) {
        messages::note(line);
    }
}

impl Drop for Tui {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        let Some(drawing) = self.drawing.take() else { return };
        drawing.thread().unpark();
        let deadline = Instant::now() + PATIENCE;
        while !drawing.is_finished() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if drawing.is_finished() {
            // The screen, which the thread owned, has closed itself.
            let _ = drawing.join();
            messages::flush();
        } else {
            // Whoever writes to it would wait, too: what is still said is lost, and the session ends as it should.
            screen::cook();
            output::give_up();
        }
    }
}

fn thread(name: &'static str, source: std::io::Error) -> RuntimeError {
    RuntimeError::Thread { name, source }
}

/// Draws until the end.
fn show(
    screen: &mut Screen,
    view: &(dyn Fn() -> LiveView + Send + Sync),
    marker: Marker,
    ended: &AtomicBool,
    redraw: &AtomicBool,
) -> std::io::Result<()> {
    while !ended.load(Ordering::Relaxed) {
        if redraw.swap(false, Ordering::Relaxed) {
            screen.clear()?;
        }
        let (view, messages) = (view(), messages::last());
        screen.draw(|frame| draw::draw(frame, &Scene { view: &view, messages: &messages, marker }))?;
        std::thread::park_timeout(TURN);
    }
    Ok(())
}
