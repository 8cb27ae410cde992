//! Queries, with everything in them that looks like a placeholder.

use super::super::query::Dialect::{Postgres, Sqlite};
use super::super::query::{Dialect, MAX_BYTES, Query};

#[track_caller]
fn becomes(dialect: Dialect, text: &str, sql: &str, parameters: &str) {
    let query = Query::parse(text, dialect).unwrap_or_else(|why| panic!("{text}: {why}"));
    let names: Vec<_> = query.parameters.iter().map(|parameter| &parameter.placeholder()[1..]).collect();
    assert_eq!((&*query.sql, &*names.join(" ")), (sql, parameters), "{text}");
}

#[test]
fn each_placeholder_becomes_a_parameter_of_its_own() {
    for (text, sql, parameters) in [
        ("select role from m where u = :user and r = :room", "select role from m where u = $1 and r = $2", "user room"),
        ("select :user, :user,:room,:provider", "select $1, $2,$3,$4", "user user room provider"),
        ("SELECT(:user)", "SELECT($1)", "user"),
        ("with a as (select 1) select :user", "with a as (select 1) select $1", "user"),
        ("values (:user)", "values ($1)", "user"),
        ("/* who */ -- :why\nselect :user", "/* who */ -- :why\nselect $1", "user"),
        ("select u=:user", "select u=$1", "user"),
        ("select :user;", "select $1", "user"),
        ("select :user ; -- :room\n /* ; x */ ;\n", "select $1 ", "user"),
        ("select 1", "select 1", ""),
    ] {
        becomes(
            Postgres,
            text,
            &(1..5).fold(sql.to_owned(), |sql, n| sql.replace(&format!("${n}"), &format!("${n}::text"))),
            parameters,
        );
        becomes(Sqlite, text, &sql.replace('$', "?"), parameters);
    }
}

#[test]
fn nothing_else_is_touched() {
    for text in [
        "select ':user'",
        "select 'it''s :user'",
        "select '' ':user'",
        "select \":user\", \"a\"\":user\"",
        "select 1 -- :user 'x",
        "select 1 /* :user ' */",
        "select 'a;b'",
        "select x'00', 'ü:user', ü from \"ü\"",
        "select 1 /* -- */ + 1",
        "select 'a' -- '\n, ':user'",
    ] {
        becomes(Postgres, text, text, "");
        becomes(Sqlite, text, text, "");
    }
    for text in [
        "select id::text, id::user, id :: user",
        "select '1'::user",
        "select f(a := 1, b := 2)",
        "select a[1:2], a[1:], a[:2], a[1 : user]",
        "select E'it\\'s :user', e'\\\\'",
        "select E'a'\n '\\':user'",
        "select 'a\\', ':user'",
        "select U&'\\0041:user', B'01', n':user'",
        "select $$ :user ' $$, $a$ $$ :user $b$ $a$, $ü$:user$ü$",
        "select foo$1$ , foo$bar$",
        "select /* /* :user */ :user */ 1",
        "select a ? 'b', a ?| b, a @> b, a @? '$.x'",
        "select typee':user'",
    ] {
        becomes(Postgres, text, text, "");
    }
    for text in [
        "select [:user], [a]",
        "select `:user`, `a``:user`",
        "select 1 /* /* */",
        "select 'a\\', 'b'",
        "select e'a\\', 1",
    ] {
        becomes(Sqlite, text, text, "");
    }
    becomes(Postgres, "select :user::text, a[ :room ]", "select $1::text::text, a[ $2::text ]", "user room");
}

#[test]
fn what_is_not_certain_is_refused() {
    let long = format!("select '{}'", "x".repeat(MAX_BYTES));
    for (text, why) in [
        ("", "holds no statement"),
        (" -- nothing", "holds no statement"),
        (";", "holds no statement"),
        ("insert into m values (:user)", "begins with `insert`"),
        ("/* x */ delete from m", "begins with `delete`"),
        ("explain select 1", "begins with `explain`"),
        ("(select 1)", "begins with `(`"),
        ("selectx", "begins with `selectx`"),
        (":user", "begins with `:`"),
        ("select 1; select 2", "more than one statement"),
        ("select 1; /* x */ drop table m", "more than one statement"),
        ("select :usr", "`:usr` is none of :user, :room, :provider"),
        ("select :User", "`:User` is none of"),
        ("select :user_id", "`:user_id` is none of"),
        ("select :user$1", "`:user$1` is none of"),
        ("select :ü", "`:ü` is none of"),
        ("select a:user", "put a space before it"),
        ("select 1:user", "put a space before it"),
        ("select f(a):user", "put a space before it"),
        ("select ' :user", "close it with `'`"),
        ("select \" :user", "close it with"),
        ("select /* :user", "close it with `*/`"),
        ("select '\0'", "NUL"),
        (&long, "16 KiB"),
    ] {
        for dialect in [Postgres, Sqlite] {
            let refused = Query::parse(text, dialect).expect_err(text);
            assert!(refused.contains(why), "{text}: {refused}");
        }
    }
    for (text, why) in [
        ("select $1", "numbered parameter"),
        ("select a[1:user]", "right after `1`"),
        ("select a[:user]", "right after `[`"),
        ("select a[b:user]", "right after `b`"),
        ("select a[b[1]:user]", "right after `]`"),
        ("select \"a\":user", "right after `\"`"),
        ("select $a$ :user $b$", "close it with `$a$`"),
        ("select E'\\'", "close it with `'`"),
        ("select /* /* */", "close it with `*/`"),
    ] {
        let refused = Query::parse(text, Postgres).expect_err(text);
        assert!(refused.contains(why), "{text}: {refused}");
    }
    for text in ["select ?", "select ?1", "select @user", "select $user", "select :1", "select #x"] {
        let refused = Query::parse(text, Sqlite).expect_err(text);
        assert!(refused.contains("is a parameter to SQLite"), "{text}: {refused}");
    }
    assert!(Query::parse("select [a", Sqlite).unwrap_err().contains("close it with `]`"));
    assert!(Query::parse("select `a", Sqlite).unwrap_err().contains("close it with"));
}
