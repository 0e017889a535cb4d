"""A model leaves the channel: a vote, each organisation's check on its own peer, signatures, a passport."""

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from audit.evidence.fetch import fetch
from fedledger_passport import PassportError, Trust, Verified, verify
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger, open_ledger
from fl_node.plan.forms import TARGETS
from fl_node.plan.state_codec import Leaf, encode_state
from fl_node.release.blocks import assembled, check_blocks
from fl_node.release.folder import folder_of
from fl_node.release.network_files import Network
from fl_node.release.releasing import RELEASE, WITHDRAWN, envelope_of, release_body, sign_release
from fl_node.release.trusted import write_trust
from tests.faults.synthetic import plan_of
from tests.scenarios.federation import LAYOUT, Federation, digest
from tests.scenarios.rounds import Attempt

WEIGHTS = Leaf("global_model_weights/trainable/0", np.arange(6, dtype=np.float32).reshape(2, 3))
STATE = encode_state([WEIGHTS])
PLAN = plan_of("released")
BLOBS = {hashlib.sha256(blob).hexdigest(): blob for blob in (STATE, PLAN)}


@dataclass
class Trained(Attempt):
    """An attempt whose result is a state with weights."""

    made: ClassVar[str] = hashlib.sha256(STATE).hexdigest()

    def state(self) -> str:
        return self.made


async def read(name: str) -> bytes:
    return BLOBS[name]


@asynccontextmanager
async def own(federation: Federation, member: str) -> AsyncIterator[Ledger]:
    """A member's connection that asks its own peer alone, as the command's."""
    who = federation.profile(member, "admin")
    async with open_ledger(who, answering=(who.msp_id,)) as ledger:
        yield ledger


async def test_a_model_leaves_with_a_passport_that_checks_without_the_ledger(federation: Federation, tmp_path: Path):
    await trained(federation)
    first = federation.members[0]
    async with own(federation, first) as ledger:
        body = await release_body(ledger, "tumour-1", "tumour", 0, read)
    await federation.agree("release_model", **body)
    await refuses_what_is_not_so(federation, body)
    for member in federation.members[:3]:
        async with own(federation, member) as ledger:
            await sign_release(ledger, "tumour-1", RELEASE, read)
    async with own(federation, first) as ledger:
        view = await ledger.query("GetRelease", release="tumour-1")
        await write_trust(ledger, tmp_path / "trust")
        files = await folder_of(ledger, envelope_of(view, RELEASE), "model", read)
    passport, trust = files["passport.json"], Trust.load(tmp_path / "trust")
    found = verify(passport, trust, model=written(tmp_path / "model", files))
    assert found.signed_by == tuple(sorted(federation.msp(member) for member in federation.members[:3]))
    assert found.statement["predicate"]["plan"]["framework"] == "tensorflow-federated"
    assert await audited(federation, found, tmp_path)
    withdrawal = await withdrawn(federation)
    with pytest.raises(PassportError, match=r"FL6013.*labels"):
        verify(passport, trust, withdrawals=[withdrawal])
    with pytest.raises(PassportError, match=r"FL6013.*labels"):
        await audited(federation, found, tmp_path)


NETWORK = """
import tensorflow as tf

def network():
    return tf.keras.Sequential([tf.keras.layers.Input((2,)), tf.keras.layers.Dense(3, "softmax", use_bias=False)])
"""


