#!/usr/bin/env python3
"""Verifies Starling's signed objects, written from docs/formats/ alone.

It shares no code with the Rust crates, so that the documents are proven complete: what they leave out,
this script cannot know. Needs Python 3.10 and the packages blake3, pynacl and zstandard.

    verify.py                     checks the golden files, and that no changed byte of them passes
    verify.py --bundle FILE       checks any bundle and says what is in it
    verify.py --pack FILE         checks a pack, a file of record bodies
"""

import argparse
import decimal
import json
import pathlib
import struct
import sys
import unicodedata

import blake3
import nacl.exceptions
import nacl.signing
import zstandard

KIB, MIB = 1024, 1024 * 1024
MAX_TIME = 253_402_300_799_999
MAX_NUMBER = 2**63 - 1
MAX_WINDOW = 128 * MIB
FEDERATION, DIRECT = 0, 1


class Refused(Exception):
    """The bytes break a rule; the text says which."""


def must(holds, rule):
    if not holds:
        raise Refused(rule)


# --- README.md: bytes, numbers, names, hashes, signatures --------------------------------------------


class Reader:
    """Reads values from the front of some bytes. Everything that it accepts is canonical."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        must(count <= len(self.data) - self.at, "the bytes end too early")
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken

    def rest(self):
        return self.take(len(self.data) - self.at)

    def done(self):
        return self.at == len(self.data)

    def finish(self):
        must(self.done(), "bytes follow the end")

    def magic(self, magic, versions=(1,)):
        must(self.take(4) == magic, f"the magic is not {magic!r}")
        version = self.u8()
        must(version in versions, f"the version is not one of {versions}")
        return version

    def u8(self):
        return self.take(1)[0]

    def u32(self, limit=2**32 - 1):
        (value,) = struct.unpack("<I", self.take(4))
        must(value <= limit, "a length is over its limit")
        return value

    def varint(self, limit=2**64 - 1):
        value = 0
        for index in range(10):
            byte = self.u8()
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                must(byte != 0 or index == 0, "a varint is not the shortest")
                must(value <= limit, "a varint is over its limit")
                return value
        raise Refused("a varint has more than ten bytes")

    def varint32(self):
        return self.varint(2**32 - 1)

    def time(self):
        return self.varint(MAX_TIME)

    def number(self):
        return self.varint(MAX_NUMBER)

    def hash(self):
        return self.take(32)

    def lane(self):
        lane = self.u8()
        must(lane in (FEDERATION, DIRECT), "an unknown lane")
        return lane

    def bytes(self):
        return self.take(self.varint())

    def text(self):
        return utf8(self.bytes())

    def option(self, read):
        some = self.u8()
        must(some in (0, 1), "an option is neither 00 nor 01")
        return read() if some else None

    def list(self, read):
        return [read() for _ in range(self.varint(len(self.data)))]

    def enum(self, variants):
        variant = self.varint32()
        must(variant < variants, "an unknown variant")
        return variant


def put_varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def utf8(data):
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as cause:
        raise Refused("a text is not UTF-8") from cause


def is_slug(text):
    first, rest = "abcdefghijklmnopqrstuvwxyz0123456789", "._-"
    return 1 <= len(text) <= 64 and text[0] in first and all(c in first + rest for c in text)


def is_record_id(text):
    return 1 <= len(text.encode()) <= 256 and not any(unicodedata.category(c) == "Cc" for c in text)


def derive(context, data, length=32):
    hasher = blake3.blake3(data, derive_key_context=f"starling 2026-11 v1 {context}")
    return hasher.digest(length=length)


def show(digest):
    return "blake3:" + digest.hex()


def check_signature(key, context, signed, signature):
    try:
        nacl.signing.VerifyKey(key).verify(derive(context, signed), signature)
    except (nacl.exceptions.BadSignatureError, ValueError) as cause:
        raise Refused(f"the {context} does not hold") from cause


# --- README.md: records ------------------------------------------------------------------------------


def is_canonical(body):
    """Returns true if the bytes are one JSON document in canonical form: writing it again gives the same bytes."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=members,
            parse_int=lambda literal: Literal("0" if literal == "-0" else literal),
            parse_float=fraction,
            parse_constant=refuse_constant,
        )
        return written(value, 0).encode("utf-8") == body
    except (ValueError, RecursionError, Refused):
        return False


class Literal(str):
    """A number in its written form."""


def members(pairs):
    must(len({key for key, _ in pairs}) == len(pairs), "a key is repeated")
    return dict(pairs)


def refuse_constant(_):
    raise Refused("not a JSON number")


