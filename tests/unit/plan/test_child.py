"""The child process and its frames: started late, ended with everything, never trusted. No framework is imported."""

import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fl_node.plan.build import build
from fl_node.plan.child import Child, _refusal
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.frames import MAX_HEADER, Closed, Message, receive, send

ROOT = Path(__file__).parents[3]
PATIENCE_S = 180
PARENT = """
import sys, time
from fl_node.plan.child import Child
child = Child()  # held: a child whose node lets go of it ends by itself
if sys.argv[1] == "guarded":
    child.confinement()
print(child.pid, flush=True)
time.sleep(600)
"""
SMALL = """
import sys
import fl_node.plan.runtime, fl_node.plan.cli, fl_node.plan.build, fl_node.data.read, fl_node.data.profile
heavy = {name.split(".")[0] for name in sys.modules} & {"tensorflow", "tensorflow_federated", "pyarrow", "sklearn"}
resident = next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]
print(",".join(heavy), resident)
"""


def living(session: int) -> list[str]:
    listed = subprocess.run(
        ["ps", "-o", "stat=,args=", "--sid", str(session)], capture_output=True, text=True, check=False
    )
    return [line for line in listed.stdout.splitlines() if not line.startswith("Z")]


def wait_until_gone(session: int) -> list[str]:
    deadline = time.monotonic() + PATIENCE_S
    while (left := living(session)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return left


def test_the_node_side_imports_no_framework_and_stays_below_100_megabytes():
    done = subprocess.run([sys.executable, "-c", SMALL], cwd=ROOT, capture_output=True, text=True, check=True)
    heavy, resident = done.stdout.strip("\n").split(" ")
    assert heavy == ""
    assert int(resident) < 100_000


@pytest.mark.parametrize(("when", "processes"), [("starting", 1), ("guarded", 2)])
def test_the_whole_group_dies_with_a_killed_parent(when: str, processes: int):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, when], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    with parent.stdout:
        child = int(parent.stdout.readline())
    assert len(living(child)) >= processes
    parent.kill()
    parent.wait()
    assert wait_until_gone(child) == []


def test_the_guard_ends_the_group_when_only_the_child_dies():
    child = Child()
    with pytest.raises(PlanError, match="FL3042"):
        child.call(Message({"op": "nothing"}), 60)
    assert len(living(child.pid)) == 2
    os.kill(child.pid, signal.SIGKILL)
    assert not wait_for(lambda: child.alive)
    assert wait_until_gone(child.pid) == []
    child.kill()


def wait_for(still: object) -> bool:
    deadline = time.monotonic() + PATIENCE_S
    while still() and time.monotonic() < deadline:  # type: ignore[operator]
        time.sleep(0.05)
    return bool(still())  # type: ignore[operator]


def test_killing_twice_is_harmless():
    child = Child()
    child.kill()
    child.kill()
    assert not child.alive


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path):
    file = tmp_path / "slow.py"
    file.write_text("")
    with pytest.raises(PlanError, match=r"FL3041: no answer to build in 0\.3 s"):
        build(str(file), timeout=0.3)


def test_a_child_that_dies_during_a_call_is_reported(tmp_path: Path):
    child = Child()
    threading.Timer(0.5, os.kill, (child.pid, signal.SIGKILL)).start()
    with pytest.raises(PlanError, match="FL3040: the child process ended during build"):
        child.call(Message({"op": "build", "file": str(tmp_path), "function": "plan", "protobuf": "upb"}), 60)


@pytest.mark.parametrize(("refusal", "tried"), [("DecodeError: too deep", ["upb", "python"]), ("a mistake", ["upb"])])
def test_what_the_default_parser_cannot_read_is_compiled_with_the_other_one(
    monkeypatch: pytest.MonkeyPatch, refusal: str, tried: list[str]
):
    parsers = []

    def refusing(_: object, __: str, protobuf: str, *___: object) -> None:
        parsers.append(protobuf)
        raise plan_error("FL3012", refusal)

    monkeypatch.setattr("fl_node.plan.build._compile", refusing)
    with pytest.raises(PlanError, match=refusal):
        build("deep.py")
    assert parsers == tried


blobs = st.lists(st.binary(max_size=300), max_size=4).map(tuple)
headers = st.dictionaries(
    st.text(max_size=5).filter(lambda key: key != "blobs"), st.floats(allow_nan=False) | st.text() | st.none()
)


@given(headers, blobs)
def test_a_message_arrives_as_it_was_sent(header: dict[str, object], parts: tuple[bytes, ...]):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, Message(header, parts))
        assert receive(theirs) == Message(header, parts)


@pytest.mark.parametrize("raw", [b"", b"\0\0", b"\0\0\0\5{}", struct.pack(">I", MAX_HEADER + 1) + b"{" * 8])
def test_a_message_that_breaks_off_or_is_too_large_closes_the_conversation(raw: bytes):
    ours, theirs = socket.socketpair()
    with theirs:
        with ours:
            ours.sendall(raw)
        with pytest.raises(Closed):
            receive(theirs)


@pytest.mark.parametrize(
    "header",
    [
        b"{",
        b"[]",
        b"{}",
        b"\xff",
        b'{"blobs":1}',
        b'{"blobs":["1"]}',
        b'{"blobs":[-1]}',
        b'{"blobs":[1e3]}',
        b'{"blobs":[true]}',
        b'{"blobs":[2147483649]}',
        b"[" * 100_000,
    ],
)
def test_a_header_that_is_none_closes_the_conversation(header: bytes):
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(60)
        threading.Thread(target=ours.sendall, args=(struct.pack(">I", len(header)) + header,), daemon=True).start()
        with pytest.raises(Closed):
            receive(theirs)


@pytest.mark.parametrize("said", [None, "no", {}, {"code": 1, "message": "", "where": "", "hint": ""}])
def test_an_error_that_is_none_is_one_of_the_runtime(said: object):
    assert _refusal(said).code == "FL3042"
