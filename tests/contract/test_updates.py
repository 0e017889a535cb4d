"""The channel changes by files that collect signatures; each organisation acts with its own folder alone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from network.bringup import down
from network.connection import consortium_of
from network.folders import owner_of
from network.units.keys import foreign_keys
from tests.contract.harness.commands import done, own, refused
from tests.contract.harness.ledger import Ledger
from tests.ports import free_ports

pytestmark = pytest.mark.timeout(600)
NEWCOMER = "hospital-e"


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where files lie that organisations send one another."""
    return tmp_path_factory.mktemp("letters")


@pytest.fixture(scope="module")
def newcomer(own_ledger: Ledger, letters: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of an organisation that is not in the channel yet; its export and the first block lie in letters."""
    folder = tmp_path_factory.mktemp("newcomer") / NEWCOMER
    value = consortium_of(own_ledger.run).model_dump(mode="json", exclude_none=True)
    port = free_ports()
    peer = {"name": f"peer0.{NEWCOMER}"}
    names = ("port", "chaincode_port", "operations_port", "internal_port")
    peer |= {name: port + number for number, name in enumerate(names)}
    value["organisations"].append({"name": NEWCOMER, "role": "member", "peers": [peer], "blob_port": port + 4})
    (letters / "wider.yaml").write_text(yaml.safe_dump(value, sort_keys=False))
    kind = ["--fabric"] if own_ledger.kind == "fabric" else []
    done(folder, "org", "init", NEWCOMER, "--definition", letters / "wider.yaml", *kind)
    done(folder, "org", "export", "--out", letters / f"{NEWCOMER}.export")
    for name in [o.name for o in own_ledger.consortium.organisations]:
        done(own(own_ledger, name), "org", "export", "--out", letters / f"{name}.export")
    shutil.copy(own(own_ledger, "hospital-b") / "consortium" / "channel.block", letters)
    yield folder
    down(folder)


async def test_an_organisation_joins_by_a_file_that_a_majority_signs_and_endorses_from_then_on(
    own_ledger: Ledger, newcomer: Path, letters: Path, key: str
):
    file = letters / "add.update"
    a, b, c, d = (own(own_ledger, name) for name in own_ledger.members)
    async with own_ledger.contract() as contract:
        await contract.submit("Put", key, "before")
    fingerprint = done(newcomer, "org", "export", "--out", letters / f"{NEWCOMER}.export")["fingerprint"]
    request = ("network", "update", "propose", "add-organisation", letters / f"{NEWCOMER}.export", "--out", file)
    assert refused(a, *request, "--fingerprint", "0" * 40)[0] == "FL1105"
    done(a, *request, "--fingerprint", fingerprint)
    shown = done(own(own_ledger, "regulator"), "network", "update", "show", file)
    assert (shown["signed"], [m["count"] for m in shown["missing"]]) == (["hospital-a"], [2])
    assert set(shown["missing"][0]["of"]) == {"hospital-b", "hospital-c", "hospital-d"}
    assert "adds hospital-e (HospitalEMSP) as a member" in shown["says"][0]
    assert "3 of 5 members must endorse (now 3 of 4)" in shown["says"][2]
    assert fingerprint in shown["says"][1]
    code, said = refused(own(own_ledger, "regulator"), "network", "update", "sign", file)
    assert (code, "hospital-b, hospital-c, hospital-d" in said) == ("FL1156", True)
    code, said = refused(a, "network", "update", "submit", file)
    assert (code, "2 of hospital-b, hospital-c, hospital-d" in said) == ("FL1155", True)
    for folder, copy in ((b, letters / "b.update"), (c, letters / "c.update")):
        shutil.copy(file, copy)
        done(folder, "network", "update", "sign", copy)
    code, said = refused(d, "network", "update", "adopt", file)
    assert code == "FL1158"
    assert done(b, "network", "update", "submit", letters / "b.update", letters / "c.update")["changed"]
    for folder in (a, c, d):
        done(folder, "network", "update", "adopt", file)
        assert consortium_of(folder).organisation(NEWCOMER).role == "member"
    assert not done(c, "network", "update", "submit", file)["changed"]
    join(own_ledger, newcomer, letters)
    newcomers = Ledger(newcomer, own_ledger.kind, consortium_of(newcomer))
    async with newcomers.contract(NEWCOMER) as contract:
        assert await contract.evaluate("Get", key, endorsing_organizations=["HospitalEMSP"]) == b"before"
        endorsers = ["HospitalEMSP", "HospitalAMSP", "HospitalBMSP"]
        await contract.submit("Put", key, "after", endorsing_organizations=endorsers)
    for folder in (newcomer, a, b, c, d):
        assert list(foreign_keys(folder, owner_of(folder))) == []


def join(own_ledger: Ledger, newcomer: Path, letters: Path) -> None:
    """Let the newcomer start its processes with what members handed it."""
    done(newcomer, "network", "import", *sorted(letters.glob("*.export")))
    done(newcomer, "network", "genesis", "--from", letters / "channel.block")
    done(newcomer, "org", "join")
