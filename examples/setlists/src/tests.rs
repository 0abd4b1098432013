//! What both devices have in the end.

#![allow(clippy::unwrap_used, reason = "tests")]

use super::{Setlist, edit_on_two_devices};
use haumana_sync::Record as _;
use haumana_sync::id::RecordId;
use haumana_sync::schema::Schema;
use std::collections::BTreeSet;

#[tokio::test]
async fn both_devices_have_what_both_did() {
    let schema = Schema::new([Setlist::kind()]).unwrap();
    let [phone, laptop] = edit_on_two_devices(schema).await.unwrap();

    let merged = Setlist {
        title: "Merrie Monarch".to_owned(),
        notes: "Enter right\nKeep the line\nBow twice\n".to_owned(),
        pieces: [2, 1, 2, 3].map(RecordId::from_bits).to_vec(),
        dancers: BTreeSet::from(["Uka".to_owned()]),
        performed: 3,
        // The laptop's edit is the later one, and its town is the hall's.
        hall: "Stage".to_owned(),
        town: "Hilo".to_owned(),
    };
    assert_eq!([Some(merged.clone()), Some(merged)], [phone, laptop]);
}
