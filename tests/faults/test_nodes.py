"""Nodes killed, restored, doubled and lying: every round ends, nothing is revealed twice, the next round works."""

import subprocess
import sys
from pathlib import Path

import pytest

from fl_node.clock import now_ms
from fl_node.demo.federation import opened
from fl_node.ledger.records import OVER, Round
from tests.faults import synthetic
from tests.faults.stage import NAMES, ROOT, Nodes, ended, start, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
VICTIM = "hospital-b"
MOST_DRAWS = 30


def phase_is(phase: str):
    return lambda view: view.phase == phase


async def test_rounds_without_training_end_final_with_little_overhead(run: Path, nodes: Nodes):
    await nodes.ready()
    async with opened(run) as federation:
        await start(federation, "plain", 3)
        views = [await ended(federation.first, "plain", number) for number in (1, 2, 3)]
    assert [view.phase for view in views] == ["Final"] * 3
    assert [view.survivors for view in views] == [NAMES] * 3
    assert [view.base_state for view in views[1:]] == [view.state for view in views[:-1]]
    assert views[0].proposal
    assert views[0].proposal.examples == 4 * synthetic.ROWS


MOMENTS = {
    "before its keys": lambda view: view.phase == "Keys",
    "after its keys": lambda view: VICTIM in view.keys,
    "after its shares": lambda view: VICTIM in view.shares,
    "after its update": lambda view: VICTIM in view.updates,
    "in unmask": lambda view: view.phase == "Unmask",
    "after its reveal": lambda view: VICTIM in view.revealed,
    "in attest": lambda view: view.phase == "Attest",
    "after the end": lambda view: view.phase == "Final",
}


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_node_killed_at_any_moment_resumes_or_drops_out_and_the_round_ends(
    run: Path, nodes: Nodes, moment: str
):
    await nodes.ready()
    training = "kill-" + moment.replace(" ", "-")
    async with opened(run) as federation:
        await start(federation, training)
        await until(federation.first, training, MOMENTS[moment])
        nodes.kill(VICTIM)
        nodes.start(VICTIM)
        first = await ended(federation.first, training, 1)
        assert first.phase == "Final", first.void_reason
        assert set(NAMES) - {VICTIM} <= set(first.survivors)
        second = await ended(federation.first, training, 2)
    assert second.phase == "Final"
    assert second.base_state == first.state
    await nodes.ready(VICTIM)


async def test_the_elected_aggregator_dies_before_it_proposes_and_the_next_takes_over(run: Path, nodes: Nodes):
    await nodes.ready()
    async with opened(run) as federation:
        await start(federation, "take-over", 1)
        seen = await until(federation.first, "take-over", lambda view: len(view.updates) == 4)
        elected = seen.view.aggregators[0]
        await until(federation.first, "take-over", lambda view: elected in view.revealed or view.phase in OVER)
        nodes.kill(elected)
        first = await ended(federation.first, "take-over", 1)
    nodes.start(elected)
    assert first.phase == "Final"
    assert first.proposal
    await nodes.ready(elected)


async def test_one_dropout_too_many_voids_before_any_reveal_and_the_next_attempt_works(run: Path, nodes: Nodes):
    await nodes.ready()
    two = ("hospital-c", "hospital-d")
    for name in two:
        assert nodes.stop(name) == 0
        nodes.start(name, NEVER_UPDATES="yes")  # a kill between shares and update may come too late
    await nodes.ready(*two)
    async with opened(run) as federation:
        await start(federation, "too-many", 1)
        first = await ended(federation.first, "too-many", 1)
        assert (first.phase, first.void_reason, first.revealed) == ("Void", "FL0422", ())
        for name in two:
            nodes.kill(name)
            nodes.start(name)
        final = await until(federation.first, "too-many", phase_is("Final"))
        assert final.view.attempt > 1
    await nodes.ready(*two)


