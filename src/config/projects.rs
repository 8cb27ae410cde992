//! `[livekit.projects.NAME]` and `[liveblocks.projects.NAME]`.

use std::collections::BTreeMap;

use super::section::Section;
use crate::ask::Provider;
use crate::nearest::nearest_of;
use crate::project::{PerProject, Projects};
use crate::{liveblocks, livekit};

const MAX_NAME_BYTES: usize = 64;

/// A vendor's own and those of its projects. `one` reads each, and says what it
/// lacks; `own` is nothing where the vendor is off.
pub(super) fn read<'a, T>(
    section: &mut Section<'a>,
    own: Option<T>,
    one: impl Fn(&mut Section<'a>) -> Option<T>,
) -> Option<PerProject<T>> {
    let mut named = BTreeMap::new();
    if let Some(mut projects) = section.section("projects") {
        for name in projects.names() {
            let Some(mut project) = projects.section(&name) else { continue };
            if !is_name(&name) {
                projects.fail(&name, "is no project's name: 1 to 64 of letters, digits, `-` and `_`");
            }
            if let Some(read) = one(&mut project) {
                named.insert(name, read);
            }
            project.finish();
        }
        projects.finish();
        if own.is_none() && section.problems().is_empty() {
            let vendor = section.path();
            section.fail(
                "projects",
                format!(
                    "stands without keys for [{vendor}] itself, where all go who are sent to no project; set those too"
                ),
            );
        }
    }
    Some(PerProject::new(own?, named))
}

/// The names of all that were read.
pub(super) fn names(livekit: Option<&livekit::Settings>, liveblocks: Option<&liveblocks::Settings>) -> Projects {
    let livekit = livekit.map(|settings| settings.projects.names()).unwrap_or_default();
    Projects::new(livekit, liveblocks.map(|settings| settings.forms.names()).unwrap_or_default())
}

fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=MAX_NAME_BYTES).contains(&name.len()) && name.bytes().all(plain)
}

/// An entry's `project`, which must be one of every vendor that it reaches.
pub(super) fn named(
    section: &mut Section<'_>,
    projects: &Projects,
    reached: impl Iterator<Item = Provider>,
) -> Option<String> {
    let name = section.text("project")?;
    for vendor in reached.filter(|vendor| !projects.has(*vendor, &name)) {
        let near = nearest_of(&name, projects.of(vendor).iter().map(String::as_str));
        let vendor = vendor.as_str();
        section.fail("project", format!("there is no [{vendor}.projects.{name}]{near}, and this rule reaches {vendor}; add it, or `provider` to the rule"));
    }
    Some(name)
}
