"""The doctor of an organisation: each finding is caused, named by its code, and gone once its mend was followed."""

import datetime as dt
import json
import shutil
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from typer.testing import CliRunner

from fl_node.commands.application import application
from fl_node.doctor import organisation
from fl_node.doctor.doctor import examine
from fl_node.node.config import NodeConfig
from network import runfolder
from network.bringup import plan_of
from network.folders import definition_path, folder_of
from network.organisation import here
from network.package import locked, write_lock
from network.topology import load_consortium
from tests.following import follow
from tests.ports import free_ports
from tests.unit.network.own_folder import own_folder

NAME = "hospital-a"
PEER = "secrets/peers/peer0"


@pytest.fixture(scope="module")
def everybody(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Everybody's run folder, of a network that does not run."""
    base = tmp_path_factory.mktemp("everybody")
    consortium = load_consortium().model_validate(
        {"base_port": free_ports(), "organisations": [{"name": "orderer", "role": "orderer", "orderers": 1}]
         + [{"name": f"hospital-{letter}", "role": "member"} for letter in "abc"]}
    )  # fmt: skip
    runfolder.prepare(base / "run", consortium)
    program = base / "chaincode-0123456789abcdef"
    program.write_bytes(b"a program")
    for _, folder in here(base / "run", consortium):
        write_lock(folder.root, locked(consortium, program))
        plan_of("devnet", consortium, folder.root, program).write(folder.root)
    return base / "run"


@pytest.fixture
def own(everybody: Path, tmp_path: Path) -> Path:
    return own_folder(everybody, NAME, tmp_path / "own")


async def found(own: Path) -> dict[str, organisation.Finding]:
    """What the doctor says, by check; addresses are silent here and have a test of their own."""
    findings = [finding async for finding in organisation.examine_organisation(own, NAME)]
    assert all(finding.mend for finding in findings if finding.code), "every finding says what to do"
    return {f.check: f for f in findings if not f.check.startswith("address")}


def codes(findings: dict[str, organisation.Finding]) -> dict[str, str]:
    """What is wrong beside the peer, which does not run here."""
    assert findings["channel"].code == "FL1060"
    return {name: finding.code for name, finding in findings.items() if finding.code and name != "channel"}


@contextmanager
def moved(path: Path) -> Iterator[None]:
    """A file that is not there for a while."""
    aside = path.with_name("aside")
    path.rename(aside)
    yield
    aside.rename(path)


async def test_a_sound_folder_has_no_finding(own):
    findings = await found(own)
    assert codes(findings) == {}
    assert {"keys", "disk", "clock", "program", f"certificates of peer-{NAME}"} <= findings.keys()


async def test_a_key_that_lacks_is_named_and_restoring_it_mends(own):
    with moved(own / PEER / "tls" / "server.key"):
        findings = await found(own)
        assert codes(findings)["keys"] == "FL1081"
        assert str(own / PEER / "tls" / "server.key") in findings["keys"].message
    assert codes(await found(own)) == {}


async def test_another_organisations_key_is_named_and_removing_it_mends(own, everybody):
    foreign = own / "notes.pem"
    shutil.copy(folder_of(everybody, "hospital-b").user("admin") / "msp/keystore/key.pem", foreign)
    findings = await found(own)
    assert codes(findings) == {"keys": "FL1080"}
    assert "of none of its own identities" in findings["keys"].message
    foreign.unlink()
    assert codes(await found(own)) == {}


async def test_a_certificate_of_another_key_is_named_and_restoring_mends(own):
    certificate = own / PEER / "tls" / "server.crt"
    right = certificate.read_bytes()
    certificate.write_bytes((folder_of(own, NAME).chaincode() / "server.crt").read_bytes())
    assert codes(await found(own)) == {f"certificates of peer-{NAME}": "FL4002"}
    certificate.write_bytes(right)
    assert codes(await found(own)) == {}


def reissued(own: Path, certificate: Path, days: int) -> bytes:
    """The same certificate for the same key, ending so many days from now."""
    old = x509.load_pem_x509_certificate(certificate.read_bytes())
    authority = "tlsca" if certificate.suffix == ".crt" else "ca"
    key = load_pem_private_key((folder_of(own, NAME).secrets / authority / "key.pem").read_bytes(), None)
    now = dt.datetime.now(dt.UTC)
    builder = x509.CertificateBuilder(old.issuer, old.subject, old.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - dt.timedelta(days=400)).not_valid_after(now + dt.timedelta(days=days))
    for extension in old.extensions:
        builder = builder.add_extension(extension.value, critical=extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)  # type: ignore[arg-type]


ENDING = pytest.mark.parametrize(("days", "code", "status"), [(-1, "FL4003", "error"), (10, "FL4012", "warning")])


@ENDING
@pytest.mark.parametrize("identity", ["peers/peer0/tls/server.crt", "peers/peer0/msp/signcerts/cert.pem"])
async def test_a_certificate_that_ends_is_named_and_following_the_hint_mends(own, days, code, status, identity):
    certificate = own / "secrets" / identity
    certificate.write_bytes(reissued(own, certificate, days))
    finding = (await found(own))[f"certificates of peer-{NAME}"]
    assert (finding.code, finding.status) == (code, status)
    assert str(certificate) in finding.message
    follow(finding.mend, own)
    assert codes(await found(own)) == {}


@ENDING
async def test_a_nodes_certificate_that_ends_is_named_and_following_the_hint_mends(own, days, code, status):
    certificate = folder_of(own, NAME).user("node") / "msp" / "signcerts" / "cert.pem"
    config = NodeConfig(own, NAME, None)

    async def seen() -> dict[str, tuple[str, str, str]]:
        examined = [f async for f in examine(config)]
        return {f.check: (f.code, f.status, f.mend) for f in examined if f.check in {"identity", "renewal"}}

    certificate.write_bytes(reissued(own, certificate, days))
    (wrong,) = (each for each in (await seen()).values() if each[0])
    assert wrong[:2] == (code, status)
    follow(wrong[2], own)
    assert {each[0] for each in (await seen()).values()} == {""}


async def test_another_program_than_the_locked_one_is_named_and_putting_it_back_mends(own):
    plan = json.loads((own / "network.json").read_text())
    program = own / "program"
    program.write_bytes(b"another program")
    plan["processes"][f"chaincode-{NAME}"]["command"] = [str(program)]
    (own / "network.json").write_text(json.dumps(plan))
    assert codes(await found(own)) == {"program": "FL4016"}
    program.unlink()
    assert codes(await found(own)) == {"program": "FL4016"}
    program.write_bytes(b"a program")
    assert codes(await found(own)) == {}


async def test_a_disk_without_room_is_named(own, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(organisation, "RESERVE", 1 << 62)
    assert codes(await found(own)) == {"disk": "FL4007"}


@contextmanager
def served(certificate: Path, key: Path, port: int) -> Iterator[None]:
    """Something that speaks TLS at a port, as long as the test lasts."""
    import socket
    import threading

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    with socket.create_server(("127.0.0.1", port)) as listener:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                connection.settimeout(60)
                try:
                    context.wrap_socket(connection, server_side=True).close()
                except OSError:
                    connection.close()

        thread = threading.Thread(target=answer, daemon=True)
        thread.start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


async def test_an_address_is_dialled_and_its_certificate_looked_at(own, everybody):
    port = load_consortium(definition_path(own)).organisation(NAME).peer.port

    async def seen() -> tuple[str, str]:
        every = [f async for f in organisation.examine_organisation(own, NAME) if f.check == f"address of {NAME}"]
        findings = [f for f in every if str(port) in f.message]
        return findings[0].status, findings[0].code

    assert await seen() == ("error", "FL4014")
    other = folder_of(everybody, "hospital-b").peer() / "tls"
    with served(other / "server.crt", other / "server.key", port):
        assert await seen() == ("error", "FL4015")
    with served(own / PEER / "tls" / "server.crt", own / PEER / "tls" / "server.key", port):
        assert await seen() == ("ok", "")


async def test_what_others_do_not_answer_is_a_warning_that_names_whom_to_tell(own):
    findings = [f async for f in organisation.examine_organisation(own, NAME) if f.check == "address of hospital-b"]
    assert {(f.status, f.code) for f in findings} == {("warning", "FL4014")}
    assert all(f.mend.startswith("Tell hospital-b: ") for f in findings)


def test_the_command_prints_the_findings_and_ends_with_4(own):
    app = application(("doctor",))
    result = CliRunner().invoke(app, ["doctor", "--org", NAME, "--run", str(own), "--json"])
    assert result.exit_code == 4
    assert {"keys", f"address of {NAME}"} <= {finding["check"] for finding in json.loads(result.stdout)}
