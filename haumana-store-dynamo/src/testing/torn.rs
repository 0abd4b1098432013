//! A commit of which a Query sees only a part.
//!
//! DynamoDB's transactions are isolated from reads of single items, but not from queries. While a
//! transaction is being applied, a Query may find some of its items in the new state and others in
//! the old one. The emulator applies them at once, so its answers are changed here.
//!
//! That is a state of the service, not of a client: every query may find it, until enough commits
//! have been made since. So the clients of the same tables share one [`Service`].
//!
//! # How it works
//!
//! Before a commit is forwarded, the items that it will replace are read. After it, some of them
//! are chosen at random. The next one or two queries that would return such an item get the old
//! item instead, until enough commits have followed. At most four commits are half visible at once,
//! as many as a head remembers.

use super::faults::Dice;
use super::wire::read_body;
use crate::heads::RECENT;
use crate::schema::{HISTORY, PIECES, PLACE, PROJECTED, SESSIONS, TableSchema};
use aws_smithy_runtime_api::client::http::{HttpConnector, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The shared state of clients of the same tables.
#[derive(Clone, Debug, Default)]
pub struct Service(Arc<Mutex<Torn>>);

impl Service {
    pub(super) fn lock(&self) -> MutexGuard<'_, Torn> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The items of the last commits that some queries do not see yet.
#[derive(Debug, Default)]
pub(super) struct Torn {
    unseen: Vec<Unseen>,
    /// By head: the last revision that anybody has tried to commit.
    latest: HashMap<String, u64>,
}

/// Which commit a transaction is.
#[derive(Clone, Debug)]
pub(super) struct CommitOf {
    head: String,
    revision: u64,
}

impl CommitOf {
    /// Reads a transaction; `None` if it is no commit.
    pub(crate) fn read(body: &Value) -> Option<Self> {
        let update = &body["TransactItems"][0]["Update"];
        let revision = update["ExpressionAttributeValues"][":new_revision"]["N"].as_str()?;
        Some(Self { head: update["Key"].to_string(), revision: revision.parse().ok()? })
    }
}

/// One written item, and its state before.
///
/// Items of the history are not included, because nobody depends on their order.
#[derive(Clone, Debug)]
pub(super) struct Unseen {
    table: String,
    schema: TableSchema,
    new: Value,
    old: Option<Value>,
    /// How many more queries get the old item.
    queries: u64,
    /// The commit that wrote it.
    commit: CommitOf,
    /// The last revision until which some queries get the old item.
    until: u64,
}

impl Unseen {
    /// Whether an item has the same key.
    fn is(&self, item: &Value) -> bool {
        [self.schema.partition, self.schema.sort].iter().all(|name| item[name] == self.new[name])
    }
}

impl Torn {
    /// Reads the items that a transaction will replace.
    pub(crate) async fn look_before(
        next: &SharedHttpConnector,
        request: &HttpRequest,
        body: &Value,
        commit: &CommitOf,
    ) -> Result<Vec<Unseen>, ConnectorError> {
        let puts = body["TransactItems"].as_array().into_iter().flatten();
        let puts = puts.map(|item| &item["Put"]).filter(|put| put.is_object());
        let mut unseen = Vec::new();
        for put in puts {
            let table = put["TableName"].as_str().unwrap_or_default().to_owned();
            let of_name = |schema: &&TableSchema| table.ends_with(schema.suffix);
            let Some(schema) = [PIECES, SESSIONS, HISTORY].iter().find(of_name).copied() else {
                continue;
            };
            if schema == HISTORY {
                continue;
            }
            let (new, old, commit) = (put["Item"].clone(), None, commit.clone());
            unseen.push(Unseen { table, schema, new, old, queries: 0, commit, until: 0 });
        }
        for one in &mut unseen {
            let key = |name: &str| one.new[name].clone();
            let (partition, sort) = (one.schema.partition, one.schema.sort);
            let key = json!({ partition: key(partition), sort: key(sort) });
            let get = json!({ "TableName": one.table, "Key": key, "ConsistentRead": true });
            let Some(mut look) = request.try_clone() else { continue };
            look.headers_mut().insert("x-amz-target", "DynamoDB_20120810.GetItem");
            look.headers_mut().insert("content-length", get.to_string().len().to_string());
            *look.body_mut() = SdkBody::from(get.to_string());
            let reply = read_body(next.call(look).await?).await?;
            one.old = reply.get("Item").cloned();
        }
        Ok(unseen)
    }

    /// Notes that a commit will be tried. From now on a reader may know of it.
    pub(crate) fn expect(&mut self, commit: &CommitOf) {
        let latest = self.latest.entry(commit.head.clone()).or_default();
        *latest = commit.revision.max(*latest);
    }

    /// Notes a commit; if `is_struck`, chooses items that the next queries do not see.
    pub(crate) fn remember(&mut self, written: Vec<Unseen>, is_struck: Option<&mut Dice>) {
        let latest = &self.latest;
        let is_left = |unseen: &Unseen| {
            let latest = latest.get(&unseen.commit.head).copied().unwrap_or_default();
            let is_over = |new: &Unseen| new.table == unseen.table && unseen.is(&new.new);
            latest <= unseen.until && !written.iter().any(is_over)
        };
        self.unseen.retain(is_left);
        let Some(dice) = is_struck else { return };
        // At most as many commits as a head remembers, including this one.
        let (queries, later) = (1 + dice.below(2), dice.below(RECENT.len() as u64));
        let chosen = written.into_iter().filter(|_| dice.strikes(60));
        self.unseen.extend(chosen.map(|unseen| Unseen {
            queries,
            until: unseen.commit.revision + later,
            ..unseen
        }));
    }

    /// Replaces some items of a query's answer by the old ones. Returns whether that changed
    /// anything.
    pub(crate) fn tear(&mut self, query: &Value, reply: &mut Value) -> bool {
        let is_whole = reply["LastEvaluatedKey"].is_null();
        let through_index = query["IndexName"].is_string();
        let mut is_torn = false;
        for one in &mut self.unseen {
            let latest = self.latest.get(&one.commit.head).copied().unwrap_or_default();
            let asked = &query["ExpressionAttributeValues"][":partition"];
            let is_asked =
                query["TableName"] == one.table.as_str() && *asked == one.new[one.schema.partition];
            if one.queries == 0 || !is_asked || one.until < latest {
                continue;
            }
            one.queries -= 1;
            let Some(items) = reply["Items"].as_array_mut() else { continue };
            let n_items = items.len();
            items.retain(|item| !one.is(item));
            is_torn |= items.len() != n_items;
            let Some(old) = &one.old else { continue };
            if through_index && is_whole {
                put_back(items, old, one.schema, query);
            }
            if !through_index && items.len() != n_items {
                items.push(old.clone());
            }
        }
        is_torn
    }
}

/// Puts an old entry back to its old place, if the query asked for that place.
fn put_back(items: &mut Vec<Value>, old: &Value, schema: TableSchema, query: &Value) {
    let place = |item: &Value| item[PLACE]["S"].as_str().unwrap_or_default().to_owned();
    let low = query["ExpressionAttributeValues"][":low"]["S"].as_str().unwrap_or_default();
    if place(old).as_str() <= low {
        return;
    }
    let mut entry = old.clone();
    if let Some(entry) = entry.as_object_mut() {
        let is_held = |name: &str| {
            PROJECTED.contains(&name) || schema.key_attributes().any(|key| key == name)
        };
        entry.retain(|name, _| is_held(name));
    }
    items.push(entry);
    items.sort_by_key(place);
    if query["ScanIndexForward"] == Value::Bool(false) {
        items.reverse();
    }
}
