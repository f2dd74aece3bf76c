"""What the bytes of an MP3, OGG, FLAC or WAV file say of its length, where the decoder only guesses or stops too soon.

libsndfile estimates the length of an MP3 that has no Xing or VBRI frame from its first bit rate, and reads no further;
of files glued together (`cat a.mp3 b.mp3`) it reads the first; of an OGG with a damaged page it reads what is left.
Here frames and pages are walked through one by one, so that a file is read whole or refused by name.
"""

from __future__ import annotations

import re
import struct
import zlib
from dataclasses import dataclass
from mmap import mmap
from typing import NamedTuple

import numpy as np

from asrlab.core.errors import AsrlabError

Bytes = bytes | bytearray | mmap  # what can be sliced and searched


# ISO/IEC 11172-3 and 13818-3, table of bit rates in kbit/s by (MPEG-1 or later, layer), from index 1
_BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = {0: (11025, 12000, 8000), 2: (22050, 24000, 16000), 3: (44100, 48000, 32000)}  # by version bits, in Hz
_REVERSED = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_REMEDY = "copy or fetch it again, or convert it to WAV"


class _Frame(NamedTuple):
    """The header of a frame of MPEG audio."""

    length: int  # bytes, with the header
    layer: int
    mpeg1: bool  # else MPEG-2 or 2.5
    rate: int  # Hz
    mono: bool

    @property
    def samples(self) -> int:
        """Samples of each channel in a frame."""
        return 384 if self.layer == 1 else 1152 if self.layer == 2 or self.mpeg1 else 576

    @property
    def same(self) -> tuple[int, bool, int, bool]:
        """What all frames of a file have in common."""
        return self.layer, self.mpeg1, self.rate, self.mono


@dataclass(frozen=True)
class Mp3:
    """What a walk through an MP3 file found."""

    first: int  # byte at which the sound begins, behind tags and an index frame
    end: int  # byte after the last frame
    frames: int  # frames of sound
    samples: int  # of each channel, before the decoder's delay is cut off
    layer: int  # 3 for MP3 proper
    promised: int | None  # frames that an index frame (Xing, Info, VBRI) promises, None: there is no such promise

    def with_index(self, data: Bytes) -> bytes:
        """The sound behind an index frame that states how many frames there are: then a decoder knows the length."""
        header = bytearray(data[self.first : self.first + 4])
        header[1] |= 1  # no checksum behind the header
        for index in range(1, 15):  # the smallest frame that holds the index
            header[2] = index << 4 | header[2] & 0b1100
            found = _frame(header, 0)
            assert found is not None  # the header of a frame with another bit rate
            frame = found
            if frame.length >= 64:
                break
        index_frame = bytearray(frame.length)
        index_frame[:4] = header
        at = 4 + _side_information(frame)
        index_frame[at : at + 12] = b"Xing" + (1).to_bytes(4, "big") + self.frames.to_bytes(4, "big")
        return bytes(index_frame) + bytes(data[self.first : self.end])


def walk_mp3(data: Bytes, name: str) -> Mp3:
    """Count the frames of an MP3 file. Raises AsrlabError if bytes are missing, damaged, or more than one file."""
    at, count, end = 0, 0, 0
    first: int | None = None
    promised: int | None = None
    before: _Frame | None = None
    while at < len(data):
        frame = _frame(data, at)
        if frame is None:
            after = _after_tag(data, at)
            if after is None:
                raise AsrlabError(f"{name}: damaged at byte {at} of {len(data)}, no frame of MP3; {_REMEDY}")
            at = after
            continue
        if before and before.same != frame.same:
            raise AsrlabError(f"{name}: changes its rate or its channels at byte {at}: several files in one; {_REMEDY}")
        if at + frame.length > len(data):
            raise AsrlabError(f"{name}: truncated, its last frame breaks off after {len(data) - at} bytes; {_REMEDY}")
        try:
            before, indexed = frame, _index(data, at, frame)
        except ValueError:
            raise AsrlabError(f"{name}: its index frame at byte {at} is damaged; {_REMEDY}") from None
        if indexed is None:
            count += 1
            first = at if first is None else first
        elif first is not None or promised is not None:
            raise AsrlabError(f"{name}: another MP3 file begins at byte {at}; take them apart, or convert to WAV")
        else:
            promised = indexed or None
        at += frame.length
        end = at
    if first is None or before is None:
        raise AsrlabError(f"{name}: holds no frame of sound; {_REMEDY}")
    if promised is not None and promised != count:
        what = "truncated" if promised > count else "longer than its header says"
        raise AsrlabError(f"{name}: {what}, {count} frames of the {promised} that are promised; {_REMEDY}")
    return Mp3(first, end, count, count * before.samples, before.layer, promised)


