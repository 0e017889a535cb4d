"""`python -m fl_node` is the command `fedledger`."""

from fl_node.cli import main

main()
