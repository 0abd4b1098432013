//! Requests to a server before there is a replica or a token.

use haumana_replica::transport::is_loopback;
use reqwest::{Client, Response};
use std::time::Duration;

/// How long a whole answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a client for one address. A server on this machine is asked without a proxy.
pub(crate) fn client(url: &str) -> reqwest::Result<Client> {
    let builder = Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none());
    if is_loopback(url) { builder.no_proxy().build() } else { builder.build() }
}

/// Reads an answer. If it is longer than `most`, reads only a little more than that.
pub(crate) async fn body(mut reply: Response, most: u64) -> reqwest::Result<Vec<u8>> {
    let mut body = Vec::new();
    while let Some(chunk) = reply.chunk().await? {
        body.extend_from_slice(&chunk);
        if most < body.len() as u64 {
            break;
        }
    }
    Ok(body)
}
