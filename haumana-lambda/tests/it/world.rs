//! Everything that stands around the functions, made anew for each test.

use haumana_lambda::testing::{
    CLIENT_ID, Function, Gateway, Google, HttpApi, HttpReply, HttpRequest, Pool, RuntimeApi, Token,
};
use haumana_store_dynamo::testing::{Tables, endpoint};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The programs of this build, or those in the folder that the variable names, each as
/// `<name>/bootstrap`: `.ci/lambda` runs these tests on what is deployed. `faulty`, which panics and
/// hangs when it is told to, is deployed nowhere and always of this build.
pub(crate) fn program(name: &str) -> PathBuf {
    // Two functions run another one's program, with rights and a log of their own.
    let name = match name {
        "account-lambda" => "sync-lambda",
        "sync-sessions-lambda" => "sync-pieces-lambda",
        name => name,
    };
    match (std::env::var_os("HAUMANA_LAMBDA_FOLDER"), name) {
        // Examples are built beside the programs when tests are.
        (_, "faulty") => {
            Path::new(env!("CARGO_BIN_EXE_sync-lambda")).with_file_name("examples").join("faulty")
        }
        (Some(folder), _) => Path::new(&folder).join(name).join("bootstrap"),
        (None, "sync-pieces-lambda") => env!("CARGO_BIN_EXE_sync-pieces-lambda").into(),
        (None, "sync-lambda") => env!("CARGO_BIN_EXE_sync-lambda").into(),
        (None, "auth-sync-lambda") => env!("CARGO_BIN_EXE_auth-sync-lambda").into(),
        (None, "google-token-authorizer") => env!("CARGO_BIN_EXE_google-token-authorizer").into(),
        (None, _) => panic!("there is no function {name}"),
    }
}

/// One call of the stack: which function answers it, and whether only with a token.
#[derive(serde::Deserialize)]
pub(crate) struct Route {
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) function: String,
    pub(crate) token: bool,
}

/// The calls as the stack has them.
pub(crate) fn routes() -> Vec<Route> {
    serde_json::from_str(include_str!("../../../infrastructure/routes.json")).unwrap()
}

/// The API, and what is behind it.
pub(crate) struct World {
    pub(crate) google: Google,
    pub(crate) pool: Pool,
    pub(crate) gateway: Gateway,
    pub(crate) authorizer: Arc<RuntimeApi>,
    pub(crate) functions: BTreeMap<String, Arc<RuntimeApi>>,
    environment: Vec<(String, String)>,
}

impl World {
    pub(crate) async fn start() -> Self {
        Self::with(&[("HAUMANA_LOG", "info")]).await
    }

    /// Starts all functions with these variables, too.
    pub(crate) async fn with(variables: &[(&str, &str)]) -> Self {
        let (google, pool) = (Google::start().await.unwrap(), Pool::start().await.unwrap());
        // The first test on a machine builds the emulator, which blocks for minutes.
        let dynamodb = tokio::task::spawn_blocking(endpoint).await.unwrap();
        let tables = Tables::create().await;
        let mut environment = environment(&google, &pool, tables.prefix());
        environment.push(("AWS_ENDPOINT_URL_DYNAMODB".to_owned(), dynamodb.to_owned()));
        let own = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        environment.extend(own);
        let function = async |name: &str| {
            let (program, environment) = (program(name), environment.clone());
            let function = Function { program, environment, timeout: Duration::from_secs(29) };
            Arc::new(RuntimeApi::start(function).await.unwrap())
        };
        let authorizer = function("google-token-authorizer").await;
        let responses = include_str!("../../../infrastructure/gateway-responses.json");
        let responses = serde_json::from_str(responses).unwrap();
        let cache_for = Duration::from_secs(300);
        let mut gateway = Gateway::new(Arc::clone(&authorizer), cache_for, responses);
        let mut functions = BTreeMap::new();
        for route in routes() {
            if !functions.contains_key(&route.function) {
                functions.insert(route.function.clone(), function(&route.function).await);
            }
            let token = if route.token { Token::Needed } else { Token::Ignored };
            gateway = gateway.route(&route.method, &route.path, token, &functions[&route.function]);
        }
        Self { google, pool, gateway, authorizer, functions, environment }
    }

    /// The functions of an HTTP API, on the same tables.
    pub(crate) async fn http_api(&self, variables: &[(&str, &str)]) -> HttpApi {
        let mut environment = self.environment.clone();
        environment.push(("HAUMANA_VERIFY".to_owned(), "true".to_owned()));
        let own = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        environment.extend(own);
        let mut functions = BTreeMap::new();
        for route in routes() {
            if functions.contains_key(&route.function) {
                continue;
            }
            let mut environment = environment.clone();
            if route.function == "auth-sync-lambda" {
                environment.retain(|(name, _)| name != "HAUMANA_VERIFY");
            }
            let (program, timeout) = (program(&route.function), Duration::from_secs(29));
            let function = Function { program, environment, timeout };
            functions.insert(route.function, Arc::new(RuntimeApi::start(function).await.unwrap()));
        }
        let api = HttpApi::new(Arc::clone(&functions["sync-lambda"]));
        routes().iter().fold(api, |api, route| {
            api.route(&route.method, &route.path, &functions[&route.function])
        })
    }

