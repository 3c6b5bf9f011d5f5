//! Groups: appended at once, and present as a whole or not at all.

use starling_protocol::UnixMillis;

use super::error::{Flaw, LogError, LogLimit};
use super::frame::{
    Binding, FRAME_HEADER_BYTES, FRAME_MAGIC, Frame, FrameHeader, FrameKind, FramePlace, HASH_BYTES,
    MAX_PAYLOAD_BYTES, OwnedFrame, Reader, ShortHash, Writer, hash_under,
};
use super::position::{LogPosition, POSITION_BYTES};
use super::segment::Segment;

/// Most frames in a group, the group's own frame left out.
pub const MAX_GROUP_FRAMES: usize = 65_536;
/// Most bytes of a group after its own frame.
pub const MAX_GROUP_BYTES: u32 = 256 << 20;
/// The version of the group frame's payload.
pub const GROUP_VERSION: u8 = 1;

/// Bytes of the group frame's payload.
const GROUP_PAYLOAD_LENGTH: u32 = 89;
const GROUP_PAYLOAD_BYTES: usize = GROUP_PAYLOAD_LENGTH as usize;
/// Bytes of a group's own frame.
const GROUP_FRAME_LENGTH: u32 = 36 + GROUP_PAYLOAD_LENGTH;
pub(super) const GROUP_FRAME_BYTES: usize = GROUP_FRAME_LENGTH as usize;
const _: () = assert!(
    GROUP_PAYLOAD_BYTES == 8 + 4 + 4 + 8 + 1 + HASH_BYTES + POSITION_BYTES
        && GROUP_FRAME_BYTES == FRAME_HEADER_BYTES + GROUP_PAYLOAD_BYTES
);

/// Separates the hash over a group's frames from all other hashes.
const CONTENT_CONTEXT: &str = "starling 2026-11 v1 log group";

/// A group that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// The first group is 1.
    pub number: u64,
    /// The writer's clock.
    pub time: UnixMillis,
    /// The caller's flags.
    pub flags: u8,
    /// The position after the group.
    pub end: LogPosition,
    /// The frames in order, each with its place.
    pub frames: Vec<(FramePlace, OwnedFrame)>,
}

/// The content of a group's own frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct GroupHead {
    pub(super) number: u64,
    pub(super) frames: u32,
    pub(super) bytes: u32,
    pub(super) time: UnixMillis,
    pub(super) flags: u8,
    /// Over the hashes of the frames that follow.
    content: ShortHash,
    /// The end of the group before.
    pub(super) previous: LogPosition,
}

impl GroupHead {
    fn encode(&self) -> [u8; GROUP_PAYLOAD_BYTES] {
        let mut bytes = [0; GROUP_PAYLOAD_BYTES];
        let mut writer = Writer(&mut bytes);
        writer.put(&self.number.to_le_bytes());
        writer.put(&self.frames.to_le_bytes());
        writer.put(&self.bytes.to_le_bytes());
        writer.put(&self.time.as_millis().to_le_bytes());
        writer.put(&[self.flags]);
        writer.put(&self.content);
        writer.put(&self.previous.encode());
        bytes
    }

    fn decode(bytes: &[u8; GROUP_PAYLOAD_BYTES]) -> Result<Self, Flaw> {
        let mut reader = Reader(bytes);
        let head = Self {
            number: reader.u64(),
            frames: reader.u32(),
            bytes: reader.u32(),
            time: UnixMillis::new(reader.u64()).map_err(|_| Flaw::Group("time"))?,
            flags: reader.u8(),
            content: reader.take(),
            previous: LogPosition::decode(&reader.take::<POSITION_BYTES>())
                .ok_or(Flaw::Group("previous end"))?,
        };
        check_limit(head.frames.into(), MAX_GROUP_FRAMES as u64)?;
        check_limit(head.bytes.into(), MAX_GROUP_BYTES.into())?;
        if head.number != head.previous.group + 1 {
            return Err(Flaw::Group("number"));
        }
        if u64::from(head.frames) * FRAME_HEADER_BYTES as u64 > u64::from(head.bytes) {
            return Err(Flaw::Group("number of frames"));
        }
        Ok(head)
    }
}

fn check_limit(found: u64, limit: u64) -> Result<(), Flaw> {
    if found > limit {
        return Err(Flaw::TooLong { found, limit });
    }
    Ok(())
}

/// A group's own frame, verified.
#[derive(Clone, Copy, Debug)]
pub(super) struct VerifiedHead {
    pub(super) head: GroupHead,
    pub(super) hash: ShortHash,
}

/// Damage, and the offset of the frame that has it.
#[derive(Debug)]
pub(super) struct FlawAt {
    pub(super) offset: u64,
    pub(super) flaw: Flaw,
}

impl FlawAt {
    fn new(offset: u64, flaw: Flaw) -> Self {
        Self { offset, flaw }
    }
}

