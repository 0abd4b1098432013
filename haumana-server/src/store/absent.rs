//! Replaces a store that was not built in: an error that says how to get it.
//!
//! It has the functions of a store, so that `store` is the same in all builds. A build without a
//! store still knows that store's options. So the error names the missing feature, and does not
//! call the option unknown.

use super::{Opened, Operated};
use crate::args::Args;
use crate::problem::Problem;
use haumana_sync::schema::Schema;

/// Always [`Problem::NotBuiltIn`].
pub(super) async fn open(args: &Args, _: &Schema) -> Result<Opened, Problem> {
    Err(Problem::NotBuiltIn(args.store))
}

pub(super) async fn operate(args: &Args, _: &Schema) -> Result<Operated, Problem> {
    Err(Problem::NotBuiltIn(args.store))
}

pub(super) async fn replay_erasures(
    args: &Args,
    _: &Schema,
    _: &str,
) -> Result<(Operated, usize), Problem> {
    Err(Problem::NotBuiltIn(args.store))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use haumana_sync::repertoire;

    #[tokio::test]
    async fn a_store_that_is_not_built_in_is_named_with_the_feature_that_builds_it_in() {
        for name in ["postgres", "dynamodb"] {
            let args = Args::parse_from(["haumana-server", "--store", name]);
            let schema = repertoire::schema();

            let problems = [
                open(&args, &schema).await.err(),
                operate(&args, &schema).await.err(),
                replay_erasures(&args, &schema, "").await.err(),
            ];

            for problem in problems {
                let said = problem.unwrap().to_string();
                assert!(said.contains("[not_built_in]"), "the code stays: {said}");
                assert!(said.ends_with(&format!("--features {name}")), "{said}");
            }
        }
    }
}
