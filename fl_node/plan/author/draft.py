"""From a survey of a researcher's rows to a schema that other members' rows fit too: wider ranges, round constants."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from fl_node import codes
from fl_node.data.schema import MISSING, Column, Label, Missing, Schema, Window
from fl_node.data.survey import Found, Survey
from fl_node.plan.errors import plan_error

TASKS: Final = ("classify", "number", "count", "none")
"""What a first model learns: one of several values, a number, a count of events, or the rows themselves."""

CATEGORY_VALUES: Final = 100
"""A text with more different values is no category."""

CLASSES: Final = 20
"""A label of whole numbers with more different values is a number, not one of several."""

MARGIN: Final = 0.5
"""By how much of its length a range is widened on each side before it is rounded."""

SERIES: Final = 30
"""With fewer series nothing is held out: a member that has a few of them would have none on one of the sides."""

DIGITS: Final = 2
"""How many digits of a mean, a deviation or a filling are written."""


@dataclass(frozen=True)
class Asked:
    """What a researcher said of her rows.

    Attributes:
        label: The label's column; None: there is none, the model learns the rows themselves.
        task: One of `TASKS`; None: as the label's values suggest.
        exposure: The column of a count's exposure.
        time: The column of a row's time, where rows are steps of time series.
        series: The column that names a row's series.
        history: How many steps a model reads.
        horizon: How many it foretells.
    """

    label: str | None = None
    task: str | None = None
    exposure: str | None = None
    time: str | None = None
    series: str | None = None
    history: int = 8
    horizon: int = 1


@dataclass(frozen=True)
class Draft:
    """A schema and what is to be said of it.

    Attributes:
        schema: The schema.
        task: One of `TASKS`.
        rows: How many rows it was made from.
        centre: A round number near the label's mean; of a count near its mean rate.
        spread: A round number near the label's standard deviation.
        holdout_percent: Share of rows that only evaluation sees.
        notes: Column → what the researcher should look at.
        left_out: Column → why it is no feature.
    """

    schema: Schema
    task: str
    rows: int
    centre: str = "0"
    spread: str = "1"
    holdout_percent: int = 20
    notes: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)


def draft(found: Survey, asked: Asked) -> Draft:
    """Drafts a schema.

    Raises:
        DataError: FL3103 for a column that is not there.
        PlanError: FL3080 where the label cannot be learned as asked, or no column is left to learn from.
    """
    label = found.column(asked.label) if asked.label else None
    task = _task(label, asked)
    reserved = {name for name in (asked.exposure, asked.time, asked.series) if name}
    for name in reserved:
        found.column(name)
    features = [each for each in found.columns if each.name not in reserved and (each is not label or asked.time)]
    left_out = {each.name: reason for each in features if (reason := _reason_against(each, found.rows))}
    kept = [each for each in features if each.name not in left_out]
    if not kept:
        raise plan_error(codes.NOTHING_TO_LEARN, "every column is constant, names its row or is free text")
    columns = tuple(_column(each) for each in kept)
    schema = Schema(
        columns=columns,
        label=_label(label, task, asked) if label else None,
        missing=_missing(found),
        window=_window(found, asked),
    )
    centre, spread = _scale(label, task, found, asked)
    held = 20 if asked.time is None or _many_series(found, asked.series) else 0
    return Draft(schema, task, found.rows, centre, spread, held, dict(_notes(kept, label)), left_out)


def _task(label: Found | None, asked: Asked) -> str:
    if label is None:
        if asked.task not in {None, "none"}:
            raise plan_error(codes.NOTHING_TO_LEARN, f"{asked.task} needs a label", hint="Give --label COLUMN.")
        return "none"
    numeric, different = label.kind == "number", len(label.values)
    fits = {
        "classify": label.kind in {"text", "boolean", "number"} and not label.many and different > 1,
        "number": numeric,
        "count": numeric and label.whole and label.low >= 0,
    }
    guess = "classify" if not numeric or (label.whole and different <= CLASSES) else "number"
    guess = "count" if asked.exposure else "number" if asked.time and numeric else guess
    task = asked.task or guess
    if not fits.get(task):
        held = f"{different}{'+' if label.many else ''} different values, {label.kind}s"
        possible = ", ".join(name for name, fit in fits.items() if fit) or "none of them"
        raise plan_error(
            codes.NOTHING_TO_LEARN,
            f"{task} does not fit the label's {held}",
            f"column {label.name}",
            f"Take another label; of this one could be learned (--task): {possible}.",
        )
    return task


def _reason_against(found: Found, rows: int) -> str:
    """Return why a column is no feature, "" where it is one."""
    different = len(found.values)
    if not found.count:
        return "it holds nothing"
    if found.kind != "array" and not found.many and different == 1:
        return "it is the same in every row"
    if found.kind in {"date", "array"} or found.kind == "boolean":
        return ""
    if found.kind == "number":
        names_rows = found.whole and found.count == rows and found.high - found.low + 1 == rows > CLASSES
        return "it numbers the rows" if names_rows and (found.many or different == rows) else ""
    if found.many or different > CATEGORY_VALUES or different > max(2, found.count // 2):
        return f'it is free text: Column(type="text", length={found.longest or 1}) reads its bytes'
    return ""


def _column(found: Found) -> Column:
    name = found.name
    if found.kind == "array":
        low, high = _outwards(found)
        return Column(name=name, type="array", shape=found.shape, minimum=low, maximum=high, **_standard(found))
    if found.kind == "boolean" or (found.kind == "number" and found.whole and (found.low, found.high) == (0, 1)):
        common = found.values.most_common(1)[0][0].lower()
        return Column(name=name, type="boolean", fill="true" if common in {"true", "1", "1.0"} else "false")
    if found.kind == "text":
        fill = found.values.most_common(1)[0][0] if found.missing else None
        return Column(name=name, type="category", values=tuple(sorted(found.values)), fill=fill)
    if found.kind == "date":
        low, high = (_day(bound) for bound in _years(found))
        fill = _day(found.mean) if found.missing else None
        return Column(name=name, type="date", minimum=low, maximum=high, fill=fill, **_standard(found))
    low, high = _outwards(found)
    fill = None
    if found.missing:
        fill = number_text(round(found.mean)) if found.whole else rounded(found.mean)
    return Column(
        name=name,
        type="integer" if found.whole else "float",
        minimum=low,
        maximum=high,
        fill=fill,
        **_standard(found),
    )


def _label(found: Found, task: str, asked: Asked) -> Label:
    if task == "classify":
        values = {number_text(float(value)) if _number(value) else value for value in found.values}
        return Label(name=found.name, values=tuple(sorted(values, key=_order)))
    if task == "count":
        return Label(name=found.name, type="count", exposure=asked.exposure)
    return Label(name=found.name, type="float")


def _order(text: str) -> tuple[float, str]:
    return float(text) if _number(text) else math.inf, text


def _number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _missing(found: Survey) -> Missing:
    """The words that were seen beside the usual ones; other members may lack values that are complete here."""
    seen = {word.lower() for column in found.columns for word in column.missing}
    return Missing(words=(*MISSING, *sorted(seen - set(MISSING))), rows="drop")


def _window(found: Survey, asked: Asked) -> Window | None:
    if not asked.time:
        return None
    time = found.column(asked.time)
    if time.kind not in {"date", "number"}:
        raise plan_error(codes.NOTHING_TO_LEARN, "a time is a date or a whole number", f"column {asked.time}")
    return Window(
        time=asked.time,
        unit="date" if time.kind == "date" else "integer",
        series=asked.series,
        history=asked.history,
        horizon=asked.horizon,
    )


def _many_series(found: Survey, series: str | None) -> bool:
    """Whether some of a member's series will be held out, and some not: it is their names that decide."""
    return series is not None and (found.column(series).many or len(found.column(series).values) >= SERIES)


