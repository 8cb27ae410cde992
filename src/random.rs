//! Unguessable text for room names, guest identities and request ids.

use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// 128 random bits in 32 lower-case hexadecimal digits.
///
/// # Errors
///
/// The operating system gave no random bytes.
pub(crate) fn hex128() -> Result<String, NoRandomness> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut bytes = [0_u8; 16];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect())
}

/// 256 random bits in 43 base64url characters, without padding.
///
/// # Errors
///
/// The operating system gave no random bytes.
pub(crate) fn base64url256() -> Result<String, NoRandomness> {
    let mut bytes = [0_u8; 32];
    rand::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The operating system gave no random bytes.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the operating system gave no random bytes")]
pub(crate) struct NoRandomness;
