//! The lists of the tracker: `CVE/list`, and the advisories `DSA/list`, `DLA/list`, `DTSA/list`.
//!
//! A line without a release is about unstable. A release without its own line is affected up to the version of that line,
//! until a fix is noted for it: by a line, or by an advisory. A list of vulnerabilities names the advisories, but not their
//! releases, so its entries name them, too, and give way to theirs ([`unless`](crate::osv::unless)).

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::super::draft::{Affected, Draft, Range};
use super::super::output::Output;
use super::super::text::{self, quote};
use super::super::value;
use super::notes::{Note, State, note, unclear};
use super::{SUPPORTED, listed_ecosystem_of, record_id, temporary};
use crate::osv::unless;

/// The prefixes of advisories' ids.
pub(super) const ADVISORIES: [&str; 4] = ["DSA-", "DLA-", "DTSA-", "ELA-"];

/// Returns true for text with the beginning of one of the lists.
pub(super) fn is_list(text: &str) -> bool {
    let mut lines = text.lines();
    let Some(line) = lines.find(|line| !line.trim().is_empty() && !is_work(line)) else {
        return false;
    };
    if line.starts_with('[') {
        return advisory_head(line).is_ok();
    }
    let is_head =
        line.starts_with("CVE-") && !line.contains(',') && line.split_whitespace().next().is_some_and(is_id);
    // A single entry is too short to identify the list: its lines must have the list's form.
    is_head
        && lines.any(|line| {
            let body = line.trim_start();
            line.starts_with([' ', '\t'])
                && (body.starts_with("- ")
                    || body.starts_with("NOTE:")
                    || body.starts_with("TODO:")
                    || is_word(body))
        })
}

fn is_word(body: &str) -> bool {
    body.starts_with("NOT-FOR-US")
        || body == "RESERVED"
        || body == "REJECTED"
        || body.starts_with('{')
        || body.starts_with('[')
}

/// Returns true for a line that says nothing of a package.
fn is_remark(line: &str) -> bool {
    is_word(line) || line.starts_with("NOTE:") || line.starts_with("TODO:")
}

fn is_id(word: &str) -> bool {
    text::is_cve(word) || word.ends_with("-XXXX")
}

/// Returns true for a line by which the list's authors divide their work.
fn is_work(line: &str) -> bool {
    ["--", "STOP:", "begin claimed by ", "end claimed by "]
        .iter()
        .any(|start| line.starts_with(start))
}

/// One entry: its first line, the line's number, and the indented lines below.
struct Entry<'a> {
    line: usize,
    head: &'a str,
    body: Vec<&'a str>,
}

fn entries(text: &str) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim().is_empty() || is_work(line) {
            continue;
        }
        if line.starts_with([' ', '\t']) {
            if let Some(entry) = entries.last_mut() {
                entry.body.push(line.trim());
            }
        } else {
            entries.push(Entry {
                line: index + 1,
                head: line.trim_end(),
                body: Vec::new(),
            });
        }
    }
    entries
}

/// Reads a list.
pub(super) fn read(body: &[u8], out: &mut Output<'_>) {
    let decoded = text::decode(body, None, encoding_rs::WINDOWS_1252);
    if let Some(warning) = decoded.warning {
        out.note(warning);
    }
    let entries = entries(&decoded.text);
    // Later editions of an advisory do not repeat their subject.
    let mut first_editions: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for entry in &entries {
        if let Ok(head) = advisory_head(entry.head)
            && let Some(base) = base_of(&head.id)
        {
            let cves: Vec<String> = entry
                .body
                .iter()
                .filter(|line| line.starts_with('{'))
                .flat_map(|line| text::cves_in(line))
                .collect();
            if !cves.is_empty() {
                first_editions.insert(base.to_owned(), cves);
            }
        }
    }
    for entry in &entries {
        let pointer = format!("/line {}", entry.line);
        if entry.head.starts_with('[') {
            advisory(out, pointer, entry, &first_editions);
        } else {
            vulnerability(out, pointer, entry);
        }
    }
}

/// Returns id and description of an entry. One that has no id yet gets that of the tracker.
fn head_of<'a>(entry: &Entry<'a>) -> (Cow<'a, str>, &'a str) {
    let (id, description) = entry.head.split_once(' ').unwrap_or((entry.head, ""));
    let description = description.trim();
    let inner = |open: char, close: char| description.strip_prefix(open)?.strip_suffix(close);
    let description = inner('(', ')').or_else(|| inner('[', ']')).unwrap_or(description);
    if id.ends_with("-XXXX") {
        let bug = temporary::bug_of(&entry.body);
        (Cow::Owned(temporary::id(description, bug)), description)
    } else {
        (Cow::Borrowed(id), description)
    }
}

