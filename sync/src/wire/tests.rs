use proptest::collection::vec;
use proptest::prelude::*;
use starling_protocol::{ClaimNumber, ContentHash, DeltaHash, Lane, SiteId, StateRoot, UnixMillis};

use super::*;
use crate::limits::{MAX_BODIES_PAGE_BYTES, MAX_PAGE_BODIES, MAX_REQUEST_BYTES};
use crate::settings::CompressionLevels;

fn site() -> impl Strategy<Value = SiteId> {
    any::<[u8; 32]>().prop_map(SiteId::from_bytes)
}

fn lane() -> impl Strategy<Value = Lane> {
    prop_oneof![Just(Lane::Federation), Just(Lane::Direct)]
}

fn note() -> impl Strategy<Value = LogNote> {
    let numbers = (any::<u64>(), any::<u64>(), any::<u64>());
    (
        site(),
        lane(),
        any::<u32>(),
        any::<bool>(),
        any::<u32>(),
        0..1_u64 << 40,
        numbers,
    )
        .prop_map(
            |(site, lane, chain_length, forked, head_epoch, time, (head, held, complete))| LogNote {
                site,
                lane,
                chain_length,
                forked,
                head_epoch,
                head_number: ClaimNumber(head),
                head_issued_at: UnixMillis::saturating(time),
                held: ClaimNumber(held),
                body_complete: ClaimNumber(complete),
            },
        )
}

fn news() -> impl Strategy<Value = News> {
    let blobs = || vec(vec(any::<u8>(), 0..60), 0..4);
    let forks = vec((site(), vec(any::<u8>(), 0..60)), 0..3);
    (vec(note(), 0..4), blobs(), blobs(), forks).prop_map(|(notes, chains, heads, forks)| News {
        notes,
        chains,
        heads,
        forks,
    })
}

fn tips() -> impl Strategy<Value = Tips> {
    let hashes = (any::<[u8; 32]>(), any::<[u8; 32]>());
    let tip =
        (site(), lane(), any::<u64>(), hashes).prop_map(|(site, lane, held, (header, root))| LogTipNote {
            site,
            lane,
            held: ClaimNumber(held),
            header: DeltaHash::from_bytes(header),
            root: StateRoot::from_bytes(root),
        });
    vec(tip, 0..4).prop_map(|mut tips: Vec<LogTipNote>| {
        tips.sort_by_key(|tip| (tip.site, tip.lane));
        tips.dedup_by_key(|tip| (tip.site, tip.lane));
        Tips { tips }
    })
}

fn request() -> impl Strategy<Value = Request> {
    let hello = (any::<u64>(), vec(any::<u8>(), 0..60), news()).prop_map(|(bits, chain, news)| {
        let capabilities = Capabilities(bits);
        Request::Hello(Hello {
            capabilities,
            chain,
            news,
        })
    });
    let facts = (
        vec(site(), 0..4),
        vec((site(), lane()), 0..4),
        vec((site(), lane()), 0..4),
    );
    let facts = facts.prop_map(|(chains, heads, forks)| Request::Facts(FactsWanted { chains, heads, forks }));
    let deltas = (site(), lane(), any::<u64>(), any::<u32>()).prop_map(|(site, lane, after, max_bytes)| {
        let after = ClaimNumber(after);
        Request::Deltas(DeltasWanted {
            site,
            lane,
            after,
            max_bytes,
        })
    });
    let numbers = proptest::collection::btree_set(1..500_u64, 1..60);
    let bases = vec(any::<[u8; 32]>().prop_map(ContentHash::from_bytes), 0..4);
    let bodies =
        (site(), lane(), numbers, bases, any::<bool>()).prop_map(|(site, lane, numbers, bases, bulk)| {
            let runs = BodiesWanted::runs_of(numbers.into_iter().map(ClaimNumber));
            Request::Bodies(BodiesWanted {
                site,
                lane,
                runs,
                bases,
                bulk,
            })
        });
    let tips = tips().prop_map(Request::Tips);
    prop_oneof![hello, news().prop_map(Request::News), facts, deltas, bodies, tips]
}

