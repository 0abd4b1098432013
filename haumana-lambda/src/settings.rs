//! The functions' settings, by the names of their environment variables.
//!
//! | variable | which functions | what |
//! |---|---|---|
//! | `HAUMANA_TABLE_PREFIX` | all but the authorizer | the prefix of the tables' names |
//! | `HAUMANA_GENERATION` | all but the authorizer | the life of the data; raise it after a restore. If the tables know a higher number, that one counts |
//! | `HAUMANA_RETENTION_DAYS` | all but the authorizer | how long history is kept |
//! | `HAUMANA_SCHEMA` | all but the authorizer | a schema file in the function's folder, see docs/schema.md; pieces and sessions if absent |
//! | `HAUMANA_CORS_ORIGINS` | all but the authorizer | origins of web pages that may call, comma-separated; none if absent |
//! | `HAUMANA_VERIFY` | all but the authorizer | `true` behind an HTTP API, which asks no authorizer: the function verifies tokens itself |
//! | `HAUMANA_GOOGLE_CLIENT_IDS` | those that verify: authorizer, `auth-sync-lambda` | client ids that tokens are for, comma-separated |
//! | `HAUMANA_GOOGLE_AZP` | authorizer, `auth-sync-lambda` | client ids that may ask on their behalf; the client ids themselves if absent |
//! | `HAUMANA_GOOGLE_KEY_SET` | authorizer, `auth-sync-lambda` | the address of Google's keys; their public address if absent |
//! | `HAUMANA_ISSUERS` | authorizer, `auth-sync-lambda` | further issuers, as JSON; none if absent |
//! | `HAUMANA_BINARY_REPLIES` | all but the authorizer | `true` if the gateway decodes base64; replies are text if absent |
//! | `HAUMANA_USER_POOL_ID` | `auth-sync-lambda`, `sync-lambda` | the Cognito user pool |
//! | `HAUMANA_CALLER_KEY` | all | the key of the hashes that name users in logs; logs name nobody if absent |
//! | `HAUMANA_BLOCKED` | those that verify | hashes of users who are not let in, comma-separated |
//! | `HAUMANA_ALLOWANCE` | all but the authorizer | what an account may cost at once and each day, in millionths of a dollar, such as `1000000/100000`; no limit if absent |
//! | `HAUMANA_METRICS` | all | the namespace of the metrics in CloudWatch; `Haumana` if absent |
//! | `HAUMANA_LOG` | all | `error`, `warn`, `info` (if absent), `debug` or `trace` |
//!
//! A setting without a default is required: a function without it does not start.
//!
//! `auth-sync-lambda` has no tables, so it reads neither the first three nor `HAUMANA_ALLOWANCE`.
//! With `HAUMANA_VERIFY` each function verifies tokens, and reads the settings of the issuers:
//! `HAUMANA_GOOGLE_CLIENT_IDS`, `HAUMANA_GOOGLE_AZP`, `HAUMANA_GOOGLE_KEY_SET`, `HAUMANA_ISSUERS`.

use crate::environment::{EnvironmentError, Lookup, list, number, optional, required};
use crate::event::Replies;
use crate::logs::DEFAULT_LEVEL;
use haumana_api::Origin;
use haumana_auth::{CallerKey, Callers, IssuerConfig};
use haumana_store_dynamo::Allowance;
use haumana_sync::engine::{Clock, EngineConfig};
use haumana_sync::repertoire;
use haumana_sync::schema::Schema;
use haumana_sync::store::Generation;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;

const DAY_MS: i64 = 86_400_000;

/// The settings of a function of the API.
#[derive(Clone, Debug)]
pub struct ApiSettings {
    /// The prefix of the tables' names.
    pub table_prefix: String,
    /// The life of the data, and how long history is kept.
    pub engine: EngineConfig,
    /// Origins of pages that may call from a browser.
    pub cors_origins: Vec<Origin>,
}

