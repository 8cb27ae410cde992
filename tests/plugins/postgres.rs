//! Rows of a PostgreSQL database decide, by way of PgBouncer too.

use std::net::TcpListener;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::{
    MEMBERS, Roomkey, Server, TABLE, Way, at_once, nowhere, run_online, skipped, sql, user, variable,
};

const PASSWORD: &str = "CANARY-postgres-password";

fn members(name: &'static str, rows: &str) -> Option<Server> {
    Server::new(name, &format!("{TABLE}; insert into members values {rows}"))
}

#[test]
fn rows_decide_directly_and_behind_a_pooler() {
    let Some(server) = members(
        "t_rows",
        "('alice', 'standup', 'host', 'Al', '5m'), ('bob', 'standup', null, null, null), ('carol', 'standup', 'viewer', null, '900'),
         ('twice', 'standup', 'viewer', null, null), ('twice', 'standup', 'viewer', null, null),
         ('unknown', 'standup', 'boss', null, null), ('empty', 'standup', '', null, null), ('short', 'standup', 'viewer', null, '1m'),
         ('odd', 'standup', 'viewer', null, '00:10:00'), ('long', 'standup', repeat('x', 300), null, null),
         ('longer', 'standup', 'viewer', repeat('x', 70000), null)",
    ) else {
        return;
    };
    for url in [server.url(), server.pooled()] {
        let roomkey = Roomkey::serve(&sql(&url, MEMBERS, ""));
        roomkey.wait_until_ready();
        let claims = roomkey.enter("alice", "standup").livekit();
        assert_eq!((&claims["name"], &claims["video"]["roomAdmin"]), (&json!("Al"), &json!(true)), "{claims}");
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 300);
        let claims = roomkey.enter("carol", "standup").livekit();
        assert_eq!(claims["exp"].as_i64().unwrap() - claims["nbf"].as_i64().unwrap(), 900);
        roomkey.enter("bob", "standup").refused(403, "forbidden");
        roomkey.must_say(&["\"outcome\":\"deny\"", "\"authorizer\":\"sql\""]);
        roomkey.enter("alice", "elsewhere").refused(403, "forbidden");
        for who in ["twice", "unknown", "empty", "short", "odd", "long", "longer"] {
            roomkey.enter(who, "standup").undecided();
        }
        roomkey.must_say(&["more than one row"]);
        roomkey.must_say(&["longer than 64 KiB"]);
        roomkey.liveblocks().by(&user(json!({"sub": "alice"}))).send().liveblocks();
    }
}

#[test]
fn columns_of_any_type_are_compared_and_read() {
    let Some(server) = Server::new(
        "t_types",
        "create extension citext;
         create type app_role as enum ('viewer', 'host');
         create domain short as varchar(20);
         create table m (id uuid, org bigint, room varchar(100), role app_role, name citext, ttl integer, extra bytea);
         insert into m values ('6F9619FF-8B86-D011-B42D-00CF4FC964FF', 7, 'standup', 'host', 'Al', 300, '\\x00'),
           ('6f9619ff-8b86-d011-b42d-00cf4fc964fe', 7, 'standup', null, null, null, null);
         create table c (id char(10), room citext, role char(20), name short);
         insert into c values ('alice', 'standup', 'viewer', 'Al')",
    ) else {
        return;
    };
    let uuid = "6f9619ff-8b86-d011-b42d-00cf4fc964ff";
    for url in [server.url(), server.pooled()] {
        let query = "select * from m where id = :user::uuid and room = :room and org = 7";
        let roomkey = Roomkey::serve(&sql(&url, query, ""));
        roomkey.must_say(&["columns that nobody looks at", "extra"]);
        for _ in 0..5 {
            let claims = roomkey.enter(uuid, "standup").livekit();
            assert_eq!((&claims["name"], &claims["video"]["roomAdmin"]), (&json!("Al"), &json!(true)), "{claims}");
        }
        roomkey.enter("6f9619ff-8b86-d011-b42d-00cf4fc964fe", "standup").refused(403, "forbidden");
        // What no uuid could be is no answer about anyone.
        roomkey.enter("CANARY-no-uuid", "standup").undecided();
        roomkey.must_say(&["\"outcome\":\"error\"", "SQLSTATE 22P02", "column::text = :user"]);
        assert!(!roomkey.said().lines().any(|line| line.contains("22P02") && line.contains("invalid input syntax")));
        roomkey.enter(uuid, "standup").livekit();

        let roomkey = Roomkey::serve(&sql(&url, "select role from m where id::text = :user and room = :room", ""));
        roomkey.enter(uuid, "standup").livekit();
        roomkey.enter("no-uuid", "standup").refused(403, "forbidden");

        let query = "with x(u) as (values (:user::char(10))) select role as \"Role\", name from c, x where id = x.u and room = :room -- :user";
        let roomkey = Roomkey::serve(&sql(&url, query, ""));
        let claims = roomkey.enter("alice", "standup").livekit();
        assert_eq!(claims["name"], "Al");

        let roomkey = Roomkey::serve(&sql(
            &url,
            "select role, ttl from m where org = :user::bigint and :room = room and ':room' <> :provider",
            "",
        ));
        roomkey.wait_until_ready();
        roomkey.enter("8", "standup").refused(403, "forbidden");
        roomkey.enter("7", "standup").undecided();
    }
}