def fraction(literal):
    """A literal with a fraction or an exponent: the shortest decimal that reads back, if it has the same value."""
    double = float(literal)
    must(double - double == 0, "the number is too large for a double")
    shortest = decimal.Decimal(repr(double))
    must(decimal.Decimal(literal) == shortest, "no double has this value")
    if shortest == 0:
        return Literal("0")
    sign, digits, exponent = shortest.as_tuple()
    text = "".join(map(str, digits)).rstrip("0")
    point = len(digits) + exponent
    if len(text) <= point <= 21:
        text += "0" * (point - len(text))
    elif 0 < point <= 21:
        text = text[:point] + "." + text[point:]
    elif -6 < point <= 0:
        text = "0." + "0" * -point + text
    else:
        text = text[0] + ("." + text[1:] if len(text) > 1 else "") + f"e{point - 1:+d}"
    return Literal("-" * sign + text)


def written(value, depth):
    """Returns the canonical text of a value inside `depth` others."""
    if isinstance(value, Literal):
        return str(value)
    if isinstance(value, str):
        return json.encoder.encode_basestring(value)
    if isinstance(value, list):
        must(depth < 64, "nested too deep")
        return "[" + ",".join(written(item, depth + 1) for item in value) + "]"
    if isinstance(value, dict):
        must(depth < 64, "nested too deep")
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(written(key, 0) + ":" + written(value[key], depth + 1) for key in keys) + "}"
    return {None: "null", True: "true", False: "false"}[value]


# --- certificate.md ----------------------------------------------------------------------------------


class Certificate:
    def __init__(self, data):
        reader = Reader(data)
        reader.magic(b"STCT")
        self.signed = reader.take(reader.u32(2 * KIB))
        root, operating = reader.take(64), reader.take(64)
        reader.finish()

        fields = Reader(self.signed)
        self.site = fields.option(fields.hash)
        self.epoch = fields.varint32()
        self.slug = fields.text()
        must(is_slug(self.slug), "the slug breaks its rule")
        self.root_key = fields.take(32)
        self.operating_key = fields.take(32)
        self.issued_at = fields.time()
        self.lanes = fields.list(lambda: (fields.lane(), fields.number(), fields.hash()))
        self.previous = fields.option(fields.hash)
        self.reason = fields.enum(5)
        fields.finish()

        check_signature(self.root_key, "certificate root signature", self.signed, root)
        check_signature(self.operating_key, "certificate operating signature", self.signed, operating)
        lanes = [lane for lane, _, _ in self.lanes]
        must(lanes == sorted(set(lanes)), "lanes are out of order or repeated")
        self.hash = derive("certificate hash", self.signed)

    def resume(self, lane):
        for named, number, header in self.lanes:
            if named == lane:
                return number, header
        return 0, bytes(32)


class Chain:
    def __init__(self, blob):
        reader = Reader(blob)
        count = reader.u32(1024)
        must(count >= 1, "a chain has at least one certificate")
        self.certificates = []
        for _ in range(count):
            self.certificates.append(Certificate(reader.take(reader.u32(2 * KIB + 137))))
        reader.finish()

        genesis = self.certificates[0]
        must(
            genesis.site is None
            and genesis.epoch == 0
            and not genesis.lanes
            and genesis.previous is None
            and genesis.reason == 0,
            "the first certificate is not a genesis",
        )
        self.site = derive("site id", genesis.signed)
        for before, this in zip(self.certificates, self.certificates[1:]):
            must(
                this.site == self.site
                and this.root_key == before.root_key
                and this.epoch == before.epoch + 1
                and this.previous == before.hash
                and this.reason != 0,
                "a certificate does not follow the one before it",
            )

    def epoch(self, epoch):
        must(epoch < len(self.certificates), "no certificate of this epoch")
        return self.certificates[epoch]

    def newest(self):
        return self.certificates[-1]

    def closes(self, epoch, lane):
        """Returns the end of the epoch's part of the lane, if later certificates closed it: the least that any names."""
        later = self.certificates[epoch + 1 :]
        return min((certificate.resume(lane)[0] for certificate in later), default=None)


# --- delta.md ----------------------------------------------------------------------------------------


class Header:
    def __init__(self, data):
        self.data = data
        fields = Reader(data)
        self.site = fields.hash()
        self.epoch = fields.varint32()
        self.lane = fields.lane()
        self.first = fields.number()
        self.count = fields.varint32()
        self.previous = fields.hash()
        self.time = fields.time()
        self.claims_hash = fields.hash()
        self.claims_stored_size = fields.varint32()
        self.claims_size = fields.varint32()
        self.bodies_size = fields.varint()
        self.live_entries = fields.varint()
        self.state_root = fields.hash()
        fields.finish()
        must(self.first >= 1, "claims are counted from 1")
        must(1 <= self.count <= 1024, "the number of claims")
        must(self.claims_stored_size <= 4 * MIB + 64 * KIB, "the claims block is too large")
        must(self.claims_size <= 4 * MIB, "the unpacked claims block is too large")
        must(self.bodies_size <= 16 * MIB, "the bodies are too large")
        self.last = self.first + self.count - 1
        must(self.last <= MAX_NUMBER, "the last claim's number is too large")
        self.hash = derive("delta hash", data)

    def verify(self, signature, chain):
        must(self.site == chain.site, "the delta is of another site")
        certificate = chain.epoch(self.epoch)
        check_signature(certificate.operating_key, "delta signature", self.data, signature)
        must(self.first > certificate.resume(self.lane)[0], "the claims lie before their epoch")
        end = chain.closes(self.epoch, self.lane)
        must(end is None or self.last <= end, "the claims lie past the end of their epoch")


