//! The row of one record: everything about it that identity needs, so that no body is read twice.

use starling_protocol::{ContentHash, varint};

use super::Reader;
use super::id::{read_id, write_id};
use super::package::{read_package, write_package};
use crate::package::PackageId;
use crate::vulnerability::VulnerabilityId;

/// The layout version, in the high half of a record row's first byte. Flags are added to it.
const VERSION: u8 = 8;
/// The CVE that the record is made from, after its aliases.
const WITH_UPSTREAM: u8 = 1;
/// Flag: authors disagree and nobody has decided. The other applicable contents follow the first.
const UNRESOLVED: u8 = 2;
/// Flag: ids that lead to the record without naming it follow the CVE from which it is derived.
const WITH_RELATED: u8 = 4;
/// Flag in the low half, beside the state: products follow the packages.
const WITH_PRODUCTS: u8 = 8;

/// The state of a record in the view.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum RecordState {
    Live,
    Withdrawn,
    Absent,
    Unresolved,
    BodyMissing,
    BodyUnreadable,
}

/// A record as the view keeps it.
///
/// Only live and withdrawn records have aliases and packages; they have at least one package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordRow {
    pub(crate) state: RecordState,
    /// The chosen content; `None` if the state has none.
    pub(crate) content: Option<ContentHash>,
    /// True if authors disagree and nobody has decided.
    pub(crate) is_disagreed: bool,
    /// Other applicable contents, sorted, if authors disagree.
    pub(crate) others: Vec<ContentHash>,
    /// The followed aliases, sorted, without the record's own id.
    pub(crate) aliases: Vec<VulnerabilityId>,
    /// The one CVE from which the record states that it is derived, unless it is an alias: searches by it find
    /// the record.
    pub(crate) upstream: Option<VulnerabilityId>,
    /// Ids that lead to the record without naming it, sorted: the CVEs from which it is derived if there are
    /// several, and aliases that only some of its authors give.
    pub(crate) related: Vec<VulnerabilityId>,
    /// The packages, sorted by their encoded bytes.
    pub(crate) packages: Vec<PackageId>,
    /// The products that it names by CPE, sorted, as `part:vendor:product`.
    pub(crate) products: Vec<String>,
}

impl RecordState {
    const ALL: [Self; 6] = [
        Self::Live,
        Self::Withdrawn,
        Self::Absent,
        Self::Unresolved,
        Self::BodyMissing,
        Self::BodyUnreadable,
    ];

    /// Returns true if the record feeds advisories.
    pub(crate) const fn contributes(self) -> bool {
        matches!(self, Self::Live | Self::Withdrawn)
    }

    const fn has_content(self) -> bool {
        !matches!(self, Self::Absent | Self::Unresolved)
    }
}

impl RecordRow {
    /// Returns every content that counts.
    pub(crate) fn contents(&self) -> impl Iterator<Item = ContentHash> + '_ {
        self.content.into_iter().chain(self.others.iter().copied())
    }

    /// Returns true if authors disagree about it and nobody has decided.
    pub(crate) fn is_unresolved(&self) -> bool {
        self.state == RecordState::Unresolved || self.is_disagreed
    }

    /// Returns a record without a statement, for the reason that its state gives.
    pub(crate) const fn silent(state: RecordState, content: Option<ContentHash>) -> Self {
        Self {
            state,
            content,
            is_disagreed: false,
            others: Vec::new(),
            aliases: Vec::new(),
            upstream: None,
            related: Vec::new(),
            packages: Vec::new(),
            products: Vec::new(),
        }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        let parts = [
            (self.upstream.is_some(), WITH_UPSTREAM),
            (self.is_disagreed, UNRESOLVED),
            (!self.related.is_empty(), WITH_RELATED),
        ];
        let has = parts.iter().filter(|(is_there, _)| *is_there);
        let version = has.fold(VERSION, |version, (_, part)| version | part);
        let has_products = self.state.contributes() && !self.products.is_empty();
        let with_products = if has_products { WITH_PRODUCTS } else { 0 };
        out.push(version << 4 | with_products | self.state as u8);
        if let Some(content) = &self.content {
            out.extend_from_slice(content.as_bytes());
        }
        if self.is_disagreed {
            varint::put(&mut out, self.others.len() as u64);
            out.extend(self.others.iter().flat_map(ContentHash::as_bytes));
        }
        if !self.state.contributes() {
            return out;
        }
        varint::put(&mut out, self.aliases.len() as u64);
        for alias in &self.aliases {
            write_id(&mut out, alias.as_str());
        }
        if let Some(upstream) = &self.upstream {
            write_id(&mut out, upstream.as_str());
        }
        if !self.related.is_empty() {
            varint::put(&mut out, self.related.len() as u64);
            self.related.iter().for_each(|id| write_id(&mut out, id.as_str()));
        }
        varint::put(&mut out, self.packages.len() as u64);
        // Neighbouring names are similar: each states how much of the previous one it repeats.
        let mut before = Vec::new();
        for package in &self.packages {
            let mut bytes = Vec::new();
            write_package(&mut bytes, package);
            let shared = before.iter().zip(&bytes).take_while(|(a, b)| a == b).count();
            varint::put(&mut out, shared as u64);
            varint::put(&mut out, (bytes.len() - shared) as u64);
            out.extend_from_slice(&bytes[shared..]);
            before = bytes;
        }
        if has_products {
            write_products(&mut out, &self.products);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let head = reader.byte()?;
        let state = *RecordState::ALL.get(usize::from(head & 0x07))?;
        let has_products = head & WITH_PRODUCTS != 0;
        let version = head >> 4;
        if version & VERSION == 0 {
            return None;
        }
        let has = |part: u8| version & part != 0;
        let content = if state.has_content() {
            Some(ContentHash::from_bytes(reader.array()?))
        } else {
            None
        };
        let mut row = Self::silent(state, content);
        row.is_disagreed = has(UNRESOLVED);
        if row.is_disagreed {
            for _ in 0..reader.count()? {
                row.others.push(ContentHash::from_bytes(reader.array()?));
            }
        }
        if has_products && !state.contributes() {
            return None;
        }
        if state.contributes() {
            for _ in 0..reader.count()? {
                row.aliases
                    .push(VulnerabilityId::from_normalised(read_id(&mut reader)?));
            }
            if has(WITH_UPSTREAM) {
                row.upstream = Some(VulnerabilityId::from_normalised(read_id(&mut reader)?));
            }
            if has(WITH_RELATED) {
                for _ in 0..reader.count()? {
                    row.related
                        .push(VulnerabilityId::from_normalised(read_id(&mut reader)?));
                }
            }
            let mut before: Vec<u8> = Vec::new();
            for _ in 0..reader.count()? {
                let shared = usize::try_from(reader.number()?).ok()?;
                if shared > before.len() {
                    return None;
                }
                let own = usize::try_from(reader.number()?).ok()?;
                before.truncate(shared);
                before.extend_from_slice(reader.bytes(own)?);
                let mut package = Reader::new(&before);
                row.packages.push(read_package(&mut package)?);
                if !package.is_at_end() {
                    return None;
                }
            }
            if has_products {
                row.products = read_products(&mut reader)?;
            }
        }
        reader.is_at_end().then_some(row)
    }
}

