"""A round's phases in the terminal: the timeline that the dashboard draws, from what is seen of a round under way."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from rich.text import Text

from audit.report.timeline import ENDED, PHASES, Phase, left, missing, waits
from audit.text import visible

STYLES: Final = {"Keys": "blue", "Shares": "yellow", "Updates": "white", "Unmask": "red", "Attest": "magenta"}
FULL, WAITING = "█", "▁"
"""A phase, and the part of it in which it waited for who had not come; so colours are not needed to read it."""
WIDTH: Final = 26
LETTERS: Final = {phase: phase[0] for phase in PHASES}
"""What stands in a phase's place: K, S, U, and so on; Unmask is u, since Updates has the U."""
LETTERS["Unmask"] = "u"


@dataclass
class Seen:
    """The phases of one attempt as they were seen, times in milliseconds of this machine's steady clock.

    What had happened before the first look is not known: the phase that it fell in begins with it.
    """

    phases: list[Phase] = field(default_factory=list)

    def see(self, one: Mapping[str, Any], now_ms: int) -> None:
        """Take in a newer record of the attempt, as `GetRound` gives it."""
        phase = str(one["phase"])
        if self.phases and self.phases[-1].name != phase and self.phases[-1].ended_ms is None:
            self.phases[-1] = self._with(self.phases[-1], one, now_ms, ended_ms=now_ms)
        if phase in ENDED:
            return
        if not self.phases or self.phases[-1].name != phase:
            self.phases.append(Phase(phase, now_ms))
        self.phases[-1] = self._with(self.phases[-1], one, now_ms)

    @staticmethod
    def _with(phase: Phase, one: Mapping[str, Any], now_ms: int, ended_ms: int | None = None) -> Phase:
        came = dict.fromkeys(present(one, phase.name), now_ms) | dict(phase.came)
        return Phase(phase.name, phase.began_ms, ended_ms, 0, came, missing(one, phase.name), left(one, phase.name))


def present(one: Mapping[str, Any], phase: str) -> list[str]:
    """Return who has done what a phase asks, as far as an attempt's record says."""
    names = {"Keys": "keys", "Shares": "shares", "Updates": "updates", "Unmask": "revealed", "Attest": "attestations"}
    return list(one[names[phase]]) if phase in names else []


def clock_ms() -> int:
    """Return this machine's steady clock in milliseconds."""
    return int(time.monotonic() * 1000)


def bar(phases: list[Phase], now_ms: int, scale_ms: int, width: int = WIDTH) -> Text:
    """Return an attempt's phases as a bar of at most `width` characters, of which a whole one stands for `scale_ms`."""
    text = Text()
    for phase in phases:
        length = max(1, round(phase.seconds(now_ms) * 1000 / max(1, scale_ms) * width))
        last = max(phase.came.values(), default=phase.began_ms)
        ended = now_ms if phase.ended_ms is None else phase.ended_ms
        waited = round((ended - last) / max(1, ended - phase.began_ms) * length) if phase.missing else 0
        filled = LETTERS[phase.name] + FULL * max(0, length - waited - 1)
        text.append(filled, style=f"reverse {STYLES[phase.name]}" if len(filled) == 1 else STYLES[phase.name])
        text.append(WAITING * min(waited, length - 1), style=STYLES[phase.name])
    text.truncate(width)
    return text


def drawn(phases: list[Phase], now_ms: int, scale_ms: int) -> Text:
    """Return an attempt's bar, and below it whom its phases waited for."""
    said = [Text(f"{names}: {visible(who)}") for names, who in waits(phases)]
    return Text("\n").join([bar(phases, now_ms, scale_ms), *said])


def length(phases: list[Phase], now_ms: int) -> int:
    """Return how long an attempt has taken so far, in milliseconds, at least 1."""
    if not phases:
        return 1
    last = phases[-1]
    return max(1, (now_ms if last.ended_ms is None else last.ended_ms) - phases[0].began_ms)
