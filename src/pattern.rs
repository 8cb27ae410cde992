//! Room patterns: which rooms a rule speaks of.
//!
//! `*` is one or more characters within a segment, `**` (only last) one or
//! more of any, `{claim}` the caller's claim; segments end at `:` or `/`.
//! Bytes are compared exactly. A claim's value can stand for one piece of a
//! segment and nothing else, so it never acts as a pattern. Matching takes
//! time linear in the room's name for each token, whatever both hold.

use serde_json::Value;

use crate::claims::{Claims, text};

/// Longest room in bytes that any pattern matches: LiveKit allows 256 bytes,
/// Liveblocks 128 UTF-16 units, which are at most 384.
const MAX_ROOM_BYTES: usize = 384;

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Literal(Box<str>),
    /// One or more characters of a segment.
    Star,
    /// One or more characters to the end.
    Rest,
    Claim(Box<str>),
}

/// What a pattern says of one segment of a room's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Segment {
    /// Exactly this, the `:` or `/` that ends it included.
    Exact(String),
    /// Something that depends.
    Any,
    /// Anything, to the end.
    Rest,
}

/// The segments of a room's name, each with the `:` or `/` that ends it.
pub(crate) fn segments(room: &str) -> impl Iterator<Item = &str> + Clone {
    room.split_inclusive([':', '/'])
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// No room has an empty name.
    #[error("is empty")]
    Empty,
    /// `{` without `}`, or `}` without `{`.
    #[error("has an unbalanced `{{` or `}}`; a claim is written `{{name}}`, there are no escapes")]
    Unbalanced,
    /// `{}`.
    #[error("has `{{}}` without a claim's name in it")]
    NoName,
    /// `**` before the end, or three stars.
    #[error("has `**` before its end; it may only stand last")]
    RestNotLast,
    /// No room has a control character in it.
    #[error("has a control character in it")]
    Control,
}

impl Pattern {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// Its braces do not pair up, `**` is not last, or no room could match.
    pub fn parse(source: &str) -> Result<Self, BadPattern> {
        if source.is_empty() {
            return Err(BadPattern::Empty);
        }
        if source.chars().any(char::is_control) {
            return Err(BadPattern::Control);
        }
        let mut tokens = Vec::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}', '*']) {
            if at > 0 {
                tokens.push(Token::Literal(rest[..at].into()));
            }
            let after = &rest[at + 1..];
            rest = match rest.as_bytes()[at] {
                b'*' => match after.strip_prefix('*') {
                    Some("") => {
                        tokens.push(Token::Rest);
                        ""
                    }
                    Some(_) => return Err(BadPattern::RestNotLast),
                    None => {
                        tokens.push(Token::Star);
                        after
                    }
                },
                b'{' => {
                    let (name, after) = after.split_once('}').ok_or(BadPattern::Unbalanced)?;
                    if name.contains('{') {
                        return Err(BadPattern::Unbalanced);
                    }
                    if name.is_empty() {
                        return Err(BadPattern::NoName);
                    }
                    tokens.push(Token::Claim(name.into()));
                    after
                }
                _ => return Err(BadPattern::Unbalanced),
            };
        }
        if !rest.is_empty() {
            tokens.push(Token::Literal(rest.into()));
        }
        Ok(Self { tokens })
    }

    /// Whether it ends in `**`.
    pub(crate) fn is_open(&self) -> bool {
        self.tokens.last() == Some(&Token::Rest)
    }

    /// What it says of each segment: neither a star nor a claim goes beyond
    /// one, so its segments are those of every room that it matches.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        let mut all = Vec::new();
        let (mut text, mut is_exact) = (String::new(), true);
        for token in &self.tokens {
            match token {
                Token::Literal(literal) => {
                    for piece in segments(literal) {
                        text.push_str(piece);
                        if piece.ends_with([':', '/']) {
                            let exact = Segment::Exact(std::mem::take(&mut text));
                            all.push(if is_exact { exact } else { Segment::Any });
                            is_exact = true;
                        }
                    }
                }
                Token::Star | Token::Claim(_) => is_exact = false,
                Token::Rest => {
                    all.push(Segment::Rest);
                    return all;
                }
            }
        }
        if !is_exact {
            all.push(Segment::Any);
        } else if !text.is_empty() {
            all.push(Segment::Exact(text));
        }
        all
    }

    /// Whether the room is one of those that the pattern means for this caller.
    #[must_use]
    pub fn matches(&self, room: &str, claims: &Claims) -> bool {
        let room = room.as_bytes();
        if room.is_empty() || room.len() > MAX_ROOM_BYTES {
            return false;
        }
        // Most rules speak of other rooms, and most of those show it at one end.
        if let Some(Token::Literal(first)) = self.tokens.first()
            && !room.starts_with(first.as_bytes())
        {
            return false;
        }
        if let Some(Token::Literal(last)) = self.tokens.last()
            && !room.ends_with(last.as_bytes())
        {
            return false;
        }
        let mut reached = Positions::default();
        reached.insert(0);
        for token in &self.tokens {
            reached = match token {
                Token::Literal(literal) => reached.after(room, [literal]),
                Token::Star => reached.within_segment(room),
                Token::Rest => return reached.iter().any(|at| at < room.len()),
                Token::Claim(name) => {
                    let Some(claim) = claims.get(name) else { return false };
                    let one = std::slice::from_ref(claim);
                    let values = claim.as_array().map_or(one, Vec::as_slice);
                    reached.after(room, values.iter().filter_map(piece))
                }
            };
            if reached.is_empty() {
                return false;
            }
        }
        reached.contains(room.len())
    }
}

