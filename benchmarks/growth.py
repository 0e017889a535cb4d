"""How the cost of a round grows with participants and slots, and what 1,000 participants would take.

    python -m benchmarks.growth [--measured FILE…] [--participants 1000] [--slots 100000] [--plot FILE] [--smoke]

Whole rounds are measured by `benchmarks.scale` at a few sizes, or read from files with its output, one JSON object a
line. Seconds and processor seconds are fitted by least squares, no term below zero, to

    s(n, d) = constant + a·n + b·n² + c·n·d        n participants, d slots

since every participant answers for n others, every organisation is asked by n, and every organisation reads n·d slots.

What one participant does by itself is measured here, at two sizes of each. A large cohort is then simulated:
participants work side by side, each on its own machine; each organisation's peer and contract do on one core, one
after the other, what the fit says of so many participants. What was fitted at 20 is said of 1,000 with that caution.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.masking import Participant, quantize
from fl_node.secagg.dealing import deal_sealed

SIZES: Final = ((4, 4, 10_000), (10, 10, 10_000), (20, 10, 10_000), (4, 4, 1_000_000), (10, 10, 1_000_000))
"""Participants, organisations, slots."""
SMOKE: Final = ((4, 4, 1000),)
KEPT: Final = ("participants", "organisations", "slots", "median_seconds", "processor_seconds_per_round")
WORD: Final = 4
"""Bytes of a slot."""
LEDGER: Final = ("peer", "chaincode")
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")
"""Of Okabe and Ito: told apart by those who see some colours alike."""


@dataclass(frozen=True)
class Costs:
    """Processor seconds, measured.

    Attributes:
        deal: Of a dealer for each receiver: agreement, shares, sealing.
        mask: Of a participant for each other one: agreement and keystream's start.
        mask_byte: For each other one and byte of the vector.
    """

    deal: float
    mask: float
    mask_byte: float


def fitted(points: Sequence[tuple[int, int, float]]) -> dict[str, float]:
    """Return the terms of s(n, d), by least squares without terms below zero, and the largest error in percent.

    Terms that came out negative are left out, the most negative first (after Lawson and Hanson, Solving Least Squares
    Problems, chapter 23, without its return of terms: there are but four).
    """
    names = ["constant", "n", "n²", "n·d"]
    columns = np.array([[1.0, n, n * n, n * d] for n, d, _ in points])
    seconds = np.array([s for *_, s in points])
    scale = columns.max(axis=0)
    kept = list(range(min(len(names), len(points))))
    while True:
        found, *_ = np.linalg.lstsq(columns[:, kept] / scale[kept], seconds, rcond=None)
        if len(kept) == 1 or found.min() >= 0:
            break
        kept.pop(int(found.argmin()))
    terms = dict.fromkeys(names, 0.0) | {
        names[at]: float(value / scale[at]) for at, value in zip(kept, found, strict=True)
    }
    predicted = columns @ np.array([terms[name] for name in names])
    worst = float(np.max(np.abs(predicted - seconds) / np.maximum(seconds, 1e-9))) * 100
    return terms | {"largest_error_percent": round(worst, 1)}


def at(terms: dict[str, float], n: int, d: int) -> float:
    """Return what a fit says of a size."""
    return terms["constant"] + terms["n"] * n + terms["n²"] * n * n + terms["n·d"] * n * d


def costs() -> Costs:
    """Measure what one participant does."""
    few, many, small, large = 10, 40, 1_000, 200_000
    one = {(n, d): _mask(n, d) for n, d in ((few, small), (many, small), (many, large))}
    slope = (one[many, large] - one[many, small]) / (many * (large - small) * WORD)
    deal, mask = (_deal(many) - _deal(few)) / (many - few), (one[many, small] - one[few, small]) / (many - few)
    return Costs(max(deal, 0.0), max(mask, 0.0), max(slope, 0.0))


def simulated(costs: Costs, ledger: dict[str, float], participants: int, slots: int) -> dict[str, float]:
    """Return the seconds of a round of a large cohort: a participant's own, and an organisation's for everybody.

    Args:
        costs: Of a participant.
        ledger: The fit of one organisation's processor seconds, peer and contract.
        participants: How many.
        slots: Of each one's vector.
    """
    own = participants * (2 * costs.deal + costs.mask + slots * WORD * costs.mask_byte)
    whole = at(ledger, participants, slots)
    return {"participant": round(own, 2), "organisation": round(whole, 1), "total": round(own + whole, 1)}


def draw(report: dict[str, Any], file: Path) -> None:
    """Draw what was measured as points, and the fits as lines: a round, and one organisation's part of it."""
    from matplotlib.figure import Figure

    picture = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = picture.subplots(1, 2)
    _panel(left, report["measured"], lambda each: each["median_seconds"]["total"], [report["seconds"]])
    left.set_title("seconds of a round, all on one machine", fontsize=10)
    organisation = report["processor_seconds_of_an_organisation"]
    _panel(right, report["measured"], _of_an_organisation, list(organisation.values()))
    right.set_title("processor seconds of one organisation", fontsize=10)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.savefig(file, metadata={"Date": None})


