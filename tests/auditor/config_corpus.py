"""Ways to tamper with a channel's configuration."""

from collections.abc import Callable

from fabric_protos.common import common_pb2, configtx_pb2
from fabric_protos.msp import msp_config_pb2
from fabric_protos.peer import transaction_pb2 as codes

from audit.fabric.envelope import is_config_block
from audit.verify.verdict import Rule
from tests.auditor.corpus import KINDS, Expected, Ledger, kind
from tests.auditor.forge import Chain, flag, reseal

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


@kind("a configuration recorded as invalid")
def _config_flag(_l: Ledger, chain: Chain) -> Expected:
    number = _config_place(chain)
    flag(chain[number], 0, codes.INVALID_CONFIG_TRANSACTION)
    return Rule.VALIDATION_CODE, number


@kind("a configuration whose envelope nobody of the channel signed")
def _config_envelope(ledger: Ledger, chain: Chain) -> Expected:
    number = _config_place(chain)
    envelope = common_pb2.Envelope.FromString(chain[number].data.data[0])
    envelope.signature = b"nobody's"
    chain[number].data.data[0] = envelope.SerializeToString()
    reseal(chain, number, ledger.orderers)
    return Rule.CONFIG_UPDATE, number


def _rewrite_msp(ledger: Ledger, chain: Chain, change: Callable[[msp_config_pb2.FabricMSPConfig], None]) -> int:
    """Let hospital-b's admin, who may, change its MSP in its own update otherwise, and orderers wave it through."""
    number = _config_place(chain)
    admin = ledger.key("hospital-b", "users/admin")

    def rename(group: configtx_pb2.ConfigGroup) -> None:
        organisation = group.groups["Application"].groups["HospitalBMSP"]
        wrapper = msp_config_pb2.MSPConfig.FromString(organisation.values["MSP"].value)
        msp = msp_config_pb2.FabricMSPConfig.FromString(wrapper.config)
        change(msp)
        wrapper.config = msp.SerializeToString(deterministic=True)
        organisation.values["MSP"].value = wrapper.SerializeToString(deterministic=True)

    def edit(config: configtx_pb2.ConfigEnvelope) -> None:
        rename(config.config.channel_group)
        payload = common_pb2.Payload.FromString(config.last_update.payload)
        update = configtx_pb2.ConfigUpdateEnvelope.FromString(payload.data)
        body = configtx_pb2.ConfigUpdate.FromString(update.config_update)
        rename(body.write_set)
        update.config_update = body.SerializeToString(deterministic=True)
        header = common_pb2.SignatureHeader(creator=admin.identity, nonce=b"n" * 24).SerializeToString()
        del update.signatures[:]
        update.signatures.add(signature_header=header, signature=admin.sign(header + update.config_update))
        payload.data = update.SerializeToString()
        config.last_update.payload = payload.SerializeToString()

    _edit_config(chain, number, edit)
    orderer = next(iter(ledger.orderers.values()))
    envelope = common_pb2.Envelope.FromString(chain[number].data.data[0])
    outer = common_pb2.Payload.FromString(envelope.payload)
    signer = common_pb2.SignatureHeader.FromString(outer.header.signature_header)
    signer.creator = orderer.identity
    outer.header.signature_header = signer.SerializeToString()
    envelope.payload = outer.SerializeToString()
    envelope.signature = orderer.sign(envelope.payload)
    chain[number].data.data[0] = envelope.SerializeToString()
    reseal(chain, number, ledger.orderers)
    return number


@kind("an organisation that takes another's MSP id in its own update")
def _config_stolen_id(ledger: Ledger, chain: Chain) -> Expected:
    def steal(msp: msp_config_pb2.FabricMSPConfig) -> None:
        msp.name = "HospitalAMSP"

    return Rule.CONFIG_UPDATE, _rewrite_msp(ledger, chain, steal)
