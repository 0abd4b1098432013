//! Texts that a person wrote, kept in the device's folder until they are saved.

use crate::device::Device;
use crate::problem::Problem;
use crate::text::decode;
use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use tempfile::TempPath;

/// The name of that folder. A text in it is being written, or could not be saved.
const FOLDER: &str = "unsaved";

/// The purpose of a text: its name, and the command that would read it from a file, without the
/// file.
#[derive(Clone, Debug)]
pub(crate) struct Purpose<'d> {
    pub(crate) device: &'d Device,
    pub(crate) what: String,
    pub(crate) command: Vec<String>,
}

/// A text that a person wrote. Its file, if it has one, is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Written<'d> {
    purpose: Purpose<'d>,
    draft: Option<Draft>,
    pub(crate) text: String,
}

impl<'d> Written<'d> {
    /// Makes it of a draft whose text has been read.
    pub(crate) fn new(purpose: Purpose<'d>, draft: Draft, text: String) -> Self {
        Self { purpose, draft: Some(draft), text }
    }

    /// Reads the standard input to its end.
    pub(crate) fn read_input(purpose: Purpose<'d>) -> Result<Self, Problem> {
        let mut bytes = Vec::new();
        let read = io::stdin().lock().read_to_end(&mut bytes);
        read.map_err(|error| Problem::File("-".into(), error))?;
        match decode(&bytes) {
            Ok(text) => Ok(Self { purpose, draft: None, text }),
            Err(_) => Err(match Draft::new(&purpose, &bytes) {
                Ok(draft) => draft.unsaved(&purpose, None, Problem::NotText("this".into())),
                Err(_) => Problem::NotText("the standard input".into()),
            }),
        }
    }

    /// Keeps the text in a file, because it could not be saved.
    pub(crate) fn unsaved(self, problem: Problem) -> Problem {
        let Self { purpose, draft, text } = self;
        let draft = draft.map_or_else(|| Draft::new(&purpose, text.as_bytes()), Ok);
        match draft {
            Ok(draft) => draft.unsaved(&purpose, Some(&text), problem),
            Err(_) => problem,
        }
    }
}

/// A file that a person is writing. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Draft {
    path: TempPath,
}

impl Draft {
    /// Makes a file that only its owner can read.
    pub(crate) fn new(purpose: &Purpose<'_>, content: &[u8]) -> Result<Self, Problem> {
        let folder = purpose.device.folder().join(FOLDER);
        let make = || -> io::Result<TempPath> {
            fs::create_dir_all(&folder)?;
            // The path is made absolute, because its reader may have another working folder.
            write_beside(&fs::canonicalize(&folder)?, &purpose.what, content)
        };
        let path = make().map_err(|error| Problem::File(folder.clone(), error))?;
        Ok(Self { path })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it by its name: an editor may write a new file and rename it.
    pub(crate) fn read(&self) -> Result<Vec<u8>, Problem> {
        fs::read(&self.path).map_err(|error| Problem::File(self.path.to_path_buf(), error))
    }

    /// Leaves the file in place, with `text` in it if there is any, and says how to use it later.
    pub(crate) fn unsaved(
        self,
        purpose: &Purpose<'_>,
        text: Option<&str>,
        problem: Problem,
    ) -> Problem {
        let file = self.keep(purpose, text);
        let words = purpose.command.iter().map(String::as_str);
        let again = purpose.device.command_line(words.chain([&*file.to_string_lossy()]));
        Problem::Unsaved { problem: Box::new(problem), file, again }
    }

    /// Leaves the file in place, with `text` in it if there is any. If `text` cannot be written,
    /// the present content of the file stays.
    pub(crate) fn keep(self, purpose: &Purpose<'_>, text: Option<&str>) -> PathBuf {
        let path = self.path.to_path_buf();
        let folder = path.parent().unwrap_or(Path::new("."));
        let whole = text.map(|text| write_beside(folder, &purpose.what, text.as_bytes()));
        if let Some(Ok(whole)) = whole {
            whole.persist(&path).ok();
        }
        match self.path.keep() {
            Ok(path) => path,
            Err(_) => path,
        }
    }
}

fn write_beside(folder: &Path, what: &str, content: &[u8]) -> io::Result<TempPath> {
    let prefix = format!("{what}-");
    let mut file = tempfile::Builder::new().prefix(&prefix).suffix(".txt").tempfile_in(folder)?;
    file.write_all(content)?;
    Ok(file.into_temp_path())
}

/// The texts in the folder, by name.
pub(crate) fn unsaved(device: &Device) -> Vec<PathBuf> {
    let folder = fs::canonicalize(device.folder().join(FOLDER));
    let Ok(files) = folder.and_then(fs::read_dir) else { return Vec::new() };
    let paths = files.filter_map(|file| file.ok().map(|file| file.path()));
    // Editors may have files of their own in the same folder.
    let is_text = |path: &PathBuf| path.extension().is_some_and(|end| end == "txt");
    let mut paths: Vec<PathBuf> = paths.filter(is_text).collect();
    paths.sort_unstable();
    paths
}
