import contextlib
import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from gateway.encoding import transaction_id
from network.devnet import protos as p
from network.devnet.envelopes import (
    MalformedError,
    block_hash,
    data_hash,
    header_bytes,
    open_envelope,
    open_proposal,
)


def header(number, previous=b"", data=b""):
    return p.common.BlockHeader(number=number, previous_hash=previous, data_hash=data)


@pytest.mark.parametrize(
    ("number", "integer"),
    [
        (0, "020100"),
        (1, "020101"),
        (127, "02017f"),
        (128, "02020080"),
        (255, "020200ff"),
        (256, "02020100"),
        (2**63, "0209008000000000000000"),
        (2**64 - 1, "020900ffffffffffffffff"),
    ],
)
def test_a_block_number_is_a_der_integer_that_stays_positive(number, integer):
    encoded = bytes.fromhex(integer)
    body = encoded + b"\x04\x02\xab\xcd" + b"\x04\x01\xef"
    assert b"\x30" + bytes([len(body)]) + body == header_bytes(header(number, b"\xab\xcd", b"\xef"))


def test_a_header_longer_than_127_bytes_has_a_long_der_length():
    body = b"\x02\x01\x05" + b"\x04\x81\x80" + b"a" * 128 + b"\x04\x00"
    assert b"\x30\x81" + bytes([len(body)]) + body == header_bytes(header(5, b"a" * 128))


@given(st.integers(0, 2**64 - 1), st.binary(max_size=300), st.binary(max_size=300))
def test_a_header_decodes_to_what_it_was_made_of(number, previous, data):
    assert [number, previous, data] == decode_sequence(header_bytes(header(number, previous, data)))


def decode_sequence(encoded):
    """A reader of DER sequences of integers and octet strings, written apart from the writer."""
    tag, content, rest = read(encoded)
    assert (0x30, b"") == (tag, rest)
    values = []
    while content:
        tag, value, content = read(content)
        values.append(int.from_bytes(value, "big", signed=True) if tag == 0x02 else value)
    return values


def read(data):
    length, start = data[1], 2
    if length >= 0x80:
        size = length - 0x80
        length, start = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
    return data[0], data[start : start + length], data[start + length :]


def test_hashes_are_sha_256_of_the_header_and_of_the_joined_transactions():
    block = header(3, b"p" * 32, b"d" * 32)
    assert hashlib.sha256(header_bytes(block)).digest() == block_hash(block)
    assert hashlib.sha256(b"onetwo").digest() == data_hash([b"one", b"two"])


def test_a_transaction_id_is_the_hash_of_nonce_and_creator():
    assert hashlib.sha256(b"nonce" + b"creator").hexdigest() == transaction_id(b"nonce", b"creator")


@given(st.binary(max_size=200))
def test_any_bytes_are_opened_or_refused_as_malformed(data):
    with contextlib.suppress(MalformedError):
        open_envelope(p.common.Envelope(payload=data))
    with contextlib.suppress(MalformedError):
        open_proposal(p.proposal.SignedProposal(proposal_bytes=data))


def test_a_proposal_without_a_chaincode_is_malformed():
    with pytest.raises(MalformedError, match=r"ChaincodeHeaderExtension.ChaincodeId is nil"):
        open_proposal(p.proposal.SignedProposal())


def test_signatures_have_a_low_s(identities_run):
    from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

    from gateway.signatures import ORDERS, has_low_s
    from tests.unit.devnet.harness import user

    signer = user(identities_run, "hospital-a")
    order = ORDERS[ec.SECP256R1.name]
    for number in range(20):
        signature = signer.sign(str(number).encode())
        assert decode_dss_signature(signature)[1] <= order // 2
        assert has_low_s(signature, "secp256r1")
