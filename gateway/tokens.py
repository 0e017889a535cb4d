"""Signing with a key in a PKCS#11 token, through the optional package python-pkcs11."""

import asyncio
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from . import digests, signatures
from ._identity import AsyncSigner

T = TypeVar("T")


class TokenError(Exception):
    """The token cannot be used; the message says what kind of failure it is, and never holds a PIN."""


def pkcs11_signer(
    library: str, token: str, pin: str | Callable[[], str], *, label: str | None = None, identifier: bytes | None = None
) -> AsyncSigner:
    """Return a signer for an ECDSA key (P-256 or P-384) that never leaves its token.

    Args:
        library: path of the token's PKCS#11 library.
        token: the token's label.
        pin: the user's PIN, or what returns it; asked for at each login.
        label: the key's label (CKA_LABEL).
        identifier: the key's id (CKA_ID); one of both, or both.

    Raises:
        TokenError: no python-pkcs11, no such token or key, another PIN, or a key of another kind.
        ValueError: neither label nor identifier.
    """
    if label is None and identifier is None:
        raise ValueError("name the key in the token: by its label, by its identifier, or by both")
    session = _Session(library, token, pin if callable(pin) else lambda: pin)
    key = _Key(session, label, identifier)
    public = key.public_key()
    if not isinstance(public, ec.EllipticCurvePublicKey) or public.curve.name not in {"secp256r1", "secp384r1"}:
        raise TokenError("the key is neither ECDSA P-256 nor P-384")
    curve = public.curve.name

    async def sign(digest: bytes) -> bytes:
        raw = await asyncio.to_thread(key.sign, digest)  # a token may take its time
        return signatures.from_raw(raw, curve)

    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return AsyncSigner(sign, digests.sha256, encoded)


class _Session:
    """A login to a token, made again where it was lost. PKCS#11 lets one thread at a time use it."""

    def __init__(self, library: str, token: str, pin: Callable[[], str]) -> None:
        # By whichever path it is named: a library is loaded once in a process.
        self._library = str(Path(library).resolve()) if os.sep in library else library
        self._token, self._pin = token, pin
        self._lock = threading.Lock()
        self._opened: Any = None

    def do(self, work: Callable[[Any], T]) -> T:
        pkcs11 = package()
        lost = (pkcs11.SessionHandleInvalid, pkcs11.SessionClosed, pkcs11.DeviceRemoved, pkcs11.UserNotLoggedIn)
        with self._lock:
            try:
                try:
                    return work(self._session())
                except lost:
                    self._opened = None
                    return work(self._session())
            except pkcs11.PKCS11Error as error:
                # Not the error itself: what a library adds to it may say too much.
                raise TokenError(f"the token {self._token} cannot be used: {type(error).__name__}") from None

    def _session(self) -> Any:
        pkcs11 = package()
        if self._opened is None:
            token = pkcs11.lib(self._library).get_token(token_label=self._token)
            try:
                self._opened = token.open(user_pin=self._pin())
            except pkcs11.UserAlreadyLoggedIn:  # by another session of this process, which they all share
                self._opened = token.open()
        return self._opened


class _Key:
    """A pair of keys in a token."""

    def __init__(self, session: _Session, label: str | None, identifier: bytes | None) -> None:
        self._session = session
        self._name = {name: value for name, value in (("label", label), ("id", identifier)) if value is not None}

    def public_key(self) -> Any:
        pkcs11 = package()
        from pkcs11.util.ec import encode_ec_public_key  # noqa: PLC0415  an optional package

        def read(session: Any) -> bytes:
            found = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, **self._name)
            if found.key_type is not pkcs11.KeyType.EC:
                raise TokenError("the key is neither ECDSA P-256 nor P-384")
            return bytes(encode_ec_public_key(found))

        return serialization.load_der_public_key(self._session.do(read))

    def sign(self, digest: bytes) -> bytes:
        pkcs11 = package()

        def work(session: Any) -> bytes:
            key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, **self._name)
            return bytes(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))

        return self._session.do(work)


def package() -> Any:
    """Return python-pkcs11; TokenError where it is not installed."""
    try:
        import pkcs11  # noqa: PLC0415  an optional package
    except ModuleNotFoundError:
        raise TokenError("keys in a token are reached through python-pkcs11: pip install python-pkcs11") from None
    return pkcs11
