//! Every plug-in, broken at every step: no failure ever yields a token.
//!
//! What comes over a connection is cut after each byte, by its end or by
//! silence; what a caller brings along has each byte changed, and ends at each.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::keys::{by_set, claims};
use crate::support::{
    Answer, Ask, File, JWT, Key, LIVEKIT, MEMBERS, Roomkey, Server, TABLE, Then, Upstream, Way, asking, discovery,
    reply_json, serve_set, session, set, sql, user,
};

/// Of a caller's credential, what is changed and cut: each byte would be too slow.
const STRIDE: usize = 3;

/// No token, and nothing decided: nobody was asked who could tell.
#[track_caller]
fn must_be_undecided(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 503, "{what}: {answer:?}");
    answer.undecided();
}

#[track_caller]
fn must_be_token(answer: &Answer, what: &str) {
    assert!(matches!(answer.status, 200 | 201), "{what}: {answer:?}");
    assert!(answer.body.contains("eyJ"), "{what}: {answer:?}");
}

/// Cuts what a backend says after each of its bytes. Only the whole answer does.
fn cut_everywhere(config: impl Fn(&str) -> String, asks: impl Fn(&Roomkey) -> [Ask; 2]) {
    let backend = Upstream::new();
    let yes = reply_json(200, &json!({"decision": true, "context": {"role": "viewer", "subject": {"id": "alice"}}}));
    backend.sends(yes.clone());
    let way = Way::to(backend.address);
    let roomkey = Roomkey::serve(&config(&format!("http://{}/ask", way.address)));
    for bytes in 0..yes.len() {
        way.after(bytes, Then::End);
        let [livekit, liveblocks] = asks(&roomkey);
        must_be_undecided(&livekit.send(), &format!("LiveKit, cut after {bytes}"));
        must_be_undecided(&liveblocks.send(), &format!("Liveblocks, cut after {bytes}"));
    }
    for bytes in (0..yes.len()).step_by(20) {
        way.after(bytes, Then::Silence);
        let [livekit, _] = asks(&roomkey);
        must_be_undecided(&livekit.send(), &format!("silence after {bytes}"));
    }
    way.after(usize::MAX, Then::End);
    asks(&roomkey).iter().for_each(|ask| must_be_token(&ask.send(), "the whole answer"));
}

const QUICK: &str = "timeout = \"300ms\"\n";

#[test]
fn a_callback() {
    let caller = user(json!({"sub": "alice"}));
    cut_everywhere(
        |url| asking(url, QUICK),
        |roomkey| [roomkey.livekit().by(&caller), roomkey.liveblocks().by(&caller)],
    );
}

#[test]
fn a_callback_with_a_cache() {
    let caller = user(json!({"sub": "alice"}));
    cut_everywhere(
        |url| asking(url, &format!("{QUICK}cache = \"30s\"\n")),
        |roomkey| [roomkey.livekit().by(&caller), roomkey.liveblocks().by(&caller)],
    );
}

#[test]
fn a_session() {
    cut_everywhere(
        |url| session(url, QUICK),
        |roomkey| [roomkey.livekit().cookie("session=x"), roomkey.liveblocks().cookie("session=x")],
    );
}

/// A service that cannot have its keys lets nobody in, and has them once they
/// come whole.
#[test]
fn a_key_set_and_its_discovery() {
    for discovers in [false, true] {
        let provider = Upstream::new();
        let way = Way::to(provider.address);
        let origin = format!("http://{}", way.address);
        let (set, mut claims) = (set(&[Key::P256]), claims());
        claims["iss"] = origin.clone().into();
        let bearer = Key::P256.bearer(&claims);
        let settings = if discovers {
            let document = json!({"issuer": origin, "jwks_uri": provider.origin() + "/keys"});
            discovery(&provider, document, set.clone());
            format!("issuer = \"{origin}\"\n")
        } else {
            serve_set(&provider, &set);
            format!("issuer = \"{origin}\"\njwks_url = \"{origin}/keys\"\n")
        };
        let whole = if discovers { 150 } else { reply_json(200, &set).len() };
        for bytes in (0..whole).step_by(11) {
            way.after(bytes, if bytes % 2 == 0 { Then::End } else { Then::Silence });
            let roomkey = Roomkey::serve(&by_set(&settings));
            assert!(!roomkey.is_ready(), "{bytes}");
            // With a cut by silence the answer waits for the fetch, which ends in 3 s.
            if bytes % 2 == 0 {
                must_be_undecided(&roomkey.livekit().by(&bearer).send(), &format!("cut after {bytes}"));
            }
        }
        let roomkey = Roomkey::serve(&by_set(&settings));
        way.after(usize::MAX, Then::End);
        roomkey.wait_until_ready();
        must_be_token(&roomkey.livekit().by(&bearer).send(), "the whole set");
    }
}

/// Whatever is no answer would let in here.
const ALL: &str =
    "timeout = \"300ms\"\n[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"viewer\" }]\n";

/// Alice's row, with that role.
fn row(role: &str) -> String {
    format!("{TABLE}; insert into members values ('alice', 'standup', {role}, 'Al', null)")
}

/// From the login to the end of the transaction.
#[test]
fn a_row_of_postgres() {
    for (role, decided) in [("null", 403), ("'viewer'", 201)] {
        let Some(server) = Server::new("t_broken", &row(role)) else { return };
        let way = Way::to(server.address());
        way.after(0, Then::End);
        let roomkey = Roomkey::serve(&sql(&server.by(way.address), MEMBERS, ALL));
        let mut bytes = 0;
        let answer = loop {
            let then = if bytes % 40 == 39 { Then::Silence } else { Then::End };
            way.after(bytes, then);
            let answer = roomkey.enter("alice", "standup");
            if answer.status == decided {
                break answer;
            }
            must_be_undecided(&answer, &format!("{then:?} after {bytes}"));
            bytes += 1;
            assert!(bytes < 5000, "never: {}", roomkey.said());
        };
        if decided == 201 {
            assert_eq!(answer.livekit()["name"], "Al", "the row's word, not the rule's");
        }
        assert!(bytes > 500, "the greeting, the login, the transaction: {bytes}");
    }
}

