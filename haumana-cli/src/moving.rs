//! Exporting and importing a whole account. The device is not held meanwhile.

use crate::answer::{Answer, Shown};
use crate::fields::is_input;
use crate::online::Online;
use crate::problem::Problem;
use crate::progress::Pages;
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use haumana_replica::transport::{Call, ExportOutline, ExportPage, Transport};
use haumana_replica::{Error, ErrorKind, Imported};
use serde_json::json;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Seek, SeekFrom, Write as _};
use std::path::Path;
use tokio::sync::mpsc;

/// The most bytes of a page. Larger pages cost as much in all, and show progress less often.
const PAGE_BYTES: usize = 4_000_000;
/// The first bytes of a compressed file.
const GZIP: &[u8] = &[0x1F, 0x8B];
const BYTE_ORDER_MARK: &[u8] = &[0xEF, 0xBB, 0xBF];

impl Online<'_> {
    /// The whole document is read before anything is sent. An account that has received a part of a
    /// document accepts nothing else until the document is complete.
    pub(crate) async fn import(&self, path: &Path) -> Result<Answer, Problem> {
        let mut file = open(path)?;
        let outline = read(&mut file, path, |export| ExportOutline::read(export))?;
        let limit_bytes = self.transport.request_limit_bytes().await;
        let limit_bytes = limit_bytes.map_err(|error| self.problem(error))?.min(PAGE_BYTES);
        let (sender, mut pages) = mpsc::channel(1);
        let (reading, path) = (outline.clone(), path.to_owned());
        let reader = tokio::task::spawn_blocking(move || {
            let mut each = |page| {
                // If a page could not be sent, nobody waits for more.
                sender.blocking_send(page).map_err(|_| Error::new("import", ErrorKind::Busy))
            };
            read(&mut file, &path, |export| reading.pages(export, limit_bytes, &mut each))
        });
        let progress = Pages::begin(outline.entries());
        let mut is_done = false;
        let mut sent = 0;
        while let Some(page) = pages.recv().await {
            let entries = page.entries();
            is_done = self.import_page(page, 0 < sent).await?;
            sent += entries;
            progress.show(sent);
        }
        drop(progress);
        if let Ok(Err(problem)) = reader.await {
            return Err(problem);
        }
        Ok(imported(&outline, is_done))
    }

    /// Sends one page. If the server finds it too large, sends it in smaller pages.
    async fn import_page(&self, page: ExportPage, is_begun: bool) -> Result<bool, Problem> {
        let (mut due, mut is_begun) = (vec![page], is_begun);
        let mut is_done = false;
        while let Some(page) = due.pop() {
            let call = Call::Import { export: page.to_json() };
            match self.transport.call(&self.account, &call).await {
                Ok(reply) => {
                    let imported: Result<Imported, _> = serde_json::from_slice(&reply);
                    is_done = imported.map_err(|_| self.not_understood())?.is_done;
                    is_begun = true;
                }
                Err(error) if error.kind() == ErrorKind::TooLarge && 1 < page.entries() => {
                    if let Some((first, second)) = page.halves() {
                        due.extend([second, first]);
                    }
                }
                Err(error) => return Err(self.refused(error, &page, is_begun)),
            }
        }
        Ok(is_done)
    }

    fn not_understood(&self) -> Problem {
        self.problem(Error::new("import", ErrorKind::Protocol))
    }

    fn refused(&self, error: Error, page: &ExportPage, is_begun: bool) -> Problem {
        let problem = match error.kind() {
            ErrorKind::Invalid => match error.explanation() {
                Some(said) => Problem::Refused(format!(
                    "the server cannot take this export: {}",
                    in_document(said, page)
                )),
                None => Problem::Refused("this is no export of this project".into()),
            },
            _ => self.problem(error),
        };
        match is_begun {
            true => Problem::HalfImported(Box::new(problem)),
            false => problem,
        }
    }

    /// Writes beside the file and renames, so that half an export never has the name of a whole
    /// one.
    pub(crate) async fn export(&self, path: &Path, force: bool) -> Result<Option<Answer>, Problem> {
        if path == Path::new("-") {
            let exported = match io::stdout().is_terminal() {
                true => self.transport.export(&self.account, &mut Shown::on(io::stdout())).await,
                false => self.transport.export(&self.account, &mut io::stdout()).await,
            };
            exported.map_err(|error| self.problem(error))?;
            // What is left in the buffer would be lost without a word at the end of the program.
            let flushed = io::stdout().flush();
            return flushed.map(|()| None).map_err(|error| Problem::File(path.into(), error));
        }
        if !force && path.exists() {
            return Err(Problem::Exists(path.into()));
        }
        let failed = |error| Problem::File(path.into(), error);
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
        let is_gzip = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("gz"));
        let exported = if is_gzip {
            let mut gzip = GzEncoder::new(file.as_file_mut(), Compression::default());
            let exported = self.transport.export(&self.account, &mut gzip).await;
            gzip.finish().map_err(failed)?;
            exported
        } else {
            self.transport.export(&self.account, file.as_file_mut()).await
        };
        exported.map_err(|error| self.problem(error))?;
        file.as_file().sync_all().map_err(failed)?;
        let bytes = file.as_file().metadata().map_err(failed)?.len();
        if force {
            file.persist(path).map_err(|error| failed(error.error))?;
        } else {
            file.persist_noclobber(path).map_err(|_| Problem::Exists(path.into()))?;
        }
        let text = format!("wrote {} ({bytes} bytes)", path.display());
        Ok(Some(Answer::new(text, json!({ "file": path, "bytes": bytes }))))
    }
}

