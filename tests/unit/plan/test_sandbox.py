"""What a plan's process may do, tried by real ones: each ends with its code, and the next one works."""

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fl_node.plan.child import Child
from fl_node.plan.errors import CATALOGUE, PlanError
from fl_node.plan.frames import Message
from fl_node.plan.hosting import Grant, may_read
from fl_node.plan.sandbox import STOPPED, Confinement, Sandbox, Usage, environment, excess, meaning, readable, settings
from fl_node.plan.seccomp import program
from tests.unit.plan.test_child import wait_until_gone

HOSTILE = "tests.unit.plan.hostile"
ONE_PORT = "tests.unit.plan.hostile_port"
UNPRIVILEGED = "tests.unit.plan.hostile_user"
MB = 1 << 20
LIMITS = Sandbox(memory=256 * MB, cpu_s=1, threads=50, processes=4, descriptors=64, file_bytes=4 * MB)
PATIENCE_S = 30

Deed = Callable[..., Any]


def does(deed: str, *arguments: Any, data: Path | None = None, module: str = HOSTILE, patience: float = 30) -> Any:
    child = Child(LIMITS, module=module, data=[data] if data else [])
    try:
        return child.call(Message({"op": deed, "with": arguments}), patience).header["done"]
    finally:
        child.kill()
        assert wait_until_gone(child.pid) == []
        assert not child._scratch.exists()


@pytest.fixture(scope="module")
def held() -> Confinement:
    child = Child(LIMITS, module=HOSTILE)
    try:
        return child.confinement()
    finally:
        child.kill()


@pytest.fixture
def files(held: Confinement) -> None:
    if held.files == "none":
        pytest.skip("this kernel has no landlock: files are not closed to a plan")


@pytest.fixture
def network(held: Confinement) -> None:
    if held.network == "none":
        pytest.skip("this kernel permits neither a network namespace nor landlock's ports: the network is open")


@pytest.fixture
def syscalls(held: Confinement) -> None:
    if held.syscalls == "none":
        pytest.skip("this kernel has no seccomp: system calls are not filtered")


@pytest.mark.parametrize(
    ("deed", "arguments", "refusal"),
    [
        ("allocate", (MB, 1 << 30), "FL3043"),
        ("allocate", (1 << 40, 1 << 41), "FL3043: MemoryError"),
        ("loop", (), "FL3044: more than 1 s of CPU time in one call"),
        ("fork", (100,), r"FL3045: \d+ processes, 4 allowed"),
        ("thread", (60,), r"FL3045: \d+ threads, 50 allowed"),
        ("open_many", (80,), "FL3045: OSError.*Too many open files"),
        ("fill", (8 * MB,), r"FL3046: \d MB written, 4 MB allowed"),
        ("long_file", (8 * MB,), "FL3046: OSError.*File too large"),
    ],
)
def test_a_plan_that_takes_more_than_it_may_is_ended_with_a_code(deed: str, arguments: Any, refusal: str):
    with pytest.raises(PlanError, match=refusal):
        does(deed, *arguments)
    assert does("keep", "the next plan") == "the next plan"


def test_a_plan_that_waits_for_ever_is_ended_at_its_deadline():
    with pytest.raises(PlanError, match=r"FL3041: no answer to sleep in 0\.5 s"):
        does("sleep", 60, patience=0.5)


def test_the_cpu_time_of_earlier_calls_does_not_count():
    child = Child(LIMITS, module=HOSTILE)
    try:
        for _ in range(3):
            with pytest.raises(PlanError, match="FL3042: ZeroDivisionError"):
                child.call(Message({"op": "burn", "with": [0.6]}), PATIENCE_S)
    finally:
        child.kill()


@pytest.mark.usefixtures("files")
def test_nothing_but_its_rows_can_be_read(tmp_path: Path):
    mine, theirs = tmp_path / "mine" / "rows.csv", tmp_path / "theirs" / "rows.csv"
    for file in (mine, theirs):
        file.parent.mkdir()
        file.write_text("a,b\n")
    assert does("read", str(mine), data=mine) == "a,b\n"
    assert does("read", str(mine), data=mine.parent) == "a,b\n"
    for path in (theirs, "/etc/passwd", f"/proc/{os.getpid()}/environ", "/proc/1/environ"):
        with pytest.raises(PlanError, match="FL3046: PermissionError"):
            does("read", str(path), data=mine)


