//! What a page calls. Records and answers are JSON text; the page makes objects of them.

use crate::fetch::FetchTransport;
use crate::host::{Host, HostRows, PageClock, PageRandom, PageSleep};
use crate::shown;
use crate::storage::RowStorage;
use haumana_replica::{Changes, Erasure, Error, ErrorKind, Event, Pace, Replica, Status};
use haumana_sync::engine::Resolution;
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::json::JsonText;
use haumana_sync::limits;
use haumana_sync::record::Value;
use haumana_sync::schema::{FieldType, Schema};
use haumana_sync::text::{Later, TextMerge, merge_text};
use serde_json::Value as Json;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, Notify, watch};
use wasm_bindgen::prelude::*;

/// LIMIT: how long a page waits before it tries again, unless the server asks for more.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

type Answer<T> = Result<T, JsValue>;

/// The replica of a page.
#[wasm_bindgen]
#[derive(Debug)]
pub struct PageReplica {
    replica: Replica,
    /// What the page has not heard of yet.
    changes: Mutex<Changes>,
    statuses: Mutex<watch::Receiver<Status>>,
    /// Ends [`PageReplica::follow`].
    end: Notify,
    server: FetchTransport,
    schema: Schema,
}

fn invalid() -> JsValue {
    shown::error(&Error::new("read", ErrorKind::Invalid))
}

fn told(why: Error) -> JsValue {
    shown::error(&why)
}

impl PageReplica {
    fn key(&self, kind: &str, id: &str) -> Answer<Key> {
        let kind = self.schema.named(kind).ok_or_else(invalid)?;
        Ok(Key { kind: kind.number(), id: RecordId::parse(id).ok_or_else(invalid)? })
    }

    fn fields(&self, kind: &str, json: &str) -> Answer<BTreeMap<String, Value>> {
        let kind = self.schema.named(kind).ok_or_else(invalid)?;
        let fields: BTreeMap<String, Box<RawValue>> =
            serde_json::from_str(json).map_err(|_| invalid())?;
        let read = fields.into_iter().map(|(name, raw)| {
            let field = kind.named(&name);
            // A counter is set to the whole number that it is to reach.
            let reach = raw.get().parse::<i64>().ok().and_then(|_| JsonText::parse(raw.get()));
            let value = match reach {
                Some(number) if *field.field_type() == FieldType::Counter => Value::Json(number),
                _ => field.read(&raw)?,
            };
            Some((name, value))
        });
        read.collect::<Option<_>>().ok_or_else(invalid)
    }
}

#[wasm_bindgen]
impl PageReplica {
    /// Opens the replica that the host's rows hold; `schema` is the answer of `GET /schema`.
    pub async fn open(host: Host, schema: String) -> Answer<PageReplica> {
        let schema = Schema::from_json(&schema).map_err(|_| invalid())?;
        let storage = RowStorage::new(HostRows(host.clone()));
        let builder = Replica::builder(storage, schema.clone());
        let builder = builder.clock(Arc::new(PageClock)).random(Arc::new(PageRandom));
        let replica = builder.open().await.map_err(told)?;
        let (changes, statuses) = (replica.changes().into(), replica.watch().into());
        let server = FetchTransport(host);
        Ok(Self { replica, changes, statuses, end: Notify::new(), server, schema })
    }

    /// Makes `account` the one whose records are read and edited.
    #[wasm_bindgen(js_name = signIn)]
    pub async fn sign_in(&self, account: String) -> Answer<()> {
        let account = UserId::verified_by_caller(&account).ok_or_else(invalid)?;
        self.replica.sign_in(account).await.map_err(told)
    }

    /// Makes nobody the account; what is pending stays.
    #[wasm_bindgen(js_name = signOut)]
    pub async fn sign_out(&self) {
        self.replica.sign_out().await;
    }

    /// All records of a kind.
    pub async fn list(&self, kind: String) -> Answer<String> {
        let kind = self.schema.named(&kind).ok_or_else(invalid)?;
        let views = self.replica.records(kind.number()).await.map_err(told)?;
        let shown = views.iter().map(|view| shown::view(&self.schema, view));
        let shown = shown.collect::<Option<Vec<String>>>().ok_or_else(invalid)?;
        Ok(format!("[{}]", shown.join(",")))
    }

    /// One record, or `null`.
    pub async fn get(&self, kind: String, id: String) -> Answer<String> {
        let view = self.replica.record(self.key(&kind, &id)?).await.map_err(told)?;
        let Some(view) = view else { return Ok("null".to_owned()) };
        shown::view(&self.schema, &view).ok_or_else(invalid)
    }

    /// Adds a record and returns its id.
    pub async fn add(&self, kind: String, fields: String) -> Answer<String> {
        let fields = self.fields(&kind, &fields)?;
        let id = self.replica.create(&kind, fields).await.map_err(told)?;
        Ok(id.to_string())
    }

    /// Sets fields of a record. When it returns, a killed tab takes nothing back.
    pub async fn edit(&self, kind: String, id: String, fields: String) -> Answer<()> {
        let fields = self.fields(&kind, &fields)?;
        self.replica.set(self.key(&kind, &id)?, fields).await.map_err(told)
    }

