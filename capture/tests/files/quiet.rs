//! The barrier around libraries that panic.

use std::panic::{catch_unwind, panic_any};
use std::process::Command;
use std::thread::{self, JoinHandle};

use mien_capture::quietly;

#[test]
fn a_panic_becomes_an_error_and_the_next_call_works() {
    let payload = quietly::<()>(|| panic_any(7_u64)).unwrap_err();
    assert_eq!(payload.downcast_ref(), Some(&7_u64));
    assert_eq!(quietly(|| 3).unwrap(), 3);
}

/// Set where the program is run for its reports of panics: the hook belongs to the whole process.
const REPORTING: &str = "MIEN_TEST_REPORTING";

#[test]
fn only_panics_inside_are_silent() {
    if std::env::var_os(REPORTING).is_some() {
        return report();
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--nocapture", "quiet::only_panics_inside_are_silent"])
        .env(REPORTING, "1")
        .output()
        .unwrap();
    let reports = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{reports}");
    for (words, expected) in [
        ("on a thread before", 1),
        ("of the only call", 0),
        ("of the inner call", 0),
        ("of the outer call", 0),
        ("on another thread meanwhile", 1),
        ("behind the barrier", 1),
    ] {
        assert_eq!(reports.matches(words).count(), expected, "{words}: {reports}");
    }
}

fn report() {
    let elsewhere = |words: &'static str| {
        let thread: JoinHandle<()> = thread::spawn(move || panic!("{words}"));
        assert!(thread.join().is_err());
    };
    elsewhere("on a thread before");
    assert!(quietly::<()>(|| panic!("of the only call")).is_err());
    let outer = quietly::<()>(|| {
        assert!(quietly::<()>(|| panic!("of the inner call")).is_err());
        elsewhere("on another thread meanwhile");
        panic!("of the outer call")
    });
    assert!(outer.is_err());
    assert!(catch_unwind::<_, ()>(|| panic!("behind the barrier")).is_err());
}
