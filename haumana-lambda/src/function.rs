//! One function of the API: what happens around every event.

use crate::event::{NotAnEvent, Replies, read_request, write_response};
use crate::metrics::Sample;
use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use axum::Router;
use axum::body::Body;
use axum::http::Response;
use axum::http::header::ACCEPT_ENCODING;
use haumana_api::out_of_time;
use haumana_app::wire::Counts;
use haumana_auth::authorizer;
use haumana_store_dynamo::{DynamoStore, RequestDeadline};
use haumana_sync::engine::Clock;
use lambda_http::lambda_runtime::LambdaEvent;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;

/// How long before the end of an invocation the client is told to try again later, so that the
/// reply still gets out. The store gives up a little before.
pub const MARGIN: Duration = Duration::from_millis(400);

/// A function of the API.
#[derive(Debug)]
pub struct Function {
    /// What answers.
    pub router: Router,
    /// Which replies the gateway passes on.
    pub replies: Replies,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Until when the store may go on.
    pub deadline: Arc<RequestDeadline>,
    /// The store behind the router, for what it consumes; `None`: there is none.
    pub store: Option<Arc<DynamoStore>>,
    /// Whether an event was seen already.
    pub is_warm: AtomicBool,
}

impl Function {
    /// Answers one event, before its time is up.
    ///
    /// # Errors
    ///
    /// [`NotAnEvent`] if the event is not API Gateway's.
    pub async fn answer(
        &self,
        event: LambdaEvent<Box<RawValue>>,
    ) -> Result<ApiGatewayProxyResponse, NotAnEvent> {
        let (mut request, context) = read_request(&event.payload)
            .inspect_err(|not| tracing::error!(detail = %not, "event"))?;
        if self.replies == Replies::Text {
            request.headers_mut().remove(ACCEPT_ENCODING);
        }
        let now = self.clock.now();
        // Without a user the router answers 401 itself, or serves a call that needs none.
        if let Ok(user) = authorizer::user(&context, now) {
            request.extensions_mut().insert(user);
        }
        let left_ms = i64::try_from(event.context.deadline).unwrap_or(i64::MAX) - now.0;
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        let until = Instant::now() + left.saturating_sub(MARGIN);
        self.deadline.set(until);
        let response = match timeout_at(until, self.router.clone().oneshot(request)).await {
            Ok(Ok(response)) => response,
            Err(_) => {
                // The router, which logs every request, was cut off.
                tracing::warn!(status = 503, reason = "out_of_time", "request");
                out_of_time()
            }
        };
        let name = &event.context.env_config.function_name;
        println!("{}", self.sample(&response).line(name, now));
        Ok(write_response(response, self.replies).await)
    }

    fn sample(&self, response: &Response<Body>) -> Sample {
        Sample {
            sync: response.extensions().get::<Counts>().copied(),
            consumed: self.store.as_ref().map(|store| store.take_consumed()).unwrap_or_default(),
            is_cold: !self.is_warm.swap(true, Ordering::Relaxed),
        }
    }
}
