//! `show`, `find` and `retention`: the state of accounts.
//!
//! `show` has two parts. The first shows counts and no content, and writes nothing to the audit
//! log. The second shows records and versions. It needs a reason, and is written to the audit log.

use crate::Outcome;
use crate::args::{Place, StoreKind, Whom};
use crate::audit::{self, Audit};
use crate::cost;
use crate::place::{Opened, everybody, whom_of};
use crate::problem::Problem;
use crate::say::{Form, counted};
use haumana_sync::engine::{Summary, VersionEntry};
use haumana_sync::id::{Key, KindNumber, UserId};
use haumana_sync::store::{After, HeadState};
use haumana_sync::time::UnixMillis;
use serde_json::{Value, json};

/// How many records are read at once.
const PAGE: usize = 100;
/// How many versions of a record are listed.
const VERSIONS: usize = 20;
/// About how many bytes of versions are read.
const VERSIONS_BYTES: usize = 4 << 20;

/// How many digits a hash of a user has, see [`haumana_auth::CallerKey`].
const HASH_DIGITS: usize = 16;

/// Shows the state of an account; with a reason also its content.
pub(crate) async fn show(
    (place, opened): (&Place, &Opened),
    user: &UserId,
    reason: Option<&str>,
    form: Form,
) -> Result<Outcome, Problem> {
    let whom = Whom { user: Some(user.clone()), all: false };
    cost::announce(opened, &whom).await?;
    let summary = opened.engine.summary(&*opened.all, user).await?;
    if summary.head.is_none() {
        return Err(Problem::Nobody);
    }
    form.say(&json_of(user, &summary), &lines_of(user, &summary));
    if let Some(reason) = reason {
        let audit = Audit::of(place)?;
        let begun = audit.begin("show content", user, Some(reason))?;
        begun.end(show_content(opened, user, form).await)?;
    }
    cost::sum_up(opened);
    Ok(Outcome::Well)
}

/// Times are text in UTC, as everywhere on the wire.
fn json_of(user: &UserId, summary: &Summary) -> Value {
    let head = summary.head.as_ref();
    let time = |at: Option<UnixMillis>| at.map(|at| at.to_string());
    let kinds = summary.kinds.iter().map(|(name, count)| {
        let count = json!({"live": count.live, "deleted": count.deleted, "bytes": count.bytes});
        (name.clone(), count)
    });
    let devices = summary.devices.iter().map(|(name, at)| (name.clone(), json!(at.to_string())));
    json!({
        "user": user.as_str(),
        "state": head.map(|head| state(head.state)),
        "revision": head.map(|head| head.revision.0),
        "generation": head.map(|head| head.generation.0),
        "digest": head.map(|head| head.versions.to_string()),
        "erasedAt": time(head.and_then(|head| head.erased_at)),
        "changedAt": time(summary.changed_at),
        "kinds": kinds.collect::<serde_json::Map<_, _>>(),
        "devices": devices.collect::<serde_json::Map<_, _>>(),
        "openConflicts": summary.open_conflicts,
        "history": {
            "entries": summary.history.entries,
            "bytes": summary.history.bytes,
            "pastRetention": summary.history.past_retention,
            "oldest": time(summary.history.oldest),
        },
    })
}

/// Names of devices are quoted, since a client may choose any name.
fn lines_of(user: &UserId, summary: &Summary) -> Vec<String> {
    let mut lines = vec![format!("user            {}", user.as_str())];
    let mut line = |name: &str, text: String| lines.push(format!("{name:<15} {text}"));
    if let Some(head) = &summary.head {
        line("state", state(head.state).to_owned());
        line("head", format!("revision {}, generation {}", head.revision.0, head.generation.0));
        line("digest", head.versions.to_string());
        if let Some(at) = head.erased_at {
            line("erased", at.to_string());
        }
    }
    for (name, count) in &summary.kinds {
        let deleted = counted(count.deleted, "deleted record");
        let bytes = counted(count.bytes, "byte");
        line(name, format!("{}, {deleted}, {bytes}", counted(count.live, "record")));
    }
    let last = summary.changed_at.map_or("never".to_owned(), |at| at.to_string());
    line("last change", last);
    line("open conflicts", summary.open_conflicts.to_string());
    let history = &summary.history;
    let oldest = history.oldest.map_or(String::new(), |at| format!(", since {at}"));
    let bytes = counted(history.bytes, "byte");
    line("history", format!("{}, {bytes}{oldest}", counted(history.entries, "entry")));
    for (device, at) in &summary.devices {
        line("device", format!("{device:?}, changed something last at {at}"));
    }
    if summary.devices.is_empty() {
        line("device", "none gave itself a name; the app's phones give none".to_owned());
    }
    lines
}

fn state(state: HeadState) -> &'static str {
    match state {
        HeadState::Active => "active",
        HeadState::Erasing => "being erased",
        HeadState::Erased => "erased",
        HeadState::Importing => "being imported",
    }
}

