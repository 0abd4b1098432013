//! Prints the OpenAPI document, as it is checked in at the root of the repository.

fn main() {
    println!("{:#}", haumana_api::openapi());
}
