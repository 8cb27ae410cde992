//! Names that go into a token: a room's and an identity's.
//!
//! A name is checked once and then never touched: no trimming, no
//! normalisation, no case folding. The string that was decided on is the
//! string that is signed.

use std::fmt;

/// The longest LiveKit room name or identity in bytes: livekit-server's default
/// limits (`max_room_name_length`, `max_participant_identity_length`).
pub const MAX_LIVEKIT_BYTES: usize = 256;

/// The longest Liveblocks room in UTF-16 units (`@liveblocks/node` 3.24 and the
/// platform's technical limits).
pub const MAX_LIVEBLOCKS_UNITS: usize = 128;

/// Why a text cannot be a name. It says what is wrong, never what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// No bytes at all.
    #[error("is empty")]
    Empty,
    /// More than [`MAX_LIVEKIT_BYTES`].
    #[error("has more than 256 bytes")]
    TooManyBytes,
    /// More than [`MAX_LIVEBLOCKS_UNITS`].
    #[error("has more than 128 UTF-16 units")]
    TooManyUnits,
    /// A `*`, which is a pattern to Liveblocks.
    #[error("has a `*` in it")]
    Star,
    /// U+0000 to U+001F or U+007F to U+009F.
    #[error("has a control character in it")]
    Control,
    /// Only white space and characters without a width.
    #[error("has no visible character")]
    Invisible,
}

/// What every name must be, whoever it is for.
fn check(text: &str) -> Result<(), BadName> {
    if text.is_empty() {
        Err(BadName::Empty)
    } else if text.chars().any(char::is_control) {
        Err(BadName::Control)
    } else if text.chars().all(is_invisible) {
        Err(BadName::Invisible)
    } else {
        Ok(())
    }
}

fn check_livekit(text: &str) -> Result<(), BadName> {
    if text.len() > MAX_LIVEKIT_BYTES { Err(BadName::TooManyBytes) } else { check(text) }
}

/// White space, and Unicode's `Default_Ignorable_Code_Point`s and fillers,
/// which show nothing (Unicode 16, `DerivedCoreProperties.txt`).
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{2800}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash)]
        pub struct $name(Box<str>);

        impl $name {
            /// The name as a string of its own.
            #[must_use]
            pub fn into_string(self) -> String {
                self.0.into_string()
            }

            /// The name, byte for byte as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(&*self.0, f)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// A room's name: at least one visible character, no control characters,
    /// and bounded as its vendor bounds it.
    RoomName
}
name! {
    /// Who a participant is, to a LiveKit room: bounded like its name.
    Identity
}

impl RoomName {
    /// A LiveKit room: 1 to 256 bytes.
    ///
    /// # Errors
    ///
    /// The text cannot be one.
    pub fn livekit(text: &str) -> Result<Self, BadName> {
        check_livekit(text).map(|()| Self(text.into()))
    }

    /// A Liveblocks room: 1 to 128 UTF-16 units, and no `*`, which would be a
    /// pattern there.
    ///
    /// # Errors
    ///
    /// The text cannot be one.
    pub fn liveblocks(text: &str) -> Result<Self, BadName> {
        if text.encode_utf16().nth(MAX_LIVEBLOCKS_UNITS).is_some() {
            Err(BadName::TooManyUnits)
        } else if text.contains('*') {
            Err(BadName::Star)
        } else {
            check(text).map(|()| Self(text.into()))
        }
    }
}

impl TryFrom<&str> for Identity {
    type Error = BadName;

    fn try_from(text: &str) -> Result<Self, BadName> {
        check_livekit(text).map(|()| Self(text.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_otherwise_untouched() {
        for good in ["a", " standup", "standup ", "Standup", "../x", "%2e", "cafe\u{301}", "\u{202e}x", "a b/ü#😀"] {
            assert_eq!(RoomName::livekit(good).unwrap().as_str(), good);
        }
        assert!(RoomName::livekit(&"x".repeat(256)).is_ok());
        assert_eq!(RoomName::livekit(&"x".repeat(257)), Err(BadName::TooManyBytes));
        assert!(RoomName::livekit(&"😀".repeat(64)).is_ok());
        assert_eq!(RoomName::livekit(&"😀".repeat(65)), Err(BadName::TooManyBytes));
        for (bad, why) in [
            ("", BadName::Empty),
            (" ", BadName::Invisible),
            ("\u{200b}", BadName::Invisible),
            ("\u{2060}\u{feff}", BadName::Invisible),
            ("\u{2800}", BadName::Invisible),
            ("\t", BadName::Control),
            ("stand\u{0}up", BadName::Control),
            ("stand\r\nup", BadName::Control),
            ("a\u{85}", BadName::Control),
        ] {
            assert_eq!(Identity::try_from(bad), Err(why), "{bad:?}");
            assert_eq!(RoomName::liveblocks(bad), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn a_liveblocks_room_is_no_pattern_and_is_counted_in_utf_16() {
        assert!(RoomName::liveblocks(&"a".repeat(128)).is_ok());
        assert_eq!(RoomName::liveblocks(&"a".repeat(129)), Err(BadName::TooManyUnits));
        assert!(RoomName::liveblocks(&"😀".repeat(64)).is_ok());
        assert_eq!(RoomName::liveblocks(&"😀".repeat(65)), Err(BadName::TooManyUnits));
        assert!(RoomName::liveblocks(&"房".repeat(128)).is_ok());
        for pattern in ["*", "a*", "**", "a*b"] {
            assert_eq!(RoomName::liveblocks(pattern), Err(BadName::Star), "{pattern}");
        }
    }
}
