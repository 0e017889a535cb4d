"""What an aggregator and an attester say where the sum is fine and yet no state follows from it."""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node import codes as node_codes
from fl_node.errors import NodeError
from fl_node.ledger.client import LedgerError
from fl_node.ledger.records import Proposal, Round
from fl_node.plan.errors import PlanError
from fl_node.plan.interface import UpdateResult
from fl_node.plan.state_codec import Leaf, compare_states, encode_state
from fl_node.round import proposing
from fl_node.round.proposing import TRIES, Proposing, decimal, same_metrics
from fl_node.round.speaking import Speaking, SpeakingDependencies
from fl_node.secagg.unmask import Aggregate
from tests.unit.round.test_checks import ROUND

SUM = b"the sum"
DIGEST = hashlib.sha256(SUM)
VIEW = ROUND.model_copy(update={"phase": "Attest", "deadline_ms": 1 << 60})
PROPOSAL = Proposal.model_validate(
    {"number": 1, "proposer": "a", "aggregate": DIGEST.hexdigest(), "state": "ef" * 32, "metrics": {}, "examples": 0}
)
LEDGERS_DECIMAL = re.compile(r"^-?[0-9]{1,32}(\.[0-9]{1,32})?(e[+-]?[0-9]{1,3})?$")


class Node:
    """A node whose plan answers as told, and what it says to the ledger."""

    def __init__(self, *answers: PlanError | UpdateResult, proposed: bytes = b"proposed") -> None:
        self.proposed = proposed
        self.said: list[tuple[str, dict[str, Any]]] = []
        self.answers = list(answers)
        self.counts: list[object] = []
        self.read: list[str] = []
        self.fetched: list[str] = []
        self.organisation = "hospital-a"
        self.consortium = SimpleNamespace(threshold=3, members=[])
        self.ledger = self.workshop = self.mirror = self.store = self.blobs = self
        self.journal = SimpleNamespace(facts=lambda _: (), remember=lambda *_: None)
        self.me, self.speaking = "a", Speaking(cast("SpeakingDependencies", self))

    async def submit(self, function: str, **argument: Any) -> None:
        self.said.append((function, argument))

    async def endorsed(self, function: str, **argument: Any) -> Any:
        async def committed() -> bool:
            await self.submit(function, **argument)
            return True

        return SimpleNamespace(committed=committed)

    async def fetch_all(self, wanted: list[tuple[str, str]]) -> None:
        self.fetched += [digest for digest, _ in wanted]

    async def get_all(self, wanted: list[tuple[str, str]]) -> list[bytes]:
        self.read += [digest for digest, _ in wanted]
        return [SUM if digest == DIGEST.hexdigest() else self.proposed for digest, _ in wanted]

    async def runner(self, _: object) -> Any:
        return SimpleNamespace(compare_states=lambda mine, theirs: compare_states(mine, theirs, 1e-6))

    async def state(self, *_: object) -> bytes:
        return b"base"

    def put(self, data: bytes, _: object) -> str:
        return hashlib.sha256(data).hexdigest()

    def path(self, digest: str) -> Path:
        return Path(digest)

    async def spread(self, *_: object) -> None:
        pass

    async def update(self, *given: object) -> UpdateResult:
        self.counts.append(given[-1])
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, PlanError):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def _the_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unmasked(*_: object) -> Aggregate:
        return Aggregate(bytearray(SUM), DIGEST.digest(), 40)

    monkeypatch.setattr(proposing, "unmasked", unmasked)


def of(node: Node) -> Proposing:
    return Proposing(cast("Any", node))


def failing(code: str) -> PlanError:
    return PlanError(code, "it fails")


DENIAL = {"aggregate": DIGEST.hexdigest(), **VIEW.ref}


@pytest.mark.parametrize("code", sorted(proposing.FOLLOWS_FROM_THE_SUM))
async def test_an_aggregator_whose_update_cannot_have_a_result_says_so(code: str):
    node = Node(failing(code))
    await of(node).propose(VIEW, cast("Any", None))
    assert node.said == [("AttestNoState", {**DENIAL, "code": code})]


async def test_a_weight_above_what_the_declared_rows_give_means_that_no_state_follows():
    node = Node(failing("FL3034"))
    await of(node).attest(VIEW, PROPOSAL)
    assert node.said == [("AttestNoState", {**DENIAL, "code": "FL3034"})]


