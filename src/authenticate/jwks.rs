//! Key sets of identity providers: fetched, refreshed, swapped whole.
//!
//! A new set takes the old one's place only when it was read as a whole; a key
//! in it that cannot be used is skipped. A `kid` that is not in the set causes
//! one fetch at most in ten seconds, which all who wait for it share. No reader
//! ever waits for a lock.
//!
//! Source: RFC 7517 (JWK sets), OpenID Connect Discovery 1.0 section 4.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use http::HeaderMap;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use serde::Deserialize;
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep};

use super::key::JwtKey;
use crate::outbound::{Call, Outbound};

const FETCH_TIMEOUT: Duration = Duration::from_secs(3);
const MAX_SET_BYTES: usize = 256 * 1024;
/// 2048 bits.
const MIN_RSA_BYTES: usize = 256;
/// Between two refreshes in the background.
const REFRESH: Duration = Duration::from_mins(5);
/// Between two tries while there is no set yet.
const RETRY: Duration = Duration::from_secs(2);
/// Between two fetches for unknown keys, or after a failed one.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// Where a set is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum KeySource {
    /// The set itself.
    Url(String),
    /// An issuer whose discovery document names it.
    Issuer(String),
}

/// What to fetch, and what its keys may verify.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KeySetSettings {
    pub(crate) source: KeySource,
    /// `None`: each key's own.
    pub(crate) algorithms: Option<Vec<Algorithm>>,
    /// Whether a set may be fetched over plain HTTP from anywhere.
    pub(crate) insecure_http: bool,
}

/// The key sets of the process, which outlive its configurations.
#[derive(Debug, Default)]
pub(crate) struct KeySets(std::sync::Mutex<Vec<Weak<KeySet>>>);

impl KeySets {
    /// The set with these settings: the one that is in use already, or a new
    /// one that begins to be fetched.
    pub(crate) fn get(&self, settings: &KeySetSettings, outbound: &Outbound) -> Arc<KeySet> {
        let mut sets = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        sets.retain(|set| set.strong_count() > 0);
        let known = sets.iter().filter_map(Weak::upgrade).find(|set| set.settings == *settings);
        known.unwrap_or_else(|| {
            let set = KeySet::new(settings.clone(), outbound.clone());
            sets.push(Arc::downgrade(&set));
            set.keep_fresh();
            set
        })
    }
}

/// One issuer's keys.
#[derive(Debug)]
pub(crate) struct KeySet {
    settings: KeySetSettings,
    outbound: Outbound,
    keys: ArcSwapOption<Vec<SetKey>>,
    /// How many sets there were.
    generation: AtomicU64,
    fetching: Arc<Mutex<Option<Fetch>>>,
}

#[derive(Debug)]
struct SetKey {
    kid: Option<String>,
    key: JwtKey,
}

/// A fetch that an unknown key caused.
#[derive(Debug)]
struct Fetch {
    at: Instant,
    failed: bool,
}

/// Why there is no key for a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoKey {
    /// The set does not have it.
    Unknown,
    /// There is no set, or none that is new enough to tell.
    Unavailable,
}

impl KeySet {
    /// Whether a set could be fetched now.
    ///
    /// # Errors
    ///
    /// What was wrong with it or on the way to it.
    pub(crate) async fn probe(settings: &KeySetSettings, outbound: Outbound) -> Result<(), String> {
        Self::new(settings.clone(), outbound).download().await.map(drop)
    }

    /// A set that is not there yet.
    fn new(settings: KeySetSettings, outbound: Outbound) -> Arc<Self> {
        Arc::new(Self {
            settings,
            outbound,
            keys: ArcSwapOption::empty(),
            generation: AtomicU64::new(0),
            fetching: Arc::default(),
        })
    }

    /// Whether it was ever fetched.
    pub(crate) fn is_there(&self) -> bool {
        self.keys.load().is_some()
    }

