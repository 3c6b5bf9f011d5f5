use std::io::Write;

use tempfile::NamedTempFile;

use super::*;

const BLOCKS: u64 = 200;
const BLOCK: u64 = BLOCK_BYTES as u64;

fn random(bytes: &mut [u8]) -> io::Result<()> {
    getrandom::fill(bytes).map_err(|error| io::Error::other(error.to_string()))
}

fn open(file: &NamedTempFile) -> io::Result<BlockFile> {
    BlockFile::open(file.path(), &random)
}

fn contents(number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while bytes.len() < BLOCK_BYTES {
        bytes
            .extend_from_slice(blake3::hash(&(number * 1_000 + bytes.len() as u64).to_le_bytes()).as_bytes());
    }
    bytes
}

/// Returns a file of blocks that follow from their numbers.
fn filled() -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    let blocks = open(&file).unwrap();
    blocks.set_len(BLOCKS * BLOCK).unwrap();
    let all: Vec<u8> = (0..BLOCKS).flat_map(contents).collect();
    blocks.write(0, &all).unwrap();
    blocks.sync_data().unwrap();
    file
}

fn read(blocks: &BlockFile, offset: u64, bytes: usize) -> io::Result<Vec<u8>> {
    let mut out = vec![0; bytes];
    blocks.read(offset, &mut out)?;
    Ok(out)
}

/// Asserts that every block reads as it was written or fails.
fn assert_no_wrong_block(blocks: &BlockFile) -> Vec<u64> {
    let mut failed = Vec::new();
    for number in 0..BLOCKS {
        match read(blocks, number * BLOCK, BLOCK_BYTES) {
            Ok(found) => assert!(found == contents(number), "block {number}"),
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
                failed.push(number);
            }
        }
    }
    failed
}

#[test]
fn ranges_of_any_alignment_read_back() {
    let file = filled();
    let blocks = open(&file).unwrap();
    let mut expected: Vec<u8> = (0..BLOCKS).flat_map(contents).collect();
    assert_eq!(blocks.len().unwrap(), expected.len() as u64);
    for (offset, bytes) in [
        (0, 320),
        (100, 1),
        (4_000, 200),
        (4_096, 4_096),
        (4_095, 4_098),
        (0, 3 * 4_096),
        (8_191, 70 * 4_096 + 2),
        (5 * 4_096, 100 * 4_096),
        (7, 0),
    ] {
        let at = usize::try_from(offset).unwrap();
        assert!(
            read(&blocks, offset, bytes).unwrap() == expected[at..at + bytes],
            "{offset} {bytes}"
        );
        expected[at..at + bytes].fill(7);
        blocks.write(offset, &expected[at..at + bytes]).unwrap();
        assert!(
            read(&blocks, 0, expected.len()).unwrap() == expected,
            "{offset} {bytes}"
        );
    }
    drop(blocks);
    assert!(read(&open(&file).unwrap(), 0, expected.len()).unwrap() == expected);
}

#[test]
fn reads_beyond_the_end_fail_and_lengths_map_both_ways() {
    let file = filled();
    let blocks = open(&file).unwrap();
    assert!(read(&blocks, BLOCKS * BLOCK, 1).is_err());
    assert!(read(&blocks, BLOCKS * BLOCK - 1, 2).is_err());
    assert!(read(&blocks, u64::MAX - 5, 2).is_err());
    for len in [0, 1, 2, 77, 0] {
        blocks.set_len(len * BLOCK).unwrap();
        assert_eq!(blocks.len().unwrap(), len * BLOCK);
    }
    assert!(blocks.set_len(100).is_err());
}

#[test]
fn blocks_that_were_never_written_fail_except_the_first() {
    let file = NamedTempFile::new().unwrap();
    let blocks = open(&file).unwrap();
    blocks.set_len(3 * BLOCK).unwrap();
    assert_eq!(read(&blocks, 0, 320).unwrap(), [0; 320]);
    assert!(read(&blocks, BLOCK, BLOCK_BYTES).is_err());
    // A part of a block can be written, as redb does with its first.
    blocks.write(2 * BLOCK + 5, b"part").unwrap();
    assert_eq!(read(&blocks, 2 * BLOCK + 4, 6).unwrap(), b"\0part\0");
}

#[test]
fn flipped_bits_fail_the_block_that_they_hit() {
    let file = filled();
    let size = file.as_file().metadata().unwrap().len();
    for place in (REST..size).step_by(9_973) {
        let mut byte = [0];
        file.as_file().read_exact_at(&mut byte, place).unwrap();
        file.as_file().write_all_at(&[byte[0] ^ 0x20], place).unwrap();
        let failed = assert_no_wrong_block(&open(&file).unwrap());
        assert_eq!(failed, [1 + (place - REST) / STRIDE as u64], "at {place}");
        file.as_file().write_all_at(&byte, place).unwrap();
    }
}

