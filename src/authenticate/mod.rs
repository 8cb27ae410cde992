//! Who asks: from a request to a [`Caller`].
//!
//! Only this module makes callers. Each authenticator claims a credential by
//! its form; what is claimed and wrong, or presented and claimed by none, is
//! refused, and only where nothing was presented does the next one get its
//! turn. So a bad credential never becomes a guest.

mod api_key;
mod callback;
mod guest;
mod head;
mod header;
mod invite;
mod jwks;
mod jwt;
mod key;
mod settings;

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

pub(crate) use api_key::{ApiKey, ApiKeys, Scope, is_name as is_api_key_name, name_of as api_key_name};
pub(crate) use callback::SessionSettings;
pub use head::Head;
pub(crate) use head::Origins;
pub(crate) use header::HeaderSettings;
pub(crate) use jwks::{KeySetSettings, KeySets, KeySource, is_safe};
pub(crate) use jwt::{JwtSettings, KeySettings};
pub(crate) use key::{BadKey, JwtKey};
pub(crate) use settings::Settings;

use crate::ask::{Ask, Context};
use crate::authorize::{Sealed, Unavailable, audit_session};
use crate::claims::Claims;
use crate::clock::Clock;
use crate::name::BadName;

/// A source of callers: one way to say who one is.
#[async_trait]
pub trait Authenticator: fmt::Debug + Send + Sync {
    /// A short, stable name for logs, such as `jwt`.
    fn name(&self) -> &str;

    /// Looks at a request's head, before its body is read.
    fn examine<'a>(&'a self, head: &Head<'a>, now: i64) -> Examined<'a>;

    /// Whether it could tell, had it been asked now.
    fn is_ready(&self) -> bool {
        true
    }
}