impl ApiSettings {
    /// Reads the settings.
    ///
    /// # Errors
    ///
    /// [`EnvironmentError`] names the variable.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, EnvironmentError> {
        let days = number(lookup, "HAUMANA_RETENTION_DAYS")?;
        if days == 0 {
            return Err(EnvironmentError::Invalid("HAUMANA_RETENTION_DAYS", "1 or more"));
        }
        let mut engine = EngineConfig::new(Generation(number(lookup, "HAUMANA_GENERATION")?));
        engine.retention_ms = i64::from(days) * DAY_MS;
        Ok(Self {
            table_prefix: required(lookup, "HAUMANA_TABLE_PREFIX")?,
            engine,
            cors_origins: cors_origins(lookup)?,
        })
    }
}

/// Reads the schema: which kinds of record are kept.
///
/// It is not checked at the start of a function whether the schema may follow that of the stored
/// records. `haumana-server keep-schema` does that before a deployment.
///
/// # Errors
///
/// [`EnvironmentError`] if there is no such file, or it is not a schema; the log says why.
pub fn schema(lookup: Lookup<'_>) -> Result<Schema, EnvironmentError> {
    let Some(name) = optional(lookup, "HAUMANA_SCHEMA") else { return Ok(repertoire::schema()) };
    let read = std::fs::read_to_string(&name).map_err(|error| error.to_string());
    let schema =
        read.and_then(|text| Schema::from_file(&name, &text).map_err(|error| error.to_string()));
    schema.map_err(|why| {
        // The text names a file of ours, kinds and fields, and no data of users.
        eprintln!("HAUMANA_SCHEMA: {why}");
        EnvironmentError::Invalid("HAUMANA_SCHEMA", "the name of a schema file")
    })
}

/// Reads the origins whose pages may call from a browser.
///
/// # Errors
///
/// [`EnvironmentError`] names the variable.
pub fn cors_origins(lookup: Lookup<'_>) -> Result<Vec<Origin>, EnvironmentError> {
    let wanted = EnvironmentError::Invalid("HAUMANA_CORS_ORIGINS", "like https://example.com");
    let origins = list(lookup, "HAUMANA_CORS_ORIGINS");
    let origins: Option<Vec<Origin>> = origins.iter().map(|text| Origin::parse(text)).collect();
    origins.ok_or(wanted)
}

/// Reads the key of the hashes that name users in logs.
///
/// # Errors
///
/// [`EnvironmentError`] if it is too short to keep a secret.
pub fn caller_key(lookup: Lookup<'_>) -> Result<Option<CallerKey>, EnvironmentError> {
    let wanted = EnvironmentError::Invalid("HAUMANA_CALLER_KEY", "16 characters or more");
    optional(lookup, "HAUMANA_CALLER_KEY").map(|key| CallerKey::new(key).ok_or(wanted)).transpose()
}

/// Reads the key and the blocked users.
///
/// The authorizer reads them, and with `HAUMANA_VERIFY` each function.
///
/// # Errors
///
/// [`EnvironmentError`] names the variable. Blocking users by their hashes needs the key.
pub fn callers(lookup: Lookup<'_>) -> Result<Callers, EnvironmentError> {
    let blocked = list(lookup, "HAUMANA_BLOCKED");
    match caller_key(lookup)? {
        Some(key) => Ok(Callers::new(key, blocked)),
        None if blocked.is_empty() => Ok(Callers::default()),
        None => Err(EnvironmentError::Missing("HAUMANA_CALLER_KEY")),
    }
}

/// Reads what one account may cost: burst and rate, in millionths of a dollar. `1000000/100000` is
/// one dollar at once, and ten cents a day.
///
/// # Errors
///
/// [`EnvironmentError`] if it is not two numbers above 0.
pub fn allowance(
    lookup: Lookup<'_>,
    clock: Arc<dyn Clock>,
) -> Result<Option<Allowance>, EnvironmentError> {
    let Some(text) = optional(lookup, "HAUMANA_ALLOWANCE") else { return Ok(None) };
    let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| 0 < *number);
    let both = text.split_once('/');
    let both = both.and_then(|(burst, per_day)| Some((number(burst)?, number(per_day)?)));
    let wanted = EnvironmentError::Invalid("HAUMANA_ALLOWANCE", "like 1000000/100000");
    let (burst, per_day) = both.ok_or(wanted)?;
    Ok(Some(Allowance::new(burst, per_day, clock)))
}

