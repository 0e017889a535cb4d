"""Connecting from the files that Fabric's tools hand out."""

import json
import sys

import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric import ec
from wire_keys import key_pem

from gateway import ConnectionProfile, connect, from_msp_folder


@pytest.fixture
def content(server, tls):
    """A profile as fabric-samples writes it, for the running peer."""
    return {
        "name": "test-network-org1",
        "version": "1.0.0",
        "client": {"organization": "Org1", "connection": {"timeout": {"peer": {"endorser": "300"}}}},
        "organizations": {
            "Org1": {"mspid": "Org1MSP", "peers": ["peer0.org1.example.com"], "certificateAuthorities": ["ca.org1"]},
            "Org2": {"mspid": "Org2MSP", "peers": ["peer0.org2.example.com"]},
        },
        "peers": {
            "peer0.org1.example.com": {
                "url": f"grpcs://127.0.0.1:{server}",
                "tlsCACerts": {"pem": tls.root.decode()},
                "grpcOptions": {"ssl-target-name-override": "localhost", "hostnameOverride": "localhost"},
            },
            "peer0.org2.example.com": {"url": "grpc://10.0.0.2:7051/"},
        },
    }


@pytest.fixture
def msp(tmp_path, user):
    """The folder of an identity; its keystore holds another key too."""
    identity, key = user
    for name, file, held in (
        ("signcerts", "cert.pem", identity.certificate),
        ("keystore", "0_sk", key_pem(ec.generate_private_key(ec.SECP256R1()))),
        ("keystore", "1_sk", key),
    ):
        (tmp_path / "msp" / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "msp" / name / file).write_bytes(held)
    return tmp_path / "msp"


@pytest.mark.parametrize("form", ["json", "yaml", "yaml with a list", "path"])
async def test_a_profile_and_an_msp_folder_are_enough_to_submit(content, msp, tls, tmp_path, form):
    peer = content["peers"]["peer0.org1.example.com"]
    if form == "path":
        (tmp_path / "tls").mkdir()
        (tmp_path / "tls" / "ca.pem").write_bytes(tls.root)
        peer["tlsCACerts"] = {"path": "tls/ca.pem"}
    elif form == "yaml with a list":
        peer["tlsCACerts"]["pem"] = [tls.root.decode()]
    file = tmp_path / "connection"
    file.write_text(yaml.safe_dump(content) if form.startswith("yaml") else json.dumps(content))
    profile = ConnectionProfile.load(file)
    identity, signer = from_msp_folder(msp, profile.msp_id)
    async with connect(profile.endpoints, identity, signer) as gateway:
        assert await gateway.network("channel").contract("basic").submit("Put") == b"Put"


def test_a_profile_names_organisation_scheme_and_server_name(content):
    own = ConnectionProfile.of(content)
    assert ("Org1MSP", "localhost", False) == (own.msp_id, own.endpoints[0].server_name, own.endpoints[0].plaintext)
    other = ConnectionProfile.of(content, "Org2")
    assert ("Org2MSP", "10.0.0.2:7051", True) == (
        other.msp_id,
        other.endpoints[0].address,
        other.endpoints[0].plaintext,
    )
    del content["client"], content["organizations"]["Org2"]
    assert own == ConnectionProfile.of(content)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda c: c.pop("organizations"), "no organizations"),
        (lambda c: c["client"].update(organization="Org3"), r"Org1, Org2.*'Org3'"),
        (lambda c: c.pop("client"), "name one of its organizations"),
        (lambda c: c["organizations"]["Org1"].pop("mspid"), "organizations.Org1 must hold mspid"),
        (lambda c: c["organizations"]["Org1"].update(peers=[]), "organizations.Org1 must hold mspid"),
        (lambda c: c["organizations"]["Org1"].update(peers=["gone"]), "no gone"),
        (lambda c: c["peers"]["peer0.org1.example.com"].pop("url"), "url must be grpcs://host:port"),
        (lambda c: c["peers"]["peer0.org1.example.com"].update(url="https://x:1"), "url must be grpcs://"),
        (lambda c: c["peers"]["peer0.org1.example.com"].update(url="grpcs://x"), "host:port"),
        (lambda c: c["peers"]["peer0.org1.example.com"].update(tlsCACerts={}), "tlsCACerts must hold pem or path"),
        (lambda c: c["peers"]["peer0.org1.example.com"]["tlsCACerts"].update(pem="x"), "no certificate in PEM"),
    ],
)
def test_what_is_wrong_with_a_profile_is_said_with_its_place(content, tmp_path, spoil, said):
    spoil(content)
    file = tmp_path / "connection.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=said) as caught:
        ConnectionProfile.load(file)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("text", ["", "[]", "{", "a: [", "peers"])
def test_what_is_no_profile_is_refused(tmp_path, text):
    file = tmp_path / "connection"
    file.write_text(text)
    with pytest.raises(ValueError, match="it is n"):
        ConnectionProfile.load(file)


def test_without_pyyaml_a_profile_in_yaml_says_what_to_install(content, tmp_path, monkeypatch):
    (tmp_path / "connection.yaml").write_text(yaml.safe_dump(content))
    monkeypatch.setitem(sys.modules, "yaml", None)
    with pytest.raises(ValueError, match="pyyaml"):
        ConnectionProfile.load(tmp_path / "connection.yaml")


def test_a_keystore_without_the_certificates_key_is_refused(msp):
    (msp / "keystore" / "1_sk").write_bytes(b"no key")
    with pytest.raises(ValueError, match=r"0_sk: another key; 1_sk: the private key cannot be read"):
        from_msp_folder(msp, "Org1MSP")
    (msp / "signcerts" / "second.pem").write_bytes(b"")
    with pytest.raises(ValueError, match="one certificate, not 2"):
        from_msp_folder(msp, "Org1MSP")
    with pytest.raises(ValueError, match="give the msp folder itself"):
        from_msp_folder(msp.parent, "Org1MSP")
