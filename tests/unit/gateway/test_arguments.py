"""What is handed to a chaincode arrives as it was meant, or is refused before anything is sent."""

import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway._arguments import encode_arguments, encode_transient


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_text_and_bytes_arrive_as_they_are(text: str, raw: bytes):
    assert encode_arguments(text, [text, raw]) == (text.encode(), text.encode(), raw)


@pytest.mark.parametrize(
    "value", [bytearray(b"abc"), memoryview(b"abc"), memoryview(b"a-b-c-")[::2], array.array("B", b"abc")]
)
def test_whatever_is_like_bytes_is_sent_as_its_bytes(value: object):
    assert encode_arguments("Put", [value]) == (b"Put", b"abc")
    assert encode_transient({"k": value}) == {"k": b"abc"}


@pytest.mark.parametrize("value", [5, True, None, 1.5, ["a"], [1, 2], (1,), {"a": 1}, {1}, object()])
def test_anything_else_is_refused_with_its_place_and_its_type(value: object):
    with pytest.raises(TypeError, match=rf"argument 2 of 'Put' is of type {type(value).__name__}: give str"):
        encode_arguments("Put", ["key", value])
    with pytest.raises(TypeError, match=rf"transient 'price' is of type {type(value).__name__}"):
        encode_transient({"price": value})
    with pytest.raises(TypeError, match=f"the function's name is of type {type(value).__name__}"):
        encode_arguments(value, [])  # type: ignore[arg-type]


def test_half_a_surrogate_pair_is_refused_with_its_place():
    with pytest.raises(ValueError, match="argument 1 of 'Put' cannot be written as UTF-8: surrogates not allowed at 2"):
        encode_arguments("Put", ["ab\ud800"])


async def test_a_number_commits_nothing(contract, peer):
    for call in (contract.submit, contract.evaluate, contract.submit_async):
        with pytest.raises(TypeError, match="argument 2 of 'Put' is of type int"):
            await call("Put", "k", 5)
    with pytest.raises(TypeError, match="argument 2 of 'Put' is of type int"):
        contract.proposal("Put", "k", 5)
    assert peer.requests == []
