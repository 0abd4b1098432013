//! Faults between the SDK and the service, as a network and a busy service make them.
//!
//! They are made between the SDK and the wire, so the store cannot tell them from real ones. The
//! tests cover everything above, with the SDK.
//!
//! A storm draws the fate of each request from a seed. Requests about tables, such as
//! `CreateTable`, always pass, because tests need their tables.

use super::torn::{CommitOf, Service, Torn};
use super::wire::{answer, cut, read_body, refusal, target};
use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often each fault strikes, in per cent of the requests that it can strike.
///
/// A request meets at most one of these, the first that strikes. `slow` and `torn` come in
/// addition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Storm {
    /// Refused because of too many requests, or because of another transaction.
    pub throttled: u64,
    /// Answered 500 without having done anything.
    pub failed: u64,
    /// Done and answered 500.
    pub done_and_failed: u64,
    /// The connection is cut before the service sees the request.
    pub cut_before: u64,
    /// The connection is cut after the service has done it.
    pub cut_after: u64,
    /// Only a part of a batch is done.
    pub partial: u64,
    /// The answer takes some milliseconds longer.
    pub slow: u64,
    /// A Query after a commit sees only a part of it.
    pub torn: u64,
    /// A commit is refused because the user's items have reached 10 GB.
    pub full: u64,
}

impl Storm {
    /// No faults. Reads that may be stale still are.
    pub const CALM: Storm = Storm {
        throttled: 0,
        failed: 0,
        done_and_failed: 0,
        cut_before: 0,
        cut_after: 0,
        partial: 0,
        slow: 0,
        torn: 0,
        full: 0,
    };

    /// All temporary faults.
    pub const EVERYTHING: Storm = Storm {
        throttled: 5,
        failed: 2,
        done_and_failed: 3,
        cut_before: 2,
        cut_after: 3,
        partial: 30,
        slow: 2,
        torn: 40,
        full: 0,
    };
}

/// An HTTP client with faults.
///
/// Reads that do not ask for consistency get old answers: as if nothing had ever been written,
/// which is as stale as the API allows, or, for a query, as if some items were missing. So a store
/// that forgets to ask for consistency does not find its data.
#[derive(Clone, Debug)]
pub struct FaultyHttp(Arc<Inner>);

/// All connectors of a client share it, so that one seed decides for all.
#[derive(Debug)]
struct Inner {
    next: SharedHttpClient,
    storm: Storm,
    service: Service,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    dice: Dice,
    struck: BTreeMap<&'static str, u64>,
    /// How many requests still pass before all are throttled; `None`: no limit.
    allowed: Option<u64>,
}

impl FaultyHttp {
    /// Puts `storm` before `next`. The same seed strikes the same requests of one task.
    pub fn new(next: SharedHttpClient, storm: Storm, seed: u64) -> Self {
        Self::on(Service::default(), next, storm, seed)
    }

    /// Like [`FaultyHttp::new`], for a service that other clients use too.
    pub fn on(service: Service, next: SharedHttpClient, storm: Storm, seed: u64) -> Self {
        let state = State { dice: Dice(seed), struck: BTreeMap::new(), allowed: None };
        let state = Mutex::new(state);
        Self(Arc::new(Inner { next, storm, service, state }))
    }

    /// Lets `n` more requests meet the storm; all after them are throttled, until this is called
    /// again.
    pub fn allow(&self, n: u64) {
        self.0.lock().allowed = Some(n);
    }

    /// Returns how often each fault has struck.
    pub fn struck(&self) -> BTreeMap<&'static str, u64> {
        self.0.lock().struck.clone()
    }
}

impl From<FaultyHttp> for SharedHttpClient {
    fn from(faulty: FaultyHttp) -> Self {
        SharedHttpClient::new(faulty)
    }
}

impl HttpClient for FaultyHttp {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let next = self.0.next.http_connector(settings, components);
        SharedHttpConnector::new(FaultyConnector { inner: self.0.clone(), next })
    }
}

#[derive(Debug)]
struct FaultyConnector {
    inner: Arc<Inner>,
    next: SharedHttpConnector,
}

impl HttpConnector for FaultyConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let (inner, next) = (self.inner.clone(), self.next.clone());
        HttpConnectorFuture::new(async move { inner.call(&next, request).await })
    }
}

