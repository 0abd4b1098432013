//! Whatever new clients push, the phones' app can read every reply and the account can be taken
//! along.

use crate::support::{DAY, SeededRandom, Server, kai};
use haumana_sim::readable::check_readable;
use haumana_sim::reply::decode_sessions;
use haumana_sync::engine::{Random, Resolution};
use haumana_sync::wire::sync::SyncRequest;

const IDS: [&str; 2] =
    ["5EED0000-0000-4000-8000-000000000001", "5EED0000-0000-4000-8000-0000000000AA"];

/// Names of fields, of what stands beside them, and of nothing.
const NAMES: [&str; 28] = [
    "title",
    "category",
    "lyrics",
    "language",
    "englishTranslation",
    "author",
    "notes",
    "includeInPractice",
    "isFavorite",
    "createdAt",
    "pieceId",
    "startedAt",
    "endedAt",
    "endedAtSource",
    "sessionId",
    "userId",
    "version",
    "modifiedAt",
    "lastSyncedAt",
    "syncedAt",
    "locallyModified",
    "_haumana",
    "kind",
    "id",
    "mood",
    "",
    "a\\\"b",
    "\\u0075serId",
];

const VALUES: [&str; 20] = [
    "null",
    "true",
    "false",
    "1",
    "1e999",
    "-0",
    "12345678901234567890",
    r#""""#,
    r#""oli""#,
    r#""a\nb\nc""#,
    r#""manual""#,
    r#""estimated""#,
    r#""2026-11-22T10:00:00Z""#,
    r#""2099-01-01T00:00:00+13:00""#,
    r#""0001-01-01T00:00:00Z""#,
    r#""5EED0000-0000-4000-8000-000000000001""#,
    "{}",
    r#"{"userId":1,"userId":2}"#,
    "[[[]]]",
    r#""\ud83c""#,
];

struct Dice(SeededRandom);

impl Dice {
    fn below(&self, n: usize) -> usize {
        usize::try_from(self.0.next_u64() % n as u64).unwrap()
    }

    fn one_of<'a>(&self, all: &[&'a str]) -> &'a str {
        all[self.below(all.len())]
    }

    /// A body of `POST /sync`: of the right shape, mostly.
    fn body(&self) -> String {
        let pushes: Vec<String> = (0..=self.below(3)).map(|_| self.push()).collect();
        let device = self.one_of(&["a", "b"]);
        let mut body = format!(r#"{{"deviceId":"{device}","push":[{}]}}"#, pushes.join(","));
        if self.below(8) == 0 {
            let at = (0..=self.below(body.len())).rev().find(|at| body.is_char_boundary(*at));
            body.insert_str(at.unwrap(), self.one_of(&["\"", "}", ",", "0", "\\u0000", "userId"]));
        }
        body
    }

    fn push(&self) -> String {
        let kind = self.one_of(&["piece", "session", "session", "session", "conflict"]);
        let base = self.one_of(&["null", "null", "1", "1", "2", "3", "5000"]);
        let at = self.one_of(&["", r#""editedAt":"2026-11-22T10:00:00Z","#, r#""editedAt":{},"#]);
        let head = format!(r#"{{"kind":"{kind}","id":"{}","base":{base},{at}"#, self.one_of(&IDS));
        if self.below(12) == 0 {
            return head + r#""delete":true}"#;
        }
        let mut set: Vec<String> = Vec::new();
        if kind == "session" && self.below(3) != 0 {
            let start = r#""startedAt":"2026-11-22T10:00:00Z""#;
            set.push(format!(r#""pieceId":"{}",{start}"#, IDS[0]));
        }
        for _ in 0..self.below(3) {
            set.push(format!(r#""{}":{}"#, self.one_of(&NAMES), self.one_of(&VALUES)));
        }
        head + &format!(r#""set":{{{}}}}}"#, set.join(","))
    }
}

fn env_or(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().map_or(default, |text| text.parse().unwrap())
}

/// A long run: `HAUMANA_MUTATIONS=100000 cargo test --release -p haumana-sync readable`.
#[tokio::test]
async fn after_any_push_the_app_reads_every_reply_and_the_export_can_be_imported() {
    let seed = env_or("HAUMANA_SEED", DAY.unsigned_abs());
    let dice = Dice(SeededRandom::starting_at(seed));
    let (mut server, mut n_applied) = (Server::new(), 0);

    for n in 0..env_or("HAUMANA_MUTATIONS", 400) {
        if n % 30 == 0 {
            server = Server::new();
        }
        server.pass_secs(1);
        let body = dice.body();
        let Ok(request) = SyncRequest::from_json(body.as_bytes()) else { continue };
        let reply = server.engine.sync(&kai(), &request, 1 << 20).await.unwrap().into_json();
        n_applied += String::from_utf8_lossy(&reply).matches(r#""applied""#).count();
        if n % 7 == 0 {
            let (open, _) =
                server.engine.conflict_page(&kai(), None, 10, usize::MAX).await.unwrap();
            for conflict in open {
                // A value may be past what the field takes; nothing else may happen.
                let _ = server.engine.resolve(&kai(), conflict.id, &Resolution::Restore).await;
            }
        }
        let read = check_readable(&server.engine, &kai()).await;
        assert_eq!(Ok(()), read, "HAUMANA_SEED={seed}, body {n}: {body}");
    }
    assert!(50 < n_applied, "most bodies must get past the door: {n_applied}");
}

#[test]
fn a_reply_with_a_doubled_key_is_not_readable() {
    let session = format!(
        r#"{{"sessionId":"{}","userId":"kai","pieceId":"{}","startedAt":"{at}","createdAt":"{at}"}}"#,
        IDS[1],
        IDS[0],
        at = "2026-11-22T10:00:00.000Z"
    );
    let reply = |session: &str| {
        format!(
            r#"{{"uploadedSessions":[],"serverSessions":[{session}],"syncedAt":"2026-11-22T10:00:00.000Z"}}"#
        )
    };

    let good = decode_sessions(reply(&session).as_bytes());
    let doubled = session.replacen('{', r#"{"userId":"kai","#, 1);
    let doubled = decode_sessions(reply(&doubled).as_bytes());

    assert!(good.is_ok(), "{good:?}");
    assert_eq!("userId stands twice", doubled.unwrap_err());
}
