import os
import signal
import socket
import subprocess
import sys

import pytest

from network import processes
from network.errors import NetworkError
from network.plan import Plan, Process

SERVER = """
import json, socket, sys, time
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
print(json.dumps({"event": "ready"}), flush=True)
time.sleep(60)
"""
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)"
)


@pytest.fixture
def port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def run(tmp_path):
    yield tmp_path
    processes.stop_all(tmp_path, [p.name for p in (tmp_path / "pids").glob("*")])


def server(port, **changes):
    command = (sys.executable, "-c", SERVER, str(port))
    return Process(**{"name": "server", "command": command, "port": port, "ready_event": True, **changes})


def test_a_process_starts_serves_and_stops(run, port):
    process = server(port)
    plan = Plan("devnet", (process,))
    pid = processes.start(run, process)
    processes.wait_ready(run, process)
    up = processes.status(run, plan)[0]
    assert (up.state, up.pid, up.port) == ("up", pid, port)
    assert up.memory > 1 << 20
    assert processes.stop(run, "server")
    assert processes.status(run, plan)[0].state == "stopped"
    assert not processes.answers("127.0.0.1", port)


def test_starting_what_runs_keeps_its_pid(run, port):
    first = processes.start(run, server(port))
    processes.wait_ready(run, server(port))
    assert processes.start(run, server(port)) == first


def test_a_killed_process_is_down_and_starts_again(run, port):
    process = server(port)
    first = processes.start(run, process)
    processes.wait_ready(run, process)
    os.kill(first, signal.SIGKILL)
    assert processes.wait_until(lambda: processes.pid(run, "server") is None, 5)
    assert processes.status(run, Plan("devnet", (process,)))[0].state == "down"
    second = processes.start(run, process)
    assert second != first


def test_a_stale_pid_of_another_program_is_never_signalled(run):
    other = subprocess.Popen(["sleep", "60"])
    try:
        (run / "pids").mkdir()
        (run / "pids" / "server").write_text(f"{other.pid} 1\n")
        assert processes.pid(run, "server") is None
        assert processes.stop(run, "server") is False
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


@pytest.mark.parametrize("content", ["", "rubbish", "12", "x y"])
def test_a_damaged_pid_file_means_not_running(run, content):
    (run / "pids").mkdir()
    (run / "pids" / "server").write_text(content)
    assert processes.pid(run, "server") is None


def test_a_taken_port_is_named(run, port):
    with socket.create_server(("127.0.0.1", port)), pytest.raises(NetworkError) as caught:
        processes.start(run, server(port))
    assert (caught.value.code, caught.value.message) == ("FL1023", f"port {port} is taken")
    assert not (run / "pids" / "server").exists()


def test_every_port_of_a_process_must_be_free(run, port):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        other = listener.getsockname()[1]
        with pytest.raises(NetworkError, match=f"FL1023: port {other} is taken"):
            processes.start(run, server(port, other_ports=(other,)))


def test_a_process_that_ends_at_once_shows_the_end_of_its_log(run, port):
    process = server(port, command=(sys.executable, "-c", "import sys; sys.exit('no configuration')"))
    processes.start(run, process)
    with pytest.raises(NetworkError, match="FL1024: server ended at once: no configuration"):
        processes.wait_ready(run, process)


def test_a_process_that_never_serves_is_reported(run, port):
    process = server(port, command=("/bin/sleep", "60"))
    processes.start(run, process)
    with pytest.raises(NetworkError, match="FL1025: server is not ready"):
        processes.wait_ready(run, process, timeout_s=0.2)


def test_ready_is_only_what_this_start_logged(run, port):
    (run / "logs").mkdir()
    (run / "logs" / "server.log").write_text('{"event": "ready"}\n')
    offset = processes.log_size(run, "server")
    process = server(port, command=(sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port)))
    processes.start(run, process)
    with pytest.raises(NetworkError, match="FL1025"):
        processes.wait_ready(run, process, timeout_s=1, offset=offset)


def test_a_program_that_cannot_be_started_is_named(run, port):
    with pytest.raises(NetworkError, match="FL1026: cannot start /no/such/program"):
        processes.start(run, server(port, command=("/no/such/program",)))


def test_a_process_deaf_to_sigterm_is_killed(run, port, monkeypatch):
    monkeypatch.setattr(processes, "STOP_S", 0.3)
    process = server(port, command=(sys.executable, "-c", STUBBORN))
    pid = processes.start(run, process)
    assert processes.wait_until(lambda: processes.log_size(run, "server") > 0, 5)
    assert processes.stop(run, "server")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


COUNTING = """
import signal, time
count = 0
def note(*_):
    global count
    count += 1
signal.signal(signal.SIGTERM, note)
print("started", flush=True)
while not count:
    time.sleep(0.01)
time.sleep(0.5)
print(f"{count} signal", flush=True)
"""


def test_stopping_all_asks_each_process_once(run, port):
    processes.start(run, server(port, command=(sys.executable, "-c", COUNTING)))
    assert processes.wait_until(lambda: processes.log_size(run, "server") > 0, 5)
    processes.stop_all(run, ["server"])
    assert processes.log_path(run, "server").read_text() == "started\n1 signal\n"


def test_stopping_all_names_those_that_ran(run, port):
    processes.start(run, server(port))
    assert processes.stop_all(run, ["server", "other"]) == ["server"]


def test_variables_that_fabric_obeys_are_not_inherited(run, port, monkeypatch):
    monkeypatch.setenv("CORE_PEER_ID", "stranger")
    monkeypatch.setenv("HARMLESS", "here")
    command = (sys.executable, "-c", "import os; print(os.environ.get('CORE_PEER_ID'), os.environ['HARMLESS'])")
    processes.start(run, server(port, command=command))
    assert processes.wait_until(lambda: processes.log_size(run, "server") > 0, 5)
    assert processes.log_path(run, "server").read_text() == "None here\n"


def test_a_plan_reads_as_it_was_written(run, port):
    plan = Plan("fabric", (server(port, environment={"A": "b"}, health_port=2000, other_ports=(2000, 2001)),))
    plan.write(run)
    assert Plan.read(run) == plan


@pytest.mark.parametrize("content", ["", "{", '{"kind": "devnet"}', '{"kind": "devnet", "processes": {"a": {}}}'])
def test_a_damaged_plan_is_refused(run, content):
    (run / "network.json").write_text(content)
    with pytest.raises(NetworkError, match="FL1021"):
        Plan.read(run)


def test_an_unknown_process_is_refused_with_those_there_are(port):
    with pytest.raises(NetworkError, match=r"FL1022: there is no process peer\. There are server\."):
        Plan("devnet", (server(port),)).process("peer")
