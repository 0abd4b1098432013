//! The inbox on the command line.

use crate::answer::{Answer, indent, one_line, short, table};
use crate::args::{Decision, SetValue};
use crate::device::Device;
use crate::differ::{differing, look_equal};
use crate::editor;
use crate::fields::{is_input, read_text};
use crate::find::title_of;
use crate::json::{Json, value_json};
use crate::kept::{Purpose, Written};
use crate::local_time::minute;
use crate::naming::label;
use crate::online::{Online, PAGE};
use crate::problem::Problem;
use crate::values::{parse_unit, shown};
use haumana_replica::{Conflict, Replica};
use haumana_sync::engine::Resolution;
use haumana_sync::record::Value;
use haumana_sync::schema::{Kind, Schema};
use serde_json::json;
use std::sync::Arc;

/// The text under a list of conflicts: how to decide them.
const DECIDE: &str = "\
decide with: haumana conflicts keep ID, haumana conflicts restore ID, or haumana conflicts set ID \
--value TEXT";

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
        let schema = replica.schema().await;
        let titled = || conflicts.iter().zip(&titles);
        let entry = |(conflict, title): (&Conflict, &String)| {
            entry(&kind_of(&schema, conflict), conflict, title)
        };
        let mut shown: Vec<String> = titled().map(entry).collect();
        shown.push(match shown.is_empty() {
            true => "nothing clashed".to_owned(),
            false => DECIDE.to_owned(),
        });
        let json = titled().map(|(conflict, title)| conflict_json(&schema, conflict, title));
        Ok(Answer::new(shown.join("\n\n"), Json::map([("conflicts", Json::list(json))])))
    }

    pub(crate) async fn decide(&self, decision: Decision) -> Result<Answer, Problem> {
        let text = match &decision {
            Decision::Keep { conflict } | Decision::Restore { conflict } => conflict,
            Decision::Set(set) => &set.conflict,
        };
        let (open, schema) = {
            let replica = self.device.replica().await?;
            (self.open_conflicts(&replica).await?, replica.schema().await)
        };
        let conflict = choose(open, text.as_deref().unwrap_or_default())?;
        let kind = kind_of(&schema, &conflict);
        let mut written = None;
        let (resolution, word) = match &decision {
            Decision::Keep { .. } => (Resolution::Keep, "kept"),
            Decision::Restore { .. } => (Resolution::Restore, "restored"),
            Decision::Set(set) => {
                // This may wait for a person, so the device is not held meanwhile.
                let value = value(self.device, set, &kind, &conflict, &mut written);
                match value {
                    Ok(value) => (Resolution::Set(value), "set"),
                    Err(problem) => return Err(unsaved(written, problem)),
                }
            }
        };
        match self.resolve(&conflict, resolution).await {
            Ok(title) => Ok(resolved(&kind, &conflict, &title, word)),
            Err(problem) => Err(unsaved(written, problem.about(kind.name()))),
        }
    }

    /// Closes the conflict, and returns the title of its record.
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

fn resolved(kind: &Kind, conflict: &Conflict, title: &str, word: &str) -> Answer {
    let whole = || format!("the {}", kind.name());
    let field = conflict.field.as_deref();
    let field = field.map_or_else(whole, |field| one_line(label(kind, field)));
    let mut text = format!("{word} {field} of {}", one_line(title));
    if word != "kept" {
        text.push_str("; haumana sync brings it here");
    }
    Answer::new(text, json!({ "conflictId": conflict.id.to_string(), "resolution": word }))
}

/// The conflict whose id begins with this text.
fn choose(conflicts: Vec<Conflict>, text: &str) -> Result<Conflict, Problem> {
    let digits = text.trim().to_uppercase();
    let meant = |conflict: &&Conflict| conflict.id.to_string().starts_with(&digits);
    let meant: Vec<&Conflict> = conflicts.iter().filter(meant).collect();
    let what = "open conflict".to_owned();
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

/// The value to set, from an option, a file, the standard input or the editor.
fn value<'d>(
    device: &'d Device,
    set: &SetValue,
    kind: &Kind,
    conflict: &Conflict,
    written: &mut Option<Written<'d>>,
) -> Result<Value, Problem> {
    let field = conflict.field.as_deref().ok_or_else(|| {
        let what = kind.name();
        Problem::Refused(format!("a delete was involved: keep the {what}, or restore the delete"))
    })?;
    let id = conflict.id.to_string();
    let command = ["conflicts", "set", &id, "--value-file"].map(str::to_owned).into();
    let purpose = Purpose { device, what: "conflict".to_owned(), command };
    let text = match (&set.from.value, &set.from.value_file) {
        (Some(value), _) => value.clone(),
        (None, Some(file)) if is_input(file) => {
            written.insert(Written::read_input(purpose)?).text.clone()
        }
        (None, Some(file)) => read_text(file)?,
        (None, None) => {
            let both = [&conflict.kept, &conflict.lost].map(written_as).join("\n\n");
            let new = editor::write(purpose, &both)?;
            if new.text == both {
                let why = "nothing was changed in the editor, so nothing was decided";
                return Err(Problem::Refused(why.to_owned()));
            }
            written.insert(new).text.clone()
        }
    };
    let value = parse_unit(kind, field, &text);
    value.map_err(|why| Problem::Refused(format!("the {}: {why}", label(kind, field))))
}

/// A value in the form for an editor.
fn written_as(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Text(text) => text.clone(),
        other => value_json(other).to_string(),
    }
}

/// The kind of a conflict's record. If this device's schema does not have the kind, only its name
/// is known.
fn kind_of(schema: &Schema, conflict: &Conflict) -> Arc<Kind> {
    let number = conflict.key.kind;
    let unknown = || Arc::new(Kind::new(number.get(), number.code().into_owned()));
    schema.kind(number).cloned().unwrap_or_else(unknown)
}

/// A value of a field, or of a group, for people.
fn said(kind: &Kind, name: &str, value: &Value) -> String {
    let Value::Group(group) = value else { return shown(kind, name, value) };
    let fields = group.fields();
    let lines = fields.map(|(name, value)| format!("{name}: {}", shown(kind, name, value)));
    lines.collect::<Vec<String>>().join("\n")
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

fn entry(kind: &Kind, conflict: &Conflict, title: &str) -> String {
    let name = conflict.field.as_deref().unwrap_or("delete");
    let field = one_line(label(kind, name));
    let (id, at) = (short(conflict.id), minute(conflict.at));
    let (title, why) = (one_line(title), one_line(reason(&conflict.reason)));
    let head = format!("{id}  {title} · {field} · {why} · {at}");
    if conflict.field.is_none() {
        return head;
    }
    let (kept, lost) = (said(kind, name, &conflict.kept), said(kind, name, &conflict.lost));
    let (shown_kept, shown_lost) = differing(&kept, &lost);
    let (shown_kept, shown_lost) = (indent(&shown_kept, "    "), indent(&shown_lost, "    "));
    let mut out = format!("{head}\n  kept\n{shown_kept}\n  lost\n{shown_lost}");
    if look_equal(&kept, &lost) {
        out.push_str("\n  (they differ only in blanks, line ends, or how letters are composed)");
    }
    out
}

fn conflict_json(schema: &Schema, conflict: &Conflict, title: &str) -> Json {
    Json::map([
        ("conflictId", conflict.id.to_string().into()),
        ("kind", schema.name_of(conflict.key.kind).into()),
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
