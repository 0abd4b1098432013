//! Prints the tables that the store needs, as `tables.json` holds them.

fn main() {
    print!("{}", haumana_store_dynamo::definitions(haumana_store_dynamo::DEFAULT_PREFIX));
}
