"""`fedledger ca`."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from network.ca.builtin import Authority
from network.ca.by_files import AwaitedError
from network.ca.choice import Choice, Choices
from network.ca.cli import ca
from network.ca.fabric_ca import FabricCa, Registrar
from network.ca.fabric_ca_client import FabricCaClient
from network.ca.interface import issue
from network.ca.subject import Subject
from network.ceremony_cli import org
from network.errors import NetworkError
from network.identities import identities_of
from network.topology import dump_consortium, load_consortium
from tests.corporate import Company


@pytest.fixture
def served(tmp_path: Path):
    """The command in a process of its own, with TLS; its address and its TLS root."""
    authority = Authority.create(tmp_path / "tlsca", "hospital-a", "tlsca.hospital-a")
    certificate, key = tmp_path / "server.crt", tmp_path / "server.key"
    issue(authority, Subject("ca.hospital-a", hosts=("localhost", "127.0.0.1")), key, certificate)
    (tmp_path / "secret").write_text("registrars-secret")
    program = [sys.executable, "-c", "from fl_node.cli import main; main()"]
    command = [*program, "ca", "serve", str(tmp_path / "authority"), "--port", "0"]
    command += ["--secret", str(tmp_path / "secret"), "--tls-certificate", str(certificate), "--tls-key", str(key)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "COLUMNS": "200"})
    assert process.stderr
    line = process.stderr.readline()
    yield line.rpartition(" ")[2].strip(), tmp_path / "tlsca" / "cert.pem"
    process.terminate()
    process.wait()
    process.stderr.close()


def test_the_served_authority_is_reached_over_tls_and_by_those_who_know_its_root_alone(served, tmp_path):
    url, root = served
    registrar = Registrar("admin", tmp_path / "secret")
    known = FabricCa(FabricCaClient(url, str(root)), tmp_path / "private", registrar)
    certificate = known.certify(Subject("client.hospital-a", "client"), ec.generate_private_key(ec.SECP256R1()))
    assert known.pool().chain(certificate)
    with pytest.raises(NetworkError, match="FL1090"):
        FabricCa(FabricCaClient(url), tmp_path / "other", registrar).require_ready()
    kept = [path.read_bytes() for path in (tmp_path / "authority").rglob("*") if path.is_file()]
    assert not any(b"registrars-secret" in content for content in kept)


def test_an_authority_is_not_served_to_other_machines_without_tls(tmp_path):
    (tmp_path / "secret").write_text("secret")
    arguments = ["serve", str(tmp_path / "authority"), "--secret", str(tmp_path / "secret"), "--host", "0.0.0.0"]
    result = CliRunner().invoke(ca, arguments)
    assert result.exit_code == 1
    assert "FL1092" in result.output
    assert not (tmp_path / "authority").exists()


def test_answers_are_imported_until_none_is_awaited(tmp_path):
    run, company = tmp_path / "run", Company.named("Clinic")
    consortium = load_consortium()
    hospital = identities_of(consortium, run, "hospital-a")
    Choices(tls=Choice("csr")).write(hospital.folder)
    (run / "consortium.yaml").write_text(dump_consortium(consortium))
    with pytest.raises(AwaitedError):
        hospital.create()
    requests = [path.read_bytes() for path in sorted((hospital.folder / "tlsca/requests").glob("*.csr"))]
    (tmp_path / "answers").mkdir()
    (tmp_path / "answers" / "first.pem").write_bytes(company.answer(requests[:2]))
    first = invoked("import", "hospital-a", str(tmp_path / "answers"), "--run", str(run))
    assert (len(first["answered"]), len(first["awaited"])) == (2, len(requests) - 2)
    (tmp_path / "answers" / "second.pem").write_bytes(company.answer(requests[2:]))
    second = invoked("import", "hospital-a", str(tmp_path / "answers"), "--run", str(run))
    assert second["awaited"] == []
    assert hospital.public.tls_revocations.exists()


def test_nothing_is_imported_for_an_organisation_whose_authorities_do_not_answer_by_files(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "consortium.yaml").write_text(dump_consortium(load_consortium()))
    (tmp_path / "answer.pem").write_bytes(Company.named("Clinic").chain)
    refused = invoked("import", "hospital-a", str(tmp_path / "answer.pem"), "--run", str(run))
    assert refused["error"]["code"] == "FL1015"


def invoked(*arguments: str):
    return json.loads(CliRunner().invoke(ca, [*arguments, "--json"]).stdout)


@pytest.mark.parametrize("tls_too", [False, True])
def test_a_whole_organisation_is_enrolled_at_a_fabric_ca(url, tmp_path, tls_too):
    (tmp_path / "secret").write_text("boot-secret")
    by_server = Choice("fabric-ca", url=url, registrar="boot", secret=str(tmp_path / "secret"))
    name = "hospital-b" if tls_too else "hospital-a"
    hospital = identities_of(load_consortium(), tmp_path / "run", name)
    Choices(by_server, by_server if tls_too else Choice()).write(hospital.folder)
    hospital.create()
    before = {path: path.read_bytes() for path in hospital.folder.rglob("*") if path.is_file()}
    identities_of(load_consortium(), tmp_path / "run", name).create()
    assert {path: path.read_bytes() for path in hospital.folder.rglob("*") if path.is_file()} == before
    keys = [each for each in before if each.name.endswith(("key.pem", ".key"))]
    assert all(serialization.load_pem_private_key(before[each], None) for each in keys)
    assert (hospital.public.msp / "crls/crl.pem").exists()


def test_an_administrators_key_is_not_kept_in_a_token(tmp_path):
    (tmp_path / "library.so").touch()
    arguments = ["token", "hospital-a", "admin", "--library", str(tmp_path / "library.so"), "--label", "fedledger"]
    assert invoked(*arguments, "--run", str(tmp_path / "run"))["error"]["code"] == "FL1015"
    assert not (tmp_path / "run").exists()


def test_an_organisation_begins_with_requests_and_goes_on_once_they_are_answered(tmp_path):
    run = tmp_path / "run"
    begin = ["init", "hospital-a", "--ca", "csr", "--run", str(run), "--json"]
    assert json.loads(CliRunner().invoke(org, begin).stdout)["error"]["code"] == "FL1093"
    company = Company.named("Clinic")
    requests = [path.read_bytes() for path in sorted(run.rglob("*.csr"))]
    (tmp_path / "answer.pem").write_bytes(company.answer(requests))
    assert invoked("import", "hospital-a", str(tmp_path / "answer.pem"), "--run", str(run))["awaited"] == []
    assert json.loads(CliRunner().invoke(org, begin).stdout)["organisation"] == "hospital-a"
    other = json.loads(CliRunner().invoke(org, [*begin[:2], "--ca", "builtin", *begin[4:]]).stdout)
    assert other["error"]["code"] == "FL1015"
