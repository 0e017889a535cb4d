"""The chaincode programs that one organisation's peer runs: that in force and, while it is upgraded, the next.

An organisation approves a definition by having it in its folder: in the consortium's definition, or as the coming
package.lock. Its peer reads both anew when it meets a definition that it does not know.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from network.checked import read_checked
from network.devnet.chaincode_link import ChaincodeLink
from network.folders import definition_path
from network.package import coming_lock

if TYPE_CHECKING:
    from network.contracts import Chaincode

Key = tuple[str, int]
"""A chaincode's name and the sequence of its definition."""


@dataclass(frozen=True)
class Approved:
    """A chaincode's definition that an organisation approves; `chaincode` is what its folder says of it."""

    version: str
    sequence: int
    chaincode: Chaincode

    @property
    def name(self) -> str:
        """Return the chaincode's name."""
        return self.chaincode.name

    def collections_package(self) -> Any:
        """Return the CollectionConfigPackage of its private data."""
        return self.chaincode.collections_package()


Dial = Callable[[Approved], ChaincodeLink]
"""Dials the chaincode process of a definition."""


class Programs:
    """What an organisation approves, and the links to the programs of it."""

    def __init__(self, folder: Path, dial: Dial | None) -> None:
        """Begin for an organisation's folder; without `dial` it runs no program."""
        self._folder = folder
        self._dial = dial
        self._approved: dict[Key, Approved] = {}
        self._links: dict[Key, ChaincodeLink] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._errors: asyncio.Queue[BaseException] = asyncio.Queue()

    async def run(self) -> None:
        """Keep the links; end only by an error of one."""
        self.read()
        raise await self._errors.get()

    def approved(self, name: str, sequence: int) -> Approved | None:
        """Return a chaincode's definition of a sequence if the organisation approves it."""
        if (name, sequence) not in self._approved:
            self.read()
        return self._approved.get((name, sequence))

    def link(self, name: str, sequence: int) -> ChaincodeLink | None:
        """Return the link to the program of the definition in force; earlier ones end with their programs."""
        if self.approved(name, sequence) is None:
            return None
        for earlier in [known for known in self._links if known[0] == name and known[1] < sequence]:
            self._links.pop(earlier).retire()
        return self._links.get((name, sequence))

    def read(self) -> None:
        """Read what the organisation approves, and dial what is new: it answers before it is in force."""
        consortium = read_checked(definition_path(self._folder))
        present = [each.chaincode for each in consortium.each()]
        found = [Approved(chaincode.version, chaincode.sequence, chaincode) for chaincode in present]
        coming = coming_lock(self._folder, consortium.chaincode.sequence)
        if coming:
            found.append(Approved(coming.version, coming.sequence, consortium.chaincode))
        for each in found:
            key = each.name, each.sequence
            if self._dial and key not in self._approved:
                self._start(key, self._dial(each))
        self._approved = {(each.name, each.sequence): each for each in found}

    def _start(self, key: Key, link: ChaincodeLink) -> None:
        self._links[key] = link
        task = asyncio.create_task(link.run())
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error:
            self._errors.put_nowait(error)