#[test]
fn a_row_of_sqlite() {
    let file = File::new(&row("null"));
    let roomkey = Roomkey::serve(&sql(&file.url(), MEMBERS, ALL));
    let ask = || roomkey.enter("alice", "standup");
    ask().refused(403, "forbidden");
    let whole = std::fs::read(file.path()).unwrap();
    // As a copy that was not done puts it in place.
    let replace = |content: &[u8]| {
        let next = file.path().with_extension("next");
        std::fs::write(&next, content).unwrap();
        std::fs::rename(&next, file.path()).unwrap();
    };
    for bytes in (0..whole.len()).step_by(256) {
        replace(&whole[..bytes]);
        must_be_undecided(&ask(), &format!("cut after {bytes}"));
    }
    replace(b"this is no database, but long enough to be taken for one if nobody looks at what it says there, is it?");
    must_be_undecided(&ask(), "no database");
    replace(&whole);
    ask().refused(403, "forbidden");
    let writer = file.open();
    writer.execute_batch("begin exclusive").unwrap();
    must_be_undecided(&ask(), "locked");
    writer.execute_batch("commit").unwrap();
    ask().refused(403, "forbidden");
    writer.execute_batch("drop table members").unwrap();
    must_be_undecided(&ask(), "no table");
    roomkey.must_say(&["\"outcome\":\"error\"", "no such table"]);
    assert!(!roomkey.said().contains("failed on the values"), "{}", roomkey.said());
}

/// Changes each byte of a credential, and ends it at each.
fn spoiled(good: &str) -> impl Iterator<Item = String> {
    let cut = (0..good.len()).step_by(STRIDE).map(|at| good[..at].to_owned());
    let changed = (0..good.len()).step_by(STRIDE).flat_map(move |at| {
        ["A", "z", "."].into_iter().filter_map(move |other| {
            let changed = format!("{}{other}{}", &good[..at], &good[at + 1..]);
            (changed != good).then_some(changed)
        })
    });
    cut.chain(changed).chain([format!("{good}A"), format!("A{good}"), format!("{good}.{good}"), String::new()])
}

#[track_caller]
fn only_whole(roomkey: &Roomkey, good: &str, body: &Value) {
    let ask = |credential: &str| roomkey.livekit().body(body).by(&format!("Bearer {credential}")).send();
    must_be_token(&ask(good), "the right one");
    for credential in spoiled(good) {
        let answer = ask(&credential);
        assert_eq!(answer.status, 401, "{credential}: {answer:?}");
        answer.unauthenticated();
    }
    must_be_token(&ask(good), "the right one, at the end");
}

#[test]
fn a_login() {
    let roomkey = Roomkey::serve(&asking_nobody(JWT));
    let good = user(json!({"sub": "alice"}));
    only_whole(&roomkey, good.strip_prefix("Bearer ").unwrap(), &json!({"room_name": "standup"}));
}

#[test]
fn an_api_key_and_an_invite() {
    let key = format!("rk_backend_{}", "k".repeat(43));
    let sha256 = digest(&SHA256, key.as_bytes());
    let sha256 = sha256.as_ref().iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"));
    let entry =
        format!("{{ name = \"backend\", sha256 = \"{sha256}\", scopes = [\"token\", \"invites\"], roles = [\"*\"] }}");
    let invites = "[[authenticate]]\nkind = \"invite\"\nsecret = \"CANARY-invites-0123456789-0123456789\"\n";
    let keys = format!("[[authenticate]]\nkind = \"api_key\"\nkeys = [{entry}]\n");
    let roomkey = Roomkey::serve(&asking_nobody(&(invites.to_owned() + &keys)));
    only_whole(&roomkey, &key, &json!({"room_name": "standup", "participant_identity": "alice", "role": "viewer"}));
    let made = roomkey.invites().by(&format!("Bearer {key}"));
    let made = made.body(&json!({"room": "standup", "role": "viewer", "expires_in": "1h"})).send();
    let invite = made.json()["invite"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned();
    only_whole(&roomkey, &invite, &json!({"room_name": "standup"}));
}

#[test]
fn a_proxys_word() {
    let header = "[[authenticate]]\nkind = \"header\"\nsecret_header = \"x-proxy\"\n\
                  secret = \"CANARY-proxy-0123456789-0123456789-012\"\nclaims = { sub = \"x-user\", id = \"x-user\" }\n";
    let roomkey = Roomkey::serve(&asking_nobody(header));
    let ask = |secret: &str| roomkey.livekit().header("x-user", "alice").header("x-proxy", secret).send();
    let good = "CANARY-proxy-0123456789-0123456789-012";
    must_be_token(&ask(good), "the right one");
    spoiled(good).for_each(|secret| ask(&secret).unauthenticated());
    roomkey.livekit().header("x-user", "alice").send().unauthenticated();
    roomkey.livekit().header("x-proxy", good).send().unauthenticated();
}

/// Decides by what came along, and by a rule.
fn asking_nobody(authenticators: &str) -> String {
    let rules = "[[authorize]]\nkind = \"credential\"\n[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"standup\", claims = { sub = \"alice\" }, role = \"viewer\" }]\n";
    format!("{LIVEKIT}{authenticators}{rules}")
}
