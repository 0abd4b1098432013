//! DynamoDB's export to S3, downloaded: `AWSDynamoDB/<id>/` with manifests and `data/*.json.gz`.
//!
//! See <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/S3DataExport.Output.html>.
//!
//! An export is trusted only if it is complete. The manifest lists the files, and how many items
//! each has. If a file is missing, opening fails. If a file has fewer or more items, the run fails
//! at its end. A line that is not an item is counted, and reported as refused.
//!
//! Files are read as streams. Memory holds one line, and a page of 500 items.

use crate::attribute::{Attribute, Item};
use crate::error::{Error, ErrorKind, Result};
use crate::item::Table;
use crate::source::{Found, Source};
use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

const SUMMARY: &str = "manifest-summary.json";
const FILES: &str = "manifest-files.json";
/// How many items are read at a time.
const PAGE_ITEMS: usize = 500;
/// LIMIT: an item has at most 400 kB; this is more than its JSON can be.
const LINE_BYTES: u64 = 8_000_000;

/// One table's export on disk.
pub struct ExportFolder {
    table: Table,
    /// The files that are not opened yet.
    files: VecDeque<DataFile>,
    open: Option<OpenFile>,
}

/// A file that the manifest lists.
struct DataFile {
    path: PathBuf,
    n_items: u64,
}

struct OpenFile {
    file: DataFile,
    /// Decompressed if the name ends in `.gz`.
    lines: Box<dyn BufRead + Send>,
    /// Lines so far. Also the number in the place of an item.
    n_read: u64,
}

/// A manifest without one of these members is accepted.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    #[serde(default)]
    output_format: Option<String>,
    #[serde(default)]
    export_type: Option<String>,
}

/// A line of the manifest of files.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    item_count: u64,
    #[serde(rename = "dataFileS3Key")]
    data_file: String,
}

/// A line of a data file: `{"Item": {…}}`.
#[derive(Deserialize)]
struct Line {
    #[serde(rename = "Item")]
    item: BTreeMap<String, Box<RawValue>>,
}

impl ExportFolder {
    /// Opens the export of `table` in `folder`: the folder that holds the manifests, or one above
    /// it that holds no other export.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Source`] if there is no export, more than one, an incremental one, one in
    /// another format, or one with missing files.
    pub fn open(table: Table, folder: &Path) -> Result<Self> {
        let folder = find(folder)?;
        let summary = read_text(&folder.join(SUMMARY))?;
        let summary: Summary = serde_json::from_str(&summary)
            .map_err(|error| broken(&folder.join(SUMMARY)).because(error))?;
        let is_json = summary.output_format.is_none_or(|format| format == "DYNAMODB_JSON");
        let is_full = summary.export_type.is_none_or(|kind| kind == "FULL_EXPORT");
        if !is_json || !is_full {
            let what = "only full exports in the format DYNAMODB_JSON can be read";
            return Err(Error::source_file(&folder, what));
        }
        let mut files = VecDeque::new();
        for line in read_text(&folder.join(FILES))?.lines().filter(|line| !line.is_empty()) {
            let listed: Listed = serde_json::from_str(line)
                .map_err(|error| broken(&folder.join(FILES)).because(error))?;
            let name = listed.data_file.rsplit('/').next().unwrap_or_default();
            let path = folder.join("data").join(name);
            if !path.is_file() {
                return Err(Error::source_file(&path, "the manifest lists it, and it is missing"));
            }
            files.push_back(DataFile { path, n_items: listed.item_count });
        }
        Ok(Self { table, files, open: None })
    }

    /// Returns how many items the manifest promises.
    pub fn n_items(&self) -> u64 {
        self.files.iter().map(|file| file.n_items).sum()
    }

    /// Returns the file that is being read. If there is none, opens the next one.
    fn file(&mut self) -> Result<Option<&mut OpenFile>> {
        if self.open.is_none() {
            let Some(file) = self.files.pop_front() else { return Ok(None) };
            self.open = Some(OpenFile::open(file)?);
        }
        Ok(self.open.as_mut())
    }
}

