"""The two packages alone, in environments that have nothing else."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.harness.official import install
from tests.ports import free_ports

PROJECT = Path(__file__).resolve().parents[2]
UV = shutil.which("uv") or str(PROJECT / ".build" / "uv" / "bin" / "uv")  # where scripts/setup puts it
GO_CACHES = ("GOCACHE", "GOMODCACHE", "GOPROXY", "GOFLAGS", "GOSUMDB", "GOPATH", "GONOSUMDB")
SAY_HELLO = """
import asyncio, sys
from gateway import Identity, MockTransport, Signer, connect, digests, tokens

async def main():
    transport = MockTransport(lambda call: b"hello " + call.arguments[0])
    signer = Signer(sign=lambda digest: b"signature")
    async with connect(transport, Identity("Org1MSP", b"certificate"), signer) as gateway:
        print((await gateway.network("channel").contract("basic").submit("Hello", "you")).decode())

asyncio.run(main())
print(sorted({"network", "fl_node", "audit", "yaml", "pkcs11", "pydantic"} & set(sys.modules)))
"""


CREATE = """
import asyncio
from pathlib import Path
from gateway import ConnectionProfile, connect, from_msp_folder

async def main():
    profile = ConnectionProfile.load("kept/org1.json")
    identity, signer = from_msp_folder(next(Path("kept/orgs/org1").rglob("users/client/msp")), profile.msp_id)
    async with connect(profile.endpoints, identity, signer) as gateway:
        contract = gateway.network("mychannel").contract("basic")
        await contract.submit("CreateAsset", "a", "red", "1", "Tom", "2")
        print(await contract.evaluate("GetAllAssets"))

asyncio.run(main())
"""

ASSETS = b'[{"AppraisedValue":2,"Color":"red","ID":"a","Owner":"Tom","Size":1}]'

ENDED_S = 580
"""How long a command may take: the first compiles the contract, beside all that else runs."""
pytestmark = pytest.mark.timeout(600)


class Environment:
    """A virtual environment with some wheels and what they depend on."""

    def __init__(self, folder: Path, *installed: str) -> None:
        self.folder = folder
        folder.mkdir()
        uv(folder, "venv", "--quiet", "--python", sys.executable, "venv")
        pins = folder / "pins.txt"
        pins.write_text("\n".join(_versions((PROJECT / "requirements.lock").read_text())))
        uv(folder, "pip", "install", "--quiet", "--python", "venv", "--override", str(pins), *installed)

    def command(self, program: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [str(self.folder / "venv" / "bin" / program), *arguments],
            cwd=self.folder,
            env=_environment(self.folder),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, program: str, *arguments: str) -> str:
        with self.command(program, *arguments) as running:
            output, _ = running.communicate(timeout=ENDED_S)
        assert running.returncode == 0, output
        return output


def uv(folder: Path, *arguments: str) -> None:
    done = subprocess.run([UV, *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("wheels")
    for package in ("gateway", "network"):
        uv(folder, "build", "--quiet", "--wheel", "--out-dir", str(folder), str(PROJECT / package))
    return {path.name.split("-")[0]: str(path) for path in folder.glob("*.whl")}


@pytest.fixture(scope="module")
def both(wheels: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Environment:
    folder = tmp_path_factory.mktemp("packages") / "both"
    environment = Environment(folder, wheels["fedledger_gateway"], wheels["fedledger_devnet"], "pytest-asyncio")
    shutil.copytree(PROJECT / "tests" / "packages" / "assets", folder / "assets")
    return environment


def test_the_gateway_works_alone(wheels: dict[str, str], tmp_path: Path):
    alone = Environment(tmp_path / "alone", wheels["fedledger_gateway"])
    assert alone.run("python", "-c", SAY_HELLO) == "hello you\n[]\n"


def test_an_application_that_knows_nothing_of_fedledger_is_tested_with_the_plugin(both: Environment):
    assert "7 passed" in both.run("pytest", "-q", "-p", "no:cacheprovider", "assets")


@pytest.fixture(scope="module")
def node_contract() -> Path:
    """The same contract on fabric-shim, with what its lock file names; skipped where that cannot be had."""
    folder = PROJECT / "tests" / "packages" / "node"
    try:
        install(folder)
    except SystemError as error:
        pytest.skip(f"no contract on fabric-shim: {error}")
    return folder / "serve"


@pytest.mark.node
def test_its_tests_pass_with_a_contract_on_fabrics_shim_for_node_too(both: Environment, node_contract: Path):
    contract = f"fabric_contract={node_contract}"
    assert "7 passed" in both.run("pytest", "-q", "-p", "no:cacheprovider", "-o", contract, "assets")


@pytest.fixture
def elsewhere(both: Environment) -> Iterator[str]:
    """A contract that runs already, for all peers, without TLS: grpc://host:port."""
    build = (
        "from network.build import build_chaincode as b; print(b(__import__('os').path.abspath('assets/chaincode')))"
    )
    program = both.run("python", "-c", build).strip()
    address = f"127.0.0.1:{free_ports()}"
    environment = {"CHAINCODE_ID": "assets:1", "CHAINCODE_SERVER_ADDRESS": address}
    with subprocess.Popen([program], env=environment, stdout=subprocess.DEVNULL) as running:
        yield f"grpc://{address}"
        running.terminate()


def test_the_command_keeps_a_network_for_a_contract_elsewhere_until_it_is_told_to_stop(
    both: Environment, elsewhere: str
):
    with both.command("devnet", "up", elsewhere, "--folder", "kept") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "up: mychannel/basic, org1, org2, org3\n", running.stdout.read()
        started = [int(path.read_text().split()[0]) for path in (both.folder / "kept" / "pids").glob("[!.]*")]
        assert len(started) == 4
        assert both.run("python", "-c", CREATE) == f"{ASSETS!r}\n"
        running.send_signal(signal.SIGTERM)
        running.stdout.read()
    assert running.returncode == 0
    assert [number for number in started if _alive(number)] == []


def _alive(number: int) -> bool:
    """Say whether a process runs; one that nobody has asked for its end is none."""
    if not Path(f"/proc/{number}/stat").exists():
        return False
    return b"Z" not in Path(f"/proc/{number}/stat").read_bytes().rpartition(b")")[2].split()[:1]


def _environment(folder: Path) -> dict[str, str]:
    """What a user's shell has; what the packages keep of their own is apart, what Go has compiled is not."""
    found = {name: os.environ[name] for name in ("PATH", "HOME", *GO_CACHES) if name in os.environ}
    caches = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    return {"GOCACHE": str(caches / "go-build"), **found, "XDG_CACHE_HOME": str(folder / "cache")}


def _versions(lock: str) -> list[str]:
    return [line.split(" \\")[0] for line in lock.splitlines() if "==" in line and not line.startswith(" ")]
