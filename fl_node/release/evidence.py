"""What a release says that the rules cannot see: blocks, the framework and the files, each found again here."""

import json
from collections.abc import Awaitable, Callable, Collection, Iterable
from contextlib import aclosing
from hashlib import sha256
from typing import Any, Final

from audit.fabric.wire import hash_of
from audit.verify.privacy import spent_by
from audit.verify.verdict import BEYOND
from fedledger_passport.contents import STATE, check_contents, check_type, subjects
from fl_node import codes
from fl_node.canonical import canonical_json
from fl_node.errors import NodeError
from fl_node.ledger.client import Ledger
from fl_node.plan.arithmetic.manifest import AveragingManifest
from fl_node.plan.container import Plan, read_plan
from fl_node.plan.frozen import frozen_of
from fl_node.plan.kinds.manifest import KindManifest
from fl_node.plan.kinds.step import read_state
from fl_node.plan.manifest import Manifest
from fl_node.plan.model_weights import weights_of
from fl_node.plan.safetensors import to_safetensors
from fl_node.release.network_files import SOURCE, Network, forms_in
from network.connection import Profile
from network.folders import folder_of, lock_path
from network.package import read_lock

ReadBlob = Callable[[str], Awaitable[bytes]]
"""Digest → the blob's bytes, which have that digest."""
STEPS: Final = "The steps from sum to state: {} computes them, and a majority of the organisations attested each."
OLD_SUMS: Final = "Sums of rounds whose masked updates nobody keeps any more: endorsers repeated them at the time."
NETWORK: Final = "That network.py is the network that the plan trains: its weights have the same shapes."
NOISE: Final = "That each participant added the noise that its plan asks for: no sum can show it."
STEP = ("round", "attempt", "base_state", "state", "examples")
"""What a step of a passport's lineage has in common with the ledger's own."""


def model_files(plan: Plan, state: bytes) -> dict[str, bytes]:
    """Return name → bytes of the files that a release names; they follow from plan and state alone.

    Raises:
        NodeError: FL4502, the state holds no model.
    """
    if isinstance(plan.manifest, KindManifest):
        found = plan.manifest.kind.export(plan.manifest.schema_, read_state(plan.manifest, state))
        return {"model.json": json.dumps(found, indent=2).encode() + b"\n"}
    return {"model.safetensors": to_safetensors(weights_of(state) | frozen_of(plan))}


async def all_files(plan: Plan, state: bytes, names: Iterable[str], network: Network | None) -> dict[str, bytes]:
    """Return name → bytes of the files of these names that a release has: `model_files`, and what the source gives.

    Raises:
        NodeError: FL4516, there are names that only a network's source gives, and none is here.
    """
    files = model_files(plan, state)
    others = sorted(set(names) - files.keys())
    if not others:
        return files
    forms = forms_in(others)
    if network is None:
        hint = f"Read {SOURCE}; if it is the plan's network, give it as --source."
        text = f"{', '.join(others)}: made from the state and {SOURCE}, and no source is given"
        raise NodeError(codes.FILES_NOT_MADE, text, hint=hint)
    return files | await network.files(plan, state, forms)


async def blocks_of(ledger: Ledger, training: str, round_: int, attempt: int) -> dict[str, Any]:
    """Return the first block's hash and where a round became Final, from the ledger's own peer.

    Raises:
        GatewayError: the peer does not answer.
    """
    wanted = {"training": training, "round": round_, "attempt": attempt}
    events = ledger.network.chaincode_events(ledger.profile.chaincode, start_block=0)
    async with aclosing(events) as stream:
        async for event in stream:
            said = json.loads(event.payload) if event.name == "RoundFinal" else {}
            if wanted.items() <= said.items():
                break
    return {
        "genesis": await block_hash(ledger, 0),
        "final_block": event.block_number,
        "final_hash": await block_hash(ledger, event.block_number),
        "final_transaction": event.transaction_id,
    }


async def block_hash(ledger: Ledger, number: int) -> str:
    """Return the hash of a block, hex, from the own peer."""
    contract = ledger.network.contract("qscc")
    own = (ledger.profile.msp_id,)
    raw = await contract.evaluate("GetBlockByNumber", ledger.profile.channel, str(number), endorsing_organizations=own)
    return hash_of(raw)


def noise_of(manifest: Manifest) -> dict[str, Any]:
    """Return what a plan promises by differential privacy; unit is empty where it promises nothing."""
    privacy = manifest.averaging.privacy if isinstance(manifest, AveragingManifest) else None
    if privacy is None or not isinstance(manifest, AveragingManifest):
        return {"unit": "", "epsilon": "", "delta": "", "clip": "", "rounds": 0}
    goal, clip = privacy.goal, manifest.averaging.quantisation.clip
    return {"unit": goal.unit, "epsilon": goal.epsilon, "delta": goal.delta, "clip": clip, "rounds": goal.rounds}


async def of_plan(
    ledger: Ledger, manifest: Manifest, training: str, round_: int, names: Collection[str]
) -> dict[str, Any]:
    """Return what a release says that follows from its plan: framework, noise and ε spent, what no audit makes again.

    Args:
        ledger: The own peer's.
        manifest: The plan's.
        training: The training.
        round_: The round that is released.
        names: The names of its files.
    """
    noise = noise_of(manifest) | {"spent": await _spent(ledger, manifest, training, round_)}
    return {"framework": manifest.framework, "noise": noise, "not_audited": not_audited(manifest, names)}


