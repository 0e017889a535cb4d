"""The dashboard: read-only pages from state replayed out of one's own peer's blocks."""

import asyncio
import contextlib
import ssl
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import quote

from aiohttp import web
from aiohttp.typedefs import Handler

from audit import codes
from audit.report import view
from audit.report.bars import arrivals, bar, legend, span
from audit.report.charts import panels
from audit.report.dashboard.guard import DashboardError, Guard, middleware
from audit.report.dashboard.live import live_rounds, live_state
from audit.report.dashboard.search import MOST_CHARACTERS, search
from audit.report.dashboard.watch import Snapshot, Watcher
from audit.report.lineage import place
from audit.report.model import model
from audit.report.over_time import balances_over_time, participants_over_time
from audit.report.render import PAGES, card, environment, slug
from audit.report.timeline import timelines
from audit.report.training import picture
from audit.verify.story import place_of, round_of

NAVIGATION = (
    ("/", "Overview"),
    ("/trainings", "Trainings"),
    ("/members", "Members"),
    ("/votes", "Votes"),
    ("/flags", "Flags"),
    ("/verifier", "Verifier"),
)


def url(kind: str, name: str) -> str:
    """Return where a page of the dashboard lies."""
    name = quote(name)
    places = {
        "round": f"/round/{name}",
        "training": f"/training/{name}",
        "model": f"/model/{name}",
        "participant": f"/members#participant-{slug(name)}",
        "proposal": f"/votes#proposal-{name[:16]}",
    }
    return places.get(kind, f"/{kind}")


Drawn = TypeVar("Drawn")


