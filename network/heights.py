"""How many blocks a peer has, as it says itself."""

from fabric_protos.common import ledger_pb2

from gateway import Gateway


async def height(gateway: Gateway, channel: str) -> int:
    """Return the number of blocks of the peer that a gateway is connected to; raises GatewayError."""
    raw = await gateway.network(channel).contract("qscc").evaluate("GetChainInfo", channel)
    return int(ledger_pb2.BlockchainInfo.FromString(raw).height)
