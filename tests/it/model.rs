//! The decision and the token once more, as plainly as can be: what the
//! implementation is compared with.

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Map, Value, json};

use crate::support::{API_KEY, API_SECRET, APP_SECRET, URL, backend, members};

/// A role's flags and what they are called in a token.
pub(crate) const FLAGS: [(&str, &str); 14] = [
    ("can_publish", "canPublish"),
    ("can_subscribe", "canSubscribe"),
    ("can_publish_data", "canPublishData"),
    ("can_update_own_metadata", "canUpdateOwnMetadata"),
    ("can_subscribe_metrics", "canSubscribeMetrics"),
    ("can_manage_agent_session", "canManageAgentSession"),
    ("room_admin", "roomAdmin"),
    ("room_create", "roomCreate"),
    ("room_list", "roomList"),
    ("room_record", "roomRecord"),
    ("ingress_admin", "ingressAdmin"),
    ("hidden", "hidden"),
    ("recorder", "recorder"),
    ("agent", "agent"),
];

const ROLES: [&str; 3] = ["one", "two", "three"];
/// Pieces of rooms and patterns, few enough to meet.
const PIECES: [&str; 5] = ["a", "b", "org", "é", "a b"];

/// Texts that could be taken for something else.
pub(crate) fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => select(&["a", "b", "org", "é", "acme"][..]).prop_map(str::to_owned),
        1 => select(&["*", " a", "a ", "**", "{org}", "{{a}}", "a:b", "a/b", "", " ", "~", "a~b", "\u{0}", "a\n", "\u{200b}", "lk.x", "null"][..]).prop_map(str::to_owned),
        1 => any::<String>(),
        1 => "[ab:/*{}~.]{1,8}",
    ]
}

fn claim() -> impl Strategy<Value = Value> {
    prop_oneof![
        4 => odd_text().prop_map(Value::String),
        2 => proptest::collection::vec(odd_text().prop_map(Value::String), 0..4).prop_map(Value::Array),
        1 => any::<i64>().prop_map(Value::from),
        1 => select(vec![json!(null), json!(true), json!(1.5), json!({"org": "a"})]),
    ]
}

fn object(names: &'static [&'static str], value: impl Strategy<Value = Value>) -> impl Strategy<Value = Value> {
    (subsequence(names, 0..=names.len()), proptest::collection::vec(value, names.len()))
        .prop_map(|(names, values)| names.into_iter().map(str::to_owned).zip(values).collect::<Map<_, _>>().into())
}

fn pattern() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(&PIECES[..]).prop_map(str::to_owned),
        2 => Just("*".to_owned()),
        2 => select(&["{org}", "{team}", "{app.plan}"][..]).prop_map(str::to_owned),
        1 => Just("a*".to_owned()),
    ];
    (proptest::collection::vec((piece, select(&[":", "/", ""][..])), 1..4), any::<bool>()).prop_map(|(pieces, rest)| {
        let text: String = pieces.into_iter().flat_map(|(piece, end)| [piece, end.to_owned()]).collect();
        // `**` may only stand last, and `a***` nowhere.
        let text = text.replace("***", "*").replace("**", "*");
        if rest && !text.ends_with('*') { text + "**" } else { text }
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let what =
        prop_oneof![3 => select(&ROLES[..]).prop_map(|role| json!({"role": role})), 1 => Just(json!({"deny": true}))];
    let room = prop_oneof![2 => pattern(), 1 => Just("**".to_owned())];
    let test =
        select(vec![json!("a"), json!(true), json!(["b", "é"]), json!(7)]).prop_map(|wanted| json!({"org": wanted}));
    (what, room, proptest::option::weighted(0.2, test)).prop_map(|(mut rule, room, claims)| {
        rule["room"] = room.into();
        if let Some(claims) = claims {
            rule["claims"] = claims;
        }
        rule
    })
}

fn role() -> impl Strategy<Value = Value> {
    let sources = proptest::option::weighted(0.3, subsequence(vec!["camera", "microphone", "screen_share"], 0..=3));
    let attributes = object(&["plan", "color"], select(vec![json!("{app.plan}"), json!("{org}!"), json!("fixed")]));
    let metadata = proptest::option::weighted(0.3, select(vec![json!("{org}"), json!("own"), json!({"of": "{org}"})]));
    let agents = proptest::option::weighted(0.3, Just(json!([{"agent_name": "x"}])));
    (subsequence(&FLAGS[..], 0..=FLAGS.len()), sources, attributes, metadata, agents).prop_map(
        |(flags, sources, attributes, metadata, agents)| {
            let mut role: Map<_, _> = flags.into_iter().map(|(setting, _)| (setting.to_owned(), json!(true))).collect();
            role.extend(sources.map(|sources| ("can_publish_sources".to_owned(), json!(sources))));
            role.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
            role.extend(agents.map(|agents| ("room_config".to_owned(), json!({"agents": agents}))));
            role.insert("attributes".to_owned(), attributes);
            role.into()
        },
    )
}

fn client_may_set() -> impl Strategy<Value = Value> {
    let list = |names: &'static [&'static str]| subsequence(names, 0..=names.len());
    (any::<[bool; 3]>(), list(&["color", "mood", "*"]), list(&["x", "y", "*"])).prop_map(|(flags, attributes, agents)| {
        json!({"device": flags[0], "name": flags[1], "metadata": flags[2], "attributes": attributes, "agents": agents})
    })
}

