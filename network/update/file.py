"""The file in which a change of the channel's configuration travels from administrator to administrator.

It is JSON: the channel, the sequence of the configuration that it was computed from, the `change` that it says it is,
Fabric's ConfigUpdate that follows from both, and the signatures made of that so far.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Self

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.msp import identities_pb2
from google.protobuf.message import DecodeError
from pydantic import ValidationError

from network import codes
from network.config_update import compute_update
from network.errors import NetworkError
from network.update.base import in_force
from network.update.changes import CHANGES, Change

MOST_BYTES: Final = 4 << 20


@dataclass(frozen=True)
class Signature:
    """A ConfigSignature; the header names who made it."""

    header: bytes
    signature: bytes

    @property
    def creator(self) -> bytes:
        """Return who made it, serialised; empty where that cannot be read."""
        try:
            creator: bytes = common_pb2.SignatureHeader.FromString(self.header).creator
        except DecodeError:
            return b""
        return creator

    @property
    def msp_id(self) -> str:
        """Return the organisation of who made it, as the header says."""
        try:
            return str(identities_pb2.SerializedIdentity.FromString(self.creator).mspid)
        except DecodeError:
            return ""

    @property
    def message(self) -> Any:
        """Return Fabric's message."""
        return configtx_pb2.ConfigSignature(signature_header=self.header, signature=self.signature)


@dataclass(frozen=True)
class UpdateFile:
    """A change with the bytes that are signed, and the signatures so far."""

    channel: str
    sequence: int
    change: Change
    update: bytes
    signatures: tuple[Signature, ...] = ()

    @classmethod
    def of(cls, channel: str, config: Any, change: Change) -> Self:
        """Return the file of a change to a Config; FL1153 where that has it, FL1154 where it cannot have it."""
        changed = change.apply(config)
        try:
            update = compute_update(channel, config.channel_group, changed.channel_group)
        except ValueError:
            raise in_force("the channel has this") from None
        return cls(channel, config.sequence, change, update.SerializeToString(deterministic=True))

    @classmethod
    def parse(cls, raw: bytes, where: str = "") -> Self:
        """Read a file; nothing of it is believed yet. FL1150 if it is none."""
        try:
            value: Any = json.loads(raw) if len(raw) <= MOST_BYTES else None
            signatures = tuple(
                Signature(*map(bytes.fromhex, (s["header"], s["signature"]))) for s in value["signatures"]
            )
            sequence, channel = int(value["sequence"]), str(value["channel"])
            change, update = CHANGES.validate_python(value["change"]), bytes.fromhex(value["update"])
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ValidationError):
            raise NetworkError(
                codes.UPDATE_UNREADABLE,
                "this is no change of a channel's configuration",
                where=where,
                hint="Ask for the file that `fedledger network update propose` wrote.",
            ) from None
        return cls(channel, sequence, change, update, signatures)

    def dump(self) -> bytes:
        """Return the file's bytes."""
        value = {
            "channel": self.channel,
            "sequence": self.sequence,
            "change": self.change.model_dump(mode="json"),
            "update": self.update.hex(),
            "signatures": [{"header": s.header.hex(), "signature": s.signature.hex()} for s in self.signatures],
        }
        return json.dumps(value, sort_keys=True, indent=1).encode() + b"\n"

    def signed(self, signatures: Iterable[Signature]) -> Self:
        """Return the file with more signatures; of each signer the first."""
        found: dict[bytes, Signature] = {}
        for each in (*self.signatures, *signatures):
            found.setdefault(each.creator, each)
        return replace(self, signatures=tuple(found.values()))

    def require_honest(self, channel: str, config: Any, where: str = "") -> None:
        """Check that the file is what its change makes of a Config.

        Raises:
            NetworkError: FL1151 if it was made for another one, FL1152 if it does something other than it says,
                FL1153 if the channel has the change, FL1154 if it cannot have it.
        """
        if self.channel != channel:
            raise NetworkError(codes.UPDATE_UNFIT, f"it is for the channel {self.channel[:80]}", where=where)
        if UpdateFile.of(channel, config, self.change).update == self.update:
            return
        if self.sequence != config.sequence:
            message = f"it was made for configuration {self.sequence}, the channel has {config.sequence}"
            hint = "Have it proposed again, and sign it anew."
            if self.sequence > config.sequence:
                message = f"it was made for configuration {self.sequence}, your peer has {config.sequence}"
                hint = "Your peer is behind: try again once it has caught up."
            raise NetworkError(codes.UPDATE_STALE, message, where=where, hint=hint)
        message = "what it would change is not what it says that it changes"
        hint = "Do not sign it. Ask who gave it to you for the file that was proposed."
        raise NetworkError(codes.UPDATE_DIFFERS, message, where=where, hint=hint)
