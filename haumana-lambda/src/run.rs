//! From the environment to the runtime's loop.
//!
//! A cold start should be short, because somebody may be waiting for it. So nothing here opens a
//! connection. Clients are made, but the first request that needs a connection opens it, and keys
//! of issuers are fetched when the first token comes.
//!
//! A function gets only what its calls need ([`Calls`]). A function that only signs people in has
//! no tables, and one that only syncs has no user directory. So the stack can give each of them few
//! rights.

use crate::environment::{EnvironmentError, Lookup, optional, required};
use crate::event::Replies;
use crate::function::{Door, Function};
use crate::life::Life;
use crate::logs;
use crate::metrics::{Verdict, verdict_line};
use crate::settings::{self, ApiSettings};
use haumana_api::directory::{Accounts, UserDirectory};
use haumana_api::{
    Api, ApiConfig, Auth, Compression, Exports, LogWitness, Origin, SystemClock, SystemRandom,
};
use haumana_auth::authorizer::{KEYS, authorize_caller};
use haumana_auth::{Fetch, HttpFetch, IssuerConfig, OidcVerifier, limits};
use haumana_directory_cognito::sdk::config as cognito;
use haumana_directory_cognito::{CognitoDirectory, CognitoOptions};
use haumana_store_dynamo::{
    Columns, Credentials, DynamoOptions, DynamoStore, NoDeadline, RequestDeadline, Retry,
    http_client,
};
use haumana_sync::Store;
use haumana_sync::engine::{Clock as _, Engine, EngineConfig};
use haumana_sync::schema::Schema;
use haumana_sync::store::{Generation, MemoryStore};
use lambda_http::lambda_runtime::{LambdaEvent, Runtime, service_fn};
use serde_json::Value;
use std::error::Error;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// LAMBDA: an event has at most 6 MB, and a body in it is base64, four bytes for three.
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>
pub const REQUEST_BYTES: usize = 4_500_000;
/// Leaves 5 MB after base64, with room for headers below Lambda's 6 MB.
pub const REPLY_BYTES: usize = 3_750_000;
/// Less than 5 MB if every byte is one that JSON quotes with another one.
pub const TEXT_REPLY_BYTES: usize = 2_500_000;
/// The whole body is in memory before the function is called, so this time never runs out.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// How long one call of the user directory may take. A request makes one or two.
const DIRECTORY_TIMEOUT: Duration = Duration::from_secs(3);

/// What the calls of a function need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calls {
    /// The tables.
    ///
    /// `POST /pieces`, `POST /sessions`.
    Store,
    /// The tables, and the user directory.
    ///
    /// All calls but those of the app on people's phones. Erasing an account removes its entry in
    /// the directory, too.
    StoreAndDirectory,
    /// The user directory alone, and the keys of the issuers.
    ///
    /// `POST /auth/sync`. Its engine has an empty store in memory, which no call reaches.
    SignIn,
}

/// Runs a function of the API until Lambda ends it.
///
/// It is the `main` of a program in `src/bin`. It returns only if the start fails, after it has
/// printed why.
pub fn run_function(calls: Calls) -> ExitCode {
    serve(|| function(&of_process, calls))
}

/// Runs the function that `make` makes, until Lambda ends it.
///
/// It is for programs that make their function in another way, such as measurements.
pub fn serve(make: impl FnOnce() -> Result<Function, Box<dyn Error + Send + Sync>>) -> ExitCode {
    run(async {
        let function = Arc::new(make()?);
        let answer = service_fn(move |event: LambdaEvent<_>| {
            let function = Arc::clone(&function);
            async move { function.answer(event).await.map_err(|not| not.to_string()) }
        });
        Runtime::new(answer).run().await
    })
}

/// Runs the authorizer until Lambda ends it.
///
/// A token that is not good gives the error `Unauthorized`, the only one for which API Gateway
/// answers
/// 401. Any other error would be a 500. For a blocked caller it returns a policy that denies.
pub fn run_authorizer() -> ExitCode {
    run(async {
        let verifier = verifier(&of_process)?;
        let callers = settings::callers(&of_process)?;
        let namespace = settings::namespace(&of_process);
        let parts = Arc::new((verifier, callers, namespace));
        let answer = service_fn(move |event: LambdaEvent<Value>| {
            let parts = Arc::clone(&parts);
            async move {
                let (verifier, callers, namespace) = &*parts;
                let start = Instant::now();
                let permission = authorize_caller(verifier, callers, &event.payload).await;
                let verdict = match &permission {
                    Ok(_) => Verdict::Good,
                    Err(refused) if refused.reason == KEYS => Verdict::Unverified,
                    Err(_) => Verdict::Refused,
                };
                let now = SystemClock.now();
                println!("{}", verdict_line(namespace, now, verdict, start.elapsed()));
                permission.map_err(|refused| refused.to_string())
            }
        });
        Runtime::new(answer).run().await
    })
}