/// A configuration: users by JWT and the backend by its key; rules, and where
/// among them `credential` stands, if it does.
pub(crate) fn config() -> impl Strategy<Value = Value> {
    let rules = proptest::collection::vec(rule(), 1..5);
    (rules, [role(), role(), role()], client_may_set(), 0..3_usize, any::<bool>()).prop_map(
        |(rules, roles, client_may_set, credential, own_attribute)| {
            let rules = json!({"kind": "rules", "rules": rules});
            let credential_kind = json!({"kind": "credential"});
            let authorize = match credential {
                0 => vec![rules],
                1 => vec![credential_kind, rules],
                _ => vec![rules, credential_kind],
            };
            let roles: Map<_, _> =
                ROLES.iter().zip(roles).map(|(name, role)| ((*name).to_owned(), json!({"livekit": role}))).collect();
            json!({
                "livekit": {
                    "url": URL, "api_key": API_KEY, "api_secret": API_SECRET, "client_may_set": client_may_set,
                    "attributes": if own_attribute { json!({"team": "team"}) } else { json!({}) },
                },
                "authenticate": [{"kind": "jwt", "secret": APP_SECRET}, backend(&["one", "two"])],
                "authorize": authorize,
                "roles": roles,
            })
        },
    )
}

/// Who asks: claims with `sub`, and whether the backend says so, with a role.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) claims: Value,
    pub(crate) by_backend: bool,
    pub(crate) role: Option<&'static str>,
}

pub(crate) fn caller() -> impl Strategy<Value = Caller> {
    let plan = proptest::option::of(odd_text());
    let subject = prop_oneof![3 => Just("alice".to_owned()), 2 => odd_text()];
    let role = proptest::option::of(select(&["one", "two", "three", "nonsense"][..]));
    (object(&["org", "team", "name"], claim()), subject, plan, any::<bool>(), role).prop_map(
        |(mut claims, subject, plan, by_backend, role)| {
            claims["sub"] = subject.into();
            if let Some(plan) = plan {
                claims["app"] = json!({"plan": plan});
            }
            if by_backend {
                // There the name is a field of its own.
                members_mut(&mut claims).remove("name");
            }
            Caller { claims, by_backend, role: role.filter(|_| by_backend) }
        },
    )
}

pub(crate) fn members_mut(value: &mut Value) -> &mut Map<String, Value> {
    value.as_object_mut().unwrap()
}

