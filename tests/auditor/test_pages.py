"""Report and dashboard in a real Chromium, at the width of a phone and of a desktop, over a live network."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from audit.cli import audit
from audit.report.dashboard.app import serving
from audit.report.dashboard.guard import Guard
from audit.report.dashboard.watch import Watcher
from audit.verify.run import Options
from network.connection import profile
from network.folders import held_blobs
from tests.auditor.browser import OVERFLOWS, SIZES, Browser, browser, until
from tests.auditor.corpus import Ledger
from tests.ports import free_ports
from tests.scenarios.federation import Federation

pytestmark = pytest.mark.browser
PORT = free_ports()
DEBUG_PORT = PORT + 1
ADDRESS = f"http://127.0.0.1:{PORT}"
PAGES = (
    "",
    "trainings",
    "training/tumour",
    "round/tumour/1/1",
    "model/tumour/1",
    "members",
    "votes",
    "flags",
    "verifier",
    "search?q=hosp",
)
ACCESSIBLE = """
JSON.stringify([
 ['one h1', document.querySelectorAll('h1').length === 1],
 ['language', document.documentElement.lang === 'en'],
 ['landmarks', ['header', 'nav[aria-label]', 'main#main', 'footer'].every(s => document.querySelector(s))],
 ['skip link first', document.querySelector('a, button, input').getAttribute('href') === '#main'],
 ['alternative texts', [...document.images].every(i => i.alt && i.complete && i.naturalWidth > 0)],
 ['captions', [...document.querySelectorAll('table')].every(t => t.caption && t.caption.textContent.trim())],
 ['scopes', [...document.querySelectorAll('th')].every(t => t.scope)],
 ['labels', [...document.querySelectorAll('input')].every(i => i.labels.length === 1)],
 ['scrolled by keyboard', [...document.querySelectorAll('.scroll')].every(s => s.tabIndex === 0 && s.ariaLabel)],
 ['ids once', new Set([...document.querySelectorAll('[id]')].map(e => e.id)).size
   === document.querySelectorAll('[id]').length],
 ['links lead somewhere', [...document.querySelectorAll('a[href^="#"]')].every(
   a => document.getElementById(decodeURIComponent(a.getAttribute('href').slice(1))))],
].filter(([, holds]) => !holds).map(([name]) => name))
"""


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Browser]:
    profile_folder = tmp_path / "chromium"
    async with browser(profile_folder, DEBUG_PORT) as opened:
        yield opened
    shutil.rmtree(profile_folder, ignore_errors=True)


async def _look(tab: Browser, address: str, name: str, pictures: Path) -> None:
    """Open a page at both sizes, light and dark; nothing may overflow, complain or lack what a screen reader needs."""
    for size in SIZES:
        for dark in (False, True):
            await tab.open(address, size, dark=dark)
            seen = f"{address} at {size}"
            assert (tab.errors, seen) == ([], seen)
            overflow = await tab.evaluate(OVERFLOWS)
            width = SIZES[size][0]
            assert f'"window":{width},"wide":[]' in overflow, (seen, overflow)
            assert int(overflow.split('"page":')[1].split(",")[0]) <= width
        await tab.picture(pictures / f"{name}-{size}.png")
    assert (await tab.evaluate(ACCESSIBLE), address) == ("[]", address)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Where pictures go; FEDLEDGER_PICTURES keeps them."""
    folder = Path(os.environ.get("FEDLEDGER_PICTURES", tmp_path / "pictures"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


async def test_the_report_stands_alone(federation_ledger: Ledger, tab: Browser, pictures: Path, tmp_path: Path) -> None:
    blocks, page = tmp_path / "chain", tmp_path / "report.html"
    shutil.copytree(federation_ledger.run.parent / "blocks", blocks)
    arguments = ["report", "--blocks", blocks, "--blobs", held_blobs(federation_ledger.run), "--out", page]
    result = await asyncio.to_thread(CliRunner().invoke, audit, [*map(str, arguments), "--json"])
    assert result.exit_code == 0, result.output
    assert "must endorse" in await asyncio.to_thread(page.read_text)
    await _look(tab, page.as_uri(), "report", pictures)
    assert tab.requests == []
    assert await tab.evaluate("document.querySelector('.word').textContent") == "OK, with 2 things not checked"
    printed = await tab.call("Page.printToPDF")
    assert len(printed["data"]) > 10_000


@contextlib.asynccontextmanager
async def _dashboard(ledger: Ledger, folder: Path) -> AsyncIterator[Watcher]:
    options = Options(blobs=(held_blobs(ledger.run),))
    watcher = Watcher(profile(ledger.run, "regulator", "client"), folder, options)
    async with serving(watcher, Guard(), "127.0.0.1", PORT):

        async def read() -> bool:
            return bool(watcher.snapshot.verdict["height"] >= len(ledger.chain))

        await until(read)
        yield watcher


async def test_the_dashboard_shows_every_page_and_follows_the_ledger(
    federation_ledger: Ledger, tab: Browser, pictures: Path, tmp_path: Path
) -> None:
    async with _dashboard(federation_ledger, tmp_path / "chain") as watcher:
        assert watcher.snapshot.word == "OK, with 2 things not checked"
        for page in PAGES:
            await _look(tab, f"{ADDRESS}/{page}", page.split("?")[0].replace("/", "-") or "overview", pictures)
        assert {address.split("/")[2] for address in tab.requests} == {f"127.0.0.1:{PORT}"}
        await _follows(tab, federation_ledger)
        assert tab.errors == []


async def _follows(tab: Browser, ledger: Ledger) -> None:
    """An attempt that opens shows on the page that is open, without loading it again; the one before ended void."""
    await tab.open(f"{ADDRESS}/", "desktop")
    await tab.evaluate("window.kept = true")
    cells = "[...document.querySelectorAll('#live-rounds tr:first-child > :not(.gantt)')].slice(0, 3)"

    async def shown() -> list[str]:
        return list(await tab.evaluate(f"{cells}.map(cell => cell.innerText.trim())"))

    assert await shown() == ["tumour, round 2", "Void", "4 of 4 survived"]
    async with Federation.connect(ledger.run) as federation:
        await federation.submit("OpenRound", training="tumour")

    async def opened() -> bool:
        return await shown() == ["tumour, round 2, attempt 2", "Keys", "0 of 4"]

    await until(opened, 30)
    assert await tab.evaluate("window.kept") is True


async def test_a_search_leads_from_a_digest_to_its_round_by_keyboard(
    federation_ledger: Ledger, tab: Browser, tmp_path: Path
) -> None:
    async with _dashboard(federation_ledger, tmp_path / "chain") as watcher:
        digest = watcher.snapshot.story["trainings"][0]["lineage"]["state"]
        await tab.open(f"{ADDRESS}/", "desktop")
        await tab.evaluate("document.getElementById('q').focus()")
        await tab.call("Input.insertText", text=digest[:20])
        await tab.enter()
        assert await tab.evaluate("document.querySelector('main a').textContent") == "round tumour/1/1"
        await tab.evaluate("document.querySelector('main a').focus()")
        await tab.enter()
        assert await tab.evaluate("document.querySelector('h1').textContent") == "Round 1 of tumour"
