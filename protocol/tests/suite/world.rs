//! Honest sites with small logs, made from fixed seeds.

use std::collections::BTreeMap;
use std::io::Cursor as Memory;

use starling_protocol::bundle::{
    BundleItem, BundleSeal, BundleSummary, ReaderOptions, SealCheck, SealRequest, WriterOptions,
};
use starling_protocol::{
    BundleError, BundleManifest, BundleReader, BundleWriter, CertificateChain, Claim, ClaimKey, ClaimNumber,
    ContentHash, DeltaBuilder, DeltaHash, DeltaPlace, Head, Lane, LaneResume, LogState, LogTip, Reason,
    RecordId, SigningKey, Source, SourceCheck, UnixMillis, VerifiedDelta, VerifiedHead,
};

/// Returns 2025-01-15T10:30:00.000Z plus some milliseconds.
pub(crate) fn january(plus_millis: u64) -> UnixMillis {
    UnixMillis::saturating(1_736_937_000_000 + plus_millis)
}

/// The content of one claim.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Say<'a> {
    Set(&'a str, &'a str, &'a str),
    Absent(&'a str, &'a str),
    Delete(&'a str, &'a str),
    Change(&'a str, [u8; 32], &'a [u8]),
}

/// A site: its keys, its federation log and the bodies that its claims named.
pub(crate) struct Site {
    root: SigningKey,
    key: SigningKey,
    pub(crate) chain: CertificateChain,
    pub(crate) log: Vec<VerifiedDelta>,
    pub(crate) bodies: BTreeMap<ContentHash, Vec<u8>>,
    live: BTreeMap<ClaimKey, Claim>,
    state: LogState,
    tip: LogTip,
    sources: BTreeMap<Source, UnixMillis>,
}

impl Site {
    /// Creates a site. `seed` makes the root key, `seed + 1` the first operating key.
    pub(crate) fn new(slug: &str, seed: u8) -> Self {
        let (root, key) = (
            SigningKey::from_seed(&[seed; 32]),
            SigningKey::from_seed(&[seed + 1; 32]),
        );
        Self {
            chain: CertificateChain::genesis(slug.parse().unwrap(), &root, &key, january(0)),
            root,
            key,
            log: Vec::new(),
            bodies: BTreeMap::new(),
            live: BTreeMap::new(),
            state: LogState::default(),
            tip: LogTip::default(),
            sources: BTreeMap::new(),
        }
    }

    /// Begins the next epoch with the key of `seed`, at the log's current end.
    pub(crate) fn rotate(&mut self, seed: u8) {
        let next = SigningKey::from_seed(&[seed; 32]);
        let lanes = vec![LaneResume {
            lane: Lane::Federation,
            number: self.tip.cursor.number,
            header: self.tip.header,
        }];
        let at = january(60_000);
        self.chain = self
            .chain
            .next_epoch(&self.root, &next, lanes, Reason::Rotation, at)
            .unwrap();
        self.key = next;
    }

    /// Adds one delta that states that a record has `size` bytes.
    pub(crate) fn say_of_size(&mut self, plus_millis: u64, source: &str, id: &str, body: &str, size: u32) {
        let (source, id) = (source.parse().unwrap(), id.parse().unwrap());
        let hash = ContentHash::of(body.as_bytes());
        let claim = Claim::set(&source, &id, hash, size, january(plus_millis));
        self.add(plus_millis, vec![claim]);
    }

