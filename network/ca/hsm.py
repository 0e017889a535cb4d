"""Signing keys that are made in a PKCS#11 token and never leave it.

Where such a key is expected in a file, the file says which key it is: {"pkcs11": {"library", "token", "key" and either
"pin_file" or "pin_env"}}. The PIN itself is read when it is needed, and stands in no file of ours, no log and no error.
"""

import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from gateway import signatures
from network import codes
from network.errors import NetworkError
from network.files import write_new

T = TypeVar("T")
KIND = "pkcs11"


@dataclass(frozen=True)
class TokenReference:
    """Which key of which token.

    Attributes:
        library: the token's PKCS#11 library.
        token: the token's label.
        key: the key's label.
        pin_file: a file with the PIN alone.
        pin_env: the environment variable with the PIN, where there is no file.
    """

    library: str
    token: str
    key: str
    pin_file: str = ""
    pin_env: str = ""

    @classmethod
    def read(cls, content: bytes) -> "TokenReference | None":
        """Return the reference that a key's file holds; None where it holds something else."""
        try:
            return cls(**json.loads(content)[KIND])
        except (ValueError, TypeError, KeyError):
            return None

    def content(self) -> str:
        """Return what a key's file holds."""
        return json.dumps({KIND: {name: value for name, value in asdict(self).items() if value}}, indent=1) + "\n"

    def pin(self) -> str:
        """Return the PIN; FL1095 if it is not there."""
        try:
            found = Path(self.pin_file).read_text().strip() if self.pin_file else os.environ.get(self.pin_env, "")
        except OSError:
            found = ""
        if not found:
            raise self.unusable("its PIN is not here", f"Put it into {self.pin_file or self.pin_env or 'a file'}.")
        return found

    def unusable(self, why: str, hint: str = "") -> NetworkError:
        """Return the error that says why the token cannot be used."""
        hint = hint or "Check the library, the token's label, its PIN and the key's label."
        return NetworkError(
            codes.TOKEN_UNUSABLE, f"the token {self.token} cannot be used: {why}", where=self.library, hint=hint
        )


def keep_in_token(path: Path, reference: TokenReference) -> None:
    """Say, where a key is expected, that it is one of a token; FL1015 if a key is there already."""
    if not write_new(path, reference.content(), mode=0o600):
        hint = "Choose another name, or rotate the key."
        raise NetworkError(codes.IDENTITY_REFUSED, "this identity has a key already", where=str(path), hint=hint)


def require_fit(name: str) -> None:
    """Check that an identity may have its key in a token; FL1015 for the administrator, whose key `peer` reads."""
    if name == "admin":
        hint = "Keep its key offline instead, as a file."
        raise NetworkError(codes.IDENTITY_REFUSED, "Fabric's `peer` needs the administrator's key as a file", hint=hint)


