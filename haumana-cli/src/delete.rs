//! Deleting records, sessions and the account. The device is not held while its person thinks.

use crate::answer::{Answer, one_line, short, visible};
use crate::args::DeleteSession;
use crate::ask::{Reply, ask};
use crate::device::Device;
use crate::find::{record, title};
use crate::naming::{label, title_field};
use crate::online::Online;
use crate::problem::Problem;
use crate::sessions;
use crate::timing::Times;
use crate::verbs::{Asked, RECORD};
use haumana_replica::{Replica, View};
use haumana_sync::schema::Kind;
use serde_json::json;

/// A restore can undo a delete, so a script needs no `--yes`. Edits that no server has seen cannot
/// be restored, so `--discard-edits` is needed for them, by everybody.
pub(crate) async fn delete(device: &Device, asked: &Asked) -> Result<Answer, Problem> {
    let kind = &*asked.kind;
    let (found, lost, title) = look(&device.replica().await?, asked).await?;
    let named = || format!("{} {}", kind.name(), short(found.key.id));
    let shown = title.as_deref().map_or_else(named, one_line);
    let is_new = found.version.is_none();
    if !lost.is_empty() && !asked.is_on("discard-edits") {
        return Err(Problem::WouldLose { title: shown, what: what_is_lost(kind, &lost, is_new) });
    }
    let question = match lost.is_empty() {
        true => format!("delete {shown}?"),
        false => format!("delete {shown}, {} for good?", what_is_lost(kind, &lost, is_new)),
    };
    if !asked.is_on("yes") && ask(&visible(&question)) == Reply::No {
        return Err(Problem::Declined);
    }
    let replica = device.replica_again().await?;
    unchanged(&replica, &found).await?;
    replica.delete(found.key).await.map_err(Problem::local)?;

    let id = found.key.id.to_string();
    let mut text = format!("deleted {shown}");
    if !lost.is_empty() {
        text.push_str(&format!("\n{} is gone for good", what_is_lost(kind, &lost, is_new)));
    }
    text.push_str(&way_back(&found, &format!("{}{id}", asked.prefix()), !lost.is_empty()));
    let json = json!({ "id": id, "title": title, "version": found.version, "lost": lost });
    Ok(Answer::new(text, json))
}

/// The record, the fields that would be lost for good, and its title.
async fn look(
    replica: &Replica,
    asked: &Asked,
) -> Result<(View, Vec<String>, Option<String>), Problem> {
    let found = record(replica, &asked.kind, &asked.text(RECORD)).await?;
    let lost = replica.lost_by_delete(found.key).await.map_err(Problem::local)?;
    let title = title_field(&asked.kind).map(|_| title(&found));
    Ok((found, lost, title))
}

fn what_is_lost(kind: &Kind, lost: &[String], is_new: bool) -> String {
    if is_new {
        return "all of it, which is on this device only,".to_owned();
    }
    let names: Vec<&str> = lost.iter().map(|name| label(kind, name)).collect();
    format!("what was edited of it on this device only ({})", names.join(", "))
}

/// How to restore the record, if that is possible; `id` is the id with the words before it on a
/// command line.
fn way_back(found: &View, id: &str, loses: bool) -> String {
    match found.version {
        // Pending edits make versions whose numbers are not known yet.
        _ if found.is_pending && !loses => {
            format!(
                "\nafter a sync, this shows the versions that can come back: haumana history {id}"
            )
        }
        Some(version) => {
            format!("\nafter a sync, this brings it back: haumana restore {id} {version}")
        }
        None => String::new(),
    }
}

/// Fails if the record has changed since the person was asked.
async fn unchanged(replica: &Replica, found: &View) -> Result<(), Problem> {
    match replica.record(found.key).await.map_err(Problem::local)? {
        Some(now) if now == *found => Ok(()),
        _ => Err(Problem::Refused("it was changed meanwhile, so nothing was deleted".into())),
    }
}

/// A session cannot be restored, so a script has to say `--yes`.
pub(crate) async fn delete_session(
    device: &Device,
    args: &DeleteSession,
) -> Result<Answer, Problem> {
    let (found, described) = {
        let replica = device.replica().await?;
        let found = sessions::find(&replica, &args.session).await?;
        let described = sessions::describe(&replica, &found).await;
        (found, described)
    };
    if !args.yes {
        means(ask(&visible(&format!("delete {described}? It cannot be brought back."))))?;
    }
    let replica = device.replica_again().await?;
    unchanged(&replica, &found).await?;
    replica.delete(found.key).await.map_err(Problem::local)?;
    let json = Times::of(&found).json(&found);
    Ok(Answer::new(format!("deleted {described}"), json))
}

impl Online<'_> {
    /// Only an export can bring an account back, so a script has to say `--yes`.
    pub(crate) async fn erase_account(&self, yes: bool) -> Result<Answer, Problem> {
        let (account, server) = (self.account.as_str(), self.device.server());
        let what = format!("everything of {account} on {server}, its history included");
        let question = format!("erase {what}? Only an export brings it back.");
        if !yes {
            means(ask(&visible(&question)))?;
        }
        let replica = self.device.replica_again().await?;
        replica.erase(&self.transport).await.map_err(|error| self.problem(error))?;
        let text =
            format!("erased {what}\nthis device has what it had; haumana sync asks about it");
        Ok(Answer::new(text, json!({ "account": account, "server": server })))
    }
}

/// Whether somebody has said yes. No answer is no consent.
fn means(reply: Reply) -> Result<(), Problem> {
    match reply {
        Reply::Yes => Ok(()),
        Reply::No => Err(Problem::Declined),
        Reply::Nobody => Err(Problem::NeedsYes),
    }
}