def check_ogg(data: Bytes, name: str) -> None:
    """Raises AsrlabError unless every page of an OGG file is there and whole, and all of them are one file."""
    at = 0
    expected: dict[bytes, int] = {}
    ended: set[bytes] = set()
    while at < len(data):
        head = data[at : at + 27]
        if head[:4] != b"OggS" or len(head) < 27:
            raise AsrlabError(f"{name}: damaged at byte {at} of {len(data)}, no page of OGG; {_REMEDY}")
        body = at + 27 + head[26]
        end = body + sum(data[at + 27 : body])
        if end > len(data):
            raise AsrlabError(f"{name}: truncated, its last page breaks off; {_REMEDY}")
        page = bytearray(data[at:end])
        page[22:26] = bytes(4)
        if ogg_checksum(page) != int.from_bytes(head[22:26], "little"):
            raise AsrlabError(f"{name}: the page of OGG at byte {at} is damaged; {_REMEDY}")
        serial, number = bytes(head[14:18]), int.from_bytes(head[18:22], "little")
        if head[5] & 2:  # the first page of a stream
            if any(n > 1 for n in expected.values()) or ended:
                raise AsrlabError(f"{name}: another OGG file begins at byte {at}; take them apart, or convert to WAV")
            expected[serial] = 1
        elif number != expected.get(serial):
            raise AsrlabError(f"{name}: a page of OGG is missing before byte {at}; {_REMEDY}")
        else:
            expected[serial] += 1
        if head[5] & 4:
            ended.add(serial)
        at = end
    if ended != set(expected):
        raise AsrlabError(f"{name}: truncated, its last page of OGG is missing; {_REMEDY}")


