//! Order, reports and early ends of a run.

use std::io::Cursor;

use proptest::prelude::*;

use super::*;

fn workers(count: usize) -> NonZeroUsize {
    NonZeroUsize::new(count).expect("at least one")
}

fn run_all(text: &str, count: usize) -> (Vec<Item>, Report) {
    let source = Source::stream("feed", Cursor::new(text.as_bytes().to_vec()));
    let mut items = Vec::new();
    let report = run(source, &Limits::default(), workers(count), &mut |item| {
        items.push(item);
        ControlFlow::Continue(())
    });
    (items, report)
}

fn lines(count: usize) -> String {
    (0..count)
        .map(|number| format!("{{\"id\":\"X-{number}\",\"modified\":\"2024-01-01T00:00:00Z\"}}\n"))
        .collect()
}

#[test]
fn items_are_delivered_in_order_for_any_worker_count() {
    let text = lines(5_000);
    let (expected, report) = run_all(&text, 1);
    assert!(report.is_complete());
    assert_eq!(report.kinds, Kinds::from([("osv", 5_000)]));
    assert_eq!(
        report.counts,
        Counts {
            accepted: 5_000,
            ..Counts::default()
        }
    );
    for (number, item) in expected.iter().enumerate() {
        assert_eq!(item.name, format!("feed:{}", number + 1));
        assert!(
            matches!(&item.result, ItemResult::Accepted(record) if record.id.as_str() == format!("X-{number}"))
        );
    }
    for count in [2, 3, 8] {
        assert_eq!(run_all(&text, count).0, expected, "{count} workers");
    }
}

#[test]
fn every_item_is_reported_with_its_reason() {
    let text = "{\"id\":\"A\",\"details\":\"d\"}\n{\"id\":7}\n{\"name\":\"no advisory\"}\n[{\"id\":\"B\",\"details\":\"d\"},{\"id\":\"\"}]\nnot JSON\n";
    let (items, report) = run_all(text, 2);
    let shown: Vec<_> = items
        .iter()
        .map(|item| match &item.result {
            ItemResult::Accepted(record) => format!("{}: {}", item.name, record.id),
            ItemResult::Ignored(reason) => format!("{}: ignored, {reason}", item.name),
            ItemResult::Rejected(reason) => format!("{}: rejected, {reason}", item.name),
            ItemResult::Noted(what) => format!("{}: {what}", item.name),
            ItemResult::Page(page) => format!("{}: {page:?}", item.name),
        })
        .collect();
    assert_eq!(
        shown,
        [
            "feed:1: A",
            "feed:2: rejected, the record's id must be a string, found a number",
            "feed:3: ignored, an object without any field of an advisory",
            "feed:4#/0: B",
            "feed:4#/1: rejected, reading a record id: \"\" is refused; expected 1 to 256 bytes of text without control characters",
            "feed:5: rejected, expected a JSON object, found a string",
        ]
    );
    assert_eq!(
        report.counts,
        Counts {
            accepted: 2,
            warned: 2,
            ignored: 1,
            rejected: 3
        }
    );
}

#[test]
fn items_before_a_truncation_are_delivered() {
    let text = lines(1_000);
    let (items, report) = run_all(&text[..text.len() - 10], 3);
    assert_eq!(items.len(), 999);
    assert!(!report.is_complete());
    assert!(report.ending.expect_err("cut off").is_truncated());
}

#[test]
fn the_sink_can_stop_a_run() {
    let source = Source::stream("feed", Cursor::new(lines(5_000).into_bytes()));
    let mut seen = 0;
    let report = run(source, &Limits::default(), workers(3), &mut |_| {
        seen += 1;
        if seen == 100 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    });
    assert_eq!((seen, report.counts.accepted), (100, 100));
    assert!(matches!(report.ending, Ok(Ending::Stopped)));
}

proptest! {
    #[test]
    fn arbitrary_input_gives_equal_results_for_any_worker_count(
        text in "([\\[{}\\],:\"a-z0-9 \n]|\\{\"id\":\"X\"\\}\n){0,60}",
    ) {
        let (one, first) = run_all(&text, 1);
        let (three, second) = run_all(&text, 3);
        prop_assert_eq!(&one, &three);
        prop_assert_eq!(first.counts, second.counts);
        prop_assert_eq!(first.is_complete(), second.is_complete());
        let Counts { accepted, ignored, rejected, .. } = first.counts;
        prop_assert_eq!(accepted + ignored + rejected, one.len() as u64);
    }
}