    /// A `sync-pieces-lambda` behind a gateway that passes on text alone, on the same tables.
    pub(crate) async fn text_function(&self) -> RuntimeApi {
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| name != "HAUMANA_BINARY_REPLIES");
        let (program, timeout) = (program("sync-pieces-lambda"), Duration::from_secs(29));
        RuntimeApi::start(Function { program, environment, timeout }).await.unwrap()
    }

    /// A `sync-pieces-lambda` that has this long for each event, on the same tables.
    pub(crate) async fn pieces_function(&self, timeout: Duration) -> RuntimeApi {
        let (program, environment) = (program("sync-pieces-lambda"), self.environment.clone());
        RuntimeApi::start(Function { program, environment, timeout }).await.unwrap()
    }

    /// A function by its name on the same tables, with these variables instead of its own.
    pub(crate) async fn function(&self, name: &str, variables: &[(&str, &str)]) -> RuntimeApi {
        let mut environment = self.environment.clone();
        environment.retain(|(name, _)| {
            name != "HAUMANA_BINARY_REPLIES" && variables.iter().all(|(other, _)| other != name)
        });
        let own = variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        environment.extend(own);
        let (program, timeout) = (program(name), Duration::from_secs(29));
        RuntimeApi::start(Function { program, environment, timeout }).await.unwrap()
    }

    /// Sends JSON with the token of `sub`.
    pub(crate) async fn post(&self, sub: &str, path: &str, body: &Value) -> (u16, Value) {
        let request = request("POST", path, Some(&self.google.token(sub)), body);
        read(&self.gateway.request(&request).await)
    }

    /// Sends anything with the token of `sub`.
    pub(crate) async fn send(
        &self,
        sub: &str,
        method: &str,
        path: &str,
        body: &Value,
    ) -> (u16, Value) {
        let request = request(method, path, Some(&self.google.token(sub)), body);
        read(&self.gateway.request(&request).await)
    }

    /// Asks for something with the token of `sub`.
    pub(crate) async fn get(&self, sub: &str, path: &str) -> (u16, Value) {
        let request = request("GET", path, Some(&self.google.token(sub)), &Value::Null);
        read(&self.gateway.request(&request).await)
    }

    /// Everything that all functions ever printed.
    pub(crate) fn output(&self) -> String {
        let all = self.functions.values().chain([&self.authorizer]);
        all.map(|function| function.output()).collect()
    }
}

/// The variables that the stack sets, and Lambda's own.
pub(crate) fn environment(google: &Google, pool: &Pool, prefix: &str) -> Vec<(String, String)> {
    let variables = [
        ("HAUMANA_TABLE_PREFIX", prefix),
        ("HAUMANA_GENERATION", "0"),
        ("HAUMANA_RETENTION_DAYS", "90"),
        ("HAUMANA_GOOGLE_CLIENT_IDS", CLIENT_ID),
        ("HAUMANA_GOOGLE_KEY_SET", google.key_set()),
        ("HAUMANA_USER_POOL_ID", "us-west-2_test"),
        ("HAUMANA_BINARY_REPLIES", "true"),
        ("AWS_REGION", "us-west-2"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL_COGNITO_IDENTITY_PROVIDER", pool.address()),
    ];
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

pub(crate) fn request(method: &str, path: &str, token: Option<&str>, body: &Value) -> HttpRequest {
    let mut headers = vec![("content-type".to_owned(), "application/json".to_owned())];
    headers.extend(token.map(|token| ("authorization".to_owned(), format!("Bearer {token}"))));
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    HttpRequest { method: method.to_owned(), path: path.to_owned(), headers, body }
}

/// What the authorizer says of `sub`, good for a long time.
pub(crate) fn vouched(sub: &str) -> Map<String, Value> {
    Map::from_iter([("userId".to_owned(), json!(sub)), ("exp".to_owned(), json!("4102444800"))])
}

pub(crate) fn read(reply: &HttpReply) -> (u16, Value) {
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}

/// A piece as the app on people's phones sends it.
pub(crate) fn piece(id: &str, sub: &str, title: &str, lyrics: &str) -> Value {
    json!({
        "pieceId": id, "userId": sub, "title": title, "category": "oli", "lyrics": lyrics,
        "includeInPractice": true, "isFavorite": false, "createdAt": "2026-06-18T12:00:00Z",
        "modifiedAt": "2026-06-18T12:00:00Z", "version": 1, "locallyModified": true,
    })
}
