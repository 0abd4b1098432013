//! The inbox on the command line.

use crate::answer::{Answer, indent, label, one_line, short, table, words};
use crate::args::{Decision, SetValue};
use crate::device::Device;
use crate::differ::{differing, look_equal};
use crate::editor;
use crate::fields::{is_input, read_text, text_value};
use crate::find::title_of;
use crate::json::{Json, value_json};
use crate::kept::{Purpose, Written};
use crate::local_time::minute;
use crate::online::{Online, PAGE};
use crate::problem::Problem;
use haumana_replica::{Conflict, Replica};
use haumana_sync::engine::Resolution;
use haumana_sync::json::JsonText;
use haumana_sync::record::Value;
use serde_json::json;

impl Online<'_> {
    async fn open_conflicts(&self, replica: &Replica) -> Result<Vec<Conflict>, Problem> {
        let (mut conflicts, mut after) = (Vec::new(), None);
        loop {
            let page = replica.conflicts(&self.transport, after, PAGE).await;
            let page = page.map_err(|error| self.problem(error))?;
            conflicts.extend(page.conflicts);
            after = page.next;
            if after.is_none() {
                return Ok(conflicts);
            }
        }
    }

    pub(crate) async fn list_conflicts(&self) -> Result<Answer, Problem> {
        let replica = self.device.replica().await?;
        let conflicts = self.open_conflicts(&replica).await?;
        let mut titles = Vec::new();
        for conflict in &conflicts {
            titles.push(title_of(&replica, conflict.key).await);
        }
        let titled = || conflicts.iter().zip(&titles);
        let mut shown: Vec<String> =
            titled().map(|(conflict, title)| entry(conflict, title)).collect();
        shown.push(match shown.is_empty() {
            true => "nothing clashed".to_owned(),
            false => "decide with: haumana conflicts keep|restore|set ID".to_owned(),
        });
        let json = titled().map(|(conflict, title)| conflict_json(conflict, title));
        Ok(Answer::new(shown.join("\n\n"), Json::map([("conflicts", Json::list(json))])))
    }

    pub(crate) async fn decide(&self, decision: Decision) -> Result<Answer, Problem> {
        let text = match &decision {
            Decision::Keep { conflict } | Decision::Restore { conflict } => conflict,
            Decision::Set(set) => &set.conflict,
        };
        let open = self.open_conflicts(&self.device.replica().await?).await?;
        let conflict = choose(open, text.as_deref().unwrap_or_default())?;
        let mut written = None;
        let (resolution, word) = match &decision {
            Decision::Keep { .. } => (Resolution::Keep, "kept"),
            Decision::Restore { .. } => (Resolution::Restore, "restored"),
            Decision::Set(set) => {
                // A person may be waited for, and the device is not held.
                let value = value(self.device, set, &conflict, &mut written);
                match value {
                    Ok(value) => (Resolution::Set(value), "set"),
                    Err(problem) => return Err(unsaved(written, problem)),
                }
            }
        };
        match self.resolve(&conflict, resolution).await {
            Ok(title) => Ok(resolved(&conflict, &title, word)),
            Err(problem) => Err(unsaved(written, problem)),
        }
    }

    /// Closes the conflict, and returns the title of its piece.
    async fn resolve(
        &self,
        conflict: &Conflict,
        resolution: Resolution,
    ) -> Result<String, Problem> {
        let replica = self.device.replica_again().await?;
        let about = Some(conflict.key);
        let resolved = replica.resolve(&self.transport, conflict.id, about, resolution).await;
        resolved.map_err(|error| self.problem(error))?;
        Ok(title_of(&replica, conflict.key).await)
    }
}

fn unsaved(written: Option<Written<'_>>, problem: Problem) -> Problem {
    match written {
        Some(written) => written.unsaved(problem),
        None => problem,
    }
}

fn resolved(conflict: &Conflict, title: &str, word: &str) -> Answer {
    let field = conflict.field.as_deref().map_or("the piece", label);
    let mut text = format!("{word} {} of {}", one_line(field), one_line(title));
    if word != "kept" {
        text.push_str("; haumana sync brings it here");
    }
    Answer::new(text, json!({ "conflictId": conflict.id.to_string(), "resolution": word }))
}