async def test_a_state_follows_from_the_sum_and_from_the_rows_that_the_survivors_declared():
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))
    proposer = of(node)
    last = VIEW.survivors[-1]
    other = {**VIEW.updates, last: VIEW.updates[last].model_copy(update={"examples": 7})}
    for view in (VIEW, VIEW, VIEW.model_copy(update={"updates": other})):
        await proposer.seek(view)
    honest = (10,) * len(VIEW.survivors)
    assert node.counts == [honest, (*honest[:-1], 7)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
async def test_a_metric_that_is_no_number_means_that_no_state_follows(value: float):
    node = Node(UpdateResult(b"state", {"loss": value}, 0.0))
    await of(node).propose(VIEW, cast("Any", None))
    assert node.said == [("AttestNoState", {**DENIAL, "code": "FL3022"})]


async def test_an_attester_without_a_state_says_so_instead_of_giving_one():
    node = Node(failing("FL3042"))
    await of(node).attest(VIEW, PROPOSAL)
    assert node.said == [("AttestNoState", {**DENIAL, "code": "FL3042"})]


async def test_a_failure_that_may_be_the_machines_own_is_tried_again_before_it_counts():
    node = Node(failing("FL3040"))
    proposer = of(node)
    for _ in range(TRIES - 1):
        with pytest.raises(PlanError):
            await proposer.propose(VIEW, cast("Any", None))
    assert node.said == []
    await proposer.propose(VIEW, cast("Any", None))
    assert node.said == [("AttestNoState", {**DENIAL, "code": "FL3040"})]


async def test_who_looks_for_a_state_and_finds_one_keeps_it_and_says_nothing():
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))
    proposer = of(node)
    assert not proposer.found(VIEW)
    await proposer.seek(VIEW)
    assert proposer.found(VIEW)
    assert not proposer.found(cast("Round", VIEW.model_copy(update={"attempt": 2})))
    assert node.said == []


async def test_a_sum_whose_state_is_known_is_had_on_the_disk_and_not_read_into_memory_again():
    state = encode_state([Leaf("weights", np.zeros(2))])
    node = Node(UpdateResult(state, {}, 0.0), proposed=state)
    stranger, acquainted = of(node), of(node)
    proposal = PROPOSAL.model_copy(update={"state": hashlib.sha256(state).hexdigest()})
    await stranger.attest(VIEW, proposal)
    assert node.read == [proposal.state, proposal.aggregate]
    node.read.clear()
    await acquainted.seek(VIEW)
    await acquainted.attest(VIEW, proposal)
    assert (node.read, node.fetched) == ([proposal.state], [proposal.aggregate] * 2)
    assert [argument["agree"] for _, argument in node.said] == [True, True]
    other = proposal.model_copy(update={"aggregate": "ab" * 32})
    await acquainted.attest(VIEW, other)
    assert node.read[1:] == [proposal.state, other.aggregate]


async def test_the_examples_of_a_proposal_are_the_count_of_the_sum_as_endorsers_round_it():
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))
    await of(node).propose(VIEW, cast("Any", SimpleNamespace(training="t")))
    ((function, argument),) = node.said
    assert (function, argument["examples"], argument["metrics"]) == ("ProposeAggregate", 40, {"loss": "0.5"})


async def test_where_verifying_takes_long_every_members_endorser_is_warmed_up_before_the_proposal_is_sent_again():
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))
    node.consortium.members = [SimpleNamespace(msp_id=msp) for msp in ("aMSP", "bMSP", "cMSP")]
    order: list[object] = []

    async def submit(_: str, *, patient: bool = True, **argument: Any) -> None:
        order.append(patient)
        node.said.append(("", argument))
        if not patient:
            raise LedgerError("FL0901", "a verification is under way")

    async def query(function: str, *, organisations: tuple[str, ...], **argument: Any) -> None:
        order.append(organisations)
        assert (function, argument) == ("ProposeAggregate", node.said[0][1])
        if organisations == ("bMSP",):
            raise LedgerError("FL4005", "no answer")

    node.submit, node.query, node.endorsed = submit, query, verifying  # type: ignore[method-assign,attr-defined]
    await of(node).propose(VIEW, cast("Any", SimpleNamespace(training="t")))
    assert order == [False, ("aMSP",), ("bMSP",), ("cMSP",), True]
    assert node.said[0] == node.said[1]


async def verifying(*_: object, **__: object) -> None:
    raise LedgerError("FL0901", "a verification is under way")


async def test_endorsers_verify_while_the_sum_is_published_and_the_orderers_get_it_afterwards():
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))
    endorsing, order = asyncio.Event(), list[str]()

    async def endorsed(*_: object, **__: object) -> Any:
        endorsing.set()

        async def committed() -> bool:
            order.append("ordered")
            return True

        return SimpleNamespace(committed=committed)

    async def spread(*_: object) -> None:
        await endorsing.wait()  # for ever, were they asked afterwards
        order.append("published")

    node.endorsed, node.spread = endorsed, spread  # type: ignore[method-assign]
    await of(node).propose(VIEW, cast("Any", SimpleNamespace(training="t")))
    assert order == ["published", "published", "ordered"]
    assert node.said == []


async def test_an_endorsement_that_waited_for_a_slow_line_is_asked_for_again(monkeypatch: pytest.MonkeyPatch):
    """Its deadline counts from its endorsement: it would be late as soon as it is on the ledger."""
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))
    monkeypatch.setattr(proposing, "FRESH_S", -1.0)

    async def endorsed(*_: object, **__: object) -> Any:
        async def committed() -> bool:
            raise AssertionError("it is too old")

        return SimpleNamespace(committed=committed)

    node.endorsed = endorsed  # type: ignore[method-assign]
    await of(node).propose(VIEW, cast("Any", SimpleNamespace(training="t")))
    assert [function for function, _ in node.said] == ["ProposeAggregate"]


