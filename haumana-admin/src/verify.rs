//! `verify` and `repair`.
//!
//! `verify` reads and compares. `repair` corrects faults whose right value follows from the rest of
//! the data. A repair first looks without writing, and writes to the audit log only if there is
//! something to repair.
//!
//! With `--all`, an account that cannot be read counts as failed, and the others go on. With one
//! user it is the failure of the command.

use crate::Outcome;
use crate::args::{Place, Whom};
use crate::audit::Audit;
use crate::cost;
use crate::place::{Opened, users, whom_of};
use crate::problem::{Problem, chain};
use crate::say::{Form, counted};
use futures_util::{StreamExt as _, TryStreamExt as _};
use haumana_sync::engine::{FaultPlace, Finding, RepairMode, Verified};
use haumana_sync::id::UserId;
use serde_json::{Value, json};

/// How many accounts are verified at the same time.
const AT_ONCE: usize = 4;

/// The findings of all accounts together.
///
/// `failed` counts accounts that could not be read; `findings` counts the faults of the others.
#[derive(Default)]
struct Total {
    accounts: usize,
    records: usize,
    history: usize,
    findings: usize,
    failed: usize,
}

/// Checks one account, or all of them.
pub(crate) async fn verify(opened: &Opened, whom: &Whom, form: Form) -> Result<Outcome, Problem> {
    cost::announce(opened, whom).await?;
    let mut total = Total::default();
    match &whom.user {
        Some(user) => {
            let verified = opened.engine.verify(&*opened.all, user).await?;
            if verified.head.is_none() && verified.findings.is_empty() {
                return Err(Problem::Nobody);
            }
            total.take(user, &verified, form);
        }
        None => total.take_all(opened, form).await?,
    }
    cost::sum_up(opened);
    total.say(form);
    Ok(if total.findings + total.failed == 0 { Outcome::Well } else { Outcome::Left })
}

impl Total {
    /// The answers come in the order of users, whichever account is verified first.
    async fn take_all(&mut self, opened: &Opened, form: Form) -> Result<(), Problem> {
        let mut pages = users(&*opened.all);
        while let Some(page) = pages.try_next().await? {
            let verified = page.iter().map(|user| async move {
                // On a thread of its own, because most of the work is hashing.
                let (engine, all, of) = (opened.engine.clone(), opened.all.clone(), user.clone());
                let task = tokio::spawn(async move { engine.verify(&*all, &of).await });
                (user, task.await)
            });
            let mut verified = futures_util::stream::iter(verified).buffered(AT_ONCE);
            while let Some((user, verified)) = verified.next().await {
                match verified.map_err(|error| Problem::of(&error))? {
                    Ok(verified) => self.take(user, &verified, form),
                    // The other accounts are verified all the same.
                    Err(error) => self.fail(user, &chain(&error), form),
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, user: &UserId, verified: &Verified, form: Form) {
        self.accounts += 1;
        self.records += verified.records;
        self.history += verified.history;
        self.findings += verified.findings.len();
        for finding in &verified.findings {
            form.say(&json_of(user, finding), &[format!("{}: {finding}", user.as_str())]);
        }
    }

    fn fail(&mut self, user: &UserId, error: &str, form: Form) {
        self.accounts += 1;
        self.failed += 1;
        let line = format!("{}: could not be verified: {error}", user.as_str());
        form.say(&json!({"user": user.as_str(), "error": error}), &[line]);
    }

    fn say(&self, form: Form) {
        let Self { accounts, records, history, findings, failed } = self;
        let json = json!({"accounts": accounts, "records": records, "history": history,
            "findings": findings, "failed": failed});
        let mut line = format!(
            "{}, {}, {} of history: {}",
            counted(*accounts, "account"),
            counted(*records, "record"),
            counted(*history, "entry"),
            match findings {
                0 => "all agrees".to_owned(),
                n => counted(*n, "finding"),
            }
        );
        if *failed != 0 {
            line.push_str(&format!("; {} could not be verified", counted(*failed, "account")));
        }
        form.say(&json, &[line]);
    }
}

/// Repairs one account, or all of them, or says what it would do.
///
/// It ends well if nothing is left. Without `--write`, a possible repair counts as left.
pub(crate) async fn repair(
    (place, opened): (&Place, &Opened),
    whom: &Whom,
    write: bool,
    form: Form,
) -> Result<Outcome, Problem> {
    cost::announce(opened, whom).await?;
    let audit = if write { Some(Audit::of(place)?) } else { None };
    let users = whom_of(opened, whom).await?;
    let (mut mended, mut left, mut failed) = (0, 0, 0);
    for user in &users {
        match repair_one(opened, user, audit.as_ref(), form).await {
            Ok((done, rest)) => (mended, left) = (mended + done, left + rest),
            Err(problem) if whom.user.is_some() => return Err(problem),
            Err(problem) => {
                failed += 1;
                let line = format!("{}: could not be repaired: {problem}", user.as_str());
                form.say(&json!({"user": user.as_str(), "error": problem.to_string()}), &[line]);
            }
        }
    }
    cost::sum_up(opened);
    let json = json!({"written": write, "accounts": users.len(), "mended": mended, "left": left,
        "failed": failed});
    let verb = if write { "mended" } else { "would be mended; nothing was written: add --write" };
    let mut lines = vec![format!("{} {verb}", counted(mended, "finding"))];
    if left != 0 {
        lines.push(format!("{} left for a person: see docs/admin.md", counted(left, "finding")));
    }
    form.say(&json, &lines);
    let is_done = left == 0 && failed == 0 && (write || mended == 0);
    Ok(if is_done { Outcome::Well } else { Outcome::Left })
}

/// Returns how many faults were repaired, or would be, and how many are left for a person.
async fn repair_one(
    opened: &Opened,
    user: &UserId,
    audit: Option<&Audit>,
    form: Form,
) -> Result<(usize, usize), Problem> {
    let tried = opened.engine.repair(&*opened.all, user, RepairMode::DryRun).await?;
    let repaired = match audit {
        // An account without faults needs no line in the audit log.
        Some(audit) if !tried.mended.is_empty() => {
            let begun = audit.begin("repair", user, None)?;
            let done = opened.engine.repair(&*opened.all, user, RepairMode::Write).await;
            begun.end(done.map_err(Problem::from))?
        }
        _ => tried,
    };
    let lists = [("mended", &repaired.mended), ("left", &repaired.left)];
    for (word, finding) in
        lists.iter().flat_map(|(word, list)| list.iter().map(move |one| (word, one)))
    {
        let mut json = json_of(user, finding);
        json["outcome"] = json!(word);
        form.say(&json, &[format!("{}: {word}: {finding}", user.as_str())]);
    }
    Ok((repaired.mended.len(), repaired.left.len()))
}

/// `side` is 0 for a version, and above 0 for a value that lost.
fn json_of(user: &UserId, finding: &Finding) -> Value {
    let (record, version, side) = match finding.place {
        FaultPlace::Head => (None, None, None),
        FaultPlace::Record(key) => (Some(key), None, None),
        FaultPlace::History(at) => (Some(at.key), Some(at.version), Some(at.side)),
    };
    json!({
        "user": user.as_str(),
        "fault": finding.fault.code(),
        "kind": record.map(|key| key.kind.code().into_owned()),
        "id": record.map(|key| key.id.to_string()),
        "version": version,
        "side": side,
        "detail": finding.detail,
        "repaired": finding.fault.remedy().is_automatic(),
    })
}
