//! Reads an HTTP answer, and checks whether a server of this project has given it.

use super::bounds::Budget;
use super::meaning::refusal;
use super::retry_after;
use crate::error::{AnswerForm, Answered, Error, ErrorKind, Result};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use reqwest::{Response, StatusCode, Url};
use std::time::{Duration, SystemTime};

/// LIMIT: the body of a failure, in bytes. A longer body is no answer of this API.
const FAILURE_BYTES: u64 = 64 * 1024;

/// Returns the body of an answer with status 200.
pub(super) async fn body(
    op: &'static str,
    mut response: Response,
    mut budget: Budget,
) -> Result<Vec<u8>> {
    let mut start = Start::of(op, &response);
    let mut body = Vec::new();
    while let Some(part) = response.chunk().await.map_err(|error| offline(op, error))? {
        budget.take(&part)?;
        start.check(&part)?;
        body.extend_from_slice(&part);
    }
    start.end()?;
    Ok(body)
}

/// The start of an answer with status 200, part by part. Each answer of the API is a JSON object.
pub(super) struct Start {
    op: &'static str,
    /// The head of the answer, until the body has more than blanks.
    head: Option<Head>,
}

impl Start {
    pub(super) fn of(op: &'static str, response: &Response) -> Self {
        Self { op, head: Some(Head::of(response)) }
    }

    /// Fails if `part` shows that something other than the API has answered.
    pub(super) fn check(&mut self, part: &[u8]) -> Result<()> {
        match part.trim_ascii_start().first() {
            Some(b'{') => self.head = None,
            Some(_) => return self.refuse(part),
            None => {}
        }
        Ok(())
    }

    /// Fails if there were only blanks.
    pub(super) fn end(mut self) -> Result<()> {
        self.refuse(b"")
    }

    fn refuse(&mut self, part: &[u8]) -> Result<()> {
        let Some(head) = self.head.take() else { return Ok(()) };
        Err(Error::new(self.op, ErrorKind::Protocol).answered_by(head.answered(part)))
    }
}

/// Returns what a status other than 200 means for the replica.
pub(super) async fn refused(op: &'static str, response: Response, patience: Duration) -> Error {
    let (head, secs) = (Head::of(&response), wait_secs(response.headers()));
    let body = failure_body(response, Budget::of(op, FAILURE_BYTES, patience)).await;
    let error = refusal(op, head.status.as_u16(), &body).retry_after(secs);
    match error.code() {
        Some(_) => error,
        None => error.answered_by(head.answered(&body)),
    }
}

/// The request was not completed.
pub(super) fn offline(op: &'static str, error: reqwest::Error) -> Error {
    // The address is the server's and contains nothing of the user, but a log does not need it.
    Error::new(op, ErrorKind::Offline).caused_by(error.without_url())
}

/// The part of an answer before its body.
struct Head {
    status: StatusCode,
    is_html: bool,
    redirect: Option<Option<String>>,
}

impl Head {
    fn of(response: &Response) -> Self {
        let header = |name: HeaderName| response.headers().get(name)?.to_str().ok();
        let status = response.status();
        let is_html = header(CONTENT_TYPE).is_some_and(|kind| kind.contains("html"));
        // Only the name of the server. The rest of the address may be meant for one person.
        let server = |to: &str| {
            let to = Url::parse(to).or_else(|_| response.url().join(to)).ok()?;
            Some(to.origin().ascii_serialization())
        };
        let redirect = status.is_redirection().then(|| header(LOCATION).and_then(server));
        Self { status, is_html, redirect }
    }

    fn answered(self, body: &[u8]) -> Answered {
        let form = match self.redirect {
            Some(to) => AnswerForm::Redirect(to),
            None if self.is_html || body.trim_ascii_start().starts_with(b"<") => AnswerForm::Page,
            None if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() => {
                AnswerForm::Json
            }
            None => AnswerForm::Other,
        };
        let reason = self.status.canonical_reason().unwrap_or_default().to_owned();
        Answered { status: self.status.as_u16(), reason, form }
    }
}

/// The body of a failure; empty if it is too long for this API, or was interrupted.
async fn failure_body(mut response: Response, mut budget: Budget) -> Vec<u8> {
    let mut body = Vec::new();
    while let Ok(Some(part)) = response.chunk().await {
        if budget.take(&part).is_err() {
            return Vec::new();
        }
        body.extend_from_slice(&part);
    }
    body
}

fn wait_secs(headers: &HeaderMap) -> Option<u64> {
    let header = |name: HeaderName| headers.get(name)?.to_str().ok();
    let asked = header(RETRY_AFTER)?;
    retry_after::secs(asked, header(DATE), SystemTime::now())
}
