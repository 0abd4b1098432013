//! The local server as a process of its own, and times on a wall clock.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Error, Result};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

/// A running server; it is killed when it goes out of scope.
#[derive(Debug)]
pub struct Server {
    child: Child,
    /// Where it listens.
    pub url: String,
    // The server must be able to write to it as long as it runs.
    _stdout: BufReader<ChildStdout>,
}

impl Server {
    /// Starts the program on a free port, with its database in `folder`.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start(program: &str, folder: &str) -> Result<Self> {
        Self::start_on(program, folder, None)
    }

    /// As [`Server::start`], with the data in PostgreSQL where a URL is given.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn start_on(program: &str, folder: &str, postgres: Option<&str>) -> Result<Self> {
        let db = format!("{folder}/speed.db");
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--db", &db, "--log", "warn"]);
        if let Some(url) = postgres {
            command.args(["--store", "postgres"]).env("HAUMANA_URL", url);
        }
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or_else(|| Error::other("no output"))?;
        let mut stdout = BufReader::new(out);
        let mut line = String::new();
        while stdout.read_line(&mut line)? != 0 {
            if let Some(url) = line.trim_end().strip_prefix("listening on ") {
                return Ok(Self { child, url: url.to_owned(), _stdout: stdout });
            }
            line.clear();
        }
        Err(Error::other("the server did not start"))
    }
}

impl Server {
    /// Lets the largest memory be measured from now on; Linux only.
    pub fn forget_peak(&self) {
        std::fs::write(format!("/proc/{}/clear_refs", self.child.id()), "5").ok();
    }

    /// The most memory that it has had since [`Server::forget_peak`]; 0 where nobody can tell.
    pub fn peak_megabytes(&self) -> u64 {
        self.kilobytes("VmHWM:") / 1024
    }

    /// The memory that it has now; 0 where nobody can tell.
    pub fn resident_kilobytes(&self) -> u64 {
        self.kilobytes("VmRSS:")
    }

    fn kilobytes(&self, of: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id()));
        let status = status.unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix(of));
        line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Gets a token of `sub` from the server at `url`.
///
/// # Errors
///
/// If the server gives none.
pub fn token(url: &str, sub: &str) -> Result<String> {
    let asked = ureq::post(&format!("{url}/dev/tokens"))
        .header("content-type", "application/json")
        .send(json!({ "sub": sub }).to_string());
    let reply = asked.map_err(Error::other)?.body_mut().read_to_vec().map_err(Error::other)?;
    let reply: Value = serde_json::from_slice(&reply)?;
    Ok(reply["idToken"].as_str().unwrap_or_default().to_owned())
}

/// The times in milliseconds within which so many percent of these were done; 0 of none.
pub fn percentiles<const N: usize>(mut times: Vec<Duration>, percents: [usize; N]) -> [f64; N] {
    times.sort_unstable();
    percents.map(|percent| {
        let time = times.get(times.len() * percent / 100).or(times.last());
        time.map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    })
}

/// An agent to which a refusal is an answer.
pub fn agent() -> ureq::Agent {
    ureq::Agent::config_builder().http_status_as_error(false).build().into()
}

/// How busy the machine is, for the foot of a table; empty where nobody can tell.
pub fn load_averages() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim_end().to_owned()
}

/// Runs `round` so often, and writes the median and the 99th percentile of its times.
///
/// # Errors
///
/// The first of a round.
pub fn timed(rounds: usize, round: impl FnMut(usize) -> Result<Duration>) -> Result<String> {
    let times = (0..rounds).map(round).collect::<Result<Vec<_>>>()?;
    let [p50, p99] = percentiles(times, [50, 99]);
    Ok(format!("{p50:.2} ms | {p99:.2} ms"))
}
