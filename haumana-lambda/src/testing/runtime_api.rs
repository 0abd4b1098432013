//! The Lambda Runtime API on loopback, and the process that asks it for work.
//!
//! <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>
//!
//! ```text
//!  invoke ─▶ queue ─▶ GET next ─▶ process of the function ─▶ POST response or error ─▶ invoke
//! ```
//! The process is a real one, with an environment of its own and nothing inherited. So a test sees
//! what an operator sees: cold starts, time-outs that end the process, and printed lines.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::Value;
use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

/// LAMBDA: the largest answer of a function. A larger one is lost, on Lambda and here.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
const PAYLOAD_BYTES: usize = 6 * 1024 * 1024;

/// The result of one event.
pub type Invocation = Result<Value, Failed>;

/// Why an event has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failed {
    /// The function returned an error; this is its `errorMessage`.
    Function(String),
    /// The time was over. Lambda ends the process then, and so does this.
    TimedOut,
}

/// A function: a program and its environment.
#[derive(Clone, Debug)]
pub struct Function {
    /// The program.
    pub program: PathBuf,
    /// Its environment, besides what Lambda adds. Nothing is inherited.
    pub environment: Vec<(String, String)>,
    /// The longest that one event may take.
    pub timeout: Duration,
}

struct Work {
    id: String,
    event: Bytes,
    /// Milliseconds since 1970, as Lambda gives it.
    deadline_ms: u128,
}

/// The callers that wait for answers, by event.
#[derive(Default)]
struct Pending(Mutex<HashMap<String, oneshot::Sender<Invocation>>>);

impl Pending {
    fn wait(&self, id: &str) -> oneshot::Receiver<Invocation> {
        let (tell, told) = oneshot::channel();
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        pending.insert(id.to_owned(), tell);
        told
    }

    fn tell(&self, id: &str, outcome: Invocation) {
        let mut pending = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An answer that comes too late is dropped.
        if let Some(tell) = pending.remove(id) {
            let _ = tell.send(outcome);
        }
    }
}

/// What the routes of the Runtime API share.
struct Desk {
    work: tokio::sync::Mutex<mpsc::Receiver<Work>>,
    pending: Pending,
}

/// A Runtime API for one function. It starts the function's process, and starts it again after a
/// time-out.
///
/// One event runs at a time, as in one of Lambda's execution environments.
pub struct RuntimeApi {
    function: Function,
    address: String,
    queue: mpsc::Sender<Work>,
    desk: Arc<Desk>,
    /// Locked while an event runs, so events wait for one another.
    process: tokio::sync::Mutex<Option<Child>>,
    last_id: AtomicU64,
    output: Arc<Mutex<Vec<u8>>>,
}

