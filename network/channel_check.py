"""Where a running channel's configuration and an organisation's own definition say different things."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fabric_protos.common import configuration_pb2
from fabric_protos.msp import msp_config_pb2

from network.channel_admin import ChannelAdmin
from network.config_update import MSP, PARTS
from network.connection import Profile
from network.folders import public_parts
from network.topology import Consortium

ENDPOINTS = "Endpoints"


async def differences(consortium: Consortium, run: Path, user: Profile) -> list[str]:
    """Return what the channel says otherwise than the definition and the organisation's own roots, in words.

    Raises:
        NetworkError: FL1060, the organisation's peer does not answer.
    """
    admin = ChannelAdmin.of(user)
    try:
        groups = (await admin.config()).channel_group.groups
    finally:
        await admin.transport.close()
    return [*_organisations(consortium, groups), *_orderers(consortium, groups), *_roots(groups, run, user)]


def _organisations(consortium: Consortium, groups: Any) -> Iterator[str]:
    channel = set(groups["Application"].groups)
    defined = {organisation.msp_id for organisation in consortium.peer_organisations}
    for msp_id in sorted(channel - defined):
        yield f"{msp_id} is in the channel and not in the definition"
    for msp_id in sorted(defined - channel):
        yield f"{msp_id} is in the definition and not in the channel"


def _orderers(consortium: Consortium, groups: Any) -> Iterator[str]:
    defined = {orderer.address for _, orderer in consortium.orderers}
    channel: set[str] = set()
    for group in groups["Orderer"].groups.values():
        channel |= set(configuration_pb2.OrdererAddresses.FromString(group.values[ENDPOINTS].value).addresses)
    for address in sorted(channel - defined):
        yield f"the channel has an orderer at {address} that the definition lacks"


def _roots(groups: Any, run: Path, user: Profile) -> Iterator[str]:
    msp = public_parts(run, user.organisation).msp
    here = {path.read_bytes().strip() for path in sorted((msp / "cacerts").glob("*.pem"))}
    for part in PARTS:
        if user.msp_id in groups[part].groups:
            outer = msp_config_pb2.MSPConfig.FromString(groups[part].groups[user.msp_id].values[MSP].value)
            inner = msp_config_pb2.FabricMSPConfig.FromString(outer.config)
            if {root.strip() for root in inner.root_certs} != here:
                yield f"the channel knows other root certificates of {user.msp_id} than {msp / 'cacerts'} holds"
