"""Masks are uniform, keyed by everything that names them, and secrets never show."""

import hashlib
import logging
import math
import traceback
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node import codes
from fl_node.secagg import errors
from fl_node.secagg import messages as m
from fl_node.secagg.keys import KeyPair, Secrets, pair_key, self_key, share_key
from fl_node.secagg.layout import ALIGN, MAX_BYTES, Layout
from fl_node.secagg.masks import BATCH, CHUNK, HEAD, Mask, apply_masks, beyond_head, keystream
from fl_node.secagg.records import Dealing, MemoryRecords
from fl_node.secagg.shamir import rebuild, split
from fl_node.secagg.simulation import Simulation, session_of


def layout_of(*segments: tuple[int, int, int]) -> Layout:
    """Segments of (word, ring, slots)."""
    entries = [
        {"name": f"s{i}", "kind": "value", "word": word, "ring": ring, "max": 1, "slots": slots}
        for i, (word, ring, slots) in enumerate(segments)
    ]
    return Layout.from_fields({"version": 1, "count": None, "segments": entries})


def fixed(seed: str) -> Iterator[bytes]:
    count = 0
    while True:
        yield hashlib.sha256(f"{seed}/{count}".encode()).digest()
        count += 1


def p_value(symbols: np.ndarray, bins: int) -> float:
    """Chance of a chi-square statistic as large, were the symbols uniform."""
    observed = np.bincount(symbols, minlength=bins)
    expected = symbols.size / bins
    statistic, freedom = ((observed - expected) ** 2 / expected).sum(), bins - 1
    spread = 2 / (9 * freedom)  # Wilson and Hilferty (1931): exact enough from a hundred bins on
    normal = ((statistic / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(spread)
    return math.erfc(normal / math.sqrt(2)) / 2


def masked_zeros(layout: Layout, keys: int) -> bytearray:
    vector = bytearray(layout.length)
    source = fixed("uniform")
    apply_masks(vector, layout, [Mask(next(source), add=number % 2 == 0) for number in range(keys)])
    return vector


@pytest.mark.parametrize("word", [32, 64])
@pytest.mark.parametrize("keys", [1, 2, 7])
def test_every_byte_of_a_masked_slot_is_uniform(word: int, keys: int):
    layout = layout_of((word, word, 200_000))
    table = np.frombuffer(masked_zeros(layout, keys), np.uint8, layout.data_bytes).reshape(-1, word // 8)
    assert all(p_value(table[:, place], 256) > 1e-6 for place in range(word // 8))


def test_modular_slots_are_uniform_on_their_ring():
    layout = layout_of((32, 13, 400_000))
    words = layout.segments[0].view(masked_zeros(layout, 3))
    assert int(words.max()) < 1 << 13
    assert p_value(words.astype(np.int64), 1 << 13) > 1e-6


def test_neighbouring_slots_and_masked_constants_show_no_pattern():
    layout = layout_of((32, 32, 200_000))
    vector = bytearray(layout.length)
    layout.segments[0].view(vector)[:] = 12345
    apply_masks(vector, layout, [Mask(next(fixed("pattern")), add=True)])
    words = layout.segments[0].view(vector).astype(np.int64)
    assert p_value((words[1:] - words[:-1]) & 0xFF, 256) > 1e-6
    assert np.unique(words).size > 199_900


def test_the_uniformity_test_sees_a_bias_of_one_part_in_a_hundred():
    random = np.random.default_rng(1).integers(0, 256, 200_000)
    assert p_value(random, 256) > 1e-6
    assert p_value(np.where(np.arange(200_000) % 100 == 0, 7, random), 256) < 1e-6


@given(flip=st.integers(0, 255))
def test_regression_a_mask_seed_is_not_folded_every_key_bit_counts(flip: int):
    key = bytearray(b"\x33" * 32)
    before = keystream(bytes(key)).update(bytes(64))
    key[flip // 8] ^= 1 << (flip % 8)
    after = keystream(bytes(key)).update(bytes(64))
    distance = (int.from_bytes(before, "big") ^ int.from_bytes(after, "big")).bit_count()
    assert 150 < distance < 362


def test_regression_a_mask_is_the_same_however_the_vector_is_cut_into_chunks():
    layout = layout_of((64, 64, CHUNK // 8 + 1), (32, 32, CHUNK // 4 + 1))
    key = next(fixed("chunks"))
    vector = bytearray(layout.length)
    apply_masks(vector, layout, [Mask(key, add=True)])
    whole = keystream(key).update(bytes(layout.data_bytes))
    assert whole == vector[: layout.data_bytes]
    assert bytes(layout.length - layout.data_bytes) == vector[layout.data_bytes :]


def taken_by_word(vector: bytes, layout: Layout, masks: list[Mask]) -> bytes:
    """Adds masks as the rule says it: keystreams whole, from AES-CTR alone, and one word after the other."""
    streams = [(keystream(mask.key).update(bytes(layout.length)), 1 if mask.add else -1) for mask in masks]
    result = bytearray(vector)
    for segment in layout.segments:
        size = segment.word // 8
        for at in range(segment.start, segment.end, size):
            word = int.from_bytes(vector[at : at + size], "little")
            word += sum(sign * int.from_bytes(stream[at : at + size], "little") for stream, sign in streams)
            result[at : at + size] = (word % (1 << segment.ring)).to_bytes(size, "little")
    return bytes(result)


@pytest.mark.parametrize("wide", [0, 1, 3, 4, 5, CHUNK // 8 + 4])
@pytest.mark.parametrize("narrow", [1, 7, 8, 9, CHUNK // 4 + 13])
def test_masks_are_aes_ctr_wherever_words_begin_and_chunks_end(wide: int, narrow: int):
    layout = layout_of(*([(64, 64, wide)] if wide else []), (32, 32, narrow), (32, 13, 2))
    source = fixed("wherever")
    masks = [Mask(next(source), add=add) for add in (False, True, False)]
    plain = keystream(next(source)).update(bytes(layout.data_bytes)) + bytes(layout.length - layout.data_bytes)
    masked = bytearray(plain)
    apply_masks(masked, layout, iter(masks))
    assert taken_by_word(plain, layout, masks) == masked


@given(key=st.binary(min_size=32, max_size=32), length=st.integers(0, 4 * CHUNK))
def test_the_keystream_beyond_its_head_is_the_same(key: bytes, length: int):
    assert keystream(key).update(bytes(HEAD + length))[HEAD:] == beyond_head(key).update(bytes(length))


def test_no_layout_is_as_long_as_the_keystream_beyond_its_head():
    assert MAX_BYTES // ALIGN < 1 << 32  # behind that block GCM would count from zero again


def test_masks_that_are_added_and_taken_away_leave_the_vector_as_it_was():
    layout = layout_of((32, 32, 5), (64, 64, 3), (32, 11, 4))
    source = fixed("cancel")
    keys = [next(source) for _ in range(BATCH + 3)]
    values = {"s0": [7] * 5, "s1": [9] * 3, "s2": [2047] * 4}
    layout = Layout.parse(layout.document.replace(b'"max":1,', b'"max":2047,'))
    vector = layout.pack(values)
    masked = bytearray(vector)
    apply_masks(masked, layout, (Mask(key, add=True) for key in keys))
    assert vector != masked
    apply_masks(masked, layout, (Mask(key, add=False) for key in reversed(keys)))
    assert vector == masked


def test_regression_masks_are_integers_of_the_ring_and_never_floats():
    layout = layout_of((32, 32, 4), (64, 64, 4))
    assert {segment.dtype.str for segment in layout.segments} == {"<u4", "<u8"}
    with pytest.raises(errors.SecaggError) as refusal:
        layout.pack({"s0": [0.5] * 4, "s1": [1] * 4})
    assert refusal.value.code == codes.BAD_VECTOR


def test_regression_keys_depend_on_round_peer_direction_and_purpose():
    a, b, c = (KeyPair.of(bytes([number]) * 32) for number in (1, 2, 3))
    one, two = b"\x01" * 32, b"\x02" * 32
    ends, others = (("a", a.public), ("b", b.public)), (("a", a.public), ("c", c.public))
    keys = [
        pair_key(one, a, b.public, *ends),
        pair_key(two, a, b.public, *ends),
        pair_key(one, a, c.public, *others),
        pair_key(one, a, b.public, ("x", a.public), ends[1]),
        share_key(one, a, b.public, *ends),
        share_key(one, a, b.public, *reversed(ends)),
        share_key(two, a, b.public, *ends),
        self_key(one, "a", a.secret, a.public),
        self_key(two, "a", a.secret, a.public),
        self_key(one, "b", a.secret, a.public),
        self_key(one, "a", a.secret, b.public),
    ]
    assert len(keys) == len(set(keys))
    assert a.secret not in keys


def test_fewer_shares_than_the_threshold_say_nothing_about_the_secret():
    source = fixed("shamir")
    shares = split(bytes(32), 5, 3, lambda length: (next(source) * 3)[:length])
    for missing in range(5):
        pair = [(x + 1, shares[x]) for x in range(5) if x != missing][:2]
        forged = (9, (5).to_bytes(66, "big"))
        with pytest.raises(errors.SecaggError):  # 521 bits of another secret, save with probability 2^-265
            rebuild([*pair, forged])
    assert bytes(32) == rebuild([(x, shares[x - 1]) for x in (5, 1, 3)])


def secrets_of(journals: dict[str, MemoryRecords]) -> list[bytes]:
    """Every 32-byte secret of a cohort and every unrevealed share, raw."""
    found = []
    for journal in journals.values():
        for key, record in journal.records.items():
            if key.endswith("/secrets"):
                secrets = Secrets.decode(record)
                found += [secrets.seal.secret, secrets.mask.secret, secrets.seed]
            if key.endswith("/dealing"):
                own = Dealing.decode(record).own
                found += [own.mask, own.seed]
    return found


def test_secrets_are_absent_from_messages_representations_blobs_logs_and_errors(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    layout = layout_of((32, 32, 8))
    journals: dict[str, MemoryRecords] = {}
    run = Simulation(session_of(layout, 4), records=lambda name: journals.setdefault(name, MemoryRecords()))
    shown: list[object] = [run, run.session, layout]
    run.publish_keys()
    run.commit_shares()
    run.commit_updates(dict.fromkeys(run.session.cohort, bytes(layout.length)), ["hospital-001"])
    public = [*run.blobs.values(), *(key for pair in run.keys.values() for key in (pair.seal, pair.mask))]
    public += [part for one in run.commitments.values() for part in (one.seed_commitment, one.shares_root)]
    for journal in journals.values():
        shown += [journal, *run.participants.values()]
    fixed_survivors = m.SurvivorsFixed(run.updates, run.session.members(run.updates))
    shown += run.participants["hospital-000"].receive(fixed_survivors)
    with pytest.raises(errors.SecaggError) as error:
        run.participants["hospital-000"].receive(m.VectorReady(b"\xff" * layout.length))
    shown += ["".join(traceback.format_exception(error.value)), caplog.text]
    secrets = secrets_of(journals)
    shown += [Dealing.decode(record) for key, record in journals["hospital-000"].records.items() if "dealing" in key]
    assert len(secrets) == 20
    text = " ".join(f"{one!r} {one!s}" for one in shown)
    assert repr(run.updates["hospital-000"])[2:-1] in text  # the search does find what is public
    assert any(run.commitments["hospital-000"].shares_root in part for part in public)
    for secret in secrets:
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text
        assert str(int.from_bytes(secret, "big")) not in text
        assert not any(secret in blob for blob in public)


def test_codes_of_errors_are_unique():
    codes = sorted(value for name, value in vars(errors).items() if name.isupper() and isinstance(value, str))
    assert all(first != second for first, second in pairwise(codes))
    assert all(code.startswith("FL41") for code in codes)