def _scale(label: Found | None, task: str, found: Survey, asked: Asked) -> tuple[str, str]:
    if label is None or task == "classify":
        return "0", "1"
    if task == "count":
        exposure = found.column(asked.exposure).mean if asked.exposure else 1.0
        return rounded(label.mean / exposure if exposure > 0 else label.mean) if label.mean else "1", "1"
    return rounded(label.mean), rounded(label.deviation) if label.deviation else "1"


def _notes(kept: list[Found], label: Found | None) -> Iterator[tuple[str, str]]:
    for found in [*kept, *([label] if label else [])]:
        words = {word: count for word, count in found.missing.items() if word}
        listed = [value for value in found.values if value.lower() in MISSING]
        if found.kind == "text" and listed:
            yield found.name, f"{listed[0]!r} is a value here, not a gap: true?"
        elif found.kind == "text" and words:
            yield (
                found.name,
                f"{max(words, key=lambda word: words[word])!r} is read as missing: list it if it is a value",
            )
        elif found.missing:
            yield found.name, f"missing here: {found.missing.total()}"


def _standard(found: Found) -> dict[str, Any]:
    """A round mean and deviation: near those of these rows, which they do not tell."""
    deviation = found.deviation or max(abs(found.mean), 1.0)
    return {"mean": rounded(found.mean), "deviation": rounded(deviation)}


def _outwards(found: Found) -> tuple[str, str]:
    """A range that is wider than the numbers found, of round numbers; one that lies above zero stays there."""
    span = found.high - found.low or max(abs(found.high), 1.0)
    step = 10.0 ** math.floor(math.log10(span))
    low = math.floor((found.low - MARGIN * span) / step) * step
    high = math.ceil((found.high + MARGIN * span) / step) * step
    if found.whole:
        low, high = math.floor(low), math.ceil(high)
    low = max(low, 0) if found.low >= 0 else low
    high = min(high, 0) if found.high <= 0 else high
    return number_text(low), number_text(high)


def _years(found: Found) -> tuple[float, float]:
    """The first day of the year before the first date, and of the second year after the last."""
    first, last = (datetime.fromtimestamp(0, UTC) + timedelta(days=day) for day in (found.low, found.high))
    return tuple(
        (datetime(max(1, min(year, 9999)), 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days
        for year in (first.year - 1, last.year + 2)
    )  # type: ignore[return-value]


def _day(days: float) -> str:
    return str((datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=math.floor(days))).date())


def rounded(number: float) -> str:
    """A number with a few digits, as decimal text."""
    if not number:
        return "0"
    digits = DIGITS - 1 - math.floor(math.log10(abs(number)))
    return number_text(round(number, digits))


def number_text(number: float) -> str:
    """A number as short decimal text, whole ones without a point."""
    if float(number).is_integer() and abs(number) < 1e15:  # noqa: PLR2004 - beyond, a float holds no unit
        return str(int(number))
    return f"{float(f'{number:.12g}')!r}"
