//! Adding, editing and deleting pieces.

use crate::answer::{Answer, label, short};
use crate::args::{Add, Edit};
use crate::fields::{LongField, check, write_field};
use crate::find::{piece, title};
use crate::problem::Problem;
use haumana_replica::Replica;
use haumana_sync::record::Value;
use serde_json::json;

pub(crate) fn add(replica: &Replica, args: Add) -> Result<Answer, Problem> {
    let mut fields = args.fields.read()?;
    fields.insert("title".to_owned(), Value::Text(args.title.clone()));
    let written = match args.fields.editor {
        Some(field) => write_field(field, &Value::Null, &mut fields)?,
        None => None,
    };
    let added = check(&fields).and_then(|()| replica.add_piece(fields).map_err(Problem::local));
    let id = match (added, written) {
        (Ok(id), _) => id,
        (Err(problem), Some(written)) => return Err(written.unsaved(problem)),
        (Err(problem), None) => return Err(problem),
    };
    let text = format!("added {} ({})", args.title, short(id));
    Ok(Answer { text, json: json!({ "id": id.to_string(), "title": args.title }) })
}

/// The device stays open while its person writes, so that no sync changes the text underneath: an
/// edit counts as made on what was seen.
pub(crate) fn edit(replica: &Replica, args: Edit) -> Result<Answer, Problem> {
    let found = piece(replica, &args.piece)?;
    let mut fields = args.fields.read()?;
    if let Some(title) = args.title {
        fields.insert("title".to_owned(), Value::Text(title));
    }
    let without_flags = fields.is_empty().then_some(LongField::Lyrics);
    let written = match args.fields.editor.or(without_flags) {
        Some(field) => write_field(field, &found.content.get(field.name()), &mut fields)?,
        None => None,
    };
    let names: Vec<String> = fields.keys().cloned().collect();
    if !fields.is_empty() {
        let edited =
            check(&fields).and_then(|()| replica.edit(found.key, fields).map_err(Problem::local));
        match (edited, written) {
            (Err(problem), Some(written)) => return Err(written.unsaved(problem)),
            (edited, _) => edited?,
        }
    }
    let labels: Vec<&str> = names.iter().map(|name| label(name)).collect();
    let text = match labels.is_empty() {
        true => "nothing changed".to_owned(),
        false => format!("edited {}: {}", title(&found), labels.join(", ")),
    };
    Ok(Answer { text, json: json!({ "id": found.key.id.to_string(), "edited": names }) })
}

pub(crate) fn delete(replica: &Replica, text: &str) -> Result<Answer, Problem> {
    let found = piece(replica, text)?;
    replica.delete(found.key).map_err(Problem::local)?;
    let id = found.key.id.to_string();
    let mut text = format!("deleted {}", title(&found));
    if let Some(version) = found.version {
        text.push_str(&format!(
            "\nafter a sync, this brings it back: haumana restore {id} {version}"
        ));
    }
    let json = json!({ "id": id, "title": title(&found), "version": found.version });
    Ok(Answer { text, json })
}
