"""Ways to tamper with a channel's configuration."""

from collections.abc import Callable

from fabric_protos.common import common_pb2, configtx_pb2

from audit.envelope import is_config_block
from audit.verdict import Rule
from tests.auditor.corpus import KINDS, Expected, Ledger, kind
from tests.auditor.forge import Chain, reseal

__all__ = ["KINDS"]


def _config_place(chain: Chain) -> int:
    return next(b.header.number for b in chain[1:] if is_config_block(b))


def _edit_config(chain: Chain, number: int, edit: Callable[[configtx_pb2.ConfigEnvelope], None]) -> None:
    envelope = common_pb2.Envelope.FromString(chain[number].data.data[0])
    payload = common_pb2.Payload.FromString(envelope.payload)
    config = configtx_pb2.ConfigEnvelope.FromString(payload.data)
    edit(config)
    payload.data = config.SerializeToString()
    envelope.payload = payload.SerializeToString()
    chain[number].data.data[0] = envelope.SerializeToString()


@kind("a config block whose configuration is not its update's")
def _config_other(ledger: Ledger, chain: Chain) -> Expected:
    number = _config_place(chain)

    def edit(config: configtx_pb2.ConfigEnvelope) -> None:
        application = config.config.channel_group.groups["Application"]
        application.policies["Endorsement"].mod_policy = "Readers"

    _edit_config(chain, number, edit)
    reseal(chain, number, ledger.orderers)
    return Rule.CONFIG_UPDATE, number


@kind("a config update without its signatures")
def _config_unsigned(ledger: Ledger, chain: Chain) -> Expected:
    number = _config_place(chain)

    def edit(config: configtx_pb2.ConfigEnvelope) -> None:
        payload = common_pb2.Payload.FromString(config.last_update.payload)
        update = configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
        del update.signatures[:]
        payload.data = update.SerializeToString()
        config.last_update.payload = payload.SerializeToString()

    _edit_config(chain, number, edit)
    reseal(chain, number, ledger.orderers)
    return Rule.CONFIG_UPDATE, number


@kind("a config update signed by a client instead of an admin")
def _config_client(ledger: Ledger, chain: Chain) -> Expected:
    number = _config_place(chain)
    client = ledger.client("hospital-b")

    def edit(config: configtx_pb2.ConfigEnvelope) -> None:
        payload = common_pb2.Payload.FromString(config.last_update.payload)
        update = configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
        for signature in update.signatures:
            header = common_pb2.SignatureHeader(creator=client.identity, nonce=b"n" * 24).SerializeToString()
            signature.signature_header = header
            signature.signature = client.sign(header + update.config_update)
        payload.data = update.SerializeToString()
        config.last_update.payload = payload.SerializeToString()

    _edit_config(chain, number, edit)
    reseal(chain, number, ledger.orderers)
    return Rule.CONFIG_UPDATE, number