class TokenKey(ec.EllipticCurvePrivateKey):
    """A P-256 key in a token, usable wherever `cryptography` takes a private key that signs."""

    def __init__(self, reference: TokenReference, *, create: bool = False) -> None:
        self._reference = reference
        if create and not self._do(lambda session: _has_key(session, reference.key)):
            self._do(lambda session: _make_key(session, reference.key))
        encoded = self._do(lambda session: _public_key(session, reference.key))
        public = serialization.load_der_public_key(encoded)
        if not isinstance(public, ec.EllipticCurvePublicKey) or not isinstance(public.curve, ec.SECP256R1):
            raise reference.unusable("the key is not one of the curve P-256")
        self._public = public

    def sign(self, data: Any, signature_algorithm: ec.EllipticCurveSignatureAlgorithm) -> bytes:
        """Return the signature (DER, with the lower s) over data, or over the digest where the algorithm says so."""
        digest = _digest(bytes(data), signature_algorithm.algorithm)
        raw = self._do(lambda session: _sign(session, self._reference.key, digest))
        half = len(raw) // 2
        pair = int.from_bytes(raw[:half], "big"), int.from_bytes(raw[half:], "big")
        return signatures.low_s(utils.encode_dss_signature(*pair), self.curve.name)

    def public_key(self) -> ec.EllipticCurvePublicKey:
        """Return the public key."""
        return self._public

    @property
    def curve(self) -> ec.EllipticCurve:
        """Return P-256."""
        return self._public.curve

    @property
    def key_size(self) -> int:
        """Return the bits of the curve."""
        return self._public.key_size

    def exchange(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the key signs."""
        raise TypeError("a key in a token only signs")

    def private_numbers(self) -> NoReturn:
        """Refuse: the key does not leave its token."""
        raise TypeError("a key does not leave its token")

    def private_bytes(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: the key does not leave its token."""
        raise TypeError("a key does not leave its token")

    def __copy__(self) -> "TokenKey":
        return self

    def __deepcopy__(self, _: Any) -> "TokenKey":
        return self

    def _do(self, work: Callable[[Any], T]) -> T:
        """Do something with the token, once more in a new session where the old one has gone; FL1095 if it fails."""
        pkcs11 = _package()
        opened = _opened(self._reference)
        with opened.lock:
            try:
                return work(opened.session(self._reference.pin))
            except (pkcs11.SessionHandleInvalid, pkcs11.SessionClosed, pkcs11.DeviceRemoved, pkcs11.UserNotLoggedIn):
                opened.forget()
            except pkcs11.PKCS11Error as error:
                raise self._reference.unusable(_kind(error)) from None
            try:
                return work(opened.session(self._reference.pin))
            except pkcs11.PKCS11Error as error:
                raise self._reference.unusable(_kind(error)) from None


class _Opened:
    """One session with a token: a process logs in once, and PKCS#11 lets one thread at a time use a session."""

    def __init__(self, library: str, token: str) -> None:
        self.lock = threading.Lock()
        self._library, self._token = library, token
        self._session: Any = None

    def session(self, pin: Callable[[], str]) -> Any:
        if self._session is None:
            token = _package().lib(self._library).get_token(token_label=self._token)
            self._session = token.open(user_pin=pin(), rw=True)
        return self._session

    def forget(self) -> None:
        self._session = None


_opened_token = cache(_Opened)


def _opened(reference: TokenReference) -> _Opened:
    """Return the session with a token, by whichever path its library is named: it is not loaded twice."""
    library = reference.library
    return _opened_token(str(Path(library).resolve()) if os.sep in library else library, reference.token)


def _package() -> Any:
    try:
        import pkcs11  # noqa: PLC0415  an optional package
    except ModuleNotFoundError:
        message, hint = "keys in a token are reached through python-pkcs11", "Install fedledger[hsm]."
        raise NetworkError(codes.PACKAGE_MISSING, message, hint=hint) from None
    return pkcs11


def _has_key(session: Any, label: str) -> bool:
    pkcs11 = _package()
    return bool(list(session.get_objects({pkcs11.Attribute.LABEL: label})))


def _make_key(session: Any, label: str) -> None:
    pkcs11 = _package()
    from pkcs11.util.ec import encode_named_curve_parameters  # noqa: PLC0415  an optional package

    attribute = pkcs11.Attribute
    curve = {attribute.EC_PARAMS: encode_named_curve_parameters("secp256r1")}
    parameters = session.create_domain_parameters(pkcs11.KeyType.EC, curve, local=True)
    private = {attribute.SENSITIVE: True, attribute.EXTRACTABLE: False, attribute.DERIVE: False}
    parameters.generate_keypair(store=True, label=label, private_template=private)


def _public_key(session: Any, label: str) -> bytes:
    pkcs11 = _package()
    from pkcs11.util.ec import encode_ec_public_key  # noqa: PLC0415  an optional package

    found = session.get_key(object_class=pkcs11.ObjectClass.PUBLIC_KEY, label=label)
    return bytes(encode_ec_public_key(found))


def _sign(session: Any, label: str, digest: bytes) -> bytes:
    pkcs11 = _package()
    key = session.get_key(object_class=pkcs11.ObjectClass.PRIVATE_KEY, label=label)
    return bytes(key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA))


def _digest(data: bytes, algorithm: Any) -> bytes:
    if isinstance(algorithm, utils.Prehashed):
        return data
    hashed = hashes.Hash(algorithm)
    hashed.update(data)
    return hashed.finalize()


def _kind(error: Exception) -> str:
    """Return what kind of failure it is; what the library adds may say too much."""
    return type(error).__name__
