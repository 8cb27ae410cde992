//! LiveKit: from a permit to a signed access token.
//!
//! Source: livekit/protocol `auth/accesstoken.go` and `auth/grants.go`.

mod client_may_set;
mod describe;
pub(crate) mod grant;
pub(crate) mod keys;
pub(crate) mod literal;
mod mint;
pub(crate) mod role;
pub(crate) mod room_config;
mod token;

use std::borrow::Cow;
use std::time::Duration;

pub(crate) use client_may_set::{ClientMaySet, NotSettable};
pub(crate) use describe::describe;
pub(crate) use keys::Keys;
pub(crate) use literal::LiteralGrants;
pub(crate) use mint::{Minting, mint};
pub(crate) use role::{HandWritten, Role};
pub(crate) use token::TokenClaims;

use crate::ask::{Requested, Resource};
use crate::authenticate::Caller;
use crate::authorize::{Overrides, Permit};
use crate::claims::Claims;
use crate::name::RoomName;
use crate::pattern::piece;
use crate::project::PerProject;
use crate::random::hex128;
use crate::role::Roles;
use crate::template::Template;

/// What there is to configure.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) projects: PerProject<Project>,
    pub(crate) ttl: Duration,
    /// Names a room for those who name none, if the operator wants that.
    pub(crate) generated_room: Option<Template>,
    pub(crate) client_may_set: ClientMaySet,
    /// Participant attributes and the claims they come from.
    pub(crate) attributes: Vec<(String, String)>,
}

/// Where rooms are, and what opens them.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    /// Where clients connect to.
    pub(crate) url: String,
    pub(crate) keys: Keys,
}

/// What stands for 128 random bits in `generated_room`.
pub(crate) const RANDOM: &str = "random";

/// Hands out keys to calls.
#[derive(Debug)]
pub(crate) struct LiveKit {
    settings: Settings,
}

/// A token and what goes with it.
#[derive(Debug)]
pub(crate) struct Issued<'a> {
    /// Where it opens a room.
    pub(crate) url: &'a str,
    pub(crate) token: String,
    pub(crate) name: Option<String>,
}

/// Why a permit still gives no token.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IssueError {
    #[error(transparent)]
    NotSettable(#[from] NotSettable),
    #[error("signing failed")]
    Sign(#[from] jsonwebtoken::errors::Error),
    #[error("the permit is for no room")]
    NoRoom,
    #[error("no role says what this caller may do here")]
    NoRole,
    #[error("the permit names a project that is not configured")]
    NoProject,
}

impl LiveKit {
    pub(crate) const fn new(settings: Settings) -> Self {
        Self { settings }
    }

    /// Names a room for those who name none, with a caller's claims once they
    /// are known. `Ok(None)`: not without claims.
    ///
    /// # Errors
    ///
    /// The operator wants a room named, or this caller gets none.
    pub(crate) fn new_room(&self, claims: Option<&Claims>) -> Result<Option<RoomName>, &'static str> {
        let Some(template) = &self.settings.generated_room else { return Err("is missing") };
        if claims.is_none() && template.claims().any(|claim| claim != RANDOM) {
            return Ok(None);
        }
        let random = hex128().map_err(|_| "cannot be generated")?;
        let name = template.fill(|claim| match claim {
            RANDOM => Some(random.as_str().into()),
            claim => claims.and_then(|claims| claims.get(claim)).and_then(piece),
        });
        let name = name.and_then(|name| RoomName::livekit(&name).ok());
        name.map(Some).ok_or("cannot be generated for this caller, who lacks a claim for it; name one")
    }

    /// Checks what the client would like, before anything is decided: each
    /// value must be one that the client may set, or the server's own for some
    /// role.
    pub(crate) fn check(&self, caller: &Caller, requested: &Requested, roles: &Roles) -> Result<(), NotSettable> {
        self.identity(caller, requested)?;
        if *requested == Requested::default() {
            return Ok(());
        }
        let nothing = Overrides::default();
        let mut first = None;
        for role in roles.iter().filter_map(|role| role.livekit.as_ref()) {
            let own = self.own_values(caller, role, &nothing);
            match self.check_values(requested, &own) {
                Ok(()) => return Ok(()),
                Err(error) => first = first.or(Some(error)),
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// The claims that a permit gives: for its caller, on its room, within its
    /// role.
    pub(crate) fn claims<'a>(&'a self, permit: &'a Permit, now: i64) -> Result<TokenClaims<'a>, IssueError> {
        let (caller, ask) = (permit.caller(), permit.ask());
        let Resource::Room(room) = &ask.resource else { return Err(IssueError::NoRoom) };
        let role = permit.role().livekit.as_ref().ok_or(IssueError::NoRole)?;
        let identity = self.identity(caller, &ask.requested)?;
        let overrides = permit.overrides();
        let own = self.own_values(caller, role, overrides);
        self.check_values(&ask.requested, &own)?;
        let ttl = overrides.ttl.or(role.ttl).unwrap_or(self.settings.ttl);
        let grants = match overrides.literal.as_ref().and_then(|literal| literal.livekit.as_ref()) {
            Some(literal) => Cow::Owned(literal.over(&role.grants)),
            None => Cow::Borrowed(&role.grants),
        };
        let mut claims = TokenClaims::new(grants, self.project(permit)?.keys.id(), now, ttl);
        claims.identity = Some(identity.into_string().into());
        claims.room = Some(room.as_str());
        claims.fill(own, &ask.requested);
        Ok(claims)
    }

    /// The token that a permit gives.
    pub(crate) fn issue(&self, permit: &Permit, now: i64) -> Result<Issued<'_>, IssueError> {
        let claims = self.claims(permit, now)?;
        let project = self.project(permit)?;
        let token = project.keys.sign(&claims)?;
        Ok(Issued { url: &project.url, token, name: claims.into_name() })
    }

    fn project(&self, permit: &Permit) -> Result<&Project, IssueError> {
        self.settings.projects.get(permit.overrides().project.as_deref()).ok_or(IssueError::NoProject)
    }
}
