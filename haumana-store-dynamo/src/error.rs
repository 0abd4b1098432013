//! The meaning of DynamoDB's errors: what the caller can do about each.
//!
//! A failed request has one of three meanings, and [`retry`](crate::retry) depends on nothing else:
//! refused for now, so wait; lost, so wait and remember that something may have been done; refused
//! for good.
//!
//! The service's message is thrown away, because it may quote keys and values. The code has no data
//! of users.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use haumana_sync::store::ErrorKind;
use std::fmt;

/// One request that failed.
///
/// It has the service's code and nothing of its message, which may quote the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub class: Class,
    code: String,
}

/// What a failed request means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    /// Refused before any work. The same request may succeed later.
    Throttled,
    /// There was no answer, or the answer does not say what was done.
    Lost,
    /// The same request will be refused again.
    Refused(ErrorKind),
}

impl Failure {
    pub(crate) fn new(class: Class, code: impl Into<String>) -> Self {
        Self { class, code: code.into() }
    }

    /// Reads the error of the SDK.
    ///
    /// A request that could not be dispatched counts as lost: the connection may have failed before
    /// or after it was sent.
    pub(crate) fn of<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> Self {
        match error {
            SdkError::ServiceError(service) => {
                let code = service.err().code().unwrap_or("no code");
                Self::new(class_of(code, service.raw().status().as_u16()), code)
            }
            SdkError::ConstructionFailure(_) => {
                Self::new(Class::Refused(ErrorKind::Unavailable), "request not built")
            }
            SdkError::TimeoutError(_) => Self::new(Class::Lost, "timeout"),
            SdkError::DispatchFailure(_) => Self::new(Class::Lost, "no connection"),
            _ => Self::new(Class::Lost, "unreadable answer"),
        }
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the service said: {}", self.code)
    }
}

impl std::error::Error for Failure {}

/// Returns what a code means, alone or among the reasons of a cancelled transaction.
///
/// An unknown code is refused for good, unless the status says that the service has failed.
pub(crate) fn class_of(code: &str, status: u16) -> Class {
    match code {
        "ProvisionedThroughputExceeded"
        | "ProvisionedThroughputExceededException"
        | "RequestLimitExceeded"
        | "Throttling"
        | "ThrottlingError"
        | "ThrottlingException"
        | "TransactionConflict"
        | "TransactionConflictException" => Class::Throttled,
        // DYNAMODB: the same request, by its token, is in progress.
        "TransactionInProgressException" => Class::Lost,
        // DYNAMODB: a partition of a table with a local index holds at most 10 GB.
        "ItemCollectionSizeLimitExceeded" | "ItemCollectionSizeLimitExceededException" => {
            Class::Refused(ErrorKind::Full)
        }
        _ if 500 <= status => Class::Lost,
        _ => Class::Refused(ErrorKind::Unavailable),
    }
}

/// Why an item cannot be read: the name of the attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an item of ours has no readable attribute {0}")]
pub(crate) struct Bad(pub &'static str);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_partition_is_no_fault_of_the_service_in_either_spelling() {
        for code in ["ItemCollectionSizeLimitExceeded", "ItemCollectionSizeLimitExceededException"]
        {
            assert_eq!(Class::Refused(ErrorKind::Full), class_of(code, 400), "{code}");
        }
    }
}
