//! As much of Cognito's user pools as one wire test needs. `haumana-directory-cognito` tests the
//! real behaviour, against a full emulator.
//!
//! It answers four calls of Cognito by their `X-Amz-Target`, and checks no signature.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpListener;

type Users = Arc<Mutex<BTreeSet<String>>>;

/// A pool on loopback that knows only the names of its users.
pub struct Pool {
    address: String,
    users: Users,
}

impl Pool {
    /// Listens on a free port.
    ///
    /// # Errors
    ///
    /// If no port is free.
    pub async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let users = Users::default();
        let app = Router::new().route("/", post(answer)).with_state(Arc::clone(&users));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Ok(Self { address, users })
    }

    /// Where it listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The names of the users in it.
    pub fn users(&self) -> Vec<String> {
        self.users.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

async fn answer(State(users): State<Users>, headers: HeaderMap, body: Bytes) -> Response {
    let target = headers.get("x-amz-target").and_then(|value| value.to_str().ok());
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let name = request.get("Username").and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut users = users.lock().unwrap_or_else(PoisonError::into_inner);
    let (is_done, failure) = match target.and_then(|target| target.rsplit('.').next()) {
        // It returns no attributes, so a user who is in it is always updated.
        Some("AdminGetUser") => (users.contains(&name), "UserNotFoundException"),
        Some("AdminCreateUser") => (users.insert(name.clone()), "UsernameExistsException"),
        Some("AdminUpdateUserAttributes") => (users.contains(&name), "UserNotFoundException"),
        Some("AdminDeleteUser") => (users.remove(&name), "UserNotFoundException"),
        _ => (false, "InvalidParameterException"),
    };
    let content_type = [("content-type", "application/x-amz-json-1.1")];
    let (status, body) = match is_done {
        true => (
            StatusCode::OK,
            json!({"Username": name, "UserAttributes": [], "User": {"Username": name, "Attributes": []}}),
        ),
        false => (StatusCode::BAD_REQUEST, json!({"__type": failure, "message": failure})),
    };
    (status, content_type, body.to_string()).into_response()
}
