"""Whether the ordering service signed a block.

With BFT ordering a quorum of the channel's consenters signs, each named by its number; with Raft one orderer does.
Both are what the channel's BlockValidation policy asks for (Fabric: protoutil.BlockSignatureVerifier). With BFT that
policy lists the consenters of the day it was written, so that their present number is looked at as well.
"""

from contextlib import suppress

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2

from audit.fabric.channel import ChannelConfig
from audit.fabric.msp import Identity, IdentityError
from audit.fabric.policy import SignedBytes, valid_signers
from audit.fabric.wire import LAST_CONFIG, SIGNATURES, decode, header_bytes, metadata

BLOCK_VALIDATION = "/Channel/Orderer/BlockValidation"


class OrdererError(ValueError):
    """A block lacks the orderers' signatures that its channel's policy asks for."""


def check_signatures(config: ChannelConfig, block: common_pb2.Block) -> None:
    """Check that those who must sign a block did; raises OrdererError or WireError."""
    entry = metadata(block, SIGNATURES)
    covered = header_bytes(block.header)
    signed = []
    for signature in entry.signatures:
        if config.consensus == "BFT" and signature.identifier_header and not signature.signature_header:
            header = decode(common_pb2.IdentifierHeader, signature.identifier_header, "identifier header")
            consenter = config.consenters.get(header.identifier)
            if consenter is None:
                continue
            creator, prefix = _serialized(*consenter), signature.identifier_header
        else:
            creator = decode(common_pb2.SignatureHeader, signature.signature_header, "signature header").creator
            prefix = signature.signature_header
        signed.append(SignedBytes(creator, entry.value + prefix + covered, signature.signature))
    signers = valid_signers(config.msps, signed)
    if not config.policies.holds(BLOCK_VALIDATION, signers):
        raise OrdererError(f"{len(signers)} of {len(entry.signatures)} signatures hold, too few for {BLOCK_VALIDATION}")
    if config.consensus == "BFT":
        _check_quorum(config, signers)


def _check_quorum(config: ChannelConfig, signers: list[Identity]) -> None:
    """Check that a quorum of the consenters signed, whoever the policy still names."""
    keys = set()
    for msp_id, certificate in config.consenters.values():
        with suppress(IdentityError):
            keys.add(config.msps.identity(_serialized(msp_id, certificate)).key)
    signed = len(keys & {signer.key for signer in signers})
    if signed < config.quorum:
        raise OrdererError(f"{signed} of {len(config.consenters)} consenters signed, {config.quorum} are a quorum")


def _serialized(msp_id: str, certificate: bytes) -> bytes:
    return bytes(identities_pb2.SerializedIdentity(mspid=msp_id, id_bytes=certificate).SerializeToString())


def last_config(block: common_pb2.Block) -> int:
    """Return the number of the config block in force, as the orderers signed it."""
    signed = decode(common_pb2.OrdererBlockMetadata, metadata(block, SIGNATURES).value, "orderer metadata")
    if signed.HasField("last_config"):
        return int(signed.last_config.index)
    return int(decode(common_pb2.LastConfig, metadata(block, LAST_CONFIG).value, "last config").index)
