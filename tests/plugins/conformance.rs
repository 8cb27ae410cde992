//! `roomkey conformance`: right and wrong backends, each with the line that it
//! must get.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::{Ran, SIGNING, Seen, Upstream, conformance, hold, now, nowhere, reply, reply_json, tag};

const BEARER: &str = "CANARY-bearer-0123456789";
const COOKIE: &str = "session=CANARY-cookie; theme=dark";
/// Everything that a check may not print.
const CANARIES: [&str; 3] = ["CANARY", "Q0FOQVJZ", "theme=dark"];

/// What is wrong with a backend.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    TakesAnyone,
    LooksAtNoTag,
    LooksAtNoTime,
    LooksAtNoPast,
    NeedsNoId,
    ReadsOneTag,
    AnswersNoToForgeries,
    Breaks,
    LetsStrangersIn,
    LetsThemInAnywhere,
    NamesNoSubject,
    TakesAnyAction,
    KnowsNoLiveblocks,
    OpensNoRoom,
    HangsOnPersonal,
    DawdlesOnPersonal,
    AllowsWithoutJson,
    DecidesOnGet,
    RefusesReplays,
    Redirects,
    AnswersText,
    AnswersTooMuch,
    SaysUnauthenticated,
    Echoes,
}

/// Whether a question is Roomkey's.
fn is_ours(seen: &Seen, is: impl Fn(Fault) -> bool) -> bool {
    if let Some(given) = seen.header("authorization") {
        return given == format!("Bearer {BEARER}") || is(Fault::LooksAtNoTag);
    }
    let (Some(timestamp), Some(tags)) = (seen.header("webhook-timestamp"), seen.header("webhook-signature")) else {
        return false;
    };
    let Some(id) = seen.header("webhook-id").or(is(Fault::NeedsNoId).then_some("")) else { return false };
    let age = now() - timestamp.parse::<i64>().unwrap();
    let in_time = age.abs() <= 300 || is(Fault::LooksAtNoTime) || (is(Fault::LooksAtNoPast) && age > 0);
    let good = tag(SIGNING, &format!("{id}.{timestamp}.{}", seen.body));
    let holds = if is(Fault::ReadsOneTag) { tags == good } else { tags.split(' ').any(|tag| tag == good) };
    in_time && (holds || is(Fault::LooksAtNoTag) || (is(Fault::NeedsNoId) && id.is_empty()))
}

/// A backend that knows alice, her session, and the room `standup`.
fn answer(seen: &Seen, is: impl Fn(Fault) -> bool + Copy) -> Vec<u8> {
    let mut yes = json!({"decision": true, "context": {"role": "host", "subject": {"id": "alice"}}});
    if !is(Fault::OpensNoRoom) {
        yes["context"]["liveblocks"] = json!({"rooms": ["standup"]});
    }
    let no = json!({"decision": false, "context": {"reason": "not a member"}});
    if is(Fault::Redirects) {
        return reply(302, &[("location", "/elsewhere")], b"");
    } else if is(Fault::AnswersText) {
        return reply_json(200, &json!({"decision": "true"}));
    } else if is(Fault::AnswersTooMuch) {
        return reply_json(200, &json!({"decision": true, "x": "x".repeat(65_536)}));
    } else if is(Fault::Echoes) {
        let said = json!({"decision": "no", "context": seen.headers.iter().collect::<Vec<_>>()});
        return reply_json(200, &json!({"heard": said, "body": seen.body}));
    }
    if seen.line.starts_with("GET") {
        return if is(Fault::DecidesOnGet) { reply_json(200, &yes) } else { reply(405, &[], b"") };
    }
    if !(is_ours(seen, is) || is(Fault::TakesAnyone)) {
        return match () {
            () if is(Fault::AnswersNoToForgeries) => reply_json(200, &no),
            () if is(Fault::Breaks) => reply(500, &[], b"CANARY"),
            () => reply(401, &[], b""),
        };
    }
    let Ok(question) = serde_json::from_str::<Value>(&seen.body) else {
        return if is(Fault::AllowsWithoutJson) { reply_json(200, &yes) } else { reply(400, &[], b"") };
    };
    let action = question["action"]["name"].as_str().unwrap();
    if !(action == "livekit.join" || action.starts_with("liveblocks.") || is(Fault::TakesAnyAction)) {
        return reply_json(200, &no);
    }
    if action.starts_with("liveblocks.") && is(Fault::KnowsNoLiveblocks) {
        return reply(404, &[], b"");
    }
    let known = match question["subject"]["type"].as_str().unwrap() {
        "user" => {
            assert_eq!(question["subject"]["properties"]["claims"]["id"], question["subject"]["id"]);
            question["subject"]["id"] == "alice"
        }
        _ => seen.header("cookie").is_some_and(|cookies| cookies.split("; ").any(|one| one == "session=CANARY-cookie")),
    };
    if !known && !is(Fault::LetsStrangersIn) {
        let unknown = question["subject"]["type"] == "session" || is(Fault::SaysUnauthenticated);
        return if unknown { reply(401, &[], b"") } else { reply_json(200, &no) };
    }
    let room = &question["resource"]["id"];
    if action != "liveblocks.personal" && room != "standup" && !is(Fault::LetsThemInAnywhere) {
        return reply_json(200, &no);
    }
    let bare = is(Fault::NamesNoSubject);
    reply_json(
        200,
        &if bare {
            json!({"decision": true, "context": {"role": "host", "liveblocks": {"rooms": ["standup"]}}})
        } else {
            yes
        },
    )
}

