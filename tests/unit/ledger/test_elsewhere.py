"""Others' peers are dialled where the definition has them and believed by the roots that the channel has now."""

from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from fl_node.ledger import elsewhere
from fl_node.ledger.elsewhere import Elsewhere
from network.connection import Profile, profile
from network.directory import Believed
from network.topology import Consortium
from tests.believing import channel_of

OTHER = "hospital-b"


class Gateway:
    """A gateway that is opened and closed."""

    def __init__(self, own: Profile) -> None:
        self.peers = own.peers
        self.closed = False

    def network(self, _: str) -> Any:
        return self

    contract = network

    async def close(self) -> None:
        self.closed = True


@pytest.fixture(autouse=True)
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Gateway]:
    """Every gateway that was opened."""
    made: list[Gateway] = []

    def gateway_of(own: Profile) -> Gateway:
        made.append(Gateway(own))
        return made[-1]

    monkeypatch.setattr(elsewhere, "gateway_of", gateway_of)
    return made


def roots(pem: bytes) -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(pem)


async def test_a_connection_is_kept_while_address_and_roots_stay_and_made_anew_where_they_change(
    run: Path, consortium: Consortium, opened: list[Gateway]
):
    believed = channel_of(run)
    others, there = Elsewhere(profile(run, "hospital-a", "node"), believed), consortium.organisation(OTHER)
    assert await others.ledger(there) is await others.ledger(there)
    ((address, root),) = opened[0].peers
    assert address == there.peer.address
    assert roots(root) == list((believed.directory or {})[OTHER].authorities.roots)
    moved = there.model_copy(update={"peers": (there.peer.model_copy(update={"port": 9999}),)})
    await others.ledger(moved)
    assert [(each.closed, each.peers[0][0].endswith(":9999")) for each in opened] == [(True, False), (False, True)]
    known = dict(believed.directory or {})
    believed.learn({**known, OTHER: known["hospital-c"]})  # its authority is another from now on
    await others.ledger(moved)
    assert roots(opened[2].peers[0][1]) == list(known["hospital-c"].authorities.roots)
    await others.close()
    assert all(each.closed for each in opened)


async def test_an_organisation_that_the_channel_does_not_have_is_not_asked(run: Path, consortium: Consortium):
    believed = channel_of(run)
    others, there = Elsewhere(profile(run, "hospital-a", "node"), believed), consortium.organisation(OTHER)
    await others.ledger(there)
    believed.learn({name: known for name, known in (believed.directory or {}).items() if name != OTHER})
    with pytest.raises(ConnectionError, match=OTHER):
        await others.ledger(there)


async def test_until_the_channel_was_read_the_roots_of_the_export_hold(
    run: Path, consortium: Consortium, opened: list[Gateway]
):
    own = profile(run, "hospital-a", "node")
    await Elsewhere(own, Believed()).ledger(consortium.organisation(OTHER))
    assert opened[0].peers[0][1] == own.tls_roots[OTHER]
