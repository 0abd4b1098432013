//! Runs a law on its own thread, with a time limit, and reports where it failed.

use crate::Store;
use std::any::Any;
use std::cell::RefCell;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// LIMIT: the time of one law, in seconds. `HAUMANA_LAW_SECS` sets another limit.
const LAW_SECS: u64 = 300;

thread_local! {
    static CASE: RefCell<Option<Arc<Mutex<String>>>> = const { RefCell::new(None) };
}

/// Names the case that a law is trying now. A failure names the last one.
pub fn case(text: impl fmt::Display) {
    CASE.with_borrow(|case| {
        if let Some(case) = case {
            *case.lock().unwrap_or_else(PoisonError::into_inner) = text.to_string();
        }
    });
}

/// A store that broke a law.
#[derive(Clone, Debug)]
pub struct Broken {
    /// The law, which is a sentence.
    pub law: String,
    /// The case that was tried last; empty if the law has only one.
    pub case: String,
    /// What was expected and what was found.
    pub found: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the store breaks the law: {}", self.law.replace('_', " "))?;
        if !self.case.is_empty() {
            write!(f, "\n  in the case: {}", self.case)?;
        }
        write!(f, "\n  {}", self.found)
    }
}

/// Runs one law to its end, on its own thread and runtime.
///
/// # Errors
///
/// [`Broken`] if the law panics, or does not end in time. In the second case its thread keeps
/// running.
pub fn try_run<F: Future<Output = ()>>(
    law: &str,
    limit: Duration,
    make: impl FnOnce() -> F + Send + 'static,
) -> Result<(), Broken> {
    let case = Arc::new(Mutex::new(String::new()));
    let (done, outcome) = channel();
    let of_thread = case.clone();
    let body = move || {
        CASE.set(Some(of_thread));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(make());
        // If the time is over, nobody receives this.
        let _ = done.send(());
    };
    let thread = std::thread::Builder::new().name(law.to_owned()).spawn(body).unwrap();
    let found = match outcome.recv_timeout(limit) {
        Ok(()) => return Ok(()),
        Err(RecvTimeoutError::Timeout) => {
            format!("it did not end within {limit:?}: a call waits for what never comes")
        }
        Err(RecvTimeoutError::Disconnected) => match thread.join() {
            Ok(()) => return Ok(()),
            Err(panic) => text_of(&*panic),
        },
    };
    let case = case.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Err(Broken { law: law.to_owned(), case, found })
}

/// Runs one law to its end, as the macros do.
///
/// # Panics
///
/// If the store breaks it.
#[doc(hidden)]
pub fn run<F: Future<Output = ()>>(law: &str, make: impl FnOnce() -> F + Send + 'static) {
    let asked = std::env::var("HAUMANA_LAW_SECS").ok().and_then(|text| text.parse().ok());
    if let Err(broken) = try_run(law, Duration::from_secs(asked.unwrap_or(LAW_SECS)), make) {
        panic!("{broken}");
    }
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    text.unwrap_or("it panicked without a text").to_owned()
}

/// A value that a test opened, as a store. It is found through `Deref`, too.
#[doc(hidden)]
pub trait AsStore {
    /// Returns the store.
    fn as_store(&self) -> &dyn Store;
}

impl<S: Store> AsStore for S {
    fn as_store(&self) -> &dyn Store {
        self
    }
}

impl AsStore for dyn Store {
    fn as_store(&self) -> &dyn Store {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_names_the_law_the_case_and_what_was_wanted() {
        let broken = try_run("two_and_two_are_four", Duration::from_secs(9), || async {
            case("2 + 2");
            panic!("4 was wanted, and 5 was found");
        });

        let text = broken.unwrap_err().to_string();
        assert_eq!(
            "the store breaks the law: two and two are four\n  in the case: 2 + 2\n  \
             4 was wanted, and 5 was found",
            text
        );
    }

    #[test]
    fn a_law_that_never_ends_is_broken() {
        let broken = try_run("it_ends", Duration::from_secs(2), || async {
            case("the first call");
            std::future::pending::<()>().await;
        });

        let broken = broken.unwrap_err();
        assert_eq!("the first call", broken.case);
        assert!(broken.found.contains("did not end"), "{broken}");
    }
}
