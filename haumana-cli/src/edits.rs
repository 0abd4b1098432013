//! Adding and editing records.
//!
//! The device is held only while it is read and written, never while a person writes. A person's
//! text is based on the version that the person saw. It is merged with changes that came meanwhile.

use crate::answer::{Answer, one_line, short};
use crate::device::Device;
use crate::editor;
use crate::fields::{Changes, check, text_value};
use crate::find::{record, title};
use crate::kept::{Draft, Purpose, Written};
use crate::naming::{label, one_of, title_field};
use crate::options::{LongField, long_fields};
use crate::problem::Problem;
use crate::verbs::{Asked, RECORD, TITLE};
use haumana_replica::{Content, View};
use haumana_sync::record::Value;
use haumana_sync::schema::Kind;
use haumana_sync::text::{Later, TextMerge, merge_text};
use serde_json::json;
use std::path::PathBuf;

pub(crate) async fn add(device: &Device, asked: &Asked) -> Result<Answer, Problem> {
    // Checked first, so that nobody writes a text that cannot be saved.
    device.account()?;
    let kind = &*asked.kind;
    let mut changes = Changes::of(kind, &asked.matches);
    if let (Some(title), Some(field)) = (asked.given(TITLE), title_field(kind)) {
        changes.put(field.name(), Value::Text(title));
    }
    prepare(device, &mut changes).await?;
    let fields = changes.apply(None);
    check(kind, &fields)?;
    if let Some(missing) = kind.missing(|name| fields.contains_key(name)) {
        let (one, what) = (one_of(kind), label(kind, missing.name()));
        return Err(Problem::Refused(format!("{one} needs a {what}")));
    }
    let titled = title_field(kind).and_then(|field| fields.get(field.name()));
    let titled = titled.and_then(Value::as_text).map(str::to_owned);
    let about = About { device, words: command(asked, "add", titled.as_deref()) };
    let texts = Texts::read(&about, &changes, changes.editor(), None)?;
    for text in &texts.0 {
        changes.put(&text.field.name, text_value(kind, &text.field.name, text.text()));
    }
    let added = async {
        let fields = changes.apply(None);
        check(kind, &fields)?;
        let replica = device.replica_again().await?;
        replica.create(kind.name(), fields).await.map_err(Problem::local)
    };
    let id = added.await.map_err(|problem| texts.unsaved(problem))?;
    let named = titled.as_deref().map_or_else(|| kind.name().to_owned(), one_line);
    let mut json = json!({ "id": id.to_string() });
    if let Some(field) = title_field(kind) {
        json[field.name()] = titled.into();
    }
    Ok(Answer::new(format!("added {named} ({})", short(id)), json))
}

pub(crate) async fn edit(device: &Device, asked: &Asked) -> Result<Answer, Problem> {
    let kind = &*asked.kind;
    let found = record(&device.replica().await?, kind, &asked.text(RECORD)).await?;
    let mut changes = Changes::of(kind, &asked.matches);
    prepare(device, &mut changes).await?;
    let fields = changes.apply(Some(&found.content));
    check(kind, &fields)?;
    let has_flags = !fields.is_empty() || !changes.inputs().is_empty();
    let without_flags = || long_fields(kind).into_iter().next().filter(|_| !has_flags);
    let editor = changes.editor().or_else(without_flags);
    if !has_flags && editor.is_none() {
        return Err(Problem::Refused(format!(
            "say what to edit: see haumana edit {} --help",
            kind.name()
        )));
    }
    let id = found.key.id.to_string();
    let about = About { device, words: command(asked, "edit", Some(&id)) };
    let texts = Texts::read(&about, &changes, editor, Some(&found.content))?;
    if fields.is_empty() && texts.0.is_empty() {
        return Ok(answer(&found, &[], Saved::default()));
    }
    let mut names: Vec<String> = fields.keys().cloned().collect();
    names.extend(texts.0.iter().map(|text| text.field.name.clone()));
    names.sort_unstable();
    let saved = save(device, &found, changes, &texts).await;
    let saved = saved.map_err(|problem| texts.unsaved(problem))?;
    Ok(answer(&found, &names, saved))
}

/// Reads files and finds the named records, before it waits for a person.
async fn prepare(device: &Device, changes: &mut Changes<'_>) -> Result<(), Problem> {
    changes.read_files()?;
    if changes.has_names() {
        changes.find_names(&device.replica().await?).await?;
    }
    Ok(())
}

/// The words of a command on one record.
fn command(asked: &Asked, verb: &str, record: Option<&str>) -> Vec<String> {
    let mut words = vec![verb.to_owned()];
    words.extend(asked.spoken.iter().cloned());
    words.extend(record.map(str::to_owned));
    words
}

/// The result for texts whose record changed meanwhile.
#[derive(Debug, Default)]
struct Saved {
    /// Names of texts that were merged with the change.
    merged: Vec<String>,
    /// Files with texts that could not be merged.
    kept: Vec<PathBuf>,
}

