"""A node killed at any step of an attempt, also with its disk put back to any earlier moment, never says too much."""

from pathlib import Path

import pytest

from fl_node.round.unmasking import sum_of
from fl_node.secagg.layout import Layout
from tests.unit.round.chain import DEEDS, FIELDS, NAMES, VICTIM
from tests.unit.round.cohort import World, running


async def judged(world: World) -> None:
    """The attempt ended Final with the right sum, and the victim did each deed once, whatever happened to it."""
    chain = world.chain
    assert chain.phase == "Final"
    assert set(NAMES) - {VICTIM} <= set(chain.fixed["Unmask"])
    assert all(list((world.folder / name / "journal").glob("*.*.*.log")) == [] for name in NAMES), "secrets stay (T9)"
    kinds: dict[str, set[str]] = {}
    for told in chain.records["reveals"].values():
        for share in told["shares"]:
            kinds.setdefault(share["dealer"], set()).add(share["kind"])
    assert all(len(kind) == 1 for kind in kinds.values()), "both kinds open an update (T2)"
    layout = Layout.from_fields(FIELDS)
    total = await sum_of(
        world.nodes["a"],
        chain.view(),
        lambda digest: world.stores["a"].open(digest.hex()),  # type: ignore[arg-type]
    )
    possible = [world.vectors[name] for name in chain.fixed["Unmask"]]
    assert any(
        total.vector == added(layout, [*others, mine]) for others, mine in choices(possible, chain.fixed["Unmask"])
    )


def choices(vectors: list[list[bytes]], survivors: tuple[str, ...]):
    """Yield the others' vectors with each that the victim has worked out, if it is a survivor."""
    place = survivors.index(VICTIM) if VICTIM in survivors else 0
    others = [mine[-1] for at, mine in enumerate(vectors) if at != place]
    return [(others, vector) for vector in vectors[place]]


def added(layout: Layout, vectors: list[bytes]) -> bytes:
    total = bytearray(layout.length)
    for segment in layout.segments:
        words = sum(segment.view(vector) for vector in vectors)
        total[segment.start : segment.end] = words.astype(segment.dtype).tobytes()  # type: ignore[union-attr]
    return bytes(total)


async def steps(folder: Path, monkeypatch: pytest.MonkeyPatch, *, laid: bool = False, carrier: str = "") -> list[str]:
    """Return the steps of an attempt in which nobody dies."""
    world = World(folder, laid=laid, carrier=carrier)
    with running(world, monkeypatch):
        await world.run()
    await judged(world)
    assert chain_is_whole(world)
    said = set(DEEDS) - ({"PublishKeys"} if laid else set())
    assert world.carried == (said if carrier else set())
    return world.steps


def chain_is_whole(world: World) -> bool:
    return world.chain.fixed["Unmask"] == NAMES and set(world.chain.records["reveals"]) == set(NAMES)


@pytest.mark.parametrize("carrier", ["", "a", VICTIM], ids=["alone", "carried", "carrying"])
@pytest.mark.parametrize("laid", [False, True], ids=["keys published", "keys laid ready"])
async def test_t6_a_node_killed_at_any_step_does_no_second_different_deed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, laid: bool, carrier: str
):
    found = await steps(tmp_path / "whole", monkeypatch, laid=laid, carrier=carrier)
    assert any("PublishKeys" in step for step in found) is not laid
    lost = []
    for fatal, what in enumerate(found, 1):
        world = World(tmp_path / str(fatal), fatal, laid=laid, carrier=carrier)
        with running(world, monkeypatch):
            await world.run()
        assert world.steps[fatal - 1] == what
        await judged(world)
        own = {deed: said for (who, deed), said in world.left.items() if who == VICTIM}
        assert [len(said) for said in own.values()] == [1] * len(own), f"killed where {what}: {own}"
        if not chain_is_whole(world):
            lost.append(fatal)
    between = [what for number, what in enumerate(found, 1) if min(lost) <= number <= max(lost)]
    assert len(between) == len(lost), "it drops out only where it has masked a vector and not kept it yet"
    assert between[0].endswith("/masked is in the journal")
    assert between[-1] == "before a blob is in the own store"


@pytest.mark.parametrize("blobs", [False, True], ids=["journal", "whole disk"])
@pytest.mark.parametrize(
    ("laid", "carrier"),
    [(False, ""), (True, ""), (False, "a"), (True, VICTIM)],
    ids=["keys published", "keys laid ready", "keys carried", "keys laid ready, carrying"],
)
async def test_t6_a_node_restored_from_any_backup_after_any_step_masks_no_second_vector(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, blobs: bool, laid: bool, carrier: str
):
    found = await steps(tmp_path / "whole", monkeypatch, laid=laid, carrier=carrier)
    for fatal, what in enumerate(found, 1):
        if "leave" in what or "before" in what or "half" in what:
            continue  # as the step before it
        number = backups = 0
        while number <= backups:
            world = World(tmp_path / f"{fatal}-{number}", fatal, laid=laid, carrier=carrier)
            world.backing_up = True
            with running(world, monkeypatch):
                await world.run(number, blobs=blobs)
            backups = len(world.snapshots) - 1
            if not world.restored:
                break
            await judged(world)
            assert world.said("t/1/1 masked") <= 1, f"masked twice: backup {number} where {what}"
            drawn = max(1, world.said("PublishKeys"))  # before these are in a block it may draw others
            assert world.said("t/1/1 shares") <= drawn, f"sealed twice: backup {number} where {what}"
            assert world.said("RevealShares") <= 1, f"revealed twice: backup {number} where {what}"
            number += 1
