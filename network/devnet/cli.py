"""The command `devnet`: a network for a contract, until it is told to stop."""

import argparse
import json
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from network.devnet.fabric_network import CHAINCODE, CHANNEL, ORGANIZATIONS, running
from network.errors import FedledgerError
from network.interrupt import TERMINATED, interruptible


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; exit code 1 with the reason on standard error if the network does not come up."""
    parser = argparse.ArgumentParser(prog="devnet", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    up = commands.add_parser("up", help="bring a network up and keep it until Ctrl-C or SIGTERM")
    up.add_argument("contract", help="a folder of Go sources, a program, or grpc://host:port of one that runs")
    up.add_argument("--folder", type=Path, default=Path(".devnet"), help="where identities, ledgers and logs lie")
    up.add_argument("--organizations", type=int, default=ORGANIZATIONS, help="how many, at least 3")
    up.add_argument("--channel", default=CHANNEL)
    up.add_argument("--name", default=CHAINCODE, help="the contract's name on the channel")
    up.add_argument("--collections", type=Path, help="a file of its collections, as Fabric's commands take it")
    up.add_argument(
        "--also", action="append", default=[], metavar="NAME=CONTRACT", help="a further contract on the channel"
    )
    up.add_argument("--base-port", type=int, default=None, help="first of the ports; free ones by default")
    return _up(parser.parse_args(arguments))


def _up(options: argparse.Namespace) -> int:
    try:
        with (
            interruptible(),
            running(
                options.contract,
                options.folder,
                organizations=options.organizations,
                channel=options.channel,
                chaincode=options.name,
                base_port=options.base_port,
                collections=json.loads(options.collections.read_text()) if options.collections else (),
                others=dict(_named(text) for text in options.also),
            ) as network,
        ):
            sys.stdout.write(f"up: {network.channel}/{network.chaincode}, {', '.join(network.organizations)}\n")
            sys.stdout.write(f"connection profiles: {network.folder}/org1.json and so on; stop with Ctrl-C\n")
            sys.stdout.flush()
            threading.Event().wait()
    except KeyboardInterrupt:
        pass  # that is how it is stopped, by this or by SIGTERM
    except SystemExit as told:
        return 0 if told.code == TERMINATED else 1
    except (FedledgerError, OSError, ValueError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _named(text: str) -> tuple[str, str]:
    name, separator, contract = text.partition("=")
    if not separator:
        raise ValueError(f"a further contract is NAME=CONTRACT, not {text}")
    return name, contract