/// A group whose frames are all verified; the payloads are in `body`.
#[derive(Debug)]
pub(super) struct RawGroup {
    pub(super) head: GroupHead,
    pub(super) end: LogPosition,
    /// Each frame with the offset of its payload in `body`.
    frames: Vec<(FramePlace, FrameHeader, usize)>,
    body: Vec<u8>,
}

impl RawGroup {
    /// Returns the buffer, for the next group.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.body
    }

    /// Copies the frames out.
    pub(super) fn into_group(self) -> Group {
        let frames = self.frames.iter().map(|(place, header, start)| {
            let payload = self.body.get(*start..*start + place.length as usize);
            (*place, owned(header, payload.unwrap_or_default().to_vec()))
        });
        Group {
            number: self.head.number,
            time: self.head.time,
            flags: self.head.flags,
            end: self.end,
            frames: frames.collect(),
        }
    }
}

pub(super) fn owned(header: &FrameHeader, payload: Vec<u8>) -> OwnedFrame {
    OwnedFrame {
        kind: FrameKind(header.kind),
        version: header.version,
        critical: header.is_critical(),
        payload: payload.into(),
    }
}

/// Reads and verifies the group frame at an offset.
pub(super) fn read_head(segment: &Segment, offset: u64) -> Result<VerifiedHead, Flaw> {
    let mut bytes = [0; GROUP_FRAME_BYTES];
    segment.read(&mut bytes, offset)?;
    let mut reader = Reader(&bytes);
    let header = FrameHeader::decode(&reader.take())?;
    if header.kind != FrameKind::GROUP.0 {
        return Err(Flaw::Kind(header.kind));
    }
    let payload: [u8; GROUP_PAYLOAD_BYTES] = reader.take();
    if header.length as usize != payload.len() {
        // A later version may be longer, but then it cannot be verified here.
        return Err(Flaw::Group("length"));
    }
    header.verify(&payload, segment.binding(offset))?;
    if header.version != GROUP_VERSION {
        return Err(Flaw::Version(header.version));
    }
    let head = GroupHead::decode(&payload)?;
    let expected = head.previous.sequence + 1;
    if header.sequence != expected {
        return Err(Flaw::Sequence {
            expected,
            found: header.sequence,
        });
    }
    Ok(VerifiedHead {
        head,
        hash: header.hash,
    })
}

/// Reads the group at an offset and verifies every frame. `buffer` is reused for the bytes.
pub(super) fn read_group(segment: &Segment, offset: u64, buffer: Vec<u8>) -> Result<RawGroup, FlawAt> {
    let VerifiedHead { head, hash } = read_head(segment, offset).map_err(|flaw| FlawAt::new(offset, flaw))?;
    let start = offset + GROUP_FRAME_BYTES as u64;
    let left = segment.length.saturating_sub(start);
    if left < head.bytes.into() {
        let needed = head.bytes.into();
        return Err(FlawAt::new(start, Flaw::Cut { needed, left }));
    }
    if start + u64::from(head.bytes) > u32::MAX.into() {
        return Err(FlawAt::new(offset, Flaw::Group("offset")));
    }
    let mut body = buffer;
    body.resize(head.bytes as usize, 0);
    segment
        .read(&mut body, start)
        .map_err(|flaw| FlawAt::new(start, flaw))?;
    let mut frames = Vec::with_capacity(head.frames as usize);
    let mut hashes = Vec::with_capacity(head.frames as usize * HASH_BYTES);
    let mut sequence = head.previous.sequence + 1;
    let mut at = 0;
    for _ in 0..head.frames {
        sequence += 1;
        let place = start + at as u64;
        let (header, length) = verify_frame(&body[at..], sequence, segment.binding(place))
            .map_err(|flaw| FlawAt::new(place, flaw))?;
        hashes.extend_from_slice(&header.hash);
        let place = FramePlace {
            segment: segment.number,
            offset: u32::try_from(place).map_err(|_| FlawAt::new(place, Flaw::Group("offset")))?,
            length: header.length,
            sequence,
        };
        frames.push((place, header, at + FRAME_HEADER_BYTES));
        at += FRAME_HEADER_BYTES + length;
    }
    if at != body.len() {
        return Err(FlawAt::new(offset, Flaw::Group("size")));
    }
    if hash_under(CONTENT_CONTEXT, &hashes) != head.content {
        return Err(FlawAt::new(offset, Flaw::Group("content")));
    }
    let end = LogPosition {
        group: head.number,
        segment: segment.number,
        offset: start + u64::from(head.bytes),
        sequence,
        length: head.bytes + GROUP_FRAME_LENGTH,
        hash,
    };
    Ok(RawGroup {
        head,
        end,
        frames,
        body,
    })
}

