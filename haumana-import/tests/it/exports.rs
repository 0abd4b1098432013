//! DynamoDB's exports on disk, whole and broken.

use crate::support::{engine, lines, piece, run, write_export};
use haumana_import::{ErrorKind, ExportFolder, Source, Table};
use haumana_sync::store::MemoryStore;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

fn root(folder: &Path) -> PathBuf {
    folder.join("AWSDynamoDB/01700000000000-5eed0000")
}

fn two_files(folder: &Path) {
    let files = [
        lines(&[piece("kai", 1), piece("lani", 2)]),
        lines(&(3..1203).map(|number| piece("kai", number)).collect::<Vec<_>>()),
    ];
    write_export(folder, &files);
}

/// What reading to the end says.
async fn read_through(folder: &Path) -> String {
    let mut export = match ExportFolder::open(Table::Pieces, folder) {
        Ok(export) => export,
        Err(error) => return error.to_string(),
    };
    loop {
        match export.next().await {
            Ok(Some(_)) => {}
            Ok(None) => return "read".to_owned(),
            Err(error) => {
                assert_eq!(ErrorKind::Source, error.kind());
                return haumana_import::chain(&error);
            }
        }
    }
}

#[tokio::test]
async fn every_item_of_every_file_is_taken_from_any_folder_above() {
    let folder = tempfile::tempdir().unwrap();
    two_files(folder.path());

    for folder in [folder.path(), &root(folder.path())] {
        let mut export = ExportFolder::open(Table::Pieces, folder).unwrap();
        assert_eq!(1202, export.n_items());
        let (counts, _) = run(&engine(Arc::new(MemoryStore::new())), &mut export).await;
        assert_eq!((1202, 1202), (counts.read, counts.created));
    }
}

#[tokio::test]
async fn a_line_that_is_no_item_is_reported_with_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let mut broken = lines(&[piece("kai", 1)]);
    broken.push("{\"Item\":".to_owned());
    broken.push("{\"Keys\":{},\"NewImage\":{}}".to_owned());
    write_export(folder.path(), &[broken]);

    let mut export = ExportFolder::open(Table::Pieces, folder.path()).unwrap();
    let (counts, report) = run(&engine(Arc::new(MemoryStore::new())), &mut export).await;

    assert_eq!((1, 2), (counts.created, counts.refused));
    let places: Vec<_> = report
        .iter()
        .filter(|line| line["code"] == "unreadable")
        .map(|line| line["place"].as_str().unwrap())
        .collect();
    assert_eq!(vec!["file0.json.gz:2", "file0.json.gz:3"], places);
}

#[tokio::test]
async fn an_export_that_is_not_whole_is_noticed() {
    let check = async |break_it: &dyn Fn(&Path), said: &str| {
        let folder = tempfile::tempdir().unwrap();
        two_files(folder.path());
        break_it(&root(folder.path()));
        let got = read_through(folder.path()).await;
        assert!(got.contains(said), "{got:?} must say {said:?}");
    };
    let data = |root: &Path| root.join("data/file1.json.gz");
    let cut = |root: &Path| {
        let bytes = fs::read(data(root)).unwrap();
        fs::write(data(root), &bytes[..bytes.len() / 2]).unwrap();
    };
    let fewer = |root: &Path| {
        fs::copy(root.join("data/file0.json.gz"), data(root)).unwrap();
    };
    let summary = |text: &'static str| {
        move |root: &Path| fs::write(root.join("manifest-summary.json"), text).unwrap()
    };

    check(&|root| fs::remove_file(data(root)).unwrap(), "is missing").await;
    check(&cut, "it cannot be read").await;
    check(&fewer, "it has 2 items of 1200").await;
    check(&|root| fs::remove_file(root.join("manifest-files.json")).unwrap(), "no export").await;
    check(&summary(r#"{"outputFormat":"ION"}"#), "DYNAMODB_JSON").await;
    check(&summary(r#"{"exportType":"INCREMENTAL_EXPORT"}"#), "only full exports").await;
    check(&summary("x"), "it is not a manifest").await;
}

#[tokio::test]
async fn two_exports_in_one_folder_are_not_chosen_between() {
    let folder = tempfile::tempdir().unwrap();
    two_files(&folder.path().join("a"));
    two_files(&folder.path().join("b"));

    assert!(read_through(folder.path()).await.contains("several exports"));
}

#[test]
fn half_a_surrogate_pair_is_no_item() {
    let line = r#"{"title":{"S":"\ud83c"}}"#;
    let raw = serde_json::from_str::<Box<serde_json::value::RawValue>>(line).unwrap();

    let read = haumana_import::Attribute::read(&raw);

    assert_eq!(haumana_import::Attribute::Unreadable, read, "{}", json!(line));
}
