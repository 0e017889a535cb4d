"""The dashboard over HTTP: headers, who may see it, pages of any story, search, what the script polls."""

import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, TCPConnector
from aiohttp.test_utils import TestClient, TestServer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from audit.report.dashboard.app import application, url
from audit.report.dashboard.guard import COOKIE, DashboardError, Guard, read_token, tls
from audit.report.dashboard.live import live_rounds
from audit.report.dashboard.search import search
from audit.report.dashboard.watch import Snapshot
from audit.report.render import verdict_view
from audit.verify.verdict import Unchecked, Verdict

TOKEN = "0123456789abcdef" * 2
PAGES = (
    "/",
    "/trainings",
    "/training/tumour",
    "/round/tumour/1/1",
    "/model/tumour/4",
    "/members",
    "/votes",
    "/flags",
    "/verifier",
    "/search",
)


def snapshot(story: dict[str, Any]) -> Snapshot:
    return Snapshot(story, verdict_view(Verdict(channel="fedchannel", height=9, transactions=12)), 1)


@pytest.mark.parametrize("page", PAGES)
async def test_every_page_says_at_its_head_what_was_not_checked(story: dict[str, Any], page: str) -> None:
    verdict = Verdict(channel="fedchannel", height=9, transactions=12)
    verdict.leave(Unchecked.LATER_BLOCKS)
    app = application(lambda: Snapshot(story, verdict_view(verdict), 1), Guard())
    async with TestClient(TestServer(app)) as opened:
        text = await (await opened.get(page)).text()
    assert "OK, with 1 thing not checked" in text.partition("</header>")[0]


def test_a_page_is_shown_anew_when_something_more_is_left_unchecked(story: dict[str, Any]) -> None:
    verdict = Verdict(height=9)
    before = Snapshot(story, verdict_view(verdict)).version
    verdict.leave(Unchecked.LATER_BLOCKS)
    assert Snapshot(story, verdict_view(verdict)).version != before


@pytest.fixture
async def client(story: dict[str, Any]) -> AsyncIterator[TestClient]:  # type: ignore[type-arg]
    app = application(lambda: snapshot(story), Guard())
    async with TestClient(TestServer(app)) as opened:
        yield opened


@pytest.mark.parametrize("page", PAGES)
async def test_pages_bring_no_inline_script_or_style(client: TestClient, page: str) -> None:  # type: ignore[type-arg]
    answer = await client.get(page)
    text = await answer.text()
    assert answer.status == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert " style=" not in text
    assert "<style" not in text
    assert text.count("<script") == text.count('<script src="/static/live.js"') == 1


@pytest.mark.parametrize(
    "page",
    ["/nothing", "/training/none", "/round/tumour/99/1", "/model/tumour/3", "/model/tumour/x", "/static/../app.py"],
)
async def test_what_is_not_there_is_said_so(client: TestClient, page: str) -> None:  # type: ignore[type-arg]
    answer = await client.get(page)
    assert answer.status == 404
    assert "Content-Security-Policy" in answer.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_nothing_can_be_written(client: TestClient, method: str) -> None:  # type: ignore[type-arg]
    assert (await client.request(method, "/members")).status == 405


async def test_another_host_name_does_not_reach_this_machine(client: TestClient) -> None:  # type: ignore[type-arg]
    for host in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", ""):
        assert (await client.get("/", headers={"Host": host})).status == 403
    for host in ("localhost", "localhost:8440", "127.0.0.1:8440", "[::1]:8440"):
        assert (await client.get("/", headers={"Host": host})).status == 200


async def test_a_chart_is_part_of_its_page_and_takes_the_pages_colours(client: TestClient) -> None:  # type: ignore[type-arg]
    text = await (await client.get("/training/tumour")).text()
    assert 'aria-label="Loss by round: loss from 0.2500 in round 1 to 0.2500 in round 4"' in text
    assert 'class="line-s1"' in text
    assert "url(#c" in text
    assert "#00000" not in text


async def test_hostile_names_stay_text(story: dict[str, Any]) -> None:
    story["proposals"][0]["reason"] = "<script>alert(1)</script>"
    story["channel"] = "<b>channel</b>"
    async with TestClient(TestServer(application(lambda: snapshot(story), Guard()))) as client:
        text = await (await client.get("/votes")).text()
        assert "&lt;script&gt;alert(1)" in text
        assert "<b>channel" not in text
        text = await (await client.get("/search", params={"q": '"><script>alert(1)</script>'})).text()
        assert "<script>alert" not in text


