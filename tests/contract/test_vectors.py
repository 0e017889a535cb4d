"""Some of the measured answers of tests/vectors/fabric, asked again of the network that runs.

Reads and ranges that conflict are asked in test_state.py and test_validation.py.
"""

from collections.abc import Callable
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, utils
from fabric_protos.msp import identities_pb2, msp_config_pb2

from gateway import Identity, Signer
from gateway.errors import EvaluateError
from gateway.signatures import ORDERS
from network.blocking import finish
from network.errors import NetworkError
from network.folders import public_parts
from tests.contract.harness.channel import admin_of, change, with_organisation
from tests.contract.harness.ledger import Ledger
from tests.contract.harness.people import Person
from tests.contract.harness.wire import private_pem
from tests.vectors.fabric.load import load
from tests.vectors.fabric.people import key_of

IDENTITIES = {case["name"]: case for case in load("identities")}
SIGNATURES = {case["name"]: case for case in load("signatures")}
ASKED = [
    "revocation: no list",
    "revocation: a list with the authority's key identifier",
    "revocation: a list with another key identifier",
    "revocation: a list without key identifier",
    "revocation: a list without key identifier that names somebody else",
    "revocation: a list that names another issuer",
    "revocation: a list that another key signed",
    "revocation below an intermediate: the intermediate's own list",
    "revocation below an intermediate: the root's list of the same serial number",
    "chain: from an intermediate",
    "chain: from the lower of two intermediates",
    "chain: from a root that has an intermediate",
    "chain: an intermediate that two roots signed",
    "authority: begins after the certificate",
    "certificate: usable by clients",
    "certificate: an unknown critical extension",
    "roles: ['client']",
    "roles: ['admin']",
    "roles: []",
    "roles: ['client', 'peer']",
    "roles: ['research', 'peer']",
    "a unit from another authority",
    "a unit that everybody needs: ['client']",
    "certificate: with a high s",
    "pem: text before it",
    "pem: labels that differ",
    "pem: a broken block before it",
]
REFUSED = [
    "revocation below an intermediate: the root's list of the intermediate",
    "chain: the upper intermediate is missing",
    "authority: without key identifier",
    "named as admin: ['peer']",
]


def msp_id_of(name: str) -> str:
    """The MSP id under which a case's organisation joins the channel."""
    return f"Vector{[*ASKED, *REFUSED].index(name)}MSP"


def with_case(config: Any, name: str, tls_authority: bytes) -> Any:
    """A Config with one more organisation, that of a case under an id of its own."""
    inner = msp_config_pb2.FabricMSPConfig.FromString(bytes.fromhex(IDENTITIES[name]["msp"]))
    changed = with_organisation(config, "RegulatorMSP", msp_id_of(name), inner.root_certs[0], tls_authority)
    value = changed.channel_group.groups["Application"].groups[msp_id_of(name)].values["MSP"]
    inner.name = msp_id_of(name)
    inner.tls_root_certs.append(tls_authority)
    value.value = msp_config_pb2.MSPConfig(config=inner.SerializeToString(deterministic=True)).SerializeToString()
    return changed


def person_of(name: str) -> Person:
    """The identity of a case; its key follows from the certificate's name."""
    raw = identities_pb2.SerializedIdentity.FromString(bytes.fromhex(IDENTITIES[name]["identity"])).id_bytes
    common_name = "user"
    if name.startswith(("roles", "a unit", "chain", "certificate: u", "certificate: an")):
        (attribute,) = x509.load_pem_x509_certificate(raw).subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        common_name = str(attribute.value)
    elif "below an intermediate" in name:
        common_name = "below"
    return Identity(msp_id_of(name), raw), Signer.from_pem(private_pem(key_of(common_name)))


async def accepted(ledger: Ledger, person: Person) -> bool:
    """Whether a peer runs a query for somebody."""
    async with ledger.gateway(identity=person) as gateway:
        try:
            await ledger.contract_of(gateway).evaluate("Get", "any", retry=False)
        except EvaluateError as error:
            return error.chaincode_code is not None
    return True


@pytest.fixture(scope="module")
def joined(own_ledger: Ledger) -> Ledger:
    """The network with the organisations of all cases in its channel."""
    finish(join(own_ledger, ASKED))
    return own_ledger


async def join(ledger: Ledger, names: list[str]) -> None:
    """Add the organisations of cases to the channel, in one change."""
    async with admin_of(ledger, "hospital-a") as admin:
        config = await admin.config()
    changed = config
    for name in names:
        changed = with_case(changed, name, public_parts(ledger.run, "regulator").tls_root.read_bytes())
    await change(ledger, config, changed, ledger.members[: ledger.threshold])


@pytest.mark.parametrize("name", ASKED)
async def test_a_peer_takes_the_identities_that_it_took_when_they_were_measured(joined: Ledger, name: str):
    assert await accepted(joined, person_of(name)) == IDENTITIES[name]["answer"]["valid"]


@pytest.mark.parametrize("name", REFUSED)
async def test_the_orderers_refuse_the_organisations_that_no_peer_took(joined: Ledger, name: str):
    assert not IDENTITIES[name]["answer"]["setup"]
    with pytest.raises(NetworkError) as caught:
        await join(joined, [name])
    assert caught.value.code == "FL1061"


def _numbers(signature: bytes, *more: int) -> bytes:
    """The numbers of a signature, and others behind them, in a DER sequence."""
    content = b""
    for number in (*utils.decode_dss_signature(signature), *more):
        raw = number.to_bytes(number.bit_length() // 8 + 1, "big")
        content += b"\x02" + bytes([len(raw)]) + raw
    return b"\x30" + bytes([len(content)]) + content


def _high(signature: bytes) -> bytes:
    r, s = utils.decode_dss_signature(signature)
    return utils.encode_dss_signature(r, ORDERS[ec.SECP256R1.name] - s)


WRITTEN: dict[str, Callable[[bytes], bytes]] = {
    "P-256: low s": lambda signature: signature,
    "P-256: high s": _high,
    "P-256: bytes behind it": lambda signature: signature + b"\0\0",
    "P-256: a third number": lambda signature: _numbers(signature, 1),
    "P-256: a length in the long form": lambda signature: b"\x30\x81" + signature[1:],
    "P-256: cut short": lambda signature: signature[:-1],
    "P-256: nothing": lambda _: b"",
}


@pytest.mark.parametrize("name", WRITTEN)
async def test_a_peer_takes_the_signatures_that_it_took_when_they_were_measured(ledger: Ledger, name: str):
    client = ledger.user()
    signer = Signer.from_pem(client.key_pem)
    changed = Signer(sign=lambda digest: WRITTEN[name](signer.sign(digest)))
    person = Identity(client.msp_id, client.cert_pem), changed
    assert await accepted(ledger, person) == SIGNATURES[name]["answer"]["valid"]
