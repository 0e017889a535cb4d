"""Every Python decoder that meets bytes from outside: bytes to start from, and the refusals that are allowed.

Anything else that a decoder raises is a fault: a node or an audit would report it as unforeseen, or end.
"""

import contextlib
import hashlib
import io
import socket
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiohttp.test_utils import make_mocked_request
from fabric_protos.common import common_pb2, configtx_pb2

from audit.evidence.fetch import FetchError, block_path, read_block
from audit.fabric.channel import parse_config
from audit.fabric.envelope import parse_action, parse_transaction
from audit.fabric.wire import WireError, check_envelopes, recorded_flags
from audit.report.bundle import MANIFEST, unpack
from fl_node.blobs.first_digest import ASKED, Bindings
from fl_node.blobs.index import Index
from fl_node.blobs.service import CONTENT_RANGE, _asked_for
from fl_node.blobs.store import About, BlobStore
from fl_node.canonical import CanonicalError, canonical_json, decode_strict
from fl_node.data.array_files import ArrayFileError
from fl_node.data.errors import DataError
from fl_node.errors import NodeError
from fl_node.plan.arithmetic.update import next_state
from fl_node.plan.container import read_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.frames import Closed, Message, receive, send
from fl_node.plan.frameworks import parse_manifest
from fl_node.plan.safetensors import from_safetensors, to_safetensors
from fl_node.plan.state_codec import Leaf, compare_states, decode_state, encode_state
from fl_node.secagg.errors import SecaggError
from fl_node.secagg.keys import check_public_key
from fl_node.secagg.layout import Layout
from fl_node.secagg.seal import part, seal, unseal
from fl_node.secagg.shamir import rebuild
from fl_node.secagg.shares import Dealt
from network.ca.embedded import Refusal
from network.ca.tokens import TokenError
from network.errors import NetworkError
from network.topology import DEFAULT_DEFINITION, parse_consortium
from network.yaml_lines import PlacedYaml
from tests.fuzz import authorities, members_files
from tests.unit.plan.arithmetic import models as averaging
from tests.unit.plan.samples import LAYOUT, PACKED, manifest

warnings.simplefilter("ignore")  # pyarrow warns of what it reads; that is not an answer

SCRATCH = Path(tempfile.mkdtemp(prefix="fedledger-fuzz-"))
MEMBERS = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Target:
    """One decoder.

    Attributes:
        seeds: Good inputs to start from.
        run: Reads bytes; raises only what `allowed` names.
        allowed: How it may refuse them.
    """

    seeds: tuple[bytes, ...]
    run: Callable[[bytes], object]
    allowed: tuple[type[Exception], ...]

    def try_one(self, raw: bytes) -> None:
        """Decode once; raises what is a fault."""
        with contextlib.suppress(*self.allowed):
            self.run(raw)


def state(raw: bytes) -> None:
    good = STATES[0]
    with contextlib.suppress(PlanError):
        compare_states(good, raw, 1e-6)
    assert encode_state(decode_state(raw)) == raw


def canonical(raw: bytes) -> None:
    value = decode_strict(raw)
    assert decode_strict(canonical_json(value)) == value


def layout(raw: bytes) -> None:
    found = Layout.parse(raw)
    if found.length < 1 << 20:
        with contextlib.suppress(SecaggError):
            found.check_vector(bytes(found.length))


def sealed(raw: bytes) -> None:
    key, session = bytes(32), bytes(32)
    part(raw, MEMBERS, "a", "b")
    with contextlib.suppress(SecaggError):
        unseal(session, ("a", "b"), key, raw, (1, 4))
    # as a dealer would who seals what it likes: decryption always works
    dealt = Dealt(raw[:66], raw[66:132], (raw[132:196],))
    unseal(session, ("a", "b"), key, seal(session, ("a", "b"), key, dealt, 4), (1, 4))


