//! The SDK's client, with its own decisions turned off.
//!
//! The SDK has retries, timeouts and a protection against slow streams. All are off: only
//! [`retry`](crate::retry) decides, with the time that the host has left. Two layers of retries
//! would multiply. And a retry by the SDK would not know that a commit needs the same token.

use crate::https::http_client;
use crate::options::DynamoOptions;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{
    BehaviorVersion, Credentials, Region, StalledStreamProtectionConfig,
};

/// Makes a client whose requests are sent once and wait as long as we say.
#[cfg_attr(not(feature = "testing"), expect(unreachable_pub, reason = "tests take it from there"))]
pub fn client(options: &DynamoOptions) -> Client {
    let given = &options.credentials;
    let credentials = Credentials::new(
        &given.access_key,
        &given.secret_key,
        given.session_token.clone(),
        None,
        "haumana",
    );
    let mut config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(options.region.clone()))
        .credentials_provider(credentials)
        .http_client(options.http.clone().unwrap_or_else(http_client))
        // When the SDK's retries were on, one lost answer turned four increments into five.
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled());
    if let Some(endpoint) = &options.endpoint {
        config = config.endpoint_url(endpoint);
    }
    Client::from_conf(config.build())
}
