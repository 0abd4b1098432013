//! An issuer's web server, which does as it is told.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// How the server answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// Status line, further headers each with its line end, body.
    Http(&'static str, String, String),
    /// The head of a large body, and then a byte now and then.
    Drip,
    /// So many bytes of an endless body.
    Chunks(usize),
    /// Nothing at all.
    Silence,
    /// The connection is closed at once.
    HangUp,
}

/// A good answer with these keys.
pub(crate) fn keys(jwks: &[&str]) -> Answer {
    Answer::Http("200 OK", String::new(), set(jwks))
}

/// A key set as text.
pub(crate) fn set(jwks: &[&str]) -> String {
    format!(r#"{{"keys":[{}]}}"#, jwks.join(","))
}

/// A running server on loopback.
#[derive(Clone)]
pub(crate) struct Server {
    pub url: String,
    answer: Arc<Mutex<Answer>>,
    n_asked: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start(answer: Answer) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/certs", listener.local_addr().unwrap());
        let server = Self { url, answer: Arc::new(Mutex::new(answer)), n_asked: Arc::default() };
        let serving = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().answer_one(stream));
            }
        });
        server
    }

    pub(crate) fn answers(&self, answer: Answer) {
        *self.answer.lock().unwrap() = answer;
    }

    /// How often it was asked.
    pub(crate) fn n_asked(&self) -> usize {
        self.n_asked.load(Ordering::Relaxed)
    }

    async fn answer_one(self, mut stream: TcpStream) -> Option<()> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.ok()?);
        }
        assert!(head.starts_with(b"GET /certs HTTP/1.1\r\n"), "nothing else is asked for");
        self.n_asked.fetch_add(1, Ordering::Relaxed);
        let answer = self.answer.lock().unwrap().clone();
        match answer {
            Answer::Http(status, headers, body) => {
                let length = body.len();
                let text = format!(
                    "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\
                     {headers}\r\n{body}"
                );
                stream.write_all(text.as_bytes()).await.ok()?;
            }
            Answer::Drip => {
                let head = "HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n";
                stream.write_all(head.as_bytes()).await.ok()?;
                loop {
                    stream.write_all(b" ").await.ok()?;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            Answer::Chunks(n_bytes) => {
                let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
                stream.write_all(head.as_bytes()).await.ok()?;
                for _ in 0..n_bytes / 1000 {
                    let chunk = format!("3e8\r\n{}\r\n", " ".repeat(1000));
                    stream.write_all(chunk.as_bytes()).await.ok()?;
                }
                stream.write_all(b"0\r\n\r\n").await.ok()?;
            }
            Answer::Silence => std::future::pending().await,
            Answer::HangUp => {}
        }
        Some(())
    }
}