class Pages:
    """Renders each page from the watcher's present snapshot."""

    def __init__(self, snapshot: Callable[[], Snapshot], guard: Guard) -> None:
        self._snapshot, self._guard = snapshot, guard
        self._templates = environment(url)
        self._drawing = ThreadPoolExecutor(max_workers=1, thread_name_prefix="charts")

    def routes(self) -> list[web.RouteDef]:
        """Return every address that is answered."""
        return [
            web.get("/", self.overview),
            web.get("/trainings", self.trainings),
            web.get("/training/{training}", self.training),
            web.get("/round/{training}/{round}/{attempt}", self.round),
            web.get("/model/{training}/{round}", self.model),
            *(web.get(f"/{name}", partial(self.listing, name)) for name in ("members", "votes", "flags", "verifier")),
            web.get("/search", self.search),
            web.get("/live.json", self.live),
            web.get("/login", self.login),
            web.post("/login", self.login),
        ]

    def _page(self, template: str, title: str, *, here: str = "", http_status: int = 200, **own: Any) -> web.Response:
        snapshot = self._snapshot()
        values = {
            "title": title,
            "here": here or title,
            "pages": NAVIGATION,
            "channel": snapshot.story["channel"],
            "story": snapshot.story,
            "verdict": snapshot.verdict,
            "word": snapshot.word,
            "version": snapshot.version,
            "height": snapshot.verdict["height"],
            "login": False,
            "query": "",
        }
        text = self._templates.get_template(f"{template}.html").render(values | own)
        return web.Response(text=text, content_type="text/html", status=http_status)

    async def overview(self, _: web.Request) -> web.Response:
        """Answer with the verdict and the rounds under way."""
        story, now = self._snapshot().story, _now()
        pictures = {t["training"]: await self._drawn(picture, t, story, now) for t in story.get("trainings", [])}
        live, shown = live_rounds(story, now, url), [t["rounds"][-1] for t in story.get("trainings", []) if t["rounds"]]
        bars = [pictures[one["training"]].bars[place_of(one)] for one in shown]
        rows = [{**row, "bar": own} for row, own in zip(live, bars, strict=True)]
        return self._page("overview", "Overview", live=rows, pictures=pictures, legend=legend())

    async def trainings(self, _: web.Request) -> web.Response:
        """Answer with every training."""
        return self._page("trainings", "Trainings")

    def _training(self, request: web.Request) -> dict[str, Any]:
        story, name = self._snapshot().story, request.match_info["training"]
        for training in story["trainings"] if story["founded"] else []:
            if training["training"] == name:
                return dict(training)
        raise web.HTTPNotFound

    async def training(self, request: web.Request) -> web.Response:
        """Answer with a training's rounds, lineage and draws."""
        training = self._training(request)
        return self._page(
            "training",
            f"Training {training['training']}",
            here="Trainings",
            training=training,
            card=card(training, self._snapshot().story),
            shown=await self._drawn(picture, training, self._snapshot().story, _now()),
        )

    async def model(self, request: web.Request) -> web.Response:
        """Answer with everything that a buyer or a regulator asks of one model."""
        training, story, number = self._training(request), self._snapshot().story, request.match_info["round"]
        shown = model(story, training, int(number)) if number.isascii() and number.isdecimal() else None
        if shown is None:
            raise web.HTTPNotFound
        wanted = {place(row).partition("/")[2] for row in shown["path"]}
        return self._page(
            "model",
            f"Model of {training['training']} after round {shown['round']}",
            here="Trainings",
            training=training,
            model=shown,
            panels=await self._drawn(panels, training, wanted),
        )

    async def round(self, request: web.Request) -> web.Response:
        """Answer with one attempt of a round."""
        training, story = self._training(request), self._snapshot().story
        where = "/".join(request.match_info[name] for name in ("training", "round", "attempt"))
        rows = {row["where"]: row for row in view.round_rows(training, story)}
        if where not in rows:
            raise web.HTTPNotFound
        row = rows[where]
        one = next(o for o in training["rounds"] if (o["round"], o["attempt"]) == (row["round"], row["attempt"]))
        return self._page(
            "round",
            f"Round {row['round']} of {training['training']}"
            + (f", attempt {row['attempt']}" if row["attempt"] > 1 else ""),
            here="Trainings",
            one=one,
            row=row,
            rewards={reward["participant"]: reward["amount"] for reward in one["rewards"]},
            exposed=[entry for entry in view.exposures(story) if entry["where"] == where],
            events=[event for event in story["events"] if round_of(event) == where],
            **_timeline(story, training, where),
        )

    async def listing(self, name: str, _: web.Request) -> web.Response:
        """Answer with members, votes, flags or the verifier's findings."""
        snapshot = self._snapshot()
        founded = snapshot.story["founded"]
        return self._page(
            name,
            name.capitalize(),
            shares=view.contributions(snapshot.story) if founded else [],
            exposed=view.exposures(snapshot.story) if founded else [],
            standing=participants_over_time(snapshot.story, snapshot.verdict["epsilon"]) if founded else None,
            balances=balances_over_time(snapshot.story) if founded else None,
            looked_ms=snapshot.looked_ms,
        )

    async def search(self, request: web.Request) -> web.Response:
        """Answer with what the query names."""
        query = request.query.get("q", "")[:MOST_CHARACTERS]
        return self._page("search", "Search", query=query, hits=search(self._snapshot().story, query, url))

    async def live(self, _: web.Request) -> web.Response:
        """Answer with what changes from second to second."""
        return web.json_response(live_state(self._snapshot(), _now(), url))

    async def _drawn(self, drawing: Callable[..., Drawn], *arguments: object) -> Drawn:
        """Draw on the one thread that does: the drawing library is slow to begin, and is no friend of two."""
        return await asyncio.get_running_loop().run_in_executor(self._drawing, partial(drawing, *arguments))

    async def login(self, request: web.Request) -> web.Response:
        """Ask for the token, and give the browser that shows it a cookie."""
        if request.method == "POST" and self._guard.shown(str((await request.post()).get("token", ""))):
            response = web.Response(status=303, headers={"Location": "/"})
            self._guard.admit(response)
            return response
        text = "That is not the token." if request.method == "POST" else "This dashboard asks for its token."
        status = 403 if request.method == "POST" else 200
        bare: dict[str, Any] = {"channel": "", "version": "", "pages": (), "login": True}
        return self._page("message", "Enter", text=text, http_status=status, **bare)

    @web.middleware
    async def explained(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Give an address that leads nowhere a page that says so."""
        try:
            return await handler(request)
        except web.HTTPException as error:
            if error.status != HTTPStatus.NOT_FOUND:
                return web.Response(status=error.status, text=error.reason)
            text = "There is no such page, or the blocks read so far know nothing of it."
            return self._page("message", "Not found", text=text, http_status=error.status)


def _now() -> int:
    return int(time.time() * 1000)


def _timeline(story: dict[str, Any], training: dict[str, Any], where: str) -> dict[str, Any]:
    """Return an attempt's bar, and who came when."""
    phases, now = timelines(story["history"], training)[where], _now()
    return {"bar": bar(phases, now, span(phases, now)), "arrivals": arrivals(phases, now), "legend": legend([phases])}


def application(snapshot: Callable[[], Snapshot], guard: Guard) -> web.Application:
    """Return the dashboard as an application that only reads."""
    pages = Pages(snapshot, guard)
    app = web.Application(middlewares=[middleware(guard), pages.explained], client_max_size=4096)
    app.add_routes(pages.routes())
    app.router.add_static("/static", PAGES / "static")
    return app


@contextlib.asynccontextmanager
async def serving(
    watcher: Watcher, guard: Guard, address: str, port: int, context: ssl.SSLContext | None = None
) -> AsyncIterator[asyncio.Task[None]]:
    """Serve the dashboard and watch the peer; yields the watching task. Raises DashboardError (FL5122)."""
    runner = web.AppRunner(application(lambda: watcher.snapshot, guard), access_log=None)
    await runner.setup()
    watching = asyncio.create_task(watcher.run())
    try:
        await _listen(runner, address, port, context)
        yield watching
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
        await runner.cleanup()


async def _listen(runner: web.AppRunner, address: str, port: int, context: ssl.SSLContext | None) -> None:
    try:
        await web.TCPSite(runner, address, port, ssl_context=context).start()
    except OSError as error:
        text, where = f"cannot listen: {error.strerror or error}", f"{address}:{port}"
        raise DashboardError(
            codes.DASHBOARD_NOT_LISTENING, text, where=where, hint="Give another --port or --listen."
        ) from None