impl RuntimeApi {
    /// Listens on a free port. The process is started by the first event.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start(function: Function) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (queue, work) = mpsc::channel(1);
        let work = tokio::sync::Mutex::new(work);
        let desk = Arc::new(Desk { work, pending: Pending::default() });
        let api = Router::new()
            .route("/2018-06-01/runtime/invocation/next", get(next))
            .route("/2018-06-01/runtime/invocation/{id}/response", post(response))
            .route("/2018-06-01/runtime/invocation/{id}/error", post(error))
            .route("/2018-06-01/runtime/init/error", post(async || StatusCode::ACCEPTED))
            .layer(DefaultBodyLimit::max(PAYLOAD_BYTES))
            .with_state(Arc::clone(&desk));
        tokio::spawn(async move { axum::serve(listener, api).await });
        let (process, last_id) = (tokio::sync::Mutex::new(None), AtomicU64::new(0));
        let output = Arc::default();
        Ok(Self { function, address, queue, desk, process, last_id, output })
    }

    /// Hands `event` to the function and waits for the result.
    ///
    /// # Errors
    ///
    /// [`Failed`] if the function answers with an error, or not in time.
    ///
    /// # Panics
    ///
    /// If the program cannot be started.
    pub async fn invoke(&self, event: &[u8]) -> Invocation {
        let mut process = self.process.lock().await;
        let is_running = process.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)));
        if !is_running {
            *process = Some(self.spawn());
        }
        let id = format!("{:08x}-0000-4000-8000-000000000000", self.next_id());
        let told = self.desk.pending.wait(&id);
        let deadline_ms = now_ms() + self.function.timeout.as_millis();
        let work = Work { id, event: Bytes::copy_from_slice(event), deadline_ms };
        let invocation = async {
            // The receiver lives as long as the server, which lives as long as the runtime.
            let _ = self.queue.send(work).await;
            told.await.unwrap_or(Err(Failed::TimedOut))
        };
        let outcome = tokio::time::timeout(self.function.timeout, invocation).await;
        if let (Err(_), Some(child)) = (&outcome, process.as_mut()) {
            let _ = child.kill().await;
            // An event that the process did not fetch must not go to the next process.
            self.desk.work.lock().await.try_recv().ok();
        }
        outcome.unwrap_or(Err(Failed::TimedOut))
    }

    /// Returns what the function wrote to its standard output and error until now.
    pub fn output(&self) -> String {
        let output = self.output.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&output).into_owned()
    }

    /// Returns the output as soon as `is_there` is true for it, or after ten seconds in any case. A
    /// function prints before it answers, but the text may come through its pipe a little later.
    pub async fn output_once(&self, is_there: impl Fn(&str) -> bool) -> String {
        let wait = async {
            while !is_there(&self.output()) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        // If the time runs out, the caller sees the output that there is.
        let _ = tokio::time::timeout(Duration::from_secs(10), wait).await;
        self.output()
    }

    /// Returns the id of the process while it runs.
    pub async fn process_id(&self) -> Option<u32> {
        self.process.lock().await.as_ref().and_then(Child::id)
    }

    /// Ends the process, as Lambda does after some minutes without work.
    pub async fn stop(&self) {
        if let Some(mut child) = self.process.lock().await.take() {
            let _ = child.kill().await;
        }
    }

    fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    fn spawn(&self) -> Child {
        let name = self.function.program.file_name().unwrap_or_default();
        let mut child = Command::new(&self.function.program)
            .env_clear()
            .env("AWS_LAMBDA_RUNTIME_API", &self.address)
            .env("AWS_LAMBDA_FUNCTION_NAME", format!("test-{}", name.display()))
            .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256")
            .env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST")
            .env("AWS_LAMBDA_LOG_GROUP_NAME", "/aws/lambda/test")
            .env("AWS_LAMBDA_LOG_STREAM_NAME", "test")
            .envs(self.function.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", self.function.program.display()));
        keep(child.stdout.take(), &self.output);
        keep(child.stderr.take(), &self.output);
        child
    }
}

/// Keeps everything that a stream prints.
fn keep(
    stream: Option<impl tokio::io::AsyncRead + Unpin + Send + 'static>,
    output: &Arc<Mutex<Vec<u8>>>,
) {
    use tokio::io::AsyncReadExt as _;
    let Some(mut stream) = stream else { return };
    let output = Arc::clone(output);
    tokio::spawn(async move {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = stream.read(&mut buffer).await {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            output.extend(buffer.iter().take(n));
        }
    });
}

async fn next(State(desk): State<Arc<Desk>>) -> Response {
    let Some(work) = desk.work.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let mut headers = HeaderMap::new();
    let arn = "arn:aws:lambda:us-west-2:123456789012:function:test".to_owned();
    for (name, value) in [
        ("lambda-runtime-aws-request-id", work.id),
        ("lambda-runtime-deadline-ms", work.deadline_ms.to_string()),
        ("lambda-runtime-invoked-function-arn", arn),
        ("content-type", "application/json".to_owned()),
    ] {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    (headers, work.event).into_response()
}

async fn response(
    State(desk): State<Arc<Desk>>,
    Path(id): Path<String>,
    body: Bytes,
) -> StatusCode {
    let answer = serde_json::from_slice(&body).unwrap_or(Value::Null);
    desk.pending.tell(&id, Ok(answer));
    StatusCode::ACCEPTED
}

async fn error(State(desk): State<Arc<Desk>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    let answer: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let message = answer.get("errorMessage").and_then(Value::as_str).unwrap_or_default();
    desk.pending.tell(&id, Err(Failed::Function(message.to_owned())));
    StatusCode::ACCEPTED
}

fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}