fn response() -> impl Strategy<Value = Response> {
    let bytes = || vec(any::<u8>(), 0..60);
    let deltas = (any::<u64>(), any::<bool>(), bytes()).prop_map(|(last, more, bytes)| {
        let last = ClaimNumber(last);
        Response::Deltas(DeltasPage { last, more }, bytes)
    });
    let bodies = (vec(any::<u32>(), 0..9), bytes(), bytes())
        .prop_map(|(sizes, bases_used, frame)| Response::Bodies(BodiesPage { sizes, bases_used }, frame));
    let refusal = (any::<u8>(), ".{0,40}", any::<u32>()).prop_map(|(code, text, retry_after_millis)| {
        let code = RefusalCode::from(code);
        Response::Refusal(Refusal {
            code,
            text,
            retry_after_millis,
        })
    });
    let tips = tips().prop_map(Response::Tips);
    prop_oneof![news().prop_map(Response::News), deltas, bodies, refusal, tips]
}

proptest! {
    #[test]
    fn requests_round_trip(request in request()) {
        prop_assert_eq!(Request::decode(&request.encode()).unwrap(), request);
    }

    #[test]
    fn responses_round_trip(response in response()) {
        prop_assert_eq!(Response::decode(&response.encode()).unwrap(), response);
    }

    #[test]
    fn decoded_messages_round_trip(kind in 0..9_u8, rest in vec(any::<u8>(), 0..200)) {
        let mut bytes = vec![WIRE_VERSION, kind];
        bytes.extend(rest);
        if let Ok(request) = Request::decode(&bytes) {
            prop_assert_eq!(request.encode(), &bytes[..]);
        }
        if let Ok(response) = Response::decode(&bytes) {
            prop_assert_eq!(response.encode(), &bytes[..]);
        }
        if let Ok(announce) = Announce::decode(&bytes) {
            prop_assert_eq!(announce.encode(), &bytes[..]);
        }
    }

    #[test]
    fn tampered_message_never_panics_and_has_one_encoding(
        request in request(), place: prop::sample::Index, flip in 1..=255_u8,
    ) {
        let mut bytes = request.encode();
        let place = place.index(bytes.len());
        bytes[place] ^= flip;
        if let Ok(other) = Request::decode(&bytes) {
            prop_assert_eq!(other.encode(), bytes);
        }
    }

    #[test]
    fn runs_name_the_same_claims(numbers in proptest::collection::btree_set(1..10_000_u64, 1..300)) {
        let runs = BodiesWanted::runs_of(numbers.iter().map(|n| ClaimNumber(*n)));
        let wanted = BodiesWanted {
            site: SiteId::ZERO, lane: Lane::Federation, runs, bases: Vec::new(), bulk: false,
        };
        let again: Vec<u64> = wanted.numbers().map(|number| number.0).collect();
        prop_assert_eq!(again, numbers.into_iter().collect::<Vec<_>>());
    }

    #[test]
    fn pages_round_trip_with_and_without_context(
        bodies in vec(prop::option::of(vec(any::<u8>(), 1..300)), 0..12),
        bases in vec(vec(any::<u8>(), 0..300), 0..4),
        bulk: bool,
    ) {
        let page = pack(&bodies, &bases, bulk, CompressionLevels::default()).unwrap();
        prop_assert_eq!(unpack(&page.sizes, &page.frame, &bases).unwrap(), bodies);
    }

    #[test]
    fn frame_unpacks_to_stated_sizes_or_fails(
        sizes in vec(0..2_000_u32, 0..6), frame in vec(any::<u8>(), 0..300),
    ) {
        if let Ok(bodies) = unpack(&sizes, &frame, &[]) {
            let found = bodies.iter().map(|body| body.as_ref().map_or(0, Vec::len));
            let sizes = sizes.iter().map(|size| *size as usize);
            prop_assert_eq!(found.collect::<Vec<_>>(), sizes.collect::<Vec<_>>());
        }
    }
}