/// What happens to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Passes,
    IsThrottled,
    Fails,
    IsDoneAndFails,
    IsCutBefore,
    IsCutAfter,
    IsPartial,
    IsFull,
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(
        &self,
        next: &SharedHttpConnector,
        request: HttpRequest,
    ) -> Result<HttpResponse, ConnectorError> {
        let operation = target(&request);
        let body = request.body().bytes().and_then(|body| serde_json::from_slice(body).ok());
        let body: Value = body.unwrap_or_default();
        if is_stale(&operation, &body) && (operation != "Query" || self.lock().dice.strikes(50)) {
            return Ok(answer(200, &json!({ "Responses": {}, "Items": [], "Count": 0 })));
        }
        let (fate, delay) = self.decide(&operation);
        if let Some(delay) = delay {
            tokio::time::sleep(delay).await;
        }
        match fate {
            Fate::IsThrottled => Ok(throttled(&operation, &body)),
            Fate::IsFull => Ok(cancelled(&body, |item| item["Put"].is_object(), FULL)),
            Fate::Fails => Ok(refusal(500, "InternalServerError")),
            Fate::IsCutBefore => Err(cut()),
            Fate::Passes => self.pass(next, request, &operation, &body).await,
            Fate::IsPartial => self.pass_partly(next, request, &operation, body).await,
            Fate::IsDoneAndFails | Fate::IsCutAfter => {
                let answered = self.pass(next, request, &operation, &body).await?;
                // The service refused it, so nothing was done, and the answer says so.
                if !answered.status().is_success() {
                    return Ok(answered);
                }
                match fate {
                    Fate::IsCutAfter => Err(cut()),
                    _ => Ok(refusal(500, "InternalServerError")),
                }
            }
        }
    }

    /// Also returns by how much the answer is delayed.
    fn decide(&self, operation: &str) -> (Fate, Option<Duration>) {
        let mut state = self.lock();
        let storm = self.storm;
        if operation.contains("Table") || operation.contains("TimeToLive") {
            return (Fate::Passes, None);
        }
        match &mut state.allowed {
            Some(0) => return (Fate::IsThrottled, None),
            Some(allowed) => *allowed -= 1,
            None => {}
        }
        let delay = state.dice.strikes(storm.slow).then(|| {
            *state.struck.entry("slow").or_default() += 1;
            Duration::from_millis(1 + state.dice.below(5))
        });
        let is_batch = operation.starts_with("Batch");
        let is_commit = operation == "TransactWriteItems";
        let chances = [
            ("throttled", storm.throttled, Fate::IsThrottled),
            ("failed", storm.failed, Fate::Fails),
            ("done and failed", storm.done_and_failed, Fate::IsDoneAndFails),
            ("cut before", storm.cut_before, Fate::IsCutBefore),
            ("cut after", storm.cut_after, Fate::IsCutAfter),
            ("partial", if is_batch { storm.partial } else { 0 }, Fate::IsPartial),
            ("full", if is_commit { storm.full } else { 0 }, Fate::IsFull),
        ];
        for (name, chance, fate) in chances {
            if state.dice.strikes(chance) {
                *state.struck.entry(name).or_default() += 1;
                return (fate, delay);
            }
        }
        (Fate::Passes, delay)
    }

    /// Forwards a request. If it is a commit, the next queries may see only a part of it.
    async fn pass(
        &self,
        next: &SharedHttpConnector,
        request: HttpRequest,
        operation: &str,
        body: &Value,
    ) -> Result<HttpResponse, ConnectorError> {
        match operation {
            "TransactWriteItems" => {
                let Some(commit) = CommitOf::read(body) else { return next.call(request).await };
                let before = Torn::look_before(next, &request, body, &commit).await?;
                self.service.lock().expect(&commit);
                let answered = next.call(request).await?;
                if answered.status().is_success() {
                    let mut state = self.lock();
                    let is_struck = state.dice.strikes(self.storm.torn);
                    let dice = is_struck.then_some(&mut state.dice);
                    self.service.lock().remember(before, dice);
                }
                Ok(answered)
            }
            "Query" => {
                let answered = next.call(request).await?;
                if !answered.status().is_success() {
                    return Ok(answered);
                }
                let mut reply = read_body(answered).await?;
                if self.service.lock().tear(body, &mut reply) {
                    *self.lock().struck.entry("torn").or_default() += 1;
                }
                if is_stale(operation, body)
                    && let Some(items) = reply["Items"].as_array_mut()
                {
                    let mut state = self.lock();
                    items.retain(|_| !state.dice.strikes(50));
                }
                Ok(answer(200, &reply))
            }
            _ => next.call(request).await,
        }
    }

    /// Forwards a part of a batch, and answers that the rest was not processed.
    async fn pass_partly(
        &self,
        next: &SharedHttpConnector,
        mut request: HttpRequest,
        operation: &str,
        mut body: Value,
    ) -> Result<HttpResponse, ConnectorError> {
        let left = split(&mut body, &mut self.lock().dice);
        *request.body_mut() = SdkBody::from(body.to_string());
        let length = body.to_string().len().to_string();
        request.headers_mut().insert("content-length", length);
        let is_empty = body["RequestItems"].as_object().is_none_or(serde_json::Map::is_empty);
        let mut reply = match is_empty {
            true => json!({ "Responses": {} }),
            false => {
                let answered = next.call(request).await?;
                if !answered.status().is_success() {
                    return Ok(answered);
                }
                read_body(answered).await?
            }
        };
        let name = if operation == "BatchGetItem" { "UnprocessedKeys" } else { "UnprocessedItems" };
        reply[name] = left;
        Ok(answer(200, &reply))
    }
}

