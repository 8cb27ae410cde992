//! End users' JWTs, by bearer or cookie.
//!
//! The algorithm comes from the configuration, never from the token; `exp` is
//! required; what the configuration names (`issuer`, `audience`, `require`)
//! must be there and hold. The library checks the signature, this module the
//! claims: the library would ask the system for the time, and takes a missing
//! `iss` or `aud` for a right one.
//!
//! Source: RFC 7519 sections 4.1 and 7.2, RFC 8725 section 3.

use async_trait::async_trait;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::head::Cookie;
use super::{Authenticator, Examined, Head, Identified};
use crate::claims::{ClaimNames, ClaimTests, Claims, select};

/// What a token must be.
#[derive(Clone, Debug)]
pub(crate) struct JwtSettings {
    pub(crate) issuer: Option<String>,
    /// Empty: any.
    pub(crate) audience: Vec<String>,
    pub(crate) key: JwtKey,
    /// Seconds by which clocks may differ.
    pub(crate) leeway: i64,
    /// Besides the bearer.
    pub(crate) cookie: Option<String>,
    pub(crate) require: ClaimTests,
    pub(crate) names: ClaimNames,
}

/// A key, and what it may verify.
#[derive(Clone, Debug)]
pub(crate) struct JwtKey {
    decoding: DecodingKey,
    validation: Validation,
}

impl JwtKey {
    /// A shared secret: HS256, unless `algorithms` says otherwise.
    pub(crate) fn from_secret(secret: &[u8], algorithms: Option<&[String]>) -> Result<Self, String> {
        use Algorithm::{HS256, HS384, HS512};
        Self::new(DecodingKey::from_secret(secret), &[HS256, HS384, HS512], algorithms)
    }

    /// A public key in PEM: RSA, P-256, P-384 or Ed25519.
    pub(crate) fn from_public_pem(pem: &str, algorithms: Option<&[String]>) -> Result<Self, BadKey> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        if pem.contains("PRIVATE KEY") {
            return Err(BadKey::Key("is a private key; give the public one (`openssl pkey -in key.pem -pubout`)"));
        }
        let bytes = pem.as_bytes();
        let size = |key: &DecodingKey| key.try_get_as_bytes().map_or(0, <[u8]>::len);
        let (key, fits): (_, &'static [Algorithm]) = if let Ok(key) = DecodingKey::from_rsa_pem(bytes) {
            // 2048 bits of modulus are 270 bytes of PKCS#1.
            if size(&key) < 262 {
                return Err(BadKey::Key("is an RSA key of fewer than 2048 bits"));
            }
            (key, &[RS256, RS384, RS512, PS256, PS384, PS512])
        } else if let Ok(key) = DecodingKey::from_ec_pem(bytes) {
            match size(&key) {
                65 => (key, &[ES256]),
                97 => (key, &[ES384]),
                _ => return Err(BadKey::Key("is on a curve other than P-256 and P-384")),
            }
        } else if let Ok(key) = DecodingKey::from_ed_pem(bytes) {
            (key, &[EdDSA])
        } else {
            return Err(BadKey::Key(
                "is no public key in PEM (`-----BEGIN PUBLIC KEY-----`) of the kinds RSA, P-256, P-384, Ed25519",
            ));
        };
        Self::new(key, fits, algorithms).map_err(BadKey::Algorithms)
    }

    /// The first that fits is the default.
    fn new(decoding: DecodingKey, fits: &[Algorithm], algorithms: Option<&[String]>) -> Result<Self, String> {
        let chosen = match algorithms {
            None => vec![fits[0]],
            Some([]) => return Err("is empty; leave it out for the key's own algorithm".to_owned()),
            Some(names) => names
                .iter()
                .map(|name| {
                    fits.iter().find(|algorithm| format!("{algorithm:?}") == *name).copied().ok_or_else(|| {
                        let fits: Vec<_> = fits.iter().map(|algorithm| format!("{algorithm:?}")).collect();
                        format!("{name:?} does not fit the key, which does {}", fits.join(", "))
                    })
                })
                .collect::<Result<_, _>>()?,
        };
        let mut validation = Validation::new_for_family(AlgorithmFamily::Hmac);
        validation.algorithms = chosen;
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Ok(Self { decoding, validation })
    }

    /// The claims, if the signature holds. Nothing in them was checked.
    pub(crate) fn verify(&self, token: &str) -> Result<Map<String, Value>, &'static str> {
        let token = jsonwebtoken::decode(token, &self.decoding, &self.validation)
            .map_err(|_| "the signature, the algorithm or the form does not hold")?;
        // The library leaves this to us.
        if token.header.crit.is_some() {
            return Err("the header has `crit`");
        }
        Ok(token.claims)
    }
}

