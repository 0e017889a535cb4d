"""What of an organisation's folder a backup holds, and when that is consistent."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from network import codes
from network.errors import NetworkError
from network.export import is_public
from network.folders import OWNER, OrganisationFolder
from network.plan import peer_process
from network.processes import answers
from network.topology import Consortium

SECRETS: Final = "secrets"
JOURNAL_KEYS: Final = "journal-keys"
ALWAYS: Final = (OWNER, "consortium", SECRETS, JOURNAL_KEYS)
PUBLIC_HERE: Final = ("ca/cert.pem", "authorities.json")
"""What in `secrets` everybody may know besides what is exported."""
LEDGER: Final = "data"
"""Nothing else is ever in a backup. Blobs and the nodes' journals least of all: who restores both masks twice
(docs/decisions/0010); the others have the blobs, and without its journal a node leaves the attempt that ran."""


@dataclass(frozen=True)
class Seen:
    """A file as it was found: what is read counts only if it is still the same afterwards."""

    path: str
    size: int
    mtime_ns: int
    inode: int


def contents(
    folder: OrganisationFolder, *, ledger: bool, kept: Callable[[str], bool] = lambda _: True
) -> tuple[Seen, ...]:
    """Return the files of a backup, by their paths from the folder, in order; only those that are to be kept.

    Raises:
        NetworkError: FL1012 if one is neither a file nor a folder.
    """
    parts = (*ALWAYS, *([LEDGER] if ledger else []))
    return tuple(seen for part in parts for seen in _files(folder.root, folder.root / part) if kept(seen.path))


def share_of(folder: OrganisationFolder, consortium: Consortium, host: str) -> Callable[[str], bool]:
    """Return what tells whether a host of several needs a file: public parts, and the keys of its own processes.

    Raises:
        NetworkError: FL1022 if the organisation has no process there.
    """
    mine = consortium.organisation(folder.name)
    peers = [number for number, peer in enumerate(mine.peers) if peer.host == host]
    own = [place for number in peers for place in (folder.peer(number), folder.chaincode(number))]
    own += [folder.orderer(orderer.name) for orderer in mine.orderers if orderer.host == host]
    if not own:
        hosts = ", ".join(sorted({*(peer.host for peer in mine.peers), *(orderer.host for orderer in mine.orderers)}))
        message = f"{folder.name} has no process on {host}"
        raise NetworkError(codes.UNKNOWN_PROCESS, message, hint=f"Its hosts are {hosts}.")

    def kept(path: str) -> bool:
        found = PurePosixPath(path)
        if found.parts[0] != SECRETS:
            return found.parts[0] != JOURNAL_KEYS
        below = found.relative_to(SECRETS).as_posix()
        public = is_public(below) or below in PUBLIC_HERE
        return public or any((folder.root / found).is_relative_to(each) for each in own)

    return kept


def _files(root: Path, path: Path) -> Iterator[Seen]:
    if path.is_dir() and not path.is_symlink():
        for below in sorted(path.iterdir()):
            yield from _files(root, below)
    elif path.is_file() and not path.is_symlink():
        found = path.stat()
        yield Seen(path.relative_to(root).as_posix(), found.st_size, found.st_mtime_ns, found.st_ino)
    elif path.is_symlink() or path.exists():
        hint = "Remove it, or put the file itself there."
        raise NetworkError(codes.FILE_UNUSABLE, "this is no file, so it is in no backup", where=str(path), hint=hint)


def require_stopped(folder: OrganisationFolder, consortium: Consortium) -> None:
    """Check that no process writes the ledgers of a folder; FL1130 names those that run."""
    own = consortium.organisation(folder.name)
    peers = {peer_process(own.name, number): peer for number, peer in enumerate(own.peers)}
    ledgers = peers | {orderer.name: orderer for orderer in own.orderers}
    running = [name for name, process in ledgers.items() if answers(process.near, process.port)]
    if running:
        stop = ", ".join(f"`fedledger network stop {name}`" for name in running)
        hint = f"Stop it ({stop}, or as your host does) and start it again afterwards; or leave ledgers out."
        message = f"{' and '.join(running)} runs and writes its ledger"
        raise NetworkError(codes.LEDGER_IN_USE, message, where=str(folder.root / LEDGER), hint=f"{hint} {WITHOUT}")


WITHOUT: Final = "--without-ledger does; on Fabric a member's approval of the chaincode is in its ledger alone."