class Claim:
    def __init__(self, frame):
        self.frame = frame
        fields = Reader(frame)
        self.kind = fields.varint(65_535)
        flags = fields.u8()
        must(flags < 8, "an unknown flag")
        self.critical, has_content, self.tombstone = flags & 1, flags & 2, bool(flags & 4)
        length = fields.varint(322)
        must(length >= 1, "a key has at least one byte")
        self.key = fields.take(length)
        self.content = self.size = None
        if has_content:
            self.content = fields.hash()
            self.size = fields.varint(8 * MIB)
        self.time = fields.time()
        self.payload = fields.rest()

        self.source = record_source(self.key)
        if self.kind in (1, 2, 3, 4):
            must(not self.critical, "a known kind is not critical")
            must(self.tombstone == (self.kind == 3), "a delete is a tombstone, and nothing else is")
            must(bool(has_content) == (self.kind == 1), "a set has content, and nothing else has")
            must(self.kind == 4 or not self.payload, "only a document change has a payload")
            must(self.kind not in (1, 2) or self.source is not None, "the key is not that of a record")
            must(self.kind != 4 or is_document(self.key), "the key is not that of a document change")


class Offer:
    """The offer to fetch a source that a claim of kind 6 makes. One that is refused is a good claim and no offer."""

    def __init__(self, claim):
        must(claim.kind == 6, "not an offer")
        must(not claim.critical and not claim.tombstone and claim.content is None, "an offer has no flags")
        source, separator, rest = claim.key[1:].partition(b"\0")
        must(claim.key[:1] == b"o" and separator and not rest and is_slug(utf8(source)), "the key is not that of an offer")
        self.source = source.decode()
        fields = Reader(claim.payload)
        must(fields.u8() == 1, "another version of offers")
        flags = fields.u8()
        must(flags < 4, "an unknown flag of an offer")
        self.offered, self.healthy = bool(flags & 1), bool(flags & 2)
        self.every = fields.varint(2**64 - 1)
        must(self.every >= 1, "an offer without a schedule")
        self.input = fields.hash()
        self.rests_on = [(fields.hash(), fields.varint(2**64 - 1)) for _ in range(fields.varint(1_024))]
        sites = [site for site, _ in self.rests_on]
        must(sites == sorted(set(sites)), "the order of an offer's authors")
        must(not fields.rest(), "something follows an offer")


def offer_input(*texts):
    hasher = blake3.blake3(derive_key_context="starling 2026-11 v1 feed offer input")
    for text in texts:
        data = text.encode()
        hasher.update(struct.pack("<Q", len(data)) + data)
    return hasher.digest()


def record_source(key):
    """The source of a record key; none for any other key."""
    source, separator, record = key[1:].partition(b"\0")
    if key[:1] != b"r" or not separator:
        return None
    try:
        return source.decode() if is_slug(utf8(source)) and is_record_id(utf8(record)) else None
    except Refused:
        return None


def is_document(key):
    name, separator, change = key[1:].partition(b"\0")
    try:
        return key[:1] == b"d" and bool(separator) and 1 <= len(utf8(name).encode()) <= 64 and len(change) == 32
    except Refused:
        return False


def unpack(frame, size, states_size=False):
    """Decompresses one zstd frame to exactly `size` bytes, with nothing before it and nothing after it."""
    must(frame[:4] == bytes.fromhex("28b52ffd"), "not a zstd frame")
    try:
        stated = zstandard.get_frame_parameters(frame)
    except zstandard.ZstdError as cause:
        raise Refused("not a whole zstd frame") from cause
    must(stated.dict_id == 0, "the frame needs a dictionary")
    must(stated.window_size <= MAX_WINDOW, "the frame needs too large a window")
    must(not states_size or zstandard.frame_content_size(frame) == size, "the content size that the frame states")
    unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW).decompressobj()
    try:
        # The golden files are small; a verifier of foreign files feeds the frame in pieces and stops at `size`.
        data = unpacker.decompress(frame)
    except zstandard.ZstdError as cause:
        raise Refused("the zstd frame is damaged") from cause
    must(unpacker.eof and not unpacker.unused_data, "not exactly one zstd frame")
    must(len(data) == size, "the frame decompresses to another size")
    return data


