//! Detects an input that is older than an earlier import, such as last month's file.

use starling_api_types::Problem;
use starling_protocol::RecordId;
use starling_store::FeedPlan;

use super::guard::ReadBody;
use super::instant;

/// Most records that are compared. Of a larger change, every n-th record is compared.
const MOST_COMPARED: usize = 128;
/// Fewest records that are compared, because sources revert a few of their changes.
const FEWEST_COMPARED: usize = 10;

/// Changed records that go back in time.
#[derive(Debug)]
pub(super) struct Older {
    pub(super) records: Vec<RecordId>,
    pub(super) compared: usize,
}

/// Returns the records whose `modified` is before that of the record they replace, if they are more than half of the
/// compared ones. Records without a time are not compared.
pub(super) fn older(plan: &FeedPlan, body: &mut ReadBody<'_>) -> Result<Option<Older>, Problem> {
    if plan.replaced.len() < FEWEST_COMPARED {
        return Ok(None);
    }
    let mut older = Older {
        records: Vec::new(),
        compared: 0,
    };
    for replaced in plan
        .replaced
        .iter()
        .step_by(plan.replaced.len().div_ceil(MOST_COMPARED))
    {
        let mut time_of = |hash| -> Result<_, Problem> { Ok(body(hash)?.and_then(|body| modified(&body))) };
        if let (Some(before), Some(after)) = (time_of(&replaced.before)?, time_of(&replaced.after)?) {
            older.compared += 1;
            if after < before {
                older.records.push(replaced.id.clone());
            }
        }
    }
    let is_most = older.compared >= FEWEST_COMPARED && older.records.len() * 2 > older.compared;
    Ok(is_most.then_some(older))
}

/// Returns a record's `modified`, if it is a time.
fn modified(body: &[u8]) -> Option<jiff::Timestamp> {
    let record: serde_json::Value = serde_json::from_slice(body).ok()?;
    instant(record.get("modified")?.as_str())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use starling_protocol::ContentHash;
    use starling_store::Replaced;

    use super::*;

    /// Returns the numbers of older and compared records for a change of so many records from one time to another.
    fn told(records: usize, times: impl Fn(usize) -> (&'static str, &'static str)) -> Option<(usize, usize)> {
        let mut bodies = BTreeMap::new();
        let mut plan = FeedPlan::default();
        for number in 0..records {
            let (before, after) = times(number);
            let mut keep = |modified: &str| {
                let body = format!(r#"{{"id":"T-{number}","modified":"{modified}"}}"#).into_bytes();
                let hash = ContentHash::of(&body);
                bodies.insert(hash, body);
                hash
            };
            plan.replaced.push(Replaced {
                id: format!("T-{number}").parse().unwrap(),
                before: keep(before),
                after: keep(after),
            });
        }
        let found = older(&plan, &mut |hash| Ok(bodies.get(hash).cloned())).unwrap();
        found.map(|older| (older.records.len(), older.compared))
    }

    const MAY: &str = "2026-05-01T00:00:00Z";
    const JUNE: &str = "2026-06-01T00:00:00Z";

    #[test]
    fn change_that_goes_back_in_time_is_detected() {
        assert_eq!(told(40, |_| (JUNE, MAY)), Some((40, 40)));
        assert_eq!(
            told(1_000, |_| (JUNE, MAY)),
            Some((125, 125)),
            "of many, some are compared"
        );
        assert_eq!(told(40, |_| (MAY, JUNE)), None);
        assert_eq!(told(40, |_| (MAY, MAY)), None, "the time may stay");
    }

    #[test]
    fn few_records_that_go_back_in_time_are_accepted() {
        assert_eq!(told(9, |_| (JUNE, MAY)), None);
        let half = |number: usize| {
            if number.is_multiple_of(2) {
                (JUNE, MAY)
            } else {
                (MAY, JUNE)
            }
        };
        assert_eq!(told(40, half), None);
        assert_eq!(
            told(40, |_| (JUNE, "soon")),
            None,
            "what is no time is not compared"
        );
    }
}
