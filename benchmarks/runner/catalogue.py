"""Which benchmarks there are, and which of their figures count."""

from dataclasses import dataclass
from typing import Any, Literal

PHASES = ("Keys", "Shares", "Updates", "Unmask", "Attest")


@dataclass(frozen=True)
class Figure:
    """One figure of a benchmark's JSON; `path` leads to it, `goal` is what to reach or None, in `unit`."""

    name: str
    path: tuple[str | int, ...]
    unit: str = "s"
    goal: float | None = None
    better: Literal["less", "more"] = "less"

    def of(self, said: Any) -> float | None:
        """Return the figure, or None where the benchmark does not have it: a peer is not installed."""
        for step in self.path:
            try:
                said = said[step]
            except (KeyError, IndexError, TypeError):
                return None
        return float(said)

    def reached(self, value: float) -> bool | None:
        """Say whether a value reaches the goal; None without one."""
        if self.goal is None:
            return None
        return value <= self.goal if self.better == "less" else value >= self.goal


@dataclass(frozen=True)
class Benchmark:
    """A question, the module's arguments that answer it, and those of a smoke run that only shows that it works."""

    name: str
    question: str
    command: tuple[str, ...]
    smoke: tuple[str, ...]
    figures: tuple[Figure, ...]


def _rounds(goal: float) -> tuple[Figure, ...]:
    return (
        Figure("round", ("median_seconds", "total"), goal=goal),
        *(Figure(phase.lower(), ("median_seconds", phase)) for phase in PHASES),
        *(Figure(f"{kind} processor", ("processor_seconds_per_round", kind)) for kind in ("node", "peer", "chaincode")),
    )


def _scale(name: str, question: str, arguments: str, goal: float, *further: Figure) -> Benchmark:
    command = ("scale", *arguments.split())
    smoke = ("scale", "--participants", "4", "--slots", "1000", "--rounds", "1")
    figures = (
        *_rounds(goal),
        Figure("node memory", ("resident_mb", "node"), "MB", 150.0 if "10000000" in arguments else None),
        Figure("node memory at most", ("peak_mb", "node"), "MB"),
        Figure("blobs a round", ("bytes_a_round_of_a_member", "blobs"), "bytes"),
        *further,
    )
    return Benchmark(name, question, command, smoke, figures)


def _example(at: int, example: str) -> tuple[Figure, ...]:
    """How far federated is behind pooled, in points of accuracy or in % of the loss, and ahead of the best member."""
    mean = (at, "mean")
    return (
        Figure(f"{example}, behind pooled", (*mean, "behind_percent"), "%", 2.0),
        Figure(f"{example}, ahead of the best member", (*mean, "ahead_percent"), "%", 0.0, "more"),
    )


AFTER_AUDIT = Figure("blobs for good", ("bytes_a_round_of_a_member", "blobs_after_the_audits_window"), "bytes", 60e6)


def _flower(name: str, question: str, arguments: str, goal: float = 15.0) -> Benchmark:
    command = ("flower", *arguments.split())
    engine = ("--simulation",) if "--simulation" in command else ()
    smoke = ("flower", "--participants", "4", "--slots", "1000", "--rounds", "1", *engine)
    figures = (
        Figure("Flower over ours", ("flower_over_ours",), "times", goal, "more"),
        Figure("Flower's round", ("median_seconds",)),
        Figure("our round", ("ours", "median_seconds", "total")),
    )
    return Benchmark(name, question, command, smoke, figures)


def _flare(name: str, question: str, arguments: str) -> Benchmark:
    command = ("flare", *arguments.split())
    smoke = ("flare", "--participants", "2", "--slots", "1000", "--rounds", "1")
    figures = (
        Figure("FLARE over ours", ("flare_over_ours",), "times", better="more"),
        Figure("FLARE's round", ("median_seconds",)),
        Figure("our round", ("ours", "median_seconds", "total")),
    )
    return Benchmark(name, question, command, smoke, figures)