class Delta:
    def __init__(self, data):
        reader = Reader(data)
        self.read(reader)
        reader.finish()

    @classmethod
    def several(cls, data):
        reader, deltas = Reader(data), []
        while not reader.done():
            delta = cls.__new__(cls)
            delta.read(reader)
            deltas.append(delta)
        return deltas

    def read(self, reader):
        reader.magic(b"STDL")
        header_length, claims_length = reader.u32(512), reader.u32(4 * MIB + 64 * KIB)
        self.header = Header(reader.take(header_length))
        must(self.header.claims_stored_size == claims_length, "two sizes of the claims block")
        self.signature = reader.take(64)
        self.block = reader.take(claims_length)

    def verify(self, chain):
        self.header.verify(self.signature, chain)
        self.open()

    def open(self):
        header = self.header
        must(derive("claims block", self.block) == header.claims_hash, "another claims block")
        reader = Reader(unpack(self.block, header.claims_size))
        claims = [Claim(reader.take(reader.varint(64 * KIB))) for _ in range(header.count)]
        reader.finish()
        must(len({claim.key for claim in claims}) == header.count, "a key is repeated")
        must(sum(claim.size or 0 for claim in claims) == header.bodies_size, "the bodies' sizes")
        self.claims = claims


class Log:
    """A log from its beginning, or from a position before which nothing is known: tip, live entries, states."""

    def __init__(self, chain, number=0, header=bytes(32)):
        self.chain = chain
        self.number, self.hash, self.epoch, self.time = number, header, 0, 0
        self.live, self.states = {}, {}
        self.whole, self.begun = number == 0, False

    def apply(self, delta):
        header = delta.header
        if not self.whole and not self.begun:
            resume = self.chain.epoch(header.epoch).resume(header.lane)
            must(resume[0] != header.first - 1 or resume[1] == header.previous, "the epoch does not resume here")
            self.epoch = header.epoch
        self.begun = True
        must(header.last > self.number, "a replay")
        must(header.first <= self.number + 1, "a gap")
        must(header.first > self.number and header.previous == self.hash, "another branch")
        must(header.epoch >= self.epoch, "an older epoch")
        if header.epoch > self.epoch:
            resume = self.chain.epoch(header.epoch).resume(header.lane)
            must(resume == (self.number, self.hash), "the epoch does not resume here")
        must(header.time >= self.time, "an earlier time")
        for claim in delta.claims:
            state = self.states.setdefault(claim.source or "", [0] * 1024)
            prior = self.live.pop(claim.key, None)
            if prior is not None:
                change(state, prior.frame, -1)
            if not claim.tombstone:
                self.live[claim.key] = claim
                change(state, claim.frame, 1)
        self.number, self.hash = header.last, header.hash
        self.epoch, self.time = header.epoch, header.time
        if not self.whole:
            return
        must(len(self.states) <= 256, "the log has too many sources")
        must(len(self.live) == header.live_entries, "the number of live entries is wrong")
        must(state_root(self.state()) == header.state_root, "the state root is wrong")

    def state(self):
        return [sum(counters) % 2**16 for counters in zip(*self.states.values())]


# --- state-root.md -----------------------------------------------------------------------------------


def change(state, frame, sign):
    numbers = struct.unpack("<1024H", derive("lthash element", frame, 2048))
    for index, number in enumerate(numbers):
        state[index] = (state[index] + sign * number) % 2**16


def state_root(state):
    return derive("state root", struct.pack("<1024H", *state))


def knowledge_root(entries):
    """`entries`: (site, lane, source, state)."""
    data = b""
    for site, lane, source, state in sorted(entries, key=lambda e: (e[0], e[1], e[2].encode())):
        if any(state):
            data += site + bytes([lane]) + struct.pack("<I", len(source)) + source.encode()
            data += state_root(state)
    return derive("knowledge root", data)


# --- head.md -----------------------------------------------------------------------------------------


class Head:
    def __init__(self, data):
        reader = Reader(data)
        reader.magic(b"STHD")
        self.signed = reader.take(reader.u32(16 * KIB))
        self.signature = reader.take(64)
        reader.finish()
        fields = Reader(self.signed)
        self.site = fields.hash()
        self.epoch = fields.varint32()
        self.lane = fields.lane()
        self.time = fields.time()
        self.number = fields.number()
        self.header = fields.hash()
        self.live_entries = fields.varint()
        self.state_root = fields.hash()
        self.issued_at = fields.time()
        self.expires_at = fields.time()
        self.checks = fields.list(lambda: (fields.text(), fields.time()))
        fields.finish()
        sources = [source for source, _ in self.checks]
        must(len(sources) <= 256 and sources == sorted(set(sources)), "the checks' order")
        must(all(map(is_slug, sources)), "a check's source")
        must((self.number == 0) == (self.header == bytes(32)), "an empty log has no header")

    def verify(self, chain):
        must(self.site == chain.site, "the head is of another site")
        check_signature(chain.epoch(self.epoch).operating_key, "head signature", self.signed, self.signature)
        end = chain.closes(self.epoch, self.lane)
        must(end is None or self.number <= end, "the head lies past the end of its epoch")

    def agree(self, header):
        """Checks the head against a delta of its log."""
        if header.first <= self.number <= header.last:
            must(self.number == header.last, "the head names a claim inside a delta")
            must(self.header == header.hash, "the head names another delta: a fork")
            must(self.epoch >= header.epoch, "the head is of an older epoch than its delta")
            must(self.time == header.time, "the head states another time")
            state = (header.live_entries, header.state_root)
            must((self.live_entries, self.state_root) == state, "the head states another state")


