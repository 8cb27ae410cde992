//! Names that go into a token: a room's and an identity's.
//!
//! A name is checked once and then never touched: no trimming, no
//! normalisation, no case folding. The string that was decided on is the
//! string that is signed.

use std::fmt;

/// The longest room name or identity in bytes: livekit-server's default limits
/// (`max_room_name_length`, `max_participant_identity_length`).
pub const MAX_NAME_BYTES: usize = 256;

/// Why a text cannot be a name. It says what is wrong, never what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadName {
    /// No bytes at all.
    #[error("is empty")]
    Empty,
    /// More than [`MAX_NAME_BYTES`].
    #[error("has more than 256 bytes")]
    TooLong,
    /// U+0000 to U+001F or U+007F to U+009F.
    #[error("has a control character in it")]
    Control,
    /// Only white space and characters without a width.
    #[error("has no visible character")]
    Invisible,
}

fn check(text: &str) -> Result<(), BadName> {
    if text.is_empty() {
        Err(BadName::Empty)
    } else if text.len() > MAX_NAME_BYTES {
        Err(BadName::TooLong)
    } else if text.chars().any(char::is_control) {
        Err(BadName::Control)
    } else if text.chars().all(is_invisible) {
        Err(BadName::Invisible)
    } else {
        Ok(())
    }
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
            /// The name, byte for byte as it was given.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<&str> for $name {
            type Error = BadName;

            fn try_from(text: &str) -> Result<Self, BadName> {
                check(text).map(|()| Self(text.into()))
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
    /// A room's name: 1 to 256 bytes, at least one visible character, no
    /// control characters.
    RoomName
}
name! {
    /// Who a participant is, to the room: bounded like a [`RoomName`].
    Identity
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_otherwise_untouched() {
        for good in ["a", " standup", "standup ", "Standup", "../x", "%2e", "cafe\u{301}", "\u{202e}x", "a b/ü#😀"] {
            assert_eq!(RoomName::try_from(good).unwrap().as_str(), good);
        }
        assert!(RoomName::try_from(&*"x".repeat(256)).is_ok());
        assert_eq!(RoomName::try_from(&*"x".repeat(257)), Err(BadName::TooLong));
        assert!(RoomName::try_from(&*"😀".repeat(64)).is_ok());
        assert_eq!(RoomName::try_from(&*"😀".repeat(65)), Err(BadName::TooLong));
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
        }
    }
}