    /// Fetches it and keeps it fresh for as long as somebody uses it. Outside of
    /// a runtime the first token fetches it.
    fn keep_fresh(self: &Arc<Self>) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else { return };
        let set = Arc::downgrade(self);
        runtime.spawn(async move {
            while let Some(wait) = refresh(&set).await {
                sleep(wait).await;
            }
        });
    }

    /// Fetches the set now.
    ///
    /// # Errors
    ///
    /// What was wrong with it or on the way to it.
    pub(crate) async fn fetch(&self) -> Result<(), String> {
        let keys = self.download().await?;
        self.keys.store(Some(Arc::new(keys)));
        self.generation.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Whether any key that a set could hold may verify what is signed so.
    pub(crate) fn takes(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{ES256, ES384, EdDSA, RS256};
        match &self.settings.algorithms {
            Some(wanted) => wanted.contains(&algorithm),
            None => [RS256, ES256, ES384, EdDSA].contains(&algorithm),
        }
    }

    /// Verifies with the key that is there; `None` if none fits.
    pub(crate) fn with_key<T>(
        &self,
        kid: Option<&str>,
        algorithm: Algorithm,
        verify: impl FnOnce(&JwtKey) -> T,
    ) -> Option<T> {
        let keys = self.keys.load();
        let mut fitting = keys.iter().flat_map(|keys| keys.iter()).filter(|key| key.key.does(algorithm));
        let found = match kid {
            Some(kid) => fitting.find(|key| key.kid.as_deref() == Some(kid)),
            // Without a name only the one key that fits can be meant.
            None => fitting.next().filter(|_| fitting.next().is_none()),
        };
        found.map(|key| verify(&key.key))
    }

    /// Fetches the set for a token whose key is not in it, unless that was done
    /// a moment ago. After it, the key may be there.
    pub(crate) async fn fetch_for_unknown(self: &Arc<Self>) -> Result<(), NoKey> {
        let before = self.generation.load(Relaxed);
        let mut last = self.fetching.clone().lock_owned().await;
        if self.generation.load(Relaxed) != before {
            return Ok(());
        }
        if let Some(Fetch { at, failed }) = &*last
            && at.elapsed() < COOL_DOWN
        {
            return Err(if *failed { NoKey::Unavailable } else { NoKey::Unknown });
        }
        let set = self.clone();
        // In a task of its own: a client that goes away would end it half-way,
        // and the next one could begin it again.
        let fetch = tokio::spawn(async move {
            let fetched = set.fetch().await;
            *last = Some(Fetch { at: Instant::now(), failed: fetched.is_err() });
            fetched.map_err(|why| {
                tracing::error!(source = ?set.settings.source, why, "Cannot fetch a key set");
                NoKey::Unavailable
            })
        });
        fetch.await.unwrap_or(Err(NoKey::Unavailable))
    }

    async fn download(&self) -> Result<Vec<SetKey>, String> {
        let url = match &self.settings.source {
            KeySource::Url(url) => url.clone(),
            KeySource::Issuer(issuer) => self.discover(issuer).await?,
        };
        let set: RawSet = self.get(&url).await?;
        let keys: Vec<_> = set.keys.into_iter().filter_map(|key| self.usable(key)).collect();
        if keys.is_empty() { Err(format!("{url} has no key that could be used")) } else { Ok(keys) }
    }

    async fn discover(&self, issuer: &str) -> Result<String, String> {
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let document: Discovery = self.get(&url).await?;
        if document.issuer != issuer {
            return Err(format!("{url} names another issuer than the configured one"));
        }
        if !self.settings.insecure_http && !is_safe(&document.jwks_uri) {
            return Err(format!("{url} names a key set over plain HTTP"));
        }
        Ok(document.jwks_uri)
    }

    async fn get<T: for<'de> Deserialize<'de>>(&self, url: &str) -> Result<T, String> {
        let call =
            Call { url, headers: HeaderMap::new(), json: None, timeout: FETCH_TIMEOUT, max_answer: MAX_SET_BYTES };
        let answer = self.outbound.call(&call).await.map_err(|error| format!("{url}: {error}"))?;
        if answer.status != http::StatusCode::OK {
            return Err(format!("{url} answered {}", answer.status.as_u16()));
        }
        serde_json::from_slice(&answer.body).map_err(|_| format!("{url} has not the form it should have"))
    }

    /// A key of the set, unless it is none of ours.
    fn usable(&self, key: serde_json::Value) -> Option<SetKey> {
        let key: Jwk = serde_json::from_value(key).ok()?;
        let own: &[Algorithm] = match &key.algorithm {
            AlgorithmParameters::RSA(_) => {
                use Algorithm::{PS256, PS384, PS512, RS256, RS384, RS512};
                &[RS256, RS384, RS512, PS256, PS384, PS512]
            }
            AlgorithmParameters::EllipticCurve(ec) => match ec.curve {
                EllipticCurve::P256 => &[Algorithm::ES256],
                EllipticCurve::P384 => &[Algorithm::ES384],
                _ => return None,
            },
            AlgorithmParameters::OctetKeyPair(_) => &[Algorithm::EdDSA],
            // A symmetric key that anyone can read is no key.
            _ => return None,
        };
        let common = &key.common;
        let signs = common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature)
            && common.key_operations.as_ref().is_none_or(|operations| operations.contains(&KeyOperations::Verify));
        let mut algorithms: Vec<_> = match &self.settings.algorithms {
            Some(wanted) => own.iter().filter(|algorithm| wanted.contains(algorithm)).copied().collect(),
            None => own.iter().take(1).copied().collect(),
        };
        // RFC 7517 section 4.4: what it names is all that it is for.
        if let Some(named) = common.key_algorithm {
            algorithms.retain(|algorithm| KeyAlgorithm::from(*algorithm) == named);
        }
        if !signs || algorithms.is_empty() {
            return None;
        }
        let decoding = DecodingKey::from_jwk(&key).ok()?;
        if let DecodingKeyKind::RsaModulusExponent { n, .. } = decoding.kind()
            && n.len() < MIN_RSA_BYTES
        {
            return None;
        }
        Some(SetKey { kid: key.common.key_id, key: JwtKey::of_set(decoding, algorithms) })
    }
}

/// Refreshes a set that is still in use; gives the time to the next refresh.
async fn refresh(set: &Weak<KeySet>) -> Option<Duration> {
    let set = set.upgrade()?;
    match set.fetch().await {
        Ok(()) => Some(REFRESH),
        Err(why) => {
            tracing::error!(source = ?set.settings.source, why, "Cannot fetch a key set");
            Some(if set.is_there() { COOL_DOWN } else { RETRY })
        }
    }
}

/// Whether nobody on the way can change what a URL gives: HTTPS, or loopback.
pub(crate) fn is_safe(url: &str) -> bool {
    let Ok(url) = url.parse::<http::Uri>() else { return false };
    match url.scheme_str() {
        Some("https") => true,
        Some("http") => match url.host() {
            Some("localhost") => true,
            Some(host) => {
                let ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>();
                ip.is_ok_and(|ip| ip.is_loopback())
            }
            None => false,
        },
        _ => false,
    }
}

#[derive(Deserialize)]
struct RawSet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}
