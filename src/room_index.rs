//! Which of many room patterns can match a room, without trying them all.
//!
//! Patterns are kept as a tree of their segments: what a segment says exactly
//! leads on by its text, what holds a star or a claim leads on always. Whoever
//! is found is a candidate and must still be asked; whoever is not found does
//! not match.

use std::collections::BTreeMap;

use crate::pattern::{Pattern, Segment, segments};

/// Patterns by their numbers.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoomIndex(Node);

#[derive(Clone, Debug, Default)]
struct Node {
    exact: BTreeMap<Box<str>, Node>,
    any: Option<Box<Node>>,
    /// Patterns that are over here.
    ends: Vec<usize>,
    /// Patterns that go on with anything.
    open: Vec<usize>,
}

impl RoomIndex {
    pub(crate) fn new<'a>(patterns: impl IntoIterator<Item = (usize, &'a Pattern)>) -> Self {
        let mut root = Node::default();
        for (number, pattern) in patterns {
            root.insert(number, &pattern.segments());
        }
        Self(root)
    }

    /// The numbers of all patterns that could match, from low to high.
    pub(crate) fn candidates(&self, room: &str) -> Vec<usize> {
        let mut found = Vec::new();
        self.0.find(segments(room), &mut found);
        found.sort_unstable();
        found
    }
}

impl Node {
    fn insert(&mut self, number: usize, segments: &[Segment]) {
        match segments {
            [] => self.ends.push(number),
            [Segment::Rest, ..] => self.open.push(number),
            [Segment::Any, rest @ ..] => self.any.get_or_insert_default().insert(number, rest),
            [Segment::Exact(text), rest @ ..] => {
                self.exact.entry(text.as_str().into()).or_default().insert(number, rest);
            }
        }
    }

    fn find<'a>(&self, mut segments: impl Iterator<Item = &'a str> + Clone, found: &mut Vec<usize>) {
        found.extend(&self.open);
        let Some(segment) = segments.next() else { return found.extend(&self.ends) };
        if let Some(node) = self.exact.get(segment) {
            node.find(segments.clone(), found);
        }
        if let Some(node) = &self.any {
            node.find(segments, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::claims::Claims;

    fn index(patterns: &[&str]) -> RoomIndex {
        let patterns: Vec<_> = patterns.iter().map(|pattern| Pattern::parse(pattern).unwrap()).collect();
        RoomIndex::new(patterns.iter().enumerate())
    }

    #[test]
    fn only_what_can_match_is_a_candidate() {
        let index =
            index(&["org:acme:**", "org:{org}:*", "org:acme", "lobby", "**", "org:other:**", "a:b/c", "x-**", "org:"]);
        for (room, candidates) in [
            ("org:acme:x", &[0, 1, 4, 7][..]),
            ("org:acme:x:y", &[0, 4, 7]),
            ("org:acme", &[2, 4, 7]),
            ("org:other:x", &[1, 4, 5, 7]),
            ("lobby", &[3, 4, 7]),
            ("a:b/c", &[4, 6, 7]),
            ("a/b/c", &[4, 7]),
            ("org:", &[4, 7, 8]),
            ("", &[4, 7]),
        ] {
            assert_eq!(index.candidates(room), candidates, "{room}");
        }
    }

    proptest! {
        /// Nothing that matches is left out.
        #[test]
        fn whatever_matches_is_a_candidate(
            sources in proptest::collection::vec("([a:/*]|\\{x\\}|\\{y\\}){1,6}(\\*\\*)?", 1..20),
            room in "[a:/]{1,10}",
            value in "[a:/]{0,3}",
        ) {
            let patterns: Vec<_> = sources.iter().filter_map(|source| Pattern::parse(source).ok()).collect();
            let claims: Claims = json!({"x": value, "y": ["a", "aa"]}).as_object().unwrap().clone().into();
            let index = RoomIndex::new(patterns.iter().enumerate());
            let found = index.candidates(&room);
            prop_assert!(found.is_sorted());
            for (number, pattern) in patterns.iter().enumerate() {
                prop_assert!(!pattern.matches(&room, &claims) || found.contains(&number), "{:?}", sources);
            }
        }
    }
}
