//! What goes through.

use crate::tokens::SUBJECT;
use crate::world::{LYRICS, PIECE, SESSION, TITLE, World, call, one_piece, one_session};

#[tokio::test]
async fn a_piece_that_is_pushed_comes_back() {
    let world = World::new();

    let pushed = world.send(call("/pieces").body(one_piece().into()).unwrap()).await;
    let pulled = world.send(call("/pieces").body("{}".into()).unwrap()).await;

    pushed.succeeded();
    assert_eq!(PIECE, pushed.json()["uploadedPieces"][0]);
    pulled.succeeded();
    let piece = &pulled.json()["serverPieces"][0];
    assert_eq!(
        (TITLE, LYRICS),
        (piece["title"].as_str().unwrap(), piece["lyrics"].as_str().unwrap())
    );
    assert_eq!(SUBJECT, piece["userId"], "the user is the token's");
}

#[tokio::test]
async fn a_session_that_is_pushed_comes_back() {
    let world = World::new();

    let pushed = world.send(call("/sessions").body(one_session().into()).unwrap()).await;
    let pulled = world.send(call("/sessions").body("{}".into()).unwrap()).await;

    pushed.succeeded();
    assert_eq!(SESSION, pushed.json()["uploadedSessions"][0]);
    pulled.succeeded();
    assert_eq!(PIECE, pulled.json()["serverSessions"][0]["pieceId"]);
}

#[tokio::test]
async fn two_users_never_see_each_other() {
    let world = World::new();
    let claims = crate::tokens::Claims::good().with("sub", "\"somebody-else\"");
    let theirs = format!("Bearer {}", crate::tokens::KAI.with_claims(&claims));

    world.send(call("/pieces").body(one_piece().into()).unwrap()).await.succeeded();
    let request = crate::world::anonymous("/pieces").header("authorization", theirs);
    let pulled = world.send(request.body("{}".into()).unwrap()).await;

    pulled.succeeded();
    assert_eq!(0, pulled.json()["serverPieces"].as_array().unwrap().len());
}

#[tokio::test]
async fn one_accounts_piece_with_another_accounts_token_is_rejected_alone() {
    let world = World::new();
    let body = one_piece().replace("\"title\"", "\"userId\":\"somebody-else\",\"title\"");

    let pushed = world.send(call("/pieces").body(body.into()).unwrap()).await;

    pushed.succeeded();
    assert_eq!("wrong_user", pushed.json()["rejectedPieces"][0]["code"]);
}
