//! One function of the API: the steps around every event.
//!
//! The steps of an event:
//!
//! 1. It becomes a request, and the deadline is set: the end of the invocation, less [`MARGIN`].
//! 2. The user is found, from the authorizer's context or by verifying the token.
//! 3. If there is a user, the tables are asked once in which generation they are. Calls that need
//!    no user, such as `/health`, need no generation.
//! 4. The router answers, or the time is over and the answer is 503 with `Retry-After`.
//! 5. One line of metrics is printed.
//! 6. The cost of the call is charged to the account.
//! 7. The reply becomes an answer to the event.
//!
//! Without the deadline of step 4 Lambda would end the process when the time is over. The client
//! would see an error of the gateway, and the next event would start a new process.
//!
//! What was committed before the time was over stays. If the client repeats the request, that
//! changes nothing more.

use crate::event::{NotAnEvent, Replies, read_request, write_response};
use crate::life::Life;
use crate::metrics::{Sample, Verdict};
use aws_lambda_events::apigw::ApiGatewayProxyResponse;
use axum::Router;
use axum::body::Body;
use axum::http::header::{ACCEPT_ENCODING, AUTHORIZATION};
use axum::http::{Extensions, Method, Request, Response, StatusCode};
use haumana_api::out_of_time;
use haumana_app::wire::Counts;
use haumana_auth::authorizer::{self, Asked, ask_caller};
use haumana_auth::{Callers, OidcVerifier};
use haumana_store_dynamo::{Consumed, DynamoStore, RequestDeadline};
use haumana_sync::engine::Clock;
use haumana_sync::id::UserId;
use haumana_sync::store::Error;
use lambda_http::lambda_runtime::LambdaEvent;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use tower::ServiceExt as _;

/// How long before the end of an invocation the client gets 503, so that the reply still gets out.
/// The store gives up a little earlier.
///
/// In that time the metrics, the charge and the answer are written.
pub const MARGIN: Duration = Duration::from_millis(400);

/// A function of the API.
#[derive(Debug)]
pub struct Function {
    /// Verifies tokens. `None`: the gateway has asked an authorizer, and its answer counts.
    ///
    /// With a door, the context of the event is not used.
    pub door: Option<Door>,
    /// Answers requests. If there is a [`Life`], only requests without a user.
    pub router: Router,
    /// Answers requests with a user, in the right generation. `None`: there are no tables.
    pub life: Option<Life>,
    /// Which replies the gateway passes on.
    pub replies: Replies,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The time until which the store may go on.
    pub deadline: Arc<RequestDeadline>,
    /// The store behind the router, which knows what it consumes. `None`: there is no store.
    pub store: Option<Arc<DynamoStore>>,
    /// Whether an earlier event was answered.
    ///
    /// The first event of a process is counted as a cold start.
    pub is_warm: AtomicBool,
    /// The namespace of the metrics in CloudWatch.
    pub namespace: String,
}

/// Verifies tokens in a function behind an HTTP API.
///
/// The HTTP API of the stack asks no authorizer before the function runs.
#[derive(Debug)]
pub struct Door {
    /// Verifies tokens.
    pub verifier: OidcVerifier,
    /// The users that an operator has blocked.
    ///
    /// A blocked caller gets 403, as from an authorizer that denies.
    pub callers: Callers,
}

/// Millionths of a dollar for one call, whatever it does: API Gateway 3.50 (a REST API; an HTTP API
/// takes 1.00 for each half megabyte, which is as much for the app's syncs), an invocation 0.20,
/// and 50 ms of 512 MB 0.42. The prices come from `infrastructure/cdk/lib/prices.ts`; a test of the
/// stack compares these numbers with them.
pub const CALL_COST: f64 = 4.1;
/// Millionths of a dollar for one read unit.
pub const READ_COST: f64 = 0.125;
/// Millionths of a dollar for one write unit.
pub const WRITE_COST: f64 = 0.625;

/// The answer if the tables did not say in which generation they are.
///
/// 503: the next event asks again.
fn refused(error: &Error) -> Response<Body> {
    tracing::error!(status = 503, reason = "store", detail = %error, "request");
    out_of_time()
}

fn extension<T: Clone + Send + Sync + 'static>(value: Option<T>) -> Extensions {
    let mut extensions = Extensions::new();
    value.map(|value| extensions.insert(value));
    extensions
}

