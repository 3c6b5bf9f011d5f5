//! The memory that decompressing a zstd frame needs (RFC 8878 §3.1.1.1).

use crate::limits::MAX_ZSTD_WINDOW_BYTES;

/// Bytes of a frame's magic number.
const MAGIC_BYTES: usize = 4;

/// Checks that every zstd tool accepts a zstd frame's window.
pub(crate) fn check_window(frame: &[u8]) -> Result<(), String> {
    match window_bytes(frame) {
        Some(found) if found <= MAX_ZSTD_WINDOW_BYTES => Ok(()),
        Some(found) => Err(format!(
            "the zstd frame needs a window of {found} bytes; the limit is {MAX_ZSTD_WINDOW_BYTES}"
        )),
        None => Err("it is not a whole zstd frame".to_owned()),
    }
}

/// Returns the window size that a frame's header states, or the content size if the frame is a single segment.
fn window_bytes(frame: &[u8]) -> Option<u64> {
    let (&descriptor, rest) = frame.get(MAGIC_BYTES..)?.split_first()?;
    let single_segment = descriptor & 0x20 != 0;
    if !single_segment {
        let &byte = rest.first()?;
        let base = 1_u64 << (10 + u32::from(byte >> 3));
        return Some(base + base / 8 * u64::from(byte & 7));
    }
    let dictionary_bytes = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let rest = rest.get(dictionary_bytes..)?;
    let little_endian = |count: usize| {
        let bytes = rest.get(..count)?.iter().rev();
        Some(bytes.fold(0_u64, |value, byte| value << 8 | u64::from(*byte)))
    };
    match descriptor >> 6 {
        0 => little_endian(1),
        1 => Some(little_endian(2)? + 256),
        2 => little_endian(4),
        _ => little_endian(8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn window_of_a_single_segment_is_its_content_size() {
        for size in [1, 255, 256, 300, 70_000, 2_000_000] {
            let frame = zstd::bulk::compress(&vec![7; size], 3).unwrap();
            assert!(window_bytes(&frame).unwrap() >= size as u64, "{size}");
            assert!(check_window(&frame).is_ok());
        }
    }

    #[test]
    fn window_past_the_limit_is_refused() {
        use zstd::zstd_safe::CParameter;
        let frame = |log| {
            let mut encoder = zstd::Encoder::new(Vec::new(), 3).unwrap();
            encoder.set_parameter(CParameter::WindowLog(log)).unwrap();
            std::io::Write::write_all(&mut encoder, b"{}\n").unwrap();
            encoder.finish().unwrap()
        };
        assert_eq!(window_bytes(&frame(27)), Some(1 << 27));
        assert!(check_window(&frame(27)).is_ok());
        assert!(check_window(&frame(28)).is_err());
        assert!(check_window(&frame(27)[..5]).is_err());
    }
}
