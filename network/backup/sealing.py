"""The sealed file: a header, then chunks, each encrypted and authenticated; what opens is whole and in order.

A file is a first line that names the version, the header's length (4 bytes, big-endian), the header (JSON), the chunks.
A chunk is 64 KiB of content under ChaCha20-Poly1305, the last one what is left. Its nonce is its number (11 bytes,
big-endian) and a byte that is 1 for the last: chunks can be neither changed nor moved nor left out, and no end cut off
(STREAM: Hoang, Reyhanitabar, Rogaway, Vizár, CRYPTO 2015). The key of the chunks is drawn for each file and lies in the
header, wrapped by a passphrase (scrypt, RFC 7914) or to an X25519 public key (as in age-encryption.org/v1); the rest of
the header is the wrapping's associated data. Another choice of any of these is another version.
"""

import json
import secrets
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from network import codes
from network.errors import NetworkError

MAGIC_V1: Final = b"fedledger backup 1\n"
LABEL_PASSPHRASE_V1: Final = b"fedledger/backup/v1/passphrase"
LABEL_PUBLIC_KEY_V1: Final = b"fedledger/backup/v1/x25519"
LABEL_CHUNKS_V1: Final = b"fedledger/backup/v1/chunks"
SCRYPT_V1: Final = {"n": 1 << 17, "r": 8, "p": 1}
"""128 MiB and some tenths of a second for each guess."""
CHUNK_V1: Final = 1 << 16
KEY_BYTES: Final = 32
SALT_BYTES: Final = 16
TAG_BYTES: Final = 16
COUNTER_BYTES: Final = 11
ONCE: Final = bytes(12)
"""The nonce under a wrapping key, which is derived for one file and encrypts one thing."""
LENGTH: Final = struct.Struct(">I")
LONGEST_HEADER: Final = 1 << 16
SHORTEST_PASSPHRASE: Final = 12


class Lock(Protocol):
    """Who may open a backup."""

    def close(self) -> tuple[dict[str, str], bytes]:
        """Return what the header must say so that the lock can be opened, and the wrapping key."""


class Unlock(Protocol):
    """What opens a backup."""

    def open(self, said: Mapping[str, Any]) -> bytes:
        """Return the wrapping key.

        Raises:
            KeyError, ValueError: the header says nothing that this can open.
        """


@dataclass(frozen=True)
class Passphrase:
    """A passphrase, as a lock and to open it."""

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.text) < SHORTEST_PASSPHRASE:
            message = f"a passphrase has {SHORTEST_PASSPHRASE} characters at least"
            raise NetworkError(codes.BACKUP_SECRET_UNUSABLE, message, hint="Use six random words, say.")

    def close(self) -> tuple[dict[str, str], bytes]:
        """Return a fresh salt and the key that follows from it."""
        salt = secrets.token_bytes(SALT_BYTES)
        return {"salt": salt.hex()}, self._key(salt)

    def open(self, said: Mapping[str, Any]) -> bytes:
        """Return the key that follows from the header's salt."""
        return self._key(bytes.fromhex(said["salt"]))

    def _key(self, salt: bytes) -> bytes:
        drawn = Scrypt(salt=salt, length=KEY_BYTES, **SCRYPT_V1).derive(self.text.encode())
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=LABEL_PASSPHRASE_V1).derive(drawn)


@dataclass(frozen=True)
class Recipient:
    """The public key of who may open a backup."""

    key: X25519PublicKey

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the X25519 public key of a PEM file; FL1136 if it is none."""
        try:
            key = load_pem_public_key(path.read_bytes())
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, X25519PublicKey):
            raise _no_key(path, "public")
        return cls(key)

    def close(self) -> tuple[dict[str, str], bytes]:
        """Return the public half of a key made for this file, and the key that both halves agree on."""
        own = X25519PrivateKey.generate()
        ephemeral = own.public_key().public_bytes_raw()
        wrapping = _agreed(own.exchange(self.key), ephemeral, self.key.public_bytes_raw())
        return {"ephemeral": ephemeral.hex()}, wrapping


@dataclass(frozen=True)
class Holder:
    """The private key of who may open a backup."""

    key: X25519PrivateKey = field(repr=False)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return the X25519 private key of a PEM file; FL1136 if it is none."""
        try:
            key = load_pem_private_key(path.read_bytes(), None)
        except (ValueError, TypeError):
            key = None
        if not isinstance(key, X25519PrivateKey):
            raise _no_key(path, "private")
        return cls(key)

    def open(self, said: Mapping[str, Any]) -> bytes:
        """Return the key that the header's public key agrees on with this one."""
        ephemeral = bytes.fromhex(said["ephemeral"])
        shared = self.key.exchange(X25519PublicKey.from_public_bytes(ephemeral))
        return _agreed(shared, ephemeral, self.key.public_key().public_bytes_raw())


