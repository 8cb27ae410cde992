//! The README: every configuration in it is one that starts.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{API_KEY, API_SECRET, BACKEND_KEY, backend, toml};

/// Blocks of ```` ```toml ````.
fn toml_blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut lines = text.lines();
    while lines.by_ref().any(|line| line.trim() == "```toml") {
        let block: Vec<_> = lines.by_ref().take_while(|line| line.trim() != "```").collect();
        blocks.push(block.join("\n"));
    }
    blocks
}

/// What `_file` settings of a block name, next to it.
fn put_files(folder: &Path, block: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for line in block.lines() {
        let Some((key, value)) = line.split_once('=') else { continue };
        let Some(name) = value.trim().strip_prefix('"').and_then(|rest| rest.split('"').next()) else { continue };
        let file = folder.join(name.trim_start_matches('/'));
        match key.trim() {
            "public_key_file" => drop(fs::copy(root.join("tests/keys/ec-p256.pub.pem"), file).unwrap()),
            "keys_file" if Path::new(name).extension().is_some_and(|extension| extension == "toml") => {
                let keys = backend(&["*"]);
                fs::write(file, toml(&serde_json::json!({"keys": keys["keys"]}))).unwrap();
            }
            "keys_file" => fs::write(file, format!("{API_KEY}: {API_SECRET}\n")).unwrap(),
            key if key.ends_with("_file") => fs::write(file, API_SECRET).unwrap(),
            _ => (),
        }
    }
}

/// Variables that `_env` settings of a block name, each with a value of its kind.
fn variables(block: &str) -> impl Iterator<Item = (&str, &str)> {
    let named = block.lines().filter_map(|line| line.split_once('=')).filter(|(key, _)| key.trim().ends_with("_env"));
    named.filter_map(|(key, value)| {
        let value_of = match key.trim() {
            "secret_key_env" => "sk_prod_0123456789abcdef",
            "url_env" => "postgres://app@db.example.com/app",
            "signing_secret_env" => "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
            _ => API_SECRET,
        };
        Some((value.trim().strip_prefix('"')?.split('"').next()?, value_of))
    })
}

#[test]
fn each_configuration_in_it_passes_check() {
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let Ok(text) = fs::read_to_string(&readme) else { return };
    for block in toml_blocks(&text) {
        let folder = tempfile::tempdir().unwrap();
        put_files(folder.path(), &block);
        fs::write(folder.path().join("roomkey.toml"), &block).unwrap();
        let mut check = Command::new(env!("CARGO_BIN_EXE_roomkey"));
        check.env_clear().envs(variables(&block)).args(["check", "--config", "roomkey.toml"]);
        let done = check.current_dir(folder.path()).output().unwrap();
        let said = String::from_utf8_lossy(&done.stderr);
        assert!(done.status.success(), "{said}\n{block}");
        assert!(!said.contains(API_SECRET) && !said.contains(BACKEND_KEY));
    }
}

#[test]
fn blocks_are_found_and_a_bad_one_fails() {
    let text = "x\n```toml\na = 1\n```\n```sh\nb\n```\n```toml\nc = 2\nd = 3\n```\n";
    assert_eq!(toml_blocks(text), ["a = 1", "c = 2\nd = 3"]);
    let done = crate::support::roomkey(&[], &["check"]);
    assert_eq!(done.status.code(), Some(1));
}