# --- fork.md -----------------------------------------------------------------------------------------


def verify_fork(data, chain):
    reader = Reader(data)
    version = reader.magic(b"STFK", (1, 2))
    headers = []
    for _ in range(2):
        header = Header(reader.take(reader.u32(512)))
        header.verify(reader.take(64), chain)
        headers.append(header)
    reader.finish()
    one, other = headers
    must(one.lane == other.lane and one.epoch == other.epoch, "not the same log and epoch")
    overlap = one.first <= other.last and other.first <= one.last
    if version == 1:
        must(overlap, "the numbers do not overlap")
    else:
        early, late = (one, other) if one.first < other.first else (other, one)
        must(not overlap and late.first == early.last + 1, "the numbers do not adjoin")
        must(late.previous != early.hash, "the later one follows the earlier one")
    must(one.hash < other.hash, "the headers are equal or out of order")
    return headers


# --- bundle.md ---------------------------------------------------------------------------------------

SEAL, MANIFEST, DELTAS = 0x184D2A51, 0x184D2A52, 0x184D2A53


def skippable(reader, magic, limit):
    must(reader.u32() == magic, "another frame was expected here")
    return reader.take(reader.u32(limit))


class Seal:
    def __init__(self, content):
        reader = Reader(content)
        reader.magic(b"STSL")
        signed = reader.take(reader.u32(16 * MIB))
        signature = reader.take(64)
        reader.finish()
        fields = Reader(signed)
        self.manifest = fields.hash()
        exporter = fields.bytes()
        self.epoch = fields.varint32()
        self.sealed_at = fields.time()
        self.destination = fields.option(fields.hash)
        chains = fields.list(fields.bytes)
        heads = fields.list(fields.bytes)
        fields.finish()
        must(all([exporter, *chains, *heads]), "an empty byte string")

        self.exporter = Chain(exporter)
        newest = self.exporter.newest()
        must(self.epoch == newest.epoch, "the epoch is not the chain's newest")
        check_signature(newest.operating_key, "bundle seal signature", signed, signature)
        others = [Chain(blob) for blob in chains]
        sites = [chain.site for chain in others]
        must(sites == sorted(set(sites)) and self.exporter.site not in sites, "the chains' order")
        self.chains = {chain.site: chain for chain in [self.exporter, *others]}
        self.heads = [Head(data) for data in heads]
        for head in self.heads:
            must(head.site in self.chains, "a head without a chain")
            head.verify(self.chains[head.site])
        logs = [(head.site, head.lane) for head in self.heads]
        must(logs == sorted(set(logs)), "the heads' order")


class Manifest:
    def __init__(self, content):
        self.hash = derive("bundle hash", content)
        reader = Reader(content)
        reader.magic(b"STMF")
        fields = Reader(reader.rest())
        self.set = fields.hash()
        self.index, self.count = fields.varint32(), fields.varint32()
        start = fields.at
        self.scope = fields.option(lambda: fields.list(fields.text))
        scope = fields.data[start : fields.at]
        start = fields.at
        self.ranges = fields.list(lambda: Range(fields))
        ranges = fields.data[start : fields.at]
        self.frames = fields.list(lambda: Frame(fields))
        fields.finish()

        must(1 <= self.index <= self.count <= 9_999, "the part's number")
        names = self.scope or []
        must(names == sorted(set(names)) and len(names) <= 4_096, "the scope's order")
        must(all(map(is_slug, names)), "a source in the scope")
        must(len(self.ranges) <= 4_096 and len(self.frames) <= 65_536, "too many ranges or frames")
        logs = [(range.site, range.lane) for range in self.ranges]
        must(logs == sorted(set(logs)), "the ranges' order")
        kinds = [frame.kind for frame in self.frames]
        must(kinds == sorted(kinds), "the frames' order")
        must((0 in kinds) == bool(self.ranges), "deltas without ranges, or ranges without deltas")
        alone = derive("bundle set", ranges + scope + put_varint(1))
        must(self.count > 1 or self.set == alone, "the set id")


class Range:
    def __init__(self, fields):
        self.site, self.lane = fields.hash(), fields.lane()
        self.after, self.after_header = fields.number(), fields.hash()
        self.last, self.last_header = fields.number(), fields.hash()
        self.last_time = fields.time()
        must(self.after < self.last, "an empty range")
        must((self.after == 0) == (self.after_header == bytes(32)), "the beginning of the range")


class Frame:
    def __init__(self, fields):
        self.kind = fields.enum(2)
        self.stored, self.unpacked, self.items = (fields.varint32() for _ in range(3))
        self.hash = fields.hash()
        must(1 <= self.items <= 65_536 and 2 * self.items <= self.unpacked, "the number of items")
        if self.kind == 0:
            must(self.unpacked <= 8 * MIB and self.stored == self.unpacked + 8, "a deltas frame's size")
        else:
            must(self.unpacked <= 16 * MIB and self.stored <= 16 * MIB + 128 * KIB, "a bodies frame's size")


