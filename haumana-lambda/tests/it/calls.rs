//! Every call that the stack has, through gateway, authorizer and the function that answers it.

use crate::world::{World, piece, read, request, routes};
use serde_json::{Value, json};
use std::collections::BTreeSet;

const ID: &str = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";
/// Two installations of a new client.
const LAPTOP: &str = "c3d9a1f4-7b62-4e0e-9a35-61f08d2be7c4";
const TABLET: &str = "1f7b2e90-44c8-4d57-b0a6-e95c3a7d8f12";
const SESSION: &str = "0B6E6C1E-0C4A-4C7B-8B1E-2F9D8A7C6B5A";

/// Somebody who asks, and remembers which of the stack's calls.
struct Caller<'a> {
    world: &'a World,
    asked: BTreeSet<(String, String)>,
}

impl Caller<'_> {
    /// Asks as `sub`, with `id` for what stands in braces; returns the reply, which is to be `status`.
    async fn ask(&mut self, sub: &str, call: &str, id: &str, body: &Value, status: u16) -> Value {
        let (method, template) = call.split_once(' ').unwrap();
        self.asked.insert((method.to_owned(), template.to_owned()));
        let path = template.replace("{id}", id).replace("{me}", id).replace("{kind}", "piece");
        let token = self.world.google.token(sub);
        let request = request(method, &path, Some(&token), body);
        let (got, reply) = read(&self.world.gateway.request(&request).await);
        assert_eq!(status, got, "{call}: {reply}");
        reply
    }
}

