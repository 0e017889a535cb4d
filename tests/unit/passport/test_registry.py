"""PassportRegistry on a real EVM: what it takes, what it refuses, and that the Python check says the same."""

import contextlib
import json
import os
import random
import re
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner

from fedledger_passport.envelope import Envelope
from fl_node import codes
from fl_node.commands.passport import passport as command
from fl_node.errors import NodeError
from fl_node.evm import messages
from fl_node.evm.endorsing import endorsement
from fl_node.evm.messages import Anchored, Pair, Place, anchor_digest, rotate_digest, withdraw_digest
from fl_node.evm.registry import ARTEFACT, Registry, Rpc, encode, selector
from gateway import Signer
from gateway.signatures import digest_signer
from tests.unit.passport.consortium import Consortium

ANVIL = os.environ.get("FEDLEDGER_ANVIL") or shutil.which("anvil")
ORDER = ec.SECP256R1().group_order
PREHASHED = ec.ECDSA(utils.Prehashed(hashes.SHA256()))
MOST_GAS = 120_000


def test_what_was_compiled_is_the_source():
    """Fails after a change of the contract until scripts/registry.py has run."""
    assert json.loads(ARTEFACT.read_text())["source"] == sha256(ARTEFACT.with_suffix(".vy").read_bytes()).hexdigest()


class Board:
    """Organisations' keys in the order of a registry."""

    def __init__(self, count: int) -> None:
        self.secrets = [ec.generate_private_key(ec.SECP256R1()) for _ in range(count)]
        self.secrets.sort(key=lambda secret: secret.public_key().public_numbers().x)

    @property
    def keys(self) -> list[Pair]:
        numbers = [secret.public_key().public_numbers() for secret in self.secrets]
        return [(one.x, one.y) for one in numbers]

    def sign(self, at: int, digest: bytes, *, high: bool = False) -> Pair:
        r, s = utils.decode_dss_signature(self.secrets[at].sign(digest, PREHASHED))
        return (r, ORDER - s) if (s > ORDER // 2) != high else (r, s)

    def signed(self, digest: bytes, *places: int) -> dict[int, Pair]:
        return {at: self.sign(at, digest) for at in places}


@pytest.fixture(scope="module")
def rpc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rpc]:
    if not ANVIL:
        pytest.skip("no anvil in FEDLEDGER_ANVIL or PATH (npm: @foundry-rs/anvil-linux-amd64)")
    log = tmp_path_factory.mktemp("anvil") / "log"
    command = [ANVIL, "--hardfork", "osaka", "--port", "0"]
    with log.open("w") as out, subprocess.Popen(command, stdout=out, stderr=out) as node:
        try:
            yield Rpc(f"http://{listening(node, log)}")
        finally:
            node.terminate()


def listening(node: subprocess.Popen[bytes], log: Path) -> str:
    """Wait until anvil says where it listens."""
    while node.poll() is None:
        if found := re.search(r"Listening on ([\d.]+:\d+)", log.read_text()):
            return found[1]
        time.sleep(0.05)
    raise AssertionError(f"anvil ended: {log.read_text()}")


@pytest.fixture
def sender(rpc: Rpc) -> str:
    return str(rpc.call("eth_accounts")[0])


@pytest.fixture
def board() -> Board:
    return Board(4)


@pytest.fixture
def registry(rpc: Rpc, sender: str, board: Board) -> Registry:
    return Registry.deploy(rpc, sender, list(reversed(board.keys)))


@pytest.fixture
def anchored() -> Anchored:
    return Anchored.of(Envelope.read(Consortium().signed()))


pytestmark = pytest.mark.evm


def test_a_passport_is_anchored_with_three_of_four(registry: Registry, sender: str, board: Board, anchored: Anchored):
    assert registry.keys == board.keys
    assert registry.status(anchored) == "unknown"
    registry.anchor(sender, anchored, board.signed(anchor_digest(registry.place, anchored), 0, 2, 3))
    assert registry.status(anchored) == "anchored"
    for other in (replace(anchored, round=4), replace(anchored, state=bytes(32)), replace(anchored, lineage=bytes(32))):
        assert registry.status(other) == "unknown"


def test_four_signatures_cost_little(registry: Registry, sender: str, board: Board, anchored: Anchored):
    signatures = board.signed(anchor_digest(registry.place, anchored), 0, 1, 2, 3)
    gas = int(registry.anchor(sender, anchored, signatures)["gasUsed"], 16)
    print(f"\ngas of an anchor with four signatures: {gas}")  # noqa: T201
    assert gas <= MOST_GAS


