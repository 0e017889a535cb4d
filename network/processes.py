"""Starts, stops and watches the processes of one run folder, by pid files.

A pid file holds "pid birth": the birth tells a process from a later one with the same number.
"""

import contextlib
import http.client
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from network import codes
from network.errors import NetworkError
from network.files import make_folder, write_atomically
from network.keeping import kept
from network.pids import birth, memory, send
from network.plan import Plan, Process

POLL_S = 0.02
STOP_S = 10.0
LOG_TAIL_LINES = 5
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Status:
    """What one process does now; memory in bytes."""

    name: str
    pid: int | None
    state: Literal["up", "down", "stopped"]
    port: int
    memory: int | None = None


def pid(run: Path, name: str) -> int | None:
    """Return the pid of a process that runs, None if it does not."""
    recorded = _recorded(run, name)
    if recorded is None or birth(recorded[0]) != recorded[1]:
        return None
    return recorded[0]


def start(run: Path, process: Process) -> int:
    """Start a process unless it runs; return its pid.

    Raises:
        NetworkError: FL1023 if another program listens on its port.
    """
    running = pid(run, process.name)
    if running is not None:
        return running
    require_free_ports(process)
    make_folder(run / "pids")
    started = _spawn(process, make_folder(run / "logs") / f"{process.name}.log")
    write_atomically(_pid_file(run, process.name), f"{started} {birth(started) or ''}\n")
    return started


def require_free_ports(process: Process) -> None:
    """Check that nothing listens where a process is about to; FL1023 names the port."""
    health = [(LOOPBACK, process.health_port)] if process.health_port is not None else []
    own = [(process.reached, port) for port in (process.port, *process.other_ports)]
    for host, port in [*own, *health]:
        if answers(host, port):
            hint = f"Stop the other program (`ss -ltnp sport = :{port}` names it), or choose another --base-port."
            raise NetworkError(codes.PORT_TAKEN, f"port {port} is taken", where=process.name, hint=hint)


def wait_ready(run: Path, process: Process, timeout_s: float = 30.0, offset: int = 0) -> None:
    """Wait until a started process serves; offset is where its log stood before the start.

    Raises:
        NetworkError: FL1024 if it ends, FL1025 if it takes too long; both with the end of its log.
    """
    deadline = time.monotonic() + timeout_s
    log = log_path(run, process.name)
    while not _is_ready(process, log, offset):
        if pid(run, process.name) is None:
            raise NetworkError(codes.PROCESS_ENDED, f"{process.name} ended at once: {_tail(log)}", where=str(log))
        if time.monotonic() > deadline:
            message = f"{process.name} is not ready after {timeout_s:.0f} s: {_tail(log)}"
            raise NetworkError(codes.PROCESS_NOT_READY, message, where=str(log))
        time.sleep(POLL_S)


def stop(run: Path, name: str, *, kill: bool = False) -> bool:
    """Stop a process, by force where it does not end within ten seconds or kill is set; return whether it ran."""
    running = pid(run, name)
    if running is not None:
        send(running, signal.SIGKILL if kill else signal.SIGTERM)
        _await_end(run, name, running)
    _pid_file(run, name).unlink(missing_ok=True)
    return running is not None


def stop_all(run: Path, names: Iterable[str]) -> list[str]:
    """Stop processes together; return those that ran."""
    names = list(names)
    running = {name: number for name in names if (number := pid(run, name)) is not None}
    for number in running.values():
        send(number, signal.SIGTERM)
    for name, number in running.items():
        _await_end(run, name, number)
    for name in names:
        _pid_file(run, name).unlink(missing_ok=True)
    return list(running)


def status(run: Path, plan: Plan) -> list[Status]:
    """Return the state of every process: up, down (it ended by itself) or stopped."""
    return [_status(run, process) for process in plan.processes]


def log_path(run: Path, name: str) -> Path:
    """Return where a process logs to."""
    return run / "logs" / f"{name}.log"


def log_size(run: Path, name: str) -> int:
    """Return the size of a process's log, 0 if there is none."""
    path = log_path(run, name)
    return path.stat().st_size if path.exists() else 0


def answers(host: str, port: int) -> bool:
    """Say whether something accepts connections there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _status(run: Path, process: Process) -> Status:
    running = pid(run, process.name)
    if running is None:
        state: Literal["down", "stopped"] = "down" if _recorded(run, process.name) else "stopped"
        return Status(process.name, None, state, process.port)
    return Status(process.name, running, "up", process.port, memory(running))


def _spawn(process: Process, log: Path) -> int:
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    inherited = {
        k: v for k, v in os.environ.items() if not k.startswith(("CORE_", "ORDERER_"))
    }  # Fabric would obey them
    environment = {**inherited, **process.environment}
    program = process.command[0]
    command = kept(process.command) if process.service == "chaincode" and Path(program).exists() else process.command
    try:  # its own session, so that a signal to the terminal does not reach it
        return os.posix_spawn(command[0], command, environment, file_actions=actions, setsid=True)
    except OSError as error:
        raise NetworkError(
            codes.PROGRAM_NOT_STARTED, f"cannot start {program}: {error.strerror}", where=process.name
        ) from None


def _pid_file(run: Path, name: str) -> Path:
    return run / "pids" / name


def _recorded(run: Path, name: str) -> tuple[int, str] | None:
    try:
        number, began = _pid_file(run, name).read_text().split()
        return int(number), began
    except (OSError, ValueError):  # no pid file, or one that says nothing: then nothing may be signalled
        return None


def _await_end(run: Path, name: str, number: int) -> None:
    """Wait until a signalled process has ended; kill it where it does not."""
    if not wait_until(lambda: pid(run, name) is None, STOP_S):
        send(number, signal.SIGKILL)
        wait_until(lambda: pid(run, name) is None, STOP_S)


def wait_until(condition: Callable[[], bool], timeout_s: float) -> bool:
    """Wait for a condition; return whether it came true in time."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_S)
    return True


def _is_ready(process: Process, log: Path, offset: int) -> bool:
    if process.ready_event and not _logged_ready(log, offset):
        return False
    if process.health_port is not None and not _healthy(process.health_port, process.health_root):
        return False
    return all(answers(process.reached, port) for port in (process.port, *process.other_ports))


def _logged_ready(log: Path, offset: int) -> bool:
    with contextlib.suppress(OSError), log.open("rb") as stream:
        stream.seek(offset)
        return any(b'"ready"' in line and b'"event"' in line for line in stream)
    return False


def _healthy(port: int, root: str) -> bool:
    connection = http.client.HTTPSConnection(LOOPBACK, port, timeout=2, context=ssl.create_default_context(cafile=root))
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()


def _tail(log: Path) -> str:
    try:
        lines = log.read_text(errors="replace").splitlines()
    except OSError:
        return "no log"
    return " | ".join(lines[-LOG_TAIL_LINES:]) or "an empty log"