/// An edit of the title by one device.
fn edit(device: &str, base: Value, second: u8, title: &str) -> Value {
    let at = format!("2026-06-18T12:00:0{second}.000Z");
    let set = json!({"title": title, "category": "oli", "lyrics": "Onaona i ka hala"});
    json!({"deviceId": device, "cursor": null, "push": [
        {"kind": "piece", "id": ID, "base": base, "editedAt": at, "set": set},
    ]})
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_the_stack_is_answered_by_its_function() {
    let world = World::start().await;
    let mut caller = Caller { world: &world, asked: BTreeSet::new() };

    app(&mut caller).await;
    inbox_and_history(&mut caller).await;
    account(&mut caller).await;
    about(&mut caller).await;

    let all = routes().into_iter().map(|route| (route.method, route.path));
    assert_eq!(all.collect::<BTreeSet<_>>(), caller.asked, "every call, and no other");
}

/// The app on people's phones.
async fn app(caller: &mut Caller<'_>) {
    let pieces = json!({"operation": "sync", "pieces": [piece(ID, "app", "E Hō Mai", "E hō mai")]});
    let reply = caller.ask("app", "POST /pieces", "", &pieces, 200).await;
    assert_eq!(ID, reply["updatedPieces"][0]["pieceId"]);
    let session = json!({
        "sessionId": SESSION, "userId": "app", "pieceId": ID,
        "startedAt": "2026-06-18T12:00:00Z", "createdAt": "2026-06-18T12:00:00Z",
    });
    let sessions = json!({"sessions": [session]});
    let reply = caller.ask("app", "POST /sessions", "", &sessions, 200).await;
    assert_eq!(1, reply["uploadedSessions"].as_array().unwrap().len(), "{reply}");
    let sign_in = json!({"googleIdToken": caller.world.google.token("kai")});
    let reply = caller.ask("kai", "POST /auth/sync", "", &sign_in, 200).await;
    assert_eq!("google_kai", reply["user"]["username"]);
    assert_eq!(vec!["google_kai".to_owned()], caller.world.pool.users());
}

/// Two devices write one title; what lost is found, put back, and undone again.
async fn inbox_and_history(caller: &mut Caller<'_>) {
    caller.ask("kai", "POST /sync", "", &edit(TABLET, Value::Null, 0, "Oli"), 200).await;
    caller.ask("kai", "POST /sync", "", &edit(TABLET, json!(1), 1, "Oli Aloha"), 200).await;
    let reply =
        caller.ask("kai", "POST /sync", "", &edit(LAPTOP, json!(1), 2, "Oli ʻOe"), 200).await;
    assert_eq!("merged", reply["results"][0]["outcome"], "{reply}");

    let open = caller.ask("kai", "GET /conflicts", "", &Value::Null, 200).await;
    assert_eq!("Oli Aloha", open["conflicts"][0]["lost"], "{open}");
    let conflict = open["conflicts"][0]["conflictId"].as_str().unwrap();
    let restore = json!({"resolution": "restore"});
    caller.ask("kai", "POST /conflicts/{id}", conflict, &restore, 200).await;
    let keep = json!({"resolution": "keep"});
    let refused = caller.ask("kai", "POST /conflicts/{id}", conflict, &keep, 409).await;
    assert_eq!("conflict_closed", refused["code"]);

    let history = caller.ask("kai", "GET /pieces/{id}/history", ID, &Value::Null, 200).await;
    let versions = history["versions"].as_array().map_or(0, Vec::len);
    assert_eq!(4, versions, "three edits and a restored value: {history}");
    caller.ask("kai", "POST /pieces/{id}/restore", ID, &json!({"version": 1}), 200).await;
    // The same record by its kind: the same versions, and the request is known.
    let call = "GET /records/{kind}/{id}/history";
    let history = caller.ask("kai", call, ID, &Value::Null, 200).await;
    assert_eq!(
        (json!("piece"), json!(5)),
        (history["kind"].clone(), history["versions"][0]["version"].clone())
    );
    let call = "POST /records/{kind}/{id}/restore";
    let again = caller.ask("kai", call, ID, &json!({"version": 1}), 200).await;
    assert_eq!(json!(true), again["unchanged"], "{again}");
    let all = json!({"deviceId": LAPTOP, "cursor": null});
    let pulled = caller.ask("kai", "POST /sync", "", &all, 200).await;
    assert_eq!("Oli", pulled["changes"][0]["value"]["title"], "{pulled}");
}

/// Everything of an account is taken into another one, and erased.
async fn account(caller: &mut Caller<'_>) {
    let export = caller.ask("kai", "GET /users/{me}/export", "me", &Value::Null, 200).await;
    assert_eq!("Oli", export["pieces"][0]["title"], "{export}");
    caller.ask("kai", "GET /users/{me}/export", "hina", &Value::Null, 403).await;
    let imported = caller.ask("hina", "POST /users/{me}/import", "me", &export, 200).await;
    assert_eq!((json!(1), json!(true)), (imported["pieces"].clone(), imported["done"].clone()));

    let at = export["exportDate"].clone();
    let tried = json!({"to": at, "dryRun": true});
    let rewound = caller.ask("kai", "POST /users/{me}/rewind", "me", &tried, 200).await;
    assert_eq!(json!([0, 0]), json!([rewound["changed"], rewound["kept"]]), "{rewound}");

    let all = json!({"deviceId": LAPTOP, "cursor": null});
    let before = caller.ask("kai", "POST /sync", "", &all, 200).await;
    caller.ask("kai", "DELETE /users/{me}", "kai", &Value::Null, 204).await;
    assert!(caller.world.pool.users().is_empty(), "the directory forgets who was erased");
    let stale = json!({"deviceId": LAPTOP, "cursor": before["cursor"]});
    let told = caller.ask("kai", "POST /sync", "", &stale, 410).await;
    assert_eq!("gone", told["code"], "a stale device is told");
    let other = caller.ask("hina", "POST /sync", "", &all, 200).await;
    assert_eq!("Oli", other["changes"][0]["value"]["title"], "nobody else is erased");
}

/// What needs no token.
async fn about(caller: &mut Caller<'_>) {
    let limits = caller.ask("kai", "GET /limits", "", &Value::Null, 200).await;
    assert!(limits.to_string().contains("4500000"), "the host's own limits: {limits}");
    caller.ask("kai", "GET /health", "", &Value::Null, 200).await;
    let schema = caller.ask("kai", "GET /schema", "", &Value::Null, 200).await;
    assert_eq!("piece", schema["kind"][0]["name"]);
    let document = caller.ask("kai", "GET /openapi.json", "", &Value::Null, 200).await;
    assert!(document["openapi"].is_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_token_nothing_is_answered_but_what_needs_none() {
    let world = World::start().await;

    for route in routes().into_iter().filter(|route| route.path != "/auth/sync") {
        let path = route.path.replace("{id}", ID).replace("{me}", "me").replace("{kind}", "piece");
        let reply = world.gateway.request(&request(&route.method, &path, None, &json!({}))).await;
        assert_eq!(if route.token { 401 } else { 200 }, reply.status, "{} {path}", route.method);
        // The function itself refuses too, should the gateway ever let somebody in.
        if route.token {
            let request = request(&route.method, &path, None, &json!({}));
            let event = haumana_lambda::testing::proxy_event(&request, &route.path, None);
            let function = &world.functions[&route.function];
            let answer = function.invoke(event.to_string().as_bytes()).await.unwrap();
            assert_eq!(json!(401), answer["statusCode"], "{} {path}", route.method);
        }
    }
}
