//! Adding and editing pieces.
//!
//! The device is held only while it is read and written, never while a person writes. A text counts
//! as written on what its person saw; what changed meanwhile is merged with it.

use crate::answer::{Answer, label, one_line, short};
use crate::args::{Add, Edit};
use crate::device::Device;
use crate::editor;
use crate::fields::{FieldFlags, Fields, LongField, check, text_value};
use crate::find::{piece, title};
use crate::kept::{Draft, Purpose, Written};
use crate::problem::Problem;
use haumana_replica::{Content, View};
use haumana_sync::limits;
use haumana_sync::record::Value;
use haumana_sync::text::{Later, TextMerge, merge_text};
use serde_json::json;
use std::path::PathBuf;

pub(crate) async fn add(device: &Device, args: Add) -> Result<Answer, Problem> {
    // Nobody is to write what nobody can keep.
    device.account()?;
    let mut fields = args.fields.read()?;
    fields.insert("title".to_owned(), Value::Text(args.title.clone()));
    check(&fields)?;
    let command = ["add", &args.title].map(str::to_owned);
    let texts = Texts::read(device, &command, &args.fields, args.fields.editor, None)?;
    for text in &texts.0 {
        fields.insert(text.field.name().to_owned(), text_value(text.field.name(), text.text()));
    }
    let added = async {
        check(&fields)?;
        let replica = device.replica_again().await?;
        replica.add_piece(fields).await.map_err(Problem::local)
    };
    let id = added.await.map_err(|problem| texts.unsaved(problem))?;
    let text = format!("added {} ({})", one_line(&args.title), short(id));
    Ok(Answer::new(text, json!({ "id": id.to_string(), "title": args.title })))
}

pub(crate) async fn edit(device: &Device, args: Edit) -> Result<Answer, Problem> {
    let found = piece(&device.replica().await?, &args.piece).await?;
    let mut fields = args.fields.read()?;
    if let Some(title) = args.title {
        fields.insert("title".to_owned(), Value::Text(title));
    }
    check(&fields)?;
    let has_flags = !fields.is_empty() || args.fields.inputs().next().is_some();
    let without_flags = (!has_flags).then_some(LongField::Lyrics);
    let editor = args.fields.editor.or(without_flags);
    let command = ["edit".to_owned(), found.key.id.to_string()];
    let texts = Texts::read(device, &command, &args.fields, editor, Some(&found.content))?;
    if fields.is_empty() && texts.0.is_empty() {
        return Ok(answer(&found, &[], Saved::default()));
    }
    let mut names: Vec<String> = fields.keys().cloned().collect();
    names.extend(texts.0.iter().map(|text| text.field.name().to_owned()));
    names.sort_unstable();
    let saved =
        save(device, &found, fields, &texts).await.map_err(|problem| texts.unsaved(problem))?;
    Ok(answer(&found, &names, saved))
}

/// What became of texts that met a change of their piece.
#[derive(Debug, Default)]
struct Saved {
    /// Which were merged with it.
    merged: Vec<&'static str>,
    /// Files with what could not be merged.
    kept: Vec<PathBuf>,
}

async fn save(
    device: &Device,
    found: &View,
    mut fields: Fields,
    texts: &Texts<'_>,
) -> Result<Saved, Problem> {
    let replica = device.replica_again().await?;
    let now = replica.record(found.key).await.map_err(Problem::local)?;
    let now = now.ok_or(Problem::DeletedMeanwhile)?;
    let (mut saved, mut aside) = (Saved::default(), Vec::new());
    for text in &texts.0 {
        let (name, there) = (text.field.name(), now.content.get(text.field.name()));
        let there = there.as_text().unwrap_or_default();
        let merged = match text.merge(there) {
            TextMerge::Clean(merged) => merged,
            TextMerge::Clash(merged) => {
                aside.push((&text.purpose, Draft::new(&text.purpose, there.as_bytes())?));
                merged
            }
        };
        if merged != text.text() {
            saved.merged.push(name);
        }
        fields.insert(name.to_owned(), text_value(name, merged));
    }
    check(&fields)?;
    replica.set(found.key, fields).await.map_err(Problem::local)?;
    saved.kept = aside.into_iter().map(|(purpose, draft)| draft.keep(purpose, None)).collect();
    Ok(saved)
}

fn answer(found: &View, names: &[String], saved: Saved) -> Answer {
    let labels: Vec<&str> = names.iter().map(|name| label(name)).collect();
    let mut text = match labels.is_empty() {
        true => "nothing changed".to_owned(),
        false => format!("edited {}: {}", one_line(&title(found)), labels.join(", ")),
    };
    if !saved.merged.is_empty() {
        let merged: Vec<&str> = saved.merged.iter().map(|name| label(name)).collect();
        text.push_str(&format!("\nmerged with what changed meanwhile: {}", merged.join(", ")));
    }
    for path in &saved.kept {
        text.push_str(&format!(
            "\nthe same place was changed meanwhile: yours is in the piece, the other text is in {}",
            path.display()
        ));
    }
    let json = json!({
        "id": found.key.id.to_string(), "edited": names, "merged": saved.merged,
        "kept": saved.kept,
    });
    Answer::new(text, json)
}

/// Texts that somebody wrote for one command, on the standard input and in the editor.
#[derive(Debug)]
struct Texts<'d>(Vec<Text<'d>>);

#[derive(Debug)]
struct Text<'d> {
    field: LongField,
    /// What its person saw.
    before: String,
    purpose: Purpose<'d>,
    written: Written<'d>,
}

impl<'d> Texts<'d> {
    /// Waits for what the person writes. An editor in which nothing was changed adds nothing.
    fn read(
        device: &'d Device,
        command: &[String; 2],
        flags: &FieldFlags,
        editor: Option<LongField>,
        seen: Option<&Content>,
    ) -> Result<Self, Problem> {
        let mut texts = Self(Vec::new());
        for field in flags.inputs() {
            let (purpose, before) = about(device, command, field, seen);
            let written = Written::read_input(purpose.clone())?;
            texts.0.push(Text { field, before, purpose, written });
        }
        let Some(field) = editor else { return Ok(texts) };
        let (purpose, before) = about(device, command, field, seen);
        match editor::write(purpose.clone(), &before) {
            Ok(written) if written.text == before => {}
            Ok(written) => texts.0.push(Text { field, before, purpose, written }),
            Err(problem) => return Err(texts.unsaved(problem)),
        }
        Ok(texts)
    }

    /// Keeps them all although they could not be saved.
    fn unsaved(self, problem: Problem) -> Problem {
        self.0.into_iter().fold(problem, |problem, text| text.written.unsaved(problem))
    }
}

fn about<'d>(
    device: &'d Device,
    command: &[String; 2],
    field: LongField,
    seen: Option<&Content>,
) -> (Purpose<'d>, String) {
    let [verb, piece] = command.clone();
    let command = vec![verb, piece, format!("{}-file", field.option())];
    let what = label(field.name());
    let seen = seen.map(|content| content.get(field.name()));
    let before = seen.as_ref().and_then(Value::as_text).unwrap_or_default().to_owned();
    (Purpose { device, what, command }, before)
}

impl Text<'_> {
    fn text(&self) -> String {
        self.written.text.clone()
    }

    /// Merges it with what the piece has now.
    fn merge(&self, there: &str) -> TextMerge {
        let limit = limits::LONG_TEXT_BYTES;
        merge_text(&self.before, there, &self.written.text, Later::Pushed, limit)
    }
}
