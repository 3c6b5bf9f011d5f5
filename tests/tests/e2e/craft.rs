//! Handmade authors and bundles: content that our programs would not write.

use std::collections::BTreeMap;
use std::io::Cursor as Memory;
use std::path::{Path, PathBuf};

use starling_protocol::bundle::{BundleItem, ReaderOptions, SealRequest, WriterOptions};
use starling_protocol::{
    BundleReader, BundleWriter, CertificateChain, Claim, ClaimKey, ClaimNumber, ContentHash, Delta,
    DeltaBuilder, DeltaHash, DeltaPlace, Head, Lane, LaneResume, LogState, LogTip, Reason, SigningKey,
    SiteId, Source, SourceCheck, UnixMillis, VerifiedDelta, VerifiedHead,
};
use starling_tests::Site;

/// Returns 2025-01-15T10:30:00.000Z plus some milliseconds.
pub(crate) fn january(plus_millis: u64) -> UnixMillis {
    UnixMillis::saturating(1_736_937_000_000 + plus_millis)
}

/// A site that exists in memory only, and writes its log as the test says.
#[derive(Clone)]
pub(crate) struct Author {
    root: SigningKey,
    pub(crate) key: SigningKey,
    pub(crate) chain: CertificateChain,
    pub(crate) log: Vec<VerifiedDelta>,
    pub(crate) bodies: BTreeMap<ContentHash, Vec<u8>>,
    live: BTreeMap<ClaimKey, Claim>,
    state: LogState,
    tip: LogTip,
    /// The times of the source checks in its heads, and the heads' lifetime.
    pub(crate) checks: Vec<(Source, UnixMillis)>,
    pub(crate) head_expires: UnixMillis,
}

impl Author {
    pub(crate) fn new(slug: &str, seed: u8) -> Self {
        let root = SigningKey::from_seed(&[seed; 32]);
        let key = SigningKey::from_seed(&[seed.wrapping_add(1); 32]);
        Self {
            chain: CertificateChain::genesis(slug.parse().unwrap(), &root, &key, january(0)),
            root,
            key,
            log: Vec::new(),
            bodies: BTreeMap::new(),
            live: BTreeMap::new(),
            state: LogState::default(),
            tip: LogTip::default(),
            checks: Vec::new(),
            head_expires: UnixMillis::saturating(4_000_000_000_000),
        }
    }

    pub(crate) fn site(&self) -> SiteId {
        self.chain.site()
    }

    /// Begins the next epoch with the key of `seed`, at the log's end or after one of its deltas.
    pub(crate) fn begin_epoch(&mut self, seed: u8, resume: Option<&VerifiedDelta>, reason: Reason) {
        let (number, header) = match resume {
            Some(delta) => (delta.header().last(), delta.hash()),
            None => (self.tip.cursor.number, self.tip.header),
        };
        let lane = Lane::Federation;
        let lanes = vec![LaneResume { lane, number, header }];
        let next = SigningKey::from_seed(&[seed; 32]);
        let lanes = if number == ClaimNumber::NONE {
            Vec::new()
        } else {
            lanes
        };
        let chain = self
            .chain
            .next_epoch(&self.root, &next, lanes, reason, january(60_000));
        (self.chain, self.key) = (chain.unwrap(), next);
    }

    /// States that a record of ghsa has this text.
    pub(crate) fn set(&mut self, id: &str, text: &str) -> VerifiedDelta {
        let package = id.to_lowercase();
        let body = format!(
            r#"{{"affected":[{{"package":{{"ecosystem":"npm","name":"{package}"}},"versions":["1.0.0"]}}],"id":"{id}","summary":"{text}"}}"#
        );
        self.set_body("ghsa", id, body.as_bytes())
    }

    /// States that a record has these bytes.
    pub(crate) fn set_body(&mut self, source: &str, id: &str, body: &[u8]) -> VerifiedDelta {
        let hash = ContentHash::of(body);
        self.bodies.insert(hash, body.to_vec());
        let size = u32::try_from(body.len()).unwrap();
        let time = self.next_time();
        self.say(vec![Claim::set(
            &source.parse().unwrap(),
            &id.parse().unwrap(),
            hash,
            size,
            time,
        )])
    }

    fn next_time(&self) -> UnixMillis {
        january(1_000 * (self.log.len() as u64 + 1))
    }

    pub(crate) fn say(&mut self, claims: Vec<Claim>) -> VerifiedDelta {
        let time = self.next_time();
        self.say_at(claims, time)
    }

