"""Runs one devnet process of an organisation: `python -m network.devnet orderer|peer --run FOLDER`, its own folder.

Of several peers `--number N` names the one, counted from 0.
"""

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from fabric_protos.orderer import ab_pb2_grpc

from network.addresses import join
from network.checked import read_checked
from network.devnet.log import Log
from network.devnet.memory import give_back
from network.devnet.orderer import Orderer, OrdererService
from network.devnet.peer import Peer
from network.devnet.transport import listen, new_server
from network.errors import FedledgerError
from network.folders import definition_path, folder_of, owner_of
from network.plan import peer_process

if TYPE_CHECKING:
    from network.topology import Consortium


async def run_orderer(consortium: "Consortium", run: Path) -> None:
    """Order until asked to stop."""
    organisation, node = consortium.orderers[0]
    log = Log(node.name)
    orderer = Orderer(consortium, run, log)
    server = new_server()
    ab_pb2_grpc.add_AtomicBroadcastServicer_to_server(OrdererService(orderer), server)
    listen(server, join(node.bound, node.port), folder_of(run, organisation.name).orderer(node.name) / "tls")
    await server.start()
    log.info("ready", address=node.address, height=orderer.height, pid=os.getpid())
    memory = asyncio.create_task(give_back())
    await _asked_to_stop()
    memory.cancel()
    orderer.cut()
    await server.stop(0.2)


async def run_peer(consortium: "Consortium", run: Path, number: int) -> None:
    """Be one of the organisation's peers until asked to stop."""
    organisation = consortium.organisation(owner_of(run) or "")
    node = organisation.peers[number]
    log = Log(peer_process(organisation.name, number))
    peer = Peer(consortium, organisation, number, run, log)
    server = new_server()
    peer.serve(server)
    listen(server, join(node.bound, node.port), peer.tls)
    await server.start()
    tasks = peer.start()
    stop = asyncio.create_task(_asked_to_stop())
    memory = asyncio.create_task(give_back())
    log.info("ready", address=node.address, height=peer.committer.height, pid=os.getpid())
    await asyncio.wait([stop, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        if task.done():
            task.result()  # a background task ends only by an error: let the process end with it
        task.cancel()
    memory.cancel()
    await server.stop(0.2)


async def _asked_to_stop() -> None:
    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    await asked.wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a process; exit code 1 with the reason on standard error if it cannot."""
    parser = argparse.ArgumentParser(prog="python -m network.devnet", description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind in ("orderer", "peer"):
        command = kinds.add_parser(kind)
        command.add_argument("--run", type=Path, required=True, help="the organisation's own folder")
    command.add_argument("--number", type=int, default=0, help="which of its peers, counted from 0")
    options = parser.parse_args(arguments)
    try:
        consortium = read_checked(definition_path(options.run))
        if options.kind == "orderer":
            asyncio.run(run_orderer(consortium, options.run))
        else:
            asyncio.run(run_peer(consortium, options.run, options.number))
    except (FedledgerError, OSError, RuntimeError, LookupError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
