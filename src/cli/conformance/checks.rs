//! The checks, in the order in which a team would want to know.
//!
//! A check that something wrong is refused proves most with a question that is
//! answered yes if it is asked rightly; that takes someone who may enter.

use std::time::Duration;

use http::StatusCode;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::Value;

use super::Failure;
use super::kit::{Credential, Draft, Kit, Said, Subject, draft, now, random};
use super::report::{Report, Verdict};
use crate::ask::{Action, Resource};
use crate::callback::{Bearer, DEFAULT_TIMEOUT, ID, SIGNATURE, SigningSecret};
use crate::name::RoomName;
use crate::outbound::NoAnswer;
use crate::units::display;

/// Seconds by which a timestamp is wrong; Standard Webhooks' libraries take 5
/// minutes either way.
const FAR: i64 = 600;
/// Slower than this is a warning: the wait is every user's.
const SLOW: Duration = Duration::from_secs(1);
const NOBODY: &str = "give --user and --room of someone who may, so that it is seen that the secret is the right one, and that a wrong question is refused and not just answered no";
/// No action of ours.
const NO_ACTION: &str = "roomkey.conformance";

/// Someone who may enter, and where.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) subject: Subject,
    pub(super) room: RoomName,
}

#[derive(Debug)]
pub(super) struct Checks {
    kit: Kit,
    report: Report,
    known: Option<Known>,
    /// Someone whom the endpoint has never heard of.
    unknown: Subject,
    /// A room that it has never heard of.
    foreign: RoomName,
}

impl Checks {
    pub(super) fn new(kit: Kit, known: Option<Known>, unknown: Subject) -> Result<Self, Failure> {
        let foreign = room(&format!("conformance-{}", random()?))?;
        Ok(Self { kit, report: Report::default(), known, unknown, foreign })
    }

    /// Whether it passed.
    pub(super) async fn run(mut self) -> Result<bool, Failure> {
        let (subject, place) = match &self.known {
            Some(Known { subject, room }) => (subject.clone(), room.clone()),
            None => (self.unknown.clone(), self.foreign.clone()),
        };
        let question = join(&subject, place.clone())?;
        let first = self.kit.ask(&question).await?;
        let (check, verdict) = self.first(&first);
        self.report.add(check, &verdict);
        if !matches!(first, Said::Nothing(NoAnswer::NoConnection)) {
            if self.known.is_none() {
                self.report.add("someone who may enter", &Verdict::Warn(NOBODY.to_owned()));
            }
            let good = self.known.is_some() && matches!(first, Said::Yes(_));
            self.strangers(&subject, &place).await?;
            self.other_actions(&subject, &place).await?;
            match &self.kit.credential {
                Credential::Signing(secret) => {
                    let secret = secret.clone();
                    self.signatures(&secret, &question, good).await?;
                    self.replay(&question).await?;
                }
                Credential::Bearer(_) => self.bearers(&question, good).await?,
            }
            self.malformed(&question).await?;
            self.speed();
        }
        say!("{}", self.report);
        Ok(self.report.has_passed())
    }

    fn is_session(&self) -> bool {
        matches!(self.unknown, Subject::Session(_))
    }

    /// A decision that `serve` can use; else what would be right.
    fn usable(&self, said: &Said) -> Result<String, String> {
        let words = said.words();
        match said {
            Said::Yes(answer) if self.is_session() && answer.subject.is_none() => Err(format!(
                "{words}, but without `context.subject`; say whose session it is: {{\"subject\":{{\"id\":\"…\"}}}}"
            )),
            Said::Yes(_) | Said::No | Said::Forbidden => Ok(words),
            Said::Unauthenticated if self.is_session() => Ok(words),
            Said::Unauthenticated | Said::Refused(_) => {
                Err(format!("{words}, which is no decision; a no is 200 with `\"decision\": false`, or 403"))
            }
            Said::Useless(_) => {
                Err(format!("{words}; answer 200 with {{\"decision\": true}} or {{\"decision\": false}}"))
            }
            Said::Nothing(NoAnswer::NoConnection) => Err(format!("{words}; does the endpoint run there?")),
            Said::Nothing(NoAnswer::Silent) => Err(format!("{words}; Roomkey waits no longer")),
            Said::Nothing(_) => Err(format!("{words}; Roomkey cannot use it")),
        }
    }

