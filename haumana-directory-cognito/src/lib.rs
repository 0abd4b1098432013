//! [`UserDirectory`](haumana_api::directory::UserDirectory) in a user pool of Amazon Cognito.
//!
//! ```no_run
//! use haumana_directory_cognito::sdk::config::{Credentials, SharedCredentialsProvider};
//! use haumana_directory_cognito::{CognitoDirectory, CognitoOptions};
//! use std::time::Duration;
//!
//! # fn credentials() -> Credentials { unimplemented!() }
//! let credentials = SharedCredentialsProvider::new(credentials());
//! let (region, pool) = ("us-west-2", "us-west-2_a1B2c3D4e");
//! let options = CognitoOptions::new(region, pool, credentials, Duration::from_secs(5));
//! let directory = CognitoDirectory::new(options);
//! ```
//!
//! No message is ever sent to a user, and no password is ever set: people sign in elsewhere. It
//! needs `cognito-idp:AdminGetUser`, `AdminUpdateUserAttributes`, `AdminCreateUser` and, to erase,
//! `AdminDeleteUser`.
//!
//! COGNITO: a pool may ignore the case of user names. That is safe for subjects of Google and
//! Apple. If subjects of an issuer differ by case alone, the pool must be case sensitive.

mod directory;
mod error;

pub use directory::{CognitoDirectory, CognitoOptions};

/// The SDK that this is built on, for hosts that configure a client of their own.
pub use aws_sdk_cognitoidentityprovider as sdk;