def share(raw: bytes) -> None:
    with contextlib.suppress(SecaggError):
        check_public_key(raw[:32])
    rebuild([(1, raw[: len(raw) // 2]), (2, raw[len(raw) // 2 :])])


def block(raw: bytes) -> None:
    path = block_path(SCRATCH, 0)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(raw)
    found = read_block(SCRATCH, 0)
    with contextlib.suppress(WireError):
        check_envelopes(found)
        recorded_flags(found)
    for index, envelope in enumerate(found.data.data):
        with contextlib.suppress(WireError):
            transaction = parse_transaction(index, envelope)
            parse_action(transaction)
            parse_config(transaction.data)


def bundle(raw: bytes) -> None:
    path = SCRATCH / "bundle.zip"
    path.write_bytes(raw)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as folder:
        unpack(path, Path(folder))


def consortium(raw: bytes) -> None:
    path = SCRATCH / "consortium.yaml"
    path.write_bytes(raw)
    parse_consortium(PlacedYaml.read(path))


def http(raw: bytes) -> None:
    text = raw.decode("utf-8", "replace")
    request = make_mocked_request("GET", "/", headers={"Range": text, ASKED: text})
    first, last = _asked_for(request, 1000)
    assert 0 <= first <= last <= 1000
    store = BlobStore(SCRATCH / "blobs")
    with contextlib.suppress(NodeError):
        Bindings(Index(SCRATCH / "bindings")).first("a", text)
    with contextlib.suppress(NodeError):
        store.path(text)
    if match := CONTENT_RANGE.fullmatch(text):
        start, _, total = (int(group) for group in match.groups())
        store.append(hashlib.sha256(raw).hexdigest(), start, total, raw, About("a"))


def frames(raw: bytes) -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.settimeout(1)
            ours.sendall(raw[:100_000])
        theirs.settimeout(1)
        receive(theirs)


def _block() -> bytes:
    config = configtx_pb2.ConfigEnvelope()
    header = common_pb2.Header(channel_header=common_pb2.ChannelHeader(type=1, tx_id="t").SerializeToString())
    payload = common_pb2.Payload(header=header, data=config.SerializeToString())
    envelope = common_pb2.Envelope(payload=payload.SerializeToString(), signature=b"s")
    made = common_pb2.Block(header=common_pb2.BlockHeader(number=0, data_hash=bytes(32)))
    made.data.data.append(envelope.SerializeToString())
    made.metadata.metadata.extend([b"", b"", b"\0", b"", b""])
    return made.SerializeToString()


def _bundle() -> bytes:
    name, content = "blocks/000000/000000000.block", _block()
    said = {
        "files": {name: hashlib.sha256(content).hexdigest()},
        "block_hashes": ["00"],
        "last_block": 0,
        "short": False,
        "missing_blobs": [],
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(MANIFEST, canonical_json(said))
        archive.writestr(name, content)
    return stream.getvalue()


def _frame() -> bytes:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, Message({"op": "work", "error": None}, (b"blob", b"")))
        return theirs.recv(1 << 16)


def step(raw: bytes) -> None:
    """What another organisation says is a base state, and a sum after it."""
    next_state(EXACT, raw[: len(BASE)], raw[len(BASE) :], [30])


STATES = (
    encode_state([Leaf("w", np.ones((2, 3), np.float32)), Leaf("t", np.array([b"a", b""], np.object_))]),
    encode_state([Leaf("b", np.array(True)), Leaf("n", np.array(3, np.int64))]),
    struct.pack(">18sI", b"fedledger-state/1\n", 2) + b"[]",
)
EXACT = averaging.manifest("fedadam")
FIRST = averaging.first(EXACT.averaging.server)
BASE, SUM = encode_state(FIRST.leaves()), averaging.vector(EXACT, FIRST, 1, 30)
LEDGER_LAYOUT = canonical_json(LAYOUT.model_dump(mode="json"))
SHARES = bytes(132) + b"\1" * 64

TARGETS: dict[str, Target] = {
    "state": Target(STATES, state, (PlanError,)),
    "plan": Target((PACKED, averaging.packed(EXACT)), read_plan, (PlanError,)),
    "safetensors": Target((to_safetensors({"w": np.ones((2, 3), np.float32)}),), from_safetensors, (NodeError,)),
    "manifest": Target((manifest().canonical(), EXACT.canonical()), parse_manifest, (PlanError,)),
    "step": Target((BASE + SUM,), step, (PlanError,)),
    "canonical": Target((b'{"a":[1,null,true,"\xc3\xbc"]}', b"-1", LEDGER_LAYOUT), canonical, (CanonicalError,)),
    "layout": Target((LEDGER_LAYOUT,), layout, (SecaggError,)),
    "sealed": Target((SHARES, SHARES + bytes(32)), sealed, (SecaggError,)),
    "share": Target((bytes(132), b"\1" * 66), share, (SecaggError,)),
    "csv": Target(members_files.CSV, members_files.csv, (DataError,)),
    "parquet": Target(members_files.parquet_files(), members_files.parquet, (DataError,)),
    "description": Target(members_files.DESCRIPTIONS, members_files.description, (DataError,)),
    "npy": Target(members_files.arrays("npy"), members_files.npy, (ArrayFileError,)),
    "png": Target(members_files.arrays("png"), members_files.png, (ArrayFileError,)),
    "block": Target((_block(),), block, (FetchError,)),
    "bundle": Target((_bundle(),), bundle, (FetchError,)),
    "consortium": Target((DEFAULT_DEFINITION.read_bytes(),), consortium, (NetworkError,)),
    "http": Target((b"bytes=0-9", b"bytes 0-9/10", b"a/1/1 " + b"0" * 64 + b" " + b"f" * 64), http, (NodeError,)),
    "frames": Target((_frame(),), frames, (Closed,)),
    "answer": Target(authorities.ANSWERS, authorities.answer, (NetworkError,)),
    "token": Target(authorities.TOKENS, authorities.token, (TokenError,)),
    "request": Target(authorities.REQUESTS, authorities.wanted, (Refusal,)),
}
