//! Signing in, and the account that was signed in before.

use crate::answer::Answer;
use crate::args::SignIn;
use crate::device::Device;
use crate::fields::read_text;
use crate::problem::Problem;
use crate::web;
use haumana_replica::ErrorKind;
use haumana_replica::transport::subject;
use haumana_sync::id::UserId;
use serde::Deserialize;
use serde_json::json;

/// LIMIT: the bytes of an answer with a token. A token has 8 kB at most.
const TOKEN_BYTES: u64 = 64 * 1024;

pub(crate) async fn sign_in(mut device: Device, args: SignIn) -> Result<Answer, Problem> {
    let token = match (args.name, args.token_file) {
        (Some(name), _) => ask_local_server(&device.server(), &name).await?,
        (None, Some(file)) => read_text(&file)?,
        (None, None) => std::env::var("HAUMANA_TOKEN")
            .ok()
            .filter(|token| !token.is_empty())
            .ok_or(Problem::NoToken)?,
    };
    let token = token.trim();
    let account = subject(token).and_then(UserId::verified_by_caller).ok_or(Problem::NotAToken)?;
    let before = device.account().ok().filter(|before| *before != account);
    let waiting = match before {
        Some(_) => device.replica().await?.status().pending,
        None => 0,
    };
    device.sign_in(&account, token)?;

    let mut text = format!("signed in as {}", account.as_str());
    if let (Some(before), true) = (&before, 0 < waiting) {
        let before = before.as_str();
        let records = if waiting == 1 { "record" } else { "records" };
        text.push_str(&format!(
            "\nedits of {waiting} {records} of {before} wait on this device until {before} signs \
             in again; they are never sent as anybody else"
        ));
    }
    let before = before.as_ref().map(UserId::as_str);
    let json = json!({ "account": account.as_str(), "before": before, "waiting": waiting });
    Ok(Answer::new(text, json))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Issued {
    id_token: String,
}

/// Asks the local server for a token; it gives one to anyone.
async fn ask_local_server(url: &str, name: &str) -> Result<String, Problem> {
    let client = web::client(url);
    let client = client.map_err(|error| no_server(url, error))?;
    let asked = client.post(format!("{url}/dev/tokens")).header("content-type", "application/json");
    let asked = asked.body(json!({ "sub": name }).to_string()).send().await;
    let reply = asked.map_err(|error| no_server(url, error))?;
    if !reply.status().is_success() {
        return Err(Problem::NoDevTokens(url.to_owned()));
    }
    let body = web::body(reply, TOKEN_BYTES).await.map_err(|error| no_server(url, error))?;
    let issued: Issued =
        serde_json::from_slice(&body).map_err(|_| Problem::NoDevTokens(url.to_owned()))?;
    Ok(issued.id_token)
}

fn no_server(url: &str, error: reqwest::Error) -> Problem {
    let error = haumana_replica::Error::new("sign in", ErrorKind::Offline).caused_by(error);
    Problem::of_call(error, url, "", "haumana")
}
