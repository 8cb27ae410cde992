//! What the operator chooses among, and the one place that builds it.

use super::Authenticator;
use super::api_key::{ApiKey, ApiKeys};
use super::guest::Guest;
use super::jwt::{Jwt, JwtSettings};
use crate::template::Template;

/// One `[[authenticate]]`.
#[derive(Clone, Debug)]
pub(crate) enum Settings {
    Jwt(Box<JwtSettings>),
    ApiKey(Vec<ApiKey>),
    Guest { id: Template },
}

impl Settings {
    pub(crate) fn build(&self) -> Box<dyn Authenticator> {
        match self {
            Self::Jwt(settings) => Box::new(Jwt::new((**settings).clone())),
            Self::ApiKey(keys) => Box::new(ApiKeys::new(keys.clone())),
            Self::Guest { id } => Box::new(Guest::new(id.clone())),
        }
    }
}
