"""`node rotate-key`: a participant's node gets another key, and the ledger learns of it before the node has it."""

from dataclasses import dataclass
from pathlib import Path

from fl_node import codes
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, open_ledger, public_key_hash
from network import runfolder
from network.connection import consortium_of, profile
from network.folders import folder_of
from network.identities import identities_of
from network.rotation import Rotation, replace, stage, staged_certificate


@dataclass(frozen=True)
class Bound:
    """What a participant speaks with from now on; `key_hash` is that of the ledger's record."""

    participant: str
    key_hash: str
    rotation: Rotation


async def rotate_key(run: Path, organisation: str, participant: str, user: str, admin: str = "admin") -> Bound:
    """Give a node's identity a new key, bind the participant to it on the ledger, then put it in place.

    The journal stays: what the node did in an open attempt it does not do again with the new key. Interrupted anywhere,
    the same command goes on.

    Args:
        run: The run folder.
        organisation: Whose participant.
        participant: Its id.
        user: The identity that its node signs with.
        admin: The identity that tells the ledger.

    Raises:
        NodeError: FL4018, another participant's node signs with this identity; LedgerError: the ledger refuses.
        NetworkError: what `network.rotation.rotate` raises; the old key is bound then, and serves on.
    """
    identities = identities_of(consortium_of(run), run, organisation)
    with runfolder.locked(run):
        async with open_ledger(profile(run, organisation, admin)) as ledger:
            bound = (await ledger.participant(participant)).key_hash
            await _require_own(ledger, run, organisation, participant, user)
            every = stage(identities, user, new_key=True)
            signing = next(each for each in every if each.subject.unit)
            key_hash = public_key_hash(staged_certificate(identities, user, signing))
            if bound != key_hash:
                await ledger.submit("RotateKey", participant=participant, key_hash=key_hash)
        return Bound(participant, key_hash, replace(identities, user, every))


async def _require_own(ledger: Ledger, run: Path, organisation: str, participant: str, user: str) -> None:
    """Check that no other participant of the organisation speaks with the present key of an identity."""
    path = folder_of(run, organisation).user(user) / "msp" / "signcerts" / "cert.pem"
    present = public_key_hash(path.read_bytes()) if path.exists() else ""
    for record in await ledger.everything("ListParticipants"):
        if record["key_hash"] == present and record["participant"] != participant:
            other = record["participant"]
            hint = f"Name it with --participant {other}, or the other's identity with --user."
            raise NodeError(codes.ANOTHERS_KEY, f"{user} is the identity of {other}", where=participant, hint=hint)