fn backend(fault: Option<Fault>) -> Upstream {
    let backend = Upstream::new();
    let ids = Mutex::new(HashSet::new());
    backend.does(move |stream, seen| {
        let is = |wanted| fault == Some(wanted);
        let id = seen.header("webhook-id").map(str::to_owned);
        let again = id.is_some_and(|id| !ids.lock().unwrap().insert(id));
        let about_oneself = seen.body.contains("liveblocks.personal");
        if about_oneself && is(Fault::HangsOnPersonal) {
            hold(stream);
            return false;
        } else if about_oneself && is(Fault::DawdlesOnPersonal) {
            std::thread::sleep(Duration::from_millis(1200));
        }
        let refused = again && is(Fault::RefusesReplays);
        let bytes = if refused { reply(401, &[], b"") } else { answer(seen, is) };
        let _maybe_nobody_reads = std::io::Write::write_all(stream, &bytes);
        false
    });
    backend
}

/// Runs the kit in one form, as the arguments have it.
fn ask(url: &str, more: &[&str]) -> Ran {
    let files = [("signing", format!("{SIGNING}\n")), ("bearer", BEARER.to_owned())];
    let files = files.each_ref().map(|(name, text)| (*name, text.as_str()));
    let ran = conformance(&[&["--url", url], more].concat(), &files);
    for canary in CANARIES {
        assert!(!ran.stdout.contains(canary) && !ran.stderr.contains(canary), "{canary}: {ran:?}");
    }
    ran
}

const SIGNED: [&str; 6] = ["--signing-secret-file", "signing", "--user", "alice", "--room", "standup"];
const BORNE: [&str; 6] = ["--bearer-file", "bearer", "--user", "alice", "--room", "standup"];
const SESSION: [&str; 7] = ["--signing-secret-file", "signing", "--session", "--user", COOKIE, "--room", "standup"];

impl Ran {
    /// The checks that ended so.
    fn checks(&self, word: &str) -> Vec<&str> {
        let lines = self.stdout.lines().filter_map(|line| line.strip_prefix(word)?.strip_prefix("  "));
        lines.map(|line| line.split(": ").next().unwrap()).collect()
    }
}

const SPEED: &str = "answers come in time";
const REPLAY: &str = "the very same question again is refused";
const ENTERS: &str = "someone who may enter is let in";

#[test]
fn a_right_backend_passes_in_each_form() {
    for (more, fault, warned) in [
        (&SIGNED[..], None, &[REPLAY][..]),
        (&SIGNED, Some(Fault::RefusesReplays), &[]),
        (&SESSION, None, &[REPLAY]),
        (&SESSION, Some(Fault::RefusesReplays), &[]),
        (&BORNE, None, &[]),
        (&SIGNED[..2], None, &["someone who may enter", REPLAY]),
        (&SESSION[..3], None, &["someone who may enter"]),
    ] {
        let backend = backend(fault);
        let ran = ask(&backend.url(), more);
        assert_eq!((ran.code, ran.checks("FAIL")), (Some(0), vec![]), "{ran:?}");
        assert_eq!(ran.checks("warn"), warned, "{}", ran.stdout);
        assert_eq!(backend.last().header("connection"), Some("close"), "each check for itself");
        let passed = ran.checks("ok  ").len();
        let closing = format!("{passed} passed, 0 failed, {} warned", warned.len());
        assert_eq!(ran.stdout.lines().last(), Some(&*closing));
        assert!(passed >= 8, "{}", ran.stdout);
    }
}