def verify_bundle(data):
    """Returns seal, manifest, deltas, bodies, and the refused ranges, with the rule that each breaks."""
    reader = Reader(data)
    seal = Seal(skippable(reader, SEAL, 16 * MIB))
    content = skippable(reader, MANIFEST, 16 * MIB)
    must(derive("bundle hash", content) == seal.manifest, "the seal is of another bundle")
    manifest = Manifest(content)
    must(all(range.site in seal.chains for range in manifest.ranges), "an author without a chain")
    deltas, bodies = [], []
    for frame in manifest.frames:
        stored = reader.take(frame.stored)
        must(derive("bundle frame", stored) == frame.hash, "a frame is not the listed one")
        if frame.kind == 0:
            inner = Reader(stored)
            some = Delta.several(skippable(inner, DELTAS, 8 * MIB))
            inner.finish()
            deltas += some
        else:
            ndjson = unpack(stored, frame.unpacked, states_size=True)
            must(ndjson.endswith(b"\n"), "the last line has no line end")
            some = ndjson[:-1].split(b"\n")
            must(all(1 <= len(line) <= 8 * MIB for line in some), "a line's length")
            bodies += some
        must(len(some) == frame.items, "the number of items")
    reader.finish()

    hashes = [blake3.blake3(body).digest() for body in bodies]
    must(hashes == sorted(set(hashes)), "bodies are out of order or repeated")
    bodies = dict(zip(hashes, bodies))
    left = iter(deltas)
    of_range = [list_deltas(range, left) for range in manifest.ranges]
    must(next(left, None) is None, "deltas that no range lists")
    refused, claimed = [], set()
    for range, some in zip(manifest.ranges, of_range):
        try:
            verify_range(range, some, seal, manifest, bodies, claimed)
        except Refused as cause:
            refused.append((range, str(cause)))
    must(all(is_canonical(bodies[content]) for content in bodies.keys() - claimed), "a line is not canonical JSON")
    return seal, manifest, deltas, bodies, refused


def list_deltas(range, left):
    """Returns the deltas of one range, by number and hash."""
    number, before, deltas = range.after, range.after_header, []
    while number < range.last:
        delta = next(left, None)
        must(delta is not None, "the deltas end early")
        header = delta.header
        must((header.site, header.lane) == (range.site, range.lane), "another log")
        must(header.first == number + 1 and header.previous == before, "the deltas' chain")
        number, before = header.last, header.hash
        deltas.append(delta)
    must(number == range.last and before == range.last_header, "the end of a range")
    must(deltas[-1].header.time == range.last_time, "the time of a range")
    return deltas


def verify_range(range, deltas, seal, manifest, bodies, claimed):
    """Checks one log's range. Adds the bodies that its claims name to `claimed`."""
    chain = seal.chains[range.site]
    head = next((head for head in seal.heads if (head.site, head.lane) == (range.site, range.lane)), None)
    log = Log(chain, range.after, range.after_header)
    fault = None
    live = {}
    for delta in deltas:
        try:
            delta.verify(chain)
            log.apply(delta)
            if head is not None:
                head.agree(delta.header)
        except Refused as cause:
            fault = fault or cause
        try:
            # Bodies that a refused delta names are still named.
            delta.open()
            live.update((claim.key, claim) for claim in delta.claims)
        except Refused:
            pass
    named = [claim for claim in live.values() if claim.content and not claim.tombstone]
    if manifest.scope is not None:
        named = [claim for claim in named if claim.source in manifest.scope]
    claimed.update(claim.content for claim in named)
    if fault is not None:
        raise fault
    if head is not None and 0 < head.number == range.after:
        must(head.header == range.after_header, "the head names another delta: a fork")
    for claim in named:
        body = bodies.get(claim.content)
        if body is None:
            must(claim.kind != 1 or manifest.index < manifest.count, "it is incomplete: a body is missing")
            continue
        must(is_canonical(body) and (claim.kind != 1 or body[:1] == b"{"), "a record is not canonical JSON of an object")
        must(len(body) == claim.size, "a claim states a wrong size of its record")


# --- packs.md ----------------------------------------------------------------------------------------

PACK_HEADER, PACK_COPY, PACK_FRAMES = 64, 4096, 4160
DICTIONARY, BODY, ELSEWHERE = 1, 2, 3


def take_source(reader):
    source = utf8(reader.take(reader.take(1)[0]))
    must(is_slug(source), "the name of a source")
    return source


def unpack_body(packed, dictionary):
    must(packed[:4] == bytes.fromhex("28b52ffd"), "not a zstd frame")
    stated = zstandard.get_frame_parameters(packed)
    must(stated.dict_id == 0 and not stated.has_checksum, "the frame repeats what is around it")
    must(stated.content_size <= 8 * MIB, "the size of a body")
    try:
        data = zstandard.ZstdDecompressor(dict_data=dictionary).decompress(packed)
    except zstandard.ZstdError as cause:
        raise Refused("the zstd frame is damaged") from cause
    must(len(data) == stated.content_size, "the frame decompresses to another size")
    return data