/// The conflict whose id begins so.
fn choose(conflicts: Vec<Conflict>, text: &str) -> Result<Conflict, Problem> {
    let digits = text.trim().to_uppercase();
    let meant = |conflict: &&Conflict| conflict.id.to_string().starts_with(&digits);
    let meant: Vec<&Conflict> = conflicts.iter().filter(meant).collect();
    let what = "open conflict";
    match meant[..] {
        [one] => Ok(one.clone()),
        [] if digits.is_empty() => Err(Problem::NoConflict),
        [] => Err(Problem::NotFound { what, text: text.to_owned() }),
        _ => {
            let rows: Vec<_> = meant.iter().map(|one| vec![format!("  {}", one.id)]).collect();
            Err(Problem::Ambiguous { what, text: text.to_owned(), list: table(&rows) })
        }
    }
}

/// The value to put, from a flag, a file, the standard input or the editor.
fn value<'d>(
    device: &'d Device,
    set: &SetValue,
    conflict: &Conflict,
    written: &mut Option<Written<'d>>,
) -> Result<Value, Problem> {
    let field = conflict.field.as_deref().ok_or_else(|| {
        Problem::Refused("a delete was involved: keep the piece, or restore the delete".into())
    })?;
    let id = conflict.id.to_string();
    let command = ["conflicts", "set", &id, "--value-file"].map(str::to_owned).into();
    let purpose = Purpose { device, what: "conflict", command };
    let text = match (&set.from.value, &set.from.value_file) {
        (Some(value), _) => value.clone(),
        (None, Some(file)) if is_input(file) => {
            written.insert(Written::read_input(purpose)?).text.clone()
        }
        (None, Some(file)) => read_text(file)?,
        (None, None) => {
            let (kept, lost) = (conflict.kept.as_text(), conflict.lost.as_text());
            let both = [kept, lost].map(Option::unwrap_or_default).join("\n\n");
            written.insert(editor::write(purpose, &both)?).text.clone()
        }
    };
    match (&conflict.kept, text.trim()) {
        (Value::Flag(_), "true" | "yes") => Ok(Value::Flag(true)),
        (Value::Flag(_), "false" | "no") => Ok(Value::Flag(false)),
        (Value::Flag(_), _) => Err(Problem::Refused("this field is true or false".into())),
        (Value::Json(_), "") => Ok(Value::Null),
        (Value::Json(_), json) => {
            let json = JsonText::parse(json).map(Value::Json);
            json.ok_or_else(|| Problem::Refused("this field takes JSON".into()))
        }
        _ => Ok(text_value(field, text)),
    }
}

fn reason(word: &str) -> &str {
    match word {
        "later_edit" => "another edit was later",
        "text_clash" => "two edits changed the same place",
        "edit_beats_delete" => "deleted on one device, edited on another: the edit won",
        "base_gone" => "the edit was made on a version that is past its retention",
        "stale_form" => "saved from a form that had been open too long",
        "other_life" => "from before the server went back to a backup",
        other => other,
    }
}

fn entry(conflict: &Conflict, title: &str) -> String {
    let field = one_line(conflict.field.as_deref().map_or("delete", label));
    let (id, at) = (short(conflict.id), minute(conflict.at));
    let (title, why) = (one_line(title), one_line(reason(&conflict.reason)));
    let head = format!("{id}  {title} · {field} · {why} · {at}");
    if conflict.field.is_none() {
        return head;
    }
    let (kept, lost) = (words(&conflict.kept), words(&conflict.lost));
    let (shown_kept, shown_lost) = differing(&kept, &lost);
    let (shown_kept, shown_lost) = (indent(&shown_kept, "    "), indent(&shown_lost, "    "));
    let mut out = format!("{head}\n  kept\n{shown_kept}\n  lost\n{shown_lost}");
    if look_equal(&kept, &lost) {
        out.push_str("\n  (they differ only in blanks, line ends, or how letters are composed)");
    }
    out
}

fn conflict_json(conflict: &Conflict, title: &str) -> Json {
    Json::map([
        ("conflictId", conflict.id.to_string().into()),
        ("kind", conflict.key.kind.code().into()),
        ("id", conflict.key.id.to_string().into()),
        ("title", title.into()),
        ("field", conflict.field.clone().into()),
        ("kept", value_json(&conflict.kept)),
        ("lost", value_json(&conflict.lost)),
        ("reason", conflict.reason.as_str().into()),
        ("at", conflict.at.to_string().into()),
        ("deviceId", conflict.device.clone().into()),
    ])
}