/// Takes some of the keys or writes out of a batch and returns them in the same form.
///
/// The form stays valid: a table without keys is left out of either half.
fn split(body: &mut Value, dice: &mut Dice) -> Value {
    let mut left = json!({});
    let Some(tables) = body["RequestItems"].as_object_mut() else { return left };
    for (table, asked) in tables.iter_mut() {
        let mut rest = asked.clone();
        let (list, rest_list) = match asked.is_array() {
            true => (asked.as_array_mut(), rest.as_array_mut()),
            false => (asked["Keys"].as_array_mut(), rest["Keys"].as_array_mut()),
        };
        let (Some(list), Some(rest_list)) = (list, rest_list) else { continue };
        let at = dice.below(list.len() as u64 + 1) as usize;
        rest_list.drain(..at);
        list.truncate(at);
        if !rest_list.is_empty() {
            left[table] = rest;
        }
    }
    let is_done = |asked: &Value| {
        let list = if asked.is_array() { asked } else { &asked["Keys"] };
        list.as_array().is_none_or(Vec::is_empty)
    };
    tables.retain(|_, asked| !is_done(asked));
    left
}

/// Whether a read does not ask for consistency.
fn is_stale(operation: &str, body: &Value) -> bool {
    let asks = |part: &Value| part["ConsistentRead"] == Value::Bool(true);
    match operation {
        "GetItem" | "Query" | "Scan" => !asks(body),
        "BatchGetItem" => {
            body["RequestItems"].as_object().is_some_and(|tables| !tables.values().all(asks))
        }
        _ => false,
    }
}

/// A transaction reports it by the reason of one of its items, everything else by the code.
fn throttled(operation: &str, body: &Value) -> HttpResponse {
    if operation != "TransactWriteItems" {
        return refusal(400, "ProvisionedThroughputExceededException");
    }
    cancelled(body, |_| true, "TransactionConflict")
}

/// DYNAMODB: the code of a reason if a partition of a table with a local index is full.
const FULL: &str = "ItemCollectionSizeLimitExceeded";

/// A transaction that was cancelled because of its first item that `is_cause`.
fn cancelled(body: &Value, is_cause: impl Fn(&Value) -> bool, code: &str) -> HttpResponse {
    let items = body["TransactItems"].as_array().map(Vec::as_slice).unwrap_or_default();
    let cause = items.iter().position(is_cause);
    let reason = |at: usize| match cause == Some(at) {
        true => json!({ "Code": code, "Message": "as a service says it" }),
        false => json!({ "Code": "None" }),
    };
    let reasons: Vec<Value> = (0..items.len()).map(reason).collect();
    let kind = "com.amazonaws.dynamodb.v20120810#TransactionCanceledException";
    answer(400, &json!({ "__type": kind, "CancellationReasons": reasons, "Message": "cancelled" }))
}

/// A small seeded generator: <https://prng.di.unimi.it/splitmix64.c>.
///
/// The same seed gives the same numbers on every machine.
#[derive(Debug)]
pub(super) struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(super) fn strikes(&mut self, per_cent: u64) -> bool {
        self.below(100) < per_cent
    }
}