    fn first(&self, said: &Said) -> (&'static str, Verdict) {
        let check = if self.known.is_some() { "someone who may enter is let in" } else { "a question is answered" };
        let words = said.words();
        let verdict = match (self.usable(said), said) {
            (Ok(_), Said::Yes(_)) => Verdict::Ok(words),
            (Ok(_), Said::Forbidden) if self.known.is_none() => Verdict::Warn(format!(
                "{words}, as a gateway before a wrong path would too; a no is clearer as 200 with `\"decision\": false`"
            )),
            (Ok(_), _) if self.known.is_none() => Verdict::Ok(words),
            (_, Said::Unauthenticated) if self.is_session() => {
                Verdict::Fail(format!("{words}; does the endpoint know this session, and have this secret?"))
            }
            (_, Said::Unauthenticated) => Verdict::Fail(format!("{words}; does the endpoint have this secret?")),
            (_, Said::Refused(StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED)) => {
                Verdict::Fail(format!("{words}; is this the endpoint's path?"))
            }
            (Err(why), _) => Verdict::Fail(why),
            (Ok(_), _) => Verdict::Fail(format!("{words}; is this user known there, and may they enter this room?")),
        };
        (check, verdict)
    }

    /// Who and what the endpoint cannot know.
    async fn strangers(&mut self, subject: &Subject, place: &RoomName) -> Result<(), Failure> {
        let (who, fix) = if self.is_session() {
            ("an unknown session is refused", "a session that is not there is 401")
        } else {
            ("an unknown user is refused", "a user who is not there is a no")
        };
        let said = self.kit.ask(&join(&self.unknown, place.clone())?).await?;
        self.must_deny(who, &said, fix);
        if self.is_session() {
            let said = self.kit.ask(&join(&Subject::Session(None), place.clone())?).await?;
            self.must_deny("no session at all is refused", &said, "without a cookie the answer is 401");
        }
        let said = self.kit.ask(&join(subject, self.foreign.clone())?).await?;
        let fix = "look up whether this user may enter this very room, and say no if the room is not there";
        self.must_deny("a room that nobody knows is refused", &said, fix);
        Ok(())
    }

    fn must_deny(&mut self, check: &str, said: &Said, fix: &str) {
        let verdict = match (said, self.usable(said)) {
            (Said::Yes(_), _) => Verdict::Fail(format!("{}; {fix}", said.words())),
            (_, Ok(words)) => Verdict::Ok(words),
            (_, Err(why)) => Verdict::Fail(why),
        };
        self.report.add(check, &verdict);
    }

    /// What a team without Liveblocks may leave unanswered.
    async fn other_actions(&mut self, subject: &Subject, place: &RoomName) -> Result<(), Failure> {
        match RoomName::liveblocks(place.as_str()) {
            Ok(place) => {
                self.answered(draft(subject, Action::LiveblocksEnter, Resource::Room(place))?, Action::LiveblocksEnter)
                    .await?;
            }
            Err(why) => {
                let text = format!("not asked, since such a name {why} and is no room of Liveblocks'");
                self.report.add("liveblocks.enter is answered", &Verdict::Warn(text));
            }
        }
        self.answered(draft(subject, Action::LiveblocksPersonal, Resource::Personal)?, Action::LiveblocksPersonal)
            .await?;
        let mut odd = join(subject, place.clone())?;
        let mut json: Value = serde_json::from_slice(&odd.body).unwrap_or_default();
        json["action"]["name"] = NO_ACTION.into();
        odd.body = json.to_string().into_bytes();
        let said = self.kit.ask(&odd).await?;
        self.must_not_allow("an unknown action is refused", &said, "say yes only to the actions that you know by name");
        Ok(())
    }

