//! Checks what a production site should have, besides a sound store.

use serde::Serialize;
use starling_api_types::{Feed, KeyList, KeyRole, PartState, SitePart, Status, Timestamp};

use crate::render::{ago, counted, moment};

/// Age from which imports do not count as scheduled, and an operating key should be replaced.
const OLD_IMPORT_DAYS: i64 = 8;
const OLD_KEY_DAYS: i64 = 365;
const DAY_MILLIS: i64 = 86_400_000;

/// One item that a healthy site has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct HealthPoint {
    pub(crate) name: &'static str,
    /// True if this site has it.
    pub(crate) ok: bool,
    /// The state found and, if the item is missing, what to do.
    pub(crate) found: String,
}

/// Input for the checks besides the status.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Demands<'a> {
    /// True if a policy file, or a severity to fail from, is configured.
    pub(crate) policy: bool,
    /// True if scans exit with 4 when knowledge is stale.
    pub(crate) fresh: bool,
    /// True if a part of any source counts as fresh.
    pub(crate) any_part: bool,
    /// True if a daemon runs with another configuration than the file's, so that the file does not show what applies.
    pub(crate) not_in_force: bool,
    /// The reason why no scan can use the site's own policy, if none can.
    pub(crate) unusable_policy: Option<&'a str>,
    /// True if the site has no network, so that no feed fetches from a server.
    pub(crate) air_gapped: bool,
}

/// Compares a site with a healthy one.
pub(crate) fn examine(
    status: &Status,
    keys: Option<&KeyList>,
    demands: Option<Demands<'_>>,
    now: Timestamp,
) -> Vec<HealthPoint> {
    let mut points = vec![daemon(status), partner(status)];
    points.extend(part(status, SitePart::Sync, "reachable peers"));
    points.extend(part(status, SitePart::Feeds, "recent sources"));
    let is_air_gapped = demands.is_some_and(|demands| demands.air_gapped);
    points.push(schedule(status, is_air_gapped, now));
    if let Some(keys) = keys {
        points.push(root_key(keys));
        points.extend(operating_key(keys, now));
    }
    if demands.is_some_and(|demands| demands.not_in_force) {
        let found = "not known: the daemon runs with what starling.toml said at its start; restart it to apply the file";
        points.extend(["policy", "fresh knowledge"].map(|name| point(name, false, "", found)));
    } else if let Some(demands) = demands {
        points.push(point(
            "policy",
            demands.policy && demands.unusable_policy.is_none(),
            "the site's own policy can fail a scan",
            demands.unusable_policy.unwrap_or(
                "no scan fails unless the caller asks for it: set scan.policy_file or scan.fail_on",
            ),
        ));
        points.push(point(
            "fresh knowledge",
            demands.fresh,
            if demands.any_part {
                "a scan with stale knowledge exits with 4; a part of any source counts too: name those that are meant in \
                 scan.partial_sources, in place of `*`"
            } else {
                "a scan with stale knowledge exits with 4"
            },
            "a scan with stale knowledge only warns: set scan.require_fresh = true",
        ));
    }
    points
}

fn point(name: &'static str, ok: bool, good: &str, lacks: &str) -> HealthPoint {
    HealthPoint {
        name,
        ok,
        found: if ok { good } else { lacks }.to_owned(),
    }
}

fn daemon(status: &Status) -> HealthPoint {
    point(
        "daemon",
        status.daemon,
        "runs",
        "does not run: start it with `starling up`, or as a service (docs/operations.md)",
    )
}

fn partner(status: &Status) -> HealthPoint {
    let number = status.peers.len();
    point(
        "partner",
        number > 0,
        &counted(number as u64, "site is listed", "sites are listed"),
        "no site is listed: add one with `starling sites add`, by network or by file. Its copy can also restore a lost site",
    )
}

fn part(status: &Status, wanted: SitePart, name: &'static str) -> Option<HealthPoint> {
    let part = status.parts.iter().find(|part| part.part == wanted)?;
    Some(HealthPoint {
        name,
        // Records that are still being fetched are not here.
        ok: matches!(part.state, PartState::Ok | PartState::Off),
        found: part.detail.clone(),
    })
}

fn schedule(status: &Status, is_air_gapped: bool, now: Timestamp) -> HealthPoint {
    let advice = if is_air_gapped {
        "`starling feeds import FOLDER --source NAME --complete` takes in what a carrier brings, `starling bundle import \
         FILE` what another site exported"
    } else {
        "`starling feeds add` lets the daemon fetch it (docs/operations/feeds.md)"
    };
    let fetched: Vec<&Feed> = status.fetched_feeds.iter().filter(|feed| feed.enabled).collect();
    if !fetched.is_empty() {
        let bad = fetched.iter().find_map(|feed| feed.attention.clone());
        return point(
            "import schedule",
            bad.is_none() && status.daemon,
            &format!("{} feeds are fetched by the daemon", fetched.len()),
            bad.as_deref()
                .unwrap_or("feeds are configured and no daemon fetches them: `starling up`"),
        );
    }
    let last = status.feeds.iter().filter_map(|feed| feed.last_imported_at).max();
    let others = status.feeds.iter().any(|feed| feed.last_imported_at.is_none());
    let name = "import schedule";
    match last {
        Some(at) if days(at, now) <= OLD_IMPORT_DAYS => HealthPoint {
            name,
            ok: true,
            found: format!("the last import here was at {}", moment(at)),
        },
        Some(at) => HealthPoint {
            name,
            ok: false,
            found: format!("the last import here was {} ago: {advice}", ago(at, now)),
        },
        None => point(
            name,
            others,
            "other sites import what this one knows",
            &format!("nothing was imported: {advice}"),
        ),
    }
}

