//! Query parameters.

use crate::world::{PIECE, World, ask};

#[tokio::test]
async fn a_query_that_a_list_does_not_take_is_refused() {
    let world = World::new();
    let history = format!("/pieces/{PIECE}/history");

    for query in [
        "limit=0",
        "limit=201",
        "limit=-1",
        "limit=x",
        "limit=",
        "limit=1&limit=2",
        "limt=5",
        "limit=99999999999999999999",
        "%ff=1",
    ] {
        for path in ["/conflicts", &history] {
            let answer = world.send(ask("GET", &format!("{path}?{query}"))).await;
            answer.failed(400, "invalid_request");
        }
    }
    for query in ["after=", "after=x", "after=AAAA", "before=1"] {
        let answer = world.send(ask("GET", &format!("/conflicts?{query}"))).await;
        answer.failed(400, "invalid_request");
    }
    for query in ["before=0", "before=x", "before=4294967296", "after=1"] {
        let answer = world.send(ask("GET", &format!("{history}?{query}"))).await;
        answer.failed(400, "invalid_request");
    }
    world.store_was_not_called();
}

#[tokio::test]
async fn the_largest_page_and_escaped_digits_are_taken() {
    let world = World::new();

    for query in ["limit=1", "limit=200", "limit=%31", ""] {
        world.get(&format!("/conflicts?{query}")).await;
    }
}