/// What an authenticator makes of a request's head.
#[derive(Debug)]
pub enum Examined<'a> {
    /// Nothing here is for this authenticator.
    NotMine,
    /// A credential for this authenticator, and a right one.
    Known(Identified),
    /// A credential for this authenticator, right as far as the head tells;
    /// whose it is also depends on what is asked for.
    Later(Box<dyn Identify + 'a>),
    /// A credential for this authenticator, and a wrong one. The reason is for
    /// the log alone.
    Rejected(&'static str),
}

/// The second half of an authentication, once the request is parsed.
#[async_trait]
pub trait Identify: fmt::Debug + Send + Sync {
    /// Whether the credential may speak for users other than itself.
    fn speaks_for_others(&self) -> bool {
        false
    }

    /// Says who asks.
    ///
    /// # Errors
    ///
    /// The credential does not hold for this request.
    async fn identify(self: Box<Self>, ask: &Ask, context: &Context) -> Result<Identified, NotIdentified>;
}

/// Why a right credential still names no caller.
#[derive(Debug, thiserror::Error)]
pub enum NotIdentified {
    /// The request lacks or has something; 400. Names the field and says what
    /// is wrong with it.
    #[error("{0} {1}")]
    Invalid(&'static str, &'static str),
    /// The credential may not do this; 403.
    #[error("{0}")]
    Forbidden(&'static str),
    /// The credential is wrong after all; 401.
    #[error("{0}")]
    Rejected(&'static str),
    /// Whoever knows the credential keeps its holder out; 403, with a reason
    /// that the client may know.
    #[error("denied")]
    Denied(Option<String>),
    /// It cannot be told; 503, or 429.
    #[error("{0}")]
    Unavailable(Unavailable),
}

/// What an authenticator found out.
#[derive(Debug)]
pub struct Identified {
    /// Who it is: becomes the token's subject.
    pub subject: String,
    /// What is known about the subject.
    pub claims: Claims,
    /// A decision that came with the credential.
    pub sealed: Option<Sealed>,
}

/// Someone whose credential was checked.
#[derive(Clone, Debug)]
pub struct Caller {
    subject: String,
    claims: Claims,
    via: Arc<str>,
    sealed: Option<Sealed>,
}

impl Caller {
    fn new(identified: Identified, via: &str) -> Self {
        let Identified { subject, claims, sealed } = identified;
        Self { subject, claims, via: via.into(), sealed }
    }

    /// A caller that the operator vouches for on the command line.
    pub(crate) fn vouched(subject: String, claims: Claims) -> Self {
        Self { subject, claims, via: "operator".into(), sealed: None }
    }

    /// The same caller, with a decision that came with the credential.
    #[cfg(feature = "bench")]
    pub(crate) fn bringing(self, sealed: Sealed) -> Self {
        Self { sealed: Some(sealed), ..self }
    }

    /// Who it is; never empty.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// What is known about it.
    #[must_use]
    pub const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The authenticator that found it out.
    #[must_use]
    pub fn via(&self) -> &str {
        &self.via
    }

    /// The decision that came with the credential; only the engine's
    /// `credential` authorizer can open it.
    pub(crate) const fn sealed(&self) -> Option<&Sealed> {
        self.sealed.as_ref()
    }
}

/// Why nobody was found to be asking.
#[derive(Debug, thiserror::Error)]
pub enum AuthenticateError {
    /// No credential, and no one who takes requests without.
    #[error("no credential was presented")]
    Nothing,
    /// A credential that no authenticator claims.
    #[error("a credential was presented that no authenticator claims")]
    Unclaimed,
    /// A credential that does not hold.
    #[error("{via}: {why}")]
    Rejected {
        /// The authenticator that claimed it.
        via: String,
        /// For the log.
        why: &'static str,
    },
    /// A cookie sent by another site's page.
    #[error("a cookie came with a request from another site")]
    CrossSite,
    /// The request itself does not do; names the field.
    #[error("{0} {1}")]
    Invalid(&'static str, String),
    /// The credential does not reach this far.
    #[error("{0}")]
    Forbidden(&'static str),
    /// It cannot be told who asks.
    #[error("{via}: {why}")]
    Unavailable {
        /// The authenticator that claimed the credential.
        via: String,
        /// What kept it from being told.
        why: Unavailable,
    },
    /// Whoever knows the credential keeps its holder out.
    #[error("denied together with the identity")]
    Denied(Option<String>),
}

/// The authenticators in their order.
#[derive(Debug)]
pub(crate) struct Chain {
    authenticators: Vec<Arc<dyn Authenticator>>,
    origins: Origins,
    clock: Arc<dyn Clock>,
}

/// A request whose credential holds as far as its head tells.
#[derive(Debug)]
pub(crate) enum Credential<'a> {
    Caller(Caller),
    Later { via: &'a str, identify: Box<dyn Identify + 'a> },
}

impl Chain {
    pub(crate) fn new(authenticators: Vec<Arc<dyn Authenticator>>, origins: Origins, clock: Arc<dyn Clock>) -> Self {
        Self { authenticators, origins, clock }
    }

    /// Whether every authenticator could tell, had it been asked now.
    pub(crate) fn is_ready(&self) -> bool {
        self.authenticators.iter().all(|authenticator| authenticator.is_ready())
    }

    /// Everything that can be checked before the body is read.
    pub(crate) fn examine<'a>(&'a self, head: &Head<'a>) -> Result<Credential<'a>, AuthenticateError> {
        if head.has_two_authorizations() {
            return Err(AuthenticateError::Rejected { via: "head".to_owned(), why: "two Authorization headers" });
        }
        let now = self.clock.now();
        let mut presented = head.has_authorization();
        for authenticator in &self.authenticators {
            let via = authenticator.name();
            let credential = match authenticator.examine(head, now) {
                Examined::NotMine => continue,
                Examined::Rejected(why) => return Err(AuthenticateError::Rejected { via: via.to_owned(), why }),
                Examined::Known(identified) => Credential::Caller(Caller::new(identified, via)),
                Examined::Later(identify) => Credential::Later { via, identify },
            };
            if head.used_cookie() && self.origins.is_cross_site(head) {
                return Err(AuthenticateError::CrossSite);
            }
            return Ok(credential);
        }
        presented |= head.used_cookie();
        Err(if presented { AuthenticateError::Unclaimed } else { AuthenticateError::Nothing })
    }
}

impl Credential<'_> {
    /// Everything that takes the parsed request.
    pub(crate) async fn identify(self, ask: &Ask, context: &Context) -> Result<Caller, AuthenticateError> {
        let speaks_for_others = match &self {
            Self::Caller(_) => false,
            Self::Later { identify, .. } => identify.speaks_for_others(),
        };
        if let (false, Some(field)) = (speaks_for_others, ask.on_behalf.backend_only_field()) {
            return Err(AuthenticateError::Invalid(field, "may only be sent with an API key".to_owned()));
        }
        match self {
            Self::Caller(caller) => Ok(caller),
            Self::Later { via, identify } => match identify.identify(ask, context).await {
                Ok(identified) => Ok(Caller::new(identified, via)),
                Err(NotIdentified::Invalid(field, why)) => Err(AuthenticateError::Invalid(field, why.to_owned())),
                Err(NotIdentified::Forbidden(why)) => Err(AuthenticateError::Forbidden(why)),
                Err(NotIdentified::Rejected(why)) => Err(AuthenticateError::Rejected { via: via.to_owned(), why }),
                Err(NotIdentified::Denied(reason)) => {
                    audit_session(via, ask, context, "deny", reason.as_deref().unwrap_or_default());
                    Err(AuthenticateError::Denied(reason))
                }
                Err(NotIdentified::Unavailable(why)) => {
                    audit_session(via, ask, context, "error", &why.to_string());
                    Err(AuthenticateError::Unavailable { via: via.to_owned(), why })
                }
            },
        }
    }
}

impl From<BadName> for AuthenticateError {
    fn from(why: BadName) -> Self {
        Self::Invalid("subject", format!("{why}, and so cannot be an identity"))
    }
}