def _panel(
    axes: Any,
    measured: Sequence[dict[str, Any]],
    value: Callable[[dict[str, Any]], float],
    fits: Sequence[dict[str, float]],
) -> None:
    """Draw one kind of seconds over the participants, a colour for each number of slots."""
    for slots, colour in zip(sorted({each["slots"] for each in measured}), COLOURS, strict=False):
        points = sorted((each["participants"], value(each)) for each in measured if each["slots"] == slots)
        numbers = np.linspace(points[0][0], points[-1][0], 50)
        axes.plot(numbers, [sum(at(fit, n, slots) for fit in fits) for n in numbers], color=colour, linewidth=1)
        axes.scatter(*zip(*points, strict=True), color=colour, s=18, label=f"{slots:.0e} slots")
    axes.set_xlabel("participants")
    axes.set_yscale("log")
    axes.legend(frameon=False, fontsize=8)


def _of_an_organisation(each: dict[str, Any]) -> float:
    """Return the processor seconds of one organisation: its participants' nodes, its peer, its contract."""
    return sum(_share(kind, each) for kind in ("node", *LEDGER))


def _points(
    measured: Sequence[dict[str, Any]], value: Callable[[dict[str, Any]], float]
) -> list[tuple[int, int, float]]:
    return [(each["participants"], each["slots"], value(each)) for each in measured]


def _share(kind: str, each: dict[str, Any]) -> float:
    """Return one organisation's processor seconds of a round, in processes of a kind."""
    return float(each["processor_seconds_per_round"][kind]) / float(each["organisations"])


def _best(work: Callable[[], object], repeat: int = 3) -> float:
    times = []
    for _ in range(repeat):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def _mask(n: int, d: int) -> float:
    participant = Participant(n, d)
    words = quantize(np.zeros(d, np.float32))
    return _best(lambda: participant.mask(words))


def _deal(n: int) -> float:
    one = Participant(n, 16)
    return _best(lambda: deal_sealed(one.session, one.own, one.secrets, one.keys, os.urandom))


def _run(module: str, *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{module}", *arguments], capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def _measured(sizes: Sequence[tuple[int, int, int]], rounds: int) -> list[dict[str, Any]]:
    return [
        _run("scale", "--participants", str(n), "--organisations", str(m), "--slots", str(d), "--rounds", str(rounds))
        for n, m, d in sizes
    ]


def main() -> None:
    """Measure or read, fit, simulate, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--measured", type=Path, nargs="*", help="output of benchmarks.scale, one object a line")
    parser.add_argument("--participants", type=int, default=1000)
    parser.add_argument("--slots", type=int, default=100_000)
    parser.add_argument("--plot", type=Path, help="draw points and fits into this SVG file")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    if options.measured:
        measured = [json.loads(line) for path in options.measured for line in path.read_text().splitlines() if line]
    else:
        measured = _measured(SMOKE if options.smoke else SIZES, 1 if options.smoke else 4)
    found = costs()
    seconds = fitted(_points(measured, lambda each: each["median_seconds"]["total"]))
    processor = {kind: fitted(_points(measured, partial(_share, kind))) for kind in ("node", *LEDGER)}
    ledger = fitted(_points(measured, lambda each: sum(_share(kind, each) for kind in LEDGER)))
    whole = simulated(found, ledger, options.participants, options.slots)
    report = {
        "measured": [{key: each[key] for key in KEPT} for each in measured],
        "costs": asdict(found),
        "seconds": seconds,
        "processor_seconds_of_an_organisation": processor,
        "simulated": {"participants": options.participants, "slots": options.slots, "seconds": whole},
        "load": os.getloadavg()[0],
    }
    if options.plot:
        draw(report, options.plot)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
