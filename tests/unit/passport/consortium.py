"""A consortium on paper: authorities, keys, and a passport that its organisations sign."""

import copy
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from fedledger_passport.contents import PASSPORT, STATEMENT, WITHDRAWAL, tree_hash
from fedledger_passport.envelope import Envelope, Signature, encoded
from fedledger_passport.strict import canonical

NOW = datetime.now(UTC).replace(microsecond=0)
MODEL = {"model.safetensors": b"weights", "onnx/model.onnx": b"graph"}


PRIVACY: dict[str, Any] = {
    "mode": "secure_sum",
    "unit": "record",
    "epsilon": "3",
    "delta": "0.00001",
    "clip": "1",
    "rounds": 10,
}
PRIVACY["spent"] = {"hospital-a": "0.7"}


def digest(text: str) -> str:
    """Return a made-up digest."""
    return sha256(text.encode()).hexdigest()


@dataclass
class Authority:
    """A certificate authority with its certificate."""

    name: str
    issuer: "Authority | None" = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def __post_init__(self) -> None:
        self.certificate = (self.issuer or self).issue(self.name, self.key.public_key(), authority=True)

    def issue(
        self,
        name: str,
        key: Any,
        *,
        authority: bool = False,
        unit: str = "admin",
        begins: timedelta = timedelta(days=-200),
        ends: timedelta = timedelta(days=200),
    ) -> x509.Certificate:
        """Return a certificate, valid around NOW."""
        units = [] if authority else [x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)]
        issuer = getattr(self, "certificate", None)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name), *units])
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer.subject if issuer else subject)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + begins)
            .not_valid_after(NOW + ends)
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .sign(self.key, hashes.SHA256())
        )

    def revokes(self, *certificates: x509.Certificate) -> x509.CertificateRevocationList:
        """Return a list of revoked certificates."""
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(NOW)
            .next_update(NOW + timedelta(days=30))
        )
        for one in certificates:
            revoked = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(NOW).build()
            builder = builder.add_revoked_certificate(revoked)
        return builder.sign(self.key, hashes.SHA256())


@dataclass
class Person:
    """Who signs for an organisation."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def sign(self, payload: bytes, *, high: bool = False) -> Signature:
        """Sign a statement, in the form with the lower s or in the other one."""
        r, s = utils.decode_dss_signature(self.key.sign(encoded(payload), ec.ECDSA(hashes.SHA256())))
        order = self.key.curve.group_order
        if (s > order // 2) != high:
            s = order - s
        return Signature(utils.encode_dss_signature(r, s), self.certificate)


class Member:
    """An organisation: a root, an authority below it, and an administrator."""

    def __init__(self, msp_id: str) -> None:
        self.msp_id = msp_id
        self.root = Authority(f"{msp_id} root")
        self.authority = Authority(f"{msp_id} authority", self.root)
        self.admin = self.person()
        self.revoked: list[x509.Certificate] = []

    def person(self, key: Any = None, **options: Any) -> Person:
        """Return somebody with a certificate of the organisation."""
        own = key or ec.generate_private_key(ec.SECP256R1())
        return Person(own, self.authority.issue("admin", own.public_key(), **options))

    def write(self, folder: Path) -> None:
        """Write its part of a folder of trusted organisations."""
        parts = {
            "cacerts": [self.root.certificate],
            "intermediatecerts": [self.authority.certificate],
            "crls": [self.authority.revokes(*self.revoked)],
        }
        for name, items in parts.items():
            (folder / name).mkdir(parents=True, exist_ok=True)
            for item in items:
                (folder / name / "0.pem").write_bytes(item.public_bytes(Encoding.PEM))


class Consortium:
    """Four organisations with a passport of two rounds."""

    def __init__(self) -> None:
        self.members = [Member(f"Hospital{letter}MSP") for letter in "ABCD"]
        self.statement = passport()

    def write(self, folder: Path) -> Path:
        """Write the folder of trusted organisations."""
        folder.mkdir(parents=True, exist_ok=True)
        names = [member.msp_id for member in self.members]
        said = {"channel": "fedchannel", "genesis": digest("genesis"), "members": names}
        (folder / "consortium.json").write_text(json.dumps(said))
        for member in self.members:
            member.write(folder / member.msp_id)
        return folder

    def signed(
        self, statement: dict[str, Any] | None = None, signers: Sequence[Person] | None = None, *, high: bool = False
    ) -> bytes:
        """Return an envelope, signed by the first three administrators unless told otherwise."""
        payload = canonical(self.statement if statement is None else statement)
        people = [member.admin for member in self.members[:3]] if signers is None else signers
        return Envelope(payload, tuple(one.sign(payload, high=high) for one in people)).write()

    def altered(self, change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Return the statement with a change."""
        statement = copy.deepcopy(self.statement)
        change(statement)
        return statement

    def withdrawal(self, raw: bytes) -> dict[str, Any]:
        """Return the statement that takes a passport back."""
        predicate = {
            "release": "tumour-1", "channel": "fedchannel", "genesis": digest("genesis"), "reason": "wrong labels",
            "withdrawn_ms": milliseconds(NOW),
        }  # fmt: skip
        about = [{"name": "passport", "digest": {"sha256": Envelope.read(raw).digest}}]
        return {"_type": STATEMENT, "subject": about, "predicateType": WITHDRAWAL, "predicate": predicate}


