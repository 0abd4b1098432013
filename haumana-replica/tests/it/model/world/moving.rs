//! An account moves to another server: everything of it goes through an export and an import.

use super::{Checked, World};
use crate::support::{engine_on, user};
use haumana_sync::Engine;
use haumana_sync::id::UserId;
use haumana_sync::store::MemoryStore;
use haumana_sync::wire::import::ImportRequest;
use serde_json::Value;
use std::sync::Arc;

const LISTS: [&str; 5] = ["pieces", "practiceSessions", "history", "conflicts", "tombstones"];

impl World {
    /// From here on the server is another one, with what an export of `old` held.
    pub(super) async fn move_house(&mut self, old: MemoryStore) -> Checked {
        self.tell(0, "the account moves".to_owned());
        let old = self.engine_of(Arc::new(old));
        let text = exported(&old, &user("kai")).await;
        self.store = Arc::new(MemoryStore::new());
        self.engine = self.engine_of(self.store.clone());
        let stranger = user("lani");
        for (engine, owner) in [
            (self.engine.clone(), user("kai")),
            (self.engine_of(Arc::new(MemoryStore::new())), stranger),
        ] {
            for _ in 0..2 {
                import(&engine, &owner, &text).await?;
            }
            let again = exported(&engine, &owner).await;
            if said(&text) != said(&again) {
                return Err(format!("what went in must come out:\n{text}\n{again}"));
            }
        }
        Ok(())
    }

    fn engine_of(&self, store: Arc<MemoryStore>) -> Arc<Engine> {
        engine_on(store, self.clock.clone(), self.dice.clone(), self.generation)
    }
}

async fn exported(engine: &Engine, user: &UserId) -> String {
    let mut export = engine.export(user).await.unwrap();
    let mut text = String::new();
    while let Some(more) = engine.export_more(&mut export).await.unwrap() {
        text.push_str(&more);
    }
    text
}

async fn import(engine: &Engine, user: &UserId, text: &str) -> Checked {
    let request = ImportRequest::from_json(text.as_bytes()).map_err(|error| error.to_string())?;
    let import = engine.check_import(user, request).map_err(|flaw| format!("{flaw} of {text}"))?;
    engine.import(&import).await.map(drop).map_err(|error| format!("{error}: {text}"))
}

/// What an export says, without when it was made, whose it is, and in which order.
fn said(export: &str) -> Value {
    let mut export: Value = serde_json::from_str(export).unwrap();
    export["exportDate"].take();
    export["user"].take();
    for list in LISTS {
        let entries = export[list].as_array_mut().unwrap();
        entries.iter_mut().for_each(|entry| drop(entry.get_mut("userId").map(Value::take)));
        entries.sort_by_cached_key(Value::to_string);
    }
    export
}