async def test_a_proposal_that_another_transaction_overtook_is_submitted_again():
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))

    async def endorsed(*_: object, **__: object) -> Any:
        async def overtaken() -> bool:
            return False

        return SimpleNamespace(committed=overtaken)

    node.endorsed = endorsed  # type: ignore[method-assign]
    await of(node).propose(VIEW, cast("Any", SimpleNamespace(training="t")))
    assert [function for function, _ in node.said] == ["ProposeAggregate"]


async def test_what_too_few_members_take_is_not_proposed_though_it_is_endorsed():
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))

    async def spread(*_: object) -> None:
        raise NodeError("FL4707", "too few took it")

    node.spread = spread  # type: ignore[method-assign]
    with pytest.raises(NodeError, match="FL4707"):
        await of(node).propose(VIEW, cast("Any", SimpleNamespace(training="t")))
    assert node.said == []


async def test_a_proposal_that_is_refused_is_not_warmed_up():
    node = Node(UpdateResult(b"state", {"loss": 0.5}, 0.0))

    async def submit(*_: object, **__: object) -> None:
        raise LedgerError("FL0408", "another phase")

    node.submit = node.endorsed = submit  # type: ignore[method-assign,assignment]
    with pytest.raises(LedgerError, match="FL0408"):
        await of(node).propose(VIEW, cast("Any", SimpleNamespace(training="t")))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_finite_metric_is_written_as_the_ledger_takes_it_and_read_as_the_same(value: float):
    assert LEDGERS_DECIMAL.match(decimal(value))
    assert same_metrics({"m": value}, {"m": decimal(value)})


HONEST = encode_state([Leaf("w", np.array([0.5, -2.0], np.float32)), Leaf("steps", np.array(3, np.int64))])
RESULTS = st.builds(
    UpdateResult, st.just(HONEST), st.dictionaries(st.sampled_from("ab"), st.floats(), max_size=2), st.just(0.0)
)
FAILURES = st.sampled_from(sorted(code for code in node_codes.CATALOGUE if code.startswith("FL30"))).map(failing)
METRICS = st.dictionaries(st.sampled_from("ab"), st.from_regex(LEDGERS_DECIMAL, fullmatch=True), max_size=2)


@st.composite
def spoiled(draw: st.DrawFn) -> bytes:
    """Draw any bytes as a state, or the honest one with some bytes exchanged, cut off or added."""
    if draw(st.booleans()):
        return draw(st.binary(max_size=64))
    blob = bytearray(HONEST)
    for place in draw(st.lists(st.integers(0, len(blob) - 1), max_size=3)):
        blob[place] = draw(st.integers(0, 255))
    return bytes(blob[: draw(st.integers(0, len(blob)))]) + draw(st.binary(max_size=3))


def word_of(node: Node, *, turns: int, speak: Callable[[Proposing], Awaitable[None]]) -> tuple[str, dict[str, Any]]:
    """Return what a node says in at most so many turns; more, or another exception than a plan's, fails the test."""

    async def until_said() -> None:
        proposer = of(node)
        for _ in range(turns):
            with contextlib.suppress(PlanError):
                await speak(proposer)
            if node.said:
                return

    asyncio.run(until_said())
    (said,) = node.said
    return said


@given(RESULTS | FAILURES)
def test_whatever_a_plan_makes_of_a_sum_the_aggregator_proposes_what_the_ledger_takes_or_says_that_nothing_follows(
    answer: PlanError | UpdateResult,
):
    training = cast("Any", SimpleNamespace(training="t"))
    function, argument = word_of(Node(answer), turns=TRIES, speak=lambda proposer: proposer.propose(VIEW, training))
    if function == "ProposeAggregate":
        assert all(LEDGERS_DECIMAL.match(text) for text in argument["metrics"].values())
    else:
        assert function == "AttestNoState"
        assert argument["aggregate"] == DIGEST.hexdigest()
        assert re.fullmatch("FL[0-9]{4}", argument["code"])


@given(RESULTS | FAILURES, spoiled(), METRICS)
def test_whatever_a_plan_makes_of_a_sum_and_whatever_is_proposed_every_organisation_has_a_word(
    answer: PlanError | UpdateResult, state: bytes, metrics: dict[str, str]
):
    digest = hashlib.sha256(state).hexdigest()
    proposal = PROPOSAL.model_copy(update={"state": digest, "metrics": metrics})
    node = Node(answer, proposed=state)
    function, argument = word_of(node, turns=TRIES, speak=lambda proposer: proposer.attest(VIEW, proposal))
    if function == "Attest" and argument["agree"]:
        assert (argument["state"], argument["deviation_e9"] <= 1000) == (digest, True)
    else:
        assert function in {"Attest", "AttestNoState"}