FORGED = ["two of four", "a wrong key", "another's place", "another chain", "another registry", "an earlier epoch",
          "a changed field", "the higher s", "one twice", "a place that is none", "no signature"]  # fmt: skip


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_anchor_is_refused(registry: Registry, sender: str, board: Board, anchored: Anchored, name: str):
    place = registry.place
    other = {
        "another chain": replace(place, chain_id=1),
        "another registry": replace(place, registry=bytes(20)),
        "an earlier epoch": replace(place, epoch=1),
    }.get(name, place)
    digest = anchor_digest(other, replace(anchored, round=9) if name == "a changed field" else anchored)
    signatures = board.signed(digest, 0, 1, 2)
    reason = "signature"
    match name:
        case "two of four":
            del signatures[2]
            reason = "majority"
        case "a wrong key":
            signatures[2] = Board(1).sign(0, digest)
        case "another's place":
            signatures[3] = signatures.pop(2)
        case "the higher s":
            signatures[1], reason = board.sign(1, digest, high=True), "high s"
        case "one twice":
            signatures[2] = signatures[1]
        case "a place that is none":
            signatures[4], reason = signatures.pop(2), "signer"
        case "no signature":
            signatures, reason = {}, "majority"
    with pytest.raises(NodeError, match=f"FL4522.*{reason}"):
        registry.anchor(sender, anchored, signatures)
    assert registry.status(anchored) == "unknown"


def test_no_signature_counts_twice(registry: Registry, sender: str, board: Board, anchored: Anchored):
    digest = anchor_digest(registry.place, anchored)
    one = board.sign(0, digest)
    refused = ([0, 0, 1], [one, one, board.sign(1, digest)]), ([1, 0, 2], [board.sign(at, digest) for at in (1, 0, 2)])
    for signers, signatures in refused:
        assert not taken(registry, sender, anchored, signers, signatures)


def test_a_passport_is_anchored_and_withdrawn_once(registry: Registry, sender: str, board: Board, anchored: Anchored):
    withdrawal = board.signed(withdraw_digest(registry.place, anchored.passport), 0, 1, 2)
    with pytest.raises(NodeError, match=r"FL4522.*not anchored"):
        registry.withdraw(sender, anchored.passport, withdrawal)
    signatures = board.signed(anchor_digest(registry.place, anchored), 0, 1, 2)
    registry.anchor(sender, anchored, signatures)
    with pytest.raises(NodeError, match=r"FL4522.*anchored"):
        registry.anchor(sender, anchored, signatures)
    with pytest.raises(NodeError, match=r"FL4522.*signature"):
        registry.withdraw(sender, anchored.passport, signatures)
    registry.withdraw(sender, anchored.passport, withdrawal)
    assert registry.status(anchored) == "withdrawn"
    with pytest.raises(NodeError, match=r"FL4522.*withdrawn"):
        registry.withdraw(sender, anchored.passport, withdrawal)


def test_keys_are_replaced_by_a_majority_of_the_old_ones_alone(
    registry: Registry, sender: str, board: Board, anchored: Anchored
):
    new, before = Board(5), registry.place
    digest = rotate_digest(before, new.keys)
    with pytest.raises(NodeError, match=r"FL4522.*signature"):
        registry.rotate(sender, new.keys, new.signed(digest, 0, 1, 2))
    with pytest.raises(NodeError, match=r"FL4522.*majority"):
        registry.rotate(sender, new.keys, board.signed(digest, 0, 1))
    with pytest.raises(NodeError, match=r"FL4522.*signature"):
        registry.rotate(sender, new.keys[:4], board.signed(digest, 0, 1, 2))
    twice = [new.keys[0], new.keys[0]]
    with pytest.raises(NodeError, match=r"FL4522.*order"):
        registry.rotate(sender, twice, board.signed(rotate_digest(before, twice), 0, 1, 2))
    registry.rotate(sender, new.keys, board.signed(digest, 1, 2, 3))
    assert (registry.keys, registry.place.epoch) == (new.keys, 1)
    with pytest.raises(NodeError, match="FL4522"):
        registry.anchor(sender, anchored, board.signed(anchor_digest(before, anchored), 0, 1, 2))
    registry.anchor(sender, anchored, new.signed(anchor_digest(registry.place, anchored), 0, 3, 4))
    assert registry.status(anchored) == "anchored"


def test_the_python_check_takes_and_refuses_what_the_chain_does(registry: Registry, sender: str, board: Board):
    """Random requests, right ones and ones with one thing wrong: both sides say the same of each."""
    chance, place, said = random.Random(7), registry.place, []
    for _ in range(60):
        anchored, signers, signatures = request(chance, board, place)
        here = messages.holds(anchor_digest(place, anchored), board.keys, signers, signatures)
        assert taken(registry, sender, anchored, signers, signatures) == here
        said.append(here)
    assert 10 < sum(said) < 50


