//! What is refused at opening, and left as it was.

use crate::support::{connect, open};
use haumana_store_postgres::testing::ROOTS;
use haumana_store_postgres::{OpenErrorKind, PostgresOptions, PostgresStore};
use haumana_sync::conformance::sample::{Author, everything, piece, record, user};
use std::time::Duration;

async fn refused(options: &PostgresOptions) -> OpenErrorKind {
    PostgresStore::open(options).await.unwrap_err().kind().clone()
}

#[tokio::test]
async fn what_was_stored_is_there_when_it_is_opened_again() {
    let options = server_or_skip!().empty();
    let store = open(&options).await;
    Author::new(&store, "kai").put(vec![record(piece(1), 1, "Hula")]).await;
    let before = everything(&store, &user("kai"), &[piece(1)]).await;
    drop(store);

    let store = open(&options).await;

    assert_eq!(before, everything(&store, &user("kai"), &[piece(1)]).await);
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused_and_left_alone() {
    let server = server_or_skip!();
    let (options, client) = (server.empty(), connect(server).await);
    let schema = &options.schema;
    let make = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.songs (title TEXT)");
    client.batch_execute(&make).await.unwrap();

    assert_eq!(OpenErrorKind::NotOurs, refused(&options).await);

    let count = "SELECT count(*) FROM pg_tables WHERE schemaname = $1";
    assert_eq!(1, client.query_one(count, &[schema]).await.unwrap().get::<_, i64>(0));
}

#[tokio::test]
async fn a_table_of_another_program_that_has_our_name_is_not_ours() {
    let server = server_or_skip!();
    let (options, client) = (server.empty(), connect(server).await);
    let schema = &options.schema;
    let make = format!("CREATE SCHEMA {schema}; CREATE TABLE {schema}.haumana (version INT)");
    client.batch_execute(&make).await.unwrap();

    assert!(!haumana_store_postgres::copies::is_made(&options).await.unwrap());
    assert_eq!(OpenErrorKind::NotOurs, refused(&options).await);
}

#[tokio::test]
async fn tables_of_a_newer_program_are_refused() {
    let server = server_or_skip!();
    let (options, client) = (server.empty(), connect(server).await);
    drop(open(&options).await);
    let update = format!("UPDATE {}.haumana SET version = 99", options.schema);
    client.batch_execute(&update).await.unwrap();

    assert_eq!(OpenErrorKind::Newer { found: 99, known: 2 }, refused(&options).await);
}

#[tokio::test]
async fn a_server_that_cannot_be_used_says_why() {
    let good = server_or_skip!().empty();
    let soon = PostgresOptions { connect_timeout: Duration::from_secs(2), ..good.clone() };
    let of_url = |url: &str| PostgresOptions { url: url.to_owned(), ..soon.clone() };
    let nobody = "postgres://haumana@127.0.0.1:1/postgres";

    assert_eq!(OpenErrorKind::Unreachable, refused(&of_url(nobody)).await);
    assert_eq!(OpenErrorKind::Url, refused(&of_url("mysql://x")).await);
    let elsewhere = good.url.replace("/postgres", "/nowhere").replace("nowhere://", "postgres://");
    assert_eq!(OpenErrorKind::Refused, refused(&of_url(&elsewhere)).await);
    let quoted = PostgresOptions { schema: "Two Words".to_owned(), ..good.clone() };
    assert_eq!(OpenErrorKind::SchemaName, refused(&quoted).await);
}

#[tokio::test]
async fn a_server_elsewhere_must_show_a_certificate_that_is_trusted() {
    let server = server_or_skip!();
    let (Some(port), good) = (server.port(), server.empty()) else { return };
    let url = format!("postgres://haumana@localhost:{port}/postgres?sslmode=require");
    let file = |name: &str, text: &str| {
        let path = std::env::temp_dir().join(format!("{}-{name}.crt", good.schema));
        std::fs::write(&path, text).unwrap();
        path
    };
    let [root, other] = [file("root", ROOTS[0]), file("other", ROOTS[1])];
    let with = |certificates| PostgresOptions { url: url.clone(), certificates, ..good.clone() };

    let store = open(&with(Some(root.clone()))).await;
    let stranger = refused(&with(Some(other.clone()))).await;
    let unknown = refused(&with(None)).await;

    Author::new(&store, "kai").put(vec![record(piece(1), 1, "Hula")]).await;
    assert_eq!([OpenErrorKind::Unreachable, OpenErrorKind::Unreachable], [stranger, unknown]);
    let nothing = with(Some(std::env::temp_dir().join("no-such-file.crt")));
    assert_eq!(OpenErrorKind::Certificates, refused(&nothing).await);
    for path in [root, other] {
        std::fs::remove_file(path).unwrap();
    }
}