fn vulnerability(out: &mut Output<'_>, pointer: String, entry: &Entry<'_>) {
    let (id, description) = head_of(entry);
    let id = id.as_ref();
    let is_temporary = id.starts_with("TEMP-");
    if !text::is_cve(id) && !is_temporary {
        return out.reject(pointer, format!("not the id of a CVE record: \"{}\"", quote(id)));
    }
    let mut draft = Draft::of(record_id(id));
    draft.is_without_time = true;
    if !is_temporary {
        draft.derive(id);
    }
    draft.details = (!description.is_empty()).then(|| description.to_owned());
    let (mut lines, mut words, mut advisories) = (Vec::new(), Vec::new(), Vec::new());
    let mut doubts = Vec::new();
    let mut fault: Option<String> = None;
    for line in &entry.body {
        if line.starts_with("- ") || line.starts_with('[') {
            match note(line) {
                Ok(note) => lines.push(note),
                Err(why) => {
                    fault.get_or_insert_with(|| why.clone());
                    draft.warn(why);
                    doubts.extend(unclear(line));
                }
            }
        } else if let Some(ids) = line.strip_prefix('{') {
            advisories.extend(ids.trim_end_matches('}').split_whitespace().map(str::to_owned));
        } else {
            if !is_remark(line) {
                let why = format!("the line \"{}\" is not understood", quote(line));
                fault.get_or_insert_with(|| why.clone());
                draft.warn(why);
            }
            words.push((*line).to_owned());
        }
    }
    if let (true, Some(why)) = (lines.is_empty(), fault) {
        return out.reject(pointer, format!("{id}: no line is understood: {why}"));
    }
    lines.append(&mut doubts);
    if lines.is_empty() && !words.iter().any(|word| word == "REJECTED") {
        let why = words.first().map_or("no package of Debian", String::as_str);
        return out.ignore(pointer, format!("{id}: no package of Debian ({})", quote(why)));
    }
    for advisory in advisories.iter().filter(|id| !id.starts_with("CVE-")) {
        draft.relate(advisory);
    }
    advisories.retain(|id| ADVISORIES.iter().any(|prefix| id.starts_with(prefix)));
    add_entries(&mut draft, &lines, &advisories);
    for url in words
        .iter()
        .filter_map(|word| word.strip_prefix("NOTE:"))
        .map(str::trim)
    {
        if url.starts_with("https://") || url.starts_with("http://") {
            draft.link("WEB", url.split_whitespace().next().unwrap_or_default());
        }
    }
    draft.keep(
        "lines",
        value::texts(entry.body.iter().map(|line| (*line).to_owned())),
    );
    out.record(pointer, draft);
}

/// Adds an entry for each release that a line is about, or that lines about unstable leave open. Those give way to these
/// advisories.
fn add_entries(draft: &mut Draft<'_>, lines: &[Note], advisories: &[String]) {
    let may_give_way = |mut entry: Affected<'static>| {
        if !advisories.is_empty() {
            let ids = value::texts(advisories.iter().cloned());
            entry.specific.push((unless::FIELD, ids));
        }
        entry
    };
    let named: BTreeSet<(&str, String)> = lines
        .iter()
        .filter_map(|line| {
            Some((
                line.package.as_str(),
                listed_ecosystem_of(line.release.as_deref()?)?,
            ))
        })
        .collect();
    for line in lines {
        match &line.release {
            Some(release) => match listed_ecosystem_of(release) {
                Some(ecosystem) => {
                    let planned = plan_of(line, lines, &ecosystem);
                    if planned.is_empty() {
                        draft.affected.extend(entry_of(ecosystem, line));
                    } else {
                        draft.affected.extend(planned.into_iter().map(may_give_way));
                    }
                }
                None if release == "sid" || release == "experimental" => {}
                None => draft.warn(format!("unknown release \"{}\"", quote(release))),
            },
            None => {
                let is_named =
                    |number: &str| named.contains(&(line.package.as_str(), format!("Debian:{number}")));
                for number in SUPPORTED.iter().filter(|number| !is_named(number)) {
                    let entry = entry_of(format!("Debian:{number}"), line);
                    draft.affected.extend(entry.map(may_give_way));
                }
            }
        }
    }
}

/// Returns the entries of a line that only says that no advisory is planned for its release: from the version in unstable
/// on it is not affected, whatever is planned. That version is a limit and no fix, as the release may never get it. None if
/// the line says more, or unstable has no fix.
fn plan_of(line: &Note, lines: &[Note], ecosystem: &str) -> Vec<Affected<'static>> {
    if !matches!(line.state, State::Open("deferred" | "will_not_fix")) {
        return Vec::new();
    }
    let of_unstable = |other: &&Note| other.release.is_none() && other.package == line.package;
    let unstable: Vec<&Note> = lines.iter().filter(of_unstable).collect();
    let limit = |other: &Note| match &other.state {
        State::Fixed(version) if version != "0" => Some(Range::from("0").and("limit", version.clone())),
        _ => None,
    };
    let limits: Option<Vec<Range>> = unstable.into_iter().map(limit).collect();
    let planned = |range: Range| {
        let mut entry = entry_of(ecosystem.to_owned(), line)?;
        entry.ranges = vec![range];
        Some(entry)
    };
    limits
        .unwrap_or_default()
        .into_iter()
        .filter_map(planned)
        .collect()
}

