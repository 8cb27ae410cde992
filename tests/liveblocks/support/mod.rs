//! Roomkey as a process, a Liveblocks that does what a test wants, and callers.

mod answer;
mod caller;
mod roomkey;
mod upstream;

pub(crate) use answer::{Answer, STOPPING};
pub(crate) use caller::{API_KEY, APP_SECRET, api_key_sha256, bearer, claims_of, now, sign, user};
pub(crate) use roomkey::{Ran, Roomkey, request, run};
pub(crate) use upstream::{Upstream, give_token, hold, reply};

/// The secret key of every configuration here; it must never be seen again.
pub(crate) const SECRET_KEY: &str = "sk_test_CANARY-key_XYZ";

pub(crate) const PATH: &str = "/api/liveblocks-auth";

/// A configuration with the cloud form at `base_url`: users of the app by JWT,
/// its backend by API key; `liveblocks` stands in that table, `rest` after all.
pub(crate) fn cloud(base_url: &str, liveblocks: &str, rest: &str) -> String {
    form(&format!("secret_key = \"{SECRET_KEY}\"\nbase_url = \"{base_url}\"\n{liveblocks}"), rest)
}

/// As [`cloud`], with any form.
pub(crate) fn form(liveblocks: &str, rest: &str) -> String {
    format!(
        r#"
[liveblocks]
{liveblocks}
[[authenticate]]
kind = "api_key"
keys = [{{ name = "backend", sha256 = "{}", scopes = ["token"], roles = ["*"] }}]
[[authenticate]]
kind = "jwt"
secret = "{APP_SECRET}"
cookie = "session"
{rest}
"#,
        api_key_sha256()
    )
}

/// Members of an organisation edit its rooms, `standup` is for its members,
/// and an inbox is for who has one.
pub(crate) const RULES: &str = r#"
[[authorize]]
kind = "rules"
[[authorize.rules]]
room = "org:{org}:**"
role = "participant"
[[authorize.rules]]
room = "{rooms}"
role = "participant"
[[authorize.rules]]
no_room = true
claims = { inbox = true }
role = "viewer"
liveblocks_rooms = ["org:{org}:*"]
"#;

/// Everyone edits every room.
pub(crate) const OPEN: &str = r#"
[[authorize]]
kind = "rules"
rules = [{ room = "**", role = "participant" }]
"#;
