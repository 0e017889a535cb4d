"""How a change of the channel is sent to orderers that cannot take it yet."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway import errors
from network import channel_admin
from network.channel_admin import ChannelAdmin
from network.errors import NetworkError

UNAVAILABLE = errors.StatusCode.UNAVAILABLE


class Orderers:
    """Refuse what is sent with these words in turn, then take it."""

    def __init__(self, *refusals: str) -> None:
        self.refusals, self.asked = list(refusals), 0

    async def unary(self, *_: Any) -> bytes:
        self.asked += 1
        if not self.refusals:
            return b""
        detail = errors.ErrorDetail("orderer1:7050", "OrdererMSP", self.refusals.pop(0))
        raise errors.TransportError(UNAVAILABLE, "no orderers could successfully process transaction", (detail,))


def admin(orderers: Orderers) -> ChannelAdmin:
    return ChannelAdmin(cast("Any", SimpleNamespace()), cast("Any", orderers))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel_admin, "POLL_S", 0)


async def test_a_change_is_sent_again_while_raft_elects_a_leader_and_counts_who_is_alive():
    orderers = Orderers("no Raft leader", "no Raft leader", "configuration will result in quorum loss")
    await admin(orderers)._send(b"")
    assert orderers.asked == 4


@pytest.mark.parametrize(
    ("patience_s", "refusal"), [(0.0, "no Raft leader"), (30.0, "implicit policy evaluation failed")]
)
async def test_what_orderers_refuse_for_good_or_too_long_ends(monkeypatch, patience_s: float, refusal: str):
    monkeypatch.setattr(channel_admin, "COMMIT_S", patience_s)
    with pytest.raises(NetworkError, match=refusal) as refused:
        await admin(orderers := Orderers(*[refusal] * 9))._send(b"")
    assert (refused.value.code, orderers.asked < 9) == ("FL1061", True)
