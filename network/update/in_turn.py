"""A change of a test network's channel: its organisations sign one after another, each with its own folder."""

from pathlib import Path

from network.organisation import here
from network.topology import Consortium
from network.update.changes import Change
from network.update.file import UpdateFile
from network.update.signers import signers
from network.update.steps import desk


async def signed_in_turn(run: Path, consortium: Consortium, change: Change) -> UpdateFile:
    """Return the file of a change with every signature that is asked for and can be made here.

    Raises:
        NetworkError: FL1153 if the channel has the change, FL1154 if it does not fit, FL1060 if a peer is silent.
    """
    async with desk(run, consortium.members[0].name) as first:
        file, config = first.propose(change), first.config
    for organisation, _ in here(run, consortium):
        if organisation.msp_id in signers(config, file).asked:
            async with desk(run, organisation.name, file=file) as each:
                file = each.sign(file)
    return file


async def submitted(run: Path, consortium: Consortium, file: UpdateFile) -> bool:
    """Send a signed file as the first member; return whether the channel changed now; raises as `Desk.submit`."""
    async with desk(run, consortium.members[0].name, file=file) as first:
        return await first.submit([file])
