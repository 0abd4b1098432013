//! A function with calls that go wrong, for the tests: `/panic` panics, `/hang` never answers and
//! `/freeze` keeps the thread besides. Everything else is the API, in memory.

use axum::Router;
use axum::routing::get;
use haumana_api::{Api, ApiConfig, Auth, Exports, SystemClock, SystemRandom};
use haumana_lambda::event::Replies;
use haumana_lambda::function::Function;
use haumana_lambda::{REPLY_BYTES, REQUEST_BYTES, serve};
use haumana_store_dynamo::RequestDeadline;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::store::{Generation, MemoryStore};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

fn main() -> ExitCode {
    serve(|| {
        let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
        let engine_config = EngineConfig::new(Generation(0));
        let store = Arc::new(MemoryStore::new());
        let engine = Engine::new(store, clock.clone(), random.clone(), engine_config);
        let mut config = ApiConfig::of_a_server();
        config.request_limit_bytes = REQUEST_BYTES;
        config.reply_limit_bytes = REPLY_BYTES;
        config.exports = Exports::Bounded;
        config.body_timeout = Duration::from_secs(1);
        let api = Api::new(Arc::new(engine), Auth::Trusted, random, config);
        Ok(Function {
            door: None,
            router: haumana_api::router_beside(api, routes()),
            life: None,
            replies: Replies::Binary,
            clock,
            deadline: Arc::new(RequestDeadline::new()),
            store: None,
            is_warm: AtomicBool::new(false),
            namespace: "Haumana".to_owned(),
        })
    })
}

fn routes() -> Router {
    Router::new()
        .route("/panic", get(panics))
        .route("/hang", get(std::future::pending::<()>))
        .route("/freeze", get(async || std::thread::sleep(Duration::from_secs(3600))))
}

async fn panics() {
    panic!("on purpose");
}
