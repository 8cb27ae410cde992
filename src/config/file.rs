//! The small text files that settings name.

use std::io;
use std::path::Path;

/// No setting's file is larger.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Reads a small text file, less one newline at its end.
pub(super) fn read_text(path: &Path) -> Result<String, String> {
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