def verify_pack(data, number):
    """Returns the bodies, and the place of the dictionary in use of each source. Any damage is refused."""
    header = data[:PACK_HEADER]
    must(len(header) == PACK_HEADER and data[PACK_COPY:PACK_FRAMES] == header, "two copies of the header")
    must(not any(data[PACK_HEADER:PACK_COPY]), "zeros between the copies")
    must(header[:8] == b"STPK\x01\0\0\0" and header[28:32] == bytes(4), "magic, version, zeros")
    must(header[8:12] == struct.pack("<I", number), "the number of the pack")
    must(header[32:] == derive("pack header", header[:32]), "the hash of the header")
    key = derive("pack frame", header[12:28] + header[8:12])
    reader = Reader(data[PACK_FRAMES:])
    dictionaries, bodies, in_use = {0: None}, {}, {}
    while not reader.done():
        offset = PACK_FRAMES + reader.at
        must(reader.take(4) == b"STPF", "the magic of a frame")
        start = reader.take(6)
        kind, flags, length = struct.unpack("<BBI", start)
        hashed = reader.take(16)
        must(length <= 8 * MIB + 128 * KIB + 36, "the length of a frame")
        payload = reader.take(length)
        found = blake3.blake3(struct.pack("<Q", offset) + start + payload, key=key).digest()[:16]
        must(found == hashed, "the hash of a frame")
        inner = Reader(payload)
        if kind == DICTIONARY:
            source = take_source(inner)
            dictionaries[offset] = zstandard.ZstdCompressionDict(inner.rest())
            if not flags & 2:
                in_use[source] = (number, offset)
        elif kind == BODY:
            content = inner.take(32)
            (dictionary,) = struct.unpack("<I", inner.take(4))
            must(dictionary in dictionaries, "the dictionary of a body")
            body = unpack_body(inner.rest(), dictionaries[dictionary])
            must(blake3.blake3(body).digest() == content, "the content hash of a body")
            bodies[content] = body
        elif kind == ELSEWHERE:
            while not inner.done():
                source = take_source(inner)
                in_use[source] = struct.unpack("<II", inner.take(8))
        else:
            must(not flags & 1, "a critical frame of an unknown kind")
    return bodies, in_use


# --- the golden files --------------------------------------------------------------------------------


def refuses(check, data, name, shortened=True):
    """A verifier that accepts everything proves nothing: no changed byte may pass."""
    for index in range(len(data)):
        bad = bytearray(data)
        bad[index] ^= 1 << (index % 8)
        try:
            check(bytes(bad))
        except Refused:
            continue
        raise SystemExit(f"{name}: byte {index} was changed and it still verifies")
    for length in range(len(data) if shortened else 0):
        try:
            check(data[:length])
        except Refused:
            continue
        raise SystemExit(f"{name}: cut to {length} bytes it still verifies")


def equal(what, found, expected):
    if found != expected:
        raise SystemExit(f"{what}: found {found}, expected {expected}")