#[async_trait::async_trait]
impl Source for ExportFolder {
    async fn next(&mut self) -> Result<Option<Vec<Found>>> {
        let table = self.table;
        let Some(file) = self.file()? else { return Ok(None) };
        let mut page = Vec::new();
        while page.len() < PAGE_ITEMS {
            match file.next(table)? {
                Some(found) => page.push(found),
                None => {
                    self.open = None;
                    break;
                }
            }
        }
        Ok(Some(page))
    }
}

impl OpenFile {
    /// Several gzip members in a row count as one file.
    fn open(file: DataFile) -> Result<Self> {
        let opened = File::open(&file.path).map_err(|error| unread(&file.path).because(error))?;
        let is_packed = file.path.extension().is_some_and(|extension| extension == "gz");
        let lines: Box<dyn BufRead + Send> = match is_packed {
            true => Box::new(BufReader::new(MultiGzDecoder::new(BufReader::new(opened)))),
            false => Box::new(BufReader::new(opened)),
        };
        Ok(Self { file, lines, n_read: 0 })
    }

    /// Reads the next line that is not empty; `None` at the end.
    fn next(&mut self, table: Table) -> Result<Option<Found>> {
        let path = self.file.path.clone();
        let mut line = Vec::new();
        while line.iter().all(u8::is_ascii_whitespace) {
            line.clear();
            let mut limited = (&mut self.lines).take(LINE_BYTES);
            let n_bytes = limited.read_until(b'\n', &mut line);
            let n_bytes = n_bytes.map_err(|error| unread(&path).because(error))?;
            if n_bytes == 0 {
                return self.end();
            }
            if line.last() != Some(&b'\n') && LINE_BYTES <= n_bytes as u64 {
                return Err(Error::source_file(&path, "a line is longer than any item"));
            }
        }
        self.n_read += 1;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let item = serde_json::from_slice::<Line>(&line).ok().map(|line| attributes(&line.item));
        Ok(Some(Found { table, place: format!("{name}:{}", self.n_read), item }))
    }

    /// Checks the number of items, because a file that was cut between two lines looks complete.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Source`] if the file has another number of items than the manifest says.
    fn end(&self) -> Result<Option<Found>> {
        if self.n_read == self.file.n_items {
            return Ok(None);
        }
        let what = format!("it has {} items of {}", self.n_read, self.file.n_items);
        Err(Error::source_file(&self.file.path, &what))
    }
}

fn attributes(raw: &BTreeMap<String, Box<RawValue>>) -> Item {
    raw.iter().map(|(name, raw)| (name.clone(), Attribute::read(raw))).collect()
}

/// The folder with the manifests: `folder` itself, or the only one below it.
///
/// It looks up to four levels below. If it finds two exports it takes neither, because it cannot
/// know which one is meant.
fn find(folder: &Path) -> Result<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![(folder.to_owned(), 0)];
    while let Some((folder, depth)) = open.pop() {
        if folder.join(FILES).is_file() {
            found.push(folder);
            continue;
        }
        let entries = fs::read_dir(&folder).map_err(|error| unread(&folder).because(error))?;
        let below = entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir());
        open.extend(below.filter(|_| depth < 4).map(|path| (path, depth + 1)));
    }
    match (found.pop(), found.is_empty()) {
        (Some(one), true) => Ok(one),
        (Some(_), false) => {
            Err(Error::source_file(folder, "there are several exports; name one of them"))
        }
        (None, _) => {
            let what = format!("there is no export: no {FILES}");
            Err(Error::source_file(folder, &what))
        }
    }
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| unread(path).because(error))
}

fn unread(path: &Path) -> Error {
    Error::new(ErrorKind::Source, format!("{}: it cannot be read", path.display()))
}

fn broken(path: &Path) -> Error {
    Error::new(ErrorKind::Source, format!("{}: it is not a manifest", path.display()))
}