/// `007` is no room that is called 7, and a column of numbers says so at once.
#[test]
fn a_text_is_no_number() {
    let Some(server) = Server::new(
        "t_numbers",
        "create table m (uid integer, room integer, role text); insert into m values (1, 7, 'host')",
    ) else {
        return;
    };
    let query = |compare: &str| format!("select role from m where {compare}");
    let bare = sql(&server.url(), &query("uid = :user and room = :room"), "");
    run_online(&bare).refused("authorize[0]", "42883");
    let roomkey = Roomkey::serve(&bare);
    roomkey.enter("1", "7").undecided();
    assert!(!roomkey.is_ready());
    let roomkey = Roomkey::serve(&sql(&server.url(), &query("uid::text = :user and room::text = :room"), ""));
    roomkey.enter("1", "7").livekit();
    for (who, room) in [("01", "7"), ("1", "007"), ("1", "+7"), (" 1", "7"), ("1", " 7")] {
        roomkey.enter(who, room).refused(403, "forbidden");
    }
}

#[test]
fn values_are_text_and_nothing_else() {
    let odd = ["' or 1=1 --", ":room", "$1", "$2", "\"", "'; drop table members; --", "%", "\\", "ünï", "$$"];
    let Some(server) = members("t_values", "('alice', 'standup', 'host', null, null)") else { return };
    let roomkey = Roomkey::serve(&sql(&server.pooled(), MEMBERS, ""));
    for text in odd {
        roomkey.enter(text, "standup").refused(403, "forbidden");
        roomkey.enter("alice", text).refused(403, "forbidden");
    }
    for text in odd {
        let quoted = format!("'{}'", text.replace('\'', "''"));
        server.execute(&format!("insert into members values ({quoted}, {quoted}, 'viewer', null, null)"));
        assert_eq!(roomkey.enter(text, text).livekit()["sub"], *text);
    }
    assert_eq!(server.execute("select count(*) from members"), ["11"]);
}

#[test]
fn nothing_is_written() {
    let Some(server) = Server::new(
        "t_writes",
        "create table members (user_id text, room text, role text);
         create sequence s;
         create function noted(who text) returns text volatile language sql as
           $$ insert into members values (who, 'noted', 'host') returning role $$;
         insert into members values ('alice', 'standup', 'viewer')",
    ) else {
        return;
    };
    for (query, why) in [
        ("select role, nextval('s') from members where user_id = :user and room = :room", None),
        ("select role from members where user_id = :user and room = :room for update", None),
        (
            "with x as (insert into members values (:user, :room, 'host') returning role) select role from x",
            Some("data-modifying"),
        ),
        ("select noted(:user) as role from (values (:room)) as x", Some("read-only")),
        (
            "select set_config('transaction_read_only', 'off', false), noted(:user) as role from (values (:room)) as x",
            Some("read-write mode"),
        ),
    ] {
        for url in [server.url(), server.pooled()] {
            let roomkey = Roomkey::serve(&sql(&url, query, ""));
            roomkey.enter("alice", "standup").undecided();
            roomkey.enter("alice", "standup").undecided();
            roomkey.must_say(&["\"outcome\":\"error\"", "SQLSTATE"]);
            if let Some(why) = why {
                roomkey.must_say(&["Cannot ask the database", why]);
                assert!(!roomkey.is_ready());
                run_online(&sql(&url, query, "")).refused("authorize[0]", why);
            }
        }
        assert_eq!(server.execute("select count(*) from members where room <> 'standup'"), ["0"], "{query}");
        assert_eq!(server.execute("select is_called from s"), ["f"], "{query}");
    }
}