/// Verifies the frame at the beginning of `bytes`; returns its header and the bytes of its payload.
fn verify_frame(bytes: &[u8], sequence: u64, binding: Binding) -> Result<(FrameHeader, usize), Flaw> {
    let cut = |needed: usize| Flaw::Cut {
        needed: needed as u64,
        left: bytes.len() as u64,
    };
    let (header, rest) = bytes.split_first_chunk().ok_or(cut(FRAME_HEADER_BYTES))?;
    let header = FrameHeader::decode(header)?;
    let length = header.length as usize;
    let payload = rest.get(..length).ok_or(cut(FRAME_HEADER_BYTES + length))?;
    header.verify(payload, binding)?;
    if header.kind == FrameKind::GROUP.0 {
        return Err(Flaw::Kind(header.kind));
    }
    if header.sequence != sequence {
        return Err(Flaw::Sequence {
            expected: sequence,
            found: header.sequence,
        });
    }
    Ok((header, length))
}

/// Bytes at which every group of this version begins.
pub(super) fn group_prefix() -> [u8; 12] {
    let mut prefix = [0; 12];
    let mut writer = Writer(&mut prefix);
    writer.put(&FRAME_MAGIC);
    writer.put(&FrameKind::GROUP.0.to_le_bytes());
    writer.put(&[GROUP_VERSION, 1]);
    writer.put(&GROUP_PAYLOAD_LENGTH.to_le_bytes());
    prefix
}

/// A group as one run of bytes, for the place that it was encoded for.
pub(super) struct EncodedGroup {
    pub(super) bytes: Vec<u8>,
    pub(super) places: Vec<FramePlace>,
    pub(super) end: LogPosition,
}

/// Returns the size in bytes of a group after its own frame.
///
/// # Errors
/// If a limit is exceeded or a frame has the log's own kind.
pub(super) fn measure(frames: &[Frame<'_>]) -> Result<u32, LogError> {
    let too_large = |what, found: usize, limit: u64| LogError::TooLarge {
        what,
        found: found as u64,
        limit,
    };
    if frames.len() > MAX_GROUP_FRAMES {
        return Err(too_large(LogLimit::Frames, frames.len(), MAX_GROUP_FRAMES as u64));
    }
    let mut total = 0_usize;
    for frame in frames {
        if frame.kind == FrameKind::GROUP {
            return Err(LogError::ReservedKind);
        }
        if frame.payload.len() > MAX_PAYLOAD_BYTES as usize {
            let limit = MAX_PAYLOAD_BYTES.into();
            return Err(too_large(LogLimit::Payload, frame.payload.len(), limit));
        }
        total = total.saturating_add(FRAME_HEADER_BYTES + frame.payload.len());
    }
    match u32::try_from(total) {
        Ok(bytes) if bytes <= MAX_GROUP_BYTES => Ok(bytes),
        _ => Err(too_large(LogLimit::Group, total, MAX_GROUP_BYTES.into())),
    }
}

/// Encodes a group for one place in the log. `bytes` is the result of [`measure`].
pub(super) fn encode(
    frames: &[Frame<'_>],
    bytes: u32,
    (time, flags): (UnixMillis, u8),
    previous: LogPosition,
    binding: Binding,
) -> EncodedGroup {
    let length = bytes + GROUP_FRAME_LENGTH;
    let mut out = Vec::with_capacity(length as usize);
    out.resize(GROUP_FRAME_BYTES, 0);
    let mut hashes = Vec::with_capacity(frames.len() * HASH_BYTES);
    let mut places = Vec::with_capacity(frames.len());
    let mut sequence = previous.sequence + 1;
    for frame in frames {
        sequence += 1;
        let offset = binding.offset + out.len() as u64;
        // Both fit: the limits were checked when the group was measured.
        let payload = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
        let header = FrameHeader::seal(frame, payload, sequence, Binding { offset, ..binding });
        out.extend_from_slice(&header.encode());
        out.extend_from_slice(&frame.payload);
        hashes.extend_from_slice(&header.hash);
        places.push(FramePlace {
            segment: binding.segment,
            offset: u32::try_from(offset).unwrap_or(u32::MAX),
            length: payload,
            sequence,
        });
    }
    let head = GroupHead {
        number: previous.group + 1,
        frames: u32::try_from(frames.len()).unwrap_or(u32::MAX),
        bytes,
        time,
        flags,
        content: hash_under(CONTENT_CONTEXT, &hashes),
        previous,
    };
    let payload = head.encode();
    let own = Frame {
        version: GROUP_VERSION,
        ..Frame::new(FrameKind::GROUP, &payload)
    };
    let header = FrameHeader::seal(&own, GROUP_PAYLOAD_LENGTH, previous.sequence + 1, binding);
    out[..FRAME_HEADER_BYTES].copy_from_slice(&header.encode());
    out[FRAME_HEADER_BYTES..GROUP_FRAME_BYTES].copy_from_slice(&payload);
    EncodedGroup {
        bytes: out,
        places,
        end: LogPosition {
            group: head.number,
            segment: binding.segment,
            offset: binding.offset + u64::from(length),
            sequence,
            length,
            hash: header.hash,
        },
    }
}
