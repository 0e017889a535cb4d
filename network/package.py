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
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from network import codes
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import lock_path

if TYPE_CHECKING:
    from network.topology import Consortium

TYPE = "fedledger-service"


@dataclass(frozen=True)
class Lock:
    """The chaincode that organisations agreed on. `package_id` is that of the package of the other fields."""

    chaincode: str
    version: str
    source: str
    """SHA-256, in hex, of the Go sources (network/build.py)."""
    program: str
    """SHA-256, in hex, of the program that a build of these sources gives."""
    package_id: str

    def package(self) -> bytes:
        """Return the lifecycle package."""
        return _package(self.chaincode, self.version, self.source, self.program)


def locked(consortium: "Consortium", program: Path) -> Lock:
    """Return the lock of a program that `build_chaincode` built for a consortium."""
    chaincode = consortium.chaincode
    source = program.name.rpartition("-")[2]
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    content = _package(chaincode.name, chaincode.version, source, digest)
    package_id = f"{chaincode.name}:{hashlib.sha256(content).hexdigest()}"
    return Lock(chaincode.name, chaincode.version, source, digest, package_id)


def keep_lock(run: Path, lock: Lock) -> None:
    """Write package.lock beside the definition, unless it is there.

    Raises:
        NetworkError: FL1043 if another chaincode is locked there, with what differs.
    """
    path = lock_path(run)
    if not path.exists():
        write_lock(run, lock)
        return
    present = read_lock(run)
    different = [f.name for f in dataclasses.fields(Lock) if getattr(present, f.name) != getattr(lock, f.name)]
    if different:
        what = different[0].replace("_", " ")
        message = f"this chaincode is not the locked one: its {what} is {getattr(lock, different[0])}"
        raise NetworkError(
            codes.OTHER_CHAINCODE,
            f"{message}, the lock says {getattr(present, different[0])}",
            where=str(path),
            hint="Build the sources that the members agreed on, or agree on a new version and its package.lock.",
        )


def write_lock(run: Path, lock: Lock) -> None:
    """Write package.lock beside the definition."""
    write_atomically(lock_path(run), json.dumps(dataclasses.asdict(lock), indent=1) + "\n")


def read_lock(run: Path) -> Lock:
    """Return what package.lock beside the definition says.

    Raises:
        NetworkError: FL1044 if there is none, if it is no lock, or if its package id is not that of its digests.
    """
    path = lock_path(run)
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


def _package(name: str, version: str, source: str, program: str) -> bytes:
    service = {"chaincode": name, "program_sha256": program, "source_sha256": source, "version": version}
    code = _archive({"service.json": json.dumps(service, separators=(",", ":")).encode()})
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