/// Writes sorted names: each states how many bytes of the previous one it repeats.
fn write_products(out: &mut Vec<u8>, products: &[String]) {
    varint::put(out, products.len() as u64);
    let mut before: &[u8] = &[];
    for product in products {
        let bytes = product.as_bytes();
        let shared = before.iter().zip(bytes).take_while(|(a, b)| a == b).count();
        varint::put(out, shared as u64);
        varint::put(out, (bytes.len() - shared) as u64);
        out.extend_from_slice(&bytes[shared..]);
        before = bytes;
    }
}

fn read_products(reader: &mut Reader<'_>) -> Option<Vec<String>> {
    let mut products: Vec<String> = Vec::new();
    let mut before: Vec<u8> = Vec::new();
    for _ in 0..reader.count()? {
        let shared = usize::try_from(reader.number()?).ok()?;
        if shared > before.len() {
            return None;
        }
        let own = usize::try_from(reader.number()?).ok()?;
        before.truncate(shared);
        before.extend_from_slice(reader.bytes(own)?);
        let product = std::str::from_utf8(&before).ok()?;
        if products.last().is_some_and(|last| last.as_str() >= product) {
            return None;
        }
        products.push(product.to_owned());
    }
    (!products.is_empty()).then_some(products)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn row(packages: &[(&str, &str)]) -> RecordRow {
        RecordRow {
            state: RecordState::Live,
            content: Some(ContentHash::of(b"x")),
            is_disagreed: false,
            others: Vec::new(),
            aliases: vec![VulnerabilityId::of("CVE-2021-1234").unwrap()],
            upstream: VulnerabilityId::of("CVE-2021-1235"),
            related: Vec::new(),
            packages: packages
                .iter()
                .map(|(ecosystem, name)| PackageId::Package {
                    ecosystem: (*ecosystem).into(),
                    name: (*name).into(),
                })
                .collect(),
            products: Vec::new(),
        }
    }

    #[test]
    fn rows_read_back() {
        let live = row(&[
            ("AlmaLinux:8", "kernel"),
            ("AlmaLinux:8", "kernel-debug"),
            ("npm", "express"),
        ]);
        assert_eq!(RecordRow::decode(&live.encode()), Some(live.clone()));
        let with_products = RecordRow {
            products: vec![
                "a:acme:rocket".into(),
                "a:acme:rockets".into(),
                "o:acme:os".into(),
            ],
            ..live.clone()
        };
        assert_eq!(RecordRow::decode(&with_products.encode()), Some(with_products));
        for upstream in [None, VulnerabilityId::of("CVE-2021-1235")] {
            for others in [Vec::new(), vec![ContentHash::of(b"y"), ContentHash::of(b"z")]] {
                let unresolved = RecordRow {
                    is_disagreed: true,
                    others,
                    upstream: upstream.clone(),
                    related: Vec::from_iter(VulnerabilityId::of("CVE-2021-1236")),
                    ..live.clone()
                };
                assert_eq!(RecordRow::decode(&unresolved.encode()), Some(unresolved));
            }
        }
        for state in RecordState::ALL.into_iter().filter(|state| !state.contributes()) {
            let silent = RecordRow::silent(state, state.has_content().then(|| ContentHash::of(b"y")));
            assert_eq!(RecordRow::decode(&silent.encode()), Some(silent));
        }
    }

    #[test]
    fn neighbouring_package_names_share_their_start() {
        let names: Vec<String> = (0..100).map(|n| format!("kernel-modules-extra-{n:02}")).collect();
        let packages: Vec<(&str, &str)> = names.iter().map(|name| ("AlmaLinux:8", name.as_str())).collect();
        assert!(row(&packages).encode().len() < 100 * 9);
    }

    proptest! {
        #[test]
        fn damaged_rows_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..80), flip in 0usize..80) {
            let _ = RecordRow::decode(&bytes);
            bytes = row(&[("npm", "a"), ("npm", "ab")]).encode();
            let place = flip % bytes.len();
            bytes[place] ^= 1 << (flip % 8);
            let _ = RecordRow::decode(&bytes);
        }
    }
}
