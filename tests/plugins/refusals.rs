//! Configurations that are not taken.

use crate::support::{LIVEKIT, SIGNING, asking, run, session};

const URL: &str = "http://127.0.0.1:9/ask";

#[test]
fn d9_a_callback_that_could_not_be_told_from_anyone() {
    let signing = format!("signing_secret = \"{SIGNING}\"");
    for make in [asking, session] {
        let good = make(URL, "");
        assert_eq!(run(&good, &[]).code, Some(0), "{:?}", run(&good, &[]));
        let with = |line: &str| run(&good.replace(&signing, line), &[]);
        with("").refused("signing_secret", "missing");
        for bad in [
            "",
            "whsec_",
            "whsec_AAAA",
            "whsec_c2hvcnRlci10aGFuLTI0LWJ5dGVz",
            "Q0FOQVJZLXNpZ25pbmctc2VjcmV0LTAxMjM0NTY=",
            "whsec_***",
        ] {
            // 22 bytes are too few
            with(&format!("signing_secret = \"{bad}\"")).refused("signing_secret", "whsec_");
        }
        for bad in ["", "short", "with a space in it", "with\\na line in it.."] {
            with(&format!("bearer = \"{bad}\"")).refused("bearer", "16");
        }
        with(&format!("{signing}\nsigning_secret_env = \"X\"")).refused("signing_secret", "");
        with("signing_secret_file = \"no-such-file\"").refused("signing_secret_file", "");
        with("signing_secret_env = \"NO_SUCH\"").refused("signing_secret_env", "");
        assert_eq!(with("bearer = \"0123456789abcdef\"").code, Some(0));
    }
}

#[test]
fn settings_of_both_forms() {
    for (make, kind) in [(asking as fn(&str, &str) -> String, "authorize"), (session, "authenticate")] {
        for url in ["", "ftp://x/", "app:3000", "/ask", "http://", "http://user:pass@app/"] {
            run(&make(url, ""), &[]).refused("url", "");
        }
        for (line, setting) in [
            ("timeout = \"0s\"", "timeout"),
            ("timeout = \"31s\"", "timeout"),
            ("connect_timeout = \"0s\"", "connect_timeout"),
            ("max_in_flight = 0", "max_in_flight"),
            ("max_in_flight = 10001", "max_in_flight"),
            ("fail_open = true", "fail_open"),
            ("tmeout = \"1s\"", "timeout"),
        ] {
            run(&make(URL, line), &[]).refused(setting, "");
        }
        for (line, setting) in [
            ("roles = [\"king\"]", "ceiling.roles"),
            ("livekit = [\"can_fly\"]", "ceiling.livekit"),
            ("livekit = [\"room_join\"]", "ceiling.livekit"),
            ("livekit = [\"identity\"]", "ceiling.livekit"),
            ("liveblocks = [\"room:everything\"]", "ceiling.liveblocks"),
            ("liveblocks_rooms = [\"org:{org\"]", "ceiling.liveblocks_rooms"),
            ("ttl = \"1m\"", "ceiling.ttl"),
            ("ttl = \"25h\"", "ceiling.ttl"),
            ("role = [\"viewer\"]", "ceiling.role"),
        ] {
            run(&make(URL, &format!("[{kind}.ceiling]\n{line}\n")), &[]).refused(setting, "");
        }
    }
    run(&asking(URL, "role = \"king\""), &[]).refused("role", "king");
    run(&asking(URL, "role = \"host\"\n[authorize.ceiling]\nroles = [\"viewer\"]\n"), &[]).refused("role", "ceiling");
    run(&asking(URL, "room = \"org:{org\""), &[]).refused("room", "");
    run(&asking(URL, "provider = \"zoom\""), &[]).refused("provider", "");
    for line in ["room = \"**\"", "provider = \"livekit\"", "role = \"viewer\"", "cache = \"1s\""] {
        run(&session(URL, line), &[]).refused(line.split(' ').next().unwrap(), "");
    }
}

#[test]
fn what_a_session_may_be_known_by() {
    let good = session(URL, "");
    let forward = "forward = { cookies = [\"session\", \"sid\"], headers = [\"x-app-session\"] }";
    let with = |line: &str| run(&good.replace(forward, line), &[]);
    with("").refused("forward", "missing");
    with("forward = {}").refused("forward", "empty");
    with("forward = { cookies = [], headers = [] }").refused("forward", "empty");
    with("forward = { cookies = [\"a b\"] }").refused("forward.cookies", "");
    with("forward = { cookies = [\"a=b\"] }").refused("forward.cookies", "");
    with("forward = { cookies = [\"a;b\"] }").refused("forward.cookies", "");
    with("forward = { cookie = [\"a\"] }").refused("forward.cookie", "");
    for name in [
        "host",
        "Host",
        "content-length",
        "content-type",
        "connection",
        "transfer-encoding",
        "te",
        "upgrade",
        "trailer",
        "keep-alive",
        "proxy-authorization",
        "webhook-id",
        "webhook-signature",
        "x-request-id",
        "traceparent",
        "cookie",
        "expect",
        "a b",
        "",
    ] {
        with(&format!("forward = {{ headers = [\"{name}\"] }}")).refused("forward.headers", "");
    }
    with("forward = { headers = [\"authorization\"] }\nbearer = \"0123456789abcdef\"")
        .refused("forward.headers", "bearer");
    assert_eq!(with("forward = { headers = [\"authorization\"] }").code, Some(0));
}

