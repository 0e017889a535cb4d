"""A release from its proposal to the passport: what to propose, each organisation's signature, the envelope."""

import base64
from collections.abc import Collection
from hashlib import sha256
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fedledger_passport import codes as passport_codes
from fedledger_passport.contents import PASSPORT, WITHDRAWAL, check_type
from fedledger_passport.envelope import Envelope, Signature, encoded
from fedledger_passport.errors import PassportError
from fl_node import codes
from fl_node.canonical import canonical_json
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.plan.container import read_plan
from fl_node.release.evidence import ReadBlob, blocks_of, check_statement, code_of, model_files, of_plan
from fl_node.release.network_files import Network

RELEASE: Final = "release"
WITHDRAWN: Final = "withdrawal"
_KEYS: Final = {RELEASE: ("statement", "signatures"), WITHDRAWN: ("withdrawal", "withdrawal_signatures")}


async def release_body(
    ledger: Ledger,
    release: str,
    training: str,
    round_: int,
    read: ReadBlob,
    network: Network | None = None,
    forms: Collection[str] = (),
) -> dict[str, Any]:
    """Return the body of `release_model` for a round.

    Args:
        ledger: The own peer's.
        release: The release's id.
        training: The training.
        round_: The round; 0 is the last of the lineage.
        read: Reads the plan and the state.
        network: The source that makes `forms`.
        forms: More files, of `fl_node.plan.forms.TARGETS`.

    Raises:
        NodeError: FL4512, the round is not in the lineage.
    """
    steps = (await ledger.lineage(training))["steps"]
    step = next((one for one in reversed(steps) if round_ in {0, one["round"]}), None)
    if step is None:
        raise NodeError(
            codes.NOT_IN_LINEAGE, f"{training} has no result of round {round_ or 1}", hint="See `model lineage`."
        )
    made = await ledger.query("GetRound", training=training, round=step["round"], attempt=step["attempt"])
    evidence = await blocks_of(ledger, training, step["round"], step["attempt"])
    plan = read_plan(await read(made["plan"]), made["plan"])
    state = await read(step["state"])
    files = model_files(plan, state) | (await network.files(plan, state, forms) if network else {})
    evidence |= {"code": code_of(ledger.profile)}
    evidence |= await of_plan(ledger, plan.manifest, training, step["round"], files)
    listed = [{"name": name, "sha256": sha256(files[name]).hexdigest()} for name in sorted(files)]
    return {
        "release": release, "training": training, "round": step["round"], "files": listed, "evidence": evidence,
    }  # fmt: skip


async def sign_release(
    ledger: Ledger, release: str, about: str, read: ReadBlob, network: Network | None = None
) -> dict[str, Any]:
    """Check a release, or its withdrawal, on the own peer, and put this user's signature on the ledger.

    Raises:
        NodeError: FL4511, a release says what is not so; FL4516, it names a file that cannot be made again here.
        LedgerError: the contract's refusal.
    """
    view = await ledger.query("GetRelease", release=release)
    statement = view[_KEYS[about][0]]
    if about == RELEASE:
        await check_statement(ledger, statement, read, network)
    else:
        _check_withdrawal(view)
    profile = ledger.profile
    signature = profile.signer.sign(sha256(encoded(canonical_json(statement))).digest())
    certificate = x509.load_pem_x509_certificate(profile.cert_pem).public_bytes(Encoding.DER)
    return dict(
        await ledger.submit(
            "SignRelease",
            release=release,
            about=about,
            certificate=base64.b64encode(certificate).decode(),
            signature=base64.b64encode(signature).decode(),
        )
    )


def _check_withdrawal(view: dict[str, Any]) -> None:
    if view["withdrawal"] is None:
        raise NodeError(codes.NOT_WITHDRAWN, f"{view['release']} is not withdrawn", hint="Vote for it first.")
    check_type(view["withdrawal"], WITHDRAWAL)
    named = view["withdrawal"]["subject"][0]["digest"]["sha256"]
    if named != sha256(canonical_json(view["statement"])).hexdigest():
        raise NodeError(codes.RELEASE_DIFFERS, "the withdrawal is of another passport")


def envelope_of(view: dict[str, Any], about: str) -> Envelope:
    """Return a release, or its withdrawal, with all signatures that the ledger holds.

    Raises:
        NodeError: FL4513, it is not withdrawn.
    """
    statement, signatures = (view[key] for key in _KEYS[about])
    if statement is None:
        raise NodeError(codes.NOT_WITHDRAWN, f"{view['release']} is not withdrawn")
    check_type(statement, PASSPORT if about == RELEASE else WITHDRAWAL)
    organisations = len(view["statement"]["predicate"]["organisations"])
    if len(signatures) <= organisations // 2:
        text = f"{len(signatures)} of {organisations} organisations have signed so far"
        raise PassportError(passport_codes.NO_MAJORITY, text)
    return Envelope(canonical_json(statement), tuple(_signature(signatures[msp]) for msp in sorted(signatures)))


def _signature(record: dict[str, str]) -> Signature:
    certificate = x509.load_der_x509_certificate(base64.b64decode(record["certificate"]))
    return Signature(base64.b64decode(record["signature"]), certificate)
