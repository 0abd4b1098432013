//! Commands for what a user asks for: restore, rewind, export, erase. And a new life of the data.
//!
//! A command that changes an account, or exports it, is written to the audit log. The changes are
//! made by the engine's own calls: no row is written past the engine, and devices receive them like
//! any other edit.

use crate::Outcome;
use crate::args::{Place, StoreKind};
use crate::audit::{Audit, begin_for_all};
use crate::place::{Opened, expect_account};
use crate::problem::Problem;
use crate::say::{Form, counted};
use haumana_sync::engine::{Asked, Erasure, RewindMode, RewindRequest, Rewound};
use haumana_sync::id::{Key, RecordId, UserId};
use haumana_sync::store::{Generation, HeadState, Version};
use haumana_sync::time::UnixMillis;
use serde_json::json;
use std::io::Write as _;
use std::path::Path;

/// Restores an earlier version of a record.
///
/// To undo it, restore the version that was the newest before.
pub(crate) async fn restore(
    (place, opened): (&Place, &Opened),
    user: &UserId,
    (kind, id, version): (&str, RecordId, Version),
    form: Form,
) -> Result<Outcome, Problem> {
    let schema = opened.engine.schema();
    let Some(number) = schema.named(kind).map(|kind| kind.number()) else {
        let names: Vec<&str> = schema.kinds().iter().map(|kind| kind.name()).collect();
        return Err(Problem::NoKind(kind.to_owned(), names.join(", ")));
    };
    expect_account(opened, user).await?;
    let key = Key { kind: number, id };
    let audit = Audit::of(place)?;
    let begun = audit.begin("restore", user, None)?;
    // Each run of the command is a request of its own.
    let asked = Asked { base: None, request_id: Some(opened.engine.random().to_string()) };
    let restored = opened.engine.restore_record(user, key, version, &asked).await;
    let restored = begun.end(restored.map_err(Problem::from))?;
    let json = json!({"version": restored.version, "unchanged": restored.is_unchanged});
    let line = match restored.is_unchanged {
        true => format!("the record has that content already, as version {}", restored.version),
        false => format!(
            "version {version} is the content again, as version {}; devices are given it at \
             their next sync",
            restored.version
        ),
    };
    form.say(&json, &[line]);
    Ok(Outcome::Well)
}

/// Sets an account to what it was at an earlier time.
///
/// A dry run prints the same. It is not written to the audit log, since it changes nothing and
/// shows no content. A rewind to the time that is printed afterwards undoes it.
pub(crate) async fn rewind(
    (place, opened): (&Place, &Opened),
    user: &UserId,
    (to, dry_run): (UnixMillis, bool),
    form: Form,
) -> Result<Outcome, Problem> {
    expect_account(opened, user).await?;
    let mode = if dry_run { RewindMode::DryRun } else { RewindMode::Write };
    let request = RewindRequest { to, mode, request_id: None };
    let rewound = if dry_run {
        opened.engine.rewind(user, &request).await?
    } else {
        let audit = Audit::of(place)?;
        let begun = audit.begin("rewind", user, None)?;
        let rewound = opened.engine.rewind(user, &request).await;
        begun.end(rewound.map_err(Problem::from))?
    };
    let Rewound { changed, deleted, brought_back, kept, ref records, before, .. } = rewound;
    let schema = opened.engine.schema();
    let listed = records.iter().map(|(key, change)| {
        json!({"kind": schema.name_of(key.kind), "id": key.id.to_string(),
            "change": change.as_str(), "code": change.code()})
    });
    let json = json!({"written": !dry_run, "changed": changed, "deleted": deleted,
        "restored": brought_back, "kept": kept, "before": before.to_string(),
        "records": listed.collect::<Vec<_>>()});
    let mut lines: Vec<String> = Vec::new();
    for (key, change) in records {
        let code = change.code().map_or(String::new(), |code| format!(" ({code})"));
        lines.push(format!("{} {}: {}{code}", schema.name_of(key.kind), key.id, change.as_str()));
    }
    lines.push(format!(
        "{} changed, {deleted} deleted, {brought_back} brought back, {kept} left as they are",
        counted(changed, "record")
    ));
    lines.push(match dry_run {
        true => "nothing was written: leave --dry-run away".to_owned(),
        false => format!("to take it back: haumana-admin rewind {} --to {before}", user.as_str()),
    });
    form.say(&json, &lines);
    Ok(if kept == 0 { Outcome::Well } else { Outcome::Left })
}

