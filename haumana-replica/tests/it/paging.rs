//! An export that is larger than a request of the host goes in pages.

use crate::host::Host;
use crate::inbox::clashes;
use haumana_replica::ErrorKind;
use haumana_replica::transport::{Call, ExportOutline, Transport};
use haumana_sync::id::UserId;

#[tokio::test]
async fn an_export_is_imported_in_pages_that_fit_and_is_whole_with_the_last_one() {
    let from = Host::start().await;
    let (a, _, keys) = clashes(&from, 9).await;
    let mut export = Vec::new();
    a.export(&from.transport(), &mut export).await.unwrap();
    let to = Host::start_with(4_000).await;
    let (transport, lani) = (to.transport(), UserId::verified_by_caller("lani").unwrap());
    let limit_bytes = transport.request_limit_bytes().await.unwrap();
    let whole = transport.call(&lani, &Call::Import { export: export.clone() }).await;

    let outline = ExportOutline::read(&export[..]).unwrap();
    let mut pages = Vec::new();
    let mut each = |page| {
        pages.push(page);
        Ok(())
    };
    outline.pages(&export[..], limit_bytes, &mut each).unwrap();
    for page in &pages {
        transport.call(&lani, &Call::Import { export: page.to_json() }).await.unwrap();
    }

    assert_eq!((4_000, ErrorKind::TooLarge), (limit_bytes, whole.unwrap_err().kind()));
    assert_eq!((9, 9), (outline.pieces, outline.conflicts));
    assert!(3 < pages.len(), "{}", pages.len());
    let device = to.device().await;
    device.sign_in(lani).await.unwrap();
    device.sync(&transport).await.unwrap();
    assert_eq!(9, device.records(haumana_sync::id::KindNumber::PIECE).await.unwrap().len());
    let history = device.history(&transport, keys[0], None, 9).await.unwrap();
    assert_eq!(3, history.versions.len());
    let open = device.conflicts(&transport, None, 99).await.unwrap().conflicts;
    assert_eq!(9, open.len());
}