def request(chance: random.Random, board: Board, place: Place) -> tuple[Anchored, list[int], list[Pair]]:
    """A request that may have one thing wrong."""
    anchored = Anchored(chance.randbytes(32), chance.randbytes(32), chance.randbytes(32), chance.randrange(1 << 64))
    signers = sorted(chance.sample(range(4), chance.randint(2, 4)))
    signatures = [board.sign(at, anchor_digest(place, anchored)) for at in signers]
    at, wrong = chance.randrange(len(signers)), chance.randrange(12)
    r, s = signatures[at]
    signatures[at] = {0: (r, ORDER - s), 1: (r ^ 1, s), 2: (0, s), 3: (r, 0), 4: (ORDER, s)}.get(wrong, (r, s))
    if wrong == 5:
        signers[at] = chance.randrange(6)
    if wrong == 6:
        anchored = replace(anchored, round=anchored.round ^ 1)
    return anchored, signers, signatures


def taken(registry: Registry, sender: str, anchored: Anchored, signers: list[int], signatures: list[Pair]) -> bool:
    """Whether the chain would take a request; nothing is sent."""
    function = "anchor(bytes32,bytes32,bytes32,uint256,uint256[],bytes32[2][])"
    data = "0x" + (selector(function) + encode(*anchored.words, signers, signatures)).hex()
    try:
        registry.rpc.call("eth_call", {"from": sender, "to": registry.address, "data": data}, "latest")
    except NodeError as error:
        if error.code != codes.EVM_REFUSED:
            raise
        return False
    return True


def test_the_commands_put_a_passport_on_a_chain(rpc: Rpc, sender: str, tmp_path: Path):
    consortium = Consortium()
    consortium.write(tmp_path / "trust")
    (tmp_path / "passport.json").write_bytes(consortium.signed())
    people, chain = [member.admin for member in consortium.members], ["--rpc", rpc.url]
    for at, one in enumerate(people):
        (tmp_path / f"{at}.pem").write_bytes(one.certificate.public_bytes(Encoding.PEM))
    made = answer(tmp_path, "registry", *(f"{at}.pem" for at in range(4)), *chain, "--from", sender)
    chain += ["--registry", made["registry"]]
    assert answer(tmp_path, "status", "passport.json", *chain, code=4)["status"] == "unknown"
    known = Registry(rpc, made["registry"])
    digest = anchor_digest(known.place, Anchored.of(Envelope.read(consortium.signed())))
    for at, one in enumerate(people):
        signer = Signer(sign=digest_signer(one.key))
        certificate = one.certificate.public_bytes(Encoding.PEM)
        (tmp_path / f"{at}.json").write_text(json.dumps(endorsement(signer, certificate, digest)))
    pays = [*chain, "--from", sender, "--trust", "trust"]
    few = answer(tmp_path, "anchor", "passport.json", "0.json", "1.json", *pays, code=1)
    assert few["error"]["code"] == codes.EVM_REFUSED
    (tmp_path / "changed.json").write_text((tmp_path / "2.json").read_text().replace(digest.hex(), "00" * 32))
    other = answer(tmp_path, "anchor", "passport.json", "0.json", "1.json", "changed.json", *pays, code=1)
    assert "something else" in other["error"]["message"]
    done = answer(tmp_path, "anchor", "passport.json", "0.json", "1.json", "2.json", *pays)
    assert done["status"] == "anchored"
    assert answer(tmp_path, "status", "passport.json", *chain)["status"] == "anchored"
    new = sorted(messages.key_of(one.certificate) for one in people[1:])
    digest = rotate_digest(known.place, new)
    for at, one in enumerate(people):
        made = endorsement(Signer(sign=digest_signer(one.key)), one.certificate.public_bytes(Encoding.PEM), digest)
        (tmp_path / f"{at}.json").write_text(json.dumps(made))
    certificates = [word for at in (1, 2, 3) for word in ("--cert", f"{at}.pem")]
    keys = [*chain, "--from", sender, *certificates]
    assert answer(tmp_path, "rekey", "0.json", "1.json", *keys, code=1)["error"]["code"] == codes.EVM_REFUSED
    assert answer(tmp_path, "rekey", "0.json", "1.json", "2.json", *keys)["epoch"] == 1
    assert known.keys == new


def answer(folder: Path, *arguments: str, code: int = 0) -> dict[str, Any]:
    with contextlib.chdir(folder):
        said = CliRunner().invoke(command, [*arguments, "--json"])
    assert said.exit_code == code, said.output
    return dict(json.loads(said.stdout))


def test_an_address_without_a_registry_and_a_silent_node_are_told(rpc: Rpc, tmp_path: Path):
    with pytest.raises(NodeError, match=r"FL4522.*no registry"):
        _ = Registry(rpc, "0x" + "11" * 20).keys
    for url in ("http://127.0.0.1:1", f"file://{tmp_path}"):
        with pytest.raises(NodeError, match="FL4521"):
            Rpc(url).call("eth_chainId")
