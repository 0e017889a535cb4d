"""What an organisation does with an update file, in its own folder and at its own peer."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from network import codes
from network.channel_admin import ChannelAdmin, signature_of
from network.connection import consortium_of, profile
from network.errors import NetworkError
from network.files import write_atomically
from network.folders import definition_path, folder_of
from network.importing import keep
from network.organisation import prepare
from network.topology import Consortium, Organisation, dump_consortium
from network.update.authorities import follow_authority
from network.update.changes import AddAuthority, AddOrderer, AddOrganisation, Change, RemoveAuthority
from network.update.definition import followed
from network.update.file import Signature, UpdateFile
from network.update.members import role_of
from network.update.newcomer import export_of
from network.update.signers import Missing, Signers, signers
from network.update.words import places, sentences

BLOCK_PATIENCE_S = 20.0
"""How long the block of a change may be on its way to the own peer once somebody said that it was submitted."""
POLL_S = 0.5


@dataclass(frozen=True)
class Shown:
    """What a file changes on the channel as it is now, in words, and its signatures; organisations by name."""

    change: str
    says: tuple[str, ...]
    places: tuple[str, ...]
    in_force: bool
    signed: tuple[str, ...]
    missing: tuple[Missing, ...]


@dataclass(frozen=True)
class Desk:
    """An organisation's administrator with the channel's configuration as it is now."""

    admin: ChannelAdmin
    consortium: Consortium
    config: Any

    def name(self, msp_id: str) -> str:
        """Return the name of an organisation; that of one that the definition lacks is its MSP id."""
        return next((o.name for o in self.consortium.organisations if o.msp_id == msp_id), msp_id)

    @property
    def organisation(self) -> Organisation:
        """Return the own organisation."""
        return self.consortium.organisation(self.admin.user.organisation)

    def propose(self, change: Change) -> UpdateFile:
        """Return the file of a change, signed where the organisation's signature is asked for."""
        file = UpdateFile.of(self.consortium.channel, self.config, change)
        asked = self.admin.user.msp_id in signers(self.config, file).asked
        return self._with_signature(file) if asked else file

    def show(self, file: UpdateFile, where: str = "") -> Shown:
        """Return what a file does; FL1151, FL1152 or FL1154 where it is not to be signed."""
        try:
            file.require_honest(self.consortium.channel, self.config, where)
        except NetworkError as error:
            if error.code != codes.UPDATE_IN_FORCE:
                raise
            return Shown(file.change.kind, (error.message,), (), True, (), ())
        found = self._named(signers(self.config, file))
        says = tuple(sentences(file.change, self.config, self.name))
        touched = tuple(places(self.config, file.change.apply(self.config)))
        return Shown(file.change.kind, says, touched, False, found.signed, found.missing)

    def sign(self, file: UpdateFile, where: str = "") -> UpdateFile:
        """Return a file with the organisation's signature.

        Raises:
            NetworkError: FL1151 to FL1154, the file is stale, not what it says, in force or unfit; FL1156, the
                signature would count for nothing.
        """
        file.require_honest(self.consortium.channel, self.config, where)
        mine, found = self.admin.user.msp_id, signers(self.config, file)
        if mine in found.signed:
            return file
        if mine not in found.asked:
            asked = ", ".join(self.name(each) for each in sorted(found.asked)) or "nobody: it can be submitted"
            message = f"the channel's policies do not ask for the signature of {self.name(mine)}"
            raise NetworkError(codes.SIGNATURE_NOT_ASKED_FOR, message, where=where, hint=f"They ask for {asked}.")
        return self._with_signature(file)

    async def submit(self, copies: Sequence[UpdateFile], where: str = "") -> bool:
        """Send a file, or copies of one with different signatures; return whether the channel changed now.

        Raises:
            NetworkError: as `sign`, and FL1155 with whose signatures are missing, FL1157 if only members may send,
                FL1060 to FL1062 if the channel cannot be changed now.
        """
        file = merged(copies, where)
        try:
            file.require_honest(self.consortium.channel, self.config, where)
        except NetworkError as error:
            if error.code == codes.UPDATE_IN_FORCE:
                return False
            raise
        self._require_writer()
        if lacking := self._named(signers(self.config, file)).missing:
            wanted = "; ".join(f"{each.count} of {', '.join(each.of)}" for each in lacking)
            hint = "Let them run `fedledger network update sign FILE`."
            raise NetworkError(codes.SIGNATURES_MISSING, f"signatures are missing: {wanted}", where=where, hint=hint)
        await self.admin.submit(file.update, [each.message for each in file.signatures], self.config.sequence)
        return True

    def require_in_force(self, change: Change, where: str = "") -> None:
        """Check that the channel has a change; FL1158 if not."""
        try:
            UpdateFile.of(self.consortium.channel, self.config, change)
        except NetworkError as error:
            if error.code == codes.UPDATE_IN_FORCE:
                return
            raise
        hint = "Wait until it is submitted; `fedledger network update show FILE` says whose signatures are missing."
        raise NetworkError(
            codes.UPDATE_NOT_IN_FORCE, "the channel does not have this change yet", where=where, hint=hint
        )

    def _with_signature(self, file: UpdateFile) -> UpdateFile:
        made = signature_of(self.admin.user, file.update)
        return file.signed([Signature(made.signature_header, made.signature)])

    def _require_writer(self) -> None:
        mine = self.admin.user.msp_id
        if role_of(self.config, mine) != "member":
            message = f"{self.name(mine)} is no member, and only members send changes to the channel"
            raise NetworkError(codes.NOT_A_WRITER, message, hint="Give the file to a member.")

    def _named(self, found: Signers) -> Signers:
        missing = (Missing(m.policy, m.count, tuple(map(self.name, m.of))) for m in found.missing)
        return Signers(tuple(map(self.name, found.signed)), tuple(missing))