/// What a client sends, less who it is.
pub(crate) fn body() -> impl Strategy<Value = Value> {
    let room = prop_oneof![
        4 => proptest::collection::vec((select(&PIECES[..]), select(&[":", "/", ""][..])), 1..5)
            .prop_map(|pieces| pieces.into_iter().flat_map(|(piece, end)| [piece, end]).collect()),
        1 => odd_text(),
    ];
    let text = || proptest::option::weighted(0.15, odd_text());
    let device = proptest::option::weighted(0.5, select(&["~tab", "~tab", "~tab", "~", "~a b", "", "x", "~tab\n"][..]));
    let attributes = object(&["plan", "team", "color", "mood", "lk.x", "other"], odd_text().prop_map(Value::String));
    let agent = (select(&["x", "y", "z"][..]), text())
        .prop_map(|(name, metadata)| json!({"agent_name": name, "metadata": metadata.unwrap_or_default()}));
    let agents = proptest::option::weighted(0.15, proptest::collection::vec(agent, 0..3));
    (room, text(), text(), proptest::option::weighted(0.35, attributes), agents, device).prop_map(
        |(room, name, metadata, attributes, agents, device): (String, _, _, _, _, _)| {
            let mut body = json!({"room_name": room});
            let fields = [("participant_name", name), ("participant_metadata", metadata)];
            members_mut(&mut body)
                .extend(fields.into_iter().filter_map(|(field, text)| Some((field.to_owned(), text?.into()))));
            members_mut(&mut body).extend(attributes.map(|all| ("participant_attributes".to_owned(), all)));
            members_mut(&mut body).extend(agents.map(|all| ("room_config".to_owned(), json!({"agents": all}))));
            members_mut(&mut body).extend(device.map(|device| ("device".to_owned(), device.into())));
            body
        },
    )
}

/// A claim by its name, as these tests name them.
pub(crate) fn lookup<'a>(claims: &'a Value, name: &str) -> Option<&'a Value> {
    name.split('.').try_fold(claims, |value, name| value.as_object()?.get(name))
}

/// Whether a pattern means a room: by trying everything.
pub(crate) fn matches(pattern: &str, room: &str, claims: &Value) -> bool {
    let in_segment = |text: &str| !text.is_empty() && !text.contains([':', '/']);
    let splits = || (0..=room.len()).filter(|at| room.is_char_boundary(*at)).map(|at| room.split_at(at));
    if pattern.is_empty() {
        return room.is_empty();
    }
    if pattern == "**" {
        return !room.is_empty();
    }
    if let Some(rest) = pattern.strip_prefix('*') {
        return splits().any(|(head, tail)| in_segment(head) && matches(rest, tail, claims));
    }
    if let Some((name, rest)) = pattern.strip_prefix('{').and_then(|named| named.split_once('}')) {
        let values = match lookup(claims, name) {
            Some(Value::Array(values)) => values.clone(),
            Some(value) => vec![value.clone()],
            None => vec![],
        };
        let texts = values.iter().filter_map(|value| match value {
            Value::String(text) => Some(text.clone()),
            Value::Number(number) if number.is_i64() || number.is_u64() => Some(number.to_string()),
            _ => None,
        });
        let whole = |text: &String| in_segment(text) && !text.contains('*') && !text.chars().any(char::is_control);
        return texts
            .filter(whole)
            .any(|text| room.strip_prefix(&*text).is_some_and(|tail| matches(rest, tail, claims)));
    }
    let first = pattern.chars().next().unwrap();
    room.strip_prefix(first).is_some_and(|tail| matches(&pattern[first.len_utf8()..], tail, claims))
}

/// The role that someone gets in a room, if any: an error means undecided.
pub(crate) fn decide(config: &Value, caller: &Caller, room: &str) -> Result<Option<String>, ()> {
    for authorizer in config["authorize"].as_array().unwrap() {
        if authorizer["kind"] == "credential" {
            match caller.role {
                Some(role) if ROLES.contains(&role) => return Ok(Some(role.to_owned())),
                Some(_) => return Err(()),
                None => continue,
            }
        }
        let fits = |rule: &&Value| {
            let holds = members(rule.get("claims").unwrap_or(&json!({}))).iter().all(|(name, wanted)| {
                let is = |wanted: &Value| match lookup(&caller.claims, name) {
                    Some(Value::Array(list)) => list.contains(wanted),
                    Some(claim) => claim == wanted,
                    None => false,
                };
                wanted.as_array().map_or_else(|| is(wanted), |any| any.iter().any(is))
            });
            holds && matches(rule["room"].as_str().unwrap(), room, &caller.claims)
        };
        if let Some(rule) = authorizer["rules"].as_array().unwrap().iter().find(fits) {
            return Ok(rule["role"].as_str().map(str::to_owned));
        }
    }
    Ok(None)
}
