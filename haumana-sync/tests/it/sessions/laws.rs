//! The laws of merging for sessions: order of arrival makes no difference, a repeat changes nothing,
//! and nothing is lost.

use super::*;
use crate::support::SeededRandom;
use haumana_sync::engine::Random;
use haumana_sync::json::JsonText;

struct Dice(SeededRandom);

impl Dice {
    fn below(&self, n: u64) -> u32 {
        u32::try_from(self.0.next_u64() % n).unwrap()
    }

    /// An edit of version 1. A narrow domain makes ties and echoes likely.
    fn edit(&self) -> Vec<(&'static str, Value)> {
        let source = ["estimated", "automatic", "manual"][self.below(3) as usize];
        let minute = 30 + self.below(3);
        match self.below(8) {
            0 => vec![("endedAt", text(&at(minute)))],
            1 => vec![("endedAtSource", text(source))],
            2 => vec![("endedAt", Value::Null), ("endedAtSource", Value::Null)],
            3 => vec![("startedAt", text(&at(self.below(3))))],
            4 => vec![("createdAt", text(&at(self.below(3)))), ("startedAt", text(&at(1)))],
            5 => vec![("mood", Value::Json(JsonText::parse(&minute.to_string()).unwrap()))],
            6 => vec![("mood", Value::Null)],
            _ => end(minute, source).to_vec(),
        }
    }
}

fn first() -> Push {
    let mood = ("mood", Value::Json(JsonText::parse("31").unwrap()));
    set(None, 1, &[&frame(1)[..], &end(31, "automatic"), &[mood]].concat())
}

/// What the session says after `edits`, each of a device of its own, each pushed twice.
async fn after(edits: &[(usize, Push)]) -> (Server, serde_json::Value) {
    let server = Server::new();
    push(&server, "maker", first()).await;
    for (device, edit) in edits {
        push(&server, &format!("device {device}"), edit.clone()).await;
        let before = revision(&server).await;
        let again = push(&server, &format!("device {device}"), edit.clone()).await;
        assert_eq!(PushOutcome::Unchanged, again.outcome, "{edits:?}");
        assert_eq!(before, revision(&server).await, "a repeat writes nothing");
    }
    let before = revision(&server).await;
    for (device, edit) in edits {
        push(&server, &format!("device {device}"), edit.clone()).await;
    }
    assert_eq!(before, revision(&server).await, "a late repeat writes nothing: {edits:?}");
    let says = fields(&server).await;
    (server, says)
}

/// Every whole end that somebody pushed.
fn ends(edits: &[(usize, Push)]) -> Vec<(String, String)> {
    let of = |push: &Push| {
        let PushOp::Set(fields) = &push.op else { return None };
        let field = |name: &str| Some(fields.get(name)?.as_text()?.to_owned());
        Some((field("endedAt")?, field("endedAtSource")?))
    };
    edits.iter().filter_map(|(_, push)| of(push)).collect()
}

#[tokio::test]
async fn concurrent_edits_come_to_the_same_in_every_order_and_every_end_is_kept() {
    let dice = Dice(SeededRandom::starting_at(11));
    for round in 0..100 {
        let edits: Vec<(usize, Push)> =
            (0..3).map(|n| (n, set(Some(1), i64::from(dice.below(3)), &dice.edit()))).collect();
        let mut results = Vec::new();
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            let ordered = order.map(|at| edits[at].clone());
            let (server, says) = after(&ordered).await;
            results.push(says.clone());
            let mut kept = vec![says];
            for entry in history(&server).await {
                kept.push(serde_json::from_str(&entry.content).unwrap());
            }
            for (at, source) in ends(&edits) {
                let has = |said: &serde_json::Value| {
                    said["endedAt"] == at.as_str() && said["endedAtSource"] == source.as_str()
                };
                assert!(kept.iter().any(has), "{round}: {at} {source} is lost: {edits:?}");
            }
        }
        let is_same = results.iter().all(|result| *result == results[0]);
        assert!(is_same, "{round}: {edits:?} {results:?}");
    }
}
