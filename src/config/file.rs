//! The small text files that settings name, and which ones were read.

use std::cell::RefCell;
use std::io;
use std::path::{Path, PathBuf};

/// No setting's file is larger.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Reads files, and remembers which.
#[derive(Debug, Default)]
pub(super) struct Reader(RefCell<Vec<PathBuf>>);

impl Reader {
    /// A small text file, less one newline at its end.
    pub(super) fn text(&self, path: &Path) -> Result<String, String> {
        self.0.borrow_mut().push(path.to_owned());
        read_text(path)
    }

    /// All files that were to be read.
    pub(super) fn seen(&self) -> Vec<PathBuf> {
        self.0.borrow().clone()
    }
}

/// A small text file, less one newline at its end.
pub(crate) fn read_text(path: &Path) -> Result<String, String> {
    let size = std::fs::metadata(path).map_err(|error| error_text(&error))?.len();
    if size > MAX_FILE_BYTES {
        return Err("it has more than 1 MiB".to_owned());
    }
    let mut text = std::fs::read_to_string(path).map_err(|error| error_text(&error))?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// An I/O error as the system words it.
fn error_text(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::InvalidData { "it is not UTF-8 text".to_owned() } else { error.to_string() }
}
