"""Hosts as network namespaces: an address and a name each, and a mount namespace with the own disk alone."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.hosts.wire import Wire, ip

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 600
ALONE = """
set -e
mount --make-rprivate /
mkdir -p "$STAGE"
mount --bind "$DISK" "$STAGE"
mount -t tmpfs none "$BASE"
mkdir -p "$DISK"
mount --move "$STAGE" "$DISK"
cd "$DISK"
exec bash -c "$@"
"""
COMMAND = f"""#!/bin/sh
PYTHONPATH='{ROOT}' exec '{sys.executable}' -m tests.hosts.fedledger "$@"
"""


@dataclass(frozen=True)
class Host:
    """One organisation's host."""

    organisation: str
    namespace: str
    address: str
    base: Path

    @property
    def disk(self) -> Path:
        """Return the folder that its programs work in, the only one below `base` that they see."""
        return self.base / self.organisation

    @property
    def run(self) -> Path:
        """Return the organisation's own folder, which FEDLEDGER_RUN names."""
        return self.disk / "fedledger"

    @property
    def name(self) -> str:
        """Return the name that the other hosts know it by."""
        return f"{self.organisation}.example.test"

    def start(self, command: str) -> subprocess.Popen[str]:
        """Start a command of the shell on the host."""
        words = ["ip", "netns", "exec", self.namespace, "unshare", "-m", "sh", "-c", ALONE, "sh", command]
        return subprocess.Popen(
            words, env=self._environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            start_new_session=True,
        )  # fmt: skip

    def do(self, command: str) -> str:
        """Run a command of the shell on the host to its end and return what it says."""
        process = self.start(command)
        said, complained = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, f"{self.organisation}: {command}: {said[-2000:]} {complained[-2000:]}"
        return said

    def _environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "DISK": str(self.disk),
            "BASE": str(self.base),
            "STAGE": str(self.base.parent / f"stage-{self.organisation}"),
            "PATH": f"{self.base.parent / 'programs'}:{os.environ['PATH']}",
            "FEDLEDGER_RUN": str(self.run),
            "FEDLEDGER_ORG": self.organisation,
            "XDG_STATE_HOME": str(self.disk / "state"),
        }


def end(process: subprocess.Popen[str]) -> None:
    """End a program that a host runs, with all that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    process.communicate()


def problem() -> str:
    """Return why there can be no hosts here, empty if there can."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return "network namespaces need root, ip and unshare"
    probe, wire = f"flprobe{os.getpid()}", Wire()
    try:
        ip("netns", "add", probe)
        ip("netns", "exec", probe, "unshare", "-m", "true")
        wire.plug("probe", probe, f"flp{os.getpid() % 100_000}", "10.0.0.1/24")
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted here: {' '.join(error.cmd)}: {error.stderr.decode().strip()}"
    except OSError as error:
        return f"network devices are not permitted here: {error}"
    else:
        return ""
    finally:
        wire.close()
        subprocess.run(["ip", "netns", "del", probe], capture_output=True, check=False)


@contextmanager
def hosts(organisations: Sequence[str], base: Path) -> Iterator[tuple[dict[str, Host], Wire]]:
    """Make a host for each organisation, all on one switch, and remove them at the end."""
    mark = f"{os.getpid() % 100_000}"
    subnet = f"10.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
    disks = base / "disks"
    made = {
        name: Host(name, f"fl{mark}-{name}", f"{subnet}.{number}", disks)
        for number, name in enumerate(organisations, start=11)
    }
    names = "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in made.values())
    _write_program(base / "programs" / "fedledger")
    wire = Wire()
    with ExitStack() as stack:
        stack.callback(wire.close)
        for number, host in enumerate(made.values()):
            host.disk.mkdir(parents=True)
            stack.enter_context(_host(host, names))
            wire.plug(host.organisation, host.namespace, f"flt{mark}{number}", f"{host.address}/24")
        wire.start()
        yield made, wire


def _write_program(path: Path) -> None:
    path.parent.mkdir(parents=True)
    path.write_text(COMMAND)
    path.chmod(0o755)


@contextmanager
def _host(host: Host, names: str) -> Iterator[None]:
    ip("netns", "add", host.namespace)
    known = Path("/etc/netns") / host.namespace
    try:
        known.mkdir(parents=True)
        (known / "hosts").write_text(names)
        yield
    finally:
        shutil.rmtree(known, ignore_errors=True)
        ip("netns", "del", host.namespace)
