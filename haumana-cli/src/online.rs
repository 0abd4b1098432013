//! Commands that need the server: syncing, history, restoring.

use crate::answer::{Answer, cut, table};
use crate::args::{Erased, Sync};
use crate::device::Device;
use crate::differ::first_difference;
use crate::find::key;
use crate::json::{Json, value_json};
use crate::local_time::minute;
use crate::naming::label;
use crate::problem::Problem;
use crate::progress::with_progress;
use crate::system::Machine;
use crate::values::shown;
use crate::verbs::{Asked, RECORD, VERSION};
use haumana_replica::transport::HttpTransport;
use haumana_replica::{Backoff, Erasure, Error, RecordVersion, Replica, Status};
use haumana_sync::id::{Key, UserId};
use haumana_sync::record::Value;
use haumana_sync::schema::Kind;
use serde_json::json;
use std::collections::BTreeMap;

/// The most entries that the server returns in one page of a list.
pub(crate) const PAGE: usize = 200;
/// The most columns of an earlier value in the history.
const VALUE_COLUMNS: usize = 60;

/// A device and its server.
pub(crate) struct Online<'a> {
    pub(crate) device: &'a Device,
    pub(crate) transport: HttpTransport,
    pub(crate) account: UserId,
}

impl<'a> Online<'a> {
    pub(crate) fn new(device: &'a Device) -> Result<Self, Problem> {
        Ok(Self { device, transport: device.transport()?, account: device.account()? })
    }

    pub(crate) fn problem(&self, error: Error) -> Problem {
        let (url, program) = (self.device.server(), self.device.program());
        Problem::of_call(error, &url, self.account.as_str(), &program)
    }

    pub(crate) async fn sync(&self, args: &Sync) -> Result<Answer, Problem> {
        self.sync_on(&self.device.replica().await?, args).await
    }

    pub(crate) async fn sync_on(&self, replica: &Replica, args: &Sync) -> Result<Answer, Problem> {
        let erasure = args.erased.map(|erased| match erased {
            Erased::Forget => Erasure::Forget,
            Erased::Upload => Erasure::UploadAsNew,
        });
        if let Some(erasure) = erasure {
            replica.settle_erasure(erasure).await.map_err(Problem::local)?;
        }
        let before = replica.status().pending;
        let tries = if args.retry { Backoff::usual().tries } else { 1 };
        let mut backoff = Backoff::usual();
        backoff.tries = tries;
        let syncing = replica.sync_with_retry(&self.transport, backoff, &Machine, &Machine);
        let synced = with_progress(replica, syncing).await;
        let summary = synced.map_err(|error| self.problem(error))?;
        let status = replica.status();
        let sent = before.saturating_sub(status.pending);
        let mut text = format!("synced: {sent} sent, {} received", summary.pulled);
        if summary.conflicts != 0 {
            let n = summary.conflicts;
            text.push_str(&format!("\n{n} clashed with other edits"));
        }
        if let Some(values) = inbox(&status) {
            text.push_str(&format!("\ninbox: {values}; see haumana conflicts"));
        }
        if status.refused != 0 {
            text.push_str(&format!("\n{} refused by the server: see haumana list", status.refused));
        }
        let json = json!({
            "sent": sent, "received": summary.pulled, "conflicts": summary.conflicts,
            "pending": status.pending, "refused": status.refused,
            "openConflicts": status.open_conflicts,
        });
        Ok(Answer::new(text, json))
    }

