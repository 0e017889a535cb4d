"""Search by name or by a digest's first characters, over everything that a page can show."""

from collections.abc import Iterator
from typing import Any

from audit.report.model import release_of
from audit.report.render import Url, about
from audit.verify.story import round_of

MOST_HITS = 50
MOST_CHARACTERS = 200
Entry = tuple[str, str, str]
"""What is shown, what kind it is, and where it leads."""


def search(story: dict[str, Any], query: str, url: Url) -> list[dict[str, str]]:
    """Return what is named like the query or has a digest that starts with it, at most MOST_HITS."""
    wanted = query.strip().lower()[:MOST_CHARACTERS]
    hits: list[dict[str, str]] = []
    if not wanted or not story["founded"]:
        return hits
    for keys, (text, kind, href) in _entries(story, url):
        if any(key.lower().startswith(wanted) for key in keys) or wanted in text.lower():
            hits.append({"text": text, "kind": kind, "href": href})
            if len(hits) == MOST_HITS:
                break
    return hits


def _entries(story: dict[str, Any], url: Url) -> Iterator[tuple[list[str], Entry]]:
    for organisation in story["organisations"]:
        yield [organisation["msp_id"]], (organisation["msp_id"], "organisation", url("members", ""))
    for one in story["participants"]:
        keys = [one["participant"], one["key_hash"], one["profile"]["schema"], *one["evidence"]]
        yield keys, (one["participant"], "participant", url("participant", one["participant"]))
    for proposal in story["proposals"]:
        keys = [proposal["proposal"], *(v for v in proposal["body"].values() if isinstance(v, str))]
        text = f"{proposal['kind'].replace('_', ' ')}: {about(proposal)}"
        yield keys, (text, "proposal", url("proposal", proposal["proposal"]))
    for training in story["trainings"]:
        yield from _of_training(training, url)
    for release in filter(None, map(release_of, story["releases"])):
        keys = [release.name, release.digest, *release.files.values()]
        yield keys, (release.name, "release", url("model", release.model))
    for event in story["events"]:
        yield [event["txid"]], (f"{event['name']} in block {event['block']}", "transaction", _of_event(event, url))


def _of_training(training: dict[str, Any], url: Url) -> Iterator[tuple[list[str], Entry]]:
    name = training["training"]
    keys = [name, training["plan"], training["lineage"]["initial_state"]]
    yield keys, (name, "training", url("training", name))
    for one in training["rounds"]:
        where = f"{name}/{one['round']}/{one['attempt']}"
        proposal = one["proposal"] or {}
        keys = [one["session"], proposal.get("aggregate", ""), proposal.get("state", "")]
        keys += [update["digest"] for update in one["updates"].values()]
        yield [key for key in keys if key], (f"round {where}", "round", url("round", where))


def _of_event(event: dict[str, Any], url: Url) -> str:
    where = round_of(event)
    return url("round", where) if where else url("votes", "")
