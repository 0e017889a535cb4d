"""Files read on Apache Spark, a file a task, by the very functions that read them here: so the result is the same.

Driver and executors need this package and see the files under the same path; an executor runs the Python that
`PYSPARK_PYTHON` names, on this machine (`local[*]`) the one that runs this. Only numbers and refusals come back to the
driver.
"""

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from fl_node import codes
from fl_node.data.errors import DataError, data_error
from fl_node.data.spreading import HERE, Spread


class OnSpark:
    """A Spark context.

    Args:
        context: The running one.
    """

    def __init__(self, context: Any) -> None:
        self._context = context

    @property
    def width(self) -> int:
        """How many tasks run at once."""
        return int(self._context.defaultParallelism)

    def over(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        """A task for each.

        Raises:
            DataError: The first that the function raises, in the order of the items; FL3113 where a task fails.
        """
        given = self._context.parallelize(list(items), max(1, len(items)))
        try:
            answers = given.map(partial(_answer, function)).collect()
        except Exception as error:  # Py4JJavaError, which only exists where pyspark does
            raise _failed(error, "a task failed") from error
        for answer in answers:
            if isinstance(answer, _Refusal):
                raise DataError(answer.code, answer.message, where=answer.where, hint=answer.hint)
        return list(answers)


class _Refusal:
    """A refusal on its way to the driver."""

    def __init__(self, error: DataError) -> None:
        self.code, self.message, self.where, self.hint = error.code, error.message, error.where, error.hint


def _answer(function: Callable[[Any], Any], item: Any) -> Any:
    try:
        return function(item)
    except DataError as error:
        return _Refusal(error)


@contextmanager
def spread_on(master: str | None) -> Iterator[Spread]:
    """Opens a Spark context, and ends it; without a master files are read here.

    Args:
        master: Such as `local[*]`, `spark://host:7077` or `yarn`.

    Raises:
        DataError: FL3113 where pyspark is not installed, or where Spark does not start.
    """
    if master is None:
        yield HERE
        return
    try:
        from pyspark import SparkConf, SparkContext  # noqa: PLC0415 - 450 MB that only who asks for it has
    except ModuleNotFoundError as error:
        raise data_error(codes.SPARK_FAILED, "pyspark is not installed", f"--spark {master}") from error
    settings = SparkConf().setMaster(master).setAppName("fedledger").set("spark.ui.enabled", "false")
    try:
        context = SparkContext(conf=settings)
    except Exception as error:  # PySparkRuntimeError without Java, Py4JJavaError for what Spark refuses
        raise _failed(error, "Spark does not start") from error
    context.setLogLevel("ERROR")
    if master.startswith("local") and "PYSPARK_PYTHON" not in os.environ:
        context.pythonExec = sys.executable  # else whatever `python3` is on this machine
    try:
        yield OnSpark(context)
    finally:
        context.stop()


def _failed(error: Exception, what: str) -> DataError:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = next((line for line in lines if "Error" in line or "Exception" in line), lines[0] if lines else "")
    return data_error(codes.SPARK_FAILED, f"{what}: {said[:300] or type(error).__name__}")
