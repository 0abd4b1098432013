//! One module per section of the list of attacks.

mod claims;
mod header;
mod key_set;
mod mutations;
mod shape;
mod signature;