@pytest.mark.tff
@pytest.mark.lengthy
@pytest.mark.timeout(600)
async def test_a_model_leaves_with_files_of_its_network_that_each_signer_made_again(
    federation: Federation, tmp_path: Path
):
    """Five child processes of the framework: who proposes, three who sign, who writes the folder."""
    await trained(federation)
    source = tmp_path / "source.py"
    source.write_text(NETWORK)
    network, first = Network(str(source)), federation.members[0]
    async with own(federation, first) as ledger:
        body = await release_body(ledger, "tumour-1", "tumour", 0, read, network, TARGETS)
        await federation.agree("release_model", **body)
        with pytest.raises(NodeError, match=r"FL4516.*network\.py"):
            await sign_release(ledger, "tumour-1", RELEASE, read)
    for member in federation.members[:3]:
        async with own(federation, member) as ledger:
            await sign_release(ledger, "tumour-1", RELEASE, read, network)
    async with own(federation, first) as ledger:
        envelope = envelope_of(await ledger.query("GetRelease", release="tumour-1"), RELEASE)
        await write_trust(ledger, tmp_path / "trust")
        files = await folder_of(ledger, envelope, "model", read, network=network)
    made = {"model.safetensors", "model.onnx", "model.keras", "network.py", "saved_model/saved_model.pb"}
    assert made <= files.keys()
    model, trust = written(tmp_path / "model", files), Trust.load(tmp_path / "trust")
    assert len(verify(files["passport.json"], trust, model=model).signed_by) == 3
    (model / "model.onnx").write_bytes(b"another graph")
    with pytest.raises(PassportError, match=r"FL6014.*model\.onnx"):
        verify(files["passport.json"], trust, model=model)


async def trained(federation: Federation) -> None:
    """One Final round under version 2 of the rules."""
    await federation.found()
    for member in federation.members:
        await federation.admit(member)
    await federation.agree("set_rules_version", version=2)
    plan = hashlib.sha256(PLAN).hexdigest()
    await federation.agree(
        "register_plan", plan=plan, name="synthetic", layout=LAYOUT, initial_state=digest("0"), schema=digest("schema")
    )
    await federation.agree("start_training", training="tumour", plan=plan, rounds=1, cohort=4)
    attempt = await Trained.open(federation, "tumour")
    await attempt.keys_and_shares()
    await attempt.updates()
    await attempt.unmask()
    await attempt.finish()


async def refuses_what_is_not_so(federation: Federation, body: dict[str, Any]) -> None:
    """The vote does not see blocks; each node does. Every other lie is in tests/unit/passport."""
    lie = body["evidence"] | {"final_block": body["evidence"]["final_block"] + 1}
    await federation.agree("release_model", **body | {"release": "false", "evidence": lie})
    async with own(federation, federation.members[0]) as ledger:
        with pytest.raises(NodeError, match="FL4511: final_block is"):
            await sign_release(ledger, "false", RELEASE, read)


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, raw in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(raw)
    return folder


async def withdrawn(federation: Federation) -> bytes:
    """Withdraw, and return the withdrawal as anybody puts it together."""
    async with own(federation, federation.members[0]) as ledger:
        with pytest.raises(NodeError, match="FL4513"):
            await sign_release(ledger, "tumour-1", WITHDRAWN, read)
    await federation.agree("withdraw_model", release="tumour-1", reason="a site's labels were wrong")
    for member in federation.members[1:]:
        async with own(federation, member) as ledger:
            await sign_release(ledger, "tumour-1", WITHDRAWN, read)
            view = await ledger.query("GetRelease", release="tumour-1")
    return envelope_of(view, WITHDRAWN).write()


async def audited(federation: Federation, passport: Verified, folder: Path) -> bool:
    """Tell whether the whole audit of the channel's blocks holds, the release in them being this one."""
    regulator = federation.profile(federation.consortium.regulators[0].name, "client")
    await fetch(regulator, folder / "blocks")
    other = replace(passport, statement=passport.statement | {"subject": passport.statement["subject"][:1]})
    with pytest.raises(NodeError, match="FL4514"):
        check_blocks(other, folder / "blocks", folder / "audit.sqlite")
    found = assembled(folder / "blocks", "fedledger", "tumour-1", folder / "audit.sqlite")
    assert envelope_of(found, RELEASE).digest == passport.digest
    return check_blocks(passport, folder / "blocks", folder / "audit.sqlite").ok
