//! An answer of Roomkey.

use serde_json::Value;

use super::{LIVEBLOCKS_SECRET, LIVEKIT_SECRET, claims_of};

#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn parse(raw: &[u8]) -> Self {
        let raw = String::from_utf8(raw.to_vec()).expect("answers are UTF-8");
        let (head, body) = raw.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no whole answer: {raw:?}"));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let headers = lines.filter_map(|line| line.split_once(": "));
        let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        Self { status, headers, body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| &**value)
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.header("retry-after").map(|seconds| seconds.parse().unwrap())
    }

    /// A refusal of that kind, and no token in it.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> &Self {
        let problem = self.json();
        assert_eq!((self.status, problem["code"].as_str()), (status, Some(code)), "{self:?}");
        for member in ["token", "participant_token", "server_url"] {
            assert!(problem.get(member).is_none(), "{self:?}");
        }
        assert!(!self.body.contains("eyJ"), "{self:?}");
        if status == 503 || status == 429 {
            assert!(self.retry_after().is_some_and(|seconds| seconds <= 300), "{self:?}");
        }
        self
    }

    #[track_caller]
    pub(crate) fn undecided(&self) {
        self.refused(503, "authorizer_unavailable");
    }

    #[track_caller]
    pub(crate) fn unauthenticated(&self) {
        self.refused(401, "unauthenticated");
        assert_eq!(self.header("www-authenticate"), Some("Bearer"), "{self:?}");
    }

    /// The claims of the LiveKit token.
    #[track_caller]
    pub(crate) fn livekit(&self) -> Value {
        assert_eq!(self.status, 201, "{self:?}");
        claims_of(self.json()["participant_token"].as_str().expect("a token"), LIVEKIT_SECRET)
    }

    /// The claims of the Liveblocks token of the local form.
    #[track_caller]
    pub(crate) fn liveblocks(&self) -> Value {
        assert_eq!(self.status, 200, "{self:?}");
        claims_of(self.json()["token"].as_str().expect("a token"), LIVEBLOCKS_SECRET)
    }
}
