//! The account on the server as it was at an earlier time.

use crate::answer::{Answer, table};
use crate::local_time::minute;
use crate::online::Online;
use crate::problem::Problem;
use haumana_replica::Rewound;
use haumana_sync::engine::RewindMode;
use haumana_sync::time::UnixMillis;
use serde_json::json;

impl Online<'_> {
    pub(crate) async fn rewind(&self, to: UnixMillis, mode: RewindMode) -> Result<Answer, Problem> {
        let replica = self.device.replica().await?;
        let rewound = replica.rewind(&self.transport, to, mode).await;
        let rewound = rewound.map_err(|error| self.problem(error))?;
        Ok(Answer::new(text(to, mode, &rewound), json(&rewound)))
    }
}

fn text(to: UnixMillis, mode: RewindMode, rewound: &Rewound) -> String {
    let Rewound { changed, deleted, restored, kept, before, is_repeated, .. } = rewound;
    if *is_repeated {
        return "this was done before; nothing was changed".to_owned();
    }
    let is_done = mode == RewindMode::Write;
    let (is, time) = (if is_done { "are" } else { "would be" }, minute(to));
    let mut text = format!(
        "{changed} records {is} as they were at {time}, {deleted} {is} deleted, {restored} {is} back"
    );
    if 0 < *kept {
        text.push_str(&format!("\n{kept} stay as they are:"));
        let rows = rewound.records.iter().filter_map(|record| {
            let code = record.code.clone()?;
            Some(vec![format!("    {}", record.kind), record.id.clone(), code])
        });
        text.push('\n');
        text.push_str(&table(&rows.collect::<Vec<_>>()));
    }
    if is_done && 0 < changed + deleted + restored {
        text.push_str(&format!(
            "\nhaumana sync brings them here; haumana rewind --to {before} takes it back"
        ));
    }
    text
}

fn json(rewound: &Rewound) -> serde_json::Value {
    let records = rewound.records.iter().map(|record| {
        json!({
            "kind": record.kind, "id": record.id, "outcome": record.outcome, "code": record.code,
        })
    });
    json!({
        "changed": rewound.changed, "deleted": rewound.deleted, "restored": rewound.restored,
        "kept": rewound.kept, "before": rewound.before, "repeated": rewound.is_repeated,
        "records": records.collect::<Vec<_>>(),
    })
}
