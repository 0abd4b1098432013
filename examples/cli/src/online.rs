//! What needs the server: syncing, history, restoring, exporting, importing.

use crate::answer::{Answer, cut, label, minute, table, value_json, words};
use crate::args::{Erased, Sync};
use crate::device::Device;
use crate::fields::read_text;
use crate::find::piece_id;
use crate::problem::Problem;
use crate::progress::with_progress;
use crate::system::Machine;
use haumana_replica::transport::HttpTransport;
use haumana_replica::{Backoff, Erasure, Error, ErrorKind, Imported, PieceVersion, Replica};
use haumana_sync::record::Value;
use serde_json::json;
use std::io;
use std::path::Path;

/// The most that the server gives in one page of a list.
pub(crate) const PAGE: usize = 200;
/// How much of an earlier value stands in the history, in columns.
const VALUE_COLUMNS: usize = 60;

/// A replica and its server.
pub(crate) struct Online<'a> {
    pub(crate) replica: &'a Replica,
    pub(crate) transport: HttpTransport,
    url: String,
    account: String,
}

impl<'a> Online<'a> {
    pub(crate) fn new(device: &Device, replica: &'a Replica) -> Result<Self, Problem> {
        let account = device.account()?.as_str().to_owned();
        Ok(Self { replica, transport: device.transport()?, url: device.server(), account })
    }

    pub(crate) fn problem(&self, error: Error) -> Problem {
        Problem::of_call(error, &self.url, &self.account)
    }

    pub(crate) async fn sync(&self, args: &Sync) -> Result<Answer, Problem> {
        let erasure = args.erased.map(|erased| match erased {
            Erased::Forget => Erasure::Forget,
            Erased::Upload => Erasure::UploadAsNew,
        });
        if let Some(erasure) = erasure {
            self.replica.settle_erasure(erasure).map_err(Problem::local)?;
        }
        let before = self.replica.status().pending;
        let tries = if args.retry { Backoff::usual().tries } else { 1 };
        let backoff = Backoff { tries, ..Backoff::usual() };
        let syncing = self.replica.sync_with_retry(&self.transport, backoff, &Machine, &Machine);
        let synced = with_progress(self.replica, syncing).await;
        let summary = synced.map_err(|error| self.problem(error))?;
        let status = self.replica.status();
        let sent = before.saturating_sub(status.pending);
        let mut text = format!("synced: {sent} sent, {} received", summary.pulled);
        if summary.conflicts != 0 {
            let n = summary.conflicts;
            text.push_str(&format!("\n{n} clashed with other edits: see haumana conflicts"));
        }
        if status.refused != 0 {
            text.push_str(&format!("\n{} refused by the server: see haumana list", status.refused));
        }
        let json = json!({
            "sent": sent, "received": summary.pulled, "conflicts": summary.conflicts,
            "pending": status.pending, "refused": status.refused,
        });
        Ok(Answer { text, json })
    }

