//! Rows of a SQLite file decide.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{File, MEMBERS, Roomkey, TABLE, at_once, run, run_in, run_online, sql, user};

fn members(rows: &str) -> File {
    // A column without a type keeps a number as one.
    let table = TABLE.replace("ttl text", "ttl");
    File::new(&format!("{table}; insert into members values {rows};"))
}

#[test]
fn a_row_gives_role_name_and_life() {
    let file = members(
        "('alice', 'standup', 'host', 'Al', '5m'), ('bob', 'standup', 'viewer', null, null), ('carol', 'standup', 'participant', 'C', 900)",
    );
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, ""));
    roomkey.wait_until_ready();
    for (who, admin, publish, name, life) in [
        ("alice", true, true, json!("Al"), 300),
        ("bob", false, false, json!(null), 600),
        ("carol", false, true, json!("C"), 900),
    ] {
        let claims = roomkey.enter(who, "standup").livekit();
        let video = &claims["video"];
        assert_eq!(claims["sub"], who);
        assert_eq!((&video["canPublish"], video["roomAdmin"] == json!(true)), (&json!(publish), admin), "{claims}");
        assert_eq!((&claims["name"], claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap()), (&name, life));
    }
    roomkey.must_say(&["\"outcome\":\"allow\"", "\"authorizer\":\"sql\"", "\"rule\":\"sql\"", "\"role\":\"host\""]);
    let claims = roomkey.liveblocks().by(&user(json!({"sub": "alice"}))).send().liveblocks();
    assert_eq!(claims["perms"]["standup"], json!(["room:write", "comments:write"]), "{claims}");
    file.execute(
        "update members set role = 'viewer' where user_id = 'alice'; delete from members where user_id = 'bob'",
    );
    assert_eq!(roomkey.enter("alice", "standup").livekit()["video"]["canPublish"], json!(false));
    roomkey.enter("bob", "standup").refused(403, "forbidden");
}

/// SQLite lays a log over whatever database it stands beside.
#[test]
fn another_database_is_not_read_through_the_old_ones_log() {
    let file = members("('mallory', 'standup', 'viewer', null, null)");
    let writer = file.open();
    writer.pragma_update(None, "journal_mode", "wal").unwrap();
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, ""));
    roomkey.enter("mallory", "standup").livekit();
    writer.execute("update members set role = 'host'", []).unwrap();
    assert_eq!(roomkey.enter("mallory", "standup").livekit()["video"]["roomAdmin"], true);
    drop(writer);
    let log = file.path().with_extension("db-wal");
    assert!(std::fs::metadata(&log).unwrap().len() > 0, "Roomkey keeps it");
    for journal in ["wal", "delete"] {
        let next = members("('mallory', 'standup', null, null, null)");
        next.open().pragma_update(None, "journal_mode", journal).unwrap();
        std::fs::rename(next.path(), file.path()).unwrap();
        for _ in 0..2 {
            roomkey.enter("mallory", "standup").undecided();
        }
        roomkey.must_say(&["\"outcome\":\"error\"", "-wal"]);
    }
    // Who begins with a database that needs no log knows it too.
    Roomkey::serve(&sql(&file.url(), MEMBERS, "")).enter("mallory", "standup").undecided();
    std::fs::remove_file(&log).unwrap();
    std::fs::remove_file(file.path().with_extension("db-shm")).unwrap();
    roomkey.enter("mallory", "standup").refused(403, "forbidden");
}

#[test]
fn no_row_passes_and_null_denies() {
    let file = members("('alice', 'standup', null, null, null)");
    let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"viewer\" }, \
                 { no_room = true, role = \"viewer\", liveblocks_rooms = [\"x\"] }]\n";
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, rules));
    roomkey.enter("alice", "standup").refused(403, "forbidden");
    roomkey.must_say(&["\"outcome\":\"deny\"", "\"authorizer\":\"sql\""]);
    roomkey.enter("alice", "elsewhere").livekit();
    roomkey.enter("bob", "standup").livekit();
    roomkey.must_say(&["\"outcome\":\"allow\"", "\"authorizer\":\"rules\""]);
    // What belongs to no room is not its to decide.
    roomkey.liveblocks().body(&json!({})).by(&user(json!({"sub": "alice"}))).send().liveblocks();
    let alone = Roomkey::serve(&sql(&file.url(), MEMBERS, ""));
    alone.enter("bob", "standup").refused(403, "forbidden");
}

