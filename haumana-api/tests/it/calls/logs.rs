//! What is logged, and what never is.

use crate::tokens::{Claims, EMAIL, KAI, SUBJECT};
use crate::world::{
    LYRICS, PIECE, Sky, TITLE, World, anonymous, ask, call, good_token, one_piece, one_session,
    push, tell,
};
use axum::body::Body;
use axum::http::Request;
use haumana_sync::engine::{Unreadable, Witness as _};
use haumana_sync::id::Key;
use haumana_sync::store::{ErrorKind, Fault};
use std::io;
use std::sync::{Arc, LazyLock, Mutex};
use tracing::Dispatch;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;

/// Everything that is logged on this thread while it lives.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// While there is one subscriber only, `tracing` asks the thread that comes by a line first, and a
/// test without a log would silence that line for all. This one makes two.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| {
    Dispatch::new(
        tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(io::sink).finish(),
    )
});

impl Log {
    /// Starts to collect at the most talkative level.
    pub(crate) fn start() -> (Self, tracing::subscriber::DefaultGuard) {
        LazyLock::force(&SECOND);
        let log = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(LevelFilter::TRACE)
            .with_ansi(false)
            .with_writer(log.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        let bytes = self.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Logs one request and returns its one line.
async fn line_of(world: &World, request: Request<Body>) -> String {
    let (log, _guard) = Log::start();
    world.send(request).await;
    let lines: Vec<_> =
        log.lines().into_iter().filter(|line| line.contains("request_id=")).collect();
    assert_eq!(1, lines.len(), "one request, one line");
    lines.into_iter().next().unwrap()
}

#[track_caller]
fn says(line: &str, parts: &[&str]) {
    for part in parts {
        assert!(line.contains(part), "{part} must be in: {line}");
    }
}

#[tokio::test]
async fn a_sync_is_one_line_with_what_went_through() {
    let world = World::new();
    let body = one_piece();
    let n_bytes = format!("bytes_in={}", body.len());

    let line = line_of(&world, call("/pieces").body(body.into()).unwrap()).await;

    let counts = ["pushed=1", "merged=", "conflicts=0", "rejected=0", "pulled="];
    says(&line, &["INFO", "method=\"POST\"", "route=\"/pieces\"", "status=200", "ms=", &n_bytes]);
    says(&line, &counts);
    assert!(!line.contains("reason"), "{line}");
}

#[tokio::test]
async fn a_sync_of_a_new_client_is_counted_too() {
    let world = World::new();
    let mut body = push("a", None, serde_json::json!({ "set": { "title": TITLE } }));
    body["push"].as_array_mut().unwrap().push(serde_json::json!({ "id": "x" }));

    let line = line_of(&world, tell("/sync", &body)).await;

    // The device did not send what a new piece gets where nothing is given, so the piece comes back.
    let counts = ["pushed=1", "merged=0", "conflicts=0", "rejected=1", "pulled=1"];
    says(&line, &["route=\"/sync\"", "status=200"]);
    says(&line, &counts);
    let line = line_of(&world, call("/sync").body(r#"{"deviceId":"b"}"#.into()).unwrap()).await;
    says(&line, &["pushed=0", "pulled=1"]);
}

#[tokio::test]
async fn a_refusal_says_why_to_us() {
    let world = World::new();
    let expired = Claims::good().with("exp", "2").with("iat", "1");
    let expired = format!("Bearer {}", KAI.with_claims(&expired));
    let with = |value: &str| {
        anonymous("/pieces").header("authorization", value).body(one_piece().into()).unwrap()
    };

    let line = line_of(&world, with(&expired)).await;
    says(&line, &["status=401", "code=\"unauthorized\"", "reason=\"expired\"", "bytes_in=0"]);
    for value in ["Basic x", "Bearer ", "Bearer  x"] {
        let line = line_of(&world, with(value)).await;
        says(&line, &["reason=\"not_bearer\""]);
    }
    let line = line_of(&world, anonymous("/sessions").body(Body::empty()).unwrap()).await;
    says(&line, &["route=\"/sessions\"", "reason=\"no_token\""]);
}

#[tokio::test]
async fn a_failure_of_ours_is_an_error_that_names_the_operation() {
    let world = World::new();
    world.sky(Sky::Fails(Fault::Before(ErrorKind::Corrupt)));

    let line = line_of(&world, call("/pieces").body(one_piece().into()).unwrap()).await;

    says(&line, &["ERROR", "status=500", "reason=\"engine\"", "detail=", "failed: Corrupt"]);
}

#[tokio::test]
async fn an_address_that_matches_no_route_is_not_logged() {
    let world = World::new();
    let request = call(&format!("/nowhere/{TITLE}?q={LYRICS_ASCII}")).body(Body::empty()).unwrap();

    let line = line_of(&world, request).await;

    says(&line, &["route=\"-\"", "status=404"]);
    assert!(!line.contains("marked"), "{line}");
}

const LYRICS_ASCII: &str = "Lyrics-marked";

#[tokio::test]
async fn a_request_id_is_made_or_taken_over_if_it_is_plain() {
    let world = World::new();
    let with = |id: &str| call("/pieces").header("x-request-id", id).body("{}".into()).unwrap();

    let given = world.send(with("Abc-123")).await;
    let first = world.send(call("/pieces").body("{}".into()).unwrap()).await;
    let second = world.send(call("/pieces").body("{}".into()).unwrap()).await;

    assert_eq!(Some("Abc-123"), given.header("x-request-id"));
    let made = first.header("x-request-id").unwrap();
    assert_eq!(16, made.len());
    assert_ne!(first.header("x-request-id"), second.header("x-request-id"));
    for id in ["", "a b", "a\"b", "a=b", "<script>", "a.b", &"a".repeat(65)] {
        let answer = world.send(with(id)).await;
        assert_ne!(Some(id), answer.header("x-request-id"), "{id}");
    }
    let long = "a".repeat(64);
    assert_eq!(Some(&*long), world.send(with(&long)).await.header("x-request-id"));
    let line = line_of(&world, with("Abc-123")).await;
    says(&line, &["request_id=\"Abc-123\""]);
}

/// Requests of every kind that carry marked personal data wherever it fits.
fn talkative() -> Vec<Request<Body>> {
    let token = good_token();
    let bearer = format!("Bearer {token}");
    let mut requests = vec![
        call("/pieces").body(one_piece().into()).unwrap(),
        call("/pieces").body("{}".into()).unwrap(),
        call("/sessions").body(one_session().into()).unwrap(),
        call("/pieces").header("accept-encoding", "gzip").body("{}".into()).unwrap(),
        call("/pieces").body(one_piece().replace(PIECE, TITLE).into()).unwrap(),
        call("/pieces").body(one_piece().replace("\"mele\"", "7").into()).unwrap(),
        call("/pieces")
            .body(one_piece().replace("\"sync\"", &format!("\"{TITLE}\"")).into())
            .unwrap(),
        call("/pieces").body(format!("{}{TITLE}", one_piece()).into()).unwrap(),
        call("/pieces").body(format!("\"{LYRICS}\"").into()).unwrap(),
        call(&format!("/pieces?title={TITLE}&token={token}")).body("{}".into()).unwrap(),
        call(&format!("/{TITLE}/{EMAIL}")).body("{}".into()).unwrap(),
        anonymous("/pieces")
            .header("authorization", format!("Basic {token}"))
            .body(one_piece().into())
            .unwrap(),
        anonymous("/pieces")
            .header("authorization", format!("{bearer}x"))
            .body(one_piece().into())
            .unwrap(),
        anonymous("/pieces").header("cookie", &token).body(one_piece().into()).unwrap(),
        call("/pieces").header("x-request-id", EMAIL).body("{}".into()).unwrap(),
        call("/pieces").header("x-request-id", &token).body("{}".into()).unwrap(),
        call("/pieces").header("content-encoding", TITLE).body("{}".into()).unwrap(),
        call("/pieces").header("content-encoding", "gzip").body(one_piece().into()).unwrap(),
        call("/pieces").body(vec![b'x'; 200_000].into()).unwrap(),
    ];
    let set = serde_json::json!({ "set": { "title": TITLE, "lyrics": LYRICS } });
    requests.push(tell("/sync", &push("device-marked", None, set)));
    for path in [
        format!("/users/{SUBJECT}/export"),
        format!("/users/{EMAIL}/export"),
        format!("/pieces/{PIECE}/history"),
        format!("/pieces/{TITLE}/history"),
        format!("/conflicts?after={TITLE}"),
    ] {
        requests.push(ask("GET", &path));
    }
    requests
        .push(tell(&format!("/conflicts/{TITLE}"), &serde_json::json!({ "resolution": TITLE })));
    let method = axum::http::Method::from_bytes(b"TITLE-MARKED").unwrap();
    let mut odd = call("/pieces").body("{}".into()).unwrap();
    *odd.method_mut() = method;
    requests.push(odd);
    requests
}

#[tokio::test]
async fn no_token_address_title_or_lyric_is_ever_logged() {
    let world = World::new();
    let (log, _guard) = Log::start();

    let n_requests = talkative().len() * 3;
    let mut replies = Vec::new();
    for sky in
        [Sky::Clear, Sky::Fails(Fault::Before(ErrorKind::Unavailable)), Sky::Fails(Fault::After)]
    {
        world.sky(sky);
        for request in talkative() {
            replies.push(world.send(request).await);
        }
    }

    let lines = log.lines();
    assert_eq!(n_requests, lines.iter().filter(|line| line.contains("request_id=")).count());
    let token = good_token();
    let signature = token.rsplit('.').next().unwrap();
    let personal =
        ["marked", "MARKED", "Haʻaheo", "Kumu", EMAIL, SUBJECT, PIECE, &token, signature];
    for secret in personal {
        let found = lines.iter().find(|line| line.contains(secret));
        assert_eq!(None, found, "{secret} must not be logged");
    }
    for reply in replies.iter().filter(|reply| reply.status.as_u16() != 200) {
        let body = String::from_utf8_lossy(&reply.body);
        assert!(personal.iter().all(|secret| !body.contains(secret)), "{body}");
    }
}

#[test]
fn an_unreadable_record_is_a_line_at_error_with_its_name_and_the_hash_of_its_user() {
    let key = haumana_api::auth::CallerKey::new("the key of these tests").unwrap();
    let kai = haumana_sync::id::UserId::verified_by_caller(SUBJECT).unwrap();
    let hash = key.hash(&kai);
    let id = haumana_sync::id::RecordId::parse(PIECE).unwrap();
    let what = Unreadable { key: Key::piece(id), history: Some((7, 2)) };
    let (log, _guard) = Log::start();

    haumana_api::LogWitness::new(Some(key)).unreadable(&kai, what);

    let lines = log.lines();
    let [line] = &lines[..] else { panic!("{lines:?}") };
    let caller = format!("caller=\"{hash}\"");
    let parts = ["ERROR", "unreadable record", PIECE, "version=7", "side=2", &caller];
    says(line, &parts);
    assert!(!line.contains(SUBJECT));
}
