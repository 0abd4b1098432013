//! The earlier server's live tables in DynamoDB.
//!
//! Requests here only read, or put whole items, so the SDK may repeat them at will.
//!
//! The clients are those of Amazon's SDK, with its own retries: up to ten attempts of each request,
//! with growing pauses.

use crate::attribute::{Attribute, Item, base64, bytes};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region, SharedHttpClient};
use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use std::collections::HashMap;

/// How often one request is sent at most, with growing pauses.
const ATTEMPTS: u32 = 10;

/// The address of the earlier server's tables, and the credentials.
#[derive(Clone, Debug)]
pub struct Service {
    /// The AWS region.
    pub region: String,
    /// Where the service is, if it is not Amazon's: `http://127.0.0.1:8000`.
    pub endpoint: Option<String>,
    /// The credentials.
    pub credentials: haumana_store_dynamo::Credentials,
    /// The HTTP client; `None`: hyper with TLS by rustls.
    ///
    /// Tests give one that makes faults.
    pub http: Option<SharedHttpClient>,
}

impl Service {
    /// Makes a client; opens no connection.
    pub fn client(&self) -> Client {
        let given = &self.credentials;
        let token = given.session_token.clone();
        let credentials =
            Credentials::new(&given.access_key, &given.secret_key, token, None, "haumana");
        let mut config = aws_sdk_dynamodb::Config::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(self.region.clone()))
            .credentials_provider(credentials)
            .http_client(self.http.clone().unwrap_or_else(https))
            .retry_config(RetryConfig::standard().with_max_attempts(ATTEMPTS));
        if let Some(endpoint) = &self.endpoint {
            config = config.endpoint_url(endpoint);
        }
        Client::from_conf(config.build())
    }
}

/// TLS is that of rustls, with the same crypto library as everything else here.
fn https() -> SharedHttpClient {
    let tls = Provider::Rustls(CryptoMode::AwsLc);
    aws_smithy_http_client::Builder::new().tls_provider(tls).build_https()
}

/// Reads an item from the form of the SDK.
///
/// The copy is in the order of names, so that two reads of an item are equal.
pub(crate) fn from_sdk(item: HashMap<String, AttributeValue>) -> Item {
    item.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}

fn attribute(value: AttributeValue) -> Attribute {
    match value {
        AttributeValue::S(text) => Attribute::S(text),
        AttributeValue::N(digits) => Attribute::N(digits),
        AttributeValue::Bool(flag) => Attribute::Bool(flag),
        AttributeValue::Null(flag) => Attribute::Null(flag),
        AttributeValue::M(fields) => Attribute::M(from_sdk(fields)),
        AttributeValue::L(values) => Attribute::L(values.into_iter().map(attribute).collect()),
        AttributeValue::Ss(texts) => Attribute::TextSet(texts),
        AttributeValue::Ns(numbers) => Attribute::NumberSet(numbers),
        AttributeValue::B(blob) => Attribute::B(base64(blob.as_ref())),
        AttributeValue::Bs(blobs) => {
            Attribute::BytesSet(blobs.iter().map(|blob| base64(blob.as_ref())).collect())
        }
        _ => Attribute::Unreadable,
    }
}

/// Writes an item in the form of the SDK.
pub(crate) fn to_sdk(item: Item) -> HashMap<String, AttributeValue> {
    item.into_iter().map(|(name, value)| (name, value_of(value))).collect()
}

/// The reverse of `attribute`, for every type of value.
fn value_of(attribute: Attribute) -> AttributeValue {
    let blob = |text: String| Blob::new(bytes(&text).unwrap_or_default());
    match attribute {
        Attribute::S(text) => AttributeValue::S(text),
        Attribute::N(digits) => AttributeValue::N(digits),
        Attribute::Bool(flag) => AttributeValue::Bool(flag),
        Attribute::Null(flag) => AttributeValue::Null(flag),
        Attribute::M(fields) => AttributeValue::M(to_sdk(fields)),
        Attribute::L(values) => AttributeValue::L(values.into_iter().map(value_of).collect()),
        Attribute::TextSet(texts) => AttributeValue::Ss(texts),
        Attribute::NumberSet(numbers) => AttributeValue::Ns(numbers),
        Attribute::B(text) => AttributeValue::B(blob(text)),
        Attribute::BytesSet(texts) => AttributeValue::Bs(texts.into_iter().map(blob).collect()),
        // No record has one.
        Attribute::Unreadable => AttributeValue::Null(true),
    }
}
