"""Whom a blob service answers, and whom its client takes for the organisation that it means."""

import shutil
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from fl_node.blobs import tls
from fl_node.blobs.client import BlobClient
from fl_node.blobs.service import BlobService
from fl_node.blobs.service import serve as serve_blobs
from fl_node.blobs.store import BlobStore
from fl_node.errors import NodeError
from network import runfolder
from network.ca.builtin import Authority
from network.ca.interface import issue
from network.ca.subject import Subject
from network.directory import Believed
from network.folders import folder_of, public_parts
from network.identities import identities_of
from network.topology import Consortium
from tests.believing import channel_of
from tests.corporate import Company, enrol
from tests.unit.blobs.test_service import DATA, DIGEST, OWNER, serving


def der(path: Path) -> bytes:
    return x509.load_pem_x509_certificate(path.read_bytes()).public_bytes(Encoding.DER)


@pytest.fixture
def copy(run: Path, tmp_path: Path) -> Path:
    """A run folder of one's own, to revoke in."""
    return Path(shutil.copytree(run, tmp_path / "run"))


async def test_a_service_under_another_organisations_certificate_is_not_spoken_to(
    run: Path, consortium: Consortium, tmp_path: Path
):
    """hospital-b's authority issues a certificate for the very host of hospital-a: it stays hospital-b's."""
    store = BlobStore(tmp_path / "store")
    impostor = BlobService(store, tls.Trust(lambda: consortium, channel_of(run)))
    organisation = consortium.organisation(OWNER)
    assert organisation.blob_port
    context = tls.serving(run, "hospital-b", channel_of(run))
    runner = await serve_blobs(impostor, organisation.host, organisation.blob_port, context)
    url = f"https://{organisation.host}:{organisation.blob_port}"
    contexts = tls.calling(run, "hospital-c", "client", channel_of(run))
    async with BlobClient({OWNER: url}, contexts) as client, BlobClient({"hospital-b": url}, contexts) as knowing:
        assert (await client.healthy(OWNER), await knowing.healthy("hospital-b")) == (False, True)
        with pytest.raises(NodeError) as caught:
            await client.push(OWNER, DIGEST, DATA, attempts=1)
    await runner.cleanup()
    assert (caught.value.code, store.size(DIGEST)) == ("FL4008", None)


async def test_a_revoked_certificate_neither_reads_nor_writes_from_then_on(
    copy: Path, consortium: Consortium, tmp_path: Path
):
    store, believed = BlobStore(tmp_path / "store"), channel_of(copy)
    mine = identities_of(consortium, copy, "hospital-b")
    async with (
        serving(copy, consortium, store, believed=believed) as url,
        BlobClient({OWNER: url}, tls.calling(copy, "hospital-b", "client", channel_of(copy))) as client,
        BlobClient({OWNER: url}, tls.calling(copy, "hospital-b", "admin", channel_of(copy))) as other,
    ):
        await client.push(OWNER, DIGEST, DATA)
        certificate = x509.load_pem_x509_certificate((mine.folder / "users/client/tls/client.crt").read_bytes())
        mine.tls.revoke(certificate, public_parts(copy, "hospital-b").tls_revocations)
        assert await client.get(DIGEST) == DATA, "no file decides, the channel does"
        believed.learn(channel_of(copy).directory)
        assert await client.get(DIGEST) is None
        with pytest.raises(NodeError) as caught:
            await client.push(OWNER, "ab" * 32, DATA, attempts=1)
        assert await other.get(DIGEST) == DATA
    assert caught.value.code == "FL4705"


def test_a_list_that_is_not_there_does_not_mean_that_nobody_is_revoked(copy: Path, consortium: Consortium):
    mine, theirs = (
        der(folder_of(copy, name).user("client") / "tls" / "client.crt") for name in ("hospital-a", "hospital-b")
    )
    public_parts(copy, "hospital-a").tls_revocations.unlink()
    trust = tls.Trust(lambda: consortium, channel_of(copy))
    with pytest.raises(NodeError, match="FL4705: the channel has no list of the TLS certificates that hospital-a"):
        trust.organisation(mine)
    assert trust.organisation(theirs) == "hospital-b"


def test_a_list_that_another_organisation_signed_is_refused(copy: Path, consortium: Consortium):
    theirs, mine = (identities_of(consortium, copy, name) for name in ("hospital-b", "hospital-a"))
    believed = channel_of(copy)
    trust = tls.Trust(lambda: consortium, believed)
    certificate = der(mine.folder / "users/client/tls/client.crt")
    assert trust.organisation(certificate) == "hospital-a"
    their_client = x509.load_der_x509_certificate(der(theirs.folder / "users/client/tls/client.crt"))
    theirs.tls.revoke(their_client, public_parts(copy, "hospital-a").tls_revocations)
    believed.learn(channel_of(copy).directory)
    with pytest.raises(NodeError, match="the channel has no list"):
        trust.organisation(certificate)


async def test_nobody_is_known_before_the_channel_was_read_and_who_is_in_it_is_from_then_on(
    copy: Path, consortium: Consortium, tmp_path: Path
):
    believed = Believed()
    store = BlobStore(tmp_path / "store")
    certificate = der(folder_of(copy, "hospital-b").user("client") / "tls" / "client.crt")
    async with (
        serving(copy, consortium, store, believed=believed) as url,
        BlobClient({OWNER: url}, tls.calling(copy, "hospital-b", "client", channel_of(copy))) as client,
        BlobClient({OWNER: url}, tls.calling(copy, "hospital-b", "client", Believed())) as unread,
    ):
        assert not await client.healthy(OWNER)
        with pytest.raises(NodeError, match="FL4705: the channel's configuration was not read yet"):
            tls.Trust(lambda: consortium, believed).organisation(certificate)
        believed.learn(channel_of(copy).directory)
        assert (await client.healthy(OWNER), await unread.healthy(OWNER)) == (True, False)
        left = {name: known for name, known in (channel_of(copy).directory or {}).items() if name != "hospital-b"}
        believed.learn(left)
        assert not await client.healthy(OWNER), "a connection that was open is refused too"


