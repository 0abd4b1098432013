//! Real sign-in: tokens of Google, and of a second issuer.

use crate::google::{CLIENT, Google};
use crate::server::{Server, command, does_not_start, piece};
use haumana_api::{Host, Served};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Stdio;

const ID: &str = "5EED0000-0000-4000-8000-00000000000A";

fn with_google(folder: &Path, google: &Google) -> Server {
    Server::start_with(folder, &["--google-client-id", CLIENT, "--google-key-set", &google.url])
}

#[test]
fn with_a_client_id_google_signs_people_in_and_the_server_does_not() {
    let (folder, google) = (tempfile::tempdir().unwrap(), Google::start());
    let server = with_google(folder.path(), &google);
    let token = google.token("kumu", &json!({}));

    let push = json!({ "pieces": [piece(ID, "Aloha ʻOe", 1)] });
    let (status, answer) = server.post("/pieces", Some(&token), &push).unwrap();

    assert_eq!((200, &json!([ID])), (status, &answer["uploadedPieces"]));
    assert_eq!("kumu", answer["updatedPieces"][0]["userId"]);
    assert_eq!(404, server.post("/dev/tokens", None, &json!({ "sub": "kumu" })).unwrap().0);
    assert_eq!(404, server.get("/dev/jwks.json").0);
    assert!(!folder.path().join("haumana.db.key.pem").exists(), "there is no key to steal");
    let other = google.token("kumu", &json!({ "aud": "another-app" }));
    assert_eq!(401, server.post("/pieces", Some(&other), &push).unwrap().0);
    let curl = server.greeting.last();
    assert!(curl.is_some_and(|curl| curl.contains("Bearer $TOKEN")), "{:?}", server.greeting);
}

#[test]
fn a_token_that_the_server_issued_is_worth_nothing_with_google() {
    let (folder, google) = (tempfile::tempdir().unwrap(), Google::start());
    let own = Server::start(folder.path());
    let token = own.token("kumu");
    drop(own);

    let server = with_google(folder.path(), &google);

    assert_eq!(401, server.post("/pieces", Some(&token), &json!({})).unwrap().0);
}

#[test]
fn signing_in_fills_the_directory_and_erasing_empties_it() {
    let (folder, google) = (tempfile::tempdir().unwrap(), Google::start());
    let server = with_google(folder.path(), &google);
    let token = google.token("kumu", &json!({}));

    let body = json!({ "googleIdToken": token });
    let (status, answer) = server.post("/auth/sync", None, &body).unwrap();

    assert_eq!((200, "google_kumu"), (status, answer["user"]["username"].as_str().unwrap()));
    assert!(holds(folder.path(), "kumu@example.org"));
    let unverified = google.token("kumu", &json!({ "email_verified": false }));
    let body = json!({ "googleIdToken": unverified });
    assert_eq!(401, server.post("/auth/sync", None, &body).unwrap().0);
    let erased = ureq::delete(format!("{}/users/me", server.url));
    let erased = erased.header("authorization", format!("Bearer {token}")).call().unwrap();
    assert_eq!(204, erased.status().as_u16());
    assert!(!holds(folder.path(), "kumu@example.org"), "nobody folded the log into the file");
    drop(server);
    assert!(!holds(folder.path(), "kumu@example.org"));
    drop(with_google(folder.path(), &google));
    assert!(!names(folder.path()).contains(&"google_kumu".to_owned()));
}

/// Whether any file of the directory holds this text.
fn holds(folder: &Path, text: &str) -> bool {
    ["haumana.db.users.db", "haumana.db.users.db-wal"].iter().any(|name| {
        let bytes = fs::read(folder.join(name)).unwrap_or_default();
        String::from_utf8_lossy(&bytes).contains(text)
    })
}

fn names(folder: &Path) -> Vec<String> {
    let connection = rusqlite::Connection::open(folder.join("haumana.db.users.db")).unwrap();
    let mut statement = connection.prepare("SELECT username FROM users").unwrap();
    let names = statement.query_map([], |row| row.get(0)).unwrap();
    names.collect::<Result<_, _>>().unwrap()
}

#[cfg(unix)]
#[test]
fn the_directory_can_be_read_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let _server = Server::start(folder.path());

    let mode = fs::metadata(folder.path().join("haumana.db.users.db")).unwrap().permissions();

    assert_eq!(0o600, mode.mode() & 0o777);
}

