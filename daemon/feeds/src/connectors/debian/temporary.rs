//! The ids of vulnerabilities that have none yet: the tracker makes them of the entry's first bug and a digest of its
//! description, until a CVE record takes their place.

/// Returns the id that the tracker gives an entry: `TEMP-0000000-556898`.
pub(super) fn id(description: &str, bug: Option<&str>) -> String {
    let [first, second, third, ..] = digest(description.as_bytes()).to_le_bytes();
    format!(
        "TEMP-{:0>7}-{first:02X}{second:02X}{third:02X}",
        bug.unwrap_or("0")
    )
}

/// Returns the number of the first bug in the brackets of an entry's lines: `- rocket <unfixed> (low; bug #1234)`. The
/// brackets of some words hold a comment.
pub(super) fn bug_of<'a>(lines: &[&'a str]) -> Option<&'a str> {
    let comments = [
        "<not-affected>",
        "<end-of-life>",
        "<no-dsa>",
        "<ignored>",
        "<postponed>",
    ];
    let is_note = |line: &&&str| {
        (line.starts_with("- ") || line.starts_with('[')) && !comments.iter().any(|word| line.contains(word))
    };
    lines.iter().filter(is_note).find_map(|line| {
        let (_, bracket) = line.split_once('(')?;
        let notes = bracket.trim_end().trim_end_matches(')').split(';');
        let mut bugs = notes.filter_map(|note| note.trim().strip_prefix("bug #"));
        bugs.find(|bug| !bug.is_empty() && bug.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// The rotations of MD5, for each round the four of its steps.
const ROTATIONS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];

/// The constants of MD5's steps.
const CONSTANTS: [u32; 64] = [
    0xd76a_a478,
    0xe8c7_b756,
    0x2420_70db,
    0xc1bd_ceee,
    0xf57c_0faf,
    0x4787_c62a,
    0xa830_4613,
    0xfd46_9501,
    0x6980_98d8,
    0x8b44_f7af,
    0xffff_5bb1,
    0x895c_d7be,
    0x6b90_1122,
    0xfd98_7193,
    0xa679_438e,
    0x49b4_0821,
    0xf61e_2562,
    0xc040_b340,
    0x265e_5a51,
    0xe9b6_c7aa,
    0xd62f_105d,
    0x0244_1453,
    0xd8a1_e681,
    0xe7d3_fbc8,
    0x21e1_cde6,
    0xc337_07d6,
    0xf4d5_0d87,
    0x455a_14ed,
    0xa9e3_e905,
    0xfcef_a3f8,
    0x676f_02d9,
    0x8d2a_4c8a,
    0xfffa_3942,
    0x8771_f681,
    0x6d9d_6122,
    0xfde5_380c,
    0xa4be_ea44,
    0x4bde_cfa9,
    0xf6bb_4b60,
    0xbebf_bc70,
    0x289b_7ec6,
    0xeaa1_27fa,
    0xd4ef_3085,
    0x0488_1d05,
    0xd9d4_d039,
    0xe6db_99e5,
    0x1fa2_7cf8,
    0xc4ac_5665,
    0xf429_2244,
    0x432a_ff97,
    0xab94_23a7,
    0xfc93_a039,
    0x655b_59c3,
    0x8f0c_cc92,
    0xffef_f47d,
    0x8584_5dd1,
    0x6fa8_7e4f,
    0xfe2c_e6e0,
    0xa301_4314,
    0x4e08_11a1,
    0xf753_7e82,
    0xbd3a_f235,
    0x2ad7_d2bb,
    0xeb86_d391,
];

/// Returns the first four bytes of a text's MD5, as a little-endian number. It protects nothing here.
fn digest(text: &[u8]) -> u32 {
    let bits = u64::try_from(text.len()).unwrap_or_default().wrapping_mul(8);
    let mut padded = text.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend(bits.to_le_bytes());
    let mut state = [0x6745_2301_u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let words: Vec<u32> = block
            .chunks_exact(4)
            .map(|bytes| {
                bytes
                    .iter()
                    .rev()
                    .fold(0, |word, byte| (word << 8) | u32::from(*byte))
            })
            .collect();
        let [mut a, mut b, mut c, mut d] = state;
        for (step, constant) in CONSTANTS.iter().enumerate() {
            let (mixed, word) = match step / 16 {
                0 => ((b & c) | (!b & d), step),
                1 => ((d & b) | (!d & c), (5 * step + 1) % 16),
                2 => (b ^ c ^ d, (3 * step + 5) % 16),
                _ => (c ^ (b | !d), (7 * step) % 16),
            };
            let word = words.get(word).copied().unwrap_or_default();
            let rotation = ROTATIONS
                .get(step / 16)
                .and_then(|round| round.get(step % 4))
                .copied()
                .unwrap_or_default();
            let sum = a.wrapping_add(mixed).wrapping_add(*constant).wrapping_add(word);
            (a, d, c, b) = (d, c, b, b.wrapping_add(sum.rotate_left(rotation)));
        }
        for (part, added) in state.iter_mut().zip([a, b, c, d]) {
            *part = part.wrapping_add(added);
        }
    }
    let [first, ..] = state;
    first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_are_those_of_md5() {
        for (text, expected) in [
            ("", "D41D8C"),
            ("abc", "900150"),
            (
                "12345678901234567890123456789012345678901234567890123456789012345678901234567890",
                "57EDF4",
            ),
        ] {
            assert_eq!(id(text, None), format!("TEMP-0000000-{expected}"), "{text}");
        }
        assert_eq!(id("abc", Some("42")), "TEMP-0000042-900150");
        assert_eq!(id("abc", Some("12345678")), "TEMP-12345678-900150");
    }

    #[test]
    fn first_bug_of_the_lines_is_found() {
        let lines = [
            "[bookworm] - p <no-dsa> (bug #1)",
            "NOTE: (bug #2)",
            "- p <unfixed> (low)",
            "- q 1.2 (low; bug #3; bug #4)",
        ];
        assert_eq!(bug_of(&lines), Some("3"));
        assert_eq!(bug_of(&["- p <unfixed>"]), None);
    }
}
