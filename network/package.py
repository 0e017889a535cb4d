"""Which chaincode everybody runs: the lifecycle package, whose id names the program, and package.lock, which pins it.

A chaincode as a service is packaged without its program, so that Fabric alone would give every program the same id. The
package holds the digests of the sources and of the program instead: who approves its id approves that program. The
package holds no address and no key either: it is the same bytes at every organisation.
"""

import dataclasses
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from network import codes
from network.build import PLATFORM
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import coming_lock_path, lock_path, other_lock_path

if TYPE_CHECKING:
    from network.topology import Consortium

TYPE = "fedledger-service"
OTHER_GO = "Build with the version of Go that the others build with: another one gives another program."
OTHER = "Build the sources that the members agreed on, or agree on a new version and its package.lock."


@dataclass(frozen=True)
class Lock:
    """The chaincode that organisations agreed on. `package_id` is that of the package of the other fields."""

    chaincode: str
    version: str
    sequence: int
    """Which definition of the channel it is for; one that replaces another has the next."""
    source: str
    """SHA-256, in hex, of the Go sources (network/build.py)."""
    programs: dict[str, str]
    """SHA-256, in hex, of the program that a build of these sources gives, by platform ("linux/amd64").

    Everybody builds that of the own platform and compares; a wrong digest of another one is found by who runs it."""
    package_id: str

    @property
    def program(self) -> str:
        """Return the digest of this platform's program; FL1043 if the lock names none."""
        if PLATFORM not in self.programs:
            named = ", ".join(sorted(self.programs))
            hint = f"Agree on a lock made with `--platform {PLATFORM}` too."
            message = f"the lock names the programs of {named}, and this is {PLATFORM}"
            raise NetworkError(codes.OTHER_CHAINCODE, message, hint=hint)
        return self.programs[PLATFORM]

    def package(self) -> bytes:
        """Return the lifecycle package."""
        return _package(self.chaincode, self.version, self.source, self.programs)

    def upgraded(self, consortium: "Consortium") -> "Consortium":
        """Return the definition in which this chaincode is the one in force."""
        values = {"version": self.version, "sequence": self.sequence}
        return consortium.model_copy(update={"chaincode": consortium.chaincode.model_copy(update=values)})

    def require_same(self, other: "Lock", where: Path) -> None:
        """Check that a chaincode built here is the locked one; FL1043 with what differs, and where the lock lies."""
        fields = ("chaincode", "version", "source", "program")
        different = [name for name in fields if getattr(self, name) != getattr(other, name)]
        if different:
            name = different[0]
            hint = OTHER_GO if name == "program" else OTHER
            message = f"this chaincode is not the locked one: its {name} is {getattr(other, name)}"
            raise NetworkError(
                codes.OTHER_CHAINCODE, f"{message}, the lock says {getattr(self, name)}", where=str(where), hint=hint
            )


def locked(consortium: "Consortium", program: Path, others: Mapping[str, Path] = MappingProxyType({})) -> Lock:
    """Return the lock of a program that `build_chaincode` built for a consortium.

    Args:
        consortium: Names chaincode, version and sequence.
        program: This platform's program.
        others: Those of other platforms, from the same sources.
    """
    chaincode = consortium.chaincode
    source = program.name.rpartition("-")[2]
    paths = {**others, PLATFORM: program}
    programs = {name: hashlib.sha256(paths[name].read_bytes()).hexdigest() for name in sorted(paths)}
    content = _package(chaincode.name, chaincode.version, source, programs)
    package_id = f"{chaincode.name}:{hashlib.sha256(content).hexdigest()}"
    return Lock(chaincode.name, chaincode.version, chaincode.sequence, source, programs, package_id)


def held_lock(run: Path, lock: Lock) -> Lock:
    """Return the lock beside the definition, which may name more platforms; the given one if there is none.

    Raises:
        NetworkError: FL1043 if another chaincode is locked there, with what differs.
    """
    if not lock_path(run).exists():
        return lock
    present = read_lock(run)
    present.require_same(lock, lock_path(run))
    return present


def keep_lock(run: Path, lock: Lock) -> None:
    """Write package.lock beside the definition, unless it is there; FL1043 as `held_lock`."""
    if held_lock(run, lock) is lock:
        write_lock(run, lock)


def write_lock(run: Path, lock: Lock) -> None:
    """Write package.lock beside the definition."""
    write_atomically(lock_path(run), dump_lock(lock))


def dump_lock(lock: Lock) -> str:
    """Return the text of a lock's file."""
    return json.dumps(dataclasses.asdict(lock), indent=1) + "\n"


def read_lock(run: Path) -> Lock:
    """Return what package.lock beside the definition says; FL1044 as `parse_lock`."""
    return parse_lock(lock_path(run))


def parse_lock(path: Path) -> Lock:
    """Return what a lock's file says.

    Raises:
        NetworkError: FL1044 if there is none, if it is no lock, or if its package id is not that of its digests.
    """
    try:
        lock = Lock(**json.loads(path.read_bytes()))
        digest = hashlib.sha256(lock.package()).hexdigest()
    except (OSError, ValueError, TypeError, AttributeError) as error:
        hint = "Take the file from the other members, or from `fedledger network up`."
        raise NetworkError(codes.NO_LOCK, f"this is no package.lock: {error}", where=str(path), hint=hint) from None
    if lock.package_id != f"{lock.chaincode}:{digest}":
        hint = "Take the file from the other members."
        message = f"the package of its digests has the id {lock.chaincode}:{digest}, not {lock.package_id}"
        raise NetworkError(codes.NO_LOCK, message, where=str(path), hint=hint)
    return lock


def coming_lock(run: Path, sequence: int) -> Lock | None:
    """Return the lock of the upgrade that is under way from the definition of a sequence; None if none is."""
    path = coming_lock_path(run)
    lock = parse_lock(path) if path.exists() else None
    return lock if lock and lock.sequence == sequence + 1 else None


def lock_of(run: Path, consortium: "Consortium") -> Lock:
    """Return the lock of the chaincode that a definition is about; FL1044 as `parse_lock`."""
    chaincode = consortium.chaincode
    if chaincode.place:
        return parse_lock(other_lock_path(run, chaincode.name))
    return lock_at(run, chaincode.sequence)


def lock_at(run: Path, sequence: int) -> Lock:
    """Return the lock of a definition: the one in force or, during an upgrade, the next; FL1044 as `parse_lock`."""
    return coming_lock(run, sequence - 1) or read_lock(run)


def _package(name: str, version: str, source: str, programs: Mapping[str, str]) -> bytes:
    service = {"chaincode": name, "program_sha256": dict(programs), "source_sha256": source, "version": version}
    code = _archive({"service.json": json.dumps(service, separators=(",", ":"), sort_keys=True).encode()})
    metadata = json.dumps({"type": TYPE, "label": name}, separators=(",", ":")).encode()
    return _archive({"metadata.json": metadata, "code.tar.gz": code})


def _archive(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o644
            archive.addfile(entry, io.BytesIO(content))
    packed = io.BytesIO()
    with gzip.GzipFile("", "wb", 0, packed, mtime=0) as stream:  # stored: what compresses differs between machines
        stream.write(buffer.getvalue())
    return packed.getvalue()