#[test]
fn compression_bomb_is_refused_before_decompression() {
    let zeros = vec![0_u8; 64 << 20];
    let bomb = zstd::bulk::compress(&zeros, 3).unwrap();
    assert!(bomb.len() < 16_384);
    assert!(matches!(unpack(&[100], &bomb, &[]), Err(PageFault::Zstd { .. })));
    let promised = u32::try_from(zeros.len()).unwrap();
    assert!(matches!(
        unpack(&[promised], &bomb, &[]),
        Err(PageFault::TooLong { .. })
    ));
    let many = vec![u32::MAX; MAX_PAGE_BODIES];
    assert!(matches!(
        unpack(&many, &bomb, &[]),
        Err(PageFault::TooLong { .. })
    ));
}

#[test]
fn edited_record_costs_its_difference() {
    let mut rng = fastrand::Rng::with_seed(1);
    let old: Vec<u8> = (0..100_000).map(|_| rng.u8(b'a'..=b'z')).collect();
    let mut new = old.clone();
    new[50_000..50_010].copy_from_slice(b"0123456789");
    let levels = CompressionLevels::default();
    let alone = pack(&[Some(new.clone())], &[], false, levels)
        .unwrap()
        .frame
        .len();
    let page = pack(&[Some(new.clone())], std::slice::from_ref(&old), false, levels).unwrap();
    assert!(
        page.frame.len() < 100 && alone > 10_000,
        "{} of {alone}",
        page.frame.len()
    );
    assert_eq!(unpack(&page.sizes, &page.frame, &[old]).unwrap(), [Some(new)]);
}

#[test]
fn largest_page_fits_into_a_response() {
    let mut rng = fastrand::Rng::with_seed(2);
    let mut body = vec![0; MAX_BODIES_PAGE_BYTES];
    rng.fill(&mut body);
    let page = pack(&[Some(body)], &[], false, CompressionLevels::default()).unwrap();
    let header = BodiesPage {
        sizes: page.sizes,
        bases_used: Vec::new(),
    };
    let response = Response::Bodies(header, page.frame);
    assert!(Response::decode(&response.encode()).is_ok());
}

#[test]
fn limits_are_checked_before_allocation() {
    let over = vec![WIRE_VERSION; MAX_REQUEST_BYTES + 1];
    assert!(matches!(Request::decode(&over), Err(WireFault::TooLong { .. })));
    let refused = |wanted: &BodiesWanted| Request::decode(&Request::Bodies(wanted.clone()).encode()).is_err();
    let wanted = |runs: &[(u64, u32)]| BodiesWanted {
        site: SiteId::ZERO,
        lane: Lane::Federation,
        runs: runs.iter().map(|&(skip, count)| Run { skip, count }).collect(),
        bases: Vec::new(),
        bulk: false,
    };
    assert!(!refused(&wanted(&[(1, 4_096)])));
    assert!(refused(&wanted(&[(1, 4_097)])), "too many");
    assert!(refused(&wanted(&[(1, u32::MAX), (1, u32::MAX)])), "far too many");
    assert!(refused(&wanted(&[])), "none");
    assert!(refused(&wanted(&[(0, 1)])), "claim 0");
    assert!(refused(&wanted(&[(1, 0)])), "an empty run");
    assert!(refused(&wanted(&[(1, 1), (0, 1)])), "two runs that are one");
    assert!(refused(&wanted(&[(u64::MAX, 2)])), "past the last number");
}

#[test]
fn other_wire_version_is_reported() {
    let mut bytes = Request::News(News::default()).encode();
    bytes[0] = 9;
    assert_eq!(Request::decode(&bytes), Err(WireFault::Version { found: 9 }));
    assert_eq!(Request::decode(&[]), Err(WireFault::TooShort { found: 0 }));
}

