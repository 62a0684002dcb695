//! Another bundle beside the running one: one at a time, and none for ever.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::event::What;
use super::failpoint;
use super::graph::{Swap, Wiring};
use super::stage::message;
use crate::Result;
use crate::config::Config;
use crate::default_bundle::choose;
use crate::rung::{Wish, choose_here};
use crate::scorer::Networks;

/// A loading thread that neither computed nor read for so long hangs.
const STILL: Duration = Duration::from_secs(60);
/// How long loading may take in any case: a large bundle on a slow card takes many minutes.
const LONGEST: Duration = Duration::from_secs(3600);
/// Loading threads that may be left hanging; after that, a reload is refused.
const LEFT: u32 = 2;

/// Loads bundles on threads of their own.
#[derive(Clone)]
pub(crate) struct Reloads {
    wiring: Arc<Wiring>,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    /// The loading under way.
    under_way: Option<UnderWay>,
    /// Counts loadings: one that was given up on and comes back does not end another one.
    number: u64,
    /// Threads that were left hanging.
    left: u32,
}

struct UnderWay {
    number: u64,
    begun: Instant,
    /// Where the kernel tells what the thread does; not known before it runs.
    thread: Option<PathBuf>,
    /// What it had done when it was looked at, and since when that has not changed.
    done: (String, Instant),
}

/// How a loading ended; told exactly once, whatever becomes of who was to tell it.
pub(crate) struct Outcome {
    reloads: Reloads,
    number: u64,
    told: bool,
}

impl Outcome {
    /// The bundle is in use, or why it is not.
    pub(crate) fn tell(mut self, outcome: std::result::Result<(), String>) {
        self.told = true;
        self.reloads.end(self.number, outcome.err());
    }

    /// Whether nobody waits for it any longer.
    pub(crate) fn given_up(&self) -> bool {
        self.reloads.locked().under_way.as_ref().is_none_or(|u| u.number != self.number)
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        if !self.told {
            self.reloads.end(self.number, Some("a thread broke down before it was in use".into()));
        }
    }
}

impl Reloads {
    pub(crate) fn new(wiring: Arc<Wiring>) -> Self {
        Self { wiring, state: Arc::default() }
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to load the bundle of `config`; the answer to whoever asked.
    pub(crate) fn begin(&self, config: &Config, wish: Wish) -> Value {
        let number = {
            let mut state = self.locked();
            if state.under_way.is_some() {
                return json!({ "error": "a bundle is being loaded already; wait for its event" });
            }
            if state.left >= LEFT {
                let told = format!("{LEFT} earlier reloads still hang; start the program anew");
                return json!({ "error": told });
            }
            state.number += 1;
            let now = Instant::now();
            let number = state.number;
            state.under_way = Some(UnderWay { number, begun: now, thread: None, done: (String::new(), now) });
            number
        };
        let (reloads, config) = (self.clone(), config.clone());
        let work = move || {
            let outcome = Outcome { reloads: reloads.clone(), number, told: false };
            if let Some(under_way) = reloads.locked().under_way.as_mut().filter(|u| u.number == number) {
                under_way.thread = std::fs::read_link("/proc/thread-self").ok().map(|p| PathBuf::from("/proc").join(p));
            }
            let loaded = catch_unwind(AssertUnwindSafe(|| {
                failpoint::here("reload");
                load(&config, &wish)
            }));
            match loaded {
                Ok(Ok(networks)) if !outcome.given_up() => reloads.wiring.lay_swap(Swap { networks, done: outcome }),
                Ok(Ok(_)) => outcome.tell(Err("it was loaded too late".into())),
                Ok(Err(error)) => outcome.tell(Err(error.to_string())),
                Err(panic) => outcome.tell(Err(format!("loading it broke down: {}", message(&*panic)))),
            }
        };
        match std::thread::Builder::new().name("reload".into()).spawn(work) {
            Ok(_) => json!({ "ok": true, "loading": true }),
            Err(error) => {
                self.locked().under_way = None;
                json!({ "error": format!("cannot start a thread: {error}") })
            }
        }
    }

    /// Gives a loading up that hangs; to be called now and then.
    pub(crate) fn look(&self) {
        let mut state = self.locked();
        let Some(under_way) = &mut state.under_way else { return };
        let done = under_way.thread.as_ref().map(|thread| work_of(thread));
        if let Some(done) = done.filter(|done| *done != under_way.done.0) {
            under_way.done = (done, Instant::now());
        }
        // Once it is loaded, the thread is gone and the scorer takes it between two utterances.
        let loading = under_way.thread.as_ref().is_some_and(|thread| thread.exists());
        // A kernel that tells nothing leaves the longest time alone.
        let still = loading && !under_way.done.0.is_empty() && under_way.done.1.elapsed() > STILL;
        if still || under_way.begun.elapsed() > LONGEST {
            let number = under_way.number;
            state.left += u32::from(loading);
            drop(state);
            self.end(number, Some("loading it made no progress and was given up".into()));
        }
    }

    /// Tells how the loading `number` ended, if nobody told it before.
    fn end(&self, number: u64, refused: Option<String>) {
        {
            let mut state = self.locked();
            if state.under_way.as_ref().is_none_or(|u| u.number != number) {
                return;
            }
            state.under_way = None;
        }
        if let Some(reason) = &refused {
            log::error!("the new bundle is not used: {reason}; the one before stays in use");
        }
        let facts = self.wiring.facts();
        self.wiring.event(What::Bundle { bundle: facts.mark.clone(), rung: facts.rung, refused });
    }
}

/// The networks of the bundle that is to be used.
fn load(config: &Config, wish: &Wish) -> Result<Networks> {
    let bundle = choose(config.bundle.as_deref())?;
    // The bundle before is still held, so this one must fit beside it.
    let chosen = choose_here(bundle.bundle.manifest(), config.llm_use(), wish)?;
    if let Some(warning) = chosen.warning() {
        log::warn!("{warning}");
    }
    let networks = Networks::open(&bundle.bundle, &config.scorer_settings(chosen.rung))?;
    networks.check().map(|()| networks)
}

/// What a thread has computed and read so far, in the kernel's words.
fn work_of(thread: &std::path::Path) -> String {
    ["schedstat", "io"].map(|name| std::fs::read_to_string(thread.join(name)).unwrap_or_default()).concat()
}
