"""The child process that holds the framework: shut in, and gone with everything it started when the node is.

It leads a process group of its own, with a guard in it (see `guard`). When the child dies first, the node kills what
is left of the group.
"""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, BinaryIO, Final

from fl_node import codes
from fl_node.data.errors import CODES as DATA_CODES
from fl_node.data.errors import DataError
from fl_node.plan.environment import Environment
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.frames import Closed, Message, receive, send
from fl_node.plan.guard import BEGIN, END
from fl_node.plan.sandbox import (
    STOPPED,
    Confinement,
    Sandbox,
    environment,
    gpu_files,
    readable,
    settings,
    settings_apart,
    with_gpu,
)
from fl_node.plan.serving import CONFINEMENT
from network.errors import FedledgerError

MODULE: Final = "fl_node.plan.tff.worker"
KILLED: Final = {
    -signal.SIGSYS: (codes.PLAN_REACHED_OUT, "a forbidden system call"),
    -signal.SIGXFSZ: (codes.PLAN_REACHED_OUT, "a file longer than allowed"),
    -signal.SIGXCPU: (codes.PLAN_CPU, "too much CPU time"),
}
"""How the kernel ends a process that goes beyond its limits: code and reason by status."""
REASON_BYTES: Final = 4096
GRACE_S: Final = 0.5
"""How long a child that is ending may take to tell its status before it is killed."""


class Child:
    """One running child process; `call` it until `kill`.

    Args:
        sandbox: What it may take; None lets it do whatever the caller may (a researcher's own source is compiled so).
        data: The rows that it may read.
        protobuf: The protobuf implementation that it parses with.
        log: Where the framework writes; nowhere if None.
        module: What it runs.
        own: The environment that the framework has for itself; None where it is installed beside the node.
        gpu: Whether it computes on a GPU.

    Raises:
        PlanError: FL3047, its own environment is not installed.
    """

    def __init__(
        self,
        sandbox: Sandbox | None = Sandbox(),  # noqa: B008 - frozen
        *,
        data: Sequence[Path] = (),
        protobuf: str = "upb",
        log: Path | None = None,
        module: str = MODULE,
        own: Environment | None = None,
        gpu: bool = False,
    ) -> None:
        """Starts the process; it imports the framework while the first call waits."""
        if own:
            own.require()
        self._socket, theirs = socket.socketpair()
        self._control, guards = socket.socketpair()
        self._scratch = Path(mkdtemp(prefix="fedledger-plan-"))
        limits = sandbox.as_json() if sandbox else None
        given = [*readable(data, own.folder if own else None), *(gpu_files() if gpu else [])]
        paths = [str(path) for path in given]
        order = json.dumps({"limits": limits, "paths": paths, "scratch": str(self._scratch)})
        output = _opened(log, sandbox) if log else subprocess.DEVNULL
        kept = with_gpu(own.settings) if own and gpu else own.settings if own else {}
        variables = settings_apart(kept, self._scratch) if own else settings(protobuf)
        self._process = subprocess.Popen(  # noqa: S603 - our own module, under our own interpreter
            [
                str(own.python if own else sys.executable),
                "-P",
                "-m",
                module,
                str(theirs.fileno()),
                str(guards.fileno()),
                order,
            ],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(theirs.fileno(), guards.fileno()),
            start_new_session=True,
            cwd="/" if sandbox else None,
            env=environment(variables, self._scratch) if sandbox else {**os.environ, **variables},
        )
        theirs.close()
        guards.close()
        if not isinstance(output, int):
            output.close()

    @property
    def pid(self) -> int:
        """The process id, which is its group's id too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None

    def call(self, message: Message, timeout: float) -> Message:
        """Sends a request and waits for its answer.

        Args:
            message: The request.
            timeout: Seconds to wait; after that the child is killed.

        Raises:
            DataError: The child refuses the rows.
            PlanError: Any other refusal of the child's, FL3040 where it died, FL3041 where it took too long.
        """
        op, until = message.header["op"], time.monotonic() + timeout
        try:
            self._control.sendall(BEGIN)
            answer = self._exchange(message, until)
            self._control.sendall(END)
        except TimeoutError as error:
            self.kill()
            raise plan_error(codes.RUNTIME_TIMEOUT, f"no answer to {op} in {timeout:g} s") from error
        except (Closed, ConnectionError) as error:
            raise self._ended(op) from error
        if "error" in answer.header:
            refusal = _refusal(answer.header["error"])
            if refusal.code in STOPPED:
                self.kill()
            raise refusal
        return answer

    def confinement(self, timeout: float = 60) -> Confinement:
        """Asks what holds the child.

        Raises:
            PlanError: FL3040, FL3041.
        """
        answer = self.call(Message({"op": CONFINEMENT}), timeout)
        return Confinement(**answer.header)

    def interrupt(self) -> None:
        """Ends the child's whole group at once; a call that another thread waits in then fails with FL3040."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Ends the child and its whole group at once, and lets go of it."""
        self.interrupt()
        self._process.wait()
        self._socket.close()
        self._control.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _exchange(self, message: Message, until: float) -> Message:
        """Sends a request, and receives the answer unless the guard is gone first."""
        self._socket.settimeout(max(0.001, until - time.monotonic()))
        send(self._socket, message)
        ready, _, _ = select.select([self._socket, self._control], [], [], max(0, until - time.monotonic()))
        if not ready:
            raise TimeoutError
        if self._control in ready:
            raise Closed
        self._socket.settimeout(max(0.001, until - time.monotonic()))
        return receive(self._socket)

    def _ended(self, op: str) -> PlanError:
        """Ends what is left and returns why it ended: the guard's reason, the kernel's, or none that is known."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(GRACE_S)
        self.interrupt()
        status = self._process.wait()
        reason = b""
        with suppress(OSError):
            self._control.settimeout(0)
            reason = self._control.recv(REASON_BYTES)
        self.kill()
        if reason:
            said = json.loads(reason)  # the guard's, which runs nothing of a plan's
            return PlanError(said["code"], said["message"], where=said["where"], hint=said["hint"])
        if status in KILLED:
            code, reached = KILLED[status]
            return plan_error(code, f"{reached} during {op}")
        return plan_error(codes.RUNTIME_DIED, f"the child process ended during {op}")


def _refusal(said: Any) -> FedledgerError:
    """Reads an error that the child answered with; what is none is one of the runtime."""
    match said:
        case {"code": str(code), "message": str(message), "where": str(where), "hint": str(hint)}:
            kind = DataError if code.startswith(DATA_CODES) else PlanError
            return kind(code, message, where=where, hint=hint)
        case _:
            return plan_error(codes.RUNTIME_FAILED, "the child process answered with what is no error")


def confinement(sandbox: Sandbox, module: str = MODULE) -> Confinement:
    """Returns what holds a plan's child on this machine, found by starting one; no framework is imported.

    Raises:
        PlanError: FL3040, FL3041.
    """
    child = Child(sandbox, module=module)
    try:
        return child.confinement()
    finally:
        child.kill()


def _opened(log: Path, sandbox: Sandbox | None) -> BinaryIO:
    """Opens the framework's log, from its beginning where it has grown so long that nothing more could be written."""
    longest = sandbox.file_bytes // 2 if sandbox else None
    kept = longest is None or not log.exists() or log.stat().st_size < longest
    return log.open("ab" if kept else "wb")
