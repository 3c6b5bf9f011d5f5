//! Checks the changes of an import before they are made. A source that was truncated, mixed up or emptied at its origin
//! must not empty every site.

use std::collections::BTreeSet;

use starling_api_types::{ErrorCode, Problem};
use starling_protocol::{ContentHash, RecordId, Source};
use starling_store::FeedPlan;

use super::losses::{Guarded, Losses};
use super::older::older;

/// Fewest records of a source that is checked. In a smaller source a few records are already a large share.
const FEWEST_RECORDS: u64 = 20;
/// The percentage of a source's records above which one kind of loss is suspect.
const SUSPECT_PERCENT: u64 = 20;
/// The percentage for all kinds of loss together, if none alone is suspect.
const TOGETHER_PERCENT: u64 = 33;
/// The percentage of replaced records above which their times are compared with the earlier ones. Sources revert a few
/// changes; an older copy of the source reverts more.
const OLDER_PERCENT: u64 = 1;
/// Fewest records that can be suspect, whatever their share.
const FEWEST_CHANGED: u64 = 10;
/// Most records that a message names.
const NAMED: usize = 5;

/// Returns the body with a hash, if it is here.
pub(super) type ReadBody<'r> = dyn FnMut(&ContentHash) -> Result<Option<Vec<u8>>, Problem> + 'r;

/// Refuses an input that removes many of a source's records, or much of what they state. `most` is the largest number of
/// records that the source had in the last weeks.
///
/// # Errors
/// `feed_suspect`, with nothing changed.
pub(super) fn check(
    source: &Source,
    plan: &FeedPlan,
    most: u64,
    body: &mut ReadBody<'_>,
) -> Result<(), Problem> {
    if plan.before.max(most) < FEWEST_RECORDS {
        return Ok(());
    }
    let absent: Vec<RecordId> = absent_of(plan);
    let losses = losses_of(plan, absent.len(), body)?;
    let end = losses.ends.iter().max_by_key(|(_, records)| records.len());
    let kinds_of_loss = [
        (absent.as_slice(), "are no longer in it".to_owned()),
        (losses.withdrawn.as_slice(), "are withdrawn now".to_owned()),
        (losses.severity.as_slice(), "lose their severity".to_owned()),
        (
            losses.affected.as_slice(),
            "no longer name anything that is affected".to_owned(),
        ),
        (
            losses.packages.as_slice(),
            "no longer name all packages that were affected, or all that was stated of them".to_owned(),
        ),
        (
            end.map_or(&[][..], |(_, records)| records),
            end.map_or_else(String::new, |(end, _)| end.description()),
        ),
        (
            losses.earlier.as_slice(),
            "affect hardly a version now".to_owned(),
        ),
    ];
    let mut suspect: Vec<String> = kinds_of_loss
        .iter()
        .filter(|(records, _)| is_suspect(records.len() as u64, plan.before))
        .map(|(records, what)| tell(records, plan.before, what))
        .collect();
    // Small losses of several kinds can be a large one together. Sources also change in several ways at once, so this limit
    // is higher.
    let less: BTreeSet<&RecordId> = absent.iter().chain(losses.of_affected()).collect();
    if suspect.is_empty() && is_share(less.len() as u64, plan.before, TOGETHER_PERCENT) {
        let less: Vec<RecordId> = less.into_iter().cloned().collect();
        let what = "are no longer in it, are withdrawn or affect less than before";
        suspect.push(tell(&less, plan.before, what));
    }
    let is_more_than_a_few = is_share(plan.replaced.len() as u64, plan.before, OLDER_PERCENT);
    if is_more_than_a_few && let Some(older) = older(plan, body)? {
        let what =
            "that change were last modified before those that are here, as in an older copy of the source";
        suspect.push(tell(&older.records, older.compared as u64, what));
    }
    let left = records_after(plan);
    // A source can also lose its records in many small steps.
    if suspect.is_empty() && plan.absent > 0 && is_suspect(most.saturating_sub(left), most) {
        suspect.push(format!(
            "{left} records would be left of {most} that the source had within the last weeks"
        ));
    }
    if suspect.is_empty() {
        return Ok(());
    }
    let detail = format!("importing {source}: the input is suspect: {}", suspect.join("; "));
    Err(Problem::new(ErrorCode::FeedSuspect, detail)
        .hint("nothing was changed; look at the input, and where it is right import it again with --approve"))
}

/// Reads the records that a plan replaces, and compares them with their replacements.
///
/// Reads nothing if the replaced and the absent records together are too few to be suspect, as in most imports.
fn losses_of(plan: &FeedPlan, absent: usize, body: &mut ReadBody<'_>) -> Result<Losses, Problem> {
    let mut losses = Losses::default();
    if !is_suspect((plan.replaced.len() + absent) as u64, plan.before) {
        return Ok(losses);
    }
    for replaced in &plan.replaced {
        let (Some(before), Some(after)) = (body(&replaced.before)?, body(&replaced.after)?) else {
            continue;
        };
        losses.count(&replaced.id, &Guarded::of(&before), &Guarded::of(&after));
    }
    Ok(losses)
}

