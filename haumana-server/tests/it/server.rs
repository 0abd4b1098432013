//! Starts the program and talks to it.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::LazyLock;
use ureq::Agent;

/// Connections are kept open, as phones do; a status is an answer and not an error.
pub(crate) static AGENT: LazyLock<Agent> = LazyLock::new(|| {
    Agent::config_builder().http_status_as_error(false).proxy(None).build().into()
});

/// The program with a clean environment, quiet, in `folder`.
pub(crate) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_haumana-server"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("HAUMANA_")) {
        command.env_remove(name);
    }
    command.env_remove("AWS_ACCESS_KEY_ID");
    command.current_dir(folder).env("HAUMANA_LOG", "error");
    command
}

/// Runs the program to its end.
pub(crate) fn run(folder: &Path, args: &[&str]) -> Output {
    command(folder).args(args).output().unwrap()
}

/// Checks that the program does not start, and says why.
#[track_caller]
pub(crate) fn does_not_start(folder: &Path, args: &[&str], why: &str) {
    let output = run(folder, args);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{args:?} must not start");
    assert!(said.contains(why), "{why:?} must be in: {said}");
    assert_eq!(1, said.trim_end().lines().count(), "one line is enough: {said}");
}

/// A running server; it is killed when it goes out of scope.
pub(crate) struct Server {
    pub child: Child,
    pub url: String,
    /// What it said when it started.
    pub greeting: Vec<String>,
    // The program must be able to write to it as long as it runs.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts it on a free port, with `haumana.db` in `folder`.
    pub(crate) fn start(folder: &Path) -> Self {
        Self::start_with(folder, &[])
    }

    pub(crate) fn start_with(folder: &Path, args: &[&str]) -> Self {
        let listen: &[&str] =
            if args.contains(&"--listen") { &[] } else { &["--listen", "127.0.0.1:0"] };
        Self::spawn(command(folder).args(listen).args(args))
    }

    pub(crate) fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut greeting = Vec::new();
        // The line to paste is the last one.
        while !greeting.last().is_some_and(|line: &String| line.starts_with("curl ")) {
            let mut line = String::new();
            assert_ne!(0, stdout.read_line(&mut line).unwrap(), "it must start: {greeting:?}");
            greeting.push(line.trim_end().to_owned());
        }
        let url = greeting.iter().find_map(|line| line.strip_prefix("listening on "));
        let url = url.unwrap().to_owned();
        Self { child, url, greeting, _stdout: stdout }
    }

    /// Host and port.
    pub(crate) fn address(&self) -> &str {
        self.url.strip_prefix("http://").unwrap()
    }

    /// Gets a token.
    pub(crate) fn token(&self, sub: &str) -> String {
        let (status, answer) = self.post("/dev/tokens", None, &json!({ "sub": sub })).unwrap();
        assert_eq!(200, status, "{answer}");
        answer["idToken"].as_str().unwrap().to_owned()
    }

    /// Posts JSON; an error is a connection that broke.
    pub(crate) fn post(
        &self,
        path: &str,
        token: Option<&str>,
        body: &Value,
    ) -> Result<(u16, Value), ureq::Error> {
        post(&format!("{}{path}", self.url), token, body)
    }

    /// Sends any call, with a body of JSON unless it is null, and returns the status.
    pub(crate) fn send(&self, method: &str, path: &str, token: &str, body: &Value) -> u16 {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let text = if body.is_null() { String::new() } else { body.to_string() };
        let mut response = AGENT.run(request.body(text).unwrap()).unwrap();
        response.body_mut().read_to_vec().unwrap();
        response.status().as_u16()
    }

    /// Gets JSON that must be there.
    pub(crate) fn get_as(&self, token: &str, path: &str) -> Value {
        let request = AGENT.get(format!("{}{path}", self.url));
        let mut response =
            request.header("authorization", format!("Bearer {token}")).call().unwrap();
        assert_eq!(200, response.status().as_u16());
        serde_json::from_str(&response.body_mut().read_to_string().unwrap()).unwrap()
    }

    pub(crate) fn get(&self, path: &str) -> (u16, String) {
        let mut response = AGENT.get(format!("{}{path}", self.url)).call().unwrap();
        (response.status().as_u16(), response.body_mut().read_to_string().unwrap())
    }

    /// Everything that the user has, by piece id.
    pub(crate) fn pieces(&self, token: &str) -> Vec<Value> {
        let (status, answer) = self.post("/pieces", Some(token), &json!({})).unwrap();
        assert_eq!(200, status, "{answer}");
        answer["serverPieces"].as_array().unwrap().clone()
    }

    /// Asks the program to stop, as the system does when it shuts down.
    #[cfg(unix)]
    pub(crate) fn terminate(&self) {
        let kill = format!("kill -TERM {}", self.child.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success());
    }

    /// Waits for the end and returns whether it was a good one.
    pub(crate) fn ended_well(mut self) -> bool {
        self.child.wait().unwrap().success()
    }

    /// Ends the program as a power cut does: nothing of it runs after this.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let mut rest = Vec::new();
        self._stdout.read_to_end(&mut rest).unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Either may have happened already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

pub(crate) fn post(
    url: &str,
    token: Option<&str>,
    body: &Value,
) -> Result<(u16, Value), ureq::Error> {
    let mut request = AGENT.post(url).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let mut response = request.send(body.to_string())?;
    // A reply may hold a whole repertoire.
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string()?;
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Ok((response.status().as_u16(), body))
}

/// A piece as the app sends it.
pub(crate) fn piece(id: &str, title: &str, version: i64) -> Value {
    json!({
        "pieceId": id, "title": title, "lyrics": "Aloha ʻoe", "category": "mele",
        "includeInPractice": true, "isFavorite": false, "version": version,
        "createdAt": "2025-06-18T12:00:00Z", "modifiedAt": "2025-06-18T12:00:00Z",
        "locallyModified": true,
    })
}