@pytest.mark.usefixtures("files")
def test_a_confined_child_reads_rows_as_their_description_says_and_the_pictures_that_they_name(tmp_path: Path):
    Image.fromarray(np.array([[3, 4]], np.uint8)).save(tmp_path / "a.png")
    (tmp_path / "rows.csv").write_text("x;Bild\n1,5;a.png\n")
    (tmp_path / "data.yaml").write_text('separator: ";"\ndecimal: ","\ncolumns: {Bild: scan}')
    assert does("described_rows", str(tmp_path), data=tmp_path) == [[1.5, 3, 4]]


@pytest.mark.usefixtures("files")
def test_a_folder_of_rows_is_read_through_its_links(tmp_path: Path):
    (tmp_path / "store").mkdir()
    (tmp_path / "rows").mkdir()
    part = tmp_path / "store" / "part.csv"
    part.write_text("a\n")
    (tmp_path / "rows" / "part.csv").symlink_to(part)
    assert does("read", str(tmp_path / "rows" / "part.csv"), data=tmp_path / "rows") == "a\n"


@pytest.mark.usefixtures("files")
def test_nothing_can_be_written_where_it_would_stay(tmp_path: Path):
    rows = tmp_path / "rows.csv"
    rows.write_text("a,b\n")
    for path in (tmp_path / "new", rows, "/tmp/fedledger-new", "/dev/shm/fedledger-new"):
        with pytest.raises(PlanError, match="FL3046: PermissionError"):
            does("write", str(path), data=rows)
    assert (rows.read_text(), (tmp_path / "new").exists()) == ("a,b\n", False)


def test_the_environment_holds_only_what_the_runtime_needs(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FEDLEDGER_SECRET", "token")
    found = does("environment")
    assert found.keys() - {"LC_CTYPE"} == environment(settings("upb"), Path()).keys()
    assert "token" not in found.values()


@pytest.mark.usefixtures("network")
@pytest.mark.parametrize("module", [HOSTILE, ONE_PORT, UNPRIVILEGED])
def test_no_port_of_this_machine_can_be_reached(module: str):
    with socket.create_server(("127.0.0.1", 0)) as server:
        with pytest.raises(PlanError, match="FL3046"):
            does("connect", "127.0.0.1", server.getsockname()[1], module=module)
        server.settimeout(0)
        with pytest.raises(BlockingIOError):
            server.accept()


@pytest.mark.usefixtures("network")
def test_no_other_machine_can_be_reached():
    with pytest.raises(PlanError, match="FL3046"):
        does("connect", "192.0.2.1", 443)


def test_the_framework_s_two_processes_can_speak_with_each_other(held: Confinement):
    if held.network != "namespace":
        pytest.skip("this kernel permits no network namespace")
    assert does("listen_and_connect", 0) == "connected"


def test_without_a_namespace_one_port_is_left_and_it_is_said(held: Confinement, tmp_path: Path):
    child = Child(LIMITS, module=ONE_PORT)
    try:
        found = child.confinement()
    finally:
        child.kill()
    assert found.network == ("port" if held.files != "none" else "none")
    assert not found.whole


@pytest.mark.usefixtures("syscalls")
@pytest.mark.parametrize("deed", ["unix_socket", "new_session"])
def test_calls_that_a_plan_has_no_use_for_are_refused(deed: str):
    with pytest.raises(PlanError, match="FL3046: PermissionError"):
        does(deed)


@pytest.mark.usefixtures("files")
def test_the_node_and_the_guard_cannot_be_signalled():
    child = Child(LIMITS, module=HOSTILE)
    try:
        assert child.confinement()
        guard = int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0])
        with pytest.raises(PlanError, match="FL3046: PermissionError"):
            child.call(Message({"op": "signal_to", "with": [guard]}), PATIENCE_S)
    finally:
        child.kill()
    with pytest.raises(PlanError, match="FL3046: PermissionError"):
        does("signal_to", os.getpid())


def test_a_child_whose_guard_is_gone_is_ended():
    child = Child(LIMITS, module=HOSTILE)
    assert child.confinement()
    guard = int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0])
    os.kill(guard, 9)
    with pytest.raises(PlanError, match="FL3040"):
        child.call(Message({"op": "sleep", "with": [60]}), PATIENCE_S)
    assert wait_until_gone(child.pid) == []


def test_a_log_that_has_grown_too_long_begins_anew(tmp_path: Path):
    log = tmp_path / "log"
    log.write_bytes(bytes(3 * MB))
    child = Child(LIMITS, module=HOSTILE, log=log)
    child.kill()
    assert log.stat().st_size < MB