/// Returns one message of every kind, for the golden file.
#[expect(clippy::too_many_lines, reason = "a table: one message of each kind")]
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let site = SiteId::from_bytes([0x11; 32]);
    let news = News {
        notes: vec![LogNote {
            site,
            lane: Lane::Federation,
            chain_length: 2,
            forked: false,
            head_epoch: 1,
            head_number: ClaimNumber(300),
            head_issued_at: UnixMillis::saturating(1_736_937_000_001),
            held: ClaimNumber(300),
            body_complete: ClaimNumber(299),
        }],
        chains: vec![b"chain".to_vec()],
        heads: vec![b"head".to_vec()],
        forks: vec![(site, b"fork".to_vec())],
    };
    let hello = Hello {
        capabilities: Capabilities::BASES,
        chain: b"chain".to_vec(),
        news: News::default(),
    };
    let tips = Tips {
        tips: vec![LogTipNote {
            site,
            lane: Lane::Federation,
            held: ClaimNumber(300),
            header: DeltaHash::from_bytes([0x33; 32]),
            root: StateRoot::from_bytes([0x44; 32]),
        }],
    };
    let facts = FactsWanted {
        chains: vec![site],
        heads: vec![(site, Lane::Federation)],
        forks: vec![(site, Lane::Direct)],
    };
    let deltas = DeltasWanted {
        site,
        lane: Lane::Federation,
        after: ClaimNumber(127),
        max_bytes: 1_048_576,
    };
    let bodies = BodiesWanted {
        site,
        lane: Lane::Federation,
        runs: BodiesWanted::runs_of([5, 6, 7, 10].map(ClaimNumber)),
        bases: vec![ContentHash::from_bytes([0x22; 32])],
        bulk: false,
    };
    let deltas_page = DeltasPage {
        last: ClaimNumber(200),
        more: true,
    };
    let bodies_page = BodiesPage {
        sizes: vec![300, 0, 2],
        bases_used: vec![1],
    };
    let refusal = Refusal {
        code: RefusalCode::Busy,
        text: "later".to_owned(),
        retry_after_millis: 1_000,
    };
    vec![
        ("request hello", Request::Hello(hello.clone()).encode()),
        ("request news", Request::News(news.clone()).encode()),
        ("request facts", Request::Facts(facts).encode()),
        ("request deltas", Request::Deltas(deltas).encode()),
        ("request bodies", Request::Bodies(bodies).encode()),
        ("request tips", Request::Tips(tips.clone()).encode()),
        ("response hello", Response::Hello(hello).encode()),
        ("response news", Response::News(news.clone()).encode()),
        (
            "response deltas",
            Response::Deltas(deltas_page, b"deltas".to_vec()).encode(),
        ),
        (
            "response bodies",
            Response::Bodies(bodies_page, b"frame".to_vec()).encode(),
        ),
        ("response tips", Response::Tips(tips).encode()),
        ("response refusal", Response::Refusal(refusal).encode()),
        (
            "gossip announce",
            Announce(News {
                notes: Vec::new(),
                ..news
            })
            .encode(),
        ),
    ]
}

/// The layout is frozen. After a deliberate change, `UPDATE_GOLDEN=1` rewrites the file.
#[test]
#[allow(clippy::disallowed_methods)] // A test reads its own golden file.
fn messages_match_the_golden_bytes() {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let lines = samples()
        .into_iter()
        .map(|(name, bytes)| format!("{name}: {}\n", hex(&bytes)));
    let now: String = lines.collect();
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/wire.txt");
    if std::env::var("UPDATE_GOLDEN").is_ok() {
        std::fs::write(&path, &now).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap();
    assert_eq!(now, golden, "the wire layout changed: that takes a new version");
}