#[test]
fn each_fault_of_a_backend_has_its_line() {
    let forged = [
        "another key's signature is refused",
        "another question's signature is refused",
        "a signature that is none is refused",
    ];
    let unsigned = ["no signature at all is refused"];
    let past = ["a question of 10 minutes ago is refused"];
    let future = ["a question of 10 minutes ahead is refused"];
    let no_id = ["a question without webhook-id is refused"];
    let bearers = ["no bearer at all is refused", "an empty bearer is refused", "another bearer is refused"];
    let user = ["an unknown user is refused"];
    let session = ["an unknown session is refused", "no session at all is refused"];
    let room = ["a room that nobody knows is refused"];
    for (more, fault, failed) in [
        (&SIGNED[..], Fault::TakesAnyone, [&unsigned[..], &forged, &no_id, &past, &future].concat()),
        (&SESSION, Fault::TakesAnyone, [&unsigned[..], &forged, &no_id, &past, &future].concat()),
        (&SIGNED, Fault::LooksAtNoTag, forged.to_vec()),
        (&SIGNED, Fault::LooksAtNoTime, [past, future].concat()),
        (&SIGNED, Fault::LooksAtNoPast, past.to_vec()),
        (&SIGNED, Fault::NeedsNoId, no_id.to_vec()),
        (&SIGNED[..2], Fault::AnswersNoToForgeries, [&unsigned[..], &forged, &no_id, &past, &future].concat()),
        (&BORNE, Fault::TakesAnyone, bearers.to_vec()),
        (&BORNE, Fault::LooksAtNoTag, bearers[1..].to_vec()),
        (&SIGNED, Fault::LetsStrangersIn, user.to_vec()),
        (&SIGNED, Fault::SaysUnauthenticated, user.to_vec()),
        (&SESSION, Fault::LetsStrangersIn, session.to_vec()),
        (&SIGNED, Fault::LetsThemInAnywhere, room.to_vec()),
        (&SESSION, Fault::LetsThemInAnywhere, room.to_vec()),
        (&SESSION, Fault::NamesNoSubject, vec![ENTERS]),
        (&SIGNED, Fault::TakesAnyAction, vec!["an unknown action is refused"]),
        (&SIGNED, Fault::HangsOnPersonal, vec!["liveblocks.personal is answered"]),
        (&SIGNED, Fault::AllowsWithoutJson, vec!["a body that is no JSON is refused"]),
        (&SIGNED, Fault::DecidesOnGet, vec!["a GET decides nothing"]),
        (&SIGNED, Fault::Redirects, [&[ENTERS][..], &user, &room].concat()),
        (&SIGNED, Fault::AnswersText, [&[ENTERS][..], &user, &room].concat()),
        (&SIGNED[..2], Fault::AnswersText, [&["a question is answered"][..], &user, &room].concat()),
    ] {
        let backend = backend(Some(fault));
        let ran = ask(&backend.url(), more);
        assert_eq!((ran.code, ran.checks("FAIL")), (Some(1), failed), "{fault:?}: {}", ran.stdout);
    }
    // Too long is too long whatever was asked.
    let backend = backend(Some(Fault::AnswersTooMuch));
    let ran = ask(&backend.url(), &SIGNED);
    assert_eq!((ran.code, ran.checks("ok  ")), (Some(1), vec![SPEED]), "{}", ran.stdout);
}

#[test]
fn what_roomkey_can_live_with_is_a_warning() {
    for (more, fault, warned) in [
        (
            &SIGNED[..],
            Fault::KnowsNoLiveblocks,
            vec!["liveblocks.enter is answered", "liveblocks.personal is answered", REPLAY],
        ),
        (&SIGNED, Fault::OpensNoRoom, vec!["liveblocks.personal is answered", REPLAY]),
        (&SIGNED, Fault::DawdlesOnPersonal, vec![REPLAY, SPEED]),
        (&SIGNED, Fault::ReadsOneTag, vec!["one good signature among several is enough", REPLAY]),
        (
            &BORNE,
            Fault::Breaks,
            vec!["no bearer at all is refused", "an empty bearer is refused", "another bearer is refused"],
        ),
        (
            &BORNE,
            Fault::AnswersNoToForgeries,
            vec!["no bearer at all is refused", "an empty bearer is refused", "another bearer is refused"],
        ),
    ] {
        let backend = backend(Some(fault));
        let ran = ask(&backend.url(), more);
        assert_eq!(
            (ran.code, ran.checks("FAIL"), ran.checks("warn")),
            (Some(0), vec![], warned),
            "{fault:?}: {}",
            ran.stdout
        );
    }
}

