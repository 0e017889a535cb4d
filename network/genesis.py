"""The channel's first block, rendered from public parts alone: everybody who does it gets the same bytes.

What tools leave to chance is settled: the nonce and the transaction's id follow from the configuration, the time is the
epoch, and maps are in order.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fabric_protos.common import common_pb2, configtx_pb2, configuration_pb2
from fabric_protos.peer import configuration_pb2 as peer_configuration_pb2
from google.protobuf.message import DecodeError

from gateway.encoding import sha256, transaction_id
from network import codes
from network.channel_admin import config_of
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import channel_block, public_parts
from network.plan import Kind
from network.topology import Consortium

NONCE_BYTES = 24
WITH_MAPS = {"Capabilities": configuration_pb2.Capabilities, "ACLs": peer_configuration_pb2.ACLs}
MOST_NAMED = 10


def render(folder: Path, consortium: Consortium, kind: Kind) -> Any:
    """Return the channel's first block from the public parts in an organisation's folder.

    Raises:
        NetworkError: FL1106 if an organisation's are missing, FL1052 if Fabric's configtxgen refuses.
    """
    missing = [o.name for o in consortium.organisations if not public_parts(folder, o.name).tls_root.exists()]
    if missing:
        message = f"the public parts of {', '.join(missing)} are not here"
        hint = "Import their exports with `fedledger network import FILE`; your own comes with `fedledger org export`."
        raise NetworkError(codes.PARTS_MISSING, message, where=str(folder), hint=hint)
    if kind == "devnet":
        from network.devnet.genesis import genesis_block  # noqa: PLC0415  only where it is asked for

        return settled(genesis_block(consortium, folder))
    from network.fabric.plan import make_channel_block  # noqa: PLC0415  only where it is asked for

    return settled(make_channel_block(consortium, folder))


def write(folder: Path, consortium: Consortium, kind: Kind) -> bool:
    """Render the channel's first block into an organisation's folder; return whether it was not there before.

    Raises:
        NetworkError: as `render`, and FL1107 if another is there.
    """
    path = channel_block(folder)
    block = render(folder, consortium, kind)
    if path.exists():
        _require_same(block, path.read_bytes(), path)
        return False
    write_atomically(path, block.SerializeToString())
    return True


def take(folder: Path, consortium: Consortium, file: Path) -> bool:
    """Take a running channel's first block from a member's file: it cannot be rendered once organisations have joined.

    Whether it is the channel's no file can show: compare its SHA-256 with several members. Return whether it is new.

    Raises:
        NetworkError: FL1107 if it is no first block of this channel, or another one is here.
    """
    raw, path = file.read_bytes(), channel_block(folder)
    if _channel_of(raw, file) != consortium.channel:
        message = f"this is not the first block of {consortium.channel}"
        raise NetworkError(codes.GENESIS_DIFFERS, message, where=str(file), hint="Ask a member for channel.block.")
    if path.exists():
        _require_same(settled(common_pb2.Block.FromString(raw)), path.read_bytes(), path)
        return False
    write_atomically(path, raw)
    return True


def verify(folder: Path, consortium: Consortium, kind: Kind, file: Path) -> None:
    """Check that a block is what this organisation renders itself: the same configuration, part by part.

    Raises:
        NetworkError: FL1107 with the places that differ.
    """
    _require_same(render(folder, consortium, kind), file.read_bytes(), file)


def differences(ours: Any, theirs: Any, path: str = "/Channel") -> Iterator[str]:
    """Yield where two ConfigGroups differ, in words."""
    if (ours.mod_policy, ours.version) != (theirs.mod_policy, theirs.version):
        yield f"{path} is changed by another policy"
    for kind in ("values", "policies", "groups"):
        mine, other = getattr(ours, kind), getattr(theirs, kind)
        for name in sorted({*mine, *other}):
            here = f"{path}/{name}"
            if name not in mine:
                yield f"{here} is not in ours"
            elif name not in other:
                yield f"{here} is missing"
            elif kind == "groups":
                yield from differences(mine[name], other[name], here)
            elif mine[name] != other[name]:
                yield f"{here} differs"


def settled(block: Any) -> Any:
    """Return a first block in which nothing is left to chance."""
    payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
    envelope = configtx_pb2.ConfigEnvelope.FromString(payload.data)
    _order(envelope.config.channel_group)
    data = envelope.SerializeToString(deterministic=True)
    nonce = sha256(data)[:NONCE_BYTES]
    header = common_pb2.ChannelHeader.FromString(payload.header.channel_header)
    header.timestamp.seconds = header.timestamp.nanos = 0
    if header.tx_id:
        header.tx_id = transaction_id(nonce, b"")
    outer = common_pb2.Header(
        channel_header=header.SerializeToString(),
        signature_header=common_pb2.SignatureHeader(nonce=nonce).SerializeToString(),
    )
    content = common_pb2.Payload(header=outer, data=data).SerializeToString()
    transaction = common_pb2.Envelope(payload=content).SerializeToString()
    made = common_pb2.Block()
    made.CopyFrom(block)
    made.data.data[:] = [transaction]
    made.header.data_hash = sha256(transaction)
    return made


def _channel_of(raw: bytes, file: Path) -> str:
    try:
        block = common_pb2.Block.FromString(raw)
        config_of(block)
        payload = common_pb2.Payload.FromString(common_pb2.Envelope.FromString(block.data.data[0]).payload)
        channel: str = common_pb2.ChannelHeader.FromString(payload.header.channel_header).channel_id
    except (DecodeError, IndexError):
        raise NetworkError(codes.GENESIS_DIFFERS, "this is no first block of a channel", where=str(file)) from None
    return channel if block.header.number == 0 else ""


def _order(group: Any) -> None:
    """Write maps within values in the order of their keys."""
    for name, value in group.values.items():
        if name in WITH_MAPS:
            value.value = WITH_MAPS[name].FromString(value.value).SerializeToString(deterministic=True)
    for inner in group.groups.values():
        _order(inner)


def _require_same(ours: Any, raw: bytes, file: Path) -> None:
    try:
        theirs = settled(common_pb2.Block.FromString(raw))
    except (DecodeError, IndexError):
        raise NetworkError(codes.GENESIS_DIFFERS, "this is no first block of a channel", where=str(file)) from None
    if ours == theirs:
        return
    found = list(differences(config_of(ours).channel_group, config_of(theirs).channel_group))
    places = "; ".join(found[:MOST_NAMED]) or "the name of the channel differs"
    hint = "Compare the definition and the exports of the organisations that are named."
    message = f"this is not the block that follows from the exports: {places}"
    raise NetworkError(codes.GENESIS_DIFFERS, message, where=str(file), hint=hint)
