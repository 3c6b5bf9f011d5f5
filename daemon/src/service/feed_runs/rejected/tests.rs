//! The identity of rejected documents, and their replacement by later inputs.

use starling_protocol::ContentHash;

use super::*;

fn identity(id: Option<&str>, bytes: &str) -> Identity {
    Identity {
        id: id.map(|id| id.parse().unwrap()),
        hash: ContentHash::of(bytes.as_bytes()),
    }
}

/// Files that were rejected.
fn files(names: &[&str]) -> Rejected {
    let mut rejected = Rejected::none();
    for name in names {
        rejected.add(name, "bad", Some(&identity(None, name)), false);
    }
    rejected
}

/// Returns an entry of a page, which names itself or does not.
fn of_page(name: &str, id: Option<&str>, bytes: &str) -> Rejected {
    let mut rejected = Rejected::none();
    rejected.add(name, "bad", Some(&identity(id, bytes)), true);
    rejected
}

fn documents(names: &[&str], pages: &[&str]) -> Documents {
    let mut documents = Documents::default();
    names
        .iter()
        .for_each(|name| documents.add((*name).to_owned(), false));
    pages
        .iter()
        .for_each(|name| documents.add((*name).to_owned(), true));
    documents
}

/// Returns the rejected documents after a part that was read.
fn after_part(before: &Rejected, now: &Rejected, documents: &Documents, accepted: &[&str]) -> Rejected {
    let is_accepted = |id: &RecordId| accepted.contains(&id.as_str());
    before.after(
        now,
        &Taken {
            is_read: true,
            is_whole: false,
            documents,
            is_accepted: &is_accepted,
        },
    )
}

#[test]
fn new_and_many_rejections_refuse_and_known_few_do_not() {
    let why = |refusal: Option<Refusal>| refusal.map(|refusal| refusal.why).unwrap();
    let none = Rejected::default();
    let one = files(&["a.json"]);
    assert_eq!(none.refusal(&one, 0), None);
    assert!(why(one.refusal(&none, 40_000)).contains("not rejected before"));
    assert_eq!(one.refusal(&one, 40_000), None);
    assert_eq!(one.refusal(&one, 5), None, "a small source may have one");
    let two = files(&["a.json", "b.json"]);
    assert!(why(two.refusal(&two, 39)).contains("more than 1"));
    assert_eq!(two.refusal(&two, 100), None);
    assert!(why(two.refusal(&one, 100)).contains("1 documents"));
}

#[test]
fn hint_says_if_the_next_run_is_refused_too() {
    let (none, one) = (Rejected::default(), files(&["a.json"]));
    let new = one.refusal(&none, 1_000).unwrap();
    assert!(!new.is_lasting && new.hint().contains("from the next run on"));
    assert_eq!(one.refusal(&one, 1_000), None, "as it says");
    let many = files(&["a.json", "b.json", "c.json"]);
    let lasting = many.refusal(&many, 10).unwrap();
    assert!(lasting.is_lasting && lasting.hint().contains("each run"));
}

#[test]
fn part_replaces_the_rejections_of_its_own_documents() {
    let mut before = files(&["a.json", "all/c.json", "d.json", "v1.2/e.json", "f/g.json"]);
    before.add("b.json:3", "bad", Some(&identity(None, "b")), false);
    let of_part = documents(&["a.json", "b.json", "all.zip", "v1.3/x.json", "f.json"], &[]);
    let after = after_part(&before, &files(&["n.json"]), &of_part, &[]);
    assert_eq!(after, files(&["d.json", "f/g.json", "n.json", "v1.2/e.json"]));
    let nothing = Rejected::none();
    let is_accepted = |_: &RecordId| false;
    let mut whole = Taken {
        is_read: true,
        is_whole: true,
        documents: &Documents::default(),
        is_accepted: &is_accepted,
    };
    assert_eq!(before.after(&nothing, &whole).count(), 0);
    whole.is_read = false;
    assert_eq!(
        before.after(&nothing, &whole),
        before,
        "what was not read is not known"
    );
}

#[test]
fn page_of_the_same_name_replaces_no_rejection() {
    let pages = documents(&[], &["reviewed-000001.json"]);
    let name = "reviewed-000001.json#/0";
    assert!(pages.is_of_page(name) && !pages.is_of_page("reviewed-000002.json#/0"));
    for known in [
        of_page(name, Some("X-222"), "x"),
        of_page(name, None, "x"),
        of_page("reviewed-000001.json", None, "x"),
    ] {
        let after = after_part(&known, &Rejected::none(), &pages, &["X-1", "X-444"]);
        assert_eq!(after, known, "it was never read");
    }
    // Another day the page has another name.
    let known = of_page("cves-2026-01-01-0000-000001.json#/0", Some("X-222"), "x");
    let next = documents(&[], &["cves-2026-01-02-0000-000001.json"]);
    let after = after_part(&known, &Rejected::none(), &next, &["X-222"]);
    assert_eq!(after.count(), 0, "it was read");
    let still = of_page("cves-2026-01-02-0000-000001.json#/7", Some("X-222"), "changed");
    let after = after_part(&known, &still, &next, &[]);
    assert_eq!((after.count(), after.refusal(&known, 1_000)), (1, None));
}

#[test]
fn another_record_at_the_same_place_is_new() {
    let place = "reviewed-000001.json#/0";
    for (before, now) in [
        (
            of_page(place, Some("X-222"), "x"),
            of_page(place, Some("X-444"), "y"),
        ),
        (of_page(place, None, "x"), of_page(place, None, "y")),
        (of_page(place, Some("X-222"), "x"), of_page(place, None, "y")),
    ] {
        let refusal = now.refusal(&before, 1_000).unwrap();
        assert!(refusal.why.contains("1 documents that were not"), "{refusal:?}");
    }
    // The same in documents whose names last.
    let in_list = |bytes| {
        let mut rejected = Rejected::none();
        rejected.add("all.json#/3", "bad", Some(&identity(None, bytes)), false);
        rejected
    };
    assert!(in_list("y").refusal(&in_list("x"), 1_000).is_some());
    assert_eq!(in_list("x").refusal(&in_list("x"), 1_000), None);
    // A document without an identity is never known.
    let mut unknown = Rejected::none();
    unknown.add("all.json#/3", "too long", None, false);
    assert!(unknown.refusal(&unknown, 1_000).unwrap().is_lasting);
}

#[test]
fn more_than_are_kept_are_never_known() {
    let names: Vec<String> = (0..=NAMED).map(|number| format!("{number}.json")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let all = files(&names);
    assert_eq!((all.count(), all.unnamed), (NAMED as u64 + 1, 1));
    assert!(all.refusal(&all, 100_000_000).unwrap().is_lasting);
}

#[test]
fn another_program_reads_them_again() {
    let mut old = files(&["a.json"]);
    assert!(!old.is_of_another_program());
    old.program = "0.0.1".to_owned();
    assert!(old.is_of_another_program());
    assert!(!Rejected::default().is_of_another_program());
}

#[test]
fn place_in_a_document_is_distinguished_from_a_file() {
    assert_eq!(document_of("a/b.json#/0/x"), Some("a/b.json"));
    assert_eq!(document_of("feed:12"), Some("feed"));
    assert_eq!(document_of("ALSA-2025:1.json"), None);
    assert_eq!(document_of("a.json"), None);
}