#[test]
fn what_a_row_does_not_say_clearly_is_undecided() {
    let file = members(
        "('twice', 'standup', 'viewer', null, null), ('twice', 'standup', 'viewer', null, null),
         ('unknown', 'standup', 'boss', null, null), ('empty', 'standup', '', null, null),
         ('short', 'standup', 'viewer', null, '1m'), ('long', 'standup', 'viewer', null, 86401),
         ('odd', 'standup', 'viewer', null, 'soon'), ('number', 'standup', 'viewer', 7, 600.5),
         ('blob', 'standup', x'686f7374', null, null), ('integer', 'standup', 'viewer', x'00', null),
         ('noliveblocks', 'standup', 'caller', null, null)",
    );
    let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"viewer\" }]\n";
    let role = "[roles.caller.livekit]\ncan_subscribe = true\n";
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, &format!("{rules}{role}")));
    for who in ["twice", "unknown", "empty", "short", "long", "odd", "number", "blob", "integer"] {
        roomkey.enter(who, "standup").undecided();
    }
    roomkey.enter("noliveblocks", "standup").livekit();
    roomkey.liveblocks().by(&user(json!({"sub": "noliveblocks"}))).send().undecided();
    roomkey.must_say(&["\"outcome\":\"error\"", "more than one row"]);
    roomkey.enter("nobody", "standup").livekit();
}

#[test]
fn values_are_text_and_nothing_else() {
    let odd = ["' or 1=1 --", ":room", "?1", "$1", "\"", "; drop table members", "%", "ünï"];
    let file = members("('alice', 'standup', 'host', null, null), ('7', 'standup', 'viewer', null, null)");
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, ""));
    for text in odd {
        roomkey.enter(text, "standup").refused(403, "forbidden");
        roomkey.enter("alice", text).refused(403, "forbidden");
    }
    for text in odd {
        let row = [text; 2];
        file.open().execute("insert into members values (?1, ?2, 'viewer', null, null)", row).unwrap();
        assert_eq!(roomkey.enter(text, text).livekit()["sub"], *text);
    }
    roomkey.enter("7", "standup").livekit();
    assert_eq!(file.number("select count(*) from members"), 10);
}

#[test]
fn what_a_query_fails_on_is_not_written_down() {
    let file = members("('alice', 'standup', 'viewer', null, null)");
    let query = "select role from members where user_id = :user and json_extract('{\"a\": 1}', :room) = 1";
    let roomkey = Roomkey::serve(&sql(&file.url(), query, ""));
    roomkey.enter("alice", "$.a").livekit();
    roomkey.enter("alice", "CANARY").undecided();
    roomkey.must_say(&["failed on the values"]);
    let told = roomkey.said().lines().filter(|line| line.contains("CANARY")).count();
    assert_eq!(told, 1, "the audit line names the room: {}", roomkey.said());
}

#[test]
fn a_new_configuration_keeps_what_was_reached() {
    let file = members("('alice', 'standup', 'viewer', null, null)");
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, ""));
    roomkey.wait_until_ready();
    std::fs::rename(file.path(), file.path().with_extension("old")).unwrap();
    roomkey.reload();
    roomkey.must_say(&["New configuration in place"]);
    assert!(roomkey.is_ready());
    roomkey.enter("alice", "standup").undecided();
}

#[test]
fn a_number_column_takes_a_text_that_is_one() {
    let file = File::new("create table m (id integer, role text); insert into m values (42, 'viewer')");
    let query = "select ROLE as Role, ':user' as other -- :user\n from m where id = :user and :room <> ':room' and :provider = 'livekit';";
    let roomkey = Roomkey::serve(&sql(&file.url(), query, ""));
    roomkey.must_say(&["columns that nobody looks at", "other"]);
    roomkey.enter("42", "standup").livekit();
    roomkey.enter("42x", "standup").refused(403, "forbidden");
    roomkey.liveblocks().by(&user(json!({"sub": "42"}))).send().refused(403, "forbidden");
}

