"""The command `fedledger`: every part's commands under one name, imported only when they run."""

import importlib
import os
import shutil
import sys
from typing import Final

from fl_node.commands.parts import overview

COMPLETION: Final = "_FEDLEDGER_COMPLETE"
"""Set by the shell while it completes: then every part's options must be known."""

WIDEST: Final = 100


def main() -> None:
    """Run the command line; every error of ours ends with exit code 1 and its code in the message."""
    if sys.argv[1:] == ["--help"]:
        sys.stdout.write(overview(min(shutil.get_terminal_size().columns, WIDEST)) + "\n")
        return
    arguments = () if COMPLETION in os.environ else (*sys.argv[1:], "--")
    application = importlib.import_module("fl_node.commands.application").application
    application(arguments)(prog_name="fedledger")