    pub(crate) fn say_at(&mut self, claims: Vec<Claim>, time: UnixMillis) -> VerifiedDelta {
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
            site: self.site(),
            epoch: self.chain.epoch(),
            lane: Lane::Federation,
            first: self.tip.next(),
            previous: self.tip.header,
            time,
        };
        let delta = builder.finish(place, self.state.live(), self.state.root(), 3, &self.key);
        let delta = delta.unwrap();
        self.tip = LogTip {
            cursor: delta.header().cursor(),
            header: delta.hash(),
            epoch: delta.header().epoch,
        };
        self.log.push(delta.clone());
        delta
    }

    /// Returns the head at the log's end.
    pub(crate) fn head(&self) -> VerifiedHead {
        self.head_with(|_| {})
    }

    /// Returns the head at the log's end with a change.
    pub(crate) fn head_with(&self, change: impl FnOnce(&mut Head)) -> VerifiedHead {
        let checks = self.checks.iter().map(|(source, checked_at)| SourceCheck {
            source: source.clone(),
            checked_at: *checked_at,
        });
        let mut head = Head {
            site: self.site(),
            epoch: self.chain.epoch(),
            lane: Lane::Federation,
            time: self.tip.cursor.time,
            number: self.tip.cursor.number,
            header: self.tip.header,
            live_entries: self.state.live(),
            state_root: self.state.root(),
            issued_at: january(120_000 + self.log.len() as u64),
            expires_at: self.head_expires,
            checks: checks.collect(),
        };
        change(&mut head);
        assert_eq!(head.number == ClaimNumber::NONE, head.header == DeltaHash::ZERO);
        head.sign(&self.key)
    }

    fn live_bodies(&self) -> BTreeMap<ContentHash, Vec<u8>> {
        let hashes = self.live.values().filter_map(Claim::content);
        let known = hashes.filter_map(|(hash, _)| Some((hash, self.bodies.get(&hash)?.clone())));
        known.collect()
    }
}

/// The content of a bundle.
#[derive(Default)]
pub(crate) struct Pack {
    deltas: Vec<Vec<u8>>,
    bodies: BTreeMap<ContentHash, Vec<u8>>,
    chains: Vec<CertificateChain>,
    heads: Vec<VerifiedHead>,
    pub(crate) scope: Option<Vec<Source>>,
    pub(crate) destination: Option<SiteId>,
    pub(crate) sealed_at: Option<UnixMillis>,
}

impl Pack {
    /// Returns everything that an author wrote from a delta on, its live bodies, its chain and its head.
    pub(crate) fn of(author: &Author, from: usize) -> Self {
        Self::default().with(author, from)
    }

    /// Returns the content of a real site's bundle without its bodies.
    pub(crate) fn read(path: &Path) -> Self {
        let file = std::fs::File::open(path).unwrap();
        let mut reader = BundleReader::open(file, ReaderOptions::default()).unwrap();
        let mut pack = Self::default();
        while let Some(item) = reader.next_item().unwrap() {
            if let BundleItem::Deltas(page) = item {
                pack.deltas.extend(page.deltas().map(<[u8]>::to_vec));
            }
        }
        pack.chains.extend(reader.seal().chains().cloned());
        pack.heads.extend(reader.seal().heads().iter().cloned());
        pack
    }

    /// Removes the deltas: chains and heads are left.
    pub(crate) fn without_deltas(mut self) -> Self {
        self.deltas.clear();
        self
    }

    /// Returns the same of one more author.
    pub(crate) fn with(mut self, author: &Author, from: usize) -> Self {
        let deltas = author.log.iter().skip(from);
        self.deltas.extend(deltas.map(|delta| delta.as_bytes().to_vec()));
        self.bodies.extend(author.live_bodies());
        self.chains.push(author.chain.clone());
        self.heads.push(author.head());
        self
    }

    /// Adds only an author's chain.
    pub(crate) fn with_chain(mut self, author: &Author) -> Self {
        self.chains.push(author.chain.clone());
        self
    }

    pub(crate) fn with_head(mut self, head: VerifiedHead) -> Self {
        self.heads.retain(|other| other.head().site != head.head().site);
        self.heads.push(head);
        self
    }

    pub(crate) fn without_heads(mut self) -> Self {
        self.heads.clear();
        self
    }

    pub(crate) fn without_bodies(mut self) -> Self {
        self.bodies.clear();
        self
    }

    pub(crate) fn with_body(mut self, body: &[u8]) -> Self {
        self.bodies.insert(ContentHash::of(body), body.to_vec());
        self
    }

    /// Writes it with a seal of `exporter`.
    pub(crate) fn write(mut self, exporter: &Author, folder: &Path, name: &str) -> PathBuf {
        self.deltas.sort_by_key(|delta| {
            let header = *Delta::decode(delta).unwrap().header();
            (header.site, header.first)
        });
        self.chains.retain(|chain| chain.site() != exporter.site());
        self.chains.sort_by_key(CertificateChain::site);
        self.heads.sort_by_key(|head| head.head().site);
        let options = WriterOptions {
            scope: self.scope.clone(),
            ..WriterOptions::default()
        };
        let mut writer = BundleWriter::new(Memory::new(Vec::new()), options).unwrap();
        for delta in &self.deltas {
            writer.push_delta(delta).unwrap();
        }
        for (hash, body) in &self.bodies {
            writer.push_body(*hash, body).unwrap();
        }
        let request = SealRequest {
            exporter: &exporter.chain,
            key: &exporter.key,
            chains: &self.chains,
            heads: &self.heads,
            sealed_at: self.sealed_at.unwrap_or_else(|| january(200_000)),
            destination: self.destination,
        };
        let mut bytes = Vec::new();
        writer.finish(&request, &mut bytes).unwrap();
        let path = folder.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

/// Lets a site list crafted ones.
pub(crate) fn list(reader: &Site, authors: &[&Author]) {
    for author in authors {
        let bytes: String = author
            .chain
            .to_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let (slug, key) = (
            author.chain.slug().to_string(),
            format!("starling-site-v1:{bytes}"),
        );
        let args = ["sites", "add", &slug, "--key", &key, "--allowed-sources", "*"];
        reader.json_call(args).expect(0);
    }
}
