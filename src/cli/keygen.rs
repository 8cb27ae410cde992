//! `roomkey keygen`.

use super::Failure;
use crate::authenticate::{ApiKey, is_api_key_name};
use crate::random::base64url256;

#[derive(clap::Args, Debug)]
pub(super) struct Arguments {
    /// What to call the key: 1 to 32 of A-Z a-z 0-9 - _
    name: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let name = &arguments.name;
    if !is_api_key_name(name) {
        return Err(Failure::Usage("NAME must be 1 to 32 characters of A-Z a-z 0-9 - _".to_owned()));
    }
    let secret = base64url256().map_err(|error| Failure::Because(error.to_string()))?;
    let key = format!("rk_{name}_{secret}");
    say!("{key}");
    eprintln!("[[keys]]");
    eprintln!("name = \"{name}\"");
    eprintln!("sha256 = \"{}\"", ApiKey::hash_hex(&key));
    eprintln!("scopes = [\"token\"]");
    eprintln!("roles = [\"*\"]");
    Ok(())
}
