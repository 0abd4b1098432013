//! The app's whole sync, and the calls of new clients, through gateway, authorizer and functions.

use crate::world::{World, piece, read, request};
use serde_json::{Value, json};

const ID: &str = "6D9A3B1C-52E4-4F0A-9C1D-7E8F90A1B2C3";

fn sync(pieces: &[Value]) -> Value {
    json!({"operation": "sync", "pieces": pieces})
}

#[tokio::test(flavor = "multi_thread")]
async fn two_phones_edit_one_piece_and_neither_edit_is_lost() {
    let world = World::start().await;
    let first = piece(ID, "kai", "E Hō Mai", "E hō mai\nKa ʻike");
    let (status, reply) = world.post("kai", "/pieces", &sync(std::slice::from_ref(&first))).await;
    assert_eq!((200, json!([])), (status, reply["serverPieces"].clone()), "{reply}");
    let version = reply["updatedPieces"][0]["version"].clone();

    // The iPad gets the piece; both change another field of it, without seeing each other.
    let (_, on_the_ipad) = world.post("kai", "/pieces", &sync(&[])).await;
    let mut ipad = on_the_ipad["serverPieces"][0].clone();
    ipad["notes"] = json!("Kāwika taught us");
    ipad["locallyModified"] = json!(true);
    let mut phone = first;
    phone["version"] = version;
    phone["lastSyncedAt"] = json!("2026-06-18T12:00:01Z");
    phone["author"] = json!("Edith Kanakaʻole");
    let (status, _) = world.post("kai", "/pieces", &sync(&[ipad])).await;
    assert_eq!(200, status);
    let (status, reply) = world.post("kai", "/pieces", &sync(&[phone])).await;

    assert_eq!(200, status);
    let merged = &reply["serverPieces"][0];
    assert_eq!(ID, merged["pieceId"]);
    assert_eq!("Kāwika taught us", merged["notes"]);
    assert_eq!("Edith Kanakaʻole", merged["author"]);
    let (_, other) = world.post("hina", "/pieces", &sync(&[])).await;
    assert_eq!(json!([]), other["serverPieces"], "nobody else sees it");
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_travel_and_signing_in_makes_an_entry() {
    let world = World::start().await;
    let session = json!({
        "sessionId": "0B6E6C1E-0C4A-4C7B-8B1E-2F9D8A7C6B5A", "userId": "kai", "pieceId": ID,
        "startedAt": "2026-06-18T12:00:00Z", "createdAt": "2026-06-18T12:00:00Z",
    });

    let (status, reply) = world.post("kai", "/sessions", &json!({"sessions": [session]})).await;
    assert_eq!(200, status, "{reply}");
    assert_eq!(1, reply["uploadedSessions"].as_array().unwrap().len());

    let token = world.google.token("kai");
    let body = json!({"googleIdToken": token});
    let reply = world.gateway.request(&request("POST", "/auth/sync", None, &body)).await;
    let (status, reply) = read(&reply);
    assert_eq!((200, json!("google_kai")), (status, reply["user"]["username"].clone()), "{reply}");
    assert_eq!(vec!["google_kai".to_owned()], world.pool.users());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_of_new_clients_is_answered() {
    let world = World::start().await;
    let push = json!({"deviceId": "ipad", "cursor": null, "push": [{
        "kind": "piece", "id": ID, "base": null, "editedAt": "2026-06-18T12:00:00.000Z",
        "set": {"title": "Oli Aloha", "category": "oli", "lyrics": "Onaona i ka hala"},
    }]});
    let (status, reply) = world.post("kai", "/sync", &push).await;
    assert_eq!((200, json!("applied")), (status, reply["results"][0]["outcome"].clone()));
    let change = json!({"deviceId": "ipad", "cursor": reply["cursor"], "push": [{
        "kind": "piece", "id": ID, "base": 1, "editedAt": "2026-06-18T12:01:00.000Z",
        "set": {"title": "Oli Aloha ʻOe"},
    }]});
    assert_eq!(200, world.post("kai", "/sync", &change).await.0);

    for path in ["/conflicts", &format!("/pieces/{ID}/history"), "/users/me/export"] {
        let (status, reply) = world.get("kai", path).await;
        assert_eq!(200, status, "{path}: {reply}");
    }
    let restore = format!("/pieces/{ID}/restore");
    assert_eq!(200, world.post("kai", &restore, &json!({"version": 1})).await.0);
    for path in ["/limits", "/health", "/openapi.json"] {
        let reply = world.gateway.request(&request("GET", path, None, &Value::Null)).await;
        assert_eq!(200, reply.status, "{path}");
    }
    let (status, limits) =
        read(&world.gateway.request(&request("GET", "/limits", None, &Value::Null)).await);
    assert_eq!(200, status);
    assert!(limits.to_string().contains("4500000"), "the host's own limits: {limits}");

    let token = world.google.token("kai");
    let erase = request("DELETE", "/users/me", Some(&token), &Value::Null);
    assert_eq!(204, world.gateway.request(&erase).await.status);
    let stale = json!({"deviceId": "ipad", "cursor": reply["cursor"], "push": []});
    assert_eq!(410, world.post("kai", "/sync", &stale).await.0, "a stale device is told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repertoire_as_large_as_a_reply_comes_whole_packed_or_not() {
    let world = World::start().await;
    // Every third byte needs a backslash in JSON, and again in the event around it.
    let lyrics = "\"\n ".repeat(40_000);
    let ids = (0..12).map(|n| format!("6D9A3B1C-52E4-4F0A-9C1D-{n:012X}"));
    let pieces: Vec<Value> = ids.map(|id| piece(&id, "kai", "Mele", &lyrics)).collect();
    let (status, reply) = world.post("kai", "/pieces", &sync(&pieces)).await;
    assert_eq!((200, 12), (status, reply["uploadedPieces"].as_array().map_or(0, Vec::len)));

    let mut plain = request("POST", "/pieces", Some(&world.google.token("kai")), &sync(&[]));
    let (status, whole) = read(&world.gateway.request(&plain).await);
    plain.headers.push(("accept-encoding".to_owned(), "gzip".to_owned()));
    let packed = world.gateway.request(&plain).await;

    assert_eq!((200, 12), (status, whole["serverPieces"].as_array().unwrap().len()));
    assert_eq!((200, Some("gzip")), (packed.status, packed.header("content-encoding")));
    assert!(packed.body.len() < 100_000, "{} bytes are not packed", packed.body.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_passes_on_text_alone_never_gets_anything_else() {
    let world = World::start().await;
    let lyrics = "\"ʻAe\"\n".repeat(20_000);
    let (status, _) =
        world.post("kai", "/pieces", &sync(&[piece(ID, "kai", "Mele", &lyrics)])).await;
    assert_eq!(200, status);
    let function = world.text_function().await;
    let body = json!({"pieces": []}).to_string();
    let event = json!({
        "path": "/pieces", "httpMethod": "POST", "body": body, "isBase64Encoded": false,
        "headers": {"content-type": "application/json", "accept-encoding": "gzip, deflate"},
        "requestContext": {
            "stage": "prod", "httpMethod": "POST",
            "authorizer": {"userId": "kai", "exp": "4102444800"},
        },
    });

    let answer = function.invoke(event.to_string().as_bytes()).await.unwrap();

    assert_eq!(
        (json!(200), json!(false)),
        (answer["statusCode"].clone(), answer["isBase64Encoded"].clone())
    );
    let reply: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(lyrics, reply["serverPieces"][0]["lyrics"]);
}