    /// Adds one delta with these claims.
    pub(crate) fn say(&mut self, plus_millis: u64, claims: &[Say<'_>]) -> &VerifiedDelta {
        let time = january(plus_millis);
        let mut said = Vec::new();
        for say in claims {
            let names = |source: &str, id: &str| -> (Source, RecordId) {
                (source.parse().unwrap(), id.parse().unwrap())
            };
            let claim = match *say {
                Say::Set(source, id, body) => {
                    let (source, id) = names(source, id);
                    let hash = ContentHash::of(body.as_bytes());
                    self.bodies.insert(hash, body.as_bytes().to_vec());
                    self.sources.insert(source.clone(), time);
                    Claim::set(&source, &id, hash, u32::try_from(body.len()).unwrap(), time)
                }
                Say::Absent(source, id) => {
                    let (source, id) = names(source, id);
                    Claim::absent(&source, &id, time)
                }
                Say::Delete(source, id) => {
                    let (source, id) = names(source, id);
                    Claim::delete(ClaimKey::record(&source, &id), time)
                }
                Say::Change(document, hash, change) => {
                    Claim::document_change(document, hash, change, time).unwrap()
                }
            };
            said.push(claim);
        }
        self.add(plus_millis, said)
    }

    fn add(&mut self, plus_millis: u64, claims: Vec<Claim>) -> &VerifiedDelta {
        let time = january(plus_millis);
        let mut builder = DeltaBuilder::default();
        for claim in claims {
            let prior = if claim.is_tombstone() {
                self.live.remove(claim.key())
            } else {
                self.live.insert(claim.key().clone(), claim.clone())
            };
            self.state
                .apply(&claim, prior.map(|claim| claim.encode()).as_deref());
            builder.push(claim).unwrap();
        }
        let place = DeltaPlace {
            site: self.chain.site(),
            epoch: self.chain.epoch(),
            lane: Lane::Federation,
            first: self.tip.next(),
            previous: self.tip.header,
            time,
        };
        let delta = builder
            .finish(place, self.state.live(), self.state.root(), 3, &self.key)
            .unwrap();
        self.tip = LogTip {
            cursor: delta.header().cursor(),
            header: delta.hash(),
            epoch: delta.header().epoch,
        };
        self.log.push(delta);
        &self.log[self.log.len() - 1]
    }

    /// Returns the head at the current end of the log.
    pub(crate) fn head(&self) -> VerifiedHead {
        let checks = self.sources.iter().map(|(source, &checked_at)| SourceCheck {
            source: source.clone(),
            checked_at,
        });
        let head = Head {
            site: self.chain.site(),
            epoch: self.chain.epoch(),
            lane: Lane::Federation,
            time: self.tip.cursor.time,
            number: self.tip.cursor.number,
            header: self.tip.header,
            live_entries: self.state.live(),
            state_root: self.state.root(),
            issued_at: january(120_000),
            expires_at: january(120_000 + 86_400_000),
            checks: checks.collect(),
        };
        assert_eq!(head.number == ClaimNumber::NONE, head.header == DeltaHash::ZERO);
        head.sign(&self.key)
    }

    /// Makes the site state wrong roots from here on.
    pub(crate) fn misstate(&mut self) {
        let (source, id) = ("ghsa".parse().unwrap(), "never-said".parse().unwrap());
        self.state.apply(&Claim::absent(&source, &id, january(0)), None);
    }

    /// Returns the state of the log over its live entries.
    pub(crate) fn state(&self) -> &LogState {
        &self.state
    }

    /// Frames of the live claims, by key.
    pub(crate) fn live_frames(&self) -> Vec<Vec<u8>> {
        self.live.values().map(Claim::encode).collect()
    }

    pub(crate) fn key(&self) -> &SigningKey {
        &self.key
    }

    /// Bodies that live claims name.
    pub(crate) fn live_bodies(&self) -> BTreeMap<ContentHash, Vec<u8>> {
        let hashes = self.live.values().filter_map(Claim::content);
        hashes
            .map(|(hash, _)| (hash, self.bodies[&hash].clone()))
            .collect()
    }
}

/// Returns two sites with two deltas each; the second has gone through a rotation between them.
pub(crate) fn two_sites() -> [Site; 2] {
    let mut a = Site::new("site-us-west-1", 1);
    a.say(
        0,
        &[
            Say::Set(
                "ghsa",
                "GHSA-aaaa-bbbb-cccc",
                r#"{"id":"GHSA-aaaa-bbbb-cccc","summary":"old"}"#,
            ),
            Say::Set("ghsa", "GHSA-dddd-eeee-ffff", r#"{"id":"GHSA-dddd-eeee-ffff"}"#),
            Say::Set(
                "pypa",
                "PYSEC-2021-1",
                r#"{"id":"PYSEC-2021-1","summary":"ünïcode ✓"}"#,
            ),
        ],
    );
    a.say(
        5_000,
        &[
            Say::Set(
                "ghsa",
                "GHSA-aaaa-bbbb-cccc",
                r#"{"id":"GHSA-aaaa-bbbb-cccc","summary":"new"}"#,
            ),
            Say::Absent("ghsa", "GHSA-dddd-eeee-ffff"),
        ],
    );
    let mut b = Site::new("site-eu-1", 11);
    b.say(
        1_000,
        &[Say::Set(
            "rustsec",
            "RUSTSEC-2024-0001",
            r#"{"id":"RUSTSEC-2024-0001"}"#,
        )],
    );
    b.rotate(13);
    b.say(
        9_000,
        &[
            Say::Set("rustsec", "RUSTSEC-2024-0002", r#"{"id":"RUSTSEC-2024-0002"}"#),
            Say::Delete("rustsec", "RUSTSEC-2024-0001"),
        ],
    );
    [a, b]
}

/// Exports everything of some sites, sealed by `exporter`: all deltas and all live bodies.
pub(crate) fn export(exporter: &Site, sites: &[&Site], sealed_at: UnixMillis) -> (Vec<u8>, BundleSummary) {
    let mut sites = sites.to_vec();
    sites.sort_by_key(|site| site.chain.site());
    let mut writer = BundleWriter::new(Memory::new(Vec::new()), WriterOptions::default()).unwrap();
    let mut bodies = BTreeMap::new();
    for site in &sites {
        for delta in &site.log {
            writer.push_delta(delta.as_bytes()).unwrap();
        }
        bodies.extend(site.live_bodies());
    }
    for (hash, body) in &bodies {
        writer.push_body(*hash, body).unwrap();
    }
    let chains: Vec<_> = sites.iter().map(|site| site.chain.clone()).collect();
    let heads: Vec<_> = sites.iter().map(|site| site.head()).collect();
    let request = SealRequest {
        exporter: &exporter.chain,
        key: exporter.key(),
        chains: &chains,
        heads: &heads,
        sealed_at,
        destination: None,
    };
    let mut out = Vec::new();
    let (summary, _) = writer.finish(&request, &mut out).unwrap();
    assert_eq!(summary.file_bytes, out.len() as u64);
    (out, summary)
}

/// Everything that a reader returned: two files mean the same if this is equal.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) seal: BundleSeal,
    pub(crate) manifest: BundleManifest,
    pub(crate) deltas: Vec<Vec<u8>>,
    pub(crate) bodies: Vec<(ContentHash, Vec<u8>)>,
}

pub(crate) fn read_with(bytes: &[u8], options: ReaderOptions) -> Result<Read, BundleError> {
    let mut reader = BundleReader::open(bytes, options)?;
    let (mut deltas, mut bodies) = (Vec::new(), Vec::new());
    while let Some(item) = reader.next_item()? {
        match item {
            BundleItem::Deltas(page) => {
                assert_eq!(page.len(), page.deltas().count());
                deltas.extend(page.deltas().map(<[u8]>::to_vec));
            }
            BundleItem::Bodies(page) => {
                assert_eq!(page.len(), page.bodies().count());
                bodies.extend(page.bodies().map(|(hash, body)| (hash, body.to_vec())));
            }
        }
    }
    assert_eq!(reader.offset(), reader.total_bytes());
    let (seal, manifest, _) = reader.into_parts();
    Ok(Read {
        seal,
        manifest,
        deltas,
        bodies,
    })
}

pub(crate) fn read(bytes: &[u8]) -> Result<Read, BundleError> {
    read_with(bytes, ReaderOptions::default())
}

pub(crate) fn read_unsealed(bytes: &[u8]) -> Result<Read, BundleError> {
    let options = ReaderOptions {
        seal: SealCheck::Skip,
        ..ReaderOptions::default()
    };
    read_with(bytes, options)
}