/// Reads the namespace of the metrics.
pub fn namespace(lookup: Lookup<'_>) -> String {
    optional(lookup, "HAUMANA_METRICS").unwrap_or_else(|| NAMESPACE.to_owned())
}

/// The namespace of the metrics if the environment does not say.
const NAMESPACE: &str = "Haumana";

/// Reads which replies the gateway passes on.
///
/// Text is the default, because it is right behind every gateway. Base64 that is not decoded would
/// break every reply.
///
/// # Errors
///
/// [`EnvironmentError`] if it is neither `true` nor `false`.
pub fn replies(lookup: Lookup<'_>) -> Result<Replies, EnvironmentError> {
    match optional(lookup, "HAUMANA_BINARY_REPLIES").as_deref() {
        Some("true") => Ok(Replies::Binary),
        Some("false") | None => Ok(Replies::Text),
        Some(_) => Err(EnvironmentError::Invalid("HAUMANA_BINARY_REPLIES", "true or false")),
    }
}

/// Reads whether the function verifies tokens itself. Otherwise it trusts the gateway's authorizer.
///
/// # Errors
///
/// [`EnvironmentError`] if it is neither `true` nor `false`.
pub fn verifies(lookup: Lookup<'_>) -> Result<bool, EnvironmentError> {
    match optional(lookup, "HAUMANA_VERIFY").as_deref() {
        Some("true") => Ok(true),
        Some("false") | None => Ok(false),
        Some(_) => Err(EnvironmentError::Invalid("HAUMANA_VERIFY", "true or false")),
    }
}

/// Reads the issuers whose tokens are accepted.
///
/// Google comes first and cannot be left out.
///
/// # Errors
///
/// [`EnvironmentError`] names the variable.
pub fn issuers(lookup: Lookup<'_>) -> Result<Vec<IssuerConfig>, EnvironmentError> {
    required(lookup, "HAUMANA_GOOGLE_CLIENT_IDS")?;
    let mut google = IssuerConfig::google(list(lookup, "HAUMANA_GOOGLE_CLIENT_IDS"));
    let parties = list(lookup, "HAUMANA_GOOGLE_AZP");
    if !parties.is_empty() {
        google.authorized_parties = parties;
    }
    if let Some(key_set) = optional(lookup, "HAUMANA_GOOGLE_KEY_SET") {
        google.key_set = key_set;
    }
    let mut issuers = vec![google];
    if let Some(more) = optional(lookup, "HAUMANA_ISSUERS") {
        let more = IssuerConfig::read_all(&more)
            .map_err(|_| EnvironmentError::Invalid("HAUMANA_ISSUERS", "a JSON list of issuers"))?;
        issuers.extend(more);
    }
    Ok(issuers)
}

/// Checks that the process runs in Lambda. The runtime needs these variables, and would panic.
///
/// # Errors
///
/// [`EnvironmentError`] names the variable.
pub fn check_lambda(lookup: Lookup<'_>) -> Result<(), EnvironmentError> {
    let names = [
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_VERSION",
    ];
    names.into_iter().try_for_each(|name| required(lookup, name).map(drop))
}

