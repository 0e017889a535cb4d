"""What a node records of itself while it runs: figures for Prometheus, and whether it does its work."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

STALE_S: Final = 30.0
"""A node that has not heard from its peer, or has had a problem, for so long is not healthy."""
SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300)


@dataclass
class Metrics:
    """The node's figures, in a registry of their own."""

    registry: CollectorRegistry = field(default_factory=lambda: CollectorRegistry(auto_describe=True))

    def __post_init__(self) -> None:
        def named(kind: Any, name: str, text: str, labels: tuple[str, ...] = (), **options: Any) -> Any:
            return kind(f"fedledger_{name}", text, labels, registry=self.registry, **options)

        self.round: Gauge = named(Gauge, "round", "Newest round seen", ("training",))
        self.effects: Counter = named(Counter, "duties_total", "Duties carried out", ("duty", "outcome"))
        self.seconds: Histogram = named(Histogram, "duty_seconds", "Time a duty took", ("duty",), buckets=SECONDS)
        self.dropped: Counter = named(Counter, "attempts_dropped_total", "Attempts this node left", ("code",))
        self.ended: Counter = named(Counter, "attempts_ended_total", "Attempts that ended", ("phase",))
        self.sent: Counter = named(Counter, "sent_bytes_total", "Bytes that left the organisation")
        self.blobs: Counter = named(Counter, "blobs_pulled_total", "Blobs pulled from other members")
        self.healthy: Gauge = named(Gauge, "healthy", "1 where the node does its work, as /health says")
        since, deadline = "When the newest phase was first seen, Unix time", "From when on it may end, Unix time"
        self.phase_since: Gauge = named(Gauge, "phase_since_seconds", since, ("training",))
        self.phase_deadline: Gauge = named(Gauge, "phase_deadline_seconds", deadline, ("training",))
        ends = "When a certificate ends, Unix time"
        self.certificate_ends: Gauge = named(Gauge, "certificate_ends_seconds", ends, ("certificate",))
        self.disk_free: Gauge = named(Gauge, "disk_free_bytes", "What is free where a folder lies", ("folder",))
        self.disk: Gauge = named(Gauge, "disk_bytes", "The size of the disk where a folder lies", ("folder",))
        heights = "Blocks that an organisation's peer has; `own` is yes for one's own"
        self.peer_height: Gauge = named(Gauge, "peer_height", heights, ("organisation", "own", "peer"))

    def phase(self, training: str, deadline_ms: int) -> None:
        """Note that a training is in a new phase."""
        self.phase_since.labels(training).set_to_current_time()
        self.phase_deadline.labels(training).set(deadline_ms / 1000)

    def over(self, training: str) -> None:
        """Note that a training is over: nothing of it can be late any more."""
        for gauge in (self.phase_since, self.phase_deadline):
            with suppress(KeyError):
                gauge.remove(training)


@dataclass
class Health:
    """Whether the node does its work: when its peer last answered, what is wrong, what shuts plans in."""

    clock: Callable[[], float] = time.monotonic
    answered: float | None = None
    problems: dict[str, tuple[float, str]] = field(default_factory=dict)
    position: dict[str, Any] = field(default_factory=dict)
    plans: list[str] = field(default_factory=list)
    sandbox: str = ""

    def ledger_answered(self) -> None:
        """Note that the ledger was read."""
        self.answered = self.clock()
        self.note("ledger", "")

    def note(self, about: str, text: str) -> None:
        """Note what is wrong with something, or, with an empty text, that nothing is any more."""
        if text:
            self.problems[about] = (self.problems.get(about, (self.clock(),))[0], text)
        else:
            self.problems.pop(about, None)

    @property
    def healthy(self) -> bool:
        """Tell whether the peer answered lately and nothing has been wrong for long."""
        moments = [since for since, _ in self.problems.values()]
        stale = self.clock() - STALE_S
        return self.answered is not None and self.answered > stale and all(since > stale for since in moments)

    def report(self) -> dict[str, Any]:
        """Return what the health endpoint says."""
        problem = "; ".join(f"{about}: {text}" for about, (_, text) in self.problems.items())
        told = {"healthy": self.healthy, "problem": problem, "plans": self.plans, "sandbox": self.sandbox}
        return {**told, **self.position}