@asynccontextmanager
async def desk(
    run: Path, organisation: str, user: str = "admin", *, file: UpdateFile | None = None
) -> AsyncIterator[Desk]:
    """Read the channel's configuration from the own peer, as an administrator; FL1060 if it does not answer.

    A peer that has not yet seen the configuration from which a `file` was made is waited for: it is only behind.
    """
    admin = ChannelAdmin.of(profile(run, organisation, user))
    deadline = time.monotonic() + BLOCK_PATIENCE_S
    try:
        config = await admin.config()
        while file and config.sequence < file.sequence and time.monotonic() < deadline:
            await asyncio.sleep(POLL_S)
            config = await admin.config()
        yield Desk(admin, consortium_of(run), config)
    finally:
        await admin.transport.close()


async def in_force(run: Path, organisation: str, user: str, change: Change, where: str = "") -> None:
    """Wait until the own peer has the block of a change that was submitted; FL1158 if it does not come."""
    deadline = time.monotonic() + BLOCK_PATIENCE_S
    while True:
        try:
            async with desk(run, organisation, user) as mine:
                return mine.require_in_force(change, where)
        except NetworkError as error:
            if error.code != codes.UPDATE_NOT_IN_FORCE or time.monotonic() > deadline:
                raise
        await asyncio.sleep(POLL_S)


def merged(copies: Sequence[UpdateFile], where: str = "") -> UpdateFile:
    """Return one file with the signatures of several copies; FL1152 if they are not of one change."""
    first, *others = copies
    for each in others:
        if (each.change, each.update) != (first.change, first.update):
            hint = "Submit the copies of one file."
            raise NetworkError(codes.UPDATE_DIFFERS, "these files are not of one change", where=where, hint=hint)
        first = first.signed(each.signatures)
    return first


def follow(run: Path, organisation: str, change: Change) -> Consortium:
    """Bring an organisation's own folder after the channel: its definition, and what it knows of a newcomer."""
    folder = folder_of(run, organisation)
    consortium = followed(consortium_of(folder.root), change)
    if isinstance(change, AddOrganisation | AddOrderer):
        keep(folder.root, export_of(change.export), replace=True)
    if isinstance(change, AddAuthority | RemoveAuthority):
        owner = next(o.name for o in consortium.organisations if o.msp_id == change.organisation)
        for known in (folder.known(owner), *([folder.own] if owner == organisation else [])):
            follow_authority(known.msp, change)
    write_atomically(definition_path(folder.root), dump_consortium(consortium))
    prepare(folder, consortium)
    return consortium