async def test_a_node_whose_training_fails_says_so_and_nobody_waits_for_it(run: Path, nodes: Nodes):
    await nodes.ready()
    assert nodes.stop(VICTIM) == 0
    nodes.start(VICTIM, FAILS="yes")
    await nodes.ready(VICTIM)
    async with opened(run) as federation:
        await start(federation, "fails", 2)
        updates = await until(federation.first, "fails", phase_is("Updates"))
        first = await ended(federation.first, "fails", 1)
        assert now_ms() < updates.view.deadline_ms
        flags = [flag for flag in await federation.first.everything("ListFlags") if flag["training"] == "fails"]
        second = await ended(federation.first, "fails", 2)
    assert [view.phase for view in (first, second)] == ["Final"] * 2
    assert [view.survivors for view in (first, second)] == [tuple(name for name in NAMES if name != VICTIM)] * 2
    assert {name: (left.phase, left.reason) for name, left in first.dropouts.items()} == {VICTIM: ("Updates", "FL3042")}
    assert [(flag["participant"], flag["kind"]) for flag in flags] == [(VICTIM, "dropout")]
    nodes.stop(VICTIM)
    nodes.start(VICTIM)
    await nodes.ready(VICTIM)


async def test_a_journal_restored_from_a_backup_makes_the_node_drop_out(run: Path, nodes: Nodes, tmp_path: Path):
    await nodes.ready()
    async with opened(run) as federation:
        await start(federation, "restored", 2)
        nodes.stop(VICTIM)
        nodes.back_up(VICTIM, tmp_path / "backup")
        nodes.start(VICTIM)
        await until(federation.first, "restored", lambda view: VICTIM in view.keys)
        nodes.kill(VICTIM)
        where = await federation.first.round("restored")
        nodes.restore(VICTIM, tmp_path / "backup")
        nodes.start(VICTIM)
        assert where
        first = await ended(federation.first, "restored", where.round, where.attempt)
        assert first.phase == "Final"
        assert VICTIM not in set(first.survivors) - set(where.updates)
    dropped = [line for line in nodes.logged(VICTIM, "dropped out") if str(line["attempt"]).startswith("restored/")]
    assert [line["code"] for line in dropped] == ["FL4203"]
    await nodes.ready(VICTIM)


async def test_a_second_daemon_of_the_same_organisation_does_not_start(run: Path, nodes: Nodes):
    await nodes.ready()
    command = [sys.executable, "-m", "tests.faults.synthetic", str(run), VICTIM, str(nodes.data(VICTIM))]
    second = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)  # noqa: ASYNC221
    assert second.returncode != 0
    assert "FL4009" in second.stderr


async def test_a_proposed_state_that_does_not_follow_is_refuted_and_the_next_proposes(run: Path, nodes: Nodes):
    await nodes.ready()
    async with opened(run) as federation:
        liar = VICTIM
        nodes.stop(liar)
        nodes.start(liar, LIAR="1")
        await nodes.ready(liar)
        await start(federation, "liar", MOST_DRAWS)
        views: list[Round] = []
        while not views or views[-1].aggregators[0] != liar:  # each round draws who proposes first
            assert len(views) < MOST_DRAWS, "a chance of (3/4)^30 that the liar is never drawn"
            views.append(await ended(federation.first, "liar", len(views) + 1))
        await federation.decide("stop_training", {"training": "liar"})
        flags = [flag for flag in await federation.first.everything("ListFlags") if flag["training"] == "liar"]
    nodes.stop(liar)
    nodes.start(liar)
    await nodes.ready(liar)
    assert [view.phase for view in views] == ["Final"] * len(views)
    assert liar not in {view.proposal.proposer for view in views if view.proposal}
    assert len(views) in {flag["round"] for flag in flags if flag["participant"] == liar}


async def test_after_a_roll_back_nodes_make_a_beacon_and_go_on_from_the_earlier_state(run: Path, nodes: Nodes):
    await nodes.ready()
    async with opened(run) as federation:
        await start(federation, "rolled-back", 2)
        first = await ended(federation.first, "rolled-back", 1)
        await federation.decide("roll_back_training", {"training": "rolled-back", "round": 1})
        interrupted = await federation.first.round("rolled-back")
        assert interrupted
        again = await ended(federation.first, "rolled-back", interrupted.round + 1)
        beacon = await federation.first.query("GetBeacon")
        await federation.decide("stop_training", {"training": "rolled-back"})
    assert (again.phase, again.base_state) == ("Final", first.state)
    assert beacon["number"] > 1
    assert len(beacon["revealed"]) == len(NAMES)


async def test_sigterm_ends_a_node_cleanly(run: Path, nodes: Nodes):
    await nodes.ready()
    assert nodes.stop(VICTIM) == 0
    assert nodes.logged(VICTIM, "stopped")
    nodes.start(VICTIM)
    await nodes.ready(VICTIM)