/// Reads the level of the log.
///
/// # Errors
///
/// [`EnvironmentError`] if it is not a level.
pub fn log_level(lookup: Lookup<'_>) -> Result<LevelFilter, EnvironmentError> {
    let Some(level) = optional(lookup, "HAUMANA_LOG") else { return Ok(DEFAULT_LEVEL) };
    level
        .parse()
        .map_err(|_| EnvironmentError::Invalid("HAUMANA_LOG", "error, warn, info, debug or trace"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lookup(name: &str) -> Option<String> {
        let value = match name {
            "HAUMANA_TABLE_PREFIX" => "haumana-dev-",
            "HAUMANA_GENERATION" => "3",
            "HAUMANA_RETENTION_DAYS" => "90",
            "HAUMANA_CORS_ORIGINS" => "https://haumana.example",
            "HAUMANA_GOOGLE_CLIENT_IDS" => "web, ios",
            "HAUMANA_GOOGLE_AZP" => "ios",
            _ => return None,
        };
        Some(value.to_owned())
    }

    fn without(missing: &str) -> impl Fn(&str) -> Option<String> {
        move |name| lookup(name).filter(|_| name != missing)
    }

    #[test]
    fn a_schema_file_says_which_kinds_are_kept() {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/recipes/recipes.toml");
        let named = |file: &'static str| {
            move |name: &str| (name == "HAUMANA_SCHEMA").then(|| file.to_owned())
        };

        let recipes = schema(&named(file)).unwrap();

        assert!(recipes.named("recipe").is_some());
        assert_eq!(repertoire::schema(), schema(&lookup).unwrap());
        let wanted = EnvironmentError::Invalid("HAUMANA_SCHEMA", "the name of a schema file");
        assert_eq!(wanted, schema(&named("no such file.toml")).unwrap_err());
        assert_eq!(
            wanted,
            schema(&named(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).unwrap_err()
        );
    }

    #[test]
    fn each_required_variable_is_named_when_it_is_missing() {
        for name in ["HAUMANA_TABLE_PREFIX", "HAUMANA_GENERATION", "HAUMANA_RETENTION_DAYS"] {
            let error = ApiSettings::read(&without(name)).unwrap_err();
            assert_eq!(EnvironmentError::Missing(name), error);
        }
        let name = "HAUMANA_GOOGLE_CLIENT_IDS";
        assert_eq!(EnvironmentError::Missing(name), issuers(&without(name)).unwrap_err());
    }

    #[test]
    fn settings_are_read_as_they_stand() {
        let settings = ApiSettings::read(&lookup).unwrap();

        assert_eq!("haumana-dev-", settings.table_prefix);
        assert_eq!(Generation(3), settings.engine.generation);
        assert_eq!(haumana_sync::engine::RETENTION_MS, settings.engine.retention_ms);
        assert_eq!(1, settings.cors_origins.len());
    }

    #[test]
    fn client_ids_and_authorized_parties_are_lists() {
        let issuers = issuers(&lookup).unwrap();

        let [google] = issuers.as_slice() else { panic!("one issuer") };
        assert_eq!(vec!["web".to_owned(), "ios".to_owned()], google.audiences);
        assert_eq!(vec!["ios".to_owned()], google.authorized_parties);
        assert_eq!(IssuerConfig::GOOGLE_KEY_SET, google.key_set);
    }

    #[test]
    fn an_allowance_is_two_numbers_and_a_blocked_caller_needs_a_key() {
        let of = |name: &'static str, value: &'static str| {
            move |asked: &str| (asked == name).then(|| value.to_owned())
        };
        let clock = || Arc::new(haumana_api::SystemClock);

        assert!(allowance(&of("HAUMANA_ALLOWANCE", "1000/50"), clock()).unwrap().is_some());
        assert!(allowance(&lookup, clock()).unwrap().is_none());
        for wrong in ["1000", "0/5", "5/0", "a/b", "1/2/3", "-1/2"] {
            assert!(allowance(&of("HAUMANA_ALLOWANCE", wrong), clock()).is_err(), "{wrong}");
        }
        assert!(caller_key(&of("HAUMANA_CALLER_KEY", "too short")).is_err());
        assert!(callers(&of("HAUMANA_BLOCKED", "0123456789abcdef")).is_err());
        assert!(callers(&lookup).is_ok());
    }

    #[test]
    fn a_retention_of_no_days_is_refused() {
        let zero = |name: &str| match name {
            "HAUMANA_RETENTION_DAYS" => Some("0".to_owned()),
            _ => lookup(name),
        };

        assert!(ApiSettings::read(&zero).is_err());
    }
}
