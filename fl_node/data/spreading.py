"""Where one's own files are read: in this process one after the other, or on Apache Spark, a file a task."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, Protocol


class Spread(Protocol):
    """Applies a function to things, somewhere."""

    @property
    def width(self) -> int:
        """How many it is applied to at once."""
        ...

    def over(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        """Returns what the function gives for each, in their order.

        Raises:
            DataError: The first that it raises, in that order.
        """
        ...


class Here:
    """This process."""

    width = 1

    def over(self, function: Callable[[Any], Any], items: Sequence[Any]) -> Iterable[Any]:
        """One after the other."""
        return map(function, items)


HERE: Final = Here()
