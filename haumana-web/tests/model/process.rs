//! The Node.js program that holds the replicas.

use serde::Deserialize;
use serde_json::Value as Json;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// What a command comes to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Answer {
    /// It is done, with this.
    Done(Json),
    /// It failed, and this says why.
    Failed(String),
    /// It goes on once this call has a reply.
    Call(Call),
    /// The program ended in the middle of it.
    Died(()),
}

/// A call of the server.
#[derive(Debug, Deserialize)]
pub(crate) struct Call {
    pub method: String,
    pub path: String,
    pub body: String,
}

/// The program; it ends with this.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
    /// Every command and every answer.
    pub said: String,
}

impl Process {
    pub(crate) fn start() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model/replicas.mjs");
        let mut node = Command::new("node");
        let node = node.arg(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = node.spawn().expect("this test needs Node.js 20 or later");
        let commands = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Self { child, commands, answers, said: String::new() }
    }

    pub(crate) fn ask(&mut self, command: &Json) -> Answer {
        let line = format!("{command}\n");
        self.commands.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        self.answers.read_line(&mut answer).unwrap();
        self.said.push_str(&line);
        self.said.push_str(&answer);
        serde_json::from_str(&answer).unwrap_or_else(|why| panic!("{command}: {answer} {why}"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