def check_wav(data: Bytes, name: str) -> None:
    """Raises AsrlabError if a WAV file contradicts itself: its samples end where neither a chunk begins nor the file,
    or its rate, its frames and its bytes a second do not agree. One flipped bit in its header would shorten it.
    """
    if data[:4] != b"RIFF":
        return
    end, at, kind = min(8 + int.from_bytes(data[4:8], "little"), len(data)), 12, b""
    while at + 8 <= end:
        kind, size = bytes(data[at : at + 4]), int.from_bytes(data[at + 4 : at + 8], "little")
        if not kind.isascii() or not kind.decode("ascii").isprintable():
            raise AsrlabError(f"{name}: damaged at byte {at}, where its samples end and no chunk begins; {_REMEDY}")
        if kind == b"fmt ":
            tag, channels, rate, speed, frame, bits = struct.unpack("<HHIIHH", data[at + 8 : at + 24].ljust(16, b"\0"))
            if tag in (1, 3, 0xFFFE) and (frame != channels * (-(-bits // 8)) or speed != rate * frame):
                raise AsrlabError(
                    f"{name}: damaged, {channels} channels of {bits} bits at {rate} Hz in frames of {frame} bytes, "
                    f"{speed} bytes a second; {_REMEDY}"
                )
        at += 8 + size + size % 2


def check_flac(data: Bytes, name: str) -> bytes:
    """The MD5 of the samples that a FLAC file states (16 zeros: none). Raises AsrlabError if a second file follows."""
    first = _flac_start(data, 0)
    second = _flac_start(data, first + 1)
    if second >= 0:
        raise AsrlabError(f"{name}: another FLAC file begins at byte {second}; take them apart, or convert to WAV")
    return bytes(data[first + 26 : first + 42]) if first >= 0 else bytes(16)


def flac_bytes(block: np.ndarray, bits: int) -> bytes:
    """Samples (N, channels), floats in [-1, 1], as the bytes whose MD5 a FLAC file of so many bits states."""
    whole = np.rint(block.astype(np.float64) * 2 ** (bits - 1)).astype("<i4")
    return whole.view(np.uint8).reshape(-1, 4)[:, : bits // 8].tobytes()


def _flac_start(data: Bytes, at: int) -> int:
    """The first byte from here on at which a FLAC file begins: its mark, then 34 bytes of STREAMINFO; -1: none."""
    starts = (data.find(b"fLaC" + first + b"\0\0\x22", at) for first in (b"\0", b"\x80"))
    return min((start for start in starts if start >= 0), default=-1)


def ogg_checksum(page: Bytes) -> int:
    """The checksum of a page of OGG (RFC 3533): CRC-32 with polynomial 0x04c11db7, from the highest bit, from 0.

    It is zlib's, which goes from the lowest bit, of bytes with their bits reversed.
    """
    reflected = ~zlib.crc32(bytes(page).translate(_REVERSED), 0xFFFFFFFF) & 0xFFFFFFFF
    return int.from_bytes(reflected.to_bytes(4, "little").translate(_REVERSED), "big")


def _frame(data: Bytes, at: int) -> _Frame | None:
    """The header of a frame at this byte; None if there is none. (Free bit rates do not say where a frame ends.)"""
    head = data[at : at + 4]
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer, index, rate = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3), head[2] >> 4, head[2] >> 2 & 3
    if version == 1 or layer == 4 or index in (0, 15) or rate == 3:
        return None
    mpeg1, hertz, padded = version == 3, _RATES[version][rate], head[2] >> 1 & 1
    bits = _BIT_RATES[mpeg1, layer][index - 1] * 1000
    if layer == 1:
        length = (12 * bits // hertz + padded) * 4
    else:
        length = (144 if mpeg1 or layer == 2 else 72) * bits // hertz + padded
    return _Frame(length, layer, mpeg1, hertz, head[3] >> 6 == 3)


def _side_information(frame: _Frame) -> int:
    """Bytes between the header of a frame of layer III and its data, where an index frame has its mark."""
    return (17 if frame.mono else 32) if frame.mpeg1 else (9 if frame.mono else 17)


def _index(data: Bytes, at: int, frame: _Frame) -> int | None:
    """The number of frames that an index frame promises, 0 if it is one that does not say; None: a frame of sound.

    Raises ValueError for an index that a decoder would play as sound: it knows one by the zeros before its mark.
    """
    if frame.layer != 3:
        return None
    content = bytes(data[at : at + min(frame.length, 64)])
    if content[36:40] == b"VBRI":
        return int.from_bytes(content[50:54], "big")
    for place in (4 + _side_information(frame), 6 + _side_information(frame)):  # behind a checksum
        if content[place : place + 4] in (b"Xing", b"Info"):
            if any(content[6:place]):
                raise ValueError("an index frame has no side information")
            has_count = content[place + 7] & 1
            return int.from_bytes(content[place + 8 : place + 12], "big") if has_count else 0
    return None


def _after_tag(data: Bytes, at: int) -> int | None:
    """The byte behind a tag (ID3, APE, Lyrics3) or behind zeros that fill a gap; None: it is neither."""
    head = bytes(data[at : at + 32])
    if head[:3] == b"ID3" and len(head) >= 10:
        size = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        return at + 10 + size + (10 if head[5] & 0x10 else 0)
    if head[:8] == b"APETAGEX" and len(head) == 32:
        follows = head[23] & 0x20  # a header, behind which so many bytes follow; else the footer
        return at + 32 + (int.from_bytes(head[12:16], "little") if follows else 0)
    if head[:4] == b"TAG+":
        return at + 227
    if head[:3] == b"TAG":
        return at + 128
    if head[:11] == b"LYRICSBEGIN":
        closing = re.compile(rb"LYRICS200|LYRICSEND").search(data, at)
        return closing.end() if closing else None
    zeros = re.compile(rb"\x00+").match(data, at)
    return zeros.end() if zeros else None
