"""The pages in a real Chromium: texts and series apart, what is live, the keyboard, what is heard, what is printed."""

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from audit.report.dashboard.app import application
from audit.report.dashboard.guard import Guard
from audit.report.dashboard.watch import Snapshot
from audit.report.render import verdict_view
from audit.report.report import render
from audit.verify.verdict import Verdict
from tests.auditor.browser import SIZES, Browser, browser, until
from tests.auditor.large_story import kept_story, large_story
from tests.auditor.looks import OVERLAPS, SERIES
from tests.ports import free_ports

pytestmark = pytest.mark.browser
PORT = free_ports()
ADDRESS = f"http://127.0.0.1:{PORT}"
Told = tuple[dict[str, Any], Verdict]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Told:
    return kept_story(tmp_path_factory.mktemp("kept"))


@pytest.fixture(scope="module")
def large(kept: Told) -> Told:
    story, spent = large_story(kept[0])
    return story, Verdict(channel="fedchannel", height=9, transactions=12, genesis_hash="ab" * 32, privacy=spent)


@pytest.fixture
async def tab(tmp_path: Path) -> AsyncIterator[Browser]:
    async with browser(tmp_path / "chromium", PORT + 1) as opened:
        yield opened
    shutil.rmtree(tmp_path / "chromium", ignore_errors=True)


