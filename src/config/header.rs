//! `[[authenticate]]` with `kind = "header"`.

use http::HeaderName;
use ipnet::IpNet;
use secrecy::ExposeSecret as _;

use super::secrets;
use super::section::Section;
use super::server::network;
use crate::authenticate::HeaderSettings;

pub(super) fn read(section: &mut Section<'_>) -> Option<HeaderSettings> {
    let given = section.texts("from");
    let names_no_peer = !section.has("from") || given.as_ref().is_some_and(Vec::is_empty);
    let given = given.unwrap_or_default();
    let from: Vec<IpNet> = given.iter().filter_map(|text| network(section, "from", text)).collect();
    let secret_header = section.text("secret_header");
    let secret = section.secret("secret");
    let secret = match (secret_header, secret) {
        (Some(name), Some(secret)) => {
            if let Some(why) = secrets::weak(secret.value.expose_secret()) {
                section.problems().add(secret.key, secret.place, why);
            }
            header_name(section, "secret_header", &name).map(|name| (name, secret.value))
        }
        (Some(_), None) => {
            section.require("secret");
            None
        }
        (None, Some(secret)) => {
            section.problems().add(secret.key, secret.place, "stands without `secret_header`, the header it comes in");
            None
        }
        (None, None) => None,
    };
    if names_no_peer && !section.has("secret_header") {
        section.fail("from", "is missing: name the proxy's addresses, such as [\"10.0.0.2/32\"], or a secret that only it knows with `secret_header` and `secret`; without either anyone could say who they are");
    }
    let names = section.texts_by_name("claims").unwrap_or_default();
    let claims: Vec<_> = names
        .iter()
        .filter_map(|(claim, header)| Some((claim.clone(), header_name(section, "claims", header)?)))
        .collect();
    let id = claims.iter().find(|(claim, _)| claim == "id").map(|(_, header)| header.clone());
    if id.is_none() && !names.contains_key("id") {
        section.fail("claims", "must say which header is the identity, such as { id = \"x-auth-request-user\" }");
    }
    if let Some((name, _)) = &secret
        && claims.iter().any(|(_, header)| header == name)
    {
        section.fail(
            "secret_header",
            "is one of `claims` too, and so the secret would be known as a claim; take another header",
        );
    }
    let lists = section.texts("lists").unwrap_or_default();
    for list in &lists {
        if list == "id" || !names.contains_key(list) {
            section.fail("lists", format!("{list:?} is none of `claims`, or the identity itself"));
        }
    }
    (!from.is_empty() || secret.is_some()).then_some(HeaderSettings { from, secret, id: id?, claims, lists })
}

fn header_name(section: &Section<'_>, key: &str, text: &str) -> Option<HeaderName> {
    text.parse().map_err(|_| section.fail(key, format!("{text:?} is no header's name"))).ok()
}