fn imported(outline: &ExportOutline, is_done: bool) -> Answer {
    let ExportOutline { pieces, sessions, history, conflicts, tombstones, records, .. } = outline;
    let next = if is_done { "haumana sync brings it here" } else { "the next page is waited for" };
    let what = match (pieces + sessions, records) {
        (_, 0) => format!("{pieces} pieces and {sessions} sessions"),
        (0, _) => format!("{records} records"),
        _ => format!("{pieces} pieces, {sessions} sessions and {records} other records"),
    };
    let text = format!("{what} are on the server; {next}");
    let json = json!({
        "pieces": pieces, "sessions": sessions, "history": history, "conflicts": conflicts,
        "tombstones": tombstones, "records": records, "done": is_done,
    });
    Answer::new(text, json)
}

/// The server's message about an entry of a page, with the place of that entry in the whole
/// document: `history[12]: …`.
fn in_document(said: &str, page: &ExportPage) -> String {
    let renumbered = || {
        let (list, rest) = said.split_once('[')?;
        let (at, rest) = rest.split_once(']')?;
        let at = at.parse::<usize>().ok()? + page.before(list);
        Some(format!("{list}[{at}]{rest}"))
    };
    renumbered().unwrap_or_else(|| said.to_owned())
}

/// Opens a file that can be read twice. The standard input, and anything that is not an ordinary
/// file, is copied into one.
fn open(path: &Path) -> Result<File, Problem> {
    let copied = |from: &mut dyn Read| {
        let mut copy = tempfile::tempfile()?;
        io::copy(from, &mut copy)?;
        Ok(copy)
    };
    let opened = || -> io::Result<File> {
        if is_input(path) {
            return copied(&mut io::stdin().lock());
        }
        let mut file = File::open(path)?;
        if file.metadata()?.is_file() { Ok(file) } else { copied(&mut file) }
    };
    opened().map_err(|error| Problem::File(path.into(), error))
}

/// Reads the file from its beginning, compressed or not, without a byte order mark.
fn read<T>(
    file: &mut File,
    path: &Path,
    export: impl FnOnce(&mut dyn Read) -> haumana_replica::Result<T>,
) -> Result<T, Problem> {
    let failed = |error| Problem::File(path.into(), error);
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let mut plain = BufReader::new(&*file);
    let begun = plain.fill_buf().map_err(failed)?;
    let done = if begun.starts_with(GZIP) {
        export(&mut MultiGzDecoder::new(plain))
    } else {
        let n_mark = if begun.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
        plain.consume(n_mark);
        export(&mut plain)
    };
    done.map_err(|error| {
        let cause = std::error::Error::source(&error).map(|cause| format!(" ({cause})"));
        let cause = cause.unwrap_or_default();
        match error.kind() {
            ErrorKind::Invalid => {
                Problem::Refused(format!("this is no whole export of this project{cause}"))
            }
            _ => Problem::File(path.into(), io::Error::other(format!("it cannot be read{cause}"))),
        }
    })
}