async def test_the_script_is_told_what_changes(client: TestClient) -> None:  # type: ignore[type-arg]
    live = await (await client.get("/live.json")).json()
    assert (live["height"], live["verdict"], live["problem"]) == (9, "OK", "")
    assert [sorted(round_) for round_ in live["rounds"]] == [["href", "mark", "name", "phase", "present", "remaining"]]


def test_a_round_under_way_shows_who_is_present_and_the_time_left(story: dict[str, Any]) -> None:
    one = story["trainings"][0]["rounds"][-1]
    one |= {"phase": "Updates", "deadline_ms": 65_000, "updates": {"hospital-a": {}}}
    (row,) = live_rounds(story, 60_000, url)
    assert (row["phase"], row["present"], row["remaining"]) == ("Updates", "1 of 4", "5 s")
    (late,) = live_rounds(story, 70_000, url)
    assert late["remaining"] == "past its deadline"


async def test_with_a_token_nothing_shows_before_it_is_given(story: dict[str, Any]) -> None:
    async with TestClient(TestServer(application(lambda: snapshot(story), Guard(TOKEN)))) as client:
        turned = await client.get("/members", allow_redirects=False)
        assert (turned.status, turned.headers["Location"]) == (303, "/login")
        assert (await client.get("/live.json")).status == 403
        page = await (await client.get("/login")).text()
        assert "fedchannel" not in page
        assert (await client.post("/login", data={"token": "wrong"}, allow_redirects=False)).status == 403
        answer = await client.post("/login", data={"token": TOKEN}, allow_redirects=False)
        cookie = answer.headers["Set-Cookie"]
        assert all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=Strict"))
        assert TOKEN not in cookie
        session = {"Cookie": f"{COOKIE}={answer.cookies[COOKIE].value}"}
        assert (await client.get("/members", headers=session)).status == 200
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert (await client.get("/live.json", headers=bearer)).status == 200


def test_other_addresses_need_a_token_and_tls() -> None:
    assert tls("127.0.0.1", "", None, None) is None
    assert tls("::1", "", None, None) is None
    with pytest.raises(DashboardError, match="FL5120"):
        tls("a-name.example", "", None, None)
    for token in ("", TOKEN):
        with pytest.raises(DashboardError, match="FL5120"):
            tls("0.0.0.0", token, None, None)


async def test_served_over_tls_with_its_own_certificate(story: dict[str, Any], tmp_path: Path) -> None:
    certificate, key = _certificate(tmp_path)
    context = tls("0.0.0.0", TOKEN, certificate, key)
    assert context is not None
    server = TestServer(application(lambda: snapshot(story), Guard(TOKEN)), scheme="https")
    await server.start_server(ssl=context)
    trusting = ssl.create_default_context(cafile=str(certificate))
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    address = f"https://localhost:{server.port}/members"
    async with (
        ClientSession(connector=TCPConnector(ssl=trusting)) as session,
        session.get(address, headers=bearer) as answer,
    ):
        assert answer.status == 200
    await server.close()


def _certificate(folder: Path) -> tuple[Path, Path]:
    """Write a certificate of this machine's own, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "cert.pem").write_bytes(made.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(private)
    return folder / "cert.pem", folder / "key.pem"


def test_a_token_that_others_can_read_or_guess_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "token"
    for content, mode in ((TOKEN, 0o644), ("short", 0o600)):
        path.write_text(content)
        path.chmod(mode)
        with pytest.raises(DashboardError, match="FL5121"):
            read_token(path)
    with pytest.raises(DashboardError, match="FL5121"):
        read_token(tmp_path / "none")
    path.write_text(f"{TOKEN}\n")
    assert read_token(path) == TOKEN


def test_search_finds_names_and_digests(story: dict[str, Any]) -> None:
    (training,) = story["trainings"]
    by_digest = search(story, training["lineage"]["state"][:16].upper(), url)
    final = training["lineage"]["steps"][-1]
    assert by_digest[0]["href"] == f"/round/tumour/{final['round']}/{final['attempt']}"
    assert search(story, "hospital-a", url)[0] == {
        "text": "hospital-a",
        "kind": "participant",
        "href": "/members#participant-hospital-a",
    }
    event = story["events"][-1]
    assert search(story, event["txid"], url)[0]["text"] == f"{event['name']} in block {event['block']}"
    assert search(story, "   ", url) == search(story, "ff" * 40, url) == []