async def _spent(ledger: Ledger, manifest: Manifest, training: str, round_: int) -> dict[str, str]:
    """Return participant → ε over the training's rounds up to this one, void attempts too; empty without noise."""
    if not noise_of(manifest)["unit"]:
        return {}
    entries = [one for one in await ledger.everything("ListRounds", training=training) if one["round"] <= round_]
    views = [
        await ledger.query("GetRound", training=training, round=one["round"], attempt=one["attempt"]) for one in entries
    ]
    promise = (await ledger.query("GetPlan", plan=views[0]["plan"])).get("privacy")
    found = spent_by(manifest, {"training": training, "rounds": views, "promise": promise})
    return {name: f"{value:.4g}" for name, value in sorted(found.participants.items())} if found else {}


def not_audited(manifest: Manifest, names: Collection[str] = ()) -> list[str]:
    """Return what an audit of the blocks takes from those who were there, and cannot make again itself."""
    exact = isinstance(manifest, AveragingManifest | KindManifest)
    noise = [NOISE] if noise_of(manifest)["unit"] else []
    network = [NETWORK] if SOURCE in names else []
    return [*([] if exact else [STEPS.format(manifest.framework)]), OLD_SUMS, *noise, *network, *BEYOND]


def code_of(profile: Profile) -> dict[str, str]:
    """Return which chaincode the organisation agreed on: SHA-256 of its sources and package; empty without a lock."""
    root = folder_of(profile.run, profile.organisation).root
    if not lock_path(root).exists():
        return {"source": "", "package": ""}
    lock = read_lock(root)
    return {"source": lock.source, "package": lock.package_id.rpartition(":")[2]}


async def check_statement(
    ledger: Ledger, statement: dict[str, Any], read: ReadBlob, network: Network | None = None
) -> None:
    """Check everything that a release says of a model, on the ledger's own peer and from its blobs.

    Args:
        ledger: The own peer's.
        statement: The release's.
        read: Reads the plan and the state.
        network: The source from which files were made, where the release names such.

    Raises:
        NodeError: FL4511, something is not so; FL4516, a file cannot be made again here.
        PassportError: the statement contradicts itself.
    """
    check_type(statement, statement["predicateType"])
    check_contents(statement)
    predicate, named = statement["predicate"], subjects(statement)
    await _check_round(ledger, predicate, named[STATE])
    final = predicate["final"]
    found = await blocks_of(ledger, final["training"], final["round"], final["attempt"])
    said = {"genesis": predicate["genesis"], "final_block": final["block"], "final_hash": final["hash"]}
    said |= {"final_transaction": final["transaction"], "framework": predicate["plan"]["framework"]}
    plan = read_plan(await read(predicate["plan"]["sha256"]), predicate["plan"]["sha256"])
    said["noise"] = {key: value for key, value in predicate["privacy"].items() if key != "mode"}
    said |= {"code": predicate["code"], "not_audited": predicate["not_audited"], "parents": predicate["parents"]}
    found |= await of_plan(ledger, plan.manifest, final["training"], final["round"], named)
    _same(said, found | {"code": code_of(ledger.profile), "parents": await _parents(ledger, plan.digest)})
    made = await all_files(plan, await read(named.pop(STATE)), named, network)
    _same(named, {name: sha256(raw).hexdigest() for name, raw in made.items()})


async def _parents(ledger: Ledger, plan: str) -> list[Any]:
    """Return the model of another consortium that a plan began from, as the ledger has it now."""
    parent = (await ledger.query("GetPlan", plan=plan)).get("parent")
    return [parent] if parent else []


async def _check_round(ledger: Ledger, predicate: dict[str, Any], state: str) -> None:
    """Check the round and its lineage as the own peer has them."""
    final = predicate["final"]
    training, number = final["training"], final["round"]
    made = await ledger.query("GetRound", training=training, round=number, attempt=final["attempt"])
    keys = ("phase", "state", "plan", "cohort", "survivors", "rules", "deviation_e9")
    said = {"phase": "Final", "state": state, "plan": predicate["plan"]["sha256"]}
    _same(said | {key: predicate[key] for key in keys[3:]}, {key: made[key] for key in keys})
    _same({"metrics": predicate["metrics"]}, {"metrics": made["proposal"]["metrics"]})
    lineage = predicate["lineage"]
    steps = (await ledger.lineage(training))["steps"][: len(lineage["steps"])]
    theirs = [{key: step[key] for key in STEP} | {"survivors": len(step["survivors"])} for step in steps]
    ours = [{key: step[key] for key in (*STEP, "survivors")} for step in lineage["steps"]]
    _same({"lineage": ours}, {"lineage": theirs})


def _same(said: dict[str, Any], found: dict[str, Any]) -> None:
    for key in sorted({*said, *found}):
        if said.get(key) != found.get(key):
            text = f"{key} is {_brief(said.get(key))} in the release, and {_brief(found.get(key))} here"
            raise NodeError(codes.RELEASE_DIFFERS, text, hint="Do not sign; ask who proposed it.")


def _brief(value: Any) -> str:
    return canonical_json(value).decode()[:120] if value is not None else "nothing"
