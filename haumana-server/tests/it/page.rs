//! The page for people, as a browser asks for it.

use crate::server::{AGENT, Server};
use flate2::read::GzDecoder;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The files of the bundle that a browser needs, with the paths at which they must be.
fn bundle() -> Vec<(String, PathBuf)> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../haumana-web/page");
    let names = std::fs::read_dir(&page).unwrap().map(|entry| entry.unwrap().file_name());
    let names = names.map(|name| name.into_string().unwrap());
    // Types are for those who compile against the bundle, the hash is for its own check, and headers
    // are sent.
    let is_apart = |name: &String| {
        [".d.ts", ".sha256", ".br", "headers.json"].iter().any(|end| name.ends_with(end))
    };
    let served = names.filter(|name| !is_apart(name));
    let path = |name: &str| match name {
        "index.html" => "/".to_owned(),
        name => format!("/{name}"),
    };
    served.map(|name| (path(&name), page.join(name))).collect()
}

#[test]
fn every_file_of_the_bundle_is_served_and_may_run_nothing_of_others() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    let bundle = bundle();

    assert!(10 < bundle.len(), "the bundle is where this test looks for it");
    for (path, file) in bundle {
        let mut answer = AGENT.get(format!("{}{path}", server.url)).call().unwrap();
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        let (policy, kind) = (header("content-security-policy"), header("content-type"));
        assert_eq!(200, answer.status(), "{path}");
        assert!(policy.contains("default-src 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe-inline") && !policy.contains("http"), "{path}: {policy}");
        assert_eq!(path.ends_with(".wasm"), kind == "application/wasm", "{path}: {kind}");
        assert_eq!("nosniff", header("x-content-type-options"), "{path}");
        assert_eq!("no-referrer", header("referrer-policy"), "{path}");
        let body = answer.body_mut().with_config().limit(4_000_000).read_to_vec().unwrap();
        let plain = std::fs::read(file).unwrap();
        let plain = if path.ends_with(".js") { check_script(plain, &body) } else { plain };
        assert!(plain == body, "{path}");
    }
}

#[test]
fn a_browser_is_sent_what_it_can_unpack_and_the_bundle_has_400_kilobytes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let ask = |path: &str, accept: &str| {
        let request = AGENT.get(format!("{}{path}", server.url)).header("accept-encoding", accept);
        let mut answer = request.call().unwrap();
        let coding = answer.headers().get("content-encoding").cloned();
        assert_eq!("accept-encoding", answer.headers()["vary"], "{path}");
        let tag = answer.headers()["etag"].clone();
        let body = answer.body_mut().with_config().limit(4_000_000).read_to_vec().unwrap();
        (coding.map(|coding| coding.to_str().unwrap().to_owned()), body, tag)
    };
    let (mut sent, mut of_bundle) = (0, 0);
    for (path, file) in bundle() {
        let mut plain = std::fs::read(&file).unwrap();

        let (best, body, tag) = ask(&path, "gzip, deflate, br, zstd");
        let (none, whole, other) = ask(&path, "identity");

        if path.ends_with(".js") {
            plain = check_script(plain, &whole);
        }
        assert!(none.is_none() && plain == whole, "{path}");
        sent += body.len();
        if path.starts_with("/haumana_web") {
            of_bundle += body.len();
        }
        match best.as_deref() {
            Some("br") => {
                assert_eq!(std::fs::read(file.with_extension("wasm.br")).unwrap(), body, "{path}");
            }
            Some("gzip") => {
                let mut unpacked = Vec::new();
                GzDecoder::new(body.as_slice()).read_to_end(&mut unpacked).unwrap();
                assert_eq!(plain, unpacked, "{path}");
            }
            None => assert_eq!(plain, body, "{path}"),
            Some(coding) => panic!("{path}: {coding}"),
        }
        assert_eq!(best.is_none(), tag == other, "{path}: each coding has a tag of its own");
    }
    assert!(300_000 < of_bundle && of_bundle < 400_000, "{of_bundle} bytes of the bundle");
    assert!(sent < 405_000, "{sent} bytes of the page");
}