#[test]
fn a_slow_query_is_ended_and_its_connection_with_it() {
    let Some(server) = members("t_slow", "('alice', 'standup', 'viewer', null, null)") else { return };
    let query = "select role from members where user_id = :user and (room = :room or (:room = 'slow' and pg_sleep(30) is not null))";
    for url in [server.url(), server.pooled()] {
        let roomkey = Roomkey::serve(&sql(&url, query, "timeout = \"1s\"\nmax_connections = 2\n"));
        roomkey.wait_until_ready();
        for _ in 0..2 {
            let since = Instant::now();
            at_once(6, || roomkey.enter("alice", "slow").undecided());
            assert!(since.elapsed() < Duration::from_secs(3), "{:?}", since.elapsed());
            let until = Instant::now() + Duration::from_secs(5);
            let running = "select count(*) from pg_stat_activity where query like '%roomkey_row%' and state = 'active' and pid <> pg_backend_pid()";
            while server.execute(running) != ["0"] {
                assert!(Instant::now() < until, "the server still runs it");
                thread::sleep(Duration::from_millis(50));
            }
            at_once(6, || roomkey.enter("alice", "standup").livekit());
        }
    }
}

#[test]
fn callers_who_go_away_leave_no_half_read_answer_behind() {
    let Some(server) =
        members("t_away", "('alice', 'standup', 'host', null, null), ('bob', 'standup', 'viewer', null, null)")
    else {
        return;
    };
    let query = "select role from members, pg_sleep(0.1) where user_id = :user and room = :room";
    let roomkey = Roomkey::serve(&sql(&server.url(), query, "max_connections = 1\n"));
    roomkey.wait_until_ready();
    let alice = user(json!({"sub": "alice"}));
    for _ in 0..5 {
        roomkey.livekit().by(&alice).abandon(Duration::from_millis(30));
        assert_eq!(roomkey.enter("bob", "standup").livekit()["video"]["canPublish"], json!(false));
    }
}

#[test]
fn fifty_at_once_are_all_answered_by_two_connections() {
    let Some(server) = members("t_many", "('alice', 'standup', 'viewer', null, null)") else { return };
    let roomkey = Roomkey::serve(&sql(&server.pooled(), MEMBERS, "timeout = \"10s\"\nmax_connections = 20\n"));
    for _ in 0..2 {
        at_once(50, || roomkey.enter("alice", "standup").livekit());
    }
    // Nothing of ours stays with a connection that others get.
    for _ in 0..4 {
        let left = "select concat_ws(' ', current_setting('statement_timeout'), current_setting('transaction_read_only'), \
                    (select count(*) from pg_prepared_statements))";
        assert_eq!(server.execute_pooled(left), ["0 off 0"]);
    }
}

#[test]
fn it_starts_without_its_database_and_works_once_that_is_there() {
    let Some(server) = Server::without("t_later") else { return };
    let way = Way::closed();
    let roomkey = Roomkey::serve(&sql(&server.by(way.address), MEMBERS, ""));
    roomkey.enter("alice", "standup").undecided();
    roomkey.must_say(&["\"level\":\"ERROR\"", "authorize[0]", "Cannot ask the database", "Connection refused"]);
    assert!(!roomkey.is_ready());
    way.open(server.address());
    roomkey.must_say(&["Cannot ask the database", "3D000"]);
    assert!(!roomkey.is_ready());
    server.create("");
    roomkey.must_say(&["Cannot ask the database", "42P01", "members"]);
    assert!(!roomkey.is_ready());
    server.execute(&format!("{TABLE}; insert into members values ('alice', 'standup', 'viewer', null, null)"));
    roomkey.wait_until_ready();
    roomkey.enter("alice", "standup").livekit();
}

#[test]
fn connections_that_are_gone_are_replaced() {
    let Some(server) = members("t_gone", "('alice', 'standup', 'viewer', null, null)") else { return };
    let way = Way::to(server.address());
    for url in [server.url(), server.by(way.address)] {
        let roomkey = Roomkey::serve(&sql(&url, MEMBERS, "timeout = \"10s\"\n"));
        roomkey.wait_until_ready();
        for round in 0..20 {
            at_once(3, || roomkey.enter("alice", "standup").livekit());
            if round % 2 == 0 {
                server.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity where datname = 't_gone' and pid <> pg_backend_pid()",
                );
            } else {
                way.cut();
            }
        }
    }
}

