//! Setlists: an app of its own kind of record, with its own server, in one process. Two devices edit
//! one setlist without seeing each other. Then both sync, and agree.

use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::DirectTransport;
use haumana_replica::{Replica, Result, SystemClock, SystemRandom};
use haumana_sync::Record;
use haumana_sync::engine::{Engine, EngineConfig};
use haumana_sync::id::{RecordId, UserId};
use haumana_sync::schema::Schema;
use haumana_sync::store::{Generation, MemoryStore};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What is danced, and in which order.
#[derive(Clone, Debug, Default, PartialEq, Record)]
#[record(kind = "setlist", number = 3, group(leading = "hall", fields("hall", "town")))]
struct Setlist {
    /// The later edit wins.
    title: String,
    /// Merged line by line, then word by word.
    #[record(lines)]
    notes: String,
    /// The order counts. What both insert stays.
    pieces: Vec<RecordId>,
    /// What either adds is in it, and what either removes is not.
    dancers: BTreeSet<String>,
    /// Every device adds to it.
    #[record(counter)]
    performed: i64,
    /// A hall and its town are a group: both are of one edit, never one of each.
    hall: String,
    town: String,
}

fn server(schema: &Schema) -> DirectTransport {
    let config = EngineConfig::new(Generation(0));
    let (clock, random) = (Arc::new(SystemClock), Arc::new(SystemRandom));
    let engine = Engine::of(schema.clone(), Arc::new(MemoryStore::new()), clock, random, config);
    DirectTransport::new(Arc::new(engine), 1 << 20)
}

async fn device(schema: &Schema) -> Result<Replica> {
    let builder = Replica::builder(MemoryStorage::new(), schema.clone());
    let Some(kai) = UserId::verified_by_caller("kai") else { return builder.open().await };
    builder.account(kai).open().await
}

async fn edit_on_two_devices(schema: Schema) -> Result<[Option<Setlist>; 2]> {
    let server = server(&schema);
    let (phone, laptop) = (device(&schema).await?, device(&schema).await?);
    let [kahiko, auana, encore] = [1, 2, 3].map(RecordId::from_bits);
    let id = phone.add(&first_draft(kahiko, auana)).await?;
    phone.sync(&server).await?;
    laptop.sync(&server).await?;

    let on_phone = |set: &mut Setlist| {
        set.notes = set.notes.replace("Enter left", "Enter right");
        set.pieces.push(encore);
        set.dancers.insert("Uka".to_owned());
        set.performed += 1;
        (set.hall, set.town) = ("Arena".to_owned(), "Honolulu".to_owned());
    };
    phone.edit(id, on_phone).await?;
    let on_laptop = |set: &mut Setlist| {
        set.notes.push_str("Bow twice\n");
        set.pieces.insert(0, auana);
        set.dancers.remove("Lani");
        set.performed += 2;
        set.hall = "Stage".to_owned();
    };
    laptop.edit(id, on_laptop).await?;
    for device in [&phone, &laptop, &phone] {
        device.sync(&server).await?;
    }
    Ok([phone.get(id).await?, laptop.get(id).await?])
}

fn first_draft(kahiko: RecordId, auana: RecordId) -> Setlist {
    Setlist {
        title: "Merrie Monarch".to_owned(),
        notes: "Enter left\nKeep the line\n".to_owned(),
        pieces: vec![kahiko, auana],
        dancers: BTreeSet::from(["Lani".to_owned()]),
        performed: 0,
        hall: "Stadium".to_owned(),
        town: "Hilo".to_owned(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let [phone, laptop] = edit_on_two_devices(Schema::new([Setlist::kind()])?).await?;
    println!("the phone has  {phone:#?}\nthe laptop has {laptop:#?}");
    Ok(())
}

#[cfg(test)]
mod tests;