fn entry_of(ecosystem: String, note: &Note) -> Option<Affected<'static>> {
    let mut entry = Affected::of(ecosystem, note.package.clone());
    match &note.state {
        State::NotAffected => return None,
        State::Fixed(version) if version == "0" => return None,
        State::Fixed(version) => entry.ranges.push(Range::before(version.clone())),
        State::Open(state) => {
            entry.ranges.push(Range::from("0"));
            entry.specific.push(("fix_state", value::text(*state)));
        }
        State::Undetermined => {
            entry.ranges.push(Range::from("0"));
            entry.specific.push(("fix_state", value::text("undetermined")));
        }
        State::Unclear => entry.ranges.push(Range::undecided()),
    }
    if let Some(urgency) = &note.urgency {
        entry
            .ecosystem_specific
            .push(("urgency", value::text(urgency.clone())));
    }
    Some(entry)
}

/// The first line of an advisory.
struct AdvisoryHead {
    date: Option<String>,
    id: String,
    title: String,
}

/// Reads `[19 Jul 2021] DLA-2711-1 thunderbird - security update`.
fn advisory_head(line: &str) -> Result<AdvisoryHead, String> {
    let refuse = || format!("the line \"{}\" is not the first of an advisory", quote(line));
    let (date, rest) = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once(']'))
        .ok_or_else(refuse)?;
    let (id, title) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    let number = ADVISORIES
        .iter()
        .find_map(|prefix| id.strip_prefix(prefix))
        .ok_or_else(refuse)?;
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-') {
        return Err(refuse());
    }
    Ok(AdvisoryHead {
        date: day(date),
        id: id.to_owned(),
        title: title.trim().to_owned(),
    })
}

/// Returns the id of an advisory without its edition, if it has one: `DSA-9001` for `DSA-9001-2`.
fn base_of(id: &str) -> Option<&str> {
    let (base, _) = id.rsplit_once('-')?;
    base.contains('-').then_some(base)
}

/// Reads `19 Jul 2021`, and `July 3rd, 2008`.
fn day(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let [first, second, year] = <[&str; 3]>::try_from(words).ok()?;
    let (day, month) = match text::month(first) {
        Some(month) => (second, month),
        None => (first, text::month(second)?),
    };
    let day: u32 = day
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .parse()
        .ok()?;
    text::time(&format!("{year}-{month:02}-{day:02}"))
}

fn advisory(
    out: &mut Output<'_>,
    pointer: String,
    entry: &Entry<'_>,
    first_editions: &BTreeMap<String, Vec<String>>,
) {
    let head = match advisory_head(entry.head) {
        Ok(head) => head,
        Err(why) => return out.reject(pointer, why),
    };
    let mut draft = Draft::of(head.id.as_str());
    draft.published.clone_from(&head.date);
    draft.modified = head.date;
    if draft.modified.is_none() {
        draft.warn("the day of the advisory is not understood");
    }
    draft.summary = (!head.title.is_empty()).then_some(head.title);
    let (mut lines, mut doubts, mut fault) = (Vec::new(), Vec::new(), None);
    for line in &entry.body {
        if line.starts_with('{') {
            for cve in text::cves_in(line) {
                draft.derive(&cve);
            }
        } else if line.starts_with('[') || line.starts_with("- ") {
            let without = || format!("a line without a release: \"{}\"", quote(line));
            match note(line).and_then(|note| note.release.is_some().then_some(note).ok_or_else(without)) {
                Ok(note) => lines.push(note),
                Err(why) => {
                    fault.get_or_insert_with(|| why.clone());
                    draft.warn(why);
                    doubts.extend(unclear(line).filter(|note| note.release.is_some()));
                }
            }
        } else if !is_remark(line) {
            let why = format!("the line \"{}\" is not understood", quote(line));
            fault.get_or_insert_with(|| why.clone());
            draft.warn(why);
        }
    }
    if let (true, Some(why)) = (lines.is_empty(), fault) {
        return out.reject(pointer, format!("{}: no line is understood: {why}", head.id));
    }
    lines.append(&mut doubts);
    if lines.is_empty() {
        return out.ignore(pointer, format!("{}: the advisory names no package", head.id));
    }
    if draft.upstream.is_empty()
        && let Some(cves) = base_of(&head.id).and_then(|base| first_editions.get(base))
    {
        for cve in cves {
            draft.derive(cve);
        }
    }
    add_entries(&mut draft, &lines, &[]);
    draft.keep(
        "lines",
        value::texts(entry.body.iter().map(|line| (*line).to_owned())),
    );
    out.record(pointer, draft);
}
