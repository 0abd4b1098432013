//! A server that answers what the test says, and remembers what it was sent.

use haumana_replica::transport::{Call, Transport};
use haumana_replica::{Error, ErrorKind, Result};
use haumana_sync::id::UserId;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::Write;
use std::sync::Mutex;

/// A reply to `POST /sync`.
#[derive(Clone, Debug)]
pub(crate) struct Reply(Value);

/// A reply that brings nothing and answers nothing.
pub(crate) fn reply() -> Reply {
    Reply(json!({
        "results": [], "changes": [], "conflicts": [], "cursor": "c", "more": false,
        "reset": false, "serverTime": "2026-11-23T12:00:00.000Z",
    }))
}

/// The answer to another call.
pub(crate) fn answer(body: Value) -> Reply {
    Reply(body)
}

impl Reply {
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.0[key] = value.into();
        self
    }

    pub(crate) fn to_json(&self) -> String {
        self.0.to_string()
    }
}

/// Answers each request with the next reply; without one it cannot be reached.
#[derive(Debug, Default)]
pub(crate) struct Scripted {
    replies: Mutex<VecDeque<String>>,
    sent: Mutex<Vec<Value>>,
    called: Mutex<Vec<Call>>,
}

impl Scripted {
    pub(crate) fn new(replies: impl IntoIterator<Item = Reply>) -> Self {
        let replies = replies.into_iter().map(|reply| reply.to_json()).collect();
        Self { replies: Mutex::new(replies), ..Self::default() }
    }

    /// The bodies of all requests so far.
    pub(crate) fn sent(&self) -> Vec<Value> {
        self.sent.lock().unwrap().clone()
    }

    /// All other calls so far.
    pub(crate) fn called(&self) -> Vec<Call> {
        self.called.lock().unwrap().clone()
    }

    fn next(&self, op: &'static str) -> Result<Vec<u8>> {
        let next = self.replies.lock().unwrap().pop_front();
        next.map(String::into_bytes).ok_or_else(|| Error::new(op, ErrorKind::Offline))
    }
}

#[async_trait::async_trait]
impl Transport for Scripted {
    async fn sync(&self, _: &UserId, body: Vec<u8>) -> Result<Vec<u8>> {
        self.sent.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
        self.next("sync")
    }

    async fn call(&self, _: &UserId, call: &Call) -> Result<Vec<u8>> {
        self.called.lock().unwrap().push(call.clone());
        self.next("call")
    }

    async fn export(&self, _: &UserId, _: &mut (dyn Write + Send)) -> Result<()> {
        self.next("export").map(drop)
    }
}