/// Why a PEM file does not do.
#[derive(Debug)]
pub(crate) enum BadKey {
    /// The key itself.
    Key(&'static str),
    /// What it is to verify.
    Algorithms(String),
}

/// Takes three-part bearers and cookies of its issuer.
#[derive(Debug)]
pub(crate) struct Jwt(JwtSettings);

impl Jwt {
    pub(crate) const KIND: &str = "jwt";

    pub(crate) const fn new(settings: JwtSettings) -> Self {
        Self(settings)
    }

    /// Whether a token looks like one of ours. Nothing in it is believed.
    fn claims(&self, token: &str) -> bool {
        #[derive(Deserialize)]
        struct Unverified {
            iss: Option<String>,
        }
        token.bytes().filter(|byte| *byte == b'.').count() == 2
            && self.0.issuer.as_ref().is_none_or(|issuer| {
                insecure_decode_claims::<Unverified>(token).is_ok_and(|claims| claims.iss.as_ref() == Some(issuer))
            })
    }

    fn identify(&self, token: &str, now: i64) -> Result<Identified, &'static str> {
        let values = self.0.key.verify(token)?;
        self.check(&values, now)?;
        let claims = Claims::new(self.0.names.clone(), values);
        let subject = claims.text("id").filter(|id| !id.is_empty()).ok_or("the claim for `id` is missing or empty")?;
        Ok(Identified { subject: subject.into_owned(), claims, sealed: None })
    }

    /// RFC 7519 section 4.1, less what asks for more than the token.
    fn check(&self, claims: &Map<String, Value>, now: i64) -> Result<(), &'static str> {
        let settings = &self.0;
        let time = |name: &str| claims.get(name).map(|value| seconds(value).ok_or("a time that is no number"));
        let exp = time("exp").ok_or("no `exp`")??;
        if exp.saturating_add(settings.leeway) <= now {
            return Err("expired");
        }
        let latest = now.saturating_add(settings.leeway);
        for name in ["nbf", "iat"] {
            if time(name).transpose()?.is_some_and(|time| time > latest) {
                return Err(if name == "nbf" { "not valid yet" } else { "issued in the future" });
            }
        }
        if let Some(issuer) = &settings.issuer
            && claims.get("iss").and_then(Value::as_str) != Some(issuer)
        {
            return Err("another issuer");
        }
        let is_for_us =
            |audience: &Value| audience.as_str().is_some_and(|one| settings.audience.iter().any(|us| us == one));
        if !settings.audience.is_empty()
            && !claims
                .get("aud")
                .is_some_and(|aud| is_for_us(aud) || aud.as_array().is_some_and(|all| all.iter().any(is_for_us)))
        {
            return Err("another audience");
        }
        if !settings.require.hold(|name| select(claims, name)) {
            return Err("a required claim does not hold");
        }
        Ok(())
    }
}

/// A `NumericDate` (RFC 7519 section 2) in whole seconds.
fn seconds(value: &Value) -> Option<i64> {
    let number = value.as_number()?;
    number.as_i64().or_else(|| {
        let seconds = number.as_f64()?.floor();
        #[expect(clippy::cast_possible_truncation, reason = "a float cast saturates, which is what is wanted")]
        seconds.is_finite().then_some(seconds as i64)
    })
}

#[async_trait]
impl Authenticator for Jwt {
    fn name(&self) -> &str {
        Self::KIND
    }

    fn examine<'a>(&'a self, head: &Head<'a>, now: i64) -> Examined<'a> {
        let token = match (head.bearer(), self.0.cookie.as_deref().map(|name| head.cookie(name))) {
            (Some(bearer), _) => bearer,
            (None, Some(Cookie::One(cookie))) => cookie,
            (None, Some(Cookie::Ambiguous)) => return Examined::Rejected("the cookie came more than once"),
            (None, Some(Cookie::None) | None) => return Examined::NotMine,
        };
        if !self.claims(token) {
            return Examined::NotMine;
        }
        match self.identify(token, now) {
            Ok(identified) => Examined::Known(identified),
            Err(why) => Examined::Rejected(why),
        }
    }
}
