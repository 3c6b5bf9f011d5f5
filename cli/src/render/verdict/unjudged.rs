//! The packages of a verdict that were not judged: each by itself, or in groups where they would fill the screen.

use starling_report::unjudged::{Group, Unjudged, groups, why_of};

use super::body::Body;
use crate::render::table::Table;
use crate::render::{count, list, or_dash, section};
use crate::terminal;

/// Most packages that a terminal shows one by one.
const SHOWN_ONE_BY_ONE: usize = 20;

/// Groups the packages that the verdict names.
pub(super) fn groups_of(body: &Body) -> Vec<Group> {
    groups(body.not_judged.packages.iter().map(|package| Unjudged {
        purl: package.purl.as_deref(),
        cpe: package.cpe.as_deref(),
        name: &package.name,
        reason: &package.reason,
        doubt: package.doubt.as_ref(),
    }))
}

/// Adds the packages: one by one in a pipe, with `--wide`, or if they are few.
pub(super) fn section_of(text: &mut String, body: &Body, groups: &[Group]) {
    let is_long = body.not_judged.packages.len() > SHOWN_ONE_BY_ONE;
    if is_long && terminal::width().is_some() {
        section(text, "Not judged (--wide names each)", &in_groups(body, groups));
    } else {
        section(text, "Not judged", &one_by_one(body));
    }
}

fn in_groups(body: &Body, groups: &[Group]) -> Table {
    let mut table = Table::new(["PACKAGES", "OF", "WHY", "SUCH AS"])
        .numbers(&["PACKAGES"])
        .shrinks("SUCH AS", 16);
    for group in groups {
        table.row([
            count(group.packages),
            group.kind.clone(),
            group.why.clone(),
            list(&group.such_as),
        ]);
    }
    if body.not_judged.others > 0 {
        table.row([
            count(body.not_judged.others),
            "further ones".to_owned(),
            "not named in the verdict".to_owned(),
            String::new(),
        ]);
    }
    table
}

fn one_by_one(body: &Body) -> Table {
    let mut table = Table::new(["PACKAGE", "VERSION", "WHY", "PLACE"])
        .never_cuts("PACKAGE")
        .leaves_out(&["PLACE"]);
    for package in &body.not_judged.packages {
        table.row([
            package
                .purl
                .as_ref()
                .or(package.cpe.as_ref())
                .unwrap_or(&package.name)
                .clone(),
            or_dash(package.version.as_ref()),
            why_of(&package.reason, package.doubt.as_ref()),
            package.place.clone(),
        ]);
    }
    if body.not_judged.others > 0 {
        let more = format!("and {} more", count(body.not_judged.others));
        table.row([more, String::new(), String::new(), String::new()]);
    }
    table
}