#[test]
fn trusted_headers_that_anyone_could_send() {
    let with = |lines: &str| {
        let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"viewer\" }]\n";
        run(&format!("{LIVEKIT}[[authenticate]]\nkind = \"header\"\n{lines}\n{rules}"), &[])
    };
    let claims = "claims = { id = \"x-user\", groups = \"x-groups\" }";
    let from = "from = [\"10.0.0.0/8\"]";
    let secret = "secret = \"0123456789abcdef0123456789abcdef\"";
    assert_eq!(with(&format!("{claims}\n{from}")).code, Some(0));
    assert_eq!(with(&format!("{claims}\nsecret_header = \"x-secret\"\n{secret}")).code, Some(0));
    with(claims).refused("from", "missing");
    with(&format!("{claims}\nfrom = []")).refused("from", "");
    with(&format!("{claims}\nfrom = [\"0.0.0.0/0\"]")).refused("from", "");
    with(&format!("{claims}\nfrom = [\"::/0\"]")).refused("from", "");
    with(&format!("{claims}\nfrom = [\"10.0.0.0/8\", \"::/0\"]")).refused("from", "");
    with(&format!("{claims}\nfrom = [\"proxy\"]")).refused("from", "");
    with(&format!("{claims}\n{from}\nsecret_header = \"x-secret\"")).refused("secret", "");
    with(&format!("{claims}\n{from}\n{secret}")).refused("secret", "secret_header");
    with(&format!("{claims}\nsecret_header = \"x-secret\"\nsecret = \"changeme\"")).refused("secret", "");
    with(&format!("{claims}\nsecret_header = \"x-secret\"\nsecret = \"\"")).refused("secret", "");
    with(&format!("{claims}\nsecret_header = \"x secret\"\n{secret}")).refused("secret_header", "");
    with(from).refused("claims", "");
    with(&format!("claims = {{ email = \"x-mail\" }}\n{from}")).refused("claims", "id");
    with(&format!("claims = {{ id = \"x user\" }}\n{from}")).refused("claims", "");
    with(&format!("{claims}\n{from}\nlists = [\"id\"]")).refused("lists", "id");
    with(&format!("{claims}\n{from}\nlists = [\"roles\"]")).refused("lists", "roles");
}

#[test]
fn key_sets_that_anyone_could_change() {
    let with = |lines: &str| {
        let rules = "[[authorize]]\nkind = \"rules\"\nrules = [{ room = \"**\", role = \"viewer\" }]\n";
        run(&format!("{LIVEKIT}[[authenticate]]\nkind = \"jwt\"\n{lines}\n{rules}"), &[])
    };
    let aud = "audience = \"rtc\"";
    for host in ["idp:8080", "169.254.169.254", "127.0.0.1.nip.io", "localhost.evil.example", "127.0.0.1@evil.example"]
    {
        with(&format!("{aud}\njwks_url = \"http://{host}/jwks\"")).refused("jwks_url", "");
        with(&format!("{aud}\nissuer = \"http://{host}/\"")).refused("issuer", "");
    }
    for good in ["http://localhost:1/", "http://127.0.0.1:1/", "http://[::1]:1/", "https://idp.example/"] {
        assert_eq!(with(&format!("{aud}\njwks_url = \"{good}\"")).code, Some(0), "{good}");
        assert_eq!(with(&format!("{aud}\nissuer = \"{good}\"")).code, Some(0), "{good}");
    }
    let warned = with(&format!("{aud}\njwks_url = \"http://idp:8080/jwks\"\ninsecure_http = true"));
    assert_eq!(warned.code, Some(0), "{warned:?}");
    assert!(warned.stderr.contains("insecure_http"), "{warned:?}");
    for url in ["", "idp.example", "file:///etc/passwd", "ftp://idp.example/"] {
        with(&format!("{aud}\njwks_url = \"{url}\"")).refused("jwks_url", "");
        with(&format!("{aud}\njwks_url = \"{url}\"\ninsecure_http = true")).refused("jwks_url", "");
    }
    with("jwks_url = \"https://idp.example/\"").refused("jwks_url", "audience");
    with("issuer = \"https://idp.example/\"").refused("issuer", "audience");
    assert_eq!(with("issuer = \"https://idp.example/\"\nrequire = { token_use = \"access\" }").code, Some(0));
    for algorithms in ["[\"HS256\"]", "[\"none\"]", "[]", "[\"RS256\", \"HS512\"]", "[\"ES512\"]"] {
        with(&format!("{aud}\nissuer = \"https://idp.example/\"\nalgorithms = {algorithms}")).refused("algorithms", "");
    }
    with(&format!("{aud}\njwks_url = \"https://idp.example/\"\nsecret = \"0123456789abcdef0123456789abcdef\""))
        .refused("jwks_url", "");
}