#[test]
fn what_a_backend_says_is_shown_in_short_and_its_questions_not_at_all() {
    let backend = backend(Some(Fault::Echoes));
    for more in [&SIGNED[..], &SESSION, &BORNE] {
        let ran = ask(&backend.url(), more);
        assert_eq!(ran.code, Some(1), "{ran:?}");
        assert!(ran.stdout.contains("no boolean `decision`"), "{}", ran.stdout);
    }
    let role = format!("\u{1b}[2J\n{}", "x".repeat(2000));
    backend.answers(&json!({"decision": true, "context": {"role": role, "subject": {"id": role}}}));
    let ran = ask(&backend.url(), &SESSION);
    assert!(!ran.stdout.contains('\u{1b}') && ran.stdout.lines().all(|line| line.len() < 400), "{}", ran.stdout);
}

#[test]
fn a_failure_says_what_came_and_what_would_be_right() {
    let backend = backend(Some(Fault::TakesAnyone));
    let ran = ask(&backend.url(), &SIGNED);
    let line = "FAIL  another key's signature is refused: answered yes, it is \"alice\", as \"host\"; verify webhook-signature before anything else, and answer 401";
    assert!(ran.stdout.lines().any(|said| said == line), "{}", ran.stdout);
    for (status, hint) in
        [(404, "is this the endpoint's path?"), (401, "does the endpoint have this secret?"), (500, "decision")]
    {
        backend.sends(reply(status, &[], b""));
        let ran = ask(&backend.url(), &SIGNED);
        let first = ran.stdout.lines().next().unwrap();
        assert!(first.contains(&format!("FAIL  {ENTERS}: answered {status}")) && first.contains(hint), "{first}");
    }
}

#[test]
fn nobody_there_is_said_once() {
    let ran = ask(&format!("http://{}/", nowhere()), &SIGNED);
    assert_eq!((ran.code, ran.checks("FAIL")), (Some(1), vec![ENTERS]), "{ran:?}");
    assert_eq!(ran.stdout.lines().last(), Some("0 passed, 1 failed, 0 warned"));
}

#[test]
fn arguments_that_make_no_sense_are_usage() {
    let url = ["--url", "http://127.0.0.1:9/"];
    let signing = ["--signing-secret-file", "signing"];
    for arguments in [
        vec![],
        signing.to_vec(),
        url.to_vec(),
        [&url[..], &signing, &["--bearer-file", "bearer"]].concat(),
        [&url[..], &signing, &["--user", "alice"]].concat(),
        [&url[..], &signing, &["--room", "standup"]].concat(),
        [&url[..], &signing, &["--user", "", "--room", "standup"]].concat(),
        [&url[..], &signing, &["--user", "alice", "--room", ""]].concat(),
        [&url[..], &signing, &["--session", "--user", "alice", "--room", "standup"]].concat(),
        [&url[..], &signing, &["--session", "--user", "a=b\nc", "--room", "standup"]].concat(),
        [&["--url", "app:3000"][..], &signing].concat(),
        [&["--url", "ftp://app/"][..], &signing].concat(),
        [&["--url", "http://user:CANARY@app/"][..], &signing].concat(),
    ] {
        let ran = conformance(&arguments, &[("signing", SIGNING), ("bearer", BEARER)]);
        assert_eq!((ran.code, &*ran.stdout), (Some(2), ""), "{arguments:?}: {ran:?}");
        assert!(!ran.stderr.contains("CANARY"), "{ran:?}");
    }
    let help = conformance(&["--help"], &[]);
    assert!(help.code == Some(0) && help.stdout.contains("roomkey conformance --url http"), "{help:?}");
}

#[test]
fn a_secret_that_does_not_do_is_refused_and_not_shown() {
    for (option, name, text, why) in [
        ("--signing-secret-file", "signing", "CANARY", "whsec_"),
        ("--signing-secret-file", "signing", "whsec_CANARY", "24 to 64"),
        ("--bearer-file", "bearer", "CANARY", "16 visible"),
        ("--bearer-file", "other", "CANARY", "cannot be read"),
        ("--signing-secret-file", "other", "CANARY", "cannot be read"),
    ] {
        let file = if name == "other" { "absent" } else { name };
        let ran = conformance(&["--url", "http://127.0.0.1:9/", option, file], &[(name, text)]);
        assert_eq!((ran.code, &*ran.stdout), (Some(1), ""), "{ran:?}");
        assert!(ran.stderr.contains(why) && ran.stderr.contains(option) && !ran.stderr.contains("CANARY"), "{ran:?}");
    }
}
