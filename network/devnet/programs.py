"""The chaincode programs that one organisation's peer runs: that in force and, while it is upgraded, the next.

An organisation approves a definition by having it in its folder: in the consortium's definition, or as the coming
package.lock. Its peer reads both anew when it meets a definition that it does not know.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network.checked import read_checked
from network.contracts import Chaincode
from network.devnet.chaincode_link import ChaincodeLink
from network.folders import definition_path
from network.package import coming_lock

Dial = Callable[[int], ChaincodeLink]
"""Dials the chaincode process of a definition, which its sequence names."""


@dataclass(frozen=True)
class Approved:
    """A chaincode's definition that an organisation approves."""

    name: str
    version: str
    sequence: int
    chaincode: Chaincode

    def collections_package(self) -> Any:
        """Return the CollectionConfigPackage of its private data."""
        return self.chaincode.collections_package()


class Programs:
    """What an organisation approves, and the links to the programs of it."""

    def __init__(self, folder: Path, dial: Dial | None) -> None:
        """Begin for an organisation's folder; without `dial` it runs no program."""
        self._folder = folder
        self._dial = dial
        self._approved: dict[int, Approved] = {}
        self._links: dict[int, ChaincodeLink] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._errors: asyncio.Queue[BaseException] = asyncio.Queue()

    async def run(self) -> None:
        """Keep the links; end only by an error of one."""
        self.read()
        raise await self._errors.get()

    def approved(self, sequence: int) -> Approved | None:
        """Return the chaincode's definition of a sequence if the organisation approves it."""
        if sequence not in self._approved:
            self.read()
        return self._approved.get(sequence)

    def link(self, name: str, sequence: int) -> ChaincodeLink | None:
        """Return the link to the program of the definition in force; earlier ones end with their programs."""
        approved = self.approved(sequence)
        if approved is None or approved.name != name:
            return None
        for earlier in [known for known in self._links if known < sequence]:
            self._links.pop(earlier).retire()
        return self._links.get(sequence)

    def read(self) -> None:
        """Read what the organisation approves, and dial what is new: it answers before it is in force."""
        present = read_checked(definition_path(self._folder)).chaincode
        found = {present.sequence: Approved(present.name, present.version, present.sequence, present)}
        coming = coming_lock(self._folder, present.sequence)
        if coming:
            found[coming.sequence] = Approved(coming.chaincode, coming.version, coming.sequence, present)
        for sequence in found:
            if self._dial and sequence not in self._approved:
                self._start(sequence, self._dial(sequence))
        self._approved = found

    def _start(self, sequence: int, link: ChaincodeLink) -> None:
        self._links[sequence] = link
        task = asyncio.create_task(link.run())
        self._running.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._running.discard(task)
        error = None if task.cancelled() else task.exception()
        if error:
            self._errors.put_nowait(error)
