"""Organisations whose certificates come from a company's authority, two authorities below its root; TLS from another's.

hospital-b takes part with a peer, and the ordering organisation orders, under such chains.
"""

import json
from collections.abc import Iterator

import pytest
from cryptography import x509

from gateway.errors import EndorseError, EvaluateError
from network.ca.answers import bring
from network.errors import NetworkError
from network.identities import identities_of
from network.revocation import revoke
from network.topology import load_consortium
from tests.contract.harness.audit import audit
from tests.contract.harness.ledger import Ledger, endorse, running
from tests.corporate import Company, enrol

pytestmark = pytest.mark.timeout(300)
Companies = dict[str, tuple[Company, Company]]


@pytest.fixture(scope="module")
def companies() -> Companies:
    """The authorities for signatures and for TLS, by organisation."""
    names = ("hospital-b", "orderer")
    return {name: (Company.named(f"{name}'s company"), Company.named(f"{name}'s network")) for name in names}


@pytest.fixture(scope="module")
def chained(
    kind: str, ordering: str, companies: Companies, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Ledger]:
    run = tmp_path_factory.mktemp("chained") / "run"
    for name, both in companies.items():
        enrol(identities_of(load_consortium(), run, name), *both)
    with running(run, kind, ordering) as network:
        yield network


async def test_a_transaction_of_a_client_with_a_chain_is_endorsed_by_its_peer_ordered_and_committed(
    chained: Ledger, key: str
):
    async with chained.contract("hospital-b") as contract:
        endorsers = chained.msp_ids[: chained.threshold]
        assert "HospitalBMSP" in endorsers
        transaction = await endorse(contract, "Put", key, "value", endorsing_organizations=endorsers)
        submitted = await transaction.submit()
        assert (await submitted.status()).successful
    async with chained.contract("hospital-a") as other:
        assert await other.evaluate("Get", key) == b"value"


async def test_the_contract_sees_unit_and_attribute_of_a_node_with_a_chain(chained: Ledger):
    async with chained.contract("hospital-b", "node") as contract:
        seen = json.loads(await contract.evaluate("Creator"))
    assert (seen["msp_id"], seen["units"], seen["role"]) == ("HospitalBMSP", ["client"], "node")


def test_the_audit_follows_the_chains(chained: Ledger, tmp_path):
    blocks = str(tmp_path / "blocks")
    assert audit(chained, "fetch", "--out", blocks)[0] == 0
    code, verdict = audit(chained, "verify", "--blocks", blocks, "--no-replay")
    assert (code, verdict["ok"], verdict["failures"]) == (5, True, [])


async def test_a_certificate_that_the_company_revoked_is_turned_away_once_its_list_is_brought(
    chained: Ledger, companies: Companies, tmp_path, key: str
):
    hospital = identities_of(chained.consortium, chained.run, "hospital-b")
    signing, tls = companies["hospital-b"]
    admin = hospital.folder / "users" / "client"
    with pytest.raises(NetworkError, match="FL1016"):
        revoke(chained.consortium, chained.run, "hospital-b", "client")
    for company, path in ((signing, "msp/signcerts/cert.pem"), (tls, "tls/client.crt")):
        company.issuing.revoked.append(x509.load_pem_x509_certificate((admin / path).read_bytes()).serial_number)
    (tmp_path / "lists.pem").write_bytes(signing.issuing.list() + tls.issuing.list())
    bring(hospital, [tmp_path / "lists.pem"])
    assert revoke(chained.consortium, chained.run, "hospital-b", "client").changed
    async with chained.contract("hospital-b") as contract:
        with pytest.raises(EvaluateError):
            await contract.evaluate("Get", key, retry=False)
        with pytest.raises(EndorseError):
            await contract.submit("Put", key, "value", retry=False)
    async with chained.contract("hospital-b", "node") as contract:
        await contract.submit("Put", key, "value")
