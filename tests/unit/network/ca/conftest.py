"""A CA server with the REST interface of Fabric CA: the embedded one, and the real one where its programs are."""

import asyncio
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from network.ca.embedded import EmbeddedCa
from network.ca.fabric_ca import FabricCa, Registrar
from network.ca.fabric_ca_client import FabricCaClient
from network.ca.server import application, serve
from tests.ports import free_ports

REGISTRAR, SECRET = "boot", "boot-secret"
PATIENCE_S = 120
PROGRAMS = os.environ.get("FABRIC_CA_BIN") or os.environ.get("PATH")
SERVER = shutil.which("fabric-ca-server", path=PROGRAMS)
CLIENT = shutil.which("fabric-ca-client", path=PROGRAMS)
KINDS = ["embedded", "fabric-ca-server"] if SERVER and CLIENT else ["embedded"]


@contextmanager
def embedded(folder: Path, port: int) -> Iterator[None]:
    """The embedded authority on a thread of its own."""
    ready, ended, loop = threading.Event(), asyncio.Event(), asyncio.new_event_loop()

    async def run() -> None:
        ca = EmbeddedCa.open(folder, "", REGISTRAR, SECRET)
        runner = await serve(application({"": ca}), "127.0.0.1", port, None)
        ready.set()
        await ended.wait()
        await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(run(),))
    thread.start()
    assert ready.wait(PATIENCE_S)
    yield
    loop.call_soon_threadsafe(ended.set)
    thread.join(PATIENCE_S)
    loop.close()


@contextmanager
def fabric_ca_server(folder: Path, port: int) -> Iterator[None]:
    """The server of a Fabric CA release."""
    folder.mkdir()
    command = [str(SERVER), "start", "-b", f"{REGISTRAR}:{SECRET}", "--address", "127.0.0.1", "-p", str(port)]
    environment = {**os.environ, "FABRIC_CA_SERVER_OPERATIONS_LISTENADDRESS": f"127.0.0.1:{port + 1}"}
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*command, "--home", str(folder)], stdout=log, stderr=log, env=environment)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/v1/cainfo")
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for(url: str) -> None:
    until = time.monotonic() + PATIENCE_S
    while True:
        try:
            requests.get(url, timeout=PATIENCE_S)
        except requests.ConnectionError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            return


@pytest.fixture(scope="module", params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a CA server, one for all tests of a module."""
    port = free_ports()
    kinds = {"embedded": embedded, "fabric-ca-server": fabric_ca_server}
    with kinds[request.param](tmp_path_factory.mktemp("server") / "ca", port):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def ca(url: str, tmp_path: Path) -> FabricCa:
    """The authority as an organisation has it that nobody else uses."""
    secret = tmp_path / "registrar-secret"
    secret.write_text(SECRET + "\n")
    return FabricCa(FabricCaClient(url), tmp_path / "private", Registrar(REGISTRAR, secret))


@pytest.fixture
def official(url: str, tmp_path: Path):
    """Fabric CA's own client, enrolled as the registrar; a function that runs one of its commands."""
    if CLIENT is None:
        pytest.skip("no Fabric CA in FABRIC_CA_BIN or PATH: the embedded authority alone was tested")

    def run(*arguments: str, home: str = "official") -> str:
        command = [CLIENT, *arguments, "--home", str(tmp_path / home)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    run("enroll", "-u", f"http://{REGISTRAR}:{SECRET}@{url.removeprefix('http://')}")
    return run
