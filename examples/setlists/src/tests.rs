//! What both devices have in the end.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Setlist, edit_on_two_devices, schema};
use haumana_sync::id::RecordId;
use std::collections::BTreeSet;

#[tokio::test]
async fn both_devices_have_what_both_did() {
    let [phone, laptop] = edit_on_two_devices(schema().unwrap()).await.unwrap();

    let merged = Setlist {
        title: "Merrie Monarch".to_owned(),
        notes: "Enter right\nKeep the line\nBow twice\n".to_owned(),
        pieces: [2, 1, 2, 3].map(RecordId::from_bits).to_vec(),
        dancers: BTreeSet::from(["Uka".to_owned()]),
        performed: 3,
    };
    assert_eq!([Some(merged.clone()), Some(merged)], [phone, laptop]);
}
