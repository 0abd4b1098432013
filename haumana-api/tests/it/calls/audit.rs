//! Who took an account along, brought one, or erased one.

use super::logs::Log;
use crate::tokens::SUBJECT;
use crate::world::{Now, World, anonymous, ask, call, config_with, one_piece, other_token, tell};
use axum::body::Body;
use axum::http::Request;
use haumana_api::auth::CallerKey;
use haumana_sync::engine::Clock as _;
use haumana_sync::id::UserId;
use haumana_sync::store::{ErrorKind, Fault};

const KEY: &str = "the key of these tests";

fn world() -> World {
    World::with_config(config_with(|config| config.caller_key = CallerKey::new(KEY)))
}

fn caller(subject: &str) -> String {
    let user = UserId::verified_by_caller(subject).unwrap();
    format!("caller=\"{}\"", CallerKey::new(KEY).unwrap().hash(&user))
}

/// The lines of the audit log, and all others.
async fn lines_of(world: &World, request: Request<Body>) -> (Vec<String>, Vec<String>) {
    let (log, _guard) = Log::start();
    world.send(request).await;
    log.lines().into_iter().partition(|line| line.contains("haumana_audit"))
}

#[tokio::test]
async fn who_exports_imports_or_erases_stands_in_the_audit_log_before_the_work_and_after_it() {
    let world = world();
    let import = world.get("/users/me/export").await;
    for (request, name, status) in [
        (ask("GET", "/users/me/export"), "export", 200),
        (ask("GET", "/users/me/export?page=first"), "export", 200),
        (tell("/users/me/import", &import), "import", 200),
        (ask("DELETE", "/users/me"), "erase", 204),
    ] {
        let (audit, _) = lines_of(&world, request).await;

        let [begun, line] = &audit[..] else { panic!("{name}: {audit:?}") };
        for (line, status) in [(begun, "\"begun\"".to_owned()), (line, status.to_string())] {
            let parts = [format!("call=\"{name}\""), format!("status={status}"), caller(SUBJECT)];
            for part in parts {
                assert!(line.contains(&part), "{part} must be in: {line}");
            }
        }
        let request = |line: &str| line.split("request=").nth(1).map(|id| id[..17].to_owned());
        assert!(request(line).is_some(), "{line}");
        assert_eq!(request(begun), request(line), "one request has both");
    }
}

#[tokio::test]
async fn who_rewinds_stands_in_the_audit_log_with_what_became_of_it() {
    let world = world();
    let to = |time: &str| tell("/users/me/rewind", &serde_json::json!({ "to": time }));
    let (long_ago, now) = ("2001-01-01T00:00:00Z", Now.now().to_string());

    let (refused, _) = lines_of(&world, to(long_ago)).await;
    let (done, _) = lines_of(&world, to(&now)).await;

    assert!(refused[1].contains("call=\"rewind\" status=410 code=\"gone\""), "{refused:?}");
    assert!(done[0].contains("call=\"rewind\" status=\"begun\""), "{done:?}");
    assert!(done[1].contains("call=\"rewind\" status=200"), "{done:?}");
    assert!(done[1].contains(&caller(SUBJECT)), "{done:?}");
}

#[tokio::test]
async fn an_attempt_that_failed_is_in_it_with_its_code_and_one_by_nobody_is_not() {
    let world = world();
    let (audit, _) = lines_of(&world, ask("GET", "/users/somebody-else/export")).await;
    assert_eq!(1, audit.len(), "there was no work: {audit:?}");
    assert!(audit[0].contains("status=403 code=\"forbidden\""), "{audit:?}");
    assert!(audit[0].contains(&caller(SUBJECT)), "{audit:?}");

    let unknown = anonymous("/users/me/import").body(Body::empty()).unwrap();
    let (audit, others) = lines_of(&world, unknown).await;
    assert_eq!((0, 1), (audit.len(), others.len()), "nobody is known: {others:?}");

    let (audit, _) = lines_of(&world, call("/pieces").body(one_piece().into()).unwrap()).await;
    assert!(audit.is_empty(), "a sync is no matter of the audit log: {audit:?}");
}

#[tokio::test]
async fn the_log_calls_a_user_by_one_hash_and_never_by_name() {
    let world = world();
    let first = call("/pieces").body(one_piece().into()).unwrap();
    let mut other = call("/pieces").body(one_piece().into()).unwrap();
    let bearer = format!("Bearer {}", other_token()).parse().unwrap();
    other.headers_mut().insert("authorization", bearer);

    let (_, lines) = lines_of(&world, first).await;
    let (_, others) = lines_of(&world, other).await;

    let hash = caller(SUBJECT);
    assert!(lines.iter().any(|line| line.contains(&hash)), "{lines:?}");
    assert!(!others.iter().any(|line| line.contains(&hash)), "{others:?}");
    assert!(others.iter().any(|line| line.contains("caller=")), "{others:?}");
    assert!(!lines.iter().chain(&others).any(|line| line.contains(SUBJECT)));
}

#[tokio::test]
async fn an_account_that_has_used_up_its_allowance_is_told_429_and_when_to_come_back() {
    let world = world();
    world.sky(crate::world::Sky::Fails(Fault::Before(ErrorKind::Spent)));

    let answer = world.send(call("/pieces").body(one_piece().into()).unwrap()).await;
    let (_, lines) = lines_of(&world, ask("GET", "/users/me/export")).await;

    answer.failed(429, "too_many_requests");
    assert_eq!(Some("60"), answer.header("retry-after"));
    let line = lines.iter().find(|line| line.contains("status=429")).unwrap();
    assert!(line.contains("WARN") && line.contains("reason=\"allowance\""), "{line}");
}
