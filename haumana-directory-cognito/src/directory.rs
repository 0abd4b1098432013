//! The user directory.

use crate::error::failure;
use aws_sdk_cognitoidentityprovider::Client;
use aws_sdk_cognitoidentityprovider::config::retry::RetryConfig;
use aws_sdk_cognitoidentityprovider::config::timeout::TimeoutConfig;
use aws_sdk_cognitoidentityprovider::config::{
    BehaviorVersion, Config, Region, SharedCredentialsProvider, SharedHttpClient,
};
use aws_sdk_cognitoidentityprovider::types::{AttributeType, MessageActionType};
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use haumana_api::directory::{DirectoryError, DirectoryErrorKind, Profile, UserDirectory};
use std::fmt;
use std::time::Duration;

/// LIMIT: how often a user may appear or vanish between two calls of one `put`.
const ROUNDS: usize = 3;

/// The settings of a directory.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CognitoOptions {
    /// The pool's region.
    pub region: String,
    /// The pool.
    pub user_pool_id: String,
    /// The credentials of its calls.
    pub credentials: SharedCredentialsProvider,
    /// How long one call of the directory may take, with all its retries.
    pub timeout: Duration,
    /// Another address than Amazon's, for emulators.
    pub endpoint: Option<String>,
    /// The HTTP client; `None`: one of its own, with TLS by rustls.
    pub http: Option<SharedHttpClient>,
}

impl CognitoOptions {
    /// A pool on AWS, with an HTTP client of the directory's own.
    pub fn new(
        region: impl Into<String>,
        user_pool_id: impl Into<String>,
        credentials: SharedCredentialsProvider,
        timeout: Duration,
    ) -> Self {
        let (region, user_pool_id) = (region.into(), user_pool_id.into());
        Self { region, user_pool_id, credentials, timeout, endpoint: None, http: None }
    }
}

/// A user directory in a user pool.
#[derive(Clone)]
pub struct CognitoDirectory {
    client: Client,
    user_pool_id: String,
}

fn https() -> SharedHttpClient {
    let tls = Provider::Rustls(CryptoMode::AwsLc);
    aws_smithy_http_client::Builder::new().tls_provider(tls).build_https()
}

impl fmt::Debug for CognitoDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CognitoDirectory").finish_non_exhaustive()
    }
}

impl CognitoDirectory {
    /// Makes a directory with a client of its own; nothing is sent yet.
    pub fn new(options: CognitoOptions) -> Self {
        let timeouts = TimeoutConfig::builder().operation_timeout(options.timeout).build();
        let mut config = Config::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new(options.region))
            .credentials_provider(options.credentials)
            .retry_config(RetryConfig::standard())
            .timeout_config(timeouts)
            .http_client(options.http.unwrap_or_else(https));
        config.set_endpoint_url(options.endpoint);
        Self::with_client(Client::from_conf(config.build()), options.user_pool_id)
    }

    /// Makes a directory that uses this client.
    pub fn with_client(client: Client, user_pool_id: impl Into<String>) -> Self {
        Self { client, user_pool_id: user_pool_id.into() }
    }

    /// Looks whether the entry already has the values of the profile.
    ///
    /// COGNITO: a user whose attributes are written counts as an active user of the month, and is
    /// billed. A user who is only looked up does not. <https://aws.amazon.com/cognito/pricing/>,
    /// read 2026-11-28.
    async fn look(&self, username: &str, profile: &Profile) -> Result<Found, DirectoryError> {
        let get = self.client.admin_get_user().user_pool_id(&self.user_pool_id);
        match get.username(username).send().await {
            Ok(user) => {
                let said = user.user_attributes();
                let is_said = |wanted: &AttributeType| {
                    let same = said.iter().find(|said| said.name() == wanted.name());
                    same.is_some_and(|said| said.value() == wanted.value())
                };
                let is_same = attributes(profile)?.iter().all(is_said);
                Ok(if is_same { Found::Same } else { Found::Other })
            }
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_user_not_found_exception() => Ok(Found::Nobody),
                _ => Err(failure("look", &error)),
            },
        }
    }

    async fn update(&self, username: &str, profile: &Profile) -> Result<Outcome, DirectoryError> {
        let update = self.client.admin_update_user_attributes().user_pool_id(&self.user_pool_id);
        let update = update.username(username).set_user_attributes(Some(attributes(profile)?));
        match update.send().await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_user_not_found_exception() => Ok(Outcome::TryTheOther),
                _ => Err(failure("update", &error)),
            },
        }
    }

    async fn create(&self, username: &str, profile: &Profile) -> Result<Outcome, DirectoryError> {
        let create = self.client.admin_create_user().user_pool_id(&self.user_pool_id);
        let create = create
            .username(username)
            .set_user_attributes(Some(attributes(profile)?))
            .message_action(MessageActionType::Suppress);
        match create.send().await {
            Ok(_) => Ok(Outcome::Done),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_username_exists_exception() => Ok(Outcome::TryTheOther),
                _ => Err(failure("create", &error)),
            },
        }
    }
}

/// The state of an entry before it is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    Nobody,
    Same,
    Other,
}

/// The result of an update, or of a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Done,
    /// The user to update has vanished, or the user to create exists by now.
    TryTheOther,
}

#[async_trait::async_trait]
impl UserDirectory for CognitoDirectory {
    /// One call, which writes nothing, for a user who has signed in before and has changed nothing.
    /// Two calls for a first sign-in or a change.
    async fn put(&self, username: &str, profile: &Profile) -> Result<(), DirectoryError> {
        for _ in 0..ROUNDS {
            let written = match self.look(username, profile).await? {
                Found::Same => Outcome::Done,
                Found::Other => self.update(username, profile).await?,
                Found::Nobody => self.create(username, profile).await?,
            };
            if written == Outcome::Done {
                return Ok(());
            }
        }
        Err(DirectoryError::new("put", DirectoryErrorKind::Unavailable))
    }

    async fn remove(&self, username: &str) -> Result<(), DirectoryError> {
        let delete = self.client.admin_delete_user().user_pool_id(&self.user_pool_id);
        match delete.username(username).send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(refused) if refused.is_user_not_found_exception() => Ok(()),
                _ => Err(failure("remove", &error)),
            },
        }
    }
}

/// The attributes for the pool. An attribute that is not named stays unchanged.
fn attributes(profile: &Profile) -> Result<Vec<AttributeType>, DirectoryError> {
    let optional = [("name", &profile.name), ("picture", &profile.picture)];
    let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value.as_deref()?)));
    // The address is always verified: one that is not never gets here.
    let always = [("email", profile.email.as_str()), ("email_verified", "true")];
    always
        .into_iter()
        .chain(optional)
        .map(|(name, value)| {
            let attribute = AttributeType::builder().name(name).value(value).build();
            attribute.map_err(|_| DirectoryError::new("put", DirectoryErrorKind::Refused))
        })
        .collect()
}
