"""Hosts as network namespaces: an address and a name each, and a mount namespace with the own folder alone."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

PATIENCE_S = 300
ALONE = """
set -e
mount --make-rprivate /
mkdir -p "$STAGE"
mount --bind "$OWN" "$STAGE"
mount -t tmpfs none "$BASE"
mkdir -p "$OWN"
mount --move "$STAGE" "$OWN"
cd "$OWN"
exec "$@"
"""


@dataclass(frozen=True)
class Host:
    """One organisation's host."""

    organisation: str
    namespace: str
    address: str
    base: Path

    @property
    def folder(self) -> Path:
        """Return the organisation's folder, the only one below `base` that its programs see."""
        return self.base / self.organisation

    @property
    def name(self) -> str:
        """Return the name that the other hosts know it by."""
        return f"{self.organisation}.example.test"

    def start(self, *words: object) -> subprocess.Popen[str]:
        """Start a program on the host."""
        command = ["ip", "netns", "exec", self.namespace, "unshare", "-m", "sh", "-c", ALONE, "sh", *map(str, words)]
        stage = self.base.parent / f"stage-{self.organisation}"
        environment = {**os.environ, "OWN": str(self.folder), "BASE": str(self.base), "STAGE": str(stage)}
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )

    def run(self, *words: object) -> str:
        """Run a program on the host to its end and return what it says."""
        process = self.start(*words)
        said, complained = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 0, f"{self.organisation}: {words}: {said[-2000:]} {complained[-2000:]}"
        return said

    def command(self, *words: object) -> tuple[object, ...]:
        """Return a command of `fedledger` on the organisation's own folder."""
        return sys.executable, "-m", "fl_node", *words, "--run", self.folder

    def fedledger(self, *words: object) -> str:
        """Run a command of `fedledger` to its end and return what it says."""
        return self.run(*self.command(*words))


def problem() -> str:
    """Return why there can be no hosts here, empty if there can."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return "network namespaces need root, ip and unshare"
    probe, link = f"flprobe{os.getpid()}", f"flp{os.getpid() % 100_000}"
    commands = (
        ["ip", "netns", "add", probe],
        ["ip", "netns", "exec", probe, "unshare", "-m", "true"],
        ["ip", "link", "add", link, "type", "bridge"],
        ["ip", "link", "add", f"{link}v", "type", "veth", "peer", "name", "eth0", "netns", probe],
    )
    try:
        for command in commands:
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                return f"network namespaces are not permitted here: {' '.join(command)}: {done.stderr.strip()}"
        return ""
    finally:
        for words in (["link", "del", link], ["netns", "del", probe]):
            subprocess.run(["ip", *words], capture_output=True, check=False)


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


@contextmanager
def hosts(organisations: Sequence[str], base: Path) -> Iterator[dict[str, Host]]:
    """Make a host for each organisation, all on one bridge, and remove them at the end."""
    mark = f"{os.getpid() % 100_000}"
    subnet = f"10.{os.getpid() % 200 + 20}.{os.getpid() // 200 % 250}"
    made = {
        name: Host(name, f"fl{mark}-{name}", f"{subnet}.{number}", base)
        for number, name in enumerate(organisations, start=11)
    }
    names = "127.0.0.1 localhost\n" + "".join(f"{host.address} {host.name}\n" for host in made.values())
    bridge = f"flb{mark}"
    with ExitStack() as stack:
        ip("link", "add", bridge, "type", "bridge")
        stack.callback(ip, "link", "del", bridge)
        ip("link", "set", bridge, "up")
        for number, host in enumerate(made.values()):
            host.folder.mkdir(parents=True)
            stack.enter_context(_joined(host, bridge, f"flv{mark}{number}", names))
        yield made


@contextmanager
def _joined(host: Host, bridge: str, link: str, names: str) -> Iterator[None]:
    ip("netns", "add", host.namespace)
    known = Path("/etc/netns") / host.namespace
    try:
        known.mkdir(parents=True)
        (known / "hosts").write_text(names)
        ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", host.namespace)
        ip("link", "set", link, "master", bridge, "up")
        for words in (["addr", "add", f"{host.address}/24", "dev", "eth0"], ["link", "set", "eth0", "up"]):
            ip("-n", host.namespace, *words)
        ip("-n", host.namespace, "link", "set", "lo", "up")
        yield
    finally:
        shutil.rmtree(known, ignore_errors=True)
        ip("netns", "del", host.namespace)
