//! The terminal while the view has it, and how it is put back.

use std::io::{BufWriter, IsTerminal, Stdout, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use mien_runtime::{Result, RuntimeError};
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::Show;
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use ratatui::{Frame, Terminal};

/// One picture goes out in one piece, so that no half of it is seen.
const PICTURE: usize = 1 << 16;

/// Whether the terminal is taken: whoever takes this back puts it back.
static TAKEN: AtomicBool = AtomicBool::new(false);

type Out = BufWriter<Stdout>;

/// The terminal, raw and on its second screen; dropping puts it back.
pub(super) struct Screen {
    terminal: Terminal<CrosstermBackend<Out>>,
}

impl Screen {
    /// Takes the terminal of stdout.
    ///
    /// # Errors
    /// As the system or the terminal has them.
    pub(super) fn open() -> std::io::Result<Self> {
        take()?;
        let made = Terminal::new(CrosstermBackend::new(BufWriter::with_capacity(PICTURE, std::io::stdout())));
        made.map(|terminal| Self { terminal }).inspect_err(|_| restore())
    }

    /// Draws one picture.
    ///
    /// # Errors
    /// The terminal has gone.
    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame)) -> std::io::Result<()> {
        self.terminal.draw(picture).map(|_| ())
    }

    /// Makes the next picture a whole one.
    ///
    /// # Errors
    /// The terminal has gone.
    pub(super) fn clear(&mut self) -> std::io::Result<()> {
        let size = self.terminal.size()?;
        self.terminal.resize(size.into())
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.terminal.backend_mut().flush();
        restore();
    }
}

/// Whether stdout is a terminal.
///
/// # Errors
/// [`RuntimeError::Request`] where it is none.
pub(super) fn check() -> Result<()> {
    if std::io::stdout().is_terminal() { Ok(()) } else { Err(refused("stdout is none")) }
}

/// The refusal of a terminal, for people.
pub(super) fn refused(error: impl std::fmt::Display) -> RuntimeError {
    RuntimeError::Request {
        what: "--tui".into(),
        reason: format!("cannot use the terminal: {error}; run it in a terminal, or leave it out"),
    }
}

/// Makes the terminal line by line again without writing to it, for one that takes no bytes any longer.
pub(super) fn cook() {
    TAKEN.store(false, Ordering::Release);
    let _ = disable_raw_mode();
}

fn take() -> std::io::Result<()> {
    enable_raw_mode()?;
    TAKEN.store(true, Ordering::Release);
    execute!(std::io::stdout(), EnterAlternateScreen).inspect_err(|_| restore())
}

fn restore() {
    if TAKEN.swap(false, Ordering::AcqRel) {
        let _ = disable_raw_mode();
        let _ = execute!(std::io::stdout(), LeaveAlternateScreen, Show);
    }
}
