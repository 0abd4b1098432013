//! Writes items to disk in the form of DynamoDB's export, to look at or to import again.
//!
//! For each table, the folder has what DynamoDB would have exported: `data/items.json.gz` with one
//! item a line, and two manifests. The manifests are written last. A folder without them is an
//! unfinished export, and cannot be imported by mistake.

use crate::attribute::Item;
use crate::error::{Error, ErrorKind, Result};
use crate::item::{Refused, Table};
use crate::legacy::Sink;
use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// One file for each table; an export of DynamoDB may have several.
const DATA: &str = "items.json.gz";

/// A folder with one export for each table: `pieces` and `sessions`.
pub struct FolderSink {
    folder: PathBuf,
    pieces: Data,
    sessions: Data,
}

/// One table's file while it is being written.
struct Data {
    lines: GzEncoder<BufWriter<File>>,
    n_items: u64,
}

impl FolderSink {
    /// Makes the folder, which must not exist. Only its owner may read it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Target`] if it exists or cannot be made.
    pub fn create(folder: &Path) -> Result<Self> {
        let mut private = fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut private, 0o700);
        private.create(folder).map_err(|error| unwritten(folder).because(error))?;
        let (pieces, sessions) = (data(folder, Table::Pieces)?, data(folder, Table::Sessions)?);
        Ok(Self { folder: folder.to_owned(), pieces, sessions })
    }

    /// Both files are open from the start, because a page of an account has records of both tables.
    fn of(&mut self, table: Table) -> &mut Data {
        match table {
            Table::Pieces => &mut self.pieces,
            Table::Sessions => &mut self.sessions,
        }
    }
}

#[async_trait::async_trait]
impl Sink for FolderSink {
    async fn put(&mut self, table: Table, items: Vec<Item>) -> Result<Vec<(Item, Refused)>> {
        let folder = self.folder.clone();
        let data = self.of(table);
        for item in items {
            let line = serde_json::json!({ "Item": item }).to_string();
            let written = writeln!(data.lines, "{line}");
            written.map_err(|error| unwritten(&folder).because(error))?;
            data.n_items += 1;
        }
        Ok(Vec::new())
    }

    async fn finish(&mut self) -> Result<()> {
        let folder = self.folder.clone();
        for table in [Table::Pieces, Table::Sessions] {
            let data = self.of(table);
            let ended = data.lines.try_finish().and_then(|()| data.lines.get_mut().flush());
            ended.map_err(|error| unwritten(&folder).because(error))?;
            let n_items = data.n_items;
            let files = format!(r#"{{"itemCount":{n_items},"dataFileS3Key":"data/{DATA}"}}"#);
            let summary = format!(r#"{{"itemCount":{n_items},"outputFormat":"DYNAMODB_JSON"}}"#);
            for (name, text) in [("manifest-files.json", files), ("manifest-summary.json", summary)]
            {
                let path = folder.join(table.as_str()).join(name);
                fs::write(&path, text + "\n").map_err(|error| unwritten(&path).because(error))?;
            }
        }
        Ok(())
    }
}

fn data(folder: &Path, table: Table) -> Result<Data> {
    let folder = folder.join(table.as_str()).join("data");
    let made = fs::create_dir_all(&folder).and_then(|()| File::create(folder.join(DATA)));
    let file = made.map_err(|error| unwritten(&folder).because(error))?;
    let lines = GzEncoder::new(BufWriter::new(file), Compression::default());
    Ok(Data { lines, n_items: 0 })
}

fn unwritten(path: &Path) -> Error {
    Error::new(ErrorKind::Target, format!("{}: it cannot be written", path.display()))
}