#[test]
fn it_starts_without_its_database_and_works_once_that_is_there() {
    let file = File::missing();
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, ""));
    roomkey.enter("alice", "standup").undecided();
    roomkey.must_say(&["\"level\":\"ERROR\"", "authorize[0]", "Cannot ask the database", "unable to open"]);
    assert!(!roomkey.is_ready());
    assert!(!file.path().exists(), "it makes no file");
    file.execute("create table others (id)");
    roomkey.enter("alice", "standup").undecided();
    roomkey.must_say(&["Cannot ask the database", "no such table"]);
    assert!(!roomkey.is_ready());
    file.execute(&format!("{TABLE}; insert into members values ('alice', 'standup', 'viewer', null, null)"));
    roomkey.wait_until_ready();
    roomkey.enter("alice", "standup").livekit();
    // Once it was there, its absence is a matter for requests.
    std::fs::rename(file.path(), file.path().with_extension("old")).unwrap();
    roomkey.enter("alice", "standup").undecided();
    assert!(roomkey.is_ready());
    // Another file under its name is the one that counts.
    file.execute(&format!("{TABLE}; insert into members values ('bob', 'standup', 'viewer', null, null)"));
    roomkey.enter("alice", "standup").refused(403, "forbidden");
    roomkey.enter("bob", "standup").livekit();
}

#[test]
fn a_query_that_does_not_end_is_ended() {
    let file = members("('alice', 'standup', 'viewer', null, null)");
    let query = "with recursive n(i) as (select 1 union all select i + 1 from n) select role from members \
                 where user_id = :user and room = :room and (room <> 'slow' or (select count(*) from n) > 0)";
    let roomkey = Roomkey::serve(&sql(&file.url(), query, "timeout = \"300ms\"\nmax_connections = 2\n"));
    roomkey.wait_until_ready();
    file.execute("insert into members values ('alice', 'slow', 'viewer', null, null)");
    for _ in 0..2 {
        let since = Instant::now();
        at_once(6, || roomkey.enter("alice", "slow").undecided());
        assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
        // Both connections are free again.
        thread::sleep(Duration::from_millis(300));
        at_once(6, || roomkey.enter("alice", "standup").livekit());
    }
    roomkey.must_say(&["no answer within 300ms"]);
}

#[test]
fn a_file_that_somebody_writes_is_undecided_for_as_long() {
    let file = members("('alice', 'standup', 'viewer', null, null)");
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, "timeout = \"400ms\"\n"));
    roomkey.enter("alice", "standup").livekit();
    let writer = file.open();
    writer.execute_batch("begin exclusive").unwrap();
    roomkey.enter("alice", "standup").undecided();
    roomkey.must_say(&["database is locked"]);
    writer.execute_batch("commit").unwrap();
    roomkey.enter("alice", "standup").livekit();
}

#[test]
fn a_file_that_hangs_holds_up_no_one_and_not_the_end() {
    let file = File::missing();
    // Opening it waits for somebody who writes.
    assert!(std::process::Command::new("mkfifo").arg(file.path()).status().unwrap().success());
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, "timeout = \"200ms\"\nmax_connections = 2\n"));
    at_once(10, || roomkey.enter("alice", "standup").undecided());
    roomkey.must_be_healthy();
    roomkey.must_say(&["no answer within 200ms"]);
    assert!(!roomkey.is_ready());
    assert_eq!(roomkey.stop(), Some(0));
}

#[test]
fn fifty_at_once_are_all_answered() {
    let file = members("('alice', 'standup', 'viewer', null, null)");
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, "timeout = \"10s\"\nmax_connections = 2\n"));
    at_once(50, || roomkey.enter("alice", "standup").livekit());
}

#[test]
fn nothing_is_written() {
    let file = members("('alice', 'standup', 'viewer', null, null)");
    let query = "with gone as (select 1) delete from members where user_id = :user and room = :room returning role";
    let roomkey = Roomkey::serve(&sql(&file.url(), query, ""));
    roomkey.enter("alice", "standup").undecided();
    assert!(!roomkey.is_ready());
    assert_eq!(file.number("select count(*) from members"), 1);
    run_online(&sql(&file.url(), query, "")).refused("authorize[0]", "it may only read");
}

#[test]
fn check_online_says_what_is_wrong_with_the_query() {
    let file = members("('alice', 'standup', 'viewer', null, null)");
    let online = |query: &str| run_online(&sql(&file.url(), query, ""));
    assert_eq!(online(MEMBERS).code, Some(0));
    online("select role from member where user_id = :user and room = :room")
        .refused("authorize[0]", "no such table: member");
    online("select name from members where user_id = :user and room = :room")
        .refused("authorize[0]", "no column `role`");
    online("select role, 1 as ROLE from members where user_id = :user and room = :room")
        .refused("authorize[0]", "more than one column `role`");
    online("select role from members where user_id = :user and rom = :room")
        .refused("authorize[0]", "no such column: rom");
    let missing = run_online(&sql("sqlite:missing.db", MEMBERS, ""));
    missing.refused("authorize[0]", "unable to open");
}

