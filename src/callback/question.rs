//! The question: an AuthZEN evaluation.

use aws_lc_rs::digest;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::{Value, json};

use crate::ask::{Ask, Context, Resource};
use crate::authenticate::Caller;

/// Who is asked about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Who<'a> {
    /// Someone we know.
    User(&'a Caller),
    /// Whoever the forwarded cookies and headers stand for.
    Session,
}

/// One question.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Question<'a> {
    pub(crate) who: Who<'a>,
    pub(crate) ask: &'a Ask,
    pub(crate) context: &'a Context,
}

impl Question<'_> {
    /// What two questions have in common exactly if they differ in nothing but
    /// the request's id.
    pub(crate) fn fingerprint(&self) -> Option<Fingerprint> {
        let context = Context { request_id: String::new(), ..self.context.clone() };
        let json = serde_json::to_vec(&Question { context: &context, ..*self }).ok()?;
        digest::digest(&digest::SHA256, &json).as_ref().try_into().ok()
    }
}

/// SHA-256.
pub(crate) type Fingerprint = [u8; digest::SHA256_OUTPUT_LEN];

/// An id that the backend knows and we do not.
const UNKNOWN_ID: &str = "?";

impl Serialize for Question<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { ask, context, .. } = self;
        let subject = match self.who {
            Who::User(caller) => json!({
                "type": "user", "id": caller.subject(), "properties": {"claims": caller.claims().to_map()},
            }),
            Who::Session => json!({"type": "session", "id": UNKNOWN_ID}),
        };
        let vendor = ask.action.provider().as_str();
        let resource = match (&ask.resource, self.who) {
            (Resource::Room(room), _) => json!({"type": format!("{vendor}.room"), "id": room.as_str()}),
            (Resource::Personal, Who::User(caller)) => {
                json!({"type": format!("{vendor}.user"), "id": caller.subject()})
            }
            (Resource::Personal, Who::Session) => json!({"type": format!("{vendor}.user"), "id": UNKNOWN_ID}),
            (Resource::UnnamedRoom, _) => json!({"type": format!("{vendor}.room"), "id": UNKNOWN_ID}),
        };
        let mut map = serializer.serialize_map(Some(4))?;
        map.serialize_entry("subject", &subject)?;
        map.serialize_entry("action", &json!({"name": ask.action.as_str()}))?;
        map.serialize_entry("resource", &resource)?;
        map.serialize_entry("context", &circumstances(ask, context))?;
        map.end()
    }
}

fn circumstances(ask: &Ask, context: &Context) -> Value {
    let mut said = json!({"requested": ask.requested, "request_id": context.request_id});
    context.add_to(&mut said);
    said
}