class SealedWriter:
    """Seals what is written to it; `finish` writes the last chunk, without which the file does not open."""

    def __init__(self, stream: BinaryIO, about: Mapping[str, Any], lock: Lock) -> None:
        said, wrapping = lock.close()
        key = secrets.token_bytes(KEY_BYTES)
        header = {**about, **said}
        header["wrapped"] = ChaCha20Poly1305(wrapping).encrypt(ONCE, key, _canonical(header)).hex()
        encoded = _canonical(header)
        stream.write(MAGIC_V1 + LENGTH.pack(len(encoded)) + encoded)
        self._stream = stream
        self._cipher = _cipher(key)
        self._number = 0
        self._held = bytearray()

    def write(self, content: bytes) -> int:
        """Take content; whole chunks go out once more follows them."""
        self._held += content
        while len(self._held) > CHUNK_V1:
            self._seal(bytes(self._held[:CHUNK_V1]), last=False)
            del self._held[:CHUNK_V1]
        return len(content)

    def finish(self) -> None:
        """Seal what is left as the last chunk."""
        self._seal(bytes(self._held), last=True)

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._stream.write(self._cipher.encrypt(_nonce(self._number, last=last), chunk, None))
        self._number += 1


class OpenedReader:
    """Reads what was sealed; nothing leaves it that is not authentic.

    Attributes:
        about: What the header says, authenticated.
    """

    def __init__(self, stream: BinaryIO, where: str, unlock: Unlock) -> None:
        """Open the header.

        Raises:
            NetworkError: FL1131 if this is no backup of a version that is known, FL1132 if the passphrase or key does
                not open it.
        """
        header = read_header(stream, where)
        wrapped = header.pop("wrapped")
        try:
            key = ChaCha20Poly1305(unlock.open(header)).decrypt(ONCE, bytes.fromhex(wrapped), _canonical(header))
        except (InvalidTag, KeyError, ValueError, TypeError):
            hint = "Use the one that was given when this backup was made."
            message = "the passphrase or key does not open this backup, or its first bytes were changed"
            raise NetworkError(codes.BACKUP_NOT_OPENED, message, where=where, hint=hint) from None
        self.about: dict[str, Any] = header
        self._stream, self._where = stream, where
        self._cipher = _cipher(key)
        self._number = 0
        self._next = stream.read(CHUNK_V1 + TAG_BYTES)
        self._held = bytearray()
        self._ended = False

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer only at the end; FL1133 if the file was changed or its end is missing."""
        while len(self._held) < size and not self._ended:
            self._held += self._open()
        content = bytes(self._held[:size])
        del self._held[:size]
        return content

    def require_end(self) -> None:
        """Read to the end; FL1133 if it is missing, or something follows."""
        while self.read(CHUNK_V1):
            pass

    def _open(self) -> bytes:
        sealed, self._next = self._next, self._stream.read(CHUNK_V1 + TAG_BYTES)
        self._ended = not self._next
        try:
            chunk = self._cipher.decrypt(_nonce(self._number, last=self._ended), sealed, None)
        except InvalidTag:
            message = f"the backup was changed or cut off at byte {self._stream.tell() - len(self._next) - len(sealed)}"
            hint = "Take another copy of it, or an earlier backup."
            raise NetworkError(codes.BACKUP_DAMAGED, message, where=self._where, hint=hint) from None
        self._number += 1
        return chunk


def read_header(stream: BinaryIO, where: str) -> dict[str, Any]:
    """Return what a backup's header says, not yet authenticated; FL1131 if this is no backup."""
    try:
        magic, length = stream.read(len(MAGIC_V1)), stream.read(LENGTH.size)
        header = json.loads(stream.read(min(LENGTH.unpack(length)[0], LONGEST_HEADER)))
        texts = all(isinstance(header[key], str) for key in ("organisation", "made", "wrapped"))
    except (ValueError, KeyError, TypeError, struct.error, RecursionError):
        texts = False
    if not texts or magic != MAGIC_V1:
        message = "this is no backup of an organisation, or one of a version that is not known here"
        hint = "Name a file that `fedledger org backup` wrote."
        raise NetworkError(codes.BACKUP_UNREADABLE, message, where=where, hint=hint)
    return dict(header)


def _cipher(key: bytes) -> ChaCha20Poly1305:
    return ChaCha20Poly1305(HKDF(SHA256(), KEY_BYTES, salt=None, info=LABEL_CHUNKS_V1).derive(key))


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(COUNTER_BYTES, "big") + bytes([last])


def _agreed(shared: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=ephemeral + recipient, info=LABEL_PUBLIC_KEY_V1).derive(shared)


def _canonical(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()


def _no_key(path: Path, half: str) -> NetworkError:
    hint = "Make one with `openssl genpkey -algorithm X25519`."
    message = f"this is no X25519 {half} key in PEM"
    return NetworkError(codes.BACKUP_SECRET_UNUSABLE, message, where=str(path), hint=hint)