@pytest.mark.parametrize(
    ("usage", "code"),
    [
        (Usage(memory=256 * MB, cpu_s=11, threads=50, processes=4, written=4 * MB), None),
        (Usage(memory=256 * MB + 1), "FL3043"),
        (Usage(cpu_s=11.1), "FL3044"),
        (Usage(processes=5), "FL3045"),
        (Usage(threads=51), "FL3045"),
        (Usage(written=4 * MB + 1), "FL3046"),
    ],
)
def test_a_limit_is_what_may_still_be_taken(usage: Usage, code: str | None):
    found = excess(usage, 10, LIMITS)
    assert (found and found.code) == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (MemoryError(), "FL3043"),
        (RuntimeError("OOM when allocating tensor with shape[1000000,1000000]"), "FL3043"),
        (RuntimeError("can't start new thread"), "FL3045"),
        (PermissionError(13, "Permission denied"), "FL3046"),
        (ConnectionRefusedError(111, "Connection refused"), "FL3046"),
        (FileNotFoundError(2, "No such file"), None),
        (ValueError("a mistake"), None),
    ],
)
def test_an_error_that_a_limit_caused_is_told_from_others(error: Exception, code: str | None):
    assert meaning(error) == code
    assert code is None or (code in STOPPED and code in CATALOGUE)


def judged(machine: str, number: int, argument: int = 0, architecture: int | None = None) -> int:
    """Run the filter as the kernel would."""
    numbers = {0: number, 4: {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}[machine], 16: argument}
    numbers[4] = architecture or numbers[4]
    code, at, held = program(machine), 0, 0
    while True:
        what, yes, no, constant = code[at]
        if what == 0x06:
            return constant
        if what == 0x20:
            held, jump = numbers[constant], 0
        else:
            jump = yes if {0x15: held == constant, 0x35: held >= constant, 0x45: bool(held & constant)}[what] else no
        at += 1 + jump


@pytest.mark.parametrize(
    ("machine", "socket_call", "clone", "setsid", "read"), [("x86_64", 41, 56, 112, 0), ("aarch64", 198, 220, 157, 63)]
)
def test_the_filter_refuses_what_it_names_on_every_machine(machine, socket_call, clone, setsid, read):
    allow, refuse = 0x7FFF0000, 0x00050001
    domains = {number: judged(machine, socket_call, number) for number in (1, 2, 10, 16, 17)}
    assert domains == {1: refuse, 2: allow, 10: allow, 16: refuse, 17: refuse}
    assert [judged(machine, clone, flags) for flags in (0x3D0F00, 0x11, 0x10000011, 0x40000011)] == [
        *(allow, allow, refuse, refuse)
    ]
    assert [judged(machine, number) for number in (read, setsid, 425, 435)] == [allow, refuse, refuse, 0x00050026]
    assert judged(machine, 0x40000000 + read) == refuse
    assert judged(machine, read, architecture=0x40000003) == 0x80000000


def test_shutting_a_child_in_takes_less_than_a_second():
    def start(sandbox: Sandbox | None) -> float:
        began = time.perf_counter()
        child = Child(sandbox, module=HOSTILE)
        try:
            child.confinement()
            return time.perf_counter() - began
        finally:
            child.kill()

    best = [min(start(sandbox) for _ in range(3)) for sandbox in (LIMITS, None)]
    assert best[0] - best[1] < 1


def graphs(cpu_s: int) -> Sandbox:
    """The limits of a graph's child; importing the framework counts too, ten seconds and more on a busy machine."""
    return Sandbox(memory=1 << 30, cpu_s=cpu_s)


@pytest.mark.tff
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("deed", "argument", "cpu_s", "refusal"),
    [("endless", 0, 20, "FL3044: more than 20 s"), ("growing", 1 << 20, 200, "FL3043")],
)
def test_a_graph_without_end_or_bounds_is_ended_in_the_framework_s_helper_too(deed, argument, cpu_s, refusal):
    child = Child(graphs(cpu_s), module="tests.unit.plan.hostile_graph")
    try:
        with pytest.raises(PlanError, match=refusal):
            child.call(Message({"op": deed, "with": [argument]}), 500)
    finally:
        child.kill()
    assert wait_until_gone(child.pid) == []


def test_a_confined_child_may_read_the_description_of_its_rows_and_starts_anew_where_that_is_another(tmp_path: Path):
    rows, description = tmp_path / "rows.csv", tmp_path / "data.yaml"
    rows.touch()
    for write in (description.touch, lambda: (tmp_path / "new").touch() or (tmp_path / "new").replace(description)):
        before = Grant.of(rows)
        assert may_read(before, rows)
        write()
        assert not may_read(before, rows)
        assert may_read(Grant.of(rows), rows)
    assert description in readable([rows])
    assert rows in readable([rows])
