//! Holds the range of a crate against the requirements, each evaluated by itself.

use proptest::prelude::*;

use super::super::tests::json_records;

/// One comparison of a requirement: its operator, and one to three numbers.
type Part = (&'static str, Vec<u64>);

fn part() -> impl Strategy<Value = Part> {
    let operator = prop::sample::select(vec![">=", ">", "<", "<=", "=", "^", "~", ""]);
    (operator, prop::collection::vec(0..3_u64, 1..4))
}

fn text_of(requirement: &[Part]) -> String {
    let parts = requirement.iter().map(|(operator, numbers)| {
        let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
        format!("{operator}{}", numbers.join("."))
    });
    parts.collect::<Vec<_>>().join(", ")
}

/// Returns true if a release meets a comparison: by the documentation of Cargo, but numbers that are not given are 0, as
/// in the records that RustSec makes.
fn meets(version: [u64; 3], (operator, numbers): &Part) -> bool {
    let given = version.get(..numbers.len()).unwrap();
    let rest_from = |index: usize| given.get(index..) >= numbers.get(index..);
    let mut full = [0; 3];
    full.iter_mut()
        .zip(numbers)
        .for_each(|(own, number)| *own = *number);
    let is_same_to = |count: usize| given.get(..count) == numbers.get(..count);
    match *operator {
        ">=" => version >= full,
        ">" => version > full,
        "<" => version < full,
        "<=" => version <= full,
        "=" => version == full,
        "~" => {
            let fixed = numbers.len().min(2);
            is_same_to(fixed) && rest_from(fixed)
        }
        // The first number that is not zero must not change; if all are zeros, none of those that are given.
        _ => {
            let first = numbers.iter().position(|number| *number > 0);
            let fixed = first.map_or(numbers.len(), |index| index + 1);
            is_same_to(fixed) && rest_from(fixed)
        }
    }
}

/// Returns the numbers of a release; of its first pre-release, too, which is before the same releases.
fn number_of(version: &str) -> Option<[u64; 3]> {
    let version = version.strip_suffix("-0").unwrap_or(version);
    let numbers: Vec<u64> = version
        .split('.')
        .map(|part| part.parse().ok())
        .collect::<Option<_>>()?;
    numbers.try_into().ok()
}

proptest! {
    #[test]
    fn release_is_affected_unless_a_requirement_excuses_it(
        requirements in prop::collection::vec(prop::collection::vec(part(), 1..3), 0..4),
    ) {
        let listed: Vec<String> = requirements.iter().map(|one| format!("{:?}", text_of(one))).collect();
        let text = format!(
            "```toml\n[advisory]\nid = \"RUSTSEC-2030-0001\"\npackage = \"rocket\"\ndate = \"2030-03-01\"\n[versions]\npatched = [{}]\n```\n# T\n",
            listed.join(", ")
        );
        let record = &json_records("rustsec", text.as_bytes())[0];
        let events = record["affected"][0]["ranges"][0]["events"].as_array().unwrap();
        let mut points: Vec<([u64; 3], bool)> = Vec::new();
        for event in events {
            for (kind, version) in event.as_object().unwrap() {
                let place = number_of(version.as_str().unwrap()).unwrap();
                points.push((place, kind == "introduced"));
            }
        }
        for index in 0..64_u64 {
            let version = [index / 16, index / 4 % 4, index % 4];
            let is_excused = requirements.iter().any(|one| one.iter().all(|part| meets(version, part)));
            let last = points.iter().rfind(|(place, _)| *place <= version);
            let is_affected = last.is_some_and(|(_, is_introduced)| *is_introduced);
            prop_assert_eq!(is_affected, !is_excused, "{:?} of {} by {:?}", version, listed.join(" "), events);
        }
    }
}
