//! What stands between a device and its server.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Takes connections on loopback, until the tests end.
pub(crate) struct Between {
    pub url: String,
    /// The first line of each request, and how many bytes its body had.
    pub requests: Arc<Mutex<Vec<(String, usize)>>>,
}

/// One request, as it came.
struct Request {
    head: String,
    body: Vec<u8>,
}

impl Between {
    /// Answers every request with these bytes.
    pub(crate) fn says(answer: &str) -> Self {
        let answer = answer.as_bytes().to_vec();
        Self::start(move |_, _| Some(answer.clone()), None)
    }

    /// Passes requests on to `server`, but says that bodies have at most `limit_bytes`, and refuses
    /// the larger ones, and all after `n_imports` pages of an import.
    pub(crate) fn limits(server: &str, limit_bytes: usize, n_imports: usize) -> Self {
        let server = server.strip_prefix("http://").unwrap().parse().unwrap();
        let mut imports = 0;
        let answer = move |head: &str, n_bytes: usize| {
            if head.starts_with("GET /limits ") {
                return Some(json("200 OK", &format!(r#"{{"requestBytes":{limit_bytes}}}"#)));
            }
            if limit_bytes < n_bytes {
                let failure = r#"{"error":"too large","code":"payload_too_large"}"#;
                return Some(json("413 Payload Too Large", failure));
            }
            imports += usize::from(head.starts_with("POST /users/me/import "));
            let failure = r#"{"error":"later","code":"unavailable"}"#;
            (n_imports < imports).then(|| json("503 Service Unavailable", failure))
        };
        Self::start(answer, Some(server))
    }

    fn start(
        mut answer: impl FnMut(&str, usize) -> Option<Vec<u8>> + Send + 'static,
        server: Option<SocketAddr>,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let seen = requests.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let Some(request) = Request::read(&mut connection) else { continue };
                let line = request.head.lines().next().unwrap().to_owned();
                seen.lock().unwrap().push((line, request.body.len()));
                let answer = answer(&request.head, request.body.len());
                let answer = answer.or_else(|| server.map(|server| request.ask(server)));
                // Whoever asked may not wait for the whole answer.
                connection.write_all(&answer.unwrap_or_default()).ok();
            }
        });
        Self { url, requests }
    }

    /// How many requests began so.
    pub(crate) fn count(&self, begin: &str) -> usize {
        let requests = self.requests.lock().unwrap();
        requests.iter().filter(|(line, _)| line.starts_with(begin)).count()
    }
}

fn json(status: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\
         connection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

impl Request {
    fn read(connection: &mut TcpStream) -> Option<Self> {
        let (mut bytes, mut part) = (Vec::new(), [0; 65_536]);
        loop {
            let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
            if let Some(end) = end {
                let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
                let length = head.to_lowercase();
                let length = length.split_once("content-length: ").map_or(0, |(_, rest)| {
                    rest.split("\r\n").next().unwrap().parse::<usize>().unwrap()
                });
                let mut body = bytes.split_off(end);
                let n_read = body.len();
                body.resize(length, 0);
                connection.read_exact(&mut body[n_read..]).ok()?;
                return Some(Self { head, body });
            }
            match connection.read(&mut part).ok()? {
                0 => return None,
                n_read => bytes.extend_from_slice(&part[..n_read]),
            }
        }
    }

    fn ask(&self, server: SocketAddr) -> Vec<u8> {
        let mut connection = TcpStream::connect(server).unwrap();
        let head = self.head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
        connection.write_all(head.as_bytes()).unwrap();
        connection.write_all(&self.body).unwrap();
        let mut answer = Vec::new();
        connection.read_to_end(&mut answer).unwrap();
        answer
    }
}