    async fn answered(&mut self, question: Draft, action: Action) -> Result<(), Failure> {
        let (is_personal, action) = (action == Action::LiveblocksPersonal, action.as_str());
        let said = self.kit.ask(&question).await?;
        let verdict = match (self.usable(&said), &said) {
            (Ok(words), Said::Yes(answer)) if is_personal && !answer.overrides.opens_a_room() => {
                Verdict::Warn(format!(
                    "{words}, but names no room in `liveblocks.rooms`; Roomkey has nothing to open then, unless liveblocks.token is \"id\""
                ))
            }
            (Ok(words), _) => Verdict::Ok(words),
            (Err(why), Said::Nothing(_)) => Verdict::Fail(why),
            (Err(why), _) => Verdict::Warn(format!("{why}. Until then Roomkey answers Liveblocks' clients 503")),
        };
        self.report.add(&format!("{action} is answered"), &verdict);
        Ok(())
    }

    async fn signatures(&mut self, secret: &SigningSecret, question: &Draft, good: bool) -> Result<(), Failure> {
        const VERIFY: &str = "verify webhook-signature before anything else";
        const TIME: &str = "refuse a webhook-timestamp that is more than 5 minutes from now";
        // 32 hex digits are base64 too, of 24 bytes, as few as a secret may have.
        let other =
            SigningSecret::parse(&format!("whsec_{}", random()?)).map_err(|why| Failure::Because(why.to_owned()))?;
        let signed = |key: &SigningSecret, timestamp: i64, body: &[u8]| {
            let mut headers = question.headers.clone();
            key.put(&mut headers, &random()?, timestamp, body);
            Ok::<_, Failure>(headers)
        };
        let mut garbage = signed(secret, now(), &question.body)?;
        garbage.insert(SIGNATURE, HeaderValue::from_static("v1,garbage!"));
        let mut without_id = signed(secret, now(), &question.body)?;
        without_id.remove(ID);
        let elsewhere = join(&self.unknown, self.foreign.clone())?;
        for (check, headers, fix) in [
            ("no signature at all is refused", question.headers.clone(), VERIFY),
            ("another key's signature is refused", signed(&other, now(), &question.body)?, VERIFY),
            (
                "another question's signature is refused",
                signed(secret, now(), &elsewhere.body)?,
                "verify webhook-signature over the body as it came, byte for byte",
            ),
            ("a signature that is none is refused", garbage, VERIFY),
            ("a question without webhook-id is refused", without_id, "the id is part of what is signed"),
            ("a question of 10 minutes ago is refused", signed(secret, now() - FAR, &question.body)?, TIME),
            ("a question of 10 minutes ahead is refused", signed(secret, now() + FAR, &question.body)?, TIME),
        ] {
            self.must_refuse(check, headers, question, good, fix).await;
        }
        if good {
            let mut both = signed(secret, now(), &question.body)?;
            let mut list = b"v1,AAAA ".to_vec();
            list.extend(both.get(SIGNATURE).map(HeaderValue::as_bytes).unwrap_or_default());
            both.insert(
                SIGNATURE,
                HeaderValue::from_bytes(&list).map_err(|error| Failure::Because(error.to_string()))?,
            );
            let said = self.kit.send(both, question).await;
            let verdict = match &said {
                Said::Yes(_) => Verdict::Ok(said.words()),
                Said::Nothing(_) => Verdict::Fail(said.words()),
                _ => Verdict::Warn(format!("{}; webhook-signature is a list, of which one must hold", said.words())),
            };
            self.report.add("one good signature among several is enough", &verdict);
        }
        Ok(())
    }

