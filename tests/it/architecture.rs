//! What holds between the modules, read from the sources.

use std::fs;
use std::path::{Path, PathBuf};

const MAX_LINES: usize = 400;

/// A source file: its path from the crate's root, and its text.
struct File {
    path: String,
    text: String,
}

impl File {
    /// Whether it stands in the module (`http`) or is it (`service.rs`).
    fn is_in(&self, module: &str) -> bool {
        self.path == format!("src/{module}.rs") || self.path.starts_with(&format!("src/{module}/"))
    }

    fn is_in_any(&self, modules: &[&str]) -> bool {
        modules.iter().any(|module| self.is_in(module))
    }

    /// The text that is compiled into the program: no comments, no tests.
    fn code(&self) -> String {
        let program = if self.path.contains("/tests/") { "" } else { &self.text };
        let program = program.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        program.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
    }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.unwrap().path()) {
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}

fn files(folders: &[&str]) -> Vec<File> {
    let mut paths = Vec::new();
    folders.iter().for_each(|folder| collect(&root().join(folder), &mut paths));
    paths.sort();
    let read = paths.into_iter().map(|path| File {
        text: fs::read_to_string(&path).unwrap(),
        path: path.strip_prefix(root()).unwrap().display().to_string(),
    });
    read.collect()
}

fn sources() -> Vec<File> {
    let sources = files(&["src"]);
    assert!(sources.len() > 40, "the sources are found");
    sources
}

/// Files outside `modules` whose code holds one of `words`.
fn offenders(modules: &[&str], words: &[&str]) -> Vec<String> {
    let outside = sources().into_iter().filter(|file| !file.is_in_any(modules));
    let guilty = outside.flat_map(|file| {
        let code = file.code();
        let found = words.iter().filter(|word| holds(&code, word)).map(|word| format!("{}: {word}", file.path));
        found.collect::<Vec<_>>()
    });
    guilty.collect()
}

