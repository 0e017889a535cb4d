"""The channel changes by files that collect signatures; each organisation acts with its own folder alone."""

import asyncio
import contextlib
import json
import shutil
import ssl
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog
import yaml

from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.service import BlobService, serve
from fl_node.blobs.store import BlobStore
from gateway.errors import GatewayError
from network import processes
from network.bringup import down
from network.ca.builtin import Authority
from network.ca.interface import issue
from network.ca.subject import Subject
from network.connection import consortium_of, profile
from network.fabric.participation import OrdererAdmin
from network.folders import folder_of, owner_of
from network.following import believe, following
from network.units.keys import foreign_keys
from tests.contract.harness.audit import audit
from tests.contract.harness.commands import done, own, refused
from tests.contract.harness.ledger import Ledger
from tests.ports import free_ports
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.timeout(600)
OWNER, NEWCOMER = "hospital-a", "hospital-e"
REFUSED = "it answers 403"
POLL_S = 0.2


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
    own_ledger: Ledger, newcomer: Path, letters: Path, key: str, monkeypatch: pytest.MonkeyPatch
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
    with monkeypatch.context() as impatient:
        impatient.setattr("network.update.steps.BLOCK_PATIENCE_S", 0.0)
        assert refused(d, "network", "update", "adopt", file)[0] == "FL1158"
    async with asyncio.TaskGroup() as both:  # who is told early waits for the block
        adopting = both.create_task(asyncio.to_thread(done, d, "network", "update", "adopt", file))
        await asyncio.sleep(POLL_S)
        assert not adopting.done()
        assert done(b, "network", "update", "submit", letters / "b.update", letters / "c.update")["changed"]
    done(c, "network", "update", "adopt", file)
    assert {consortium_of(folder).organisation(NEWCOMER).role for folder in (c, d)} == {"member"}
    assert not done(c, "network", "update", "submit", file)["changed"]
    join(own_ledger, newcomer, letters)
    newcomers = Ledger(newcomer, own_ledger.kind, consortium_of(newcomer))
    async with newcomers.contract(NEWCOMER) as contract:
        assert await contract.evaluate("Get", key, endorsing_organizations=["HospitalEMSP"]) == b"before"
        endorsers = ["HospitalEMSP", "HospitalAMSP", "HospitalBMSP"]
        await contract.submit("Put", key, "after", endorsing_organizations=endorsers)
    for folder in (newcomer, a, b, c, d):
        assert list(foreign_keys(folder, owner_of(folder))) == []


@contextlib.asynccontextmanager
async def blob_service(ledger: Ledger, store: Path) -> AsyncIterator[str]:
    """The blob service of hospital-a, as it runs in its own folder."""
    folder = own(ledger, OWNER)
    consortium = consortium_of(folder)
    member = consortium.organisation(OWNER)
    async with following(profile(folder, OWNER), lambda: consortium, structlog.get_logger()) as believed:
        service = BlobService(BlobStore(store), tls.Trust(lambda: consortium, believed))
        runner = await serve(service, member.host, member.blob_port or 0, tls.serving(folder, OWNER, believed))
        try:
            yield f"https://{member.host}:{member.blob_port}"
        finally:
            await runner.cleanup()


@contextlib.asynccontextmanager
async def caller(folder: Path, url: str, user: str = "client") -> AsyncIterator[BlobClient]:
    """A user of the organisation whose folder it is, as it calls hospital-a's blob service."""
    name, consortium = owner_of(folder) or "", consortium_of(folder)
    contexts = tls.calling(folder, name, user, await believe(profile(folder, name, "admin"), consortium))
    async with BlobClient({OWNER: url}, contexts) as client:
        yield client


async def until(client: BlobClient, problem: str) -> None:
    """Wait until hospital-a's blob service answers a caller so; "" is without a problem."""
    async with asyncio.timeout(PATIENCE_S):
        while (said := await client.problem(OWNER)) != problem:
            assert said in {"", REFUSED} or problem == "", said
            await asyncio.sleep(0.1)


