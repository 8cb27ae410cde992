//! Liveblocks: from a permit to an access or ID token.
//!
//! For Liveblocks' cloud the token is made by Liveblocks, with the project's
//! secret key; for an app that embeds a Liveblocks server of its own we sign
//! it. Which rooms and rights it opens is settled before, the same way for both.

mod cloud;
mod describe;
mod grant;
mod local;
mod scope;

use std::time::Duration;

pub(crate) use cloud::{Cloud, CloudSettings};
pub(crate) use describe::describe;
pub(crate) use grant::{Grant, MAX_PATTERNS, MAX_USER_INFO_UNITS, Unfit, is_pattern};
pub(crate) use local::{Local, LocalSettings};
pub(crate) use scope::{Permissions, Role};

use crate::authorize::Permit;
use crate::claims::Claims;
use crate::outbound::{CONNECT_TIMEOUT, Pools};
use crate::project::PerProject;

/// What there is to configure.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) forms: PerProject<FormSettings>,
    pub(crate) token: TokenKind,
    /// Members of the user info and the claims they come from.
    pub(crate) user_info: Vec<(String, String)>,
    pub(crate) group_ids: Option<String>,
    pub(crate) organization_id: Option<String>,
}

/// Who makes the token.
#[derive(Clone, Debug)]
pub(crate) enum FormSettings {
    Cloud(CloudSettings),
    Local(LocalSettings),
}

impl FormSettings {
    /// Where the API is that makes the tokens.
    pub(crate) fn base_url(&self) -> Option<&str> {
        match self {
            Self::Cloud(cloud) => Some(&cloud.base_url),
            Self::Local(_) => None,
        }
    }
}

/// What the token holds: rights, or an identity whose rights the rooms know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    Access,
    Id,
}

/// Hands out keys to documents.
#[derive(Debug)]
pub(crate) struct Liveblocks {
    settings: Settings,
    forms: PerProject<Form>,
}

#[derive(Debug)]
enum Form {
    Cloud(Cloud),
    Local(Local),
}

/// Why a permit still gives no token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IssueError {
    /// What was to be granted is not what Liveblocks takes. Our configuration's
    /// fault, but for what an API key said.
    #[error(transparent)]
    Unfit(#[from] Unfit),
    /// The permit opens nothing.
    #[error("no room is left to open: every entry of liveblocks_rooms lacks a claim")]
    Nothing,
    /// The token could not be signed here.
    #[error("signing failed")]
    Sign,
    #[error("the permit names a project that is not configured")]
    NoProject,
    /// Liveblocks did not do it; says what to look at.
    #[error("Liveblocks: {0}")]
    Upstream(String),
    /// Liveblocks did not answer in time.
    #[error("Liveblocks did not answer within liveblocks.timeout")]
    Silent,
    /// Too many calls are under way here, or Liveblocks wants us to wait.
    #[error("{why}")]
    Busy {
        /// For the log.
        why: &'static str,
        /// Seconds to wait.
        retry_after: Duration,
    },
}

impl Liveblocks {
    /// # Errors
    ///
    /// TLS cannot be set up for the cloud.
    pub(crate) fn new(settings: Settings, pools: &Pools) -> Result<Self, String> {
        let forms = settings.forms.try_map(|form| match form {
            FormSettings::Cloud(cloud) => {
                Ok::<_, String>(Form::Cloud(Cloud::new(cloud.clone(), pools.outbound(CONNECT_TIMEOUT)?)))
            }
            FormSettings::Local(local) => Ok(Form::Local(Local::new(local.clone()))),
        })?;
        Ok(Self { settings, forms })
    }

    /// What a permit grants, checked against all that Liveblocks bounds.
    pub(crate) fn grant<'a>(&self, permit: &'a Permit) -> Result<Grant<'a>, IssueError> {
        let person = self.person(permit.caller().subject(), permit.caller().claims()).with(permit.overrides());
        person.check()?;
        let permissions = match self.settings.token {
            TokenKind::Id => None,
            TokenKind::Access => Some(grant::permissions(permit)?),
        };
        Ok(Grant { person, permissions, project: permit.overrides().project.as_deref() })
    }

    /// What an operator grants by hand, checked likewise.
    pub(crate) fn grant_one<'a>(
        &self,
        user: &'a str,
        claims: &Claims,
        room: &str,
        permissions: &'a Permissions,
    ) -> Result<Grant<'a>, Unfit> {
        let person = self.person(user, claims);
        person.check()?;
        let permissions = match self.settings.token {
            TokenKind::Id => None,
            TokenKind::Access => Some(vec![(room.to_owned(), permissions)]),
        };
        Ok(Grant { person, permissions, project: None })
    }

    /// The token that a permit gives.
    pub(crate) async fn issue(&self, permit: &Permit, now: i64) -> Result<String, IssueError> {
        self.token(&self.grant(permit)?, now).await
    }

    /// The token for a grant.
    pub(crate) async fn token(&self, grant: &Grant<'_>, now: i64) -> Result<String, IssueError> {
        match self.form(grant)? {
            Form::Cloud(cloud) => cloud.token(grant).await,
            Form::Local(local) => local.token(grant, now),
        }
    }

    /// What would be signed, or asked of Liveblocks, for a grant.
    pub(crate) fn preview(&self, grant: &Grant<'_>, now: i64) -> Result<serde_json::Value, IssueError> {
        match self.form(grant)? {
            Form::Cloud(_) => Ok(serde_json::json!(grant)),
            Form::Local(local) => Ok(serde_json::json!(local.claims(grant, now)?)),
        }
    }

    fn form(&self, grant: &Grant<'_>) -> Result<&Form, IssueError> {
        self.forms.get(grant.project).ok_or(IssueError::NoProject)
    }
}
