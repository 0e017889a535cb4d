"""Whether the ordering service signed a block.

With BFT ordering a quorum of the channel's consenters signs, each named by its number; with Raft one orderer does.
Both are what the channel's BlockValidation policy asks for (Fabric: protoutil.BlockSignatureVerifier).
"""

from fabric_protos.common import common_pb2
from fabric_protos.msp import identities_pb2

from audit.channel import ChannelConfig
from audit.policy import SignedBytes, valid_signers
from audit.wire import LAST_CONFIG, SIGNATURES, decode, header_bytes, metadata

BLOCK_VALIDATION = "/Channel/Orderer/BlockValidation"


class OrdererError(ValueError):
    """A block lacks the orderers' signatures that its channel's policy asks for."""


def check_signatures(config: ChannelConfig, block: common_pb2.Block) -> int:
    """Check a block's signatures and return how many hold; raises OrdererError or WireError."""
    entry = metadata(block, SIGNATURES)
    covered = header_bytes(block.header)
    signed = []
    for signature in entry.signatures:
        if config.consensus == "BFT" and signature.identifier_header and not signature.signature_header:
            header = decode(common_pb2.IdentifierHeader, signature.identifier_header, "identifier header")
            consenter = config.consenters.get(header.identifier)
            if consenter is None:
                continue
            identity = identities_pb2.SerializedIdentity(mspid=consenter[0], id_bytes=consenter[1])
            creator, prefix = identity.SerializeToString(), signature.identifier_header
        else:
            creator = decode(common_pb2.SignatureHeader, signature.signature_header, "signature header").creator
            prefix = signature.signature_header
        signed.append(SignedBytes(creator, entry.value + prefix + covered, signature.signature))
    signers = valid_signers(config.msps, signed)
    if not config.policies.holds(BLOCK_VALIDATION, signers):
        raise OrdererError(f"{len(signers)} of {len(entry.signatures)} signatures hold, too few for {BLOCK_VALIDATION}")
    return len(signers)


def last_config(block: common_pb2.Block) -> int:
    """Return the number of the config block in force, as the orderers signed it."""
    signed = decode(common_pb2.OrdererBlockMetadata, metadata(block, SIGNATURES).value, "orderer metadata")
    if signed.HasField("last_config"):
        return int(signed.last_config.index)
    return int(decode(common_pb2.LastConfig, metadata(block, LAST_CONFIG).value, "last config").index)