def check_golden(folder):
    load = lambda name: (folder / name).read_bytes()
    expected = json.loads(load("expected.json"))

    for name, seed in expected["seeds"].items():
        nacl.signing.SigningKey(bytes.fromhex(seed))
    blob = load("certificate-chain.golden")
    chain = Chain(blob)
    refuses(Chain, blob, "certificate chain")
    author = expected["author"]
    equal("site id", show(chain.site), author["site"])
    equal("root key", "ed25519:" + chain.newest().root_key.hex(), author["root_key"])
    root = nacl.signing.SigningKey(bytes.fromhex(expected["seeds"]["author_root"]))
    equal("root key of its seed", root.verify_key.encode(), chain.newest().root_key)
    for certificate, wanted in zip(chain.certificates, author["certificates"], strict=True):
        equal("certificate hash", show(certificate.hash), wanted["hash"])
        equal("operating key", "ed25519:" + certificate.operating_key.hex(), wanted["operating_key"])

    log = Log(chain)
    for name, wanted in zip(["delta-1.golden", "delta-2.golden"], expected["deltas"], strict=True):
        data = load(name)
        refuses(lambda bad: Delta(bad).verify(chain), data, name)
        delta = Delta(data)
        delta.verify(chain)
        header = delta.header
        equal("delta hash", show(header.hash), wanted["hash"])
        equal("previous", show(header.previous), wanted["previous"])
        for field in ("epoch", "first", "count", "time", "bodies_size", "live_entries"):
            equal(field, getattr(header, field), wanted[field])
        for number, (claim, said) in enumerate(zip(delta.claims, wanted["claims"], strict=True), header.first):
            equal("claim number", number, said["number"])
            for field in ("kind", "tombstone", "size", "time"):
                equal(field, getattr(claim, field), said[field])
            equal("key", claim.key.hex(), said["key"])
            equal("payload", claim.payload.hex(), said["payload"])
            equal("content", claim.content and show(claim.content), said["content"])
        log.apply(delta)

    state = expected["state"]
    equal("live frames", [log.live[key].frame.hex() for key in sorted(log.live)], state["live_frames"])
    equal("state", struct.pack("<1024H", *log.state()), load("state.golden"))
    equal("state root", show(state_root(log.state())), state["root"])
    for source in state["sources"]:
        equal("state root of a source", show(state_root(log.states[source["source"]])), source["root"])
    entries = [(chain.site, FEDERATION, source, state) for source, state in log.states.items()]
    equal("knowledge root", show(knowledge_root(entries)), state["knowledge_root"])

    data = load("head.golden")
    refuses(lambda bad: Head(bad).verify(chain), data, "head")
    head = Head(data)
    head.verify(chain)
    equal("head", (head.number, head.header), (log.number, log.hash))
    equal("checks", [list(check) for check in head.checks],
          [[check["source"], check["checked_at"]] for check in expected["head"]["checks"]])

    data = load("fork.golden")
    refuses(lambda bad: verify_fork(bad, chain), data, "fork proof")
    equal("fork", [show(header.hash) for header in verify_fork(data, chain)], expected["fork"]["headers"])

    frame = load("offer.golden")
    offer, wanted = Offer(Claim(frame)), expected["offer"]
    for field in ("source", "offered", "healthy", "every"):
        equal(field, getattr(offer, field), wanted[field])
    equal("input", offer.input.hex(), wanted["input"])
    equal("input of its texts", offer_input("preset", "ghsa", "", ""), offer.input)
    equal("rests on", [[show(site), number] for site, number in offer.rests_on], wanted["rests_on"])
    for length in range(len(frame) - len(Claim(frame).payload), len(frame)):
        try:
            Offer(Claim(frame[:length]))
        except Refused:
            continue
        raise SystemExit("a shortened offer is one")

    data = load("bundle.golden")
    refuses(verify_bundle, data, "bundle")
    seal, manifest, deltas, bodies, refused = verify_bundle(data)
    equal("refused ranges", refused, [])
    wanted = expected["bundle"]
    equal("bundle hash", show(manifest.hash), wanted["hash"])
    equal("exporter", show(seal.exporter.site), wanted["exporter"])
    equal("file size", len(data), wanted["file_bytes"])
    equal("set id", show(manifest.set), wanted["manifest"]["part"]["set"])
    for frame, listed in zip(manifest.frames, wanted["manifest"]["frames"], strict=True):
        equal("frame", (show(frame.hash), frame.stored, frame.unpacked, frame.items),
              (listed["hash"], listed["stored_size"], listed["unpacked_size"], listed["items"]))
    live = {claim.content for claim in log.live.values() if claim.content}
    equal("bodies in the bundle", set(bodies), live)
    for body in expected["bodies"]:
        equal("content hash", show(blake3.blake3(body["body"].encode()).digest()), body["hash"])

    data = (folder.parents[2] / "store" / "tests" / "golden" / "pack.golden").read_bytes()
    # Cut between two frames, it is a shorter pack.
    refuses(lambda bad: verify_pack(bad, 7), data, "pack", shortened=False)
    bodies, in_use = verify_pack(data, 7)
    equal("bodies of a pack", [json.loads(body)["id"] for body in bodies.values()],
          ["GHSA-aaaa-bbbb-cccc", "GHSA-dddd-eeee-ffff"])
    equal("dictionaries in use", in_use, {"rustsec": (3, 4160), "npm": (7, 4202)})
    print("golden files: all verify, and no changed or shortened one does, except packs cut between two frames")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    golden = pathlib.Path(__file__).resolve().parents[2] / "protocol" / "tests" / "golden"
    parser.add_argument("golden", nargs="?", type=pathlib.Path, default=golden, help="folder of golden files")
    parser.add_argument("--bundle", type=pathlib.Path, help="check this bundle instead")
    parser.add_argument("--pack", type=pathlib.Path, help="check this pack instead")
    options = parser.parse_args()
    if options.pack is not None:
        try:
            bodies, _ = verify_pack(options.pack.read_bytes(), int(options.pack.stem))
        except Refused as cause:
            sys.exit(f"{options.pack}: refused: {cause}")
        print(f"{options.pack}: {len(bodies)} bodies")
        return
    if options.bundle is None:
        check_golden(options.golden)
        return
    try:
        seal, manifest, deltas, bodies, refused = verify_bundle(options.bundle.read_bytes())
    except Refused as cause:
        sys.exit(f"{options.bundle}: refused: {cause}")
    print(f"{show(manifest.hash)}: part {manifest.index} of {manifest.count}, sealed by {seal.exporter.newest().slug}")
    for range, rule in refused:
        print(f"the log of {seal.chains[range.site].newest().slug}, lane {range.lane}, is refused: {rule}")
    print(f"{len(manifest.ranges)} logs, {len(deltas)} deltas, {len(bodies)} bodies, {len(seal.heads)} heads")
    if refused:
        sys.exit(1)


if __name__ == "__main__":
    main()
