//! One function of the API: what happens around every event.
//!
//! What happens to an event, in order:
//!
//! 1. It becomes a request, and the deadline is set: the end of the invocation, less [`MARGIN`].
//! 2. Who asks is found out, from the authorizer's context or by verifying the token.
//! 3. If there is a user, the tables are asked once in which generation they are. Calls that are
//!    nobody's, such as `/health`, need no generation.
//! 4. The router answers, or the time is over and the answer is 503 with `Retry-After`.
//! 5. One line of metrics is printed.
//! 6. What the call has cost is charged to the account.
//! 7. The reply becomes an answer.
//!
//! Without the deadline of step 4 Lambda would end the process at the end of the time. The client
//! would see an error of the gateway's, and the next event would start a new process.
//!
//! What was committed before the time was over stays. The client repeats the request, and that
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

/// How long before the end of an invocation the client is told to try again later, so that the
/// reply still gets out. The store gives up a little before.
///
/// The metrics, the charge and the answer are written in that time.
pub const MARGIN: Duration = Duration::from_millis(400);

/// A function of the API.
#[derive(Debug)]
pub struct Function {
    /// Who verifies tokens; `None`: the gateway has asked an authorizer, whose word counts.
    ///
    /// Either one or the other: with a door, the context of the event is not looked at.
    pub door: Option<Door>,
    /// What answers. Where there is a [`Life`], only calls that are nobody's.
    pub router: Router,
    /// In which generation everybody's calls are answered; `None`: there are no tables.
    pub life: Option<Life>,
    /// Which replies the gateway passes on.
    pub replies: Replies,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Until when the store may go on.
    pub deadline: Arc<RequestDeadline>,
    /// The store behind the router, for what it consumes; `None`: there is none.
    pub store: Option<Arc<DynamoStore>>,
    /// Whether an event was seen already.
    ///
    /// The first event of a process is counted as a cold start.
    pub is_warm: AtomicBool,
    /// Where the metrics stand in CloudWatch.
    pub namespace: String,
}

/// What a function verifies tokens with that stands behind an HTTP API.
///
/// The HTTP API of the stack asks no authorizer before the function runs.
#[derive(Debug)]
pub struct Door {
    /// Tells good tokens from others.
    pub verifier: OidcVerifier,
    /// Whom an operator has blocked.
    ///
    /// A blocked caller gets 403, as from an authorizer that denies.
    pub callers: Callers,
}

/// Millionths of a dollar for one call, whatever it does: API Gateway 3.50 (a REST API; an HTTP API
/// takes 1.00 for each half megabyte, which for the app's syncs is as much), an invocation 0.20, and
/// 50 ms of 512 MB 0.42. Where the prices are from stands in `infrastructure/cdk/lib/prices.ts`; a
/// test of the stack holds these against them.
pub const CALL_COST: f64 = 4.1;
/// Millionths of a dollar for one read unit.
pub const READ_COST: f64 = 0.125;
/// Millionths of a dollar for one write unit.
pub const WRITE_COST: f64 = 0.625;

/// The answer where the tables did not say in which generation they are.
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
/// Calls that fail are charged as well, apart from those that were refused with 429.
fn cost(consumed: &Consumed) -> f64 {
    CALL_COST + READ_COST * consumed.read_units + WRITE_COST * consumed.write_units
}

impl Function {
    /// Answers one event, before its time is up.
    ///
    /// # Errors
    ///
    /// [`NotAnEvent`] if the event is not API Gateway's.
    ///
    /// It prints the line of metrics whatever the outcome, except for an event that is none.
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
                // Boxed: it is asked once, and its type is deep.
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
                // The router, which logs every request, was cut off.
                tracing::warn!(status = 503, reason = "out_of_time", "request");
                out_of_time()
            }
        };
        let verdict = verdict.or_else(|| verdict_of_sign_in(response.status(), is_sign_in));
        let sample = Sample { verdict, ..self.sample(&response, start.elapsed()) };
        println!("{}", sample.line(&self.namespace, now));
        // Who was refused is not charged: the account is served again soon after its client ends the
        // loop, however long that was.
        let is_refused = sample.status == StatusCode::TOO_MANY_REQUESTS.as_u16();
        if let (Some(store), Some(user), false) = (&self.store, &user, is_refused) {
            store.charge(user, cost(&sample.consumed)).await;
        }
        Ok(write_response(response, self.replies).await)
    }

    /// Puts into the request who asks. Without a user the router answers 401 itself, or serves a call
    /// that needs none.
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
        // What is no text is no token either.
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

    /// It takes what the store has consumed since the last sample, so it has to be called once an
    /// event.
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