async def test_a_service_whose_certificate_is_revoked_is_not_spoken_to(
    copy: Path, consortium: Consortium, tmp_path: Path
):
    believed = channel_of(copy)
    async with (
        serving(copy, consortium, BlobStore(tmp_path / "store")) as url,
        BlobClient({OWNER: url}, tls.calling(copy, "hospital-b", "client", believed)) as client,
    ):
        assert await client.healthy(OWNER)
        mine = identities_of(consortium, copy, OWNER)
        shown = x509.load_pem_x509_certificate((mine.folder / "blobs" / "server.crt").read_bytes())
        mine.tls.revoke(shown, public_parts(copy, OWNER).tls_revocations)
        believed.learn(channel_of(copy).directory)
        assert "hospital-a has revoked this certificate" in await client.problem(OWNER)


@pytest.mark.parametrize("server", ["peers/peer0/tls/server.crt", "chaincode/server.crt"])
def test_a_servers_certificate_is_no_users(run: Path, consortium: Consortium, server: str):
    with pytest.raises(NodeError, match="not a user's") as caught:
        tls.Trust(lambda: consortium, channel_of(run)).organisation(der(folder_of(run, "hospital-b").secrets / server))
    assert caught.value.code == "FL4705"


def test_what_is_remembered_of_certificates_is_bounded(
    copy: Path, consortium: Consortium, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(tls, "MOST_SEEN", 4)
    trust = tls.Trust(lambda: consortium, channel_of(copy))
    authority = Authority(folder_of(copy, "hospital-b").secrets / "tlsca")
    for number in range(10):
        paths = copy / f"{number}.key", copy / f"{number}.crt"
        issue(authority, Subject(f"user{number}.hospital-b"), *paths)
        assert trust.organisation(der(paths[1])) == "hospital-b"
        assert len(trust._seen) <= 4


@pytest.fixture
def department(copy: Path, consortium: Consortium) -> Company:
    """The TLS authority of hospital-b: two authorities below the root of a company. Hospital-c's is another's below it.

    Their certificates are the company's from now on.
    """
    signing, tls = Company.named("Clinics"), Company.named("Clinics' network")
    below = {"hospital-b": tls, "hospital-c": Company.named("Annex", tls.root)}
    for name, company in below.items():
        hospital = identities_of(consortium, copy, name)
        shutil.rmtree(hospital.folder)
        enrol(hospital, signing, company)
    exported(copy, consortium)
    return tls


def exported(copy: Path, consortium: Consortium) -> None:
    """Let every organisation have the others' newest parts."""
    runfolder.exchange([folder_of(copy, o.name) for o in consortium.organisations], consortium)


async def test_a_chain_with_two_intermediates_is_as_good_as_a_root_until_its_list_names_the_certificate(
    copy: Path, consortium: Consortium, tmp_path: Path, department: Company
):
    store, believed = BlobStore(tmp_path / "store"), channel_of(copy)
    public = public_parts(copy, "hospital-b")
    async with (
        serving(copy, consortium, store, believed=believed) as url,
        BlobClient({OWNER: url}, tls.calling(copy, "hospital-b", "client", channel_of(copy))) as client,
        BlobClient({OWNER: url}, tls.calling(copy, "hospital-b", "admin", channel_of(copy))) as other,
    ):
        await client.push(OWNER, DIGEST, DATA)
        certificate = x509.load_pem_x509_certificate(
            (folder_of(copy, "hospital-b").user("client") / "tls/client.crt").read_bytes()
        )
        department.issuing.revoked.append(certificate.serial_number)
        public.tls_revocations.write_bytes(department.issuing.list())
        believed.learn(channel_of(copy).directory)
        assert await client.get(DIGEST) is None
        assert await other.get(DIGEST) == DATA


async def test_who_serves_under_a_chain_is_spoken_to_and_another_under_the_same_root_is_not(
    copy: Path, consortium: Consortium, tmp_path: Path, department: Company
):
    service = BlobService(BlobStore(tmp_path / "store"), tls.Trust(lambda: consortium, channel_of(copy)))
    organisation = consortium.organisation(OWNER)
    assert organisation.blob_port
    context = tls.serving(copy, "hospital-b", channel_of(copy))
    runner = await serve_blobs(service, organisation.host, organisation.blob_port, context)
    url = f"https://{organisation.host}:{organisation.blob_port}"
    async with BlobClient(
        {"hospital-b": url, "hospital-c": url}, tls.calling(copy, OWNER, "client", channel_of(copy))
    ) as client:
        assert (await client.healthy("hospital-b"), await client.healthy("hospital-c")) == (True, False)
    await runner.cleanup()


def test_a_certificate_of_an_authority_that_two_organisations_share_is_nobodys(
    copy: Path, consortium: Consortium, department: Company
):
    certificate = der(folder_of(copy, "hospital-b").user("client") / "tls/client.crt")
    assert tls.Trust(lambda: consortium, channel_of(copy)).organisation(certificate) == "hospital-b"
    shutil.rmtree(folder_of(copy, "hospital-c").secrets)
    enrol(identities_of(consortium, copy, "hospital-c"), Company.named("Clinics"), department)
    exported(copy, consortium)
    with pytest.raises(NodeError, match="FL4705: hospital-b and hospital-c share an authority"):
        tls.Trust(lambda: consortium, channel_of(copy)).organisation(certificate)
