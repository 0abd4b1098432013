//! Retries. Only this module decides when, how often and how long.
//!
//! # The rules
//!
//! - A call has one budget of time for all its requests and waits. The host's deadline, less
//!   [`ANSWER_MARGIN`], may end it earlier.
//! - A request that was refused for now, or lost, is sent again after a wait. The wait doubles each
//!   time, up to the longest, and each is cut at random to between a half and all of it.
//! - A request that was refused for good ends the call at once.
//! - If a request was ever lost, the call ends as `Unknown` (a write) or `Unavailable` (a read). If
//!   all were refused before any work, it ends as `Throttled`.

use crate::error::{Class, Failure};
use crate::meter::Retries;
use crate::options::DynamoOptions;
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use haumana_sync::store::{Error, ErrorKind, Result};
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;
use tokio::time::Instant;

/// The time that a host needs for its own answer, after the store has given up.
const ANSWER_MARGIN: Duration = Duration::from_millis(250);

/// One call of the store: its time, and the state of its requests.
///
/// Batches of one call that run at the same time each have one of these, so each has the whole
/// budget.
#[derive(Debug)]
pub(crate) struct Call {
    op: &'static str,
    until: Instant,
    request: Duration,
    next_wait: Duration,
    longest_wait: Duration,
    /// The kind of the final error, if a request may have been done.
    ///
    /// `Unknown` for a write, `Unavailable` for a read.
    lost: ErrorKind,
    /// Whether some request may have been done although its answer was lost.
    is_unsettled: bool,
    retries: Retries,
}

impl Call {
    /// Starts the clock of a call that only reads.
    pub(crate) fn reading(op: &'static str, options: &DynamoOptions, retries: Retries) -> Self {
        Self::start(op, ErrorKind::Unavailable, options, retries)
    }

    /// Starts the clock of a call that changes something.
    pub(crate) fn writing(op: &'static str, options: &DynamoOptions, retries: Retries) -> Self {
        Self::start(op, ErrorKind::Unknown, options, retries)
    }

    fn start(op: &'static str, lost: ErrorKind, options: &DynamoOptions, retries: Retries) -> Self {
        let retry = options.retry;
        let budget = Instant::now() + retry.budget;
        let host = options.deadline.at().map(|at| at.checked_sub(ANSWER_MARGIN).unwrap_or(at));
        Self {
            op,
            until: host.map_or(budget, |host| host.min(budget)),
            request: retry.request,
            next_wait: retry.first_wait,
            longest_wait: retry.longest_wait,
            lost,
            is_unsettled: false,
            retries,
        }
    }

    /// Returns the name of the call.
    pub(crate) fn op(&self) -> &'static str {
        self.op
    }

    /// Sends a request, and repeats it as long as time is left and it may help.
    pub(crate) async fn send<T, E, F>(&mut self, mut request: impl FnMut() -> F) -> Result<T>
    where
        E: ProvideErrorMetadata,
        F: Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    {
        loop {
            match self.send_once(request()).await {
                Ok(answer) => return Ok(answer),
                Err(error) => self.wait(Failure::of(&error)).await?,
            }
        }
    }

    /// Sends a request once, within the time that is left.
    ///
    /// It does not wait and does not count. A caller that must look at the error itself uses it
    /// together with [`wait`](Self::wait).
    pub(crate) async fn send_once<T, E: ProvideErrorMetadata>(
        &self,
        request: impl Future<Output = std::result::Result<T, SdkError<E, HttpResponse>>>,
    ) -> std::result::Result<T, SdkError<E, HttpResponse>> {
        let until = self.until.min(Instant::now() + self.request);
        match tokio::time::timeout_at(until, request).await {
            Ok(answer) => answer,
            Err(elapsed) => Err(SdkError::timeout_error(elapsed)),
        }
    }

    /// Waits before the next try, and counts it.
    ///
    /// # Errors
    ///
    /// If another try cannot help, or there is no time left for one.
    pub(crate) async fn wait(&mut self, failure: Failure) -> Result<()> {
        self.is_unsettled |= failure.class == Class::Lost;
        if let Class::Refused(kind) = failure.class {
            // An earlier request of this call may have been done.
            let kind = if self.is_unsettled { self.lost } else { kind };
            return Err(Error::with_source(self.op, kind, failure));
        }
        let wait = self.next_wait.mul_f64(fraction());
        self.next_wait = self.longest_wait.min(self.next_wait * 2);
        if self.until <= Instant::now() + wait {
            return Err(self.give_up(failure));
        }
        tokio::time::sleep(wait).await;
        self.retries.add();
        Ok(())
    }

    /// The error of a call whose time is over.
    ///
    /// The source is the last failure. Its kind may differ from that of the earlier failure that
    /// decides.
    fn give_up(&self, failure: Failure) -> Error {
        let kind = if self.is_unsettled { self.lost } else { ErrorKind::Throttled };
        Error::with_source(self.op, kind, failure)
    }
}

/// A number from a half to one, so that callers that failed together do not come back together.
fn fraction() -> f64 {
    let random = RandomState::new().hash_one(Instant::now());
    0.5 + (random >> 12) as f64 / (1_u64 << 53) as f64
}
