//! Prints the OpenAPI document of every call, as it is checked in at the root of the repository.

use haumana_api::{Host, Served, openapi};

fn main() {
    let schema = haumana_sync::repertoire::schema();
    println!("{:#}", openapi(&schema, &Served::all(), &Host::with_id_tokens()));
}