    /// Merges two edits of the text that somebody saw: what is there now, and what they wrote. Returns
    /// `text` and whether all of both is in it; where not, it has what they wrote.
    #[wasm_bindgen(js_name = mergeText)]
    pub fn merge_text(&self, seen: &str, there: &str, mine: &str) -> String {
        let (text, is_clean) =
            match merge_text(seen, there, mine, Later::Pushed, limits::LONG_TEXT_BYTES) {
                TextMerge::Clean(text) => (text, true),
                TextMerge::Clash(text) => (text, false),
            };
        serde_json::json!({ "text": text, "isClean": is_clean }).to_string()
    }

    /// Deletes a record.
    pub async fn delete(&self, kind: String, id: String) -> Answer<()> {
        self.replica.delete(self.key(&kind, &id)?).await.map_err(told)
    }

    /// Makes this device and the server the same.
    pub async fn sync(&self) -> Answer<()> {
        self.replica.sync(&self.server).await.map(drop).map_err(told)
    }

    /// How the sync stands.
    pub async fn status(&self) -> String {
        shown::status(&self.replica).await.to_string()
    }

    /// Syncs at once, and then whenever something is edited here or the server says that another device
    /// has changed something; now and then where no server says it. Returns after
    /// [`unfollow`](Self::unfollow), and fails where a person must act.
    pub async fn follow(&self) -> Answer<()> {
        let ended = self.end.notified();
        let mut pace = Pace::usual();
        // Somebody looks at a page.
        pace.backoff.most = LONGEST_PAUSE;
        tokio::select! {
            followed = self.replica.follow_with(&self.server, pace, &PageSleep) => followed.map_err(told),
            () = ended => Ok(()),
        }
    }

    /// Ends [`follow`](Self::follow), such as to begin it again at once where there is a network again.
    pub fn unfollow(&self) {
        self.end.notify_waiters();
    }

    /// Waits until records change and returns their ids; `null` means that everything may be another.
    /// What changes before it is called again is heard of then.
    pub async fn changed(&self) -> Option<String> {
        match self.changes.lock().await.next().await {
            Some(Event::Changed(change)) if !change.keys.is_empty() => {
                let ids = change.keys.iter().map(|key| key.id.to_string());
                Some(Json::from(ids.collect::<Vec<_>>()).to_string())
            }
            _ => None,
        }
    }

    /// Waits until the status is another.
    #[wasm_bindgen(js_name = statusChanged)]
    pub async fn status_changed(&self) {
        // The replica, which has the other end, is not gone.
        let _ = self.statuses.lock().await.changed().await;
    }

    /// Up to 200 open conflicts, newest first.
    pub async fn conflicts(&self) -> Answer<String> {
        let page = self.replica.conflicts(&self.server, None, 200).await.map_err(told)?;
        let all = page.conflicts.iter().map(|one| shown::conflict(&self.schema, one));
        Ok(Json::from(all.collect::<Vec<_>>()).to_string())
    }

    /// Closes a conflict: `how` is `keep`, `restore` or `set`, with a value of its field as JSON.
    pub async fn resolve(
        &self,
        conflict: String,
        kind: String,
        id: String,
        how: String,
        field: Option<String>,
        value: Option<String>,
    ) -> Answer<()> {
        let resolution = match (how.as_str(), field, value) {
            ("keep", ..) => Resolution::Keep,
            ("restore", ..) => Resolution::Restore,
            ("set", Some(field), Some(value)) => {
                let value = format!("{{{}:{value}}}", Json::from(field.as_str()));
                let fields = self.fields(&kind, &value)?;
                Resolution::Set(fields.into_values().next().ok_or_else(invalid)?)
            }
            _ => return Err(invalid()),
        };
        let conflict = RecordId::parse(&conflict).ok_or_else(invalid)?;
        let about = Some(self.key(&kind, &id)?);
        self.replica.resolve(&self.server, conflict, about, resolution).await.map_err(told)
    }

    /// Up to 200 versions of a record, newest first.
    pub async fn history(&self, kind: String, id: String) -> Answer<String> {
        let key = self.key(&kind, &id)?;
        let page = self.replica.history(&self.server, key, None, 200).await.map_err(told)?;
        let all = page.versions.iter().map(shown::version);
        Ok(Json::from(all.collect::<Vec<_>>()).to_string())
    }

    /// Makes an earlier version the content again, also of a deleted record.
    pub async fn restore(&self, kind: String, id: String, version: u32) -> Answer<()> {
        let key = self.key(&kind, &id)?;
        self.replica.restore(&self.server, key, version).await.map(drop).map_err(told)
    }

    /// Everything that the server has of the account, as JSON text.
    pub async fn export(&self) -> Answer<String> {
        let mut text = Vec::new();
        self.replica.export(&self.server, &mut text).await.map_err(told)?;
        String::from_utf8(text).map_err(|_| invalid())
    }

    /// Puts an export into the account, which must be empty.
    pub async fn import(&self, export: String) -> Answer<()> {
        let imported = self.replica.import(&self.server, export.into_bytes()).await;
        imported.map(drop).map_err(told)
    }

    /// Erases everything of the account on the server.
    pub async fn erase(&self) -> Answer<()> {
        self.replica.erase(&self.server).await.map_err(told)
    }

    /// Uploads, as new, what this device holds of an account that was erased on the server.
    #[wasm_bindgen(js_name = uploadAsNew)]
    pub async fn upload_as_new(&self) -> Answer<()> {
        self.replica.settle_erasure(Erasure::UploadAsNew).await.map_err(told)
    }

    /// Forgets on this device an account that was erased on the server.
    #[wasm_bindgen(js_name = forget)]
    pub async fn forget(&self) -> Answer<()> {
        self.replica.settle_erasure(Erasure::Forget).await.map_err(told)
    }
}