/// A second server, as an issuer of its own kind, in a file for the first.
fn issuers(folder: &Path, issuer: &Server) -> String {
    let path = folder.join("issuers.json");
    let config = json!([{
        "keySet": format!("{}/dev/jwks.json", issuer.url),
        "issuers": ["https://haumana.localhost"], "audiences": ["haumana-local"],
        "authorizedParties": [], "subjects": { "under": "local" }, "booleans": "json_or_text",
    }]);
    fs::write(&path, config.to_string()).unwrap();
    path.display().to_string()
}

#[test]
fn a_second_issuer_is_a_file_and_its_users_are_others() {
    let (folder, google) = (tempfile::tempdir().unwrap(), Google::start());
    let elsewhere = tempfile::tempdir().unwrap();
    let issuer = Server::start(elsewhere.path());
    let file = issuers(folder.path(), &issuer);
    let args = ["--google-client-id", CLIENT, "--google-key-set", &google.url, "--issuers", &file];
    let server = Server::start_with(folder.path(), &args);
    let push = json!({ "pieces": [piece(ID, "Aloha ʻOe", 1)] });

    let (theirs, googles) = (issuer.token("kumu"), google.token("kumu", &json!({})));
    let (status, answer) = server.post("/pieces", Some(&theirs), &push).unwrap();

    assert_eq!(
        (200, "local:kumu"),
        (status, answer["updatedPieces"][0]["userId"].as_str().unwrap())
    );
    assert!(server.pieces(&googles).is_empty(), "one name, two issuers, two users");
}

#[test]
fn with_real_sign_in_others_may_reach_the_server() {
    let (folder, google) = (tempfile::tempdir().unwrap(), Google::start());
    let args = ["--listen", "0.0.0.0:0", "--google-client-id", CLIENT];
    let args = [&args[..], &["--google-key-set", &google.url]].concat();

    let server = Server::start_with(folder.path(), &args);

    assert!(server.url.starts_with("http://0.0.0.0:"));
}

#[test]
fn what_is_missing_is_said_plainly() {
    let folder = tempfile::tempdir().unwrap();
    let no = |args: &[&str], why: &str| {
        let args = [&["--listen", "127.0.0.1:0"], args].concat();
        does_not_start(folder.path(), &args, why);
    };
    fs::write(folder.path().join("i.json"), r#"[{"keySet":"https://example.org"}]"#).unwrap();

    fs::write(folder.path().join("empty.json"), "[]").unwrap();
    no(&["--issuers", "i.json"], "i.json: issuers of ID tokens: missing field `issuers`");
    no(&["--issuers", "none.json"], "none.json: No such file");
    no(&["--issuers", "empty.json"], "empty.json: the list of issuers is empty");
    no(&["--issuers", "empty.json", "--google-client-id", CLIENT], "empty.json: the list");
    let page = |page: &Value| {
        let one = json!({
            "keySet": "https://example.org/keys", "issuers": ["https://example.org"], "audiences": ["app"],
            "authorizedParties": [], "subjects": "bare", "booleans": "json", "page": page,
        });
        fs::write(folder.path().join("page.json"), json!([one]).to_string()).unwrap();
    };
    let good = json!({
        "authorize": "https://example.org/authorize", "token": "https://example.org/token",
        "clientId": "app", "scope": "openid",
    });
    let with = |key: &str, value: &str| {
        let mut page = good.clone();
        page[key] = json!(value);
        page
    };
    for (told, why) in [
        (json!({}), "page.json: page: missing field `authorize`"),
        (json!("https://example.org"), "page.json: page: invalid type"),
        (with("secret", "s"), "page.json: page: unknown field `secret`"),
        (with("token", "http://example.org/token"), "page: token must be https://"),
        (with("token", "https://example.org/ 'unsafe-inline'"), "page: token must be https://"),
        (with("authorize", "javascript:alert(1)"), "page: authorize must be https://"),
        (with("clientId", "another"), "takes no token for \"another\": add it to audiences"),
        (with("scope", "email"), "page: scope needs the word openid"),
    ] {
        page(&told);
        no(&["--issuers", "page.json"], why);
    }
    page(&good);
    no(&["--issuers", "page.json", "--google-client-id", CLIENT], "page has Google's button");
    let (before, behind) = (format!(" {CLIENT}"), format!("{CLIENT} "));
    let (comma, blank) = (format!("{CLIENT},"), format!("{CLIENT}, {CLIENT}"));
    let (url, two) = (format!("https://{CLIENT}"), format!("{CLIENT};{CLIENT}"));
    for id in ["", " ", "YOUR_CLIENT_ID", &before, &behind, &comma, &blank, &url, &two] {
        no(&["--google-client-id", id], "is not a client id; one has no blanks");
    }
    no(&["--google-key-set", "https://example.org/"], "needs --google-client-id");
    no(&["--google-client-id", CLIENT, "--google-key-set", "http://example.org/"], "https://");
    no(&["--google-client-id", CLIENT, "--google-key-set", "http://localhost/"], "127.0.0.1");
}

#[test]
fn keys_that_cannot_be_had_make_nobody_a_stranger() {
    let folder = tempfile::tempdir().unwrap();
    let mut nobody = Google::start();
    nobody.url = "http://127.0.0.1:1/certs".into();
    let server = with_google(folder.path(), &nobody);

    let token = nobody.token("kumu", &json!({}));
    let (status, answer) = server.post("/pieces", Some(&token), &json!({})).unwrap();

    assert_eq!((503, "unavailable"), (status, answer["code"].as_str().unwrap()));
}

/// Every call of the document with marked data in it, as (method, path, body).
fn marked_calls(token: &str) -> Vec<(String, String, Value)> {
    let schema = haumana_sync::repertoire::schema();
    let document = haumana_api::openapi(&schema, &Served::all(), &Host::with_id_tokens());
    let paths = document["paths"].as_object().unwrap().clone();
    let calls = paths.into_iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().unwrap().clone();
        methods.into_iter().map(move |(method, doc)| (path.clone(), method, doc))
    });
    let mark = |mut body: Value| {
        mark_texts(&mut body);
        if body.get("googleIdToken").is_some() {
            body["googleIdToken"] = token.into();
        }
        body
    };
    let with_bodies = calls.flat_map(|(path, method, doc)| {
        let examples = doc.pointer("/requestBody/content/application~1json/examples");
        let mut bodies: Vec<Value> =
            examples.and_then(Value::as_object).map_or(vec![], |examples| {
                examples.values().map(|example| mark(example["value"].clone())).collect()
            });
        if bodies.is_empty() {
            bodies.push(Value::Null);
        }
        let path = path.replace("{id}", ID).replace("{me}", "me");
        bodies.into_iter().map(move |body| (method.to_uppercase(), path.clone(), body))
    });
    let mut all: Vec<_> = with_bodies.collect();
    // Erasing comes last.
    all.sort_by_key(|(method, _, _)| method == "DELETE");
    all
}