@pytest.fixture
async def shown(kept: Told) -> AsyncIterator[list[Snapshot]]:
    """The dashboard; what it shows is the last of a list."""
    snapshots = [Snapshot(kept[0], verdict_view(kept[1]), 1)]
    runner = web.AppRunner(application(lambda: snapshots[-1], Guard()), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", PORT).start()
    yield snapshots
    await runner.cleanup()


@pytest.mark.parametrize("name", ["kept", "large"])
async def test_no_text_lies_on_another_and_every_series_is_named_and_apart(
    request: pytest.FixtureRequest, tab: Browser, tmp_path: Path, name: str
) -> None:
    story, verdict = request.getfixturevalue(name)
    page = tmp_path / "report.html"
    page.write_text(render(story, verdict))
    for size in SIZES:
        for dark in (False, True):
            await tab.open(page.as_uri(), size, dark=dark)
            found = json.loads(await tab.evaluate(OVERLAPS))
            assert found["texts"] > 500
            assert found["found"] == [], (size, dark)
            _apart(json.loads(await tab.evaluate(SERIES)))
            assert await tab.evaluate("document.documentElement.scrollWidth") <= SIZES[size][0]
    assert (tab.errors, tab.requests) == ([], [])


def _apart(charts: list[dict[str, Any]]) -> None:
    assert charts
    for chart in charts:
        assert len(chart["named"]) == len(chart["drawn"]) == len(set(chart["drawn"])) == len(set(chart["strokes"])), (
            chart
        )
        assert chart["shown"] == chart["drawn"], "the legend has the lines' own colours"
        assert all(name and f"{name} from " in chart["heard"] for name in chart["named"]), chart


async def test_texts_that_lie_on_one_another_would_be_found(tab: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text("<p>one text</p><p style='margin-top:-2.2rem'>another text</p>")
    await tab.open(page.as_uri(), "desktop")
    assert json.loads(await tab.evaluate(OVERLAPS))["found"] != []


async def test_what_happens_on_the_ledger_shows_on_the_open_page(
    tab: Browser, shown: list[Snapshot], kept: Told
) -> None:
    whole, (before, verdict) = shown[0], (dict(kept[0]), verdict_view(kept[1]))
    (training,) = before["trainings"]
    last = training["rounds"][-1] | {
        "phase": "Updates",
        "survivors": [],
        "proposal": None,
        "updates": {},
        "rewards": [],
    }
    before["trainings"] = [training | {"rounds": [*training["rounds"][:-1], last]}]
    ended = {"Unmask", "Attest", "Final"}
    before["history"] = [e for e in before["history"] if not (_of(e, last) and e["value"].get("phase") in ended)]
    shown.append(Snapshot(before, {**verdict, "height": 140}, 1))
    await tab.open(f"{ADDRESS}/training/tumour", "phone")
    await tab.evaluate("window.kept = true; document.querySelector('.scroll:has(.timeline)').scrollLeft = 60")
    await tab.evaluate("document.querySelector('table.matrix thead a').focus()")
    row = "document.querySelector('table.timeline tbody tr:last-child').innerText"
    first = await tab.evaluate(row)
    assert "Updates: " in first
    assert "not there yet" in first

    async def moved() -> bool:
        return bool(await tab.evaluate(row) != first)

    await until(moved, 120)  # the bar of a round under way grows
    shown.append(whole)

    async def final() -> bool:
        return "Final" in str(await tab.evaluate(row))

    await until(final, 120)
    assert await tab.evaluate("window.kept") is True, "the page was not loaded again"
    assert await tab.evaluate("document.querySelector('.scroll:has(.timeline)').scrollLeft") == 60
    assert await tab.evaluate("document.activeElement.closest('table.matrix') !== null")
    assert tab.errors == []


def _of(entry: dict[str, Any], one: dict[str, Any]) -> bool:
    parts = entry["parts"]
    return entry["kind"] == "phase" and [int(part) for part in parts[1:3]] == [one["round"], one["attempt"]]


async def test_the_keyboard_alone_leads_from_the_skip_link_to_a_model(tab: Browser, shown: list[Snapshot]) -> None:
    await tab.open(f"{ADDRESS}/training/tumour", "desktop")
    await tab.press("Tab")
    assert await tab.evaluate("document.activeElement.className") == "skip"
    assert await tab.evaluate("document.activeElement.getBoundingClientRect().left") >= 0
    for _ in range(60):
        await tab.press("Tab")
        if await tab.evaluate('document.activeElement.textContent === "The present model\'s page"'):
            break
    assert await tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    await tab.enter()
    assert await tab.evaluate("document.querySelector('h1').textContent") == "Model of tumour after round 4"


async def test_what_is_drawn_is_heard(tab: Browser, shown: list[Snapshot]) -> None:
    await tab.open(f"{ADDRESS}/training/tumour", "desktop")
    nodes = (await tab.call("Accessibility.getFullAXTree"))["nodes"]
    heard = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if not node["ignored"]]
    images = [name for role, name in heard if role in ("img", "image")]
    assert images == ["Loss by round: loss from 0.2500 in round 1 to 0.2500 in round 4"]
    cells = [name for role, name in heard if role in ("gridcell", "cell")]
    assert {"finished", "dropped", "fault", "void"} <= set(cells)
    assert any("Updates: hospital-d, who did not come" in name for name in cells)


async def test_a_models_page_is_printed_with_the_digest_and_its_qr_code(
    tab: Browser, large: Told, tmp_path: Path
) -> None:
    page = tmp_path / "report.html"
    page.write_text(render(*large))
    await tab.open(page.as_uri(), "desktop", dark=True)
    digest = await tab.evaluate("document.querySelector('.qr-box code').textContent")
    assert len(digest) == 64
    assert (
        await tab.evaluate("document.querySelector('svg.qr').getAttribute('aria-label')")
        == f"QR code of sha256:{digest}"
    )
    await tab.call("Emulation.setEmulatedMedia", media="print")
    assert await tab.evaluate("getComputedStyle(document.querySelector('nav')).display") == "none"
    assert await tab.evaluate("getComputedStyle(document.querySelector('.ok')).backgroundColor") == "rgb(227, 244, 233)"
    size = json.loads(await tab.evaluate("JSON.stringify(document.querySelector('svg.qr').getBoundingClientRect())"))
    assert size["width"] >= 140, "3.7 cm on paper"
    printed = await tab.call("Page.printToPDF", preferCSSPageSize=True, printBackground=True)
    assert len(printed["data"]) > 50_000
