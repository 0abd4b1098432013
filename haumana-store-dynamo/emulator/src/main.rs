//! An emulator of DynamoDB for tests: everything in memory, on a free port of this machine.
//!
//! Prints `listening on 127.0.0.1:PORT` once it answers, and ends when its standard input does, so
//! that it never outlives the test that started it.

use dynoxide::Database;
use std::io::{Read, Write};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let database = Database::memory()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    println!("listening on {}", listener.local_addr()?);
    std::io::stdout().flush()?;

    let (stop, stopped) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        // Whatever comes is of no interest, only that it ends.
        let _ = std::io::copy(&mut std::io::stdin().lock().by_ref(), &mut std::io::sink());
        let _ = stop.send(());
    });
    tokio::select! {
        _ = stopped => Ok(()),
        () = dynoxide::server::serve_on(listener, database) => Ok(()),
    }
}
