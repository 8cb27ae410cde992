//! Configurations.

pub(crate) const LIVEKIT_SECRET: &str = "CANARY-livekit-secret-0123456789abcdefgh";
pub(crate) const LIVEBLOCKS_SECRET: &str = "CANARY-liveblocks-secret-0123456789abcde";
pub(crate) const APP_SECRET: &str = "CANARY-app-secret-with-more-than-32-bytes";
/// 32 bytes.
pub(crate) const SIGNING: &str = "whsec_Q0FOQVJZLXNpZ25pbmctc2VjcmV0LTAxMjM0NTY=";

pub(crate) const LIVEKIT: &str = r#"
[livekit]
url = "wss://rtc.example.com"
api_key = "APItest"
api_secret = "CANARY-livekit-secret-0123456789abcdefgh"
client_may_set = { name = true, metadata = true, attributes = ["seat"], agents = ["helper"] }
"#;

pub(crate) const LIVEBLOCKS: &str = r#"
[liveblocks]
signing_secret = "CANARY-liveblocks-secret-0123456789abcde"
"#;

/// Users of the app.
pub(crate) const JWT: &str = r#"
[[authenticate]]
kind = "jwt"
secret = "CANARY-app-secret-with-more-than-32-bytes"
"#;

/// The head of an authorizer; its settings follow.
pub(crate) const AUTHORIZE: &str = r#"
[[authorize]]
kind = "callback"
signing_secret = "whsec_Q0FOQVJZLXNpZ25pbmctc2VjcmV0LTAxMjM0NTY="
"#;

/// The head of a session form, whose decision counts; its settings follow.
pub(crate) const SESSION: &str = r#"
[[authorize]]
kind = "credential"
[[authenticate]]
kind = "callback"
signing_secret = "whsec_Q0FOQVJZLXNpZ25pbmctc2VjcmV0LTAxMjM0NTY="
forward = { cookies = ["session", "sid"], headers = ["x-app-session"] }
"#;

/// Users by JWT, decisions at `url`.
pub(crate) fn asking(url: &str, more: &str) -> String {
    format!("{LIVEKIT}{LIVEBLOCKS}{JWT}{AUTHORIZE}url = \"{url}\"\n{more}")
}

/// Users and decisions at `url`.
pub(crate) fn session(url: &str, more: &str) -> String {
    format!("{LIVEKIT}{LIVEBLOCKS}{SESSION}url = \"{url}\"\n{more}")
}

/// The table that most tests of databases ask.
pub(crate) const TABLE: &str = "create table members (user_id text, room text, role text, name text, ttl text)";

/// Their query.
pub(crate) const MEMBERS: &str = "select role, name, ttl from members where user_id = :user and room = :room";

/// Users by JWT, rows at `url`.
pub(crate) fn sql(url: &str, query: &str, more: &str) -> String {
    format!(
        "{LIVEKIT}{LIVEBLOCKS}{JWT}[[authorize]]\nkind = \"sql\"\nurl = \"{url}\"\nquery = \"\"\"{query}\"\"\"\n{more}\n"
    )
}
