#!/usr/bin/env python3
"""Verifies the files of a log, written from docs/formats/log.md alone.

It shares no code with the Rust crates, like verify.py beside it. Needs Python 3.10 and the package blake3.

    verify_log.py                 checks the golden log, and that no changed byte of it passes
    verify_log.py FOLDER          checks any log that is not damaged and says what is in it
"""

import pathlib
import struct
import sys

import blake3

MIB = 1024 * 1024
START = bytes(48)
SEGMENT, FRAME, GROUP, TIP = "log segment", "log frame", "log group", "log tip"


class Refused(Exception):
    """The bytes break a rule; the text says which."""


def must(holds, rule):
    if not holds:
        raise Refused(rule)


def short_hash(kind, data):
    return blake3.blake3(data, derive_key_context="starling 2026-11 v1 " + kind).digest()[:16]


class Position:
    def __init__(self, data):
        self.data = data
        self.group, self.segment, self.length, self.offset, self.sequence, self.hash = struct.unpack("<QIIQQ16s", data)
        possible = (
            1 <= self.group <= self.sequence < 2**63 - 1
            and self.segment >= 1
            and 125 <= self.length < self.offset < 2**32
        )
        must(data == START or possible, "a position")


class Frame:
    def __init__(self, data, at, journal, segment):
        must(len(data) - at >= 36, "the file ends in a frame's header")
        magic, self.kind, self.version, self.flags, length, self.sequence, stored = struct.unpack_from("<4sHBBIQ16s", data, at)
        must(magic == b"STLF", "the magic of a frame")
        must(self.flags <= 1, "flags of a frame")
        must(length <= 64 * MIB and length <= len(data) - at - 36, "length of a frame")
        self.end = at + 36 + length
        self.payload = data[at + 36 : self.end]
        bound = journal + struct.pack("<IQQHBBI", segment, at, self.sequence, self.kind, self.version, self.flags, length)
        self.hash = short_hash(FRAME, bound + self.payload)
        must(stored == self.hash, "hash of a frame")


class Group:
    def __init__(self, data, at, journal, segment, previous):
        own = Frame(data, at, journal, segment)
        must((own.kind, own.version, own.flags, len(own.payload)) == (0, 1, 1, 89), "a group's own frame")
        number, count, size, self.time, self.flags, content, before = struct.unpack("<QIIQB16s48s", own.payload)
        must(before == previous.data, "previous position of a group")
        must(number == previous.group + 1, "number of a group")
        must(own.sequence == previous.sequence + 1, "sequence number of a group's own frame")
        must(count <= 65_536 and size <= 256 * MIB, "limits of a group")
        must(self.time <= 253_402_300_799_999, "time of a group")
        must(size <= len(data) - own.end, "the file ends in a group")
        self.frames, end = [], own.end
        for index in range(count):
            frame = Frame(data, end, journal, segment)
            must(frame.kind != 0, "a group frame within a group")
            must(frame.sequence == own.sequence + 1 + index, "sequence number of a frame")
            self.frames.append(frame)
            end = frame.end
        must(end == own.end + size, "bytes of a group")
        must(content == short_hash(GROUP, b"".join(frame.hash for frame in self.frames)), "content of a group")
        last = own.sequence + count
        self.end = Position(struct.pack("<QIIQQ16s", number, segment, end - at, end, last, own.hash))


def segment_header(data, number, journal):
    must(len(data) >= 92, "the file ends in the segment's header")
    magic, version, reserved, own, segment, previous, stored = struct.unpack_from("<4sB3s16sI48s16s", data)
    must(magic == b"STLG" and version == 1 and reserved == bytes(3), "magic, version of a segment")
    must(journal in (None, own), "journal of a segment")
    must(segment == number, "number of a segment")
    must(stored == short_hash(SEGMENT, data[:76]), "hash of a segment's header")
    return own, previous


def verify_log(segments):
    """Reads the bytes of segments 1, 2 and so on. Returns the journal, the end and the groups."""
    position, journal, groups = Position(START), None, []
    for number, data in enumerate(segments, 1):
        journal, previous = segment_header(data, number, journal)
        must(previous == position.data, "previous position of a segment")
        at = 92
        while at < len(data):
            group = Group(data, at, journal, number, position)
            groups.append(group)
            position = group.end
            at = position.offset
    return journal, position, groups


def tip_slot(data, journal):
    if len(data) < 96:
        return None
    magic, version, reserved, generation, own, position, stored = struct.unpack_from("<4sB3sQ16s48s16s", data)
    if (magic, version, reserved, own) != (b"STLT", 1, bytes(3), journal) or stored != short_hash(TIP, data[:80]):
        return None
    return generation, position


def read_tip(data, journal):
    slots = [slot for slot in (tip_slot(data, journal), tip_slot(data[4096:], journal)) if slot]
    return max(slots)[1] if slots else None


def refuses(segments, wanted):
    for number, data in enumerate(segments):
        for at in range(len(data)):
            for bad in (data[:at] + bytes([data[at] ^ 1 << at % 8]) + data[at + 1 :], data[:at]):
                changed = [*segments[:number], bad, *segments[number + 1 :]]
                try:
                    journal, end, _ = verify_log(changed)
                except Refused:
                    continue
                # A file that ends between groups is valid; a later file, or the tip, shows the loss.
                assert len(bad) == at and end.data != wanted, f"byte {at} of segment {number + 1} is not covered"


def check_golden(folder):
    segments = [(folder / name).read_bytes() for name in ("log-1.golden", "log-2.golden")]
    tip = (folder / "log-tip.golden").read_bytes()
    journal, end, groups = verify_log(segments)
    assert journal == b"golden journal 1"
    assert [(group.time, group.flags) for group in groups] == [(1_736_937_000_001 + n, n % 2) for n in range(3)]
    frames = [[(f.kind, f.version, f.flags, f.payload) for f in group.frames] for group in groups]
    assert frames == [[(1, 1, 1, b"first")], [(2, 1, 1, b""), (258, 2, 0, b"may be skipped")], []]
    assert read_tip(tip, journal) == end.data
    refuses(segments, end.data)
    # Without the newest slot the older one is used.
    newest = 4096 if (tip_slot(tip[4096:], journal) or ()) > (tip_slot(tip, journal) or ()) else 0
    for at in range(96):
        bad = bytearray(tip)
        bad[newest + at] ^= 1 << at % 8
        assert read_tip(bytes(bad), journal) != end.data, f"byte {at} of the tip is not covered"
    print("golden log: it verifies, and no changed or shortened one does")


def main():
    if len(sys.argv) == 1:
        check_golden(pathlib.Path(__file__).resolve().parents[2] / "store" / "tests" / "golden")
        return
    folder = pathlib.Path(sys.argv[1])
    names = sorted(path.name for path in folder.glob("*.log"))
    assert names == [f"{number:010}.log" for number in range(1, len(names) + 1)], "segments are missing"
    try:
        journal, end, groups = verify_log([(folder / name).read_bytes() for name in names])
    except Refused as cause:
        sys.exit(f"{folder}: refused: {cause}")
    tip = folder / "tip"
    witness = Position(read_tip(tip.read_bytes(), journal) or START) if tip.exists() else None
    frames = sum(len(group.frames) for group in groups)
    print(f"journal {journal.hex()}: {len(names)} segments, {len(groups)} groups, {frames} frames")
    if witness and witness.group > end.group:
        sys.exit(f"the tip knows group {witness.group}, but the log ends with group {end.group}")


if __name__ == "__main__":
    main()
