//! The meaning of Cognito's errors.

use aws_sdk_cognitoidentityprovider::error::{ProvideErrorMetadata, SdkError};
use haumana_api::directory::{DirectoryError, DirectoryErrorKind};

/// Codes after which the same call may succeed a little later.
const PASSING: [&str; 3] =
    ["TooManyRequestsException", "InternalErrorException", "LimitExceededException"];

/// Makes our error of an error of Cognito.
///
/// COGNITO: messages quote what was sent, such as the user name, so only the code is kept.
pub(crate) fn failure<E: ProvideErrorMetadata>(
    op: &'static str,
    error: &SdkError<E>,
) -> DirectoryError {
    let SdkError::ServiceError(refused) = error else {
        // The request was not sent, or the answer cannot be understood.
        return DirectoryError::new(op, DirectoryErrorKind::Unavailable).caused_by(cause(error));
    };
    let code = refused.err().code().unwrap_or("no code");
    let is_passing = PASSING.contains(&code) || 500 <= refused.raw().status().as_u16();
    let kind = match is_passing {
        true => DirectoryErrorKind::Unavailable,
        false => DirectoryErrorKind::Refused,
    };
    DirectoryError::new(op, kind).caused_by(code.to_owned())
}

fn cause<E>(error: &SdkError<E>) -> &'static str {
    match error {
        SdkError::ConstructionFailure(_) => "the request could not be made",
        SdkError::TimeoutError(_) => "no answer in time",
        SdkError::DispatchFailure(_) => "no connection",
        _ => "an answer that cannot be read",
    }
}
