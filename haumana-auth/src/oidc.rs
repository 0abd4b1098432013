//! Issuers of ID tokens, as configuration: Google, and any other that speaks OpenID Connect.

use crate::key_cache::{Fetch, KeyCache};
use crate::limits;
use crate::verifier::{AuthError, Verifier};
use crate::verify::{self, Booleans, Policy, Principal, Rejection, Subjects};
use haumana_sync::engine::Clock;
use serde::Deserialize;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// An issuer of ID tokens. Every value is required and none has a default, since a forgotten value
/// would let the wrong people in.
///
/// ```
/// use haumana_auth::IssuerConfig;
/// use haumana_auth::verify::Subjects;
///
/// let issuers = IssuerConfig::read_all(
///     r#"[{
///         "keySet": "https://appleid.apple.com/auth/keys",
///         "issuers": ["https://appleid.apple.com"],
///         "audiences": ["org.example.app"],
///         "authorizedParties": [],
///         "subjects": {"under": "apple"},
///         "booleans": "json_or_text"
///     }]"#,
/// )?;
///
/// // The user with the subject 7 of this issuer is `apple:7` here.
/// assert_eq!(Subjects::Under("apple".to_owned()), issuers[0].subjects);
/// # Ok::<(), haumana_auth::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct IssuerConfig {
    /// The address of its key set.
    pub key_set: String,
    /// Values of `iss`.
    pub issuers: Vec<String>,
    /// Values of `aud`: our client ids.
    ///
    /// Without this check a token that the issuer made for any other app would be good here.
    pub audiences: Vec<String>,
    /// Accepted values of `azp`, if a token has one: our client ids that may ask on behalf of the
    /// audience. May be empty.
    pub authorized_parties: Vec<String>,
    /// How its subjects become user ids.
    ///
    /// Never change it while there are users: with another value all of them would be new.
    pub subjects: Subjects,
    /// How it writes booleans.
    pub booleans: Booleans,
}

/// What is wrong with a configuration, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issuers of ID tokens: {}", self.0)
    }
}

impl std::error::Error for ConfigError {}

impl IssuerConfig {
    /// The address of Google's key set.
    pub const GOOGLE_KEY_SET: &str = "https://www.googleapis.com/oauth2/v3/certs";

    /// Google, for an app with these client ids. Its subjects are user ids as they are.
    ///
    /// Give all client ids of the app: those of its Android, iOS and web versions differ.
    pub fn google(client_ids: Vec<String>) -> Self {
        Self {
            key_set: Self::GOOGLE_KEY_SET.into(),
            issuers: vec!["https://accounts.google.com".into(), "accounts.google.com".into()],
            audiences: client_ids.clone(),
            authorized_parties: client_ids,
            subjects: Subjects::Bare,
            booleans: Booleans::Json,
        }
    }

    /// Reads a JSON list of issuers.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] names what is missing, unknown, or of another type than it must have.
    pub fn read_all(json: &str) -> Result<Vec<Self>, ConfigError> {
        serde_json::from_str(json).map_err(|error| ConfigError(error.to_string()))
    }

    /// Returns the policy for its tokens.
    pub fn policy(&self) -> Policy {
        Policy {
            issuers: self.issuers.clone(),
            audiences: self.audiences.clone(),
            authorized_parties: self.authorized_parties.clone(),
            subjects: self.subjects.clone(),
            booleans: self.booleans,
            leeway_secs: limits::TOKEN_LEEWAY_SECS,
            max_lifetime_secs: limits::TOKEN_LIFETIME_SECS,
            max_token_bytes: limits::TOKEN_BYTES,
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let lists = [("issuers", &self.issuers), ("audiences", &self.audiences)];
        for (name, list) in lists {
            if list.is_empty() {
                return Err(ConfigError(format!("{name} must not be empty")));
            }
        }
        let all = lists.into_iter().chain([("authorizedParties", &self.authorized_parties)]);
        for (name, text) in all.flat_map(|(name, list)| list.iter().map(move |text| (name, text))) {
            if text.is_empty() || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
                let why = format!("{name}: {text:?} is blank, or has a blank in it");
                return Err(ConfigError(why));
            }
        }
        if !self.subjects.is_sound() {
            let why = "the name in subjects has lower-case letters and digits, and is not google";
            return Err(ConfigError(why.into()));
        }
        Ok(())
    }
}

