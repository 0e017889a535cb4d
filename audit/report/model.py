"""The page of one model: everything a buyer or a regulator asks of it, from the ledger alone."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from markupsafe import Markup

from audit.report.lineage import Row, lineage_rows, place
from audit.report.view import round_rows
from audit.verify.story import place_of, round_of
from fedledger_passport.strict import canonical

PRIVACY: Final = ("unit", "epsilon", "delta", "rounds", "clip")
DECISIVE: Final = ("register_plan", "start_training", "release_model", "withdraw_model", "roll_back_training", "admit")


@dataclass(frozen=True)
class Release:
    """A release of a model.

    Attributes:
        name: Its id.
        released_ms: When the vote was carried.
        digest: SHA-256 of the statement that is signed, hex: the passport's name.
        model: Training and round, "training/round".
        organisations: Who were members; more than half of them must sign.
        made_by: The framework, and the root of the lineage.
        privacy: What the plan gives away, each of PRIVACY.
        not_proven: What no passport proves.
        files: File name → SHA-256.
        signatures: MSP id → when it signed, Unix milliseconds.
        withdrawn: When and why it was taken back, None while it stands.
    """

    name: str
    released_ms: int
    digest: str
    model: str
    organisations: tuple[str, ...]
    made_by: tuple[str, str]
    privacy: Mapping[str, str]
    not_proven: tuple[str, ...]
    files: Mapping[str, str]
    signatures: Mapping[str, int]
    withdrawn: Mapping[str, Any] | None

    @property
    def majority(self) -> int:
        """How many must sign."""
        return len(self.organisations) // 2 + 1

    @property
    def standing(self) -> str:
        """Say in a word where it stands: "released", "withdrawn" or "signatures are missing"."""
        if self.withdrawn is not None:
            return "withdrawn"
        return "released" if len(self.signatures) >= self.majority else "signatures are missing"


def release_of(view: Mapping[str, Any]) -> Release | None:
    """Return a release as `GetRelease` gives it; None of one that the rules would not have written."""
    try:
        statement, withdrawal = view["statement"], view["withdrawal"]
        predicate = statement["predicate"]
        return Release(
            view["release"],
            view["released_ms"],
            sha256(canonical(statement)).hexdigest(),
            f"{predicate['final']['training']}/{predicate['final']['round']}",
            tuple(map(str, predicate["organisations"])),
            (str(predicate["plan"]["framework"]), str(predicate["lineage"]["root"])),
            {name: str(predicate["privacy"][name]) for name in PRIVACY},
            tuple(map(str, predicate["not_proven"])),
            {str(one["name"]): str(one["digest"]["sha256"]) for one in statement["subject"]},
            {msp: one["time_ms"] for msp, one in sorted(view["signatures"].items())},
            {name: withdrawal["predicate"][name] for name in ("withdrawn_ms", "reason")} if withdrawal else None,
        )
    except (LookupError, TypeError, AttributeError, ValueError):
        return None


def releases_of(story: Mapping[str, Any], training: str, number: int | None = None) -> list[Release]:
    """Return the releases of a training's models, or of one round's."""
    own = [one for one in story["releases"] if one["training"] == training and number in (None, one["round"])]
    return [release for view in own if (release := release_of(view))]


def model_rounds(story: Mapping[str, Any], training: Mapping[str, Any]) -> list[int]:
    """Return the rounds whose models have a page in the report: each that was released, and the last."""
    last = [step["round"] for step in training["lineage"]["steps"][-1:]]
    return sorted({*last, *(view["round"] for view in story["releases"] if view["training"] == training["training"])})


def model(story: Mapping[str, Any], training: Mapping[str, Any], number: int) -> dict[str, Any] | None:
    """Return what the page of the model after a round shows, None where no Final round of that number stands.

    Args:
        story: The whole story.
        training: The training's.
        number: The round.
    """
    graph = _path(lineage_rows(training, kept_only=True), number)
    if not graph:
        return None
    path = graph[1:]
    places = {place(row) for row in path}
    rows = [row for row in round_rows(dict(training), dict(story)) if row["where"] in places]
    one = path[-1].one
    assert one is not None
    plan = next((p for p in story["plans"] if p["plan"] == training["plan"]), {"name": "", "schema": ""})
    return {
        "training": training["training"],
        "round": number,
        "one": one,
        "state": path[-1].state,
        "present": path[-1].state == training["lineage"]["state"],
        "initial": training["lineage"]["initial_state"],
        "graph": graph,
        "path": path,
        "rows": rows,
        "plan": plan,
        "final": next((e for e in story["events"] if e["name"] == "RoundFinal" and round_of(e) == place_of(one)), None),
        "parties": _parties(story, path),
        "recomputed": sum(row["recomputed"] for row in rows),
        "flags": [f for f in story["flags"] if f"{f['training']}/{f['round']}/{f['attempt']}" in places],
        "decisions": list(_decisions(story, training, number)),
        "releases": (releases := releases_of(story, training["training"], number)),
        "not_proven": sorted({text for release in releases for text in release.not_proven}),
    }


def _path(rows: list[Row], number: int) -> list[Row]:
    """Return the models that lead to the one after a round, the initial state first; empty where there is none."""
    for at, row in enumerate(rows):
        if row.one is not None and row.one["round"] == number:
            row.below = set()
            return rows[: at + 1]
    return []


def _parties(story: Mapping[str, Any], path: list[Row]) -> list[dict[str, Any]]:
    """Return each participant whose updates are in the model, with what it vouched for and how often it took part."""
    counted: dict[str, list[int]] = {}
    for row in path:
        for name in row.one["survivors"] if row.one else ():
            assert row.one is not None
            counted.setdefault(name, []).append(row.one["updates"].get(name, {}).get("examples", 0))
    known = {one["participant"]: one for one in story["participants"]}
    return [
        {"name": name, "rounds": len(counts), "examples": sum(counts), "record": known.get(name)}
        for name, counts in sorted(counted.items())
    ]


def _decisions(story: Mapping[str, Any], training: Mapping[str, Any], number: int) -> Iterator[dict[str, Any]]:
    """Yield the votes that were carried and that this model stands on."""
    trained = {name for one in training["rounds"] for name in one["cohort"]}
    for proposal in story["proposals"]:
        body, kind = proposal["body"], proposal["kind"]
        if proposal["status"] != "executed" or kind not in DECISIVE:
            continue
        about = {
            "register_plan": body.get("plan") == training["plan"],
            "start_training": body.get("training") == training["training"],
            "roll_back_training": body.get("training") == training["training"],
            "release_model": (body.get("training"), body.get("round")) == (training["training"], number),
            "withdraw_model": body.get("release") in {r.name for r in releases_of(story, training["training"], number)},
            "admit": body.get("participant") in trained,
        }
        if about[kind]:
            yield proposal


def qr(digest: str) -> Markup:
    """Return a QR code of a statement's digest, as `sha256:` and hex: what a printed page is compared with."""
    import segno  # noqa: PLC0415 - only pages with a release need it

    code = segno.make(f"sha256:{digest}", error="m", micro=False)
    drawing = code.svg_inline(
        scale=4, border=4, svgclass="qr", lineclass="qr-dots", omitsize=False, dark="#000", light="#fff"
    )
    label = f"QR code of sha256:{digest}"
    return Markup(drawing.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1))  # noqa: S704 - digest is hex