#[test]
fn a_server_that_says_nothing_is_undecided_in_time() {
    let Some(server) = members("t_silent", "('alice', 'standup', 'viewer', null, null)") else { return };
    // It accepts, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = server.by(silent.local_addr().unwrap());
    let roomkey = Roomkey::serve(&sql(&url, MEMBERS, "timeout = \"300ms\"\n"));
    let since = Instant::now();
    roomkey.enter("alice", "standup").undecided();
    assert!(since.elapsed() < Duration::from_secs(2), "{:?}", since.elapsed());
    roomkey.must_say(&["no answer within 300ms"]);
}

#[test]
fn the_password_is_never_written_down() {
    let Some(server) = members("t_secret", "('alice', 'standup', 'viewer', null, null)") else { return };
    let trace = "[log]\nlevel = \"trace\"\n";
    let wrong = server.url().replace(PASSWORD, "CANARY-wrong-password");
    let cases = [
        (server.url(), MEMBERS),
        (server.url(), "select role from nowhere where user_id = :user and room = :room"),
        (
            server.url(),
            "select role from members where user_id = :user and room = :room and 1 / length(substr(:user, 6)) = 1",
        ),
        (wrong.clone(), MEMBERS),
        (server.by(nowhere()), MEMBERS),
        (server.url().replace("disable", "require"), MEMBERS),
    ];
    for (url, query) in cases {
        assert!(url.contains("CANARY"));
        let roomkey = Roomkey::serve(&sql(&url, query, trace));
        let answer = roomkey.enter("alice", "standup");
        thread::sleep(Duration::from_millis(300));
        let ran = run_online(&sql(&url, query, trace));
        for text in [answer.body, roomkey.said(), ran.stderr] {
            assert!(!text.contains("CANARY"), "{text}");
        }
    }
    let ran = run_online(&sql(&wrong, MEMBERS, ""));
    ran.refused("authorize[0]", "28P01");
    ran.refused("authorize[0]", "password authentication failed");
}

#[test]
fn check_online_says_what_is_wrong_with_the_query() {
    let Some(server) = members("t_check", "('alice', 'standup', 'viewer', null, null)") else { return };
    for url in [server.url(), server.pooled()] {
        let online = |query: &str| run_online(&sql(&url, query, ""));
        assert_eq!(online(MEMBERS).code, Some(0));
        for (query, why) in [
            ("select role from member where user_id = :user and room = :room", "relation \"member\" does not exist"),
            ("select name from members where user_id = :user and room = :room", "no column `role`"),
            (
                "select role, 1 as \"Role\" from members where user_id = :user and room = :room",
                "more than one column `role`",
            ),
            ("select role from members where user_id = :user and rom = :room", "column \"rom\" does not exist"),
            ("select role from members where user_id = :user and room = :room and", "syntax error"),
            (
                "select role from members where user_id = :user) as x; drop table members; --:room",
                "more than one statement",
            ),
            ("select 1) as x(role), (select :user, :room", "syntax error"),
        ] {
            online(query).refused("authorize[0]", why);
        }
    }
}

#[test]
fn tls_is_always_verified() {
    let Some(server) = members("t_tls", "('alice', 'standup', 'viewer', null, null)") else { return };
    let Some(folder) = variable("ROOMKEY_TEST_POSTGRES_FOLDER") else {
        skipped("ROOMKEY_TEST_POSTGRES_FOLDER names no folder");
        return;
    };
    let ca = tempfile::NamedTempFile::new().unwrap();
    std::fs::copy(format!("{folder}/ca.pem"), ca.path()).unwrap();
    let trusted = [("SSL_CERT_FILE", ca.path().to_str().unwrap())];
    let name = |url: &str| url.replace("127.0.0.1", "localhost");
    for mode in ["require", "verify-full", "verify-ca", "prefer", "require&channel_binding=require"] {
        let url = server.url().replace("disable", mode);
        for url in [url.clone(), name(&url)] {
            let roomkey = Roomkey::serve_with(&sql(&url, MEMBERS, ""), &trusted);
            roomkey.enter("alice", "standup").livekit();
            let roomkey = Roomkey::serve(&sql(&url, MEMBERS, ""));
            roomkey.enter("alice", "standup").undecided();
            roomkey.must_say(&["Cannot ask the database", "certificate"]);
            assert!(!roomkey.is_ready());
        }
    }
    // A socket needs none.
    let port = server.address().port();
    let url = format!("postgres://roomkey:{PASSWORD}@/t_tls?host={folder}&port={port}");
    Roomkey::serve(&sql(&url, MEMBERS, "")).enter("alice", "standup").livekit();
}