#[test]
fn damaged_sectors_fail_their_blocks() {
    let (file, other) = (filled(), filled());
    let sector = |of: &NamedTempFile, place| {
        let mut bytes = [0; 512];
        of.as_file().read_exact_at(&mut bytes, place).unwrap();
        bytes
    };
    let size = file.as_file().metadata().unwrap().len() / 512 * 512;
    for place in (HEAD_BYTES as u64..size - 512).step_by(512 * 113) {
        let sound = sector(&file, place);
        let elsewhere = (place + 512 * 400) % size;
        for bytes in [[0; 512], sector(&file, elsewhere), sector(&other, elsewhere)] {
            file.as_file().write_all_at(&bytes, place).unwrap();
            match open(&file) {
                Ok(blocks) => {
                    let failed = assert_no_wrong_block(&blocks);
                    assert!(place < REST || !failed.is_empty(), "at {place}");
                }
                Err(error) => assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}"),
            }
            file.as_file().write_all_at(&sound, place).unwrap();
        }
    }
    assert!(assert_no_wrong_block(&open(&file).unwrap()).is_empty());
}

#[test]
fn whole_blocks_of_another_place_or_file_fail() {
    let (file, other) = (filled(), filled());
    let blocks = open(&file).unwrap();
    let stored = |of: &NamedTempFile, number| {
        let mut bytes = vec![0; STRIDE];
        of.as_file()
            .read_exact_at(&mut bytes, block_offset(number).unwrap())
            .unwrap();
        bytes
    };
    let sound = stored(&file, 50);
    for bytes in [stored(&file, 51), stored(&other, 50), vec![0; STRIDE]] {
        file.as_file()
            .write_all_at(&bytes, block_offset(50).unwrap())
            .unwrap();
        assert_eq!(assert_no_wrong_block(&blocks), [50]);
    }
    assert!(blocks.damage().unwrap().contains("block 50"));
    file.as_file()
        .write_all_at(&sound, block_offset(50).unwrap())
        .unwrap();
}

#[test]
fn torn_write_of_the_first_block_leaves_the_synced_one() {
    let file = filled();
    for torn_bytes in [1, 511, 512, 4_096, FIRST_USED_BYTES - 1] {
        let before = read(&open(&file).unwrap(), 0, BLOCK_BYTES).unwrap();
        let copies = |file: &NamedTempFile| {
            let mut both = vec![0; 2 * FIRST_BYTES];
            file.as_file()
                .read_exact_at(&mut both, HEAD_BYTES as u64)
                .unwrap();
            both
        };
        let old = copies(&file);
        let blocks = open(&file).unwrap();
        // Two writes without a sync between them go to one copy.
        blocks.write(0, &contents(9_998)).unwrap();
        blocks.write(0, &contents(9_999)).unwrap();
        drop(blocks);
        let new = copies(&file);
        let changed = if old[..FIRST_BYTES] == new[..FIRST_BYTES] {
            FIRST_BYTES
        } else {
            0
        };
        assert_eq!(
            old[FIRST_BYTES - changed..][..FIRST_BYTES],
            new[FIRST_BYTES - changed..][..FIRST_BYTES]
        );
        let mut torn = old.clone();
        torn[changed..changed + torn_bytes].copy_from_slice(&new[changed..changed + torn_bytes]);
        file.as_file().write_all_at(&torn, HEAD_BYTES as u64).unwrap();
        assert!(
            read(&open(&file).unwrap(), 0, BLOCK_BYTES).unwrap() == before,
            "{torn_bytes}"
        );
        file.as_file().write_all_at(&new, HEAD_BYTES as u64).unwrap();
        assert!(read(&open(&file).unwrap(), 0, BLOCK_BYTES).unwrap() == contents(9_999));
    }
}

#[test]
fn file_of_another_kind_is_refused_and_left_alone() {
    let mut file = NamedTempFile::new().unwrap();
    for text in [&b"short"[..], &[7; 10_000]] {
        file.as_file().set_len(0).unwrap();
        file.write_all(text).unwrap();
        let before = std::fs::read(file.path()).unwrap();
        open(&file).unwrap_err();
        assert_eq!(std::fs::read(file.path()).unwrap(), before);
    }
    let file = filled();
    for place in [0, 17, 22, 40, 3_000, HEAD_BYTES as u64 - 1] {
        let mut byte = [0];
        file.as_file().read_exact_at(&mut byte, place).unwrap();
        file.as_file().write_all_at(&[byte[0] ^ 1], place).unwrap();
        assert_eq!(
            open(&file).unwrap_err().kind(),
            ErrorKind::InvalidData,
            "at {place}"
        );
        file.as_file().write_all_at(&byte, place).unwrap();
    }
    open(&file).unwrap();
}

#[test]
fn file_cut_within_a_block_is_damage() {
    let file = filled();
    let size = file.as_file().metadata().unwrap().len();
    for cut in [1, 16, 17, 4_096] {
        file.as_file().set_len(size - cut).unwrap();
        assert!(open(&file).unwrap().len().is_err(), "{cut}");
    }
}
