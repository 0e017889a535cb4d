"""Following a hint: the command that it names in backticks is run as a person would, on a given folder."""

import re
import shlex
from pathlib import Path

from typer.testing import CliRunner

from fl_node.commands.application import application

COMMAND = re.compile(r"`(fedledger [^`]+)`")


def follow(hint: str, run: Path) -> str:
    """Run the one command that a hint names and return what it says."""
    (command,) = COMMAND.findall(hint)
    return fedledger(*shlex.split(command)[1:], "--run", run)


def fedledger(*words: object) -> str:
    """Run a command to its end and return what it says; it must succeed."""
    arguments = [str(word) for word in words]
    result = CliRunner().invoke(application(arguments), arguments)
    assert result.exit_code == 0, (arguments, result.output, result.exception)
    return result.stdout
