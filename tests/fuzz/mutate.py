"""Changes bytes at random, from a seed, so that a run can be done again. Used where no coverage-guided fuzzer is."""

import random

ODD = (
    b"",
    b"\0",
    b"\xff" * 8,
    b"\x7f\xff\xff\xff",
    b"[" * 40,
    b"{}",
    b"-1",
    b"1e999",
    b"NaN",
    b'"',
    b"\r\n",
    b"\xed\xa0\x80",
)
LONGEST = 1 << 16


def mutated(seeds: tuple[bytes, ...], draw: random.Random) -> bytes:
    """Returns one of the seeds after one to eight changes."""
    raw = bytearray(draw.choice(seeds))
    for _ in range(draw.randint(1, 8)):
        at = draw.randint(0, len(raw))
        to = min(len(raw), at + draw.choice((0, 1, 2, 4, 16, 64)))
        match draw.randrange(6):
            case 0:
                raw[at:to] = b""
            case 1:
                raw[at:to] = draw.randbytes(to - at)
            case 2:
                raw[at:to] = draw.choice(ODD)
            case 3:
                raw[at:at] = raw[at:to] * draw.randint(1, 50)
            case 4:
                other = draw.choice(seeds)
                raw[at:] = other[draw.randint(0, len(other)) :]
            case _ if at < len(raw):
                raw[at] ^= 1 << draw.randrange(8)
    return bytes(raw[:LONGEST])
