//! Which secrets are too weak to start with.

/// HMAC-SHA256 wants a key as long as its output (RFC 2104 section 3).
const MIN_BYTES: usize = 32;

/// Samples and defaults that people forget to change.
const PLACEHOLDERS: [&str; 12] = [
    "secret",
    "devsecret",
    "changeme",
    "change-me",
    "change_me",
    "!changethissecret!",
    "myappsecret",
    "my-secret",
    "password",
    "devkey",
    "your-secret-here",
    "test",
];

/// Why a secret does not do, if it does not.
pub(super) fn weak(secret: &str) -> Option<String> {
    const REMEDY: &str = "take 32 random bytes, such as from `openssl rand -base64 32`";
    if secret.is_empty() {
        Some(format!("is empty; {REMEDY}"))
    } else if secret.trim().is_empty() {
        Some(format!("is only white space; {REMEDY}"))
    } else if PLACEHOLDERS.contains(&&*secret.trim().to_lowercase()) {
        Some(format!("is a well-known placeholder; {REMEDY}"))
    } else if secret.len() < MIN_BYTES {
        Some(format!("has fewer than {MIN_BYTES} bytes; {REMEDY}"))
    } else {
        None
    }
}