    pub(crate) async fn history(&self, text: &str, limit: usize) -> Result<Answer, Problem> {
        let id = piece_id(self.replica, text)?;
        let (mut versions, mut before) = (Vec::new(), None);
        while versions.len() < limit {
            let due = PAGE.min(limit - versions.len());
            let page = self.replica.history(&self.transport, id, before, due).await;
            let page = page.map_err(|error| self.problem(error))?;
            versions.extend(page.versions);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        let own = self.replica.device();
        let entries: Vec<String> = versions.iter().map(|version| entry(version, &own)).collect();
        let mut text = entries.join("\n");
        if before.is_some() {
            text.push_str("\nolder versions: see --limit");
        }
        let versions: Vec<_> = versions.iter().map(version_json).collect();
        Ok(Answer { text, json: json!({ "pieceId": id.to_string(), "versions": versions }) })
    }

    pub(crate) async fn restore(&self, text: &str, version: u32) -> Result<Answer, Problem> {
        let id = piece_id(self.replica, text)?;
        let restored = self.replica.restore(&self.transport, id, version).await;
        let restored = restored.map_err(|error| self.problem(error))?;
        let text =
            format!("version {version} is now version {restored}; haumana sync brings it here");
        Ok(Answer { text, json: json!({ "id": id.to_string(), "version": restored }) })
    }

    pub(crate) async fn import(&self, path: &Path) -> Result<Answer, Problem> {
        let export = read_text(path)?.into_bytes();
        let imported = self.replica.import(&self.transport, export).await;
        let imported = imported.map_err(|error| match error.kind() {
            ErrorKind::Invalid => Problem::Refused("this is no export of this project".into()),
            ErrorKind::TooLarge => Problem::Refused("the export exceeds one request".into()),
            _ => self.problem(error),
        })?;
        let Imported { pieces, sessions, history, conflicts, tombstones, is_done } = imported;
        let next =
            if is_done { "haumana sync brings it here" } else { "the next page is waited for" };
        let text = format!("{pieces} pieces and {sessions} sessions are on the server; {next}");
        let json = json!({
            "pieces": pieces, "sessions": sessions, "history": history, "conflicts": conflicts,
            "tombstones": tombstones, "done": is_done,
        });
        Ok(Answer { text, json })
    }

    /// Writes beside the file and renames, so that half an export never looks like one.
    pub(crate) async fn export(&self, path: &Path, force: bool) -> Result<Option<Answer>, Problem> {
        if path == Path::new("-") {
            let exported = self.replica.export(&self.transport, &mut io::stdout()).await;
            return exported.map(|()| None).map_err(|error| self.problem(error));
        }
        if !force && path.exists() {
            return Err(Problem::Exists(path.into()));
        }
        let failed = |error| Problem::File(path.into(), error);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let exported = self.replica.export(&self.transport, file.as_file_mut()).await;
        exported.map_err(|error| self.problem(error))?;
        file.as_file().sync_all().map_err(failed)?;
        let bytes = file.as_file().metadata().map_err(failed)?.len();
        if force {
            file.persist(path).map_err(|error| failed(error.error))?;
        } else {
            file.persist_noclobber(path).map_err(|_| Problem::Exists(path.into()))?;
        }
        let text = format!("wrote {} ({bytes} bytes)", path.display());
        Ok(Some(Answer { text, json: json!({ "file": path, "bytes": bytes }) }))
    }
}

/// One version, for people.
fn entry(version: &PieceVersion, own: &str) -> String {
    let who = match version.device.as_deref() {
        Some(device) if device == own => "this device",
        Some(_) => "another device",
        None => "the server",
    };
    let what = if version.is_deleted { " · deleted" } else { "" };
    let mut out = format!("version {} · {} · {who}{what}", version.version, minute(version.at));
    let mut rows = Vec::new();
    for changed in &version.changed {
        let earlier = changed.earlier.as_ref().map_or("(past its retention)".to_owned(), brief);
        rows.push(vec![format!("    {}", label(&changed.field)), format!("was: {earlier}")]);
    }
    for lost in &version.lost {
        rows.push(vec![
            format!("    {}", label(&lost.field)),
            format!("lost: {}", brief(&lost.value)),
        ]);
    }
    if !rows.is_empty() {
        out.push('\n');
        out.push_str(&table(&rows));
    }
    out
}

/// A value on one line.
fn brief(value: &Value) -> String {
    let text = words(value);
    let n_lines = text.lines().count();
    let first = cut(text.lines().next().unwrap_or_default(), VALUE_COLUMNS);
    if n_lines < 2 { first } else { format!("{first} ({n_lines} lines)") }
}

fn version_json(version: &PieceVersion) -> serde_json::Value {
    let changed = version.changed.iter().map(|changed| {
        let earlier = changed.earlier.as_ref().map(value_json);
        json!({ "field": changed.field, "earlier": earlier, "retained": changed.earlier.is_some() })
    });
    let lost = version.lost.iter().map(|lost| {
        json!({
            "field": lost.field, "value": value_json(&lost.value), "reason": lost.reason,
            "at": lost.at.to_string(), "deviceId": lost.device,
        })
    });
    json!({
        "version": version.version, "at": version.at.to_string(), "deviceId": version.device,
        "deleted": version.is_deleted, "changed": changed.collect::<Vec<_>>(),
        "lost": lost.collect::<Vec<_>>(),
    })
}