EXAMPLES = ("claims", "credit", "demand", "digits", "tumour")
BENCHMARKS = (
    Benchmark(
        "rounds",
        "What does a round of four members cost beside training, embedded network?",
        ("rounds", "--rounds", "10", "--json"),
        ("rounds", "--rounds", "1", "--json"),
        _rounds(0.6),
    ),
    Benchmark(
        "rounds-fabric",
        "The same on real Fabric, batches of 200 ms?",
        ("rounds", "--rounds", "10", "--fabric", "--json"),
        ("rounds", "--rounds", "1", "--fabric", "--json"),
        _rounds(1.6),
    ),
    _scale("million", "Four members, 10⁶ slots?", "--slots 1000000 --rounds 6", 0.9),
    _scale("ten-million", "Four members, 10⁷ slots?", "--slots 10000000 --rounds 4", 4.0, AFTER_AUDIT),
    _scale("ten", "Ten members, 10⁵ slots?", "--participants 10 --slots 100000 --rounds 6", 1.5),
    _scale("twenty", "Twenty members, 10⁴ slots?", "--participants 20 --rounds 4", 5.0),
    _scale("fifty", "50 participants of ten, 10⁴ slots?", "--participants 50 --organisations 10 --rounds 3", 12.0),
    _scale("dropout", "Ten members, one fails, 10⁴ slots?", "--participants 10 --dropouts 1 --rounds 4", 10.0),
    _scale("silent", "Ten, one vanishes, 10⁴ slots?", "--participants 10 --dropouts 1 --silent --rounds 4", 10.0),
    _flower("flower", "Flower's SecAgg+ over its own processes, four participants, 10⁴ slots?", "--slots 10000"),
    _flower("flower-million", "The same with 10⁶ slots?", "--slots 1000000"),
    _flower("flower-dropout", "Ten participants, one fails, 10⁴ slots?", "--participants 10 --dropouts 1"),
    _flower("flower-simulation", "In Flower's simulation engine, four participants?", "--simulation --rounds 6", 3.0),
    _flare("flare", "NVIDIA FLARE's plain averaging in POC mode, four participants, 10⁴ slots?", "--slots 10000"),
    _flare("flare-million", "The same with 10⁶ slots?", "--slots 1000000"),
    Benchmark(
        "postgres",
        "What does the ledger cost, beside the same nodes with a coordinator on PostgreSQL?",
        ("postgres", "--rounds", "10"),
        ("postgres", "--rounds", "1"),
        (
            Figure("of the coordinator's round", ("ledger_over_coordinator",), "times", 1.5),
            Figure("of a minute", ("percent_of_a_minute",), "%", 3.0),
            Figure("round on the ledger", ("ledger", "median_seconds", "total")),
            Figure("round by the coordinator", ("coordinator", "median_seconds", "total")),
        ),
    ),
    Benchmark(
        "growth",
        "How does a round grow, and what would 1,000 participants with 10⁵ slots take?",
        ("growth",),
        ("growth", "--smoke"),
        (
            Figure("a round of 1,000", ("simulated", "seconds", "total")),
            Figure("a participant's own part", ("simulated", "seconds", "participant")),
            Figure("the fit's largest error", ("seconds", "largest_error_percent"), "%"),
        ),
    ),
    Benchmark(
        "masking",
        "What does masking 10⁶ slots for ten participants cost, beside AES-CTR alone?",
        ("masking", "--cohort", "10"),
        ("masking", "--cohort", "4", "--slots", "1000", "--repeat", "1"),
        (
            Figure("of AES-CTR", ("figures", 0, "fraction_of_raw_aes"), "of raw AES", 0.8, "more"),
            Figure("masking", ("figures", 0, "mask_seconds")),
            Figure("Flower's step over ours", ("figures", 0, "flower_over_ours"), "times", 5.0, "more"),
        ),
    ),
    Benchmark(
        "endorsement",
        "What does checking the sum of ten participants' 10⁶ slots cost, beside SHA-256 alone?",
        ("aggregate", "--case", "10,1000000,0,1"),
        ("aggregate", "--case", "4,1000,0,1", "--repeat", "1"),
        (
            Figure("of SHA-256", (0, "one_core", "cpu_ratio_to_sha256"), "times SHA-256", 1.2),
            Figure("of SHA-256, once checked", (0, "checked_one_core", "cpu_ratio_to_sha256"), "times SHA-256", 1.2),
        ),
    ),
    Benchmark(
        "endorsement-in-groups",
        "What does a robust mean over five groups of twenty participants' 10⁶ slots cost, beside their one sum?",
        ("aggregate", "--case", "20,1000000,0,0", "--case", "20,1000000,0,5", "--repeat", "3", "--turns", "8"),
        ("aggregate", "--case", "5,1000,0,0", "--case", "5,1000,0,5", "--repeat", "1", "--turns", "2"),
        (Figure("of one sum", (1, "cpu_ratio_to_one_sum"), "times", 2.0),),
    ),
    Benchmark(
        "ledger",
        "How many small commits a second, beside the official Node client on the same embedded network?",
        ("ledger", "--json"),
        ("ledger", "--json", "--clients", "1", "--turns", "1", "--seconds", "1"),
        (
            Figure("start to first commit", ("start_up_to_first_commit_s",), goal=1.5),
            Figure("of Node, 1 client", ("ratios", "1"), "times", 1.0, "more"),
            Figure("of Node, 16 clients", ("ratios", "16"), "times", 1.0, "more"),
            Figure("of Node, 64 clients", ("ratios", "64"), "times", 1.5, "more"),
        ),
    ),
    Benchmark(
        "audit",
        "How fast are 50,000 transactions audited, with the rules replayed?",
        ("audit", "--json"),
        ("audit", "--json", "--transactions", "200"),
        (
            Figure("audited", ("with_replay", "transactions_a_second"), "tx/s of CPU", 3000, "more"),
            Figure("memory", ("with_replay", "peak_mb"), "MB", 100),
        ),
    ),
    Benchmark(
        "data",
        "How long do two million rows of ten columns take to read?",
        ("data", "--json"),
        ("data", "--json", "--rows", "1000"),
        (
            Figure("CSV", (1, "seconds"), goal=8.0),
            Figure("CSV, memory", (1, "peak_mb"), "MB", 400),
            Figure("Parquet", (3, "seconds"), goal=3.0),
            Figure("Parquet, memory", (3, "peak_mb"), "MB", 400),
        ),
    ),
    Benchmark(
        "examples",
        "What is federation worth on the examples, beside pooled rows and each member alone?",
        ("examples", "--json"),
        ("examples", "--json", "--example", "tumour", "--split", "0", "--rounds", "1"),
        tuple(figure for at, example in enumerate(EXAMPLES) for figure in _example(at, example)),
    ),
    Benchmark(
        "trees",
        "How good are trees by secure sums, beside XGBoost on all rows?",
        ("trees", "--json"),
        ("trees", "--json", "--splits", "1"),
        (
            Figure("AUC", ("mean", "federated"), "of 1"),
            Figure("behind XGBoost", ("mean", "behind_points"), "points", 0.5),
        ),
    ),
    Benchmark(
        "privacy",
        "What does ε = 3 for every row of four hospitals cost?",
        ("privacy", "--json"),
        ("privacy", "--json", "--seeds", "1", "--rounds", "1"),
        (
            Figure("accuracy without", ("cases", "federated", "mean"), "%"),
            Figure("points lost", ("cases", "federated, private, ε = 3", "lost"), "points", 4.0),
            Figure("points lost, pooled", ("cases", "pooled, private, ε = 3", "lost"), "points"),
        ),
    ),
    Benchmark(
        "start",
        "How long until the command line answers?",
        ("start",),
        ("start", "--repeat", "1"),
        (Figure("fedledger --help", ("help_seconds",), goal=0.15), Figure("memory", ("help_mb",), "MB")),
    ),
    Benchmark(
        "ready",
        "How long until a node is ready?",
        ("ready",),
        ("ready", "--repeat", "1"),
        (
            Figure("ready", ("ready_seconds",), goal=1.0),
            Figure("processor", ("ready_processor_seconds",)),
        ),
    ),
)
