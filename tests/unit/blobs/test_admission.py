"""The counting at the blob service's door, without sockets."""

import resource
import subprocess
import sys
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node.blobs.admission import (
    BURST,
    MOST,
    MOST_ADDRESSES,
    PER_SECOND,
    RESERVED,
    Caps,
    Organisations,
    Rates,
    Strangers,
)

CAPS = Caps(strangers=8, address=3, organisation=2)


@given(st.integers(0, 1 << 20), st.integers(1, 60))
def test_all_that_may_be_open_leaves_the_reserved_descriptors_free(descriptors: int, organisations: int):
    caps = Caps.of(descriptors, organisations)
    connections = caps.strangers + caps.organisation * (organisations + 1)
    assert connections <= MOST
    if descriptors >= 512:  # each may have a blob open beside its socket
        assert 2 * connections + RESERVED <= descriptors


def test_an_organisation_has_its_own_room():
    organisations = Organisations(CAPS)
    assert [organisations.enter("a") for _ in range(3)] == [True, True, False]
    assert organisations.enter("b")
    organisations.leave("a")
    assert organisations.enter("a")


def test_of_one_address_too_many_the_oldest_makes_room():
    strangers: Strangers[str] = Strangers(CAPS)
    assert [strangers.enter("x", name) for name in ("1", "2", "3", "4", "5")] == [None, None, None, "1", "2"]
    assert sorted(strangers) == ["3", "4", "5"]


def test_of_too_many_addresses_the_one_with_the_most_makes_room():
    strangers: Strangers[str] = Strangers(CAPS)
    for name in ("1", "2", "3"):
        strangers.enter("x", name)
    for number in range(5):
        assert strangers.enter(f"y{number}", f"y{number}") is None
    assert strangers.enter("honest", "h") == "1"
    assert strangers.enter("z", "z") == "2"
    assert "h" in set(strangers)


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), max_size=200))
def test_strangers_never_exceed_their_caps(steps: list[tuple[int, bool]]):
    strangers: Strangers[int] = Strangers(CAPS)
    here: dict[int, str] = {}
    for number, (place, leaves) in enumerate(steps):
        address = f"address {place}"
        if leaves and here:
            gone = min(here)
            strangers.leave(here.pop(gone), gone)
        else:
            here[number] = address
            evicted = strangers.enter(address, number)
            if evicted is not None:
                del here[evicted]
        assert sorted(strangers) == sorted(here)
        assert len(strangers) <= CAPS.strangers
        assert max([list(here.values()).count(a) for a in here.values()], default=0) <= CAPS.address


def test_an_address_begins_so_often_and_no_more():
    rates = Rates()
    times = [number / 1000 for number in range(10_000)]  # a thousand a second for ten seconds
    allowed = sum(rates.allow("flood", now) for now in times)
    assert BURST + 9 * PER_SECOND <= allowed <= BURST + 10 * PER_SECOND + 1
    assert rates.allow("another", 10.0)
    assert rates.allow("flood", 20.0)


def test_who_comes_from_many_addresses_fills_no_memory():
    rates = Rates()
    for number in range(MOST_ADDRESSES * 3):
        rates.allow(f"{number}", 0.0)
    assert len(rates._buckets) == MOST_ADDRESSES


@pytest.mark.parametrize("limit", [256, 1024])
def test_the_limit_of_descriptors_is_raised_as_far_as_the_system_lets(limit: int):
    script = (
        f"import resource; resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit} * 2));"
        "from fl_node.blobs.admission import descriptors;"
        "print(descriptors(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(limit * 2)] * 2
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= limit


def test_more_descriptors_never_mean_smaller_caps():
    many = [Caps.of(descriptors, 7) for descriptors in range(200, 6000, 100)]
    for fewer, more in pairwise(many):
        assert (fewer.strangers, fewer.address, fewer.organisation) <= (more.strangers, more.address, more.organisation)