/// Replaces what people write by what is easily found.
fn mark_texts(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match name.as_str() {
                    "title" | "lyrics" | "notes" | "author" if value.is_string() => {
                        *value = "Marked-Haʻaheo".into();
                    }
                    _ => mark_texts(value),
                }
            }
        }
        Value::Array(values) => values.iter_mut().for_each(mark_texts),
        _ => {}
    }
}

#[test]
fn the_most_talkative_log_of_every_call_holds_nothing_personal() {
    let (folder, google) = (tempfile::tempdir().unwrap(), Google::start());
    let token = google.token("marked-sub", &json!({ "name": "Marked-Kumu" }));
    let mut command = command(folder.path());
    command.env("HAUMANA_LOG", "trace").args(["--listen", "127.0.0.1:0"]);
    command.args(["--google-client-id", CLIENT, "--google-key-set", &google.url]);
    let log = folder.path().join("log");
    command.stderr(Stdio::from(fs::File::create(&log).unwrap()));
    let server = Server::spawn(&mut command);

    let calls = marked_calls(&token);
    let mut statuses = Vec::new();
    for (method, path, body) in &calls {
        for bearer in [&*token, &format!("{token}x")] {
            statuses.push(server.send(method, path, bearer, body));
        }
    }
    server.kill();

    assert!(15 <= calls.len(), "every call that there is");
    assert!(statuses.iter().filter(|status| (200..300).contains(*status)).count() >= calls.len());
    let log = fs::read_to_string(log).unwrap();
    assert!(calls.len() * 2 <= log.matches("request_id=").count());
    // Other libraries write whole requests at these levels.
    let is_low = |line: &&str| line.contains(" TRACE ") || line.contains(" DEBUG ");
    assert_eq!(None, log.lines().filter(is_low).find(|line| !line.contains(" haumana_")));
    let signature = token.rsplit('.').next().unwrap();
    for secret in ["Marked", "marked", "Haʻaheo", "example.org", signature, &token[40..80]] {
        let found = log.lines().find(|line| line.contains(secret));
        assert_eq!(None, found, "{secret} must not be logged");
    }
}