/// Looks whether only comments and indentation are missing; returns what was served.
fn check_script(file: Vec<u8>, served: &[u8]) -> Vec<u8> {
    let file = String::from_utf8(file).unwrap();
    let mut lines = std::str::from_utf8(served).unwrap().lines().peekable();
    for line in file.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let is_comment = ["//", "/**", "*"].iter().any(|start| line.starts_with(start));
        assert!(lines.next_if_eq(&line).is_some() || is_comment, "{line}");
    }
    assert_eq!(None, lines.next());
    served.to_vec()
}

#[test]
fn a_browser_that_has_a_file_is_not_sent_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());
    let url = format!("{}/app.js", server.url);
    let tag = AGENT.get(&url).call().unwrap().headers()["etag"].clone();

    let mut known = AGENT.get(&url).header("if-none-match", &tag).call().unwrap();
    let other = AGENT.get(&url).header("if-none-match", "\"another\"").call().unwrap();

    assert_eq!((304, 200), (known.status().as_u16(), other.status().as_u16()));
    assert_eq!(0, known.body_mut().read_to_vec().unwrap().len());
}

#[test]
fn what_is_no_file_of_the_page_is_answered_by_the_api() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path());

    let (status, answer) = server.get("/nothing.js");

    assert_eq!(404, status);
    assert!(serde_json::from_str::<serde_json::Value>(&answer).is_ok(), "{answer}");
}

#[test]
fn an_issuer_that_the_page_sends_people_to_is_in_its_policy_with_one_address() {
    let folder = tempfile::tempdir().unwrap();
    let page = serde_json::json!({
        "authorize": "https://example.org/authorize", "token": "https://example.org/oauth2/token",
        "clientId": "app", "scope": "openid email",
    });
    let issuer = serde_json::json!({
        "keySet": "https://example.org/keys", "issuers": ["https://example.org"], "audiences": ["app"],
        "authorizedParties": [], "subjects": { "under": "school" }, "booleans": "json", "page": page,
    });
    let file = folder.path().join("issuers.json");
    std::fs::write(&file, serde_json::json!([issuer]).to_string()).unwrap();
    let server = Server::start_with(folder.path(), &["--issuers", &file.display().to_string()]);

    let answer = AGENT.get(format!("{}/", server.url)).call().unwrap();
    let mut config = AGENT.get(format!("{}/config.json", server.url)).call().unwrap();

    let policy = answer.headers()["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("connect-src 'self' https://example.org/oauth2/token;"), "{policy}");
    assert_eq!(1, policy.matches("example.org").count(), "{policy}");
    assert_eq!("no-referrer", answer.headers()["referrer-policy"]);
    let told: serde_json::Value =
        serde_json::from_str(&config.body_mut().read_to_string().unwrap()).unwrap();
    let mut due = page;
    due["under"] = serde_json::json!("school");
    assert_eq!(serde_json::json!({ "oidc": due }), told);
}

#[test]
fn with_a_client_id_only_google_may_run_beside_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let id = "1234-web.apps.googleusercontent.com";
    let (plain, with_google) = (Server::start(folder.path()), tempfile::tempdir().unwrap());
    let args =
        ["--google-client-id", id, "--google-client-id", "5678-ios.apps.googleusercontent.com"];
    let with_google = Server::start_with(with_google.path(), &args);

    let answer = AGENT.get(format!("{}/", with_google.url)).call().unwrap();
    let mut config = AGENT.get(format!("{}/config.json", with_google.url)).call().unwrap();

    let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
    let policy = header("content-security-policy");
    let google: Vec<&str> = policy.split([' ', ';']).filter(|word| word.contains("://")).collect();
    assert_eq!(4, google.len(), "{policy}");
    assert!(google.iter().all(|of| of.starts_with("https://accounts.google.com/gsi/")), "{policy}");
    assert!(!policy.contains("unsafe-inline"), "{policy}");
    assert_eq!("strict-origin", header("referrer-policy"));
    let told: serde_json::Value =
        serde_json::from_str(&config.body_mut().read_to_string().unwrap()).unwrap();
    assert_eq!(serde_json::json!({ "googleClientId": id }), told);
    // Who has the files of a page without Google's button is sent them anew.
    let tag = |url: &str| {
        AGENT.get(format!("{url}/config.json")).call().unwrap().headers()["etag"].clone()
    };
    assert_ne!(tag(&plain.url), tag(&with_google.url));
}
