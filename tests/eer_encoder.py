"""EER files written bit for bit from the format's description, for want of a real one.

Each page: BigTIFF directory, one strip of bits, least significant first: ``run`` bits of empty pixels, two bits of the
event's place in x and two in y, as RELION's ``renderEER.cpp`` takes them apart. A run of all ones goes on.
"""

import struct

import numpy as np

_BITS = {65000: (8, 2, 2), 65001: (7, 2, 2)}


def encode(positions, places, n_pixels, bits=(7, 2, 2)):
    """Stream of one frame: sorted flat positions, and 0-15 inside each pixel; the end of the frame is a run, too."""
    stream = []

    def put(value, n):
        stream.extend((int(value) >> k) & 1 for k in range(n))

    longest, start = (1 << bits[0]) - 1, 0
    for position, place in zip([*positions, n_pixels], [*places, None], strict=True):
        gap = position - start
        while gap >= longest:
            put(longest, bits[0])
            gap -= longest
        put(gap, bits[0])
        if place is not None:
            put(place, bits[1] + bits[2])
        start = position + 1
    return np.packbits(np.array(stream, np.uint8), bitorder="little").tobytes()


def metadata(**items):
    rows = "".join(f'<item name="{name.replace("__", ".")}">{value}</item>' for name, value in items.items())
    return f'<?xml version="1.0" encoding="utf - 8"?><metadata>{rows}</metadata>'.encode()


def encode_quickly(positions, n_pixels, run_bits=7):
    """As ``encode`` with all events at place 0, for very many of them."""
    longest = (1 << run_bits) - 1
    gaps = np.diff([-1, *positions, n_pixels]) - 1
    runs = gaps // longest
    start = np.cumsum(run_bits * runs + run_bits + 4) - (run_bits * runs + run_bits + 4)
    stream = np.zeros(start[-1] + run_bits * (runs[-1] + 1), np.uint8)
    for first, n in zip(start[runs > 0], run_bits * runs[runs > 0], strict=True):
        stream[first : first + n] = 1
    for k in range(run_bits):
        stream[start + run_bits * runs + k] = (gaps % longest) >> k & 1
    return np.packbits(stream, bitorder="little").tobytes()


def write_eer(path, frames_from_top, compression=65001, xml=b"", *, bits=None, summed=False, rng=None):
    """Write boolean frames (row 0 on top, as stored); ``summed`` puts the uncompressed sum before them, as TIA does."""
    rng = rng or np.random.default_rng(1)
    bits = bits or _BITS[compression]
    frames = np.asarray(frames_from_top, bool)
    streams = []
    for frame in frames:
        positions = np.flatnonzero(frame)
        places = rng.integers(0, 1 << (bits[1] + bits[2]), len(positions))
        streams.append(encode(positions, places, frame.size, bits))
    total = frames.sum(0).astype(np.uint8).tobytes() if summed else None
    return write_streams(path, streams, frames.shape[1:], compression, xml, bits=bits, total=total)


def write_streams(path, streams, shape_yx, compression=65001, xml=b"", *, bits=(7, 2, 2), total=None):
    """Write encoded frames, and before them the uncompressed sum, if any."""
    height, width = shape_yx
    pages = [*([] if total is None else [(1, total)]), *((compression, stream) for stream in streams)]
    out = bytearray(b"II+\0" + struct.pack("<HHQ", 8, 0, 0))
    link = 8
    for index, (coding, data) in enumerate(pages):
        where = len(out)
        out += data + bytes(-len(data) % 8)
        fields = [(256, 4, 1, width), (257, 4, 1, height), (259, 3, 1, coding), (262, 3, 1, 1), (273, 16, 1, where)]
        fields += [(277, 3, 1, 1), (278, 4, 1, height), (279, 16, 1, len(data))]
        if coding == 1:
            fields.insert(2, (258, 3, 1, 8))
        if index == 0 and xml:
            fields.append((65001, 7, len(xml), len(out)))
            out += xml + bytes(-len(xml) % 8)
        if coding == 65002:
            fields += [(tag, 3, 1, value) for tag, value in zip((65007, 65008, 65009), bits, strict=True)]
        struct.pack_into("<Q", out, link, len(out))
        out += struct.pack("<Q", len(fields)) + b"".join(struct.pack("<HHQQ", *field) for field in fields)
        link = len(out)
        out += bytes(8)
    path.write_bytes(out)
    return path
