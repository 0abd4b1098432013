//! The functions with the schema of another app.

use crate::world::World;
use haumana_sync::schema::Schema;
use serde_json::{Value, json};

const RECIPES: &str = "../examples/recipes/recipes.toml";
const ID: &str = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";

/// A push of one recipe by one device.
fn push(device: &str, base: Value, set: &Value) -> Value {
    let edit = json!({"kind": "recipe", "id": ID, "base": base,
        "editedAt": "2026-06-18T12:00:00.000Z", "set": set});
    json!({"deviceId": device, "cursor": null, "push": [edit]})
}

#[tokio::test(flavor = "multi_thread")]
async fn two_devices_edit_a_record_of_another_apps_kind_and_both_edits_stay() {
    let world = World::with(&[("HAUMANA_SCHEMA", RECIPES)]).await;
    let made = push("phone", Value::Null, &json!({"title": "Poi", "steps": "Steam\nPound\n"}));
    let (status, reply) = world.post("cook", "/sync", &made).await;
    assert_eq!(200, status, "{reply}");
    let base = reply["results"][0]["version"].clone();

    let laptop = push("laptop", base.clone(), &json!({"steps": "Steam\nPound long\n"}));
    world.post("cook", "/sync", &laptop).await;
    let phone = json!({"steps": "Peel\nSteam\nPound\n", "cooked": {"phone": [1, 0]}});
    world.post("cook", "/sync", &push("phone", base, &phone)).await;

    let everything = json!({"deviceId": "reader", "cursor": null});
    let (_, reply) = world.post("cook", "/sync", &everything).await;
    let record = &reply["changes"][0];
    assert_eq!("Peel\nSteam\nPound long\n", record["value"]["steps"], "{reply}");
    assert_eq!(json!({"phone": [1, 0]}), record["value"]["cooked"], "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_functions_show_their_schema_and_answer_404_to_the_calls_of_pieces() {
    let world = World::with(&[("HAUMANA_SCHEMA", RECIPES)]).await;
    let text = std::fs::read_to_string(RECIPES).unwrap();

    let (status, shown) = world.get("cook", "/schema").await;

    let wanted = Schema::from_file(RECIPES, &text).unwrap();
    assert_eq!((200, Ok(wanted)), (status, Schema::from_json(&shown.to_string())));
    for call in ["/pieces", "/sessions"] {
        let (status, reply) = world.post("cook", call, &json!({})).await;
        assert_eq!((404, "not_found"), (status, reply["code"].as_str().unwrap()), "{call}");
    }
}