    async fn bearers(&mut self, question: &Draft, good: bool) -> Result<(), Failure> {
        const FIX: &str = "compare Authorization with the bearer before anything else";
        let mut wrong = question.headers.clone();
        Bearer::parse(&random()?).map_err(|why| Failure::Because(why.to_owned()))?.put(&mut wrong);
        let mut empty = question.headers.clone();
        empty.insert(AUTHORIZATION, HeaderValue::from_static("Bearer"));
        for (check, headers) in [
            ("no bearer at all is refused", question.headers.clone()),
            ("an empty bearer is refused", empty),
            ("another bearer is refused", wrong),
        ] {
            self.must_refuse(check, headers, question, good, FIX).await;
        }
        Ok(())
    }

    /// What is not Roomkey's must not be answered; `good` if it would be yes.
    async fn must_refuse(&mut self, check: &str, headers: HeaderMap, question: &Draft, good: bool, fix: &str) {
        let said = self.kit.send(headers, question).await;
        let words = said.words();
        let verdict = match said {
            Said::No if good => Verdict::Warn(format!("{words}; it is no decision about the user: answer 401")),
            Said::Yes(_) | Said::No | Said::Nothing(_) => Verdict::Fail(format!("{words}; {fix}, and answer 401")),
            Said::Unauthenticated | Said::Forbidden | Said::Refused(_) => Verdict::Ok(words),
            Said::Useless(_) => Verdict::Warn(format!("{words}; {fix}, and answer 401")),
        };
        self.report.add(check, &verdict);
    }

    async fn replay(&mut self, question: &Draft) -> Result<(), Failure> {
        let headers = self.kit.credentials(question)?;
        self.kit.send(headers.clone(), question).await;
        let again = self.kit.send(headers, question).await;
        let words = again.words();
        let verdict = match again {
            Said::Yes(_) | Said::No => Verdict::Warn(format!(
                "{words}, as the first time; remember each webhook-id for as long as its timestamp is taken, and refuse it then"
            )),
            Said::Unauthenticated | Said::Forbidden | Said::Refused(_) => Verdict::Ok(words),
            Said::Useless(_) => Verdict::Warn(format!("{words}; answer 401")),
            Said::Nothing(_) => Verdict::Fail(words),
        };
        self.report.add("the very same question again is refused", &verdict);
        Ok(())
    }

    async fn malformed(&mut self, question: &Draft) -> Result<(), Failure> {
        let text = Draft { body: b"this is no JSON".to_vec(), ..question.clone() };
        let said = self.kit.ask(&text).await?;
        self.must_not_allow("a body that is no JSON is refused", &said, "answer 400");
        let said = self.kit.get().await?;
        let words = said.words();
        let verdict = match said {
            Said::Yes(_) => Verdict::Fail(format!("{words}; decide on POST alone")),
            Said::Nothing(_) => Verdict::Fail(words),
            _ => Verdict::Ok(words),
        };
        self.report.add("a GET decides nothing", &verdict);
        Ok(())
    }

    fn must_not_allow(&mut self, check: &str, said: &Said, fix: &str) {
        let words = said.words();
        let verdict = match said {
            Said::Yes(_) => Verdict::Fail(format!("{words}; {fix}")),
            Said::Nothing(_) => Verdict::Fail(words),
            Said::Useless(_) => Verdict::Warn(format!("{words}; {fix}")),
            Said::No | Said::Forbidden | Said::Unauthenticated | Said::Refused(_) => Verdict::Ok(words),
        };
        self.report.add(check, &verdict);
    }

    fn speed(&mut self) {
        let slowest = self.kit.slowest();
        let words =
            format!("the slowest took {} ms, and Roomkey waits {}", slowest.as_millis(), display(DEFAULT_TIMEOUT));
        let verdict =
            if slowest > SLOW { Verdict::Warn(format!("{words}; each user waits for it")) } else { Verdict::Ok(words) };
        self.report.add("answers come in time", &verdict);
    }
}

fn room(name: &str) -> Result<RoomName, Failure> {
    RoomName::livekit(name).map_err(|error| Failure::Because(error.to_string()))
}

/// A question about a call.
fn join(subject: &Subject, room: RoomName) -> Result<Draft, Failure> {
    draft(subject, Action::LiveKitJoin, Resource::Room(room))
}
