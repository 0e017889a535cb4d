"""What a blob service believes whose channel has just begun, of the public parts in a run folder as they are now."""

from pathlib import Path

from network.connection import consortium_of
from network.directory import Believed, imported


def channel_of(run: Path) -> Believed:
    """Return what a channel says that was made of what lies in a run folder now."""
    return Believed(imported(run, consortium_of(run)))
