"""Runs of the tests on one machine keep apart by themselves."""

import socket
import subprocess
import sys
from pathlib import Path

from tests.ports import SIZE, free_ports

ROOT = Path(__file__).resolve().parents[3]
OTHER_RUN = "from tests.ports import free_ports; print(free_ports()); input()"


def test_two_runs_hold_different_blocks_below_the_ephemeral_ports():
    mine = [free_ports(), free_ports()]
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_RUN], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        theirs = int(other.stdout.readline())
        mine.append(free_ports())
        other.communicate("\n", timeout=20)
    assert 4 == len({theirs, *mine})
    assert max(theirs, *mine) + SIZE <= 32_768


def test_a_block_where_something_listens_is_passed_over():
    base = free_ports()
    with socket.create_server(("127.0.0.1", base + SIZE + 7)):
        assert free_ports() != base + SIZE
