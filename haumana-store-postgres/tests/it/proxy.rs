//! A proxy before the server that counts round trips and cuts connections.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// Where a connection is cut, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Cut {
    /// The next statement does not reach the server.
    Before = 1,
    /// The server does the next statement, and nobody hears of it.
    After = 2,
}

#[derive(Debug, Default)]
struct State {
    round_trips: AtomicU64,
    cut: AtomicU8,
    is_silent: AtomicBool,
}

/// A proxy on a port of its own.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    state: Arc<State>,
    task: JoinHandle<()>,
}

impl Proxy {
    /// Starts a proxy before the server at that port.
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let state = Arc::new(State::default());
        let shared = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let shared = shared.clone();
                tokio::spawn(async move { pass(client, server, &shared).await.ok() });
            }
        });
        Self { port, state, task }
    }

    /// Returns the URL of the server behind it.
    pub(crate) fn url(&self) -> String {
        format!("postgres://haumana@127.0.0.1:{}/postgres", self.port)
    }

    /// Returns how often a client waited for an answer since the last call.
    pub(crate) fn take(&self) -> u64 {
        self.state.round_trips.swap(0, Ordering::SeqCst)
    }

    /// Cuts the connection that sends the next statement.
    pub(crate) fn cut(&self, cut: Cut) {
        self.state.cut.store(cut as u8, Ordering::SeqCst);
    }

    /// Lets nothing through any more, and closes nothing.
    pub(crate) fn fall_silent(&self, is_silent: bool) {
        self.state.is_silent.store(is_silent, Ordering::SeqCst);
    }

    /// Takes no connections any more.
    pub(crate) fn stop(&self) {
        self.task.abort();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Passes messages on, one by one in the direction of the server.
async fn pass(mut client: TcpStream, server: u16, state: &State) -> io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", server)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    // The first message has no type; its length comes first.
    let startup = client.read_u32().await?;
    forward(&mut client, &mut server, &startup.to_be_bytes(), startup).await?;
    let mut answer = vec![0; 1 << 16];
    // Whether the server has said something since the client sent what it waits for.
    let mut is_answered = true;
    loop {
        tokio::select! {
            // What the client sends without waiting is one round trip, so it is looked at first.
            biased;
            kind = client.read_u8() => {
                let kind = kind?;
                let length = client.read_u32().await?;
                let is_end = matches!(kind, b'S' | b'Q');
                let is_trip = is_end && std::mem::take(&mut is_answered);
                state.round_trips.fetch_add(u64::from(is_trip), Ordering::SeqCst);
                let cut = if is_end { state.cut.swap(0, Ordering::SeqCst) } else { 0 };
                if cut == Cut::Before as u8 {
                    return Ok(());
                }
                let head = [&[kind][..], &length.to_be_bytes()].concat();
                forward(&mut client, &mut server, &head, length).await?;
                if cut == Cut::After as u8 {
                    return swallow(&mut server).await;
                }
            }
            read = server.read(&mut answer) => {
                let read = read?;
                is_answered = true;
                while state.is_silent.load(Ordering::SeqCst) {
                    tokio::time::sleep(std::time::Duration::from_millis(5)).await;
                }
                if read == 0 {
                    return Ok(());
                }
                client.write_all(&answer[..read]).await?;
            }
        }
    }
}

/// Sends a message of which the head was read.
async fn forward(
    client: &mut TcpStream,
    server: &mut TcpStream,
    head: &[u8],
    length: u32,
) -> io::Result<()> {
    let mut body = vec![0; length as usize - 4];
    client.read_exact(&mut body).await?;
    server.write_all(&[head, &body].concat()).await
}

/// Reads the server's answer to its end: the message `ReadyForQuery`.
async fn swallow(server: &mut TcpStream) -> io::Result<()> {
    let mut all = Vec::new();
    while !(6 <= all.len() && all[all.len() - 6..].starts_with(b"Z\0\0\0\x05")) {
        if server.read_buf(&mut all).await? == 0 {
            break;
        }
    }
    Ok(())
}
