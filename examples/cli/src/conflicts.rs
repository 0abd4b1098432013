//! The inbox on the command line.

use crate::answer::{Answer, cut, indent, label, minute, short, table, value_json, words};
use crate::args::{Decision, SetValue};
use crate::editor;
use crate::fields::{read_text, text_value};
use crate::find::title_of;
use crate::online::{Online, PAGE};
use crate::problem::Problem;
use haumana_replica::Conflict;
use haumana_sync::engine::Resolution;
use haumana_sync::record::Value;
use serde_json::json;

impl Online<'_> {
    async fn open_conflicts(&self) -> Result<Vec<Conflict>, Problem> {
        let (mut conflicts, mut after) = (Vec::new(), None);
        loop {
            let page = self.replica.conflicts(&self.transport, after, PAGE).await;
            let page = page.map_err(|error| self.problem(error))?;
            conflicts.extend(page.conflicts);
            after = page.next;
            if after.is_none() {
                return Ok(conflicts);
            }
        }
    }

    pub(crate) async fn list_conflicts(&self) -> Result<Answer, Problem> {
        let conflicts = self.open_conflicts().await?;
        let title = |conflict: &Conflict| title_of(self.replica, conflict.key);
        let shown = conflicts.iter().map(|conflict| entry(conflict, &title(conflict)));
        let mut shown: Vec<String> = shown.collect();
        shown.push(match shown.is_empty() {
            true => "nothing clashed".to_owned(),
            false => "decide with: haumana conflicts keep|restore|set ID".to_owned(),
        });
        let json: Vec<_> =
            conflicts.iter().map(|conflict| conflict_json(conflict, &title(conflict))).collect();
        Ok(Answer { text: shown.join("\n\n"), json: json!({ "conflicts": json }) })
    }

    pub(crate) async fn decide(&self, decision: Decision) -> Result<Answer, Problem> {
        let text = match &decision {
            Decision::Keep { conflict } | Decision::Restore { conflict } => conflict,
            Decision::Set(set) => &set.conflict,
        };
        let conflict = choose(self.open_conflicts().await?, text.as_deref().unwrap_or_default())?;
        let mut written = None;
        let (resolution, word) = match &decision {
            Decision::Keep { .. } => (Resolution::Keep, "kept"),
            Decision::Restore { .. } => (Resolution::Restore, "restored"),
            Decision::Set(set) => (Resolution::Set(value(set, &conflict, &mut written)?), "set"),
        };
        let about = Some(conflict.key);
        let resolved = self.replica.resolve(&self.transport, conflict.id, about, resolution).await;
        if let Err(error) = resolved {
            let problem = self.problem(error);
            return Err(match written {
                Some(written) => written.unsaved(problem),
                None => problem,
            });
        }
        let field = conflict.field.as_deref().map_or("the piece", label);
        let title = title_of(self.replica, conflict.key);
        let mut text = format!("{word} {field} of {title}");
        if !matches!(decision, Decision::Keep { .. }) {
            text.push_str("; haumana sync brings it here");
        }
        Ok(Answer {
            text,
            json: json!({ "conflictId": conflict.id.to_string(), "resolution": word }),
        })
    }
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

/// The value to put, from a flag, a file or the editor.
fn value(
    set: &SetValue,
    conflict: &Conflict,
    written: &mut Option<editor::Written>,
) -> Result<Value, Problem> {
    let field = conflict.field.as_deref().ok_or_else(|| {
        Problem::Refused("a delete was involved: keep the piece, or restore the delete".into())
    })?;
    let text = match (&set.from.value, &set.from.value_file) {
        (Some(value), _) => value.clone(),
        (None, Some(file)) => read_text(file)?,
        (None, None) => {
            let (kept, lost) = (conflict.kept.as_text(), conflict.lost.as_text());
            let both = [kept, lost].map(Option::unwrap_or_default).join("\n\n");
            written.insert(editor::write(&both)?).text.clone()
        }
    };
    match (&conflict.kept, text.trim()) {
        (Value::Flag(_), "true" | "yes") => Ok(Value::Flag(true)),
        (Value::Flag(_), "false" | "no") => Ok(Value::Flag(false)),
        (Value::Flag(_), _) => Err(Problem::Refused("this field is true or false".into())),
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
    let field = conflict.field.as_deref().map_or("delete", label);
    let (id, at) = (short(conflict.id), minute(conflict.at));
    let head = format!("{id}  {title} · {field} · {} · {at}", reason(&conflict.reason));
    if conflict.field.is_none() {
        return head;
    }
    let (kept, lost) = differing(&words(&conflict.kept), &words(&conflict.lost));
    format!("{head}\n  kept\n{}\n  lost\n{}", indent(&kept, "    "), indent(&lost, "    "))
}

/// Two texts without the lines that they have in common at the beginning and at the end.
fn differing(kept: &str, lost: &str) -> (String, String) {
    let (a, b): (Vec<&str>, Vec<&str>) = (kept.lines().collect(), lost.lines().collect());
    let same = |(a, b): &(&&str, &&str)| a == b;
    let start = a.iter().zip(&b).take_while(same).count();
    let shorter = a.len().min(b.len());
    let end = a.iter().rev().zip(b.iter().rev()).take(shorter - start).take_while(same).count();
    let inner = |lines: &[&str]| {
        let inner = lines.get(start..lines.len() - end).unwrap_or_default();
        let mut out: Vec<String> = inner.iter().map(|line| cut(line, 100)).collect();
        if out.is_empty() {
            out.push("(no line here)".to_owned());
        }
        if start != 0 {
            out.insert(0, format!("… {start} equal lines"));
        }
        if end != 0 {
            out.push(format!("… {end} equal lines"));
        }
        out.join("\n")
    };
    (inner(&a), inner(&b))
}

fn conflict_json(conflict: &Conflict, title: &str) -> serde_json::Value {
    json!({
        "conflictId": conflict.id.to_string(), "kind": conflict.key.kind.as_str(),
        "id": conflict.key.id.to_string(), "title": title, "field": conflict.field,
        "kept": value_json(&conflict.kept), "lost": value_json(&conflict.lost),
        "reason": conflict.reason, "at": conflict.at.to_string(), "deviceId": conflict.device,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(kept: &str, lost: &str, expected: (&str, &str)) {
        let (kept, lost) = differing(kept, lost);
        assert_eq!(expected, (kept.as_str(), lost.as_str()));
    }

    #[test]
    fn of_long_texts_only_the_lines_that_differ_are_shown() {
        check("a", "b", ("a", "b"));
        check(
            "1\na\n2",
            "1\nb\n2",
            ("… 1 equal lines\na\n… 1 equal lines", "… 1 equal lines\nb\n… 1 equal lines"),
        );
        check("1\n2", "1", ("… 1 equal lines\n2", "… 1 equal lines\n(no line here)"));
        check("1\n1", "1", ("… 1 equal lines\n1", "… 1 equal lines\n(no line here)"));
    }
}
