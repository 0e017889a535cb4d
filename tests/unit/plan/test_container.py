"""The plan file and its manifest: deterministic, strict, refusing with codes."""

import hashlib
import io
import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node.plan.container import Plan, pack_plan, read_plan
from fl_node.plan.errors import PlanError
from fl_node.plan.frameworks import parse_manifest
from tests.unit.plan.samples import FILES, PACKED, manifest


def test_the_same_content_gives_the_same_file_whatever_its_order():
    assert pack_plan(manifest(), dict(reversed(FILES.items()))) == PACKED


def test_a_plan_reads_back_with_the_digest_of_its_file():
    plan = read_plan(PACKED)
    digest = hashlib.sha256(PACKED).hexdigest()
    computations = {"prepare": b"p", "update": b"u", "work": b"w" * 100}
    assert plan == Plan(manifest(), digest, b"state", computations)


def test_a_plan_with_another_digest_is_refused():
    with pytest.raises(PlanError, match="FL3002"):
        read_plan(PACKED, "0" * 64)


@given(st.integers(0, len(PACKED) - 1))
def test_a_truncated_plan_is_refused(length: int):
    with pytest.raises(PlanError, match=r"FL300[13]"):
        read_plan(PACKED[:length])


@given(st.integers(0, len(PACKED) - 1), st.integers(1, 255))
def test_a_plan_altered_in_any_byte_is_refused(place: int, flip: int):
    altered = bytearray(PACKED)
    altered[place] ^= flip
    with pytest.raises(PlanError, match=r"FL300[13]"):
        read_plan(bytes(altered))


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_in_another_form_is_refused(compression: int):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in sorted({"manifest.json": manifest().canonical(), **FILES}.items()):
            archive.writestr(name, content)
    with pytest.raises(PlanError, match="FL3001"):
        read_plan(buffer.getvalue())


def test_bytes_after_the_archive_are_refused():
    with pytest.raises(PlanError, match="FL3001"):
        read_plan(PACKED + b"\0")


def test_a_file_that_the_manifest_does_not_name_is_refused():
    with pytest.raises(PlanError, match="FL3001: an entry is not the one that the manifest names"):
        read_plan(pack_plan(manifest(), {**FILES, "work.pb": b"another"}))


def test_a_manifest_reads_back():
    assert parse_manifest(manifest().canonical()) == manifest()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"name":"test"', b'"name":"Test"'),
        (b'"cohort_max":4', b'"cohort_max":4,"extra":1'),
        (b'"cohort_max":4', b'"cohort_max":4.0'),
        (b'"cohort_max":4', b'"cohort_max": 4'),
        (b'"max":1000', b'"max":1001'),
        (b'"maximum":null', b'"maximum":"1"'),
        (b'"name":"test"', b'"name":"test","name":"test"'),
    ],
)
def test_a_manifest_that_is_not_canonical_or_not_consistent_is_refused(old: bytes, new: bytes):
    raw = manifest().canonical()
    assert old in raw
    with pytest.raises(PlanError, match="FL3003"):
        parse_manifest(raw.replace(old, new, 1))
