//! A closed loop of many users, and a floor to hold the server against.
//!
//! Clients speak HTTP/1.1 by hand over one connection each: a client library would take as much of the
//! two cores as the server.

mod floor;

pub use floor::Floor;

use std::io::{Error, Result};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// One user on one connection.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    token: String,
    buffer: Vec<u8>,
}

impl Client {
    /// Connects to the server at `url`, as whoever the token says.
    ///
    /// # Errors
    ///
    /// If it cannot.
    pub async fn connect(url: &str, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(url.trim_start_matches("http://")).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, token: token.to_owned(), buffer: Vec::new() })
    }

    /// Sends a request and waits for the whole of its reply; returns the body.
    ///
    /// # Errors
    ///
    /// If the connection ends, or the reply is not 200.
    pub async fn post(&mut self, path: &str, body: &[u8]) -> Result<&[u8]> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: a\r\nauthorization: Bearer {}\r\n\
             content-type: application/json\r\ncontent-length: {}\r\n\r\n",
            self.token,
            body.len()
        );
        let mut request = head.into_bytes();
        request.extend_from_slice(body);
        self.stream.write_all(&request).await?;
        self.buffer.clear();
        let (start, end) = loop {
            self.read_more().await?;
            if let Some(place) = place_of_body(&self.buffer)? {
                break place;
            }
        };
        while self.buffer.len() < end {
            self.read_more().await?;
        }
        Ok(&self.buffer[start..end])
    }

    async fn read_more(&mut self) -> Result<()> {
        self.buffer.reserve(16_384);
        match self.stream.read_buf(&mut self.buffer).await? {
            0 => Err(Error::other("the server hung up")),
            _ => Ok(()),
        }
    }
}

/// Where the body of a reply begins and ends, once its head is there.
fn place_of_body(reply: &[u8]) -> Result<Option<(usize, usize)>> {
    let Some(end) = reply.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&reply[..end]).to_ascii_lowercase();
    let mut lines = head.split("\r\n");
    let status = lines.next().unwrap_or_default();
    if !status.contains(" 200") {
        return Err(Error::other(format!("answered {status}")));
    }
    let length = lines.find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok());
    let length: usize = length.ok_or_else(|| Error::other("a reply without a length"))?;
    Ok(Some((end + 4, end + 4 + length)))
}

/// What a user sends: the path, and the body of the nth request.
pub type Ask = Arc<dyn Fn(usize, usize) -> (&'static str, Vec<u8>) + Send + Sync>;

/// How long requests took.
#[derive(Debug, Default)]
pub struct Times {
    micros: Vec<u32>,
    within: Duration,
}

impl Times {
    /// Requests answered in a second.
    pub fn rate(&self) -> f64 {
        self.micros.len() as f64 / self.within.as_secs_f64()
    }

    /// The time in milliseconds within which so many percent were answered.
    pub fn percentile(&self, percent: f64) -> f64 {
        let at = (self.micros.len() as f64 * percent / 100.0) as usize;
        let micros = self.micros.get(at).or(self.micros.last()).copied().unwrap_or(0);
        f64::from(micros) / 1000.0
    }

    /// A line of a table.
    pub fn row(&self, what: &str) -> String {
        let [p50, p99, p999] = [50.0, 99.0, 99.9].map(|percent| self.percentile(percent));
        format!("| {what} | {:.0} | {p50:.2} ms | {p99:.2} ms | {p999:.2} ms |", self.rate())
    }
}

/// Lets every client send as fast as it is answered, for so long.
///
/// # Errors
///
/// The first of a client.
pub async fn closed_loop(clients: &mut Vec<Client>, time: Duration, ask: Ask) -> Result<Times> {
    let start = Instant::now();
    let mut running = JoinSet::new();
    for (user, mut client) in clients.drain(..).enumerate() {
        let ask = Arc::clone(&ask);
        running.spawn(async move {
            let mut micros = Vec::new();
            for n in 0.. {
                if time <= start.elapsed() {
                    break;
                }
                let (path, body) = ask(user, n);
                let asked = Instant::now();
                client.post(path, &body).await?;
                micros.push(u32::try_from(asked.elapsed().as_micros()).unwrap_or(u32::MAX));
            }
            Ok::<_, Error>((client, micros))
        });
    }
    let mut times = Times::default();
    while let Some(ended) = running.join_next().await {
        let (client, mut micros) = ended.map_err(Error::other)??;
        clients.push(client);
        times.micros.append(&mut micros);
    }
    times.within = start.elapsed();
    times.micros.sort_unstable();
    Ok(times)
}