#[test]
fn a_bad_configuration_does_not_start() {
    let with = |url: &str, query: &str, more: &str| run(&sql(url, query, more), &[]);
    for (url, why) in [
        ("mysql://root:CANARY@db/app", "must begin with sqlite:"),
        ("postgres:db/app", "must begin with sqlite:"),
        ("", "must begin with sqlite:"),
        ("sqlite:", "names no file"),
        ("sqlite::memory:", "must name a file"),
        ("sqlite:/data/app.db?mode=rw", "must end with the file's name"),
        ("postgres://u:CANARY@db:port/app", "% codes"),
        ("postgres://u:CANARY@db/app?sslmode=always", "% codes"),
        ("postgres://u:CANARY@db/app?schema=CANARY", "% codes"),
        ("postgres:///app", "names no host"),
    ] {
        let ran = with(url, MEMBERS, "");
        ran.refused("authorize[0].url", why);
        assert!(!ran.stderr.contains("CANARY"), "{ran:?}");
    }
    for (query, why) in [
        ("delete from members", "begins with `delete`"),
        ("select role from members where u = :usr", "did you mean `:user`?"),
        ("select role; select 1", "more than one statement"),
        ("select role from members where u = ?", "is a parameter to SQLite"),
    ] {
        with("sqlite:app.db", query, "").refused("authorize[0].query", why);
    }
    with("sqlite:app.db", MEMBERS, "timeout = \"5ms\"").refused("authorize[0].timeout", "from 10ms to 30s");
    with("sqlite:app.db", MEMBERS, "max_connections = 0").refused("authorize[0].max_connections", "from 1 to 1000");
    with("sqlite:app.db", MEMBERS, "max_conections = 1").refused("authorize[0].max_conections", "did you mean");
    let bare = sql("sqlite:app.db", MEMBERS, "").replace("url = \"sqlite:app.db\"", "").replace("query = ", "# ");
    let ran = run(&bare, &[]);
    ran.refused("authorize[0].url", "is missing");
    ran.refused("authorize[0].query", "is missing");
    let one = "select role from members where user_id = :user";
    let ran = with("sqlite:app.db", one, "");
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.stderr.contains("authorize[0].query") && ran.stderr.contains("does not mention :room"), "{ran:?}");
}

#[test]
fn a_relative_path_is_relative_to_its_file_or_the_working_directory() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("conf")).unwrap();
    let (beside, here) = (folder.path().join("conf/app.db"), folder.path().join("app.db"));
    let online = |config: &str| {
        std::fs::write(folder.path().join("conf/roomkey.toml"), config).unwrap();
        let arguments = ["check", "--online", "--config", "conf/roomkey.toml"];
        run_in(folder.path(), &arguments, &[("DATABASE_URL", "sqlite:app.db")])
    };
    let in_file = sql("sqlite:app.db", MEMBERS, "");
    let in_variable = in_file.replace("url = \"sqlite:app.db\"", "url_env = \"DATABASE_URL\"");
    for config in [&in_file, &in_variable] {
        online(config).refused("authorize[0]", "unable to open");
    }
    let make = |path: &Path| rusqlite::Connection::open(path).unwrap().execute_batch(TABLE).unwrap();
    for (path, reached, missed) in [(&beside, &in_file, &in_variable), (&here, &in_variable, &in_file)] {
        make(path);
        let ran = online(reached);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        online(missed).refused("authorize[0]", "unable to open");
        std::fs::remove_file(path).unwrap();
    }
}

#[test]
fn an_absolute_path_may_come_from_anywhere() {
    let file = File::missing();
    let absolute = format!("sqlite://{}", file.path().display());
    let config = sql(&absolute, MEMBERS, "");
    run_online(&config).refused("authorize[0]", "unable to open");
    file.execute(TABLE);
    assert_eq!(run_online(&config).code, Some(0));
    let url = file.path().with_file_name("url");
    std::fs::write(&url, "sqlite:app.db\n").unwrap();
    let twin = sql("x", MEMBERS, "").replace("url = \"x\"", &format!("url_file = \"{}\"", url.display()));
    run(&twin, &[]).refused("authorize[0].url_file", "an absolute path");
    std::fs::write(&url, format!("{absolute}\n")).unwrap();
    assert_eq!(run_online(&twin).code, Some(0));
}