/// Millionths of a dollar that a call has cost the operator.
///
/// Failed calls are charged too, apart from those that were refused with 429.
fn cost(consumed: &Consumed) -> f64 {
    CALL_COST + READ_COST * consumed.read_units + WRITE_COST * consumed.write_units
}

impl Function {
    /// Answers one event, before its time is over.
    ///
    /// It prints the line of metrics in any case, unless the event is not API Gateway's.
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
        let left_ms = i64::try_from(event.context.deadline).unwrap_or(i64::MAX) - now.0;
        let left = Duration::from_millis(u64::try_from(left_ms).unwrap_or(0));
        let start = Instant::now();
        let until = start + left.saturating_sub(MARGIN);
        self.deadline.set(until);
        let is_sign_in = request.method() == Method::POST && request.uri().path() == "/auth/sync";
        let (user, verdict) = self.caller(&mut request, &context, until).await;
        let answer = async {
            let router = match (&self.life, &user) {
                // Boxed, because it is needed once and its type is large.
                (Some(life), Some(_)) => match Box::pin(life.router()).await {
                    Ok(router) => router,
                    Err(error) => return refused(&error),
                },
                _ => self.router.clone(),
            };
            let Ok(response) = router.oneshot(request).await;
            response
        };
        let response = match timeout_at(until, answer).await {
            Ok(response) => response,
            Err(_) => {
                // The router writes a line for every request, but it was cut off.
                tracing::warn!(status = 503, reason = "out_of_time", "request");
                out_of_time()
            }
        };
        let verdict = verdict.or_else(|| verdict_of_sign_in(response.status(), is_sign_in));
        let sample = Sample { verdict, ..self.sample(&response, start.elapsed()) };
        println!("{}", sample.line(&self.namespace, now));
        // A refused request is not charged. So a client that repeats for long is served again soon
        // after it stops.
        let is_refused = sample.status == StatusCode::TOO_MANY_REQUESTS.as_u16();
        if let (Some(store), Some(user), false) = (&self.store, &user, is_refused) {
            store.charge(user, cost(&sample.consumed)).await;
        }
        Ok(write_response(response, self.replies).await)
    }

    /// Puts the user into the request. Without a user the router answers 401, or serves a call that
    /// needs none.
    async fn caller(
        &self,
        request: &mut Request<Body>,
        context: &Value,
        until: Instant,
    ) -> (Option<UserId>, Option<Verdict>) {
        let Some(door) = &self.door else {
            let user = authorizer::user(context, self.clock.now()).ok();
            request.extensions_mut().extend(extension(user.clone()));
            return (user, None);
        };
        let headers = request.headers().get_all(AUTHORIZATION).iter();
        // A value that is not text is not a token either.
        let headers: Vec<&str> =
            headers.map(|header| header.to_str().unwrap_or_default()).collect();
        let asked = ask_caller(&door.verifier, &door.callers, &headers);
        let asked = timeout_at(until, asked).await.unwrap_or(Some(Asked::Unverified));
        let verdict = asked.as_ref().map(|asked| match asked {
            Asked::User(_) | Asked::Blocked => Verdict::Good,
            Asked::Refused(_) => Verdict::Refused,
            Asked::Unverified => Verdict::Unverified,
        });
        let user = match &asked {
            Some(Asked::User(user)) => Some(user.clone()),
            _ => None,
        };
        request.extensions_mut().extend(extension(user.clone()));
        request.extensions_mut().extend(extension(asked));
        (user, verdict)
    }

    /// It takes what the store has consumed since the last sample, so call it once for each event.
    fn sample(&self, response: &Response<Body>, time: Duration) -> Sample {
        Sample {
            status: response.status().as_u16(),
            time,
            sync: response.extensions().get::<Counts>().copied(),
            consumed: self.store.as_ref().map(|store| store.take_consumed()).unwrap_or_default(),
            verdict: None,
            is_cold: !self.is_warm.swap(true, Ordering::Relaxed),
        }
    }
}

/// What a sign-in says of its token, which is in its body: no authorizer sees it.
fn verdict_of_sign_in(status: StatusCode, is_sign_in: bool) -> Option<Verdict> {
    match status {
        StatusCode::OK if is_sign_in => Some(Verdict::Good),
        StatusCode::UNAUTHORIZED if is_sign_in => Some(Verdict::Refused),
        _ => None,
    }
}
