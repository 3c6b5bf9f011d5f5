//! The damage that a disk does to files: bits, sectors, pages, tails, whole files.

use std::fs;
use std::path::{Path, PathBuf};

use fastrand::Rng;
use starling_tests::folders::files;

const SECTOR: usize = 512;
const PAGE: usize = 4096;
/// The number of other places to try if a change had no effect.
const TRIES: u32 = 40;

/// One kind of damage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bit,
    FourBytes,
    ZeroedSector,
    SwappedPages,
    StalePage,
    ForeignPage,
    CutTail,
    Deleted,
    Emptied,
    Older,
}

impl Kind {
    pub(crate) const ALL: [Kind; 10] = [
        Kind::Bit,
        Kind::FourBytes,
        Kind::ZeroedSector,
        Kind::SwappedPages,
        Kind::StalePage,
        Kind::ForeignPage,
        Kind::CutTail,
        Kind::Deleted,
        Kind::Emptied,
        Kind::Older,
    ];

    pub(crate) const fn name(self) -> &'static str {
        match self {
            Kind::Bit => "one bit flipped",
            Kind::FourBytes => "four bytes changed",
            Kind::ZeroedSector => "a sector zeroed",
            Kind::SwappedPages => "two pages swapped",
            Kind::StalePage => "a page over another",
            Kind::ForeignPage => "a page of another file",
            Kind::CutTail => "the tail cut",
            Kind::Deleted => "the file deleted",
            Kind::Emptied => "the file emptied",
            Kind::Older => "an older copy",
        }
    }
}

/// The damage done to a home.
#[derive(Debug)]
pub(crate) struct Damage {
    pub(crate) kind: Kind,
    /// The file, relative to the home.
    pub(crate) file: PathBuf,
    /// The place and the change, for the name of a failure.
    pub(crate) detail: String,
}

impl Damage {
    /// Damages one of `files` of `home`. Pages of other files come from `pristine`, older copies from `older`.
    /// Returns `None` if no file allows this kind.
    pub(crate) fn inflict(
        kind: Kind,
        rng: &mut Rng,
        home: &Path,
        files: &[PathBuf],
        pristine: &Path,
        older: &Path,
    ) -> Option<Damage> {
        for _ in 0..TRIES {
            let file = &files[rng.usize(..files.len())];
            let path = home.join(file);
            let before = fs::read(&path).expect("a file can be read");
            let detail = match kind {
                Kind::Deleted => {
                    fs::remove_file(&path).expect("a file can be deleted");
                    return Some(Damage::of(kind, file, format!("{} bytes", before.len())));
                }
                Kind::Older => {
                    let old = fs::read(older.join(file)).ok().filter(|old| *old != before);
                    let Some(old) = old else { continue };
                    fs::write(&path, &old).expect("a file can be written");
                    return Some(Damage::of(
                        kind,
                        file,
                        format!("{} for {} bytes", old.len(), before.len()),
                    ));
                }
                _ if before.is_empty() => continue,
                _ => {
                    let mut bytes = before.clone();
                    let mut others = rng.fork();
                    let foreign = || foreign_page(&mut others, pristine, file);
                    let detail = change(kind, rng, &mut bytes, foreign);
                    if bytes == before {
                        continue;
                    }
                    fs::write(&path, &bytes).expect("a file can be written");
                    detail
                }
            };
            return Some(Damage::of(kind, file, detail));
        }
        None
    }

    fn of(kind: Kind, file: &Path, detail: String) -> Damage {
        Damage {
            kind,
            file: file.to_owned(),
            detail,
        }
    }
}

/// Changes bytes in place, or cuts them. Places with only zeros are not chosen, because nothing is there.
fn change(kind: Kind, rng: &mut Rng, bytes: &mut Vec<u8>, foreign: impl FnOnce() -> Vec<u8>) -> String {
    let used: Vec<usize> = (0..bytes.len())
        .step_by(PAGE)
        .filter(|at| page(bytes, *at).iter().any(|byte| *byte != 0))
        .collect();
    let Some(at) = (!used.is_empty()).then(|| used[rng.usize(..used.len())]) else {
        return String::new();
    };
    let offset = at + rng.usize(..page(bytes, at).len());
    match kind {
        Kind::Bit => {
            let bit = rng.u32(..8);
            bytes[offset] ^= 1 << bit;
            format!("byte {offset}, bit {bit}")
        }
        Kind::FourBytes => {
            let until = bytes.len().min(offset + 4);
            for byte in &mut bytes[offset..until] {
                *byte ^= rng.u8(1..);
            }
            format!("bytes {offset} to {until}")
        }
        Kind::ZeroedSector => {
            let from = offset / SECTOR * SECTOR;
            let until = bytes.len().min(from + SECTOR);
            bytes[from..until].fill(0);
            format!("bytes {from} to {until}")
        }
        Kind::SwappedPages | Kind::StalePage => {
            let other = used[rng.usize(..used.len())];
            let [here, there] = [at, other].map(|at| page(bytes, at).to_vec());
            overwrite(bytes, at, &there);
            if kind == Kind::SwappedPages {
                overwrite(bytes, other, &here);
            }
            format!("page {} from page {}", at / PAGE, other / PAGE)
        }
        Kind::ForeignPage => {
            overwrite(bytes, at, &foreign());
            format!("page {}", at / PAGE)
        }
        Kind::CutTail => {
            // A little as often as any part: a crash tears the end of a log.
            let most = if rng.bool() {
                bytes.len()
            } else {
                bytes.len().min(PAGE)
            };
            let cut = rng.usize(1..=most);
            bytes.truncate(bytes.len() - cut);
            format!("{cut} bytes less")
        }
        Kind::Emptied => {
            bytes.clear();
            "0 bytes".to_owned()
        }
        Kind::Deleted | Kind::Older => unreachable!("done to the file as a whole"),
    }
}

fn page(bytes: &[u8], at: usize) -> &[u8] {
    &bytes[at..bytes.len().min(at + PAGE)]
}

/// Writes as much of `source` at `at` as the file has room for: its length stays.
fn overwrite(bytes: &mut [u8], at: usize, source: &[u8]) {
    let room = bytes.len().min(at + source.len());
    let length = room - at;
    bytes[at..room].copy_from_slice(&source[..length]);
}

/// Returns a page in use in another file, or an empty one if there is none.
fn foreign_page(rng: &mut Rng, home: &Path, not: &Path) -> Vec<u8> {
    let mut others = files(home, "");
    // A page of a few bytes would hardly damage anything.
    let whole = |file: &PathBuf| {
        home.join(file)
            .metadata()
            .is_ok_and(|metadata| metadata.len() >= PAGE as u64)
    };
    others.retain(|file| file != not && whole(file));
    if others.is_empty() {
        return Vec::new();
    }
    let bytes = fs::read(home.join(&others[rng.usize(..others.len())])).expect("a file can be read");
    let used: Vec<usize> = (0..bytes.len())
        .step_by(PAGE)
        .filter(|at| page(&bytes, *at).iter().any(|byte| *byte != 0))
        .collect();
    if used.is_empty() {
        return Vec::new();
    }
    page(&bytes, used[rng.usize(..used.len())]).to_vec()
}