/// Whether a claim's value may stand in a room's name.
fn is_one_piece(value: &str) -> bool {
    !value.is_empty() && !value.contains(|c: char| matches!(c, ':' | '/' | '*') || c.is_control())
}

/// Whether `value` is text that may stand in a room's name.
pub(crate) fn piece(value: &Value) -> Option<std::borrow::Cow<'_, str>> {
    text(value).filter(|value| is_one_piece(value))
}

/// Where in the room's name the tokens so far may have ended: a set of offsets
/// from 0 to [`MAX_ROOM_BYTES`].
#[derive(Clone, Copy, Default)]
struct Positions([u64; MAX_ROOM_BYTES / 64 + 1]);

impl Positions {
    fn insert(&mut self, at: usize) {
        self.0[at / 64] |= 1 << (at % 64);
    }

    fn contains(&self, at: usize) -> bool {
        self.0[at / 64] & (1 << (at % 64)) != 0
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    fn iter(&self) -> impl Iterator<Item = usize> {
        self.0.iter().enumerate().flat_map(|(index, word)| {
            let mut left = *word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.checked_sub(1)?;
                Some(index * 64 + bit)
            })
        })
    }

    /// The ends of each of `texts` where it begins at one of these positions.
    fn after(&self, room: &[u8], texts: impl IntoIterator<Item: AsRef<str>>) -> Self {
        let mut ends = Self::default();
        for text in texts {
            let text = text.as_ref().as_bytes();
            for at in self.iter() {
                if room[at..].starts_with(text) {
                    ends.insert(at + text.len());
                }
            }
        }
        ends
    }

    /// Every position at least one byte on, up to the segment's end. Bytes do
    /// for characters: what follows a star is whole UTF-8 or the end.
    fn within_segment(&self, room: &[u8]) -> Self {
        let mut ends = Self::default();
        let mut inside = false;
        for (at, byte) in room.iter().enumerate() {
            inside = (inside || self.contains(at)) && !matches!(byte, b':' | b'/');
            if inside {
                ends.insert(at + 1);
            }
        }
        ends
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn claims() -> Claims {
        json!({
            "org": "acme", "n": 7, "teams": ["red", "blue", 5, "a:b", null, ""], "evil": "*", "deep": "a/b", "none": null,
            "empty": "", "flag": true, "f": 1.5, "o": {"id": "x"}, "nul": "a\u{0}",
        })
        .as_object()
        .unwrap()
        .clone()
        .into()
    }

    fn matches(pattern: &str, room: &str) -> bool {
        Pattern::parse(pattern).unwrap().matches(room, &claims())
    }

    #[test]
    fn patterns_match_what_they_say() {
        for (pattern, room) in [
            ("standup", "standup"),
            ("**", "a"),
            ("**", "a:b/c"),
            ("org:{org}:**", "org:acme:x:y"),
            ("org:{org}:*", "org:acme:x"),
            ("doc-*", "doc-1"),
            ("*-*", "a-b-c"),
            ("a*b*c", "axxbbcc"),
            ("team/{teams}/x", "team/blue/x"),
            ("team/{teams}/x", "team/5/x"),
            ("{teams}{teams}", "redblue"),
            ("u{n}", "u7"),
            ("{o.id}", "x"),
            ("*", "é"),
            ("é*", "éa"),
            ("lobby**", "lobby:1"),
        ] {
            assert!(matches(pattern, room), "{pattern} {room}");
        }
        for (pattern, room) in [
            ("standup", "Standup"),
            ("standup", "standup "),
            ("**", ""),
            ("a:**", "a:"),
            ("*", "a:b"),
            ("*", "a/b"),
            ("a:b", "a/b"),
            ("doc-*", "doc-"),
            ("org:{org}:**", "org:evil:x"),
            ("org:{org}:**", "org:acme"),
            ("org:{org}:**", "org:acme/x"),
            ("org:{org}", "org:acm"),
            ("{evil}", "anything"),
            ("{deep}", "a/b"),
            ("{none}", "null"),
            ("{missing}", ""),
            ("x{empty}", "x"),
            ("{flag}", "true"),
            ("{f}", "1.5"),
            ("team/{teams}", "team/a:b"),
            ("team/{teams}", "team/"),
            ("{nul}", "a\u{0}"),
            ("caf\u{e9}", "cafe\u{301}"),
        ] {
            assert!(!matches(pattern, room), "{pattern} {room}");
        }
    }

    #[test]
    fn a_bad_pattern_is_refused() {
        for (pattern, why) in [
            ("", BadPattern::Empty),
            ("a{b", BadPattern::Unbalanced),
            ("a}b", BadPattern::Unbalanced),
            ("{{a}}", BadPattern::Unbalanced),
            ("{}", BadPattern::NoName),
            ("**:a", BadPattern::RestNotLast),
            ("***", BadPattern::RestNotLast),
            ("a\n", BadPattern::Control),
        ] {
            assert_eq!(Pattern::parse(pattern), Err(why), "{pattern}");
        }
    }

    #[test]
    fn many_stars_cost_little() {
        let pattern = Pattern::parse(&"*a".repeat(100)).unwrap();
        assert!(!pattern.matches(&format!("{}b", "a".repeat(255)), &claims()));
        assert!(pattern.matches(&"a".repeat(256), &claims()));
    }

    proptest! {
        /// A claim's value is only ever itself: the pattern matches exactly the
        /// room that has the value in the claim's place.
        #[test]
        fn a_claim_is_never_a_pattern(value in any::<String>(), room in "[ab:/*{}]{1,12}") {
            let claims: Claims = json!({"x": &value}).as_object().unwrap().clone().into();
            let pattern = Pattern::parse("r:{x}").unwrap();
            let itself = format!("r:{value}");
            prop_assert_eq!(pattern.matches(&itself, &claims), is_one_piece(&value) && itself.len() <= MAX_ROOM_BYTES);
            let other = format!("r:{room}");
            prop_assert_eq!(pattern.matches(&other, &claims), other == itself && is_one_piece(&value));
        }
    }
}
