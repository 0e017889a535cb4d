"""The child process that holds the framework, and the promise that it ends with everything it started.

It leads a process group of its own. A guard inside the group waits on a pipe whose other end only the parent holds:
when the parent dies, however it dies, the pipe closes and the guard kills the group; TFF's own helper process, which
would outlive both, is in it. When the child dies first, the parent kills what is left of the group.
"""

import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.data.errors import CODES as DATA_CODES
from fl_node.data.errors import DataError
from fl_node.plan.errors import PlanError, plan_error
from fl_node.plan.frames import Closed, Message, receive, send

MODULE: Final = "fl_node.plan.tff_worker"
_QUIET: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}


class Child:
    """One running child process; `call` it until `kill`."""

    def __init__(self, *, protobuf: str = "upb", log: Path | None = None) -> None:
        """Starts the process; it imports the framework while the first call waits."""
        own, theirs = socket.socketpair()
        lifeline, self._lifeline = os.pipe()
        self._socket = own
        command = [sys.executable, "-m", MODULE, str(theirs.fileno()), str(lifeline)]
        output = log.open("ab") if log else subprocess.DEVNULL
        self._process = subprocess.Popen(  # noqa: S603 - our own module, under our own interpreter
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=(theirs.fileno(), lifeline),
            start_new_session=True,
            env={**os.environ, **_QUIET, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": protobuf},
        )
        theirs.close()
        os.close(lifeline)
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
        self._socket.settimeout(timeout)
        try:
            send(self._socket, message)
            answer = receive(self._socket)
        except TimeoutError as error:
            self.kill()
            raise plan_error(codes.RUNTIME_TIMEOUT, f"no answer to {message.header['op']} in {timeout:g} s") from error
        except Closed as error:
            self.kill()
            raise plan_error(codes.RUNTIME_DIED, f"the child process ended during {message.header['op']}") from error
        if "error" in answer.header:
            refusal = answer.header["error"]
            kind = DataError if refusal["code"].startswith(DATA_CODES) else PlanError
            raise kind(refusal["code"], refusal["message"], where=refusal["where"], hint=refusal["hint"])
        return answer

    def interrupt(self) -> None:
        """Ends the child's whole group at once; a call that another thread waits in then fails with FL3040."""
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)

    def kill(self) -> None:
        """Ends the child and its whole group at once, and lets go of it."""
        self.interrupt()
        self._process.wait()
        self._socket.close()
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1
