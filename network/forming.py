"""Forms the channel on the processes that run: the orderers' and peers' joining, and the chaincode's definition."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from network.blocking import finish
from network.errors import NetworkError
from network.plan import Kind
from network.topology import Consortium


@dataclass(frozen=True)
class Formed:
    """How far the chaincode's definition is.

    Attributes:
        committed: whether it is; None where only orderers are here, which cannot tell.
        approved: while it is not, the members who approve it so far.
        needed: how many must.
        orderers: while nothing can be approved, since fewer than a quorum of the orderers answer: how many do.
        lost: what to tell whose approval went with its ledger: its peers serve and endorse nothing.
    """

    committed: bool | None
    approved: tuple[str, ...] = ()
    needed: int = 0
    orderers: int | None = None
    lost: NetworkError | None = None


def form(run: Path, consortium: Consortium, kind: Kind, report: Callable[[str], None]) -> Formed:
    """Do what of it has not been done by the organisations whose folders are here.

    Raises:
        NetworkError: FL1053 or FL1054 if a peer or orderer refuses, FL1055 if gateways do not route in time.
    """
    if kind == "devnet":
        from network.devnet.forming import form as form_devnet  # noqa: PLC0415  only where it is asked for

        report("committing the chaincode's definition")
        return finish(form_devnet(run, consortium))
    from network.fabric.channel import form_channel  # noqa: PLC0415  only where it is asked for

    return form_channel(run, consortium, report)