/// Runs on one thread: Lambda gives a function one event at a time, and starting threads takes
/// longer than most answers.
///
/// Settings are checked before the runtime starts, because the runtime panics without its own.
fn run(work: impl Future<Output = Result<(), Box<dyn Error + Send + Sync>>>) -> ExitCode {
    let done = settings::check_lambda(&of_process).and_then(|()| settings::log_level(&of_process));
    let done = done.map_err(Into::into).and_then(|level| {
        logs::start(level);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(work)
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cannot start: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The only place of this crate that reads the environment. A value that is not UTF-8 counts as
/// missing.
fn of_process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// It makes one router at once, for calls without a user, and a closure that makes another one for
/// the generation of the tables. Both share store, clock and settings.
fn function(lookup: Lookup<'_>, calls: Calls) -> Result<Function, Box<dyn Error + Send + Sync>> {
    let deadline = Arc::new(RequestDeadline::new());
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let http = http_client();
    let schema = settings::schema(lookup)?;
    let (store, engine_config, cors_origins) = match calls {
        Calls::SignIn => (None, no_tables(), settings::cors_origins(lookup)?),
        Calls::Store | Calls::StoreAndDirectory => {
            let settings = ApiSettings::read(lookup)?;
            let mut options = store_options(lookup, &settings, &schema, http.clone())?;
            options.deadline = Arc::<RequestDeadline>::clone(&deadline);
            options.allowance = settings::allowance(lookup, clock.clone())?;
            let store = DynamoStore::open(options);
            (Some(Arc::new(store)), settings.engine, settings.cors_origins)
        }
    };
    let behind: Arc<dyn Store> = match &store {
        Some(store) => Arc::<DynamoStore>::clone(store),
        None => Arc::new(MemoryStore::new()),
    };
    let witness = Arc::new(LogWitness::new(settings::caller_key(lookup)?));
    let asked = engine_config.generation;
    let replies = settings::replies(lookup)?;
    let config = api_config(lookup, replies, cors_origins)?;
    let accounts = accounts(lookup, calls, http)?;
    let of_engine = clock.clone();
    let make = move |generation: Generation| {
        let mut engine_config = engine_config;
        engine_config.generation = generation;
        let (behind, clock) = (Arc::clone(&behind), Arc::clone(&of_engine));
        let engine = Engine::new(behind, clock, random.clone(), engine_config);
        let engine = engine.with_schema(schema.clone()).with_witness(witness.clone());
        let engine = Arc::new(engine);
        let mut api = Api::new(engine, Auth::Trusted, random.clone(), config.clone());
        api.accounts = accounts.clone();
        haumana_api::router(api)
    };
    let door = door(lookup)?;
    let router = make(asked);
    let life = store.clone().map(|store| Life::new(store, asked, Box::new(make)));
    let is_warm = AtomicBool::new(false);
    let namespace = settings::namespace(lookup);
    Ok(Function { door, router, life, replies, clock, deadline, store, is_warm, namespace })
}

/// Verifies tokens, if no gateway asks an authorizer.
fn door(lookup: Lookup<'_>) -> Result<Option<Door>, Box<dyn Error + Send + Sync>> {
    if !settings::verifies(lookup)? {
        return Ok(None);
    }
    Ok(Some(Door { verifier: verifier(lookup)?, callers: settings::callers(lookup)? }))
}

/// The differences from a server: bodies and replies must fit into an event, exports are not
/// streamed, load is not bounded here, and replies are compressed harder.
fn api_config(
    lookup: Lookup<'_>,
    replies: Replies,
    cors_origins: Vec<Origin>,
) -> Result<ApiConfig, EnvironmentError> {
    let mut config = ApiConfig::of_a_server();
    config.request_limit_bytes = REQUEST_BYTES;
    config.reply_limit_bytes = match replies {
        Replies::Binary => REPLY_BYTES,
        Replies::Text => TEXT_REPLY_BYTES,
    };
    config.exports = Exports::Bounded;
    config.cors_origins = cors_origins;
    config.body_timeout = BODY_TIMEOUT;
    // LAMBDA: a function gets one event at a time.
    config.load = None;
    config.caller_key = settings::caller_key(lookup)?;
    // LAMBDA: sending bytes costs more than the time to compress them harder.
    config.compression = Compression::Small;
    Ok(config)
}

/// The settings of an engine that no call uses.
fn no_tables() -> EngineConfig {
    EngineConfig::new(Generation(0))
}

/// In DynamoDB, history expires by the time to live of its items, once the retention is over.
fn store_options(
    lookup: Lookup<'_>,
    settings: &ApiSettings,
    schema: &Schema,
    http: cognito::SharedHttpClient,
) -> Result<DynamoOptions, EnvironmentError> {
    let (region, credentials) = aws(lookup)?;
    let retention = u64::try_from(settings.engine.retention_ms).unwrap_or_default();
    Ok(DynamoOptions {
        prefix: settings.table_prefix.clone(),
        region,
        endpoint: endpoint(lookup, "AWS_ENDPOINT_URL_DYNAMODB"),
        credentials,
        columns: Columns::of(schema),
        history_ttl: Duration::from_millis(retention),
        allowance: None,
        retry: Retry::interactive(),
        deadline: Arc::new(NoDeadline),
        http: Some(http),
    })
}

/// LAMBDA: these three are always in the environment, and stay good for as long as it lives.
/// <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>
fn aws(lookup: Lookup<'_>) -> Result<(String, Credentials), EnvironmentError> {
    let credentials = Credentials {
        access_key: required(lookup, "AWS_ACCESS_KEY_ID")?,
        secret_key: required(lookup, "AWS_SECRET_ACCESS_KEY")?,
        session_token: optional(lookup, "AWS_SESSION_TOKEN"),
    };
    Ok((required(lookup, "AWS_REGION")?, credentials))
}

/// Only `POST /auth/sync` verifies a token in its body. The other calls only remove entries.
fn accounts(
    lookup: Lookup<'_>,
    calls: Calls,
    http: cognito::SharedHttpClient,
) -> Result<Option<Accounts>, Box<dyn Error + Send + Sync>> {
    if calls == Calls::Store {
        return Ok(None);
    }
    let directory: Arc<dyn UserDirectory> =
        Arc::new(CognitoDirectory::new(pool_options(lookup, http)?));
    let accounts = Accounts::new(directory);
    Ok(Some(match calls {
        Calls::SignIn => accounts.with_sign_in(Arc::new(verifier(lookup)?)),
        Calls::Store | Calls::StoreAndDirectory => accounts,
    }))
}

fn pool_options(
    lookup: Lookup<'_>,
    http: cognito::SharedHttpClient,
) -> Result<CognitoOptions, EnvironmentError> {
    let user_pool_id = required(lookup, "HAUMANA_USER_POOL_ID")?;
    let (region, given) = aws(lookup)?;
    let Credentials { access_key, secret_key, session_token } = given;
    let credentials =
        cognito::Credentials::new(access_key, secret_key, session_token, None, "environment");
    let credentials = cognito::SharedCredentialsProvider::new(credentials);
    let mut options = CognitoOptions::new(region, user_pool_id, credentials, DIRECTORY_TIMEOUT);
    options.endpoint = endpoint(lookup, "AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER");
    options.http = Some(http);
    Ok(options)
}

/// An address other than Amazon's, for all services or for one, as the AWS SDKs name them.
fn endpoint(lookup: Lookup<'_>, name: &'static str) -> Option<String> {
    optional(lookup, name).or_else(|| optional(lookup, "AWS_ENDPOINT_URL"))
}

/// Keys are fetched over HTTPS. HTTP is accepted from loopback alone, for tests.
fn verifier(lookup: Lookup<'_>) -> Result<OidcVerifier, Box<dyn Error + Send + Sync>> {
    let mut issuers: Vec<(IssuerConfig, Arc<dyn Fetch>)> = Vec::new();
    for issuer in settings::issuers(lookup)? {
        let fetch = HttpFetch::https_or_loopback(&issuer.key_set, limits::KEY_FETCH_TIMEOUT)?;
        issuers.push((issuer, Arc::new(fetch)));
    }
    Ok(OidcVerifier::new(issuers, Arc::new(SystemClock))?)
}