/// Returns how many records the source has after a plan.
pub(super) fn records_after(plan: &FeedPlan) -> u64 {
    let new = plan.stored.saturating_sub(plan.replaced.len() as u64);
    plan.before.saturating_add(new).saturating_sub(plan.absent)
}

fn is_suspect(changed: u64, before: u64) -> bool {
    is_share(changed, before, SUSPECT_PERCENT)
}

/// Returns true if `changed` records are more than `percent` of `before`, and at least [`FEWEST_CHANGED`].
fn is_share(changed: u64, before: u64, percent: u64) -> bool {
    changed >= FEWEST_CHANGED && changed.saturating_mul(100) > before.saturating_mul(percent)
}

/// Describes a loss: its share, and the first records.
fn tell(records: &[RecordId], before: u64, what: &str) -> String {
    let named: Vec<String> = records.iter().take(NAMED).map(ToString::to_string).collect();
    let more = if records.len() > NAMED { ", …" } else { "" };
    format!(
        "{} of {before} records {what} ({}{more})",
        records.len(),
        named.join(", ")
    )
}

/// Returns the records that a plan makes absent.
pub(super) fn absent_of(plan: &FeedPlan) -> Vec<RecordId> {
    let absent = plan
        .claims
        .iter()
        .filter(|claim| claim.kind() == starling_protocol::ClaimKind::ABSENT);
    absent
        .filter_map(|claim| match claim.key().parse() {
            starling_protocol::KeyRef::Record(_, id) => Some(id),
            _ => None,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};
    use starling_protocol::{Claim, UnixMillis};
    use starling_store::Replaced;

    use super::*;

    /// A change of a record.
    type Change<'c> = &'c dyn Fn(&mut Value);

    fn id(number: usize) -> RecordId {
        format!("TEST-{number}").parse().unwrap()
    }

    fn record(number: usize) -> Value {
        json!({
            "id": format!("TEST-{number}"),
            "severity": [{ "type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H" }],
            "affected": [{
                "package": { "ecosystem": "npm", "name": "a" },
                "ranges": [{ "type": "SEMVER", "events": [
                    { "introduced": "0" },
                    { "fixed": format!("1.{number}.0") },
                ] }],
            }],
        })
    }

    /// Checks an import that applies `change` to `changed` of a source's 100 records.
    fn checked(changed: usize, change: impl Fn(&mut Value)) -> Result<(), Problem> {
        let mut bodies = BTreeMap::new();
        let mut keep = |record: &Value| {
            let body = serde_json::to_vec(record).unwrap();
            let hash = ContentHash::of(&body);
            bodies.insert(hash, body);
            hash
        };
        let mut plan = FeedPlan {
            before: 100,
            ..FeedPlan::default()
        };
        for number in 0..changed {
            let mut after = record(number);
            let before = keep(&after);
            change(&mut after);
            plan.replaced.push(Replaced {
                id: id(number),
                before,
                after: keep(&after),
            });
        }
        let source = "test".parse().unwrap();
        check(&source, &plan, 0, &mut |hash| Ok(bodies.get(hash).cloned()))
    }

    fn refusal(result: Result<(), Problem>) -> String {
        let problem = result.unwrap_err();
        assert_eq!(problem.code, ErrorCode::FeedSuspect);
        problem.detail.clone()
    }

    #[test]
    fn loss_in_many_records_is_refused_and_described() {
        let withdrawn = |record: &mut Value| record["withdrawn"] = json!("2026-01-01T00:00:00Z");
        let without_severity = |record: &mut Value| record["severity"] = json!([]);
        let without_affected = |record: &mut Value| record["affected"] = json!([]);
        let without_a_package = |record: &mut Value| {
            let mut other = record["affected"][0].clone();
            other["package"]["name"] = json!("b");
            record["affected"] = json!([other]);
        };
        let fixed_early = |record: &mut Value| {
            record["affected"][0]["ranges"][0]["events"][1] = json!({ "fixed": "0.0.1" });
        };
        let last_early = |record: &mut Value| {
            record["affected"][0]["ranges"][0]["events"][1] = json!({ "last_affected": "0.0.1" });
        };
        let without_events = |record: &mut Value| record["affected"][0]["ranges"][0]["events"] = json!([]);
        let without_ranges = |record: &mut Value| {
            record["affected"][0] =
                json!({ "package": record["affected"][0]["package"], "versions": ["1.0.0"] });
        };
        let with_commits = |record: &mut Value| record["affected"][0]["ranges"][0]["type"] = json!("GIT");
        let fixed_earlier_each = |record: &mut Value| {
            let number = record["id"].as_str().unwrap().replace("TEST-", "");
            record["affected"][0]["ranges"][0]["events"][1] = json!({ "fixed": format!("0.0.{number}") });
        };
        let cases: [(Change<'_>, &str); 9] = [
            (&without_events, "30 of 100 records no longer name anything"),
            (&without_ranges, "30 of 100 records no longer name all packages"),
            (&with_commits, "30 of 100 records no longer name all packages"),
            (
                &fixed_earlier_each,
                "30 of 100 records affect hardly a version now",
            ),
            (
                &without_a_package,
                "30 of 100 records no longer name all packages",
            ),
            (&withdrawn, "30 of 100 records are withdrawn now"),
            (&without_severity, "30 of 100 records lose their severity"),
            (&without_affected, "30 of 100 records no longer name anything"),
            (&fixed_early, "30 of 100 records are all fixed in 0.0.1 now"),
        ];
        for (change, told) in cases {
            let detail = refusal(checked(30, change));
            assert!(detail.contains(told), "{detail}");
            assert!(checked(10, change).is_ok(), "a few of them: {told}");
        }
        assert!(
            checked(30, last_early).is_ok(),
            "another kind of end is not compared"
        );
        // A change of other content is not a loss.
        assert!(checked(100, |record| record["details"] = json!("more")).is_ok());
        assert!(checked(100, |record| record["affected"][0]["versions"] = json!(["1.0.0"])).is_ok());
    }

    #[test]
    fn losses_of_several_kinds_are_added() {
        let both = |from: usize| {
            move |record: &mut Value| {
                let number: usize = record["id"].as_str().unwrap()[5..].parse().unwrap();
                match number < from {
                    true => record["withdrawn"] = json!("2026-01-01T00:00:00Z"),
                    false => record["affected"] = json!([]),
                }
            }
        };
        let detail = refusal(checked(36, both(18)));
        assert!(
            detail
                .contains("36 of 100 records are no longer in it, are withdrawn or affect less than before"),
            "{detail}"
        );
        assert!(checked(30, both(15)).is_ok());
    }

    #[test]
    fn records_are_read_only_if_enough_change() {
        let source: Source = "test".parse().unwrap();
        let reads_of = |replaced: usize, absent: usize| {
            let plan = FeedPlan {
                before: 100,
                absent: absent as u64,
                claims: (0..absent)
                    .map(|number| Claim::absent(&source, &id(1_000 + number), UnixMillis::EPOCH))
                    .collect(),
                replaced: (0..replaced)
                    .map(|number| Replaced {
                        id: id(number),
                        before: ContentHash::of(b"before"),
                        after: ContentHash::of(b"after"),
                    })
                    .collect(),
                ..FeedPlan::default()
            };
            let mut reads = 0;
            let checked = check(&source, &plan, 0, &mut |_| {
                reads += 1;
                Ok(Some(b"{}".to_vec()))
            });
            checked.unwrap();
            reads
        };
        assert_eq!(reads_of(9, 0), 0, "a few may go back in time");
        assert_eq!(
            reads_of(20, 0),
            40,
            "a fifth of the source is never suspect, unless it goes back in time"
        );
        assert_eq!(reads_of(21, 0), 42 + 42);
        assert_eq!(reads_of(15, 6), 30 + 30, "together with those that are absent");
        assert_eq!(reads_of(15, 5), 30);
    }

    #[test]
    fn shrinking_source_is_refused_unless_it_is_small() {
        let source: Source = "test".parse().unwrap();
        let plan = |before: u64, absent: usize| FeedPlan {
            before,
            absent: absent as u64,
            claims: (0..absent)
                .map(|number| Claim::absent(&source, &id(number), UnixMillis::EPOCH))
                .collect(),
            ..FeedPlan::default()
        };
        let drained = |plan: &FeedPlan, most| check(&source, plan, most, &mut |_| Ok(None));
        let check = |plan: &FeedPlan| drained(plan, 0);
        let detail = refusal(check(&plan(1_000, 999)));
        assert!(
            detail.contains("999 of 1000 records are no longer in it (TEST-0, "),
            "{detail}"
        );
        assert!(check(&plan(1_000, 200)).is_ok());
        assert!(check(&plan(19, 19)).is_ok());
        // In several small steps.
        let detail = refusal(drained(&plan(90, 15), 100));
        assert!(detail.contains("75 records would be left of 100"), "{detail}");
        assert!(drained(&plan(90, 10), 100).is_ok());
        assert!(drained(&plan(70, 0), 100).is_ok(), "it takes nothing away");
    }
}
