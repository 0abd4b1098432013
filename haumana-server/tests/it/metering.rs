//! What the server tells Prometheus.

use crate::server::{AGENT, Server, does_not_start};
use serde_json::json;

/// A server that tells metrics, and where it does.
fn start(folder: &std::path::Path) -> (Server, String) {
    let server = Server::start_with(folder, &["--metrics", "127.0.0.1:0"]);
    let told = server.greeting.iter().find_map(|line| line.strip_prefix("metrics: "));
    let url = told.unwrap().to_owned();
    (server, url)
}

fn metrics(url: &str) -> String {
    AGENT.get(url).call().unwrap().body_mut().read_to_string().unwrap()
}

#[track_caller]
fn has(text: &str, line: &str) {
    assert!(text.lines().any(|one| one == line), "{line}\nis not in:\n{text}");
}

#[test]
fn requests_refusals_and_connections_are_counted_and_nobody_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = start(folder.path());
    let token = server.token("kai-of-hilo");
    for _ in 0..3 {
        let body = json!({ "deviceId": "phone-of-kai-of-hilo", "push": [] });
        assert_eq!(200, server.post("/sync", Some(&token), &body).unwrap().0);
    }
    server.get("/kai-of-hilo");

    let text = metrics(&url);

    has(&text, r#"haumana_requests_total{method="POST",route="/sync",status="200"} 3"#);
    has(&text, r#"haumana_requests_total{method="GET",route="-",status="404"} 1"#);
    has(&text, r#"haumana_request_seconds_count{route="/sync"} 3"#);
    has(&text, "haumana_requests_at_work 0");
    has(&text, r#"haumana_connections{listener="metrics"} 1"#);
    assert!(text.contains("# HELP haumana_request_seconds "), "{text}");
    assert!(!text.contains("hilo"), "{text}");
}

#[test]
fn what_a_limit_refuses_is_counted_by_limit() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = start(folder.path());
    let token = server.token("kai");
    // More at once than one account may have.
    std::thread::scope(|scope| {
        let ask = || {
            let id = "4F6A2F0C-6B0E-4B43-9B61-1F1C0E6B1A01";
            let piece = json!({ "id": id, "lyrics": "a".repeat(100_000) });
            let body = json!({ "operation": "sync", "pieces": vec![piece; 60] });
            // Who is refused before all was sent may not hear of it.
            server.post("/pieces", Some(&token), &body).ok();
        };
        for _ in 0..80 {
            scope.spawn(ask);
        }
    });

    let text = metrics(&url);

    let sum = |begin: &str, with: &str| -> usize {
        let lines = text.lines().filter(|line| line.starts_with(begin) && line.contains(with));
        lines.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
    };
    let refused = sum("haumana_requests_total{", r#"status="429""#);
    assert_ne!(0, refused, "80 at once are too many: {text}");
    let by_limit = sum("haumana_refused_total{", r#"code="too_many_requests",reason="account"#);
    assert_eq!(refused, by_limit, "{text}");
}

#[test]
fn nothing_but_metrics_is_there_and_no_metrics_are_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (server, url) = start(folder.path());

    let elsewhere = AGENT.get(url.replace("/metrics", "/health")).call().unwrap();

    assert_eq!(404, elsewhere.status().as_u16());
    assert_eq!(404, server.get("/metrics").0);
    let taken = url.trim_start_matches("http://").trim_end_matches("/metrics");
    does_not_start(folder.path(), &["--listen", "127.0.0.1:0", "--metrics", taken], taken);
}