fn root_key(keys: &KeyList) -> HealthPoint {
    let here = keys
        .keys
        .iter()
        .any(|key| key.role == KeyRole::Root && key.secret_present);
    point(
        "offline root key",
        !here,
        "the root key is not in this folder",
        "keys/root.key is in this folder: move it to a place where no daemon runs, and keep a copy",
    )
}

fn operating_key(keys: &KeyList, now: Timestamp) -> Option<HealthPoint> {
    let mut operating = keys.keys.iter().filter(|key| key.role == KeyRole::Operating);
    let made = operating.find(|key| key.current)?.created_at?;
    Some(HealthPoint {
        name: "operating key",
        ok: days(made, now) <= OLD_KEY_DAYS,
        found: if days(made, now) <= OLD_KEY_DAYS {
            format!("created at {}", moment(made))
        } else {
            format!(
                "is {} old: create a new one with `starling keys generate`",
                ago(made, now)
            )
        },
    })
}

fn days(since: Timestamp, now: Timestamp) -> i64 {
    now.unix_millis().saturating_sub(since.unix_millis()) / DAY_MILLIS
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::json;

    use super::*;

    /// Returns the status of a new site with other members in place of its own.
    pub(crate) fn status(extra: &serde_json::Value) -> Status {
        let root = format!("blake3:{}", "0".repeat(64));
        let mut status = json!({
            "site_id": "site-a", "site": root, "version": "0", "daemon": false, "head": null, "knowledge_root": root,
            "held_root": root, "records": 0, "advisories": 0, "peers": [], "positions": [], "feeds": [],
            "store": {"engine": "sled", "size_bytes": 0, "schema": 3},
        });
        for (key, value) in extra.as_object().unwrap() {
            status[key] = value.clone();
        }
        serde_json::from_value(status).unwrap()
    }

    #[test]
    fn new_site_reports_missing_items() {
        let now: Timestamp = "2026-01-15T00:00:00.000Z".parse().unwrap();
        let keys: KeyList = serde_json::from_value(json!({"keys": [
            {"role": "root", "public_key": format!("ed25519:{}", "0".repeat(64)), "epoch": null, "secret_present": true, "current": true, "file": null, "created_at": null},
            {"role": "operating", "public_key": format!("ed25519:{}", "0".repeat(64)), "epoch": 0, "secret_present": true, "current": true, "file": null, "created_at": "2024-01-01T00:00:00.000Z"},
        ]}))
        .unwrap();
        let lacks = |points: Vec<HealthPoint>| -> Vec<&'static str> {
            points
                .iter()
                .filter(|point| !point.ok)
                .map(|point| point.name)
                .collect()
        };
        assert_eq!(
            lacks(examine(
                &status(&json!({})),
                Some(&keys),
                Some(Demands::default()),
                now
            )),
            [
                "daemon",
                "partner",
                "import schedule",
                "offline root key",
                "operating key",
                "policy",
                "fresh knowledge"
            ]
        );
        let air_gapped = Demands {
            air_gapped: true,
            ..Demands::default()
        };
        let points = examine(&status(&json!({})), None, Some(air_gapped), now);
        let schedule = points
            .iter()
            .find(|point| point.name == "import schedule")
            .unwrap();
        assert!(
            schedule.found.contains("feeds import FOLDER") && !schedule.found.contains("feeds add"),
            "{schedule:?}"
        );
        let edited = Demands {
            policy: true,
            not_in_force: true,
            ..Demands::default()
        };
        let points = examine(&status(&json!({})), None, Some(edited), now);
        let policy = points.iter().find(|point| point.name == "policy").unwrap();
        assert!(!policy.ok && policy.found.starts_with("not known"), "{policy:?}");
        let unusable = Demands {
            policy: true,
            unusable_policy: Some("every scan fails: scan.policy_file"),
            ..Demands::default()
        };
        let points = examine(&status(&json!({})), None, Some(unusable), now);
        let policy = points.iter().find(|point| point.name == "policy").unwrap();
        assert!(
            !policy.ok && policy.found.contains("scan.policy_file"),
            "{policy:?}"
        );
        let well = json!({"daemon": true, "feeds": [
            {"source": "ghsa", "records": 1, "last_checked": null, "last_imported_at": "2026-01-14T00:00:00.000Z"}]});
        assert_eq!(lacks(examine(&status(&well), None, None, now)), ["partner"]);
    }
}