    pub(crate) async fn history(&self, asked: &Asked) -> Result<Answer, Problem> {
        let (kind, limit) = (&*asked.kind, asked.number("limit"));
        let replica = self.device.replica().await?;
        let key = key(&replica, kind, &asked.text(RECORD)).await?;
        let (mut versions, mut before) = (Vec::new(), None);
        while versions.len() < limit {
            let due = PAGE.min(limit - versions.len());
            let page = replica.history(&self.transport, key, before, due).await;
            let page = page.map_err(|error| self.problem(error).about(kind.name()))?;
            versions.extend(page.versions);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let own = replica.device().await;
        let mut values = newest(&replica, key, &versions).await;
        let entry = |version| entry(kind, version, &own, &mut values);
        let entries: Vec<String> = versions.iter().map(entry).collect();
        let mut text = entries.join("\n");
        if before.is_some() {
            text.push_str("\nolder versions: see --limit");
        }
        let versions = Json::list(versions.iter().map(version_json));
        let json = Json::map([(kind.id_name(), key.id.to_string().into()), ("versions", versions)]);
        Ok(Answer::new(text, json))
    }

    pub(crate) async fn restore(&self, asked: &Asked) -> Result<Answer, Problem> {
        let (kind, version) = (&*asked.kind, asked.number(VERSION));
        let replica = self.device.replica().await?;
        let key = key(&replica, kind, &asked.text(RECORD)).await?;
        let restored = replica.restore(&self.transport, key, version).await;
        let restored = restored.map_err(|error| self.problem(error).about(kind.name()))?;
        let text =
            format!("version {version} is now version {restored}; haumana sync brings it here");
        Ok(Answer::new(text, json!({ "id": key.id.to_string(), "version": restored })))
    }
}

/// How many values wait in the inbox, as the last sync said; `None` if there are none.
pub(crate) fn inbox(status: &Status) -> Option<String> {
    let n = status.open_conflicts.filter(|n| *n != 0)?;
    Some(if n == 1 { "1 value that lost".to_owned() } else { format!("{n} values that lost") })
}

/// The values of fields in one version, as far as they are known.
type Values = BTreeMap<String, Value>;

/// The values of the newest version, if this device holds that version.
async fn newest(replica: &Replica, key: Key, versions: &[RecordVersion]) -> Values {
    let held = replica.record(key).await.ok().flatten();
    let newest = versions.first().map(|version| version.version);
    let Some(held) = held.filter(|held| held.version == newest && !held.is_pending) else {
        return Values::new();
    };
    let names = held.content.all_names();
    names.map(|name| (name.to_owned(), held.content.get(name))).collect()
}

/// One version, for people. `values` has its values, and afterwards those of the version before.
fn entry(kind: &Kind, version: &RecordVersion, own: &str, values: &mut Values) -> String {
    let who = match version.device.as_deref() {
        Some(device) if device == own => "this device",
        Some(_) => "another device",
        None => "the server",
    };
    let what = if version.is_deleted { " · deleted" } else { "" };
    let mut out = format!("version {} · {} · {who}{what}", version.version, minute(version.at));
    let mut rows = Vec::new();
    for changed in &version.changed {
        let after = values.get(&changed.field);
        let earlier = changed.earlier.as_ref();
        let earlier = earlier.map(|earlier| brief(kind, &changed.field, earlier, after));
        let earlier = earlier.unwrap_or_else(|| "(past its retention)".to_owned());
        rows.push(vec![format!("    {}", label(kind, &changed.field)), format!("was: {earlier}")]);
    }
    for lost in &version.lost {
        let lost_to = values.get(&lost.field);
        rows.push(vec![
            format!("    {}", label(kind, &lost.field)),
            format!("lost: {}", brief(kind, &lost.field, &lost.value, lost_to)),
        ]);
    }
    for changed in &version.changed {
        match &changed.earlier {
            Some(earlier) => values.insert(changed.field.clone(), earlier.clone()),
            None => values.remove(&changed.field),
        };
    }
    if !rows.is_empty() {
        out.push('\n');
        out.push_str(&table(&rows));
    }
    out
}

/// A value on one line. Of a text it is the first line that differs from `other`.
fn brief(kind: &Kind, name: &str, value: &Value, other: Option<&Value>) -> String {
    let text = shown(kind, name, value);
    let n_lines = text.lines().count();
    let line = match other {
        Some(other) => first_difference(&text, &shown(kind, name, other), VALUE_COLUMNS),
        None => cut(text.lines().next().unwrap_or_default(), VALUE_COLUMNS),
    };
    if n_lines < 2 { line } else { format!("{line} ({n_lines} lines)") }
}

fn version_json(version: &RecordVersion) -> Json {
    let changed = version.changed.iter().map(|changed| {
        Json::map([
            ("field", changed.field.as_str().into()),
            ("earlier", changed.earlier.as_ref().map_or(Json::NULL, value_json)),
            ("retained", changed.earlier.is_some().into()),
        ])
    });
    let lost = version.lost.iter().map(|lost| {
        Json::map([
            ("field", lost.field.as_str().into()),
            ("value", value_json(&lost.value)),
            ("reason", lost.reason.as_str().into()),
            ("at", lost.at.to_string().into()),
            ("deviceId", lost.device.clone().into()),
        ])
    });
    Json::map([
        ("version", version.version.into()),
        ("at", version.at.to_string().into()),
        ("deviceId", version.device.clone().into()),
        ("deleted", version.is_deleted.into()),
        ("changed", Json::list(changed)),
        ("lost", Json::list(lost)),
    ])
}
