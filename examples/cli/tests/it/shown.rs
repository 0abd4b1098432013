//! What is found, and what is shown.

use crate::world::World;

#[test]
fn an_exact_title_is_not_ambiguous_beside_one_that_differs_in_case_or_okina() {
    let world = World::start();
    world.devices(&["phone"]);
    let titles = ["Aloha ʻOe", "Aloha 'Oe", "aloha ʻoe", "ALOHA OE"];
    for title in titles {
        world.ok("phone", &["add", title]);
    }

    for title in titles {
        assert_eq!(title, world.json("phone", &["show", title])["title"]);
    }
    assert_eq!(3, world.run("phone", &["delete", "aloha"]).code, "a part of all of them");
    assert_eq!(
        3,
        world.run("phone", &["delete", "", "--discard-edits"]).code,
        "nothing names none"
    );
}
