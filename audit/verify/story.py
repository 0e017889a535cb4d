"""What happened on a channel, told from the state that replay re-derived: plain values for pages and machines."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from audit.fabric.lifecycle import definition
from audit.fabric.state import State
from audit.fabric.wire import WireError, read_json
from audit.verify.history import history
from audit.verify.replay import Replayer, ReplayError
from fl_node.privacy.integers import Account
from network import contract_codes

PAGE = 100
ACCOUNTS = ("treasury",)


@dataclass(frozen=True)
class Reader:
    """Asks the contract's own queries of a replayed state."""

    replayer: Replayer
    channel: str
    chaincode: str = "fedledger"

    def get(self, function: str, **argument: Any) -> Any:
        """Return one query's answer."""
        return self.replayer.query(self.channel, function, argument)

    def items(self, function: str, **argument: Any) -> Iterator[Any]:
        """Yield every item of a paginated query."""
        bookmark = ""
        while True:
            page = self.get(function, **argument, page_size=PAGE, bookmark=bookmark)
            yield from page["items"]
            bookmark = page["bookmark"]
            if not bookmark:
                return


def payload_of(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event's payload, empty where it is none of the contract's: colluding endorsers can write anything."""
    try:
        payload = read_json(event["payload"])
    except WireError:
        return {}
    return payload if isinstance(payload, dict) else {}


def round_of(event: dict[str, Any]) -> str:
    """Return which round an event is about, as "training/round/attempt", "" where it is about none."""
    payload = payload_of(event)
    if not all(name in payload for name in ("training", "round", "attempt")):
        return ""
    return f"{payload['training']}/{payload['round']}/{payload['attempt']}"


def place_of(one: Mapping[str, Any]) -> str:
    """Return where an attempt stands, as `round_of` says it."""
    return f"{one['training']}/{one['round']}/{one['attempt']}"


def tell(reader: Reader, state: State) -> dict[str, Any]:
    """Return everything that the pages show; `founded` is False without a federation or with an unreadable state."""
    events = list(state.events())
    blank = {"channel": reader.channel, "founded": False, "events": events}
    if not any(event["name"] == "Founded" for event in events):
        return blank
    try:
        return _tell(reader, state, events)
    except (ReplayError, LookupError, TypeError, ValueError) as error:
        # Only a state that the rules would not have written can be unreadable; the verdict names where it came from.
        return {**blank, "unreadable": str(error)}


def _tell(reader: Reader, state: State, events: list[dict[str, Any]]) -> dict[str, Any]:
    recomputed = sorted(text for _, _, _, text in state.notes("recomputed"))
    organisations = list(reader.items("ListOrganisations"))
    accounts = [*(o["msp_id"] for o in organisations), *ACCOUNTS]
    return {
        "channel": reader.channel,
        "founded": True,
        "recomputed": recomputed,
        "chaincode": definition(state, reader.chaincode),
        "definitions": [
            {"block": block, "txid": txid, **json.loads(text)} for _, block, txid, text in state.notes("definition")
        ],
        "federation": reader.get("GetFederation"),
        "parameters": reader.get("GetParameters"),
        "organisations": organisations,
        "participants": list(reader.items("ListParticipants")),
        "proposals": sorted(_proposals(reader), key=lambda p: p["created_ms"]),
        "plans": list(reader.items("ListPlans")),
        "trainings": [training_story(reader, t) for t in reader.items("ListTrainings")],
        "balances": {account: reader.get("BalanceOf", account=account)["balance"] for account in accounts},
        "supply": reader.get("TotalSupply")["total_supply"],
        "flags": list(reader.items("ListFlags")),
        "releases": list(_releases(reader)),
        "history": history(state),
        "events": events,
    }


def _proposals(reader: Reader) -> Iterator[dict[str, Any]]:
    for proposal in reader.items("ListProposals"):
        yield reader.get("GetProposal", proposal=proposal["proposal"])


def _releases(reader: Reader) -> Iterator[dict[str, Any]]:
    """Yield the releases with their statements and signatures; none under rules that know no releases."""
    try:
        named = [release["release"] for release in reader.items("ListReleases")]
    except ReplayError as error:
        if contract_codes.UNKNOWN_FUNCTION not in str(error):
            raise
        return
    for name in named:
        yield reader.get("GetRelease", release=name)


def training_story(reader: Reader, training: dict[str, Any]) -> dict[str, Any]:
    """Return a training with its rounds, draws, rewards and lineage, its plan's promise of privacy and the accounts."""
    name = training["training"]
    rounds = [
        reader.get("GetRound", training=name, round=entry["round"], attempt=entry["attempt"])
        for entry in reader.items("ListRounds", training=name)
    ]
    for one in rounds:
        one["rewards"] = []
        if one["phase"] == "Final":
            one["rewards"] = list(reader.items("ListRewards", training=name, round=one["round"]))
    epochs = sorted({one["epoch"] for one in rounds if one.get("epoch")})
    return {
        **training,
        "rounds": rounds,
        "draws": [reader.get("GetDraw", training=name, epoch=epoch) for epoch in epochs],
        "lineage": reader.get("GetLineage", training=name),
        **_privacy(reader, training),
    }


def _privacy(reader: Reader, training: dict[str, Any]) -> dict[str, Any]:
    """Return what the training's plan is registered to promise, None under version 1 of the rules, and its accounts."""
    promise = reader.get("GetPlan", plan=training["plan"]).get("privacy")
    if promise is None:
        return {"promise": None, "accounts": {}}
    items = reader.items("ListPrivacy", training=training["training"])
    return {"promise": promise, "accounts": {item.pop("participant"): Account(**item) for item in items}}


def lineage_breaks(training: dict[str, Any]) -> list[str]:
    """Return where a training's models do not follow from one another; empty where the lineage is closed."""
    lineage = training["lineage"]
    breaks, state = [], lineage["initial_state"]
    finals = {(r["round"], r["attempt"]): r for r in training["rounds"] if r["phase"] == "Final"}
    for step in lineage["steps"]:
        final = finals.get((step["round"], step["attempt"]))
        if step["base_state"] != state:
            breaks.append(f"round {step['round']} starts from {step['base_state'][:16]}, not from {state[:16]}")
        if final is None or final["proposal"]["state"] != step["state"]:
            breaks.append(f"round {step['round']} is not one that ended with {step['state'][:16]}")
        state = step["state"]
    if state != lineage["state"]:
        breaks.append(f"the head is {lineage['state'][:16]}, the last step gave {state[:16]}")
    return breaks