/// Prints each record, and the versions that it can be restored to.
///
/// It goes through the change feed page by page, so records come in the order of their last change.
async fn show_content(opened: &Opened, user: &UserId, form: Form) -> Result<(), Problem> {
    let mut after = After::Start;
    loop {
        let page = opened.engine.store().changes(user, after, PAGE).await;
        let page = page.map_err(|error| Problem::of(&error))?;
        for record in page.records.iter().filter(|one| one.key.kind != KindNumber::CONFLICT) {
            let schema = opened.engine.schema();
            let kind = schema.name_of(record.key.kind);
            let versions = versions(opened, user, record.key).await?;
            let content: Value = serde_json::from_str(&record.content).unwrap_or(Value::Null);
            let status = match (record.is_unreadable(), record.deleted) {
                (true, _) => "cannot be read",
                (false, true) => "deleted",
                (false, false) => "live",
            };
            let mut lines = vec![format!(
                "{kind} {} version {} of {}, {status}",
                record.key.id, record.version, record.modified_at
            )];
            if let Value::Object(fields) = &content {
                lines.extend(fields.iter().map(|(name, value)| format!("  {name}: {value}")));
            }
            lines.extend(versions.iter().skip(1).map(|one| format!("  earlier: {}", one.line())));
            let versions: Vec<Value> = versions.iter().map(Version::json).collect();
            let json = json!({"kind": kind, "id": record.key.id.to_string(), "status": status,
                "version": record.version, "at": record.modified_at.to_string(),
                "content": content, "versions": versions});
            form.say(&json, &lines);
        }
        let Some(place) = page.rest_after() else { return Ok(()) };
        after = After::Place(place);
    }
}

/// The versions, newest first. The present one is among them.
async fn versions(opened: &Opened, user: &UserId, key: Key) -> Result<Vec<Version>, Problem> {
    let page = opened.engine.history_of(user, key, None, VERSIONS, VERSIONS_BYTES).await;
    // A record that cannot be read has no versions to list. The other records follow all the same.
    let Ok(page) = page else { return Ok(Vec::new()) };
    Ok(page.versions.into_iter().map(Version).collect())
}

/// A version that a record can be restored to.
///
/// It names the fields that the version changed, and shows no value.
struct Version(VersionEntry);

impl Version {
    fn changed(&self) -> Vec<&str> {
        self.0.changed.iter().map(|value| value.field.as_str()).collect()
    }

    fn line(&self) -> String {
        let Self(VersionEntry { version, at, device, deleted, .. }) = self;
        let device = device.as_ref().map_or(String::new(), |device| format!(", by {device:?}"));
        let what = match (deleted, self.changed().join(", ")) {
            (true, _) => ", deleted".to_owned(),
            (false, changed) if changed.is_empty() => String::new(),
            (false, changed) => format!(", which changed {changed}"),
        };
        format!("version {version} of {at}{device}{what}")
    }

    fn json(&self) -> Value {
        let Self(VersionEntry { version, at, device, deleted, .. }) = self;
        json!({"version": version, "at": at.to_string(), "device": device, "deleted": deleted,
            "changed": self.changed()})
    }
}

/// Finds the user whom logs name by a hash.
///
/// A hash cannot be reversed, so it is compared with the hashes of all users.
pub(crate) async fn find(
    (place, opened): (&Place, &Opened),
    hash: &str,
    form: Form,
) -> Result<Outcome, Problem> {
    let hash = hash.trim().to_ascii_lowercase();
    if hash.len() != HASH_DIGITS || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::NotAHash);
    }
    let key = audit::key(place)?;
    let users = everybody(&*opened.all).await?;
    let found = users.iter().find(|user| key.hash(user) == hash);
    let user = found.ok_or_else(|| Problem::NotFound(audit::key_file(place)))?;
    form.say(&json!({"user": user.as_str()}), &[user.as_str().to_owned()]);
    Ok(Outcome::Well)
}

/// Shows how much history is past its retention.
///
/// Users without history past its retention are not listed, unless one user was asked for.
pub(crate) async fn retention(
    (place, opened): (&Place, &Opened),
    whom: &Whom,
    form: Form,
) -> Result<Outcome, Problem> {
    cost::announce(opened, whom).await?;
    let users = whom_of(opened, whom).await?;
    let (mut entries, mut due, mut accounts) = (0, 0, 0);
    for user in &users {
        let history = opened.engine.summary(&*opened.all, user).await?.history;
        (entries, due) = (entries + history.entries, due + history.past_retention);
        if history.past_retention != 0 {
            accounts += 1;
        }
        if history.past_retention != 0 || whom.user.is_some() {
            let oldest = history.oldest.map(|at| at.to_string());
            let json = json!({"user": user.as_str(), "entries": history.entries,
                "pastRetention": history.past_retention, "oldest": oldest});
            let line = format!(
                "{}: {} of history, {} past retention, the oldest of {}",
                user.as_str(),
                counted(history.entries, "entry"),
                history.past_retention,
                oldest.as_deref().unwrap_or("no time"),
            );
            form.say(&json, &[line]);
        }
    }
    cost::sum_up(opened);
    let json = json!({"entries": entries, "pastRetention": due, "accounts": accounts});
    let mut lines = vec![format!(
        "{} of history, {due} past retention in {}",
        counted(entries, "entry"),
        counted(accounts, "account"),
    )];
    if due != 0 {
        lines.push(
            match place.store {
                StoreKind::Sqlite => "no answer holds them; a server deletes them within the hour",
                StoreKind::Postgres => {
                    "no answer holds them; a server deletes them within the hour, and \
                     `haumana-server --store postgres sweep` now"
                }
                StoreKind::Dynamodb => {
                    "no answer holds them; DynamoDB deletes them within days, and \
                     `haumana-server --store dynamodb sweep` now"
                }
            }
            .to_owned(),
        );
    }
    form.say(&json, &lines);
    Ok(if due == 0 { Outcome::Well } else { Outcome::Left })
}