async def test_a_newcomers_certificates_count_in_a_blob_service_that_has_no_file_of_it(
    own_ledger: Ledger, newcomer: Path, letters: Path, tmp_path: Path
):
    """The service's folder is of before: what the channel says is enough. To call the newcomer takes its entry."""
    folder = own(own_ledger, OWNER)
    assert NEWCOMER not in profile(folder, OWNER).blobs
    assert not (folder / "consortium" / "orgs" / NEWCOMER).exists()
    async with blob_service(own_ledger, tmp_path) as url, caller(newcomer, url) as client:
        await until(client, "")
    done(folder, "network", "update", "adopt", letters / "add.update")
    assert NEWCOMER in profile(folder, OWNER).blobs


async def test_what_an_organisation_revokes_is_refused_by_others_without_any_file_being_copied(
    own_ledger: Ledger, tmp_path: Path, key: str
):
    b, files = own(own_ledger, "hospital-b"), own(own_ledger, OWNER) / "consortium"
    done(b, "identity", "add", "hospital-b", "leaving")
    before = {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    async with blob_service(own_ledger, tmp_path) as url, caller(b, url, "leaving") as leaving, caller(b, url) as other:
        await until(leaving, "")
        async with own_ledger.contract("hospital-b", "leaving") as contract:
            await contract.submit("Put", key, "1")
            assert done(b, "identity", "revoke", "hospital-b", "leaving")["changed"]
            await until(leaving, REFUSED)
            with pytest.raises(GatewayError):
                await contract.submit("Put", key, "2", retry=False)
        assert await other.problem(OWNER) == ""
    assert before == {path: path.read_bytes() for path in files.rglob("*") if path.is_file()}
    assert not done(b, "identity", "revoke", "hospital-b", "leaving")["changed"]


async def test_an_administrator_is_revoked_by_another_one_and_not_by_itself(own_ledger: Ledger):
    c = own(own_ledger, "hospital-c")
    lists = sorted((c / "secrets" / "msp" / "crls").iterdir())
    code, said = refused(c, "identity", "revoke", "hospital-c", "admin")
    assert (code, "--user" in said) == ("FL1159", True)
    assert sorted((c / "secrets" / "msp" / "crls").iterdir()) == lists, "nothing was changed"
    done(c, "identity", "add", "hospital-c", "second", "--role", "admin")
    assert done(c, "identity", "revoke", "hospital-c", "admin", "--user", "second")["changed"]
    assert done(c, "org", "export", "--out", c / "again.export")["fingerprint"]
    file = c / "peers.update"
    assert refused(c, "network", "update", "propose", "move-peers", "--user", "second", "--out", file)[0] == "FL1153"
    assert refused(c, "network", "update", "propose", "move-peers", "--out", file)[0] == "FL1060", "its peer knows"


async def test_a_revocation_that_the_regulator_proposes_is_sent_by_a_member(own_ledger: Ledger, letters: Path):
    regulator, a = own(own_ledger, "regulator"), own(own_ledger, OWNER)
    done(regulator, "identity", "add", "regulator", "leaving")
    assert refused(regulator, "identity", "revoke", "regulator", "leaving")[0] == "FL1157"
    file = letters / "regulator.update"
    assert done(regulator, "network", "update", "propose", "revoke", "--out", file)["signatures"] == 1
    shown = done(a, "network", "update", "show", file)
    assert (shown["signed"], shown["missing"]) == (["regulator"], [])
    assert shown["says"][0].startswith("regulator revokes its certificates ")
    assert done(a, "network", "update", "submit", file)["changed"]


def tampered(file: Path, into: Path, **parts: object) -> Path:
    """A copy of an update file in which something else stands."""
    value = json.loads(file.read_bytes()) | parts
    into.write_text(json.dumps(value))
    return into


async def test_a_file_that_is_stale_tampered_or_does_other_than_it_says_is_not_signed(
    own_ledger: Ledger, letters: Path, tmp_path: Path
):
    a, d = own(own_ledger, OWNER), own(own_ledger, "hospital-d")
    file, other = tmp_path / "one.update", tmp_path / "two.update"
    done(a, "network", "update", "propose", "remove-organisation", "hospital-b", "--out", file)
    done(a, "network", "update", "propose", "remove-organisation", "hospital-c", "--out", other)
    says_b = json.loads(file.read_bytes())
    does_c = tampered(other, tmp_path / "lies.update", change=says_b["change"])
    for words in (("sign",), ("show",), ("submit",)):
        assert refused(d, "network", "update", *words, does_c)[0] == "FL1152"
    fewer = tampered(file, tmp_path / "fewer.update", change=says_b["change"] | {"endorsement": 1})
    assert refused(d, "network", "update", "sign", fewer)[0] == "FL1152"
    (tmp_path / "rubbish").write_text("{}")
    assert refused(d, "network", "update", "sign", tmp_path / "rubbish")[0] == "FL1150"
    stranger = tampered(file, tmp_path / "x.update", signatures=[says_b["signatures"][0] | {"signature": "00"}])
    assert done(d, "network", "update", "show", stranger)["signed"] == []
    done(d, "identity", "add", "hospital-d", "gone")
    done(d, "identity", "revoke", "hospital-d", "gone")
    assert done(d, "network", "update", "show", file)["missing"], "what changed elsewhere leaves the file as it is"
    old = letters / "stale.update"
    shutil.copy(letters / "regulator.update", old)
    done(own(own_ledger, "regulator"), "identity", "add", "regulator", "second")
    refused(own(own_ledger, "regulator"), "identity", "revoke", "regulator", "second")
    newer = tmp_path / "newer.update"
    done(own(own_ledger, "regulator"), "network", "update", "propose", "revoke", "--out", newer)
    done(a, "network", "update", "submit", newer)
    assert refused(a, "network", "update", "submit", old)[0] == "FL1154", "it would take back what was revoked since"


async def test_an_organisation_that_a_majority_removes_is_refused_everywhere_and_goes_on_with_nothing(
    own_ledger: Ledger, newcomer: Path, letters: Path, tmp_path: Path, key: str
):
    a, b, d = (own(own_ledger, name) for name in (OWNER, "hospital-b", "hospital-d"))
    file = letters / "remove.update"
    async with blob_service(own_ledger, tmp_path) as url, caller(newcomer, url) as client:
        await until(client, "")
        done(a, "network", "update", "propose", "remove-organisation", NEWCOMER, "--out", file)
        assert "removes hospital-e, a member" in done(d, "network", "update", "show", file)["says"][0]
        for folder in (b, d):
            done(folder, "network", "update", "sign", file)
        assert done(a, "network", "update", "submit", file)["changed"]
        await until(client, REFUSED)
    with pytest.raises(KeyError):
        consortium_of(a).organisation(NEWCOMER)
    for folder in (b, d):
        done(folder, "network", "update", "adopt", file)
    async with own_ledger.contract() as contract, asyncio.timeout(PATIENCE_S):
        await contract.submit(
            "Put", key, "without it", endorsing_organizations=["HospitalAMSP", "HospitalBMSP", "HospitalDMSP"]
        )
    newcomers = Ledger(newcomer, own_ledger.kind, consortium_of(newcomer))
    async with newcomers.gateway(NEWCOMER) as gateway:
        transaction = newcomers.contract_of(gateway).proposal(
            "Put", key, "again", endorsing_organizations=["HospitalEMSP"]
        )
        with pytest.raises(GatewayError):
            await (await transaction.endorse()).submit()


async def test_a_new_tls_root_counts_beside_the_old_until_the_old_is_removed(
    own_ledger: Ledger, letters: Path, tmp_path: Path
):
    """Last: its peer keeps a certificate of the old root here, so nobody reaches it any more."""
    b = own(own_ledger, "hospital-b")
    authority = Authority.create(tmp_path / "new", "hospital-b", "tlsca2.hospital-b")
    authority.begin_list(letters / "new.crl")
    new = folder_of(b, "hospital-b").user("client")
    shutil.copytree(new, new.with_name("moved"))
    for path in (new.with_name("moved") / "tls").iterdir():
        path.unlink()
    issue(
        authority,
        Subject("moved.hospital-b", hosts=("localhost",)),
        *(new.with_name("moved") / "tls" / f"client.{kind}" for kind in ("key", "crt")),
    )
    certificate = tmp_path / "new" / "cert.pem"
    file = letters / "root.update"
    request = ("network", "update", "propose", "add-authority", certificate, "--tls", "--out", file)
    code, said = refused(b, *request)
    assert (code, "revocation list" in said) == ("FL1154", True)
    async with blob_service(own_ledger, tmp_path / "store") as url:
        async with caller(b, url, "moved") as moved:
            assert await moved.problem(OWNER) != ""
        done(b, *request, "--list", letters / "new.crl")
        done(b, "network", "update", "submit", file)
        async with caller(b, url, "moved") as moved, caller(b, url) as old:
            await until(moved, "")
            assert await old.problem(OWNER) == ""
            last = folder_of(b, "hospital-b").own.tls_root
            gone = ("network", "update", "propose", "remove-authority", last, "--tls", "--out", letters / "gone.update")
            done(b, *gone)
            done(b, "network", "update", "submit", letters / "gone.update")
            await until(old, REFUSED)
            assert await moved.problem(OWNER) == ""


@pytest.mark.parametrize("keys", [[], ["--new-key"]], ids=["the same keys", "new keys"])
async def test_an_orderer_gets_new_certificates_in_its_place_once_the_channel_names_them(
    own_ledger: Ledger, tmp_path: Path, key: str, keys: list[str]
):
    orderers, member, name = own(own_ledger, "orderer"), own(own_ledger, OWNER), "orderer1"
    before = shown_by(own_ledger, name)
    code, said = refused(orderers, "identity", "rotate", "orderer", name, *keys)
    assert (code, f"propose rotate-orderer {name} {' '.join(keys)}".strip() in said) == ("FL1140", True)
    file = tmp_path / "rotate.update"
    done(orderers, "network", "update", "propose", "rotate-orderer", name, *keys, "--out", file)
    assert refused(own_ledger.run, "identity", "rotate", "orderer", name)[0] == "FL1158", "it would order nothing"
    assert shown_by(own_ledger, name) == before
    shown = done(member, "network", "update", "show", file)
    assert (shown["signed"], shown["missing"]) == (["orderer"], [])
    assert shown["says"][0].startswith("the orderer of orderer at ")
    assert done(member, "network", "update", "submit", file)["changed"]
    rotated = done(own_ledger.run, "identity", "rotate", "orderer", name)
    assert (rotated["restarted"], rotated["rotation"]["new_key"]) == ([name], bool(keys))
    assert shown_by(own_ledger, name) != before
    await asyncio.to_thread(require_needed, own_ledger, name)
    async with own_ledger.contract() as contract, asyncio.timeout(PATIENCE_S):
        await contract.submit("Put", key, "ordered under the new certificates")
    for stopped in stopped_orderers(own_ledger):
        own_ledger.start(stopped)


def shown_by(ledger: Ledger, name: str) -> str:
    """The certificate that an orderer shows to those who dial it."""
    orderer = next(orderer for _, orderer in ledger.consortium.orderers if orderer.name == name)
    return ssl.get_server_certificate((orderer.host, orderer.port))


def stopped_orderers(ledger: Ledger) -> list[str]:
    """The orderers that do not run."""
    return [name for name in ledger.orderers if processes.pid(ledger.run, name) is None]


def require_needed(ledger: Ledger, name: str) -> None:
    """Wait until an orderer takes part, and stop so many others that no block comes about without it."""
    if ledger.kind == "devnet":
        return
    organisation, orderer = next(each for each in ledger.consortium.orderers if each[1].name == name)
    admin = OrdererAdmin(ledger.consortium, folder_of(ledger.run, organisation.name).root, organisation, orderer)
    deadline = time.monotonic() + PATIENCE_S
    while not admin.is_consenter():
        assert time.monotonic() < deadline, "it does not take part"
        time.sleep(POLL_S)
    ledger.kill(next(each for each in ledger.orderers if each != name))


def test_the_audit_follows_a_channel_in_which_organisations_came_went_and_revoked(own_ledger: Ledger, tmp_path: Path):
    blocks = str(tmp_path / "blocks")
    assert audit(own_ledger, "fetch", "--out", blocks)[0] == 0
    code, verdict = audit(own_ledger, "verify", "--blocks", blocks, "--no-replay")
    assert (code, verdict["ok"], verdict["failures"]) == (5, True, [])


def join(own_ledger: Ledger, newcomer: Path, letters: Path) -> None:
    """Let the newcomer start its processes with what members handed it."""
    done(newcomer, "network", "import", *sorted(letters.glob("*.export")))
    done(newcomer, "network", "genesis", "--from", letters / "channel.block")
    done(newcomer, "org", "join")
