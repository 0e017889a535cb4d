"""Deeds that cannot succeed end the attempt for the node, so that the round goes on without it."""

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.blobs.store import BlobStore
from fl_node.errors import RefusalError
from fl_node.journal.journal import Journal
from fl_node.ledger.client import LedgerError
from fl_node.plan.errors import plan_error
from fl_node.round.carry_out import Deeds
from fl_node.round.effects import DONE_ALREADY, Advance, OpenRound, TellDropout
from tests.unit.round.test_checks import ROUND
from tests.unit.round.test_masking import TRAINING, node


@pytest.mark.parametrize("code", ["FL3043", "FL3041", "FL3030"])
async def test_client_work_that_failed_drops_the_node_out_whatever_the_reason(code: str):
    async def fails() -> None:
        raise plan_error(code, "stopped")

    async def opened(_: Any) -> None:
        return None

    task = asyncio.ensure_future(fails())
    workshop = SimpleNamespace(start=lambda _: task)
    deeds = SimpleNamespace(_node=SimpleNamespace(workshop=workshop), _attempts=SimpleNamespace(opened=opened))
    with pytest.raises(RefusalError, match=code):
        await Deeds._commit_update(cast("Deeds", deeds), ROUND, cast("Any", None), cast("Any", None))


@pytest.mark.parametrize("handed", [False, True])
async def test_a_vector_that_was_masked_for_a_carrier_and_let_go_of_is_not_written_to_again(
    monkeypatch: pytest.MonkeyPatch, *, handed: bool
):
    given: list[bytes] = []

    async def written(_: object, __: object, vector: bytes) -> bytes:
        assert vector, "there is no place for a word on contributions in a vector that is gone"
        return vector + b" and our word"

    async def opened(_: object) -> Any:
        return SimpleNamespace(commit_update=commit)

    async def commit(_: object, vector: bytes, __: int) -> None:
        given.append(vector)

    monkeypatch.setattr("fl_node.round.carry_out.with_contributions", written)
    done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    done.set_result(SimpleNamespace(vector=b"" if handed else b"vector", examples=10, seconds=0.0, metrics={}))
    workshop = SimpleNamespace(start=lambda _: done, committed=lambda _: None)
    speaking = SimpleNamespace(ever_handed=lambda *_: handed)
    held = SimpleNamespace(workshop=workshop, speaking=speaking)
    deeds = SimpleNamespace(_node=held, _attempts=SimpleNamespace(opened=opened))
    await Deeds._commit_update(cast("Deeds", deeds), ROUND, TRAINING, cast("Any", None))
    assert given == [b"" if handed else b"vector and our word"]


@pytest.mark.parametrize("code", [*sorted(DONE_ALREADY), "FL4005", "FL4401"])
async def test_what_somebody_did_already_is_no_failure_and_anything_else_is(tmp_path: Path, code: str):
    async def move(*_: object, **__: object) -> bool:
        raise LedgerError(code, "not moved")

    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        held = node(journal, BlobStore(tmp_path / "blobs"))
        held.ledger = cast("Any", SimpleNamespace(move=move))
        deeds = Deeds(held)
        for deed in (
            lambda: deeds.do(ROUND, TRAINING, Advance()),
            lambda: deeds.do(ROUND, TRAINING, OpenRound()),
            lambda: deeds.open(TRAINING),
        ):
            if code in DONE_ALREADY:
                assert await deed() is False
            else:
                with pytest.raises(LedgerError, match=code):
                    await deed()


async def test_that_a_node_has_left_is_told_with_its_code_alone(tmp_path: Path):
    sent: list[tuple[str, dict[str, Any]]] = []

    async def submit(function: str, **argument: Any) -> None:
        sent.append((function, argument))

    with Journal(tmp_path / "journal", tmp_path / "journal.key") as journal:
        held = node(journal, BlobStore(tmp_path / "blobs"))
        held.ledger = cast("Any", SimpleNamespace(submit=submit))
        assert await Deeds(held).do(ROUND, TRAINING, TellDropout("FL3042"))
    assert sent == [("DropOut", {**ROUND.ref, "reason": "FL3042"})]
