"""Fixed randomness for the generators."""

import hashlib


class Fixed:
    """Bytes that look random and are the same in every run; a call continues where the last one ended."""

    def __init__(self, seed: str) -> None:
        self._seed = seed.encode()
        self._count = 0

    def __call__(self, length: int) -> bytes:
        self._count += 1
        return hashlib.shake_256(self._seed + b"/" + str(self._count).encode()).digest(length)
