"""Makes and checks blocks: chain of hashes, consenters' signatures, metadata."""

import os
from collections.abc import Iterable
from typing import Any

from network.devnet import protos as p
from network.devnet.channel import Channel
from network.devnet.envelopes import (
    LAST_CONFIG,
    SIGNATURES,
    MalformedError,
    Signer,
    data_hash,
    header_bytes,
    open_envelope,
    parse,
)
from network.devnet.policy import PolicyError, SignedData, valid_identities

METADATA_ENTRIES = 5


class BlockError(Exception):
    """A block that does not follow from the last one or is not signed as the channel demands."""


def new_block(number: int, previous_hash: bytes, envelopes: list[bytes]) -> Any:
    """Return an unsigned block."""
    header = p.common.BlockHeader(number=number, previous_hash=previous_hash, data_hash=data_hash(envelopes))
    metadata = p.common.BlockMetadata(metadata=[b""] * METADATA_ENTRIES)
    return p.common.Block(header=header, data=p.common.BlockData(data=envelopes), metadata=metadata)


def sign_block(block: Any, signer: Signer, consenter: int | None, last_config: int) -> None:
    """Sign a block: as a consenter of a BFT channel, known by its number, or with None as an orderer of a Raft channel.

    Source: orderer/consensus/smartbft/signer.go and orderer/common/multichannel/blockwriter.go.
    """
    config = p.common.LastConfig(index=last_config)
    value = p.common.OrdererBlockMetadata(last_config=config).SerializeToString()
    nonce = os.urandom(24)
    if consenter is None:
        who = p.common.SignatureHeader(creator=signer.serialized, nonce=nonce).SerializeToString()
        signature = p.common.MetadataSignature(signature_header=who)
    else:
        who = p.common.IdentifierHeader(identifier=consenter, nonce=nonce).SerializeToString()
        signature = p.common.MetadataSignature(identifier_header=who)
    signature.signature = signer.sign(value + who + header_bytes(block.header))
    block.metadata.metadata[SIGNATURES] = p.common.Metadata(value=value, signatures=[signature]).SerializeToString()
    block.metadata.metadata[LAST_CONFIG] = p.common.Metadata(value=config.SerializeToString()).SerializeToString()


def last_config(block: Any) -> int:
    """Return the number of the last config block that a block names; 0 for the first block."""
    if block.header.number == 0:
        return 0
    metadata = parse(p.common.Metadata, block.metadata.metadata[SIGNATURES], "Metadata")
    named: int = parse(p.common.OrdererBlockMetadata, metadata.value, "OrdererBlockMetadata").last_config.index
    return named


def config_in(block: Any) -> Any | None:
    """Return the config envelope if this is a config block, else None."""
    if len(block.data.data) != 1:
        return None
    try:
        message = open_envelope(parse(p.common.Envelope, block.data.data[0], "Envelope"))
    except MalformedError:
        return None
    if message.channel.type != p.common.CONFIG:
        return None
    return parse(p.configtx.ConfigEnvelope, message.data, "ConfigEnvelope")


def config_of(block: Any) -> Any:
    """Return the Config of a config block; BlockError if it is none."""
    envelope = config_in(block)
    if envelope is None:
        raise BlockError(f"block {block.header.number} is no config block")
    return envelope.config


def check_block(block: Any, number: int, previous: Any, channel: Channel) -> None:
    """Check that a block is the next one and that the consenters' policy holds.

    Args:
        block: what the ordering service delivered.
        number: the expected number.
        previous: the previous block's hash, 32 bytes.
        channel: the channel as configured before this block.

    Raises:
        BlockError: it is not.
    """
    header = block.header
    if header.number != number or header.previous_hash != previous:
        raise BlockError(f"block {header.number} does not follow block {number - 1}")
    if header.data_hash != data_hash(list(block.data.data)):
        raise BlockError(f"block {header.number}: the data hash does not match the transactions")
    if len(block.metadata.metadata) <= SIGNATURES:
        raise BlockError(f"block {header.number} has no signatures")
    metadata = parse(p.common.Metadata, block.metadata.metadata[SIGNATURES], "Metadata")
    try:
        signers = valid_identities(_signatures(metadata, header, channel), channel.members)
        channel.policies.policy("/Channel/Orderer/BlockValidation").evaluate(signers)
    except PolicyError as error:
        raise BlockError(f"block {header.number}: {error}") from None


def _signatures(metadata: Any, header: Any, channel: Channel) -> Iterable[SignedData]:
    """Yield who signed what (protoutil.BlockSignatureVerifier): under BFT a number stands for the consenter."""
    signed_header = header_bytes(header)
    for signature in metadata.signatures:
        prefix = signature.signature_header or signature.identifier_header
        if signature.signature_header:
            identity = parse(p.common.SignatureHeader, prefix, "SignatureHeader").creator
        else:
            identity = channel.consenters.get(parse(p.common.IdentifierHeader, prefix, "IdentifierHeader").identifier)
        if identity is not None:
            yield SignedData(identity, metadata.value + prefix + signed_header, signature.signature)
