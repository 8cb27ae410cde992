//! What shows a backend that a question is ours: a signature by Standard
//! Webhooks 1.0, `v1`, or a bearer.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

pub(crate) const ID: HeaderName = HeaderName::from_static("webhook-id");
pub(crate) const TIMESTAMP: HeaderName = HeaderName::from_static("webhook-timestamp");
pub(crate) const SIGNATURE: HeaderName = HeaderName::from_static("webhook-signature");

/// What every secret begins with.
const PREFIX: &str = "whsec_";
const MIN_BYTES: usize = 24;
const MAX_BYTES: usize = 64;

/// A `whsec_…` secret, prepared.
#[derive(Clone)]
pub(crate) struct SigningSecret(hmac::Key);

impl std::fmt::Debug for SigningSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningSecret([REDACTED])")
    }
}

impl SigningSecret {
    /// Reads `whsec_<base64 of 24 to 64 bytes>`.
    ///
    /// # Errors
    ///
    /// It has not that form.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let bytes = text.strip_prefix(PREFIX).and_then(|rest| STANDARD.decode(rest).ok());
        match bytes {
            Some(bytes) if (MIN_BYTES..=MAX_BYTES).contains(&bytes.len()) => {
                Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
            }
            _ => Err(
                "must be `whsec_` and the base64 of 24 to 64 random bytes, such as from `echo whsec_$(openssl rand -base64 32)`",
            ),
        }
    }

    /// `v1,<base64 of the HMAC-SHA256 of id.timestamp.body>`.
    pub(crate) fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }

    /// Puts the signature of a body, and what it is made of, among its headers.
    pub(crate) fn put(&self, headers: &mut HeaderMap, id: &str, timestamp: i64, body: &[u8]) {
        let signed = self.sign(id, timestamp, body);
        for (name, value) in [(ID, id), (TIMESTAMP, &timestamp.to_string()), (SIGNATURE, &signed)] {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(name, value);
            }
        }
    }
}

/// A bearer, as the header that it is sent in.
#[derive(Clone, Debug)]
pub(crate) struct Bearer(HeaderValue);

impl Bearer {
    const MIN_BYTES: usize = 16;

    /// Reads at least 16 visible ASCII characters.
    ///
    /// # Errors
    ///
    /// They are not.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let good = text.len() >= Self::MIN_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
        match HeaderValue::from_str(&format!("Bearer {text}")) {
            Ok(mut header) if good => {
                header.set_sensitive(true);
                Ok(Self(header))
            }
            _ => Err("must be at least 16 visible ASCII characters, such as from `openssl rand -base64 32`"),
        }
    }

    pub(crate) fn put(&self, headers: &mut HeaderMap) {
        headers.insert(AUTHORIZATION, self.0.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_is_that_of_standard_webhooks() {
        // The example of the specification's reference libraries.
        let secret = SigningSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = secret.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let mut headers = HeaderMap::new();
        secret.put(&mut headers, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!((&headers[SIGNATURE], headers.len()), (&HeaderValue::from_str(&signed).unwrap(), 3));
        for bad in ["", "whsec_", "whsec_AAAA", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_!!!"] {
            assert!(SigningSecret::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_bearer_is_long_and_shown_nowhere() {
        let bearer = Bearer::parse("CANARY-0123456789").unwrap();
        assert!(!format!("{bearer:?}").contains("CANARY"));
        for bad in ["", "CANARY-01234567", "CANARY 0123456789", "CANARY-0123456789\n", "CANÄRY-0123456789"] {
            assert!(Bearer::parse(bad).is_err(), "{bad}");
        }
    }
}
