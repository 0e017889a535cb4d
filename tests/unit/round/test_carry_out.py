"""Deeds that cannot succeed end the attempt for the node, so that the round goes on without it."""

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fl_node.errors import RefusalError
from fl_node.plan.errors import plan_error
from fl_node.round.carry_out import Deeds
from tests.unit.round.test_checks import ROUND


@pytest.mark.parametrize("code", ["FL3043", "FL3041", "FL3030"])
async def test_client_work_that_failed_drops_the_node_out_whatever_the_reason(code: str):
    async def fails() -> None:
        raise plan_error(code, "stopped")

    async def opened(_: Any) -> None:
        return None

    task = asyncio.ensure_future(fails())
    workshop = SimpleNamespace(start=lambda _: task)
    deeds = SimpleNamespace(_node=SimpleNamespace(workshop=workshop), attempts=SimpleNamespace(opened=opened))
    deeds._attempts = deeds.attempts
    with pytest.raises(RefusalError, match=code):
        await Deeds._commit_update(cast("Deeds", deeds), ROUND, cast("Any", None), cast("Any", None))
