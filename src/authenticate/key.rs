//! Keys that verify JWTs, each bound to what it may verify.
//!
//! A token's header chooses among a key's algorithms and never beyond them.

use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, Validation};
use serde_json::{Map, Value};

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

    /// Algorithms of public keys by their names.
    pub(crate) fn public_algorithms(names: &[String]) -> Result<Vec<Algorithm>, String> {
        use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
        choose(names, &[RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA])
    }

    /// The first that fits is the default.
    fn new(decoding: DecodingKey, fits: &[Algorithm], algorithms: Option<&[String]>) -> Result<Self, String> {
        let chosen = match algorithms {
            None => vec![fits[0]],
            Some(names) => choose(names, fits)?,
        };
        Ok(Self::of_set(decoding, chosen))
    }

    /// A key that does these algorithms.
    pub(super) fn of_set(decoding: DecodingKey, algorithms: Vec<Algorithm>) -> Self {
        let mut validation = Validation::new_for_family(AlgorithmFamily::Hmac);
        validation.algorithms = algorithms;
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self { decoding, validation }
    }

    /// Whether it may verify what is signed so.
    pub(super) fn does(&self, algorithm: Algorithm) -> bool {
        self.validation.algorithms.contains(&algorithm)
    }

    /// The claims, if the signature holds. Nothing in them was checked.
    pub(super) fn verify(&self, token: &str) -> Result<Map<String, Value>, &'static str> {
        let token = jsonwebtoken::decode(token, &self.decoding, &self.validation)
            .map_err(|_| "the signature, the algorithm or the form does not hold")?;
        // The library leaves this to us.
        if token.header.crit.is_some() {
            return Err("the header has `crit`");
        }
        Ok(token.claims)
    }
}

fn choose(names: &[String], fits: &[Algorithm]) -> Result<Vec<Algorithm>, String> {
    if names.is_empty() {
        return Err("is empty; leave it out for the key's own algorithm".to_owned());
    }
    let one = |name: &String| {
        fits.iter().find(|algorithm| format!("{algorithm:?}") == *name).copied().ok_or_else(|| {
            let fits: Vec<_> = fits.iter().map(|algorithm| format!("{algorithm:?}")).collect();
            format!("{name:?} does not fit the key, which does {}", fits.join(", "))
        })
    };
    names.iter().map(one).collect()
}

/// Why a PEM file does not do.
#[derive(Debug)]
pub(crate) enum BadKey {
    /// The key itself.
    Key(&'static str),
    /// What it is to verify.
    Algorithms(String),
}
