//! The client library against this service, whose members have keys and no tokens.

use crate::open;
use embedding::KEY_HEADER;
use haumana_replica::storage::MemoryStorage;
use haumana_replica::transport::{Credentials, Headers, HttpConfig, HttpTransport};
use haumana_replica::{ErrorKind, Replica};
use haumana_sync::id::{Key, UserId};
use haumana_sync::record::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The key of Kai; an old one until the service has refused it.
#[derive(Debug, Default)]
struct KeyOfKai {
    is_new: AtomicBool,
}

#[async_trait::async_trait]
impl Credentials for KeyOfKai {
    async fn authorize(&self, account: &UserId) -> Option<Headers> {
        let is_new = self.is_new.load(Ordering::Relaxed);
        let key = if is_new { "key-of-kai" } else { "old key" };
        (account.as_str() == "member-1").then(|| Headers::one(KEY_HEADER, key))
    }

    async fn refused(&self, _: &UserId, _: &Headers) -> bool {
        // Once: a key that is refused again is not the service's.
        !self.is_new.swap(true, Ordering::Relaxed)
    }
}

async fn serve(folder: &std::path::Path) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = open(folder);
    tokio::spawn(async move { axum::serve(listener, service).await });
    format!("http://{address}/sync-api")
}

async fn device(account: &str) -> Replica {
    let account = UserId::verified_by_caller(account).unwrap();
    let schema = haumana_sync::repertoire::schema();
    Replica::builder(MemoryStorage::new(), schema).account(account).open().await.unwrap()
}

#[tokio::test]
async fn two_devices_of_a_member_agree_and_a_key_that_was_refused_is_refreshed_once() {
    let folder = tempfile::tempdir().unwrap();
    let config = HttpConfig::usual(serve(folder.path()).await);
    let keys = Arc::new(KeyOfKai::default());
    let transport = HttpTransport::with_credentials(config, keys).unwrap();
    let (phone, laptop) = (device("member-1").await, device("member-1").await);
    let title = Value::Text("Aloha ʻOe".to_owned());
    let fields = BTreeMap::from([("title".to_owned(), title.clone())]);
    let id = phone.add_piece(fields).await.unwrap();

    phone.sync(&transport).await.unwrap();
    laptop.sync(&transport).await.unwrap();

    let piece = laptop.record(Key::piece(id)).await.unwrap().unwrap();
    assert_eq!(title, piece.content.get("title"));
}

/// Never has a key that the service knows.
#[derive(Debug, Default)]
struct Stranger {
    refused: AtomicBool,
}

#[async_trait::async_trait]
impl Credentials for Stranger {
    async fn authorize(&self, _: &UserId) -> Option<Headers> {
        Some(Headers::one(KEY_HEADER, "guessed"))
    }

    async fn refused(&self, _: &UserId, _: &Headers) -> bool {
        assert!(!self.refused.swap(true, Ordering::Relaxed), "a request is tried again once");
        true
    }
}

#[tokio::test]
async fn whoever_is_refused_twice_has_to_sign_in() {
    let folder = tempfile::tempdir().unwrap();
    let config = HttpConfig::usual(serve(folder.path()).await);
    let transport = HttpTransport::with_credentials(config, Arc::new(Stranger::default())).unwrap();
    let phone = device("member-1").await;

    let refused = phone.sync(&transport).await.unwrap_err();

    assert_eq!(ErrorKind::NeedsSignIn, refused.kind());
}
