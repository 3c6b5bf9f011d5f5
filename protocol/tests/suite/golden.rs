//! Golden files: the exact bytes of every signed object, with the keys that made them.
//!
//! `docs/formats/` explains them byte by byte, and `tests/formats/verify.py` checks them with code that is
//! written from the documents only. A difference here is a change of format: it needs a new version beside the
//! old one, unless it comes from a new libzstd that compresses a claims block differently. Only then
//! `UPDATE_GOLDEN=1 cargo test -p starling-protocol --test suite golden` rewrites them.

// A test of files reads files.
#![allow(clippy::disallowed_methods)]

use std::path::PathBuf;

use serde_json::{Value, json};
use starling_protocol::bundle::{ReaderOptions, validate};
use starling_protocol::{
    CertificateChain, Claim, ClaimNumber, ContentHash, Delta, FeedOffer, ForkProof, KnowledgeEntry, Lane,
    LogState, LtHash, OfferInput, VerifiedDelta, VerifiedHead, knowledge_root,
};

use crate::world::{Say, Site, export, january};

const GHSA_OLD: &str = r#"{"id":"GHSA-aaaa-bbbb-cccc","modified":"2025-01-15T10:00:00Z"}"#;
const GHSA_NEW: &str = r#"{"id":"GHSA-aaaa-bbbb-cccc","modified":"2025-01-15T10:30:04Z"}"#;
const PYSEC: &str = r#"{"id":"PYSEC-2021-1","summary":"snowman ☃"}"#;

/// Returns the author of everything golden.
fn author() -> Site {
    let mut site = author_before_its_second_delta();
    site.rotate(3);
    site.say(
        70_000,
        &[
            Say::Set("ghsa", "GHSA-aaaa-bbbb-cccc", GHSA_NEW),
            Say::Absent("ghsa", "GHSA-dddd-eeee-ffff"),
            Say::Delete("rustsec", "RUSTSEC-2020-0001"),
        ],
    );
    site
}