/// Verifies the ID tokens of several issuers, each with keys of its own.
///
/// A token is verified with the keys of the issuer that it names, and then has to satisfy that
/// issuer's policy. So a token of one issuer is never taken for one of another.
#[derive(Debug)]
pub struct OidcVerifier {
    issuers: Vec<Issuer>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug)]
struct Issuer {
    policy: Policy,
    keys: KeyCache,
}

impl OidcVerifier {
    /// Makes a verifier. Each issuer has a fetcher for its keys.
    ///
    /// Nothing is fetched yet: the first token waits for the keys.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] if there is no issuer, if a value of one is missing, or if two of them could
    /// be mistaken for one another.
    pub fn new(
        issuers: Vec<(IssuerConfig, Arc<dyn Fetch>)>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        if issuers.is_empty() {
            return Err(ConfigError("there is none".into()));
        }
        let (mut names, mut subjects) = (BTreeSet::new(), BTreeSet::new());
        for (config, _) in &issuers {
            config.check()?;
            if let Some(name) = config.issuers.iter().find(|name| !names.insert(name.as_str())) {
                return Err(ConfigError(format!("{name} stands there twice")));
            }
            let name = match &config.subjects {
                Subjects::Bare => None,
                Subjects::Under(name) => Some(name),
            };
            if !subjects.insert(name) {
                let why = "two issuers have the same subjects, so their users could be mixed up";
                return Err(ConfigError(why.into()));
            }
        }
        let issuers = issuers.into_iter().map(|(config, fetch)| Issuer {
            policy: config.policy(),
            keys: KeyCache::new(fetch, Arc::clone(&clock)),
        });
        Ok(Self { issuers: issuers.collect(), clock })
    }

    /// The issuer that this token claims. The issuer's policy checks the claim again after the
    /// signature. A false claim leads to keys that did not sign the token.
    fn issuer_of(&self, token: &str) -> Result<&Issuer, Rejection> {
        if let [only] = &self.issuers[..] {
            return Ok(only);
        }
        let claimed = verify::claimed_issuer(token, limits::TOKEN_BYTES)?;
        let mut issuers = self.issuers.iter();
        issuers.find(|issuer| issuer.policy.issuers.contains(&claimed)).ok_or(Rejection::Issuer)
    }
}

#[async_trait::async_trait]
impl Verifier for OidcVerifier {
    async fn verify(&self, token: &str) -> Result<Principal, AuthError> {
        let issuer = self.issuer_of(token).map_err(AuthError::Rejected)?;
        // A text that is not a token must not cause a fetch.
        let key_id = verify::key_id(token, issuer.policy.max_token_bytes);
        let key_id = key_id.map_err(AuthError::Rejected)?;
        let keys = issuer.keys.keys_for(&key_id).await.map_err(|_| AuthError::Unavailable)?;
        let principal = verify::verify(token, &keys, &issuer.policy, self.clock.now());
        principal.map_err(AuthError::Rejected)
    }
}

#[cfg(feature = "https")]
impl OidcVerifier {
    /// Makes a verifier that fetches the keys of each issuer over HTTPS.
    ///
    /// Use one verifier for all requests: each verifier has a cache of its own.
    ///
    /// # Errors
    ///
    /// Those of [`OidcVerifier::new`], and if an address is not `https://…`.
    pub fn over_https(
        issuers: Vec<IssuerConfig>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, ConfigError> {
        let with_fetch = issuers.into_iter().map(|config| {
            let fetch = crate::HttpFetch::https(&config.key_set, limits::KEY_FETCH_TIMEOUT);
            let fetch = fetch.map_err(|error| ConfigError(error.to_string()))?;
            Ok((config, Arc::new(fetch) as Arc<dyn Fetch>))
        });
        Self::new(with_fetch.collect::<Result<_, _>>()?, clock)
    }
}