/// Erases an account, and writes a receipt.
///
/// The user must be given twice, because nothing undoes an erasure. The receipt is made from the
/// store after the erasure.
pub(crate) async fn erase(
    (place, opened): (&Place, &Opened),
    user: &UserId,
    confirm: &UserId,
    form: Form,
) -> Result<Outcome, Problem> {
    if user != confirm {
        return Err(Problem::NotConfirmed);
    }
    let before = opened.engine.summary(&*opened.all, user).await?;
    let head = before.head.as_ref().ok_or(Problem::Nobody)?;
    let was_erased = head.state == HeadState::Erased;
    let audit = Audit::of(place)?;
    let begun = audit.begin("erase", user, None)?;
    let erased = async {
        let erased = opened.engine.erase_as(user, None).await?;
        // The receipt must say what is in the store, not what should be.
        let after = opened.engine.verify(&*opened.all, user).await?;
        Ok::<_, haumana_sync::engine::Error>((erased, after))
    };
    let (erased, after) = begun.end(erased.await.map_err(Problem::from))?;
    let n_left = after.records + after.history + after.findings.len();
    let erased_at = after.head.and_then(|head| head.erased_at).map(|at| at.to_string());
    let by = match erased {
        Erasure::DoneBy(at) => Some(at.to_string()),
        Erasure::Done | Erasure::Repeated => None,
    };
    let records: usize = before.kinds.values().map(|count| count.live + count.deleted).sum();
    let json = json!({"user": user.as_str(), "erasedAt": erased_at, "records": records,
        "conflicts": before.open_conflicts, "history": before.history.entries, "left": n_left,
        "filesBy": by});
    let directory = match opened.tables {
        None => {
            "directory       each server removes name and e-mail address from its own, at its start \
             or within an hour"
        }
        Some(_) => {
            "directory       name and e-mail address are still in the user pool: see \
             docs/runbook.md"
        }
    };
    let mut lines = vec![
        "receipt of an erasure".to_owned(),
        format!("user            {}", user.as_str()),
        format!("erased          {}", erased_at.as_deref().unwrap_or("not yet")),
        format!(
            "there was       {}, {} of history, {}",
            counted(records, "record"),
            counted(before.history.entries, "entry"),
            counted(before.open_conflicts, "open conflict"),
        ),
        format!(
            "there is        {}",
            if n_left == 0 { "nothing".to_owned() } else { counted(n_left, "rest") }
        ),
        format!(
            "store's files   {}",
            by.map_or("see docs/operating.md".to_owned(), |at| format!("free of it by {at}"))
        ),
        "devices         each is told at its next sync, and keeps what it holds until its person \
         decides"
            .to_owned(),
        directory.to_owned(),
        "backups         hold it until they are deleted; a restore erases it again".to_owned(),
    ];
    if was_erased {
        lines.push("note            the account had been erased before".to_owned());
    }
    form.say(&json, &lines);
    Ok(if n_left == 0 { Outcome::Well } else { Outcome::Left })
}

/// Writes everything of an account into a new file.
///
/// An existing file is never overwritten, even if it was made while the export was running.
pub(crate) async fn export(
    (place, opened): (&Place, &Opened),
    user: &UserId,
    to: &Path,
    form: Form,
) -> Result<Outcome, Problem> {
    if to.exists() {
        return Err(Problem::Exists(to.into()));
    }
    expect_account(opened, user).await?;
    let audit = Audit::of(place)?;
    let begun = audit.begin("export", user, None)?;
    let bytes = begun.end(write_export(opened, user, to).await)?;
    let json = json!({"file": to.display().to_string(), "bytes": bytes});
    let line =
        format!("{} in {}, which its owner alone can read", counted(bytes, "byte"), to.display());
    form.say(&json, &[line]);
    Ok(Outcome::Well)
}

/// A failure leaves no file behind.
async fn write_export(opened: &Opened, user: &UserId, to: &Path) -> Result<usize, Problem> {
    let failed = |error| Problem::of_file(to, error);
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    // The file gets its name once it is complete, and is private from the beginning.
    let mut file =
        tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
    let mut export = opened.engine.export(user).await?;
    let mut bytes = 0;
    while let Some(part) = opened.engine.export_more(&mut export).await? {
        bytes += part.len();
        file.write_all(part.as_bytes()).map_err(failed)?;
    }
    file.as_file().sync_all().map_err(failed)?;
    file.persist_noclobber(to).map_err(|error| failed(error.error))?;
    Ok(bytes)
}

/// Begins a new life of the data.
///
/// The new number is above the present one; how far above depends on the store. It concerns every
/// account, so it is written to the audit log as well.
pub(crate) async fn new_generation(place: &Place, form: Form) -> Result<Outcome, Problem> {
    let Generation(before) = Opened::new(place).await?.generation;
    let asked = match place.store {
        // The next number that an operator gives to a server still begins a life.
        StoreKind::Sqlite | StoreKind::Postgres => Generation::ANEW,
        StoreKind::Dynamodb => {
            before.checked_add(1).map(Generation).ok_or(Problem::NoGeneration)?
        }
    };
    let begun = begin_for_all(place, "new-generation")?;
    let opened = Opened::asking(place, asked).await;
    let Generation(now) = begun.end(opened)?.generation;
    let lines = [
        format!("generation {now} begins; before it was {before}"),
        "restart the servers; functions are deployed with this generation. Devices notice at their \
         next sync, and what they hold is merged back"
            .to_owned(),
    ];
    form.say(&json!({"before": before, "generation": now}), &lines);
    Ok(Outcome::Well)
}
