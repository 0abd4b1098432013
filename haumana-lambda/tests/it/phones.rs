//! The app's whole sync, through gateway, authorizer and functions.

use crate::world::{World, piece, read, request, vouched};
use flate2::Compression;
use flate2::write::GzEncoder;
use haumana_lambda::testing::proxy_event;
use serde_json::{Value, json};
use std::io::Write as _;

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
async fn the_app_signs_in_and_syncs_everything_and_a_second_phone_has_it() {
    let world = World::start().await;
    let session = json!({
        "sessionId": "0B6E6C1E-0C4A-4C7B-8B1E-2F9D8A7C6B5A", "userId": "kai", "pieceId": ID,
        "startedAt": "2026-06-18T12:00:00Z", "createdAt": "2026-06-18T12:00:00Z",
    });
    let token = world.google.token("kai");
    let sign_in = request("POST", "/auth/sync", None, &json!({"googleIdToken": token}));

    // As the app does it: signing in, then pieces, then sessions, all with one token.
    let (status, user) = read(&world.gateway.request(&sign_in).await);
    assert_eq!((200, json!("google_kai")), (status, user["user"]["username"].clone()), "{user}");
    let pushed = piece(ID, "kai", "E Hō Mai", "E hō mai");
    let (status, reply) = world.post("kai", "/pieces", &sync(&[pushed])).await;
    assert_eq!((200, 1), (status, reply["uploadedPieces"].as_array().map_or(0, Vec::len)));
    let (status, reply) = world.post("kai", "/sessions", &json!({"sessions": [session]})).await;
    assert_eq!((200, 1), (status, reply["uploadedSessions"].as_array().map_or(0, Vec::len)));

    let (_, pieces) = world.post("kai", "/pieces", &sync(&[])).await;
    let (_, sessions) = world.post("kai", "/sessions", &json!({"sessions": []})).await;
    assert_eq!("E hō mai", pieces["serverPieces"][0]["lyrics"], "{pieces}");
    assert_eq!(ID, sessions["serverSessions"][0]["pieceId"], "{sessions}");
    let (_, other) = world.post("hina", "/sessions", &json!({"sessions": []})).await;
    assert_eq!(json!([]), other["serverSessions"], "nobody else sees it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_packed_request_is_read_as_if_it_were_not() {
    let world = World::start().await;
    let body = sync(&[piece(ID, "kai", "E Hō Mai", &"E hō mai ka ʻike\n".repeat(1000))]);
    let mut packed = request("POST", "/pieces", Some(&world.google.token("kai")), &body);
    packed.headers.push(("content-encoding".to_owned(), "gzip".to_owned()));
    packed.body = pack(&packed.body);
    assert!(packed.body.len() < 1000, "{} bytes are not packed", packed.body.len());

    let (status, reply) = read(&world.gateway.request(&packed).await);

    assert_eq!(
        (200, 1),
        (status, reply["uploadedPieces"].as_array().map_or(0, Vec::len)),
        "{reply}"
    );
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut packer = GzEncoder::new(Vec::new(), Compression::default());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
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
    let mut request = request("POST", "/pieces", None, &sync(&[]));
    request.headers.push(("accept-encoding".to_owned(), "gzip, deflate".to_owned()));
    let mut event = proxy_event(&request, "/pieces", Some(&vouched("kai")));
    // Without binary media types bodies come as they are.
    event["body"] = json!(sync(&[]).to_string());
    event["isBase64Encoded"] = json!(false);

    let answer = function.invoke(event.to_string().as_bytes()).await.unwrap();

    assert_eq!(
        (json!(200), json!(false)),
        (answer["statusCode"].clone(), answer["isBase64Encoded"].clone())
    );
    let reply: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
    assert_eq!(lyrics, reply["serverPieces"][0]["lyrics"]);
}
