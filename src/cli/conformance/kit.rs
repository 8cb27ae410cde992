//! Asks an endpoint as `serve` would, and tells what `serve` would make of the
//! answer.
//!
//! What a check sends wrong is wrong in one place; the rest is made by the same
//! code that asks in earnest. No secret, cookie or body is in what is told.

use std::time::{Duration, Instant};

use http::StatusCode;
use http::header::{CONNECTION, COOKIE, HeaderMap, HeaderValue};
use serde_json::Map;

use super::Failure;
use crate::ask::{Action, Ask, Context, OnBehalf, Requested, Resource};
use crate::authenticate::Caller;
use crate::callback::{Answer, Bearer, DEFAULT_CONNECT_TIMEOUT, DEFAULT_TIMEOUT, Question, Reply, SigningSecret, Who};
use crate::claims::Claims;
use crate::clock::{Clock as _, SystemClock};
use crate::outbound::{self, Call, MAX_ANSWER_BYTES, NoAnswer, Outbound, Pools};
use crate::random::hex128;
use crate::units::display;

/// How much of a text from an answer is shown, in characters.
const SHOWN: usize = 40;

/// What shows the endpoint that a question is Roomkey's.
#[derive(Debug)]
pub(super) enum Credential {
    Signing(Box<SigningSecret>),
    Bearer(Bearer),
}

/// Who is asked about.
#[derive(Clone, Debug)]
pub(super) enum Subject {
    User(String),
    /// Whom a `Cookie` header stands for; without one nobody.
    Session(Option<HeaderValue>),
}

/// A question before it is signed.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) headers: HeaderMap,
    pub(super) body: Vec<u8>,
}

/// What `serve` would make of an answer.
#[derive(Debug)]
pub(super) enum Said {
    /// 200 and `true`.
    Yes(Box<Answer>),
    /// 200 and `false`.
    No,
    Forbidden,
    Unauthenticated,
    /// Another 4xx.
    Refused(StatusCode),
    /// Neither a decision nor a refusal; why.
    Useless(String),
    Nothing(NoAnswer),
}

/// The endpoint under test.
#[derive(Debug)]
pub(super) struct Kit {
    outbound: Outbound,
    url: String,
    pub(super) credential: Credential,
    slowest: Duration,
}

impl Kit {
    pub(super) fn new(url: String, credential: Credential) -> Result<Self, Failure> {
        let outbound = Pools::default().outbound(DEFAULT_CONNECT_TIMEOUT).map_err(Failure::Because)?;
        Ok(Self { outbound, url, credential, slowest: Duration::ZERO })
    }

    /// How long the slowest answer took.
    pub(super) const fn slowest(&self) -> Duration {
        self.slowest
    }

    /// Asks rightly.
    pub(super) async fn ask(&mut self, draft: &Draft) -> Result<Said, Failure> {
        let headers = self.credentials(draft)?;
        Ok(self.send(headers, draft).await)
    }

    /// The headers of a question, the right credential among them.
    pub(super) fn credentials(&self, draft: &Draft) -> Result<HeaderMap, Failure> {
        let mut headers = draft.headers.clone();
        match &self.credential {
            Credential::Signing(secret) => secret.put(&mut headers, &random()?, now(), &draft.body),
            Credential::Bearer(bearer) => bearer.put(&mut headers),
        }
        Ok(headers)
    }

    /// Sends exactly these headers with a question's body.
    pub(super) async fn send(&mut self, headers: HeaderMap, draft: &Draft) -> Said {
        self.call(headers, Some(draft.body.clone())).await
    }

    /// A `GET` with the right credential.
    pub(super) async fn get(&mut self) -> Result<Said, Failure> {
        let headers = self.credentials(&Draft { headers: HeaderMap::new(), body: Vec::new() })?;
        Ok(self.call(headers, None).await)
    }

    /// On a connection of its own, so that no check suffers from what the one
    /// before it did to the endpoint.
    async fn call(&mut self, mut headers: HeaderMap, json: Option<Vec<u8>>) -> Said {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
        let call = Call { url: &self.url, headers, json, timeout: DEFAULT_TIMEOUT, max_answer: MAX_ANSWER_BYTES };
        let since = Instant::now();
        let answer = self.outbound.call(&call).await;
        self.slowest = self.slowest.max(since.elapsed());
        answer.map_or_else(Said::Nothing, |answer| Said::read(&answer))
    }
}

impl Said {
    fn read(answer: &outbound::Answer) -> Self {
        match Reply::read(answer) {
            Reply::Answer(answer) if answer.allows => Self::Yes(answer),
            Reply::Answer(_) => Self::No,
            Reply::Forbidden => Self::Forbidden,
            Reply::Unauthenticated => Self::Unauthenticated,
            Reply::Busy(_) => Self::Useless("answered 429".to_owned()),
            Reply::Unusable(_) if answer.status.is_client_error() => Self::Refused(answer.status),
            Reply::Unusable(why) if answer.status == StatusCode::OK => {
                Self::Useless(format!("answered 200, but {why}"))
            }
            Reply::Unusable(why) => Self::Useless(why),
        }
    }

    /// What came, in words.
    pub(super) fn words(&self) -> String {
        match self {
            Self::Yes(answer) => {
                let subject = answer.subject.as_ref().map(|subject| format!(", it is {}", shown(&subject.id)));
                let role = answer.role.as_ref().map(|role| format!(", as {}", shown(role)));
                format!("answered yes{}{}", subject.unwrap_or_default(), role.unwrap_or_default())
            }
            Self::No => "answered 200 with `\"decision\": false`".to_owned(),
            Self::Forbidden => "answered 403".to_owned(),
            Self::Unauthenticated => "answered 401".to_owned(),
            Self::Refused(status) => format!("answered {}", status.as_u16()),
            Self::Useless(why) => why.clone(),
            Self::Nothing(NoAnswer::Silent) => format!("no whole answer within {}", display(DEFAULT_TIMEOUT)),
            Self::Nothing(NoAnswer::TooLong) => format!("the answer has more than {} KiB", MAX_ANSWER_BYTES / 1024),
            Self::Nothing(error) => error.to_string(),
        }
    }
}

/// A text from outside: short, quoted, without control characters.
fn shown(text: &str) -> String {
    format!("{:?}", text.chars().take(SHOWN).collect::<String>())
}

/// A question about a place.
pub(super) fn draft(subject: &Subject, action: Action, resource: Resource) -> Result<Draft, Failure> {
    let ask = Ask { action, resource, requested: Requested::default(), on_behalf: OnBehalf::default() };
    let context = Context { request_id: random()?, ..Context::default() };
    let mut headers = HeaderMap::new();
    let caller = match subject {
        Subject::User(id) => {
            let claims = Map::from_iter([("id".to_owned(), id.as_str().into())]);
            Some(Caller::vouched(id.clone(), Claims::from(claims)))
        }
        Subject::Session(cookie) => {
            headers.extend(cookie.clone().map(|cookie| (COOKIE, cookie)));
            None
        }
    };
    let question = Question { who: caller.as_ref().map_or(Who::Session, Who::User), ask: &ask, context: &context };
    let body = serde_json::to_vec(&question).map_err(|error| Failure::Because(error.to_string()))?;
    Ok(Draft { headers, body })
}

/// Text that nobody has used before.
pub(super) fn random() -> Result<String, Failure> {
    hex128().map_err(|error| Failure::Because(error.to_string()))
}

pub(super) fn now() -> i64 {
    SystemClock.now()
}
