//! An answer of Roomkey, and what every answer on this route must be.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value;

/// Statuses and whether the real client stops for good on them, as recorded.
pub(crate) static STOPPING: LazyLock<BTreeMap<u16, bool>> = LazyLock::new(|| {
    let recorded = include_str!("../../vectors/liveblocks-client-behaviour.txt");
    let stops = |line: &str| -> Option<(u16, bool)> {
        let (what, rest) = line.split_once('|')?;
        let status = what.trim().strip_suffix(" text")?.parse().ok()?;
        match rest.split('|').next()?.trim() {
            "disconnected" => Some((status, true)),
            "connecting" => Some((status, false)),
            other => panic!("recorded: {other}"),
        }
    };
    recorded.lines().filter_map(stops).collect()
});

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

    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn token(&self) -> String {
        assert_eq!(self.status, 200, "{self:?}");
        self.json()["token"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }

    /// Status and code, as a test compares them.
    #[track_caller]
    pub(crate) fn is(&self, status: u16, code: &str) -> &Self {
        assert_eq!((self.status, &*self.code()), (status, code), "{self:?}");
        self
    }

    pub(crate) fn retry_after(&self) -> Option<u64> {
        self.header("retry-after").map(|seconds| seconds.parse().unwrap())
    }

    /// What holds for every answer of this route that a handler made.
    #[track_caller]
    pub(crate) fn must_be_well_formed(&self, head: bool) {
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.header("x-content-type-options"), Some("nosniff"), "{self:?}");
        assert!(self.header("vary").is_some_and(|vary| vary.to_lowercase().contains("origin")), "{self:?}");
        assert!(self.header("x-request-id").is_some(), "{self:?}");
        if self.status == 200 && (self.body.is_empty() || head) {
            return; // a preflight
        }
        if self.status == 200 {
            assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
            assert_eq!(self.json().as_object().unwrap().keys().collect::<Vec<_>>(), ["token"]);
            return;
        }
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let stops = STOPPING.get(&self.status).unwrap_or_else(|| panic!("nobody knows what a client does: {self:?}"));
        match self.status {
            401 => assert_eq!(self.header("www-authenticate"), Some("Bearer")),
            503 => assert!(self.retry_after().is_some_and(|seconds| seconds <= 300), "{self:?}"),
            _ => (),
        }
        if head {
            return;
        }
        let problem = self.json();
        for member in ["type", "title", "code", "request_id"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{member}: {self:?}");
        }
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"].as_str(), self.header("x-request-id"));
        assert_eq!(problem["error"] == "forbidden", *stops, "{self:?}");
        assert_eq!(problem.get("error").is_some(), *stops, "{self:?}");
        if *stops {
            assert!(problem["reason"].as_str().is_some_and(|reason| !reason.is_empty()), "{self:?}");
        }
    }
}
