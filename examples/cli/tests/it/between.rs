//! What stands between a device and its server.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

/// Takes connections on loopback, until the tests end.
pub struct Between {
    pub url: String,
}

impl Between {
    /// Answers every request with these bytes.
    pub fn says(answer: &str) -> Self {
        let answer = answer.as_bytes().to_vec();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                if read(&mut connection).is_some() {
                    connection.write_all(&answer).unwrap();
                }
            }
        });
        Self { url }
    }
}

/// Reads a request to its end.
fn read(connection: &mut TcpStream) -> Option<()> {
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
            return Some(());
        }
        match connection.read(&mut part).ok()? {
            0 => return None,
            n_read => bytes.extend_from_slice(&part[..n_read]),
        }
    }
}