/// Whether `word` stands in the code as itself, not as the end of another name.
fn holds(code: &str, word: &str) -> bool {
    code.match_indices(word).any(|(at, _)| {
        let before = code[..at].chars().next_back();
        !word.starts_with(|c: char| c.is_alphanumeric()) || !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

/// Whether the code holds a literal `Name { … }` or `Name(…)`, which is neither a
/// type's definition nor the type of what a function gives.
fn makes(code: &str, name: &str) -> bool {
    [format!("{name} {{"), format!("{name}(")].iter().any(|literal| {
        code.match_indices(literal.as_str()).any(|(at, _)| {
            let before = code[..at].trim_end_matches(|c: char| c.is_alphanumeric() || c == '_' || c == ':').trim_end();
            let whole = !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
            whole && !["->", "&", "struct", "impl", "for", "enum", ">"].iter().any(|word| before.ends_with(word))
        })
    })
}

/// Paths inside this crate that a file's code names: `crate::`, `super::` and
/// the braces after them, as far as their first name.
fn names(file: &File, module: &str) -> bool {
    let code = file.code();
    let direct = [format!("crate::{module}::"), format!("crate::{module};"), format!("roomkey::{module}::")];
    let braces = code.match_indices("crate::{").any(|(at, start)| {
        let inner = code[at + start.len()..].split('}').next().unwrap_or_default();
        inner.split(',').any(|name| name.trim() == module || name.trim().starts_with(&format!("{module}::")))
    });
    braces || direct.iter().any(|path| code.contains(path.as_str()))
}

/// Files of `module` that name one of `others`.
fn imports(module: &str, others: &[&str]) -> Vec<String> {
    let within = sources().into_iter().filter(|file| file.is_in(module));
    let guilty = within.flat_map(|file| {
        others
            .iter()
            .filter(|other| names(&file, other))
            .map(|other| format!("{}: {other}", file.path))
            .collect::<Vec<_>>()
    });
    guilty.collect()
}

const NONE: [&str; 0] = [];

#[test]
fn no_file_is_too_long_to_be_read() {
    for file in files(&["src", "tests", "examples", "benches"]) {
        let lines = file.text.lines().count();
        assert!(lines <= MAX_LINES, "{}: {lines}", file.path);
    }
}

#[test]
fn only_the_edge_knows_axum() {
    assert_eq!(offenders(&["http", "serve", "service"], &["axum"]), NONE);
    assert_eq!(offenders(&["http", "serve"], &["IntoResponse", "FromRequest"]), NONE);
}

#[test]
fn vendors_do_not_know_each_other() {
    assert_eq!(imports("livekit", &["liveblocks"]), NONE);
    assert_eq!(imports("liveblocks", &["livekit"]), NONE);
    assert_eq!(imports("http/livekit", &["liveblocks"]), NONE);
    assert_eq!(imports("http/liveblocks", &["livekit"]), NONE);
}

#[test]
fn data_flows_one_way() {
    for module in [
        "authenticate",
        "authorize",
        "livekit",
        "liveblocks",
        "role",
        "claims",
        "pattern",
        "template",
        "expression",
        "room_index",
        "project",
        "callback",
        "outbound",
        "json",
        "units",
        "name",
        "ask",
    ] {
        assert_eq!(imports(module, &["http", "serve", "service", "snapshot", "config", "cli"]), NONE, "{module}");
    }
    assert_eq!(imports("http", &["cli", "service"]), NONE);
    assert_eq!(imports("config", &["http", "serve", "service", "snapshot", "cli"]), NONE);
    assert_eq!(imports("serve", &["http", "authenticate", "authorize", "livekit", "liveblocks", "config"]), NONE);
    for module in [
        "name",
        "claims",
        "pattern",
        "template",
        "expression",
        "room_index",
        "nearest",
        "json",
        "units",
        "clock",
        "random",
    ] {
        assert_eq!(imports(module, &["authenticate", "authorize", "livekit", "liveblocks", "role"]), NONE, "{module}");
    }
}

/// The files of a folder that are one plug-in each.
fn siblings(folder: &str, shared: &[&str]) -> Vec<(String, File)> {
    let own = files(&[&format!("src/{folder}")]).into_iter();
    let within = |file: &File| file.path[format!("src/{folder}/").len()..].to_owned();
    // A folder is one plug-in too.
    let named = own.map(|file| (within(&file).split(['/', '.']).next().unwrap().to_owned(), file));
    named.filter(|(name, _)| !shared.contains(&name.as_str())).collect()
}

#[test]
fn plug_ins_do_not_know_their_siblings() {
    for (folder, shared) in [
        ("authenticate", &["mod", "head", "settings", "key", "jwks", "invite"][..]),
        ("authorize", &["mod", "audit", "ceiling", "engine", "permit", "settings"]),
    ] {
        let all = siblings(folder, shared);
        assert!(all.len() >= 2, "{folder}");
        for (name, file) in &all {
            for (other, _) in all.iter().filter(|(other, _)| other != name) {
                let code = file.code();
                let path = [format!("super::{other}"), format!("{folder}::{other}")];
                assert!(!path.iter().any(|path| code.contains(path.as_str())), "{} knows {other}", file.path);
            }
        }
        let inner: Vec<_> = all.iter().map(|(name, _)| format!("{folder}::{name}::")).collect();
        let inner: Vec<_> = inner.iter().map(String::as_str).collect();
        assert_eq!(offenders(&[folder], &inner), NONE, "who is outside knows no plug-in's file");
    }
}

#[test]
fn who_authenticates_does_not_authorize() {
    let inner = ["Verdict", "Allowance", "Permit", "Denial", "Engine"];
    let within = sources().into_iter().filter(|file| file.is_in("authenticate"));
    for file in within {
        for word in inner {
            assert!(!holds(&file.code(), word), "{}: {word}", file.path);
        }
    }
}

#[test]
fn only_their_own_modules_make_permits_and_callers() {
    for (name, module) in
        [("Permit", "authorize"), ("Grounds", "authorize"), ("Caller", "authenticate"), ("Sealed", "authorize")]
    {
        for file in sources().into_iter().filter(|file| !file.is_in(module)) {
            assert!(!makes(&file.code(), name), "{} makes a {name}", file.path);
        }
    }
    assert_eq!(offenders(&["authenticate", "cli", "bench"], &["Caller::vouched", "Caller::new"]), NONE);
    // What is public to others is private inside.
    let permit = fs::read_to_string(root().join("src/authorize/permit.rs")).unwrap();
    let fields = permit.split("pub struct Permit {").nth(1).unwrap().split('}').next().unwrap();
    assert!(fields.lines().all(|line| line.trim().is_empty() || line.trim().starts_with("pub(super) ")), "{fields}");
    let authenticate = fs::read_to_string(root().join("src/authenticate/mod.rs")).unwrap();
    let fields = authenticate.split("pub struct Caller {").nth(1).unwrap().split('}').next().unwrap();
    assert!(!fields.contains("pub"), "{fields}");
}

#[test]
fn only_the_command_line_reads_the_environment_and_only_the_clock_the_time() {
    assert_eq!(offenders(&["cli"], &["std::env", "env::var"]), NONE);
    assert_eq!(offenders(&["clock", "cli/reload"], &["SystemTime", "get_current_timestamp", "Utc::now"]), NONE);
    assert_eq!(offenders(&["cli"], &["println!", "eprintln!", "process::exit"]), NONE);
}

#[test]
fn nothing_panics_on_purpose() {
    assert_eq!(
        offenders(&[], &[".unwrap()", ".expect(", "panic!(", "unreachable!(", "todo!", "unimplemented!", "dbg!"]),
        NONE
    );
    assert_eq!(offenders(&[], &["unsafe {", "unsafe fn"]), NONE);
}

#[test]
fn no_test_is_switched_off() {
    let off = ["ignore", "should_panic"].map(|name| format!("#[{name}"));
    for file in files(&["src", "tests"]) {
        for off in &off {
            assert!(!file.text.contains(off.as_str()), "{}: {off}", file.path);
        }
    }
}

#[test]
fn every_file_says_what_it_is() {
    for file in sources() {
        assert!(file.text.starts_with("//!"), "{}", file.path);
    }
}