fn author_before_its_second_delta() -> Site {
    let mut site = Site::new("site-golden", 1);
    site.say(
        1,
        &[
            Say::Set("ghsa", "GHSA-aaaa-bbbb-cccc", GHSA_OLD),
            Say::Set("pypa", "PYSEC-2021-1", PYSEC),
            Say::Set("rustsec", "RUSTSEC-2020-0001", r#"{"id":"RUSTSEC-2020-0001"}"#),
            Say::Change("mutes", [0xab; 32], b"automerge bytes"),
        ],
    );
    site
}

/// Returns the other history: the same key with a different claim 1.
fn twin() -> Site {
    let mut site = Site::new("site-golden", 1);
    site.say(2, &[Say::Absent("ghsa", "GHSA-aaaa-bbbb-cccc")]);
    site
}

struct Golden {
    name: &'static str,
    bytes: Vec<u8>,
}

fn knowledge(site: &Site) -> String {
    let entries = site
        .state()
        .sources()
        .iter()
        .map(|(source, state)| KnowledgeEntry {
            site: site.chain.site(),
            lane: Lane::Federation,
            source: source.as_ref(),
            state: &state.state,
        });
    knowledge_root(entries).to_string()
}

fn describe_delta(delta: &VerifiedDelta) -> Value {
    let header = delta.header();
    let claims: Vec<_> = delta
        .claims()
        .map(|(number, claim)| {
            json!({
                "number": number.0,
                "kind": claim.kind().0,
                "tombstone": claim.is_tombstone(),
                "key": hex::encode(claim.key().as_bytes()),
                "content": claim.content().map(|(hash, _)| hash),
                "size": claim.content().map(|(_, size)| size),
                "time": claim.time().as_millis(),
                "payload": hex::encode(claim.payload()),
            })
        })
        .collect();
    json!({
        "hash": delta.hash(),
        "epoch": header.epoch,
        "first": header.first,
        "count": header.count,
        "previous": header.previous,
        "time": header.time,
        "bodies_size": header.bodies_size,
        "live_entries": header.live_entries,
        "state_root": header.state_root,
        "claims": claims,
    })
}

/// Returns an offer to fetch a source that builds on records of another site.
fn offer() -> FeedOffer {
    FeedOffer {
        is_offered: true,
        is_healthy: true,
        every_ms: 7_200_000,
        input: OfferInput::of(&["preset", "ghsa", "", ""]),
        rests_on: [(Site::new("site-relay", 21).chain.site(), ClaimNumber(4_711))].into(),
    }
}

fn describe_offer(source: &str, offer: &FeedOffer) -> Value {
    let rests_on = offer.rests_on.iter();
    json!({
        "source": source,
        "offered": offer.is_offered,
        "healthy": offer.is_healthy,
        "every": offer.every_ms,
        "input": hex::encode(offer.input.as_bytes()),
        "rests_on": rests_on.map(|(site, number)| json!([site, number.0])).collect::<Vec<_>>(),
    })
}

#[expect(clippy::too_many_lines, reason = "a table: one golden file after the other")]
fn make() -> (Vec<Golden>, Value) {
    let site = author();
    let twin = twin();
    let relay = Site::new("site-relay", 21);
    let decode = |delta: &'_ VerifiedDelta| Delta::decode(delta.as_bytes()).unwrap().as_bytes().to_vec();
    let (one, other) = (decode(&site.log[0]), decode(&twin.log[0]));
    let fork = ForkProof::of(
        &Delta::decode(&one).unwrap(),
        &Delta::decode(&other).unwrap(),
        &site.chain,
    )
    .unwrap();
    let (bundle, summary) = export(&relay, &[&relay, &site], january(90_000));
    let mut state = LtHash::default();
    for frame in site.live_frames() {
        state.add(&frame);
    }
    assert_eq!(state.root(), site.state().root());
    let head = site.head();

    let seed = |seed: u8| hex::encode([seed; 32]);
    let sources: Vec<_> = site
        .state()
        .sources()
        .iter()
        .map(|(source, state)| {
            json!({
                "source": source.as_ref().map_or("", |source| source.as_str()),
                "live": state.live,
                "root": state.state.root(),
            })
        })
        .collect();
    let bodies = [GHSA_OLD, GHSA_NEW, PYSEC].map(|body| {
        json!({
            "hash": ContentHash::of(body.as_bytes()),
            "body": body,
        })
    });
    let expected = json!({
        "seeds": {
            "author_root": seed(1),
            "author_operating_epoch_0": seed(2),
            "author_operating_epoch_1": seed(3),
            "exporter_root": seed(21),
            "exporter_operating": seed(22),
        },
        "author": {
            "site": site.chain.site(),
            "root_key": site.chain.current().body().root_key,
            "certificates": site.chain.certificates().iter().map(|certificate| json!({
                "hash": certificate.hash(),
                "epoch": certificate.body().epoch,
                "operating_key": certificate.body().operating_key,
            })).collect::<Vec<_>>(),
        },
        "deltas": site.log.iter().map(describe_delta).collect::<Vec<_>>(),
        "head": {
            "cursor": head.head().cursor(),
            "header": head.head().header,
            "issued_at": head.head().issued_at,
            "expires_at": head.head().expires_at,
            "checks": head.head().checks,
        },
        "fork": {
            "site": fork.site(),
            "headers": [fork.headers()[0].hash(), fork.headers()[1].hash()],
        },
        "state": {
            "live_frames": site.live_frames().iter().map(hex::encode).collect::<Vec<_>>(),
            "root": state.root(),
            "sources": sources,
            "knowledge_root": knowledge(&site),
        },
        "bundle": {
            "hash": summary.hash,
            "exporter": relay.chain.site(),
            "file_bytes": summary.file_bytes,
            "manifest": summary.manifest,
        },
        "bodies": bodies,
        "offer": describe_offer("ghsa", &offer()),
    });
    let offer_claim = offer().to_claim(&"ghsa".parse().unwrap(), january(80_000));
    let golden = |name, bytes: &[u8]| Golden {
        name,
        bytes: bytes.to_vec(),
    };
    let mut text = serde_json::to_vec_pretty(&expected).unwrap();
    text.push(b'\n');
    let files = vec![
        golden("certificate-chain.golden", &site.chain.to_bytes()),
        golden("delta-1.golden", site.log[0].as_bytes()),
        golden("delta-2.golden", site.log[1].as_bytes()),
        golden("head.golden", head.as_bytes()),
        golden("fork.golden", &fork.to_bytes()),
        golden("state.golden", &state.to_bytes()),
        golden("offer.golden", &offer_claim.encode()),
        golden("bundle.golden", &bundle),
        golden("expected.json", &text),
    ];
    (files, expected)
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

fn load(name: &str) -> Vec<u8> {
    std::fs::read(path(name)).unwrap()
}

#[test]
fn golden_files_are_reproducible() {
    let (files, expected) = make();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        for file in &files {
            std::fs::write(path(file.name), &file.bytes).unwrap();
        }
    }
    for file in &files {
        // The key order of a JSON text depends on the build features of serde_json; the values do not.
        let same = if file.name.ends_with(".json") {
            serde_json::from_slice::<Value>(&load(file.name)).unwrap() == expected
        } else {
            load(file.name) == file.bytes
        };
        assert!(
            same,
            "{} differs: a format changed, or libzstd packs otherwise; see the head of this file",
            file.name
        );
    }
}

#[test]
fn golden_files_verify_with_expected_content() {
    let expected: Value = serde_json::from_slice(&load("expected.json")).unwrap();
    let chain = CertificateChain::from_bytes(&load("certificate-chain.golden")).unwrap();
    assert_eq!(json!(chain.site()), expected["author"]["site"]);
    assert_eq!(chain.epoch(), 1);

    let mut state = LogState::default();
    let mut live = std::collections::BTreeMap::new();
    for (name, expected) in ["delta-1.golden", "delta-2.golden"]
        .iter()
        .zip(expected["deltas"].as_array().unwrap())
    {
        let bytes = load(name);
        let delta = Delta::decode(&bytes).unwrap().verify(&chain).unwrap();
        assert_eq!(&describe_delta(&delta), expected);
        for (_, claim) in delta.claims() {
            let prior = if claim.is_tombstone() {
                live.remove(claim.key())
            } else {
                live.insert(claim.key().clone(), claim.encode())
            };
            state.apply(claim, prior.as_deref());
        }
        assert_eq!(state.root(), delta.header().state_root);
    }
    assert_eq!(json!(state.root()), expected["state"]["root"]);
    let stored = LtHash::from_bytes(&load("state.golden")).unwrap();
    assert_eq!(stored.root(), state.root());

    let head = VerifiedHead::verify(&load("head.golden"), &chain).unwrap();
    assert_eq!(json!(head.head().header), expected["deltas"][1]["hash"]);
    let fork = ForkProof::verify(&load("fork.golden"), &chain).unwrap();
    assert_eq!(json!(fork.site()), expected["author"]["site"]);

    let claim = Claim::decode(&load("offer.golden")).unwrap();
    let (source, offer) = FeedOffer::of_claim(&claim).unwrap().unwrap();
    assert_eq!(describe_offer(source.as_str(), &offer), expected["offer"]);

    let bundle = load("bundle.golden");
    let report = validate(bundle.as_slice(), ReaderOptions::default()).unwrap();
    assert_eq!(json!(report.inspection.hash), expected["bundle"]["hash"]);
    assert!(report.missing_bodies.is_empty());
    assert!(report.ranges.iter().all(|range| range.fault.is_none()));
}