async fn save(
    device: &Device,
    found: &View,
    mut changes: Changes<'_>,
    texts: &Texts<'_>,
) -> Result<Saved, Problem> {
    let replica = device.replica_again().await?;
    let kind = found.content.kind();
    let now = replica.record(found.key).await.map_err(Problem::local)?;
    let now = now.ok_or_else(|| Problem::DeletedMeanwhile(kind.name().to_owned()))?;
    let (mut saved, mut aside) = (Saved::default(), Vec::new());
    for text in &texts.0 {
        let (name, there) = (&text.field.name, now.content.get(&text.field.name));
        let there = there.as_text().unwrap_or_default();
        let merged = match text.merge(there) {
            TextMerge::Clean(merged) => merged,
            TextMerge::Clash(merged) => {
                aside.push((&text.purpose, Draft::new(&text.purpose, there.as_bytes())?));
                merged
            }
        };
        if merged != text.text() {
            saved.merged.push(name.clone());
        }
        changes.put(name, text_value(kind, name, merged));
    }
    let fields = changes.apply(Some(&now.content));
    check(kind, &fields)?;
    replica.set(found.key, fields).await.map_err(Problem::local)?;
    saved.kept = aside.into_iter().map(|(purpose, draft)| draft.keep(purpose, None)).collect();
    Ok(saved)
}

fn answer(found: &View, names: &[String], saved: Saved) -> Answer {
    let kind = &**found.content.kind();
    let labels = |names: &[String]| {
        let labels: Vec<String> = names.iter().map(|name| one_line(label(kind, name))).collect();
        labels.join(", ")
    };
    let mut text = match names.is_empty() {
        true => "nothing changed".to_owned(),
        false => format!("edited {}: {}", called(found), labels(names)),
    };
    if !saved.merged.is_empty() {
        text.push_str(&format!("\nmerged with what changed meanwhile: {}", labels(&saved.merged)));
    }
    for path in &saved.kept {
        text.push_str(&format!(
            "\nthe same place was changed meanwhile: yours is in the {}, the other text is in {}",
            kind.name(),
            path.display()
        ));
    }
    let json = json!({
        "id": found.key.id.to_string(), "edited": names, "merged": saved.merged,
        "kept": saved.kept,
    });
    Answer::new(text, json)
}

/// A record for people: its title, or its kind and the beginning of its id.
fn called(view: &View) -> String {
    let kind: &Kind = view.content.kind();
    match title_field(kind) {
        Some(_) => one_line(&title(view)),
        None => format!("{} {}", kind.name(), short(view.key.id)),
    }
}

/// The command that texts are for.
struct About<'d> {
    device: &'d Device,
    words: Vec<String>,
}

/// Texts that a person wrote for one command, on the standard input and in the editor.
#[derive(Debug)]
struct Texts<'d>(Vec<Text<'d>>);

#[derive(Debug)]
struct Text<'d> {
    field: LongField,
    /// The text that the person saw.
    before: String,
    purpose: Purpose<'d>,
    written: Written<'d>,
}

impl<'d> Texts<'d> {
    /// Waits until the person has written. If nothing was changed in the editor, it adds no text.
    fn read(
        about: &About<'d>,
        changes: &Changes<'_>,
        editor: Option<LongField>,
        seen: Option<&Content>,
    ) -> Result<Self, Problem> {
        let mut texts = Self(Vec::new());
        for field in changes.inputs() {
            let (purpose, before) = about.of(&field, seen);
            let written = Written::read_input(purpose.clone())?;
            texts.0.push(Text { field, before, purpose, written });
        }
        let Some(field) = editor else { return Ok(texts) };
        let (purpose, before) = about.of(&field, seen);
        match editor::write(purpose.clone(), &before) {
            Ok(written) if written.text == before => {}
            Ok(written) => texts.0.push(Text { field, before, purpose, written }),
            Err(problem) => return Err(texts.unsaved(problem)),
        }
        Ok(texts)
    }

    /// Keeps all texts in files, because they could not be saved.
    fn unsaved(self, problem: Problem) -> Problem {
        self.0.into_iter().fold(problem, |problem, text| text.written.unsaved(problem))
    }
}

impl<'d> About<'d> {
    fn of(&self, field: &LongField, seen: Option<&Content>) -> (Purpose<'d>, String) {
        let mut command = self.words.clone();
        command.push(format!("--{}-file", field.option));
        let seen = seen.map(|content| content.get(&field.name));
        let before = seen.as_ref().and_then(Value::as_text).unwrap_or_default().to_owned();
        (Purpose { device: self.device, what: field.label.clone(), command }, before)
    }
}

impl Text<'_> {
    fn text(&self) -> String {
        self.written.text.clone()
    }

    /// Merges the text with the one that the record has now.
    fn merge(&self, there: &str) -> TextMerge {
        merge_text(&self.before, there, &self.written.text, Later::Pushed, self.field.limit)
    }
}
