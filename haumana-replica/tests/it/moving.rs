//! Exports and imports, to an engine directly and over HTTP alike.

use crate::host::Host;
use crate::inbox::{both, clashes};
use crate::support::user;
use haumana_replica::ErrorKind;
use haumana_sync::id::KindNumber;

#[tokio::test]
async fn an_export_is_whole_and_the_same_by_both_ways() {
    let host = Host::start().await;
    let (a, _, _) = clashes(&host, 3).await;

    let mut exports = Vec::new();
    for transport in both(&host) {
        let mut file = Vec::new();
        a.export(transport.as_ref(), &mut file).await.unwrap();
        exports.push(String::from_utf8(file).unwrap());
    }

    assert_eq!(exports[0], exports[1]);
    let export: serde_json::Value = serde_json::from_str(&exports[0]).unwrap();
    let counts = ["pieces", "conflicts"].map(|list| export[list].as_array().unwrap().len());
    assert_eq!([3, 3], counts);
}

#[tokio::test]
async fn an_export_that_fits_no_reply_of_the_host_comes_in_pages_and_is_the_same() {
    let host = Host::start_collecting(2_000).await;
    let (a, _, _) = clashes(&host, 5).await;
    let [direct, http] = both(&host);
    let (mut whole, mut joined) = (Vec::new(), Vec::new());

    a.export(direct.as_ref(), &mut whole).await.unwrap();
    a.export(http.as_ref(), &mut joined).await.unwrap();

    assert!(4_000 < whole.len(), "it must not fit into two replies: {}", whole.len());
    assert_eq!(String::from_utf8(whole).unwrap(), String::from_utf8(joined).unwrap());
}

#[tokio::test]
async fn an_export_that_breaks_off_is_no_export() {
    use axum::Router;
    use axum::routing::get as get_route;
    let cut = get_route(async || r#"{"pieces":["#);
    let base_url = crate::http::serve(Router::new().route("/users/me/export", cut)).await;
    let transport = crate::http::transport(base_url, Some(crate::http::token_of("kai")));
    let device = Host::start().await.device().await;

    let error = device.export(&transport, &mut Vec::new()).await.unwrap_err();

    assert_eq!(ErrorKind::Offline, error.kind());
}

#[tokio::test]
async fn an_import_brings_everything_to_an_empty_account_and_to_none_other() {
    let from = Host::start().await;
    let (a, _, keys) = clashes(&from, 3).await;
    let mut export = Vec::new();
    a.export(&from.transport(), &mut export).await.unwrap();
    let to = Host::start().await;

    for (name, transport) in ["lani", "noe"].into_iter().zip(both(&to)) {
        let device = to.device().await;
        device.sign_in(user(name)).await.unwrap();
        for _ in 0..2 {
            let imported = device.import(transport.as_ref(), export.clone()).await.unwrap();
            assert_eq!(
                (3, 3, true),
                (imported.pieces, imported.conflicts, imported.is_done),
                "again changes nothing"
            );
        }
        device.sync(transport.as_ref()).await.unwrap();
        let contents = |views: Vec<haumana_replica::View>| {
            views.into_iter().map(|view| (view.key, view.content)).collect::<Vec<_>>()
        };
        assert_eq!(
            contents(a.records(KindNumber::PIECE).await.unwrap()),
            contents(device.records(KindNumber::PIECE).await.unwrap())
        );
        let history = device.history(transport.as_ref(), keys[0], None, 9).await.unwrap();
        assert_eq!(3, history.versions.len());
        let open = device.conflicts(transport.as_ref(), None, 9).await.unwrap().conflicts;
        assert_eq!(3, open.len());

        device.sign_in(user("kai")).await.unwrap();
        device.add_piece(Default::default()).await.unwrap();
        device.sync(transport.as_ref()).await.unwrap();
        let full = device.import(transport.as_ref(), export.clone()).await.unwrap_err();
        assert_eq!((ErrorKind::NotEmpty, Some("not_empty")), (full.kind(), full.code()));
        let garbled = device.import(transport.as_ref(), b"{}".to_vec()).await.unwrap_err();
        assert_eq!((ErrorKind::Invalid, Some("invalid_request")), (garbled.kind(), garbled.code()));
    }
}