def milliseconds(moment: datetime) -> int:
    """Return a time as the ledger has it."""
    return int(moment.timestamp() * 1000)


def rooted(lineage: dict[str, Any]) -> dict[str, Any]:
    """Give a lineage the root of its steps."""
    lineage["root"] = tree_hash([canonical(step) for step in lineage["steps"]]).hex()
    return lineage


def passport() -> dict[str, Any]:
    """Return a statement as the contract composes it."""
    step = {"attempt": 1, "cohort": 4, "survivors": 3, "examples": 300}
    steps = [
        step | {"round": n, "base_state": digest(f"state {n - 1}"), "state": digest(f"state {n}")} for n in (1, 2, 3)
    ]
    names = [f"hospital-{letter}" for letter in "abcd"]
    predicate = {
        "release": "tumour-1", "released_ms": milliseconds(NOW - timedelta(days=30)), "channel": "fedchannel",
        "chaincode": "fedledger", "genesis": digest("genesis"), "rules": 2,
        "code": {"source": digest("source"), "package": digest("package")}, "parents": [],
        "final": {"training": "tumour", "round": 3, "attempt": 1, "block": 70, "hash": digest("block"),
                  "transaction": digest("transaction")},
        "plan": {"sha256": digest("plan"), "name": "tumour", "framework": "jax", "layout_digest": digest("layout"),
                 "schema": digest("schema")},
        "lineage": rooted({"initial_state": digest("state 0"), "steps": steps}),
        "cohort": names, "survivors": names[:3], "examples": 300, "metrics": {"eval/accuracy": "0.93"},
        "privacy": PRIVACY, "organisations": [f"Hospital{letter}MSP" for letter in "ABCD"],
        "attested_by": ["HospitalAMSP", "HospitalBMSP", "HospitalCMSP"], "deviation_e9": 0,
        "flags": [{"round": 2, "kind": "dropout", "participant": "hospital-d"}], "not_proven": ["that data is good"],
        "not_audited": ["who trained on what"],
    }  # fmt: skip
    files = [(name, sha256(raw).hexdigest()) for name, raw in MODEL.items()] + [("state", digest("state 3"))]
    subjects = [{"name": name, "digest": {"sha256": found}} for name, found in files]
    return {"_type": STATEMENT, "subject": subjects, "predicateType": PASSPORT, "predicate": predicate}


def write_model(folder: Path) -> Path:
    """Write the model's files."""
    for name, raw in MODEL.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return folder
