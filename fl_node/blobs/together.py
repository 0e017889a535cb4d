"""Does in one thread, and in one sync of the disk, what many ask for at the same time."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

A = TypeVar("A")
R = TypeVar("R")


class Together(Generic[A, R]):
    """Gathers what is asked for while the work before is done; for one event loop."""

    def __init__(self, work: Callable[[Sequence[A]], Sequence[R]]) -> None:
        """Prepare; `work` runs in a thread, and gives as many results as it is given things, in order."""
        self._work = work
        self._asked: list[tuple[A, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def do(self, asked: A) -> R:
        """Return what the work makes of this; an error of the work is the error of all that it was given at once."""
        result: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._asked.append((asked, result))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run())
        return await result

    async def _run(self) -> None:
        while self._asked:
            batch, self._asked = self._asked, []
            waiting = [result for _, result in batch]
            try:
                results = await asyncio.to_thread(self._work, [asked for asked, _ in batch])
            except Exception as error:  # noqa: BLE001  # it is given to everybody who waits
                for result in waiting:
                    if not result.done():
                        result.set_exception(error)
                continue
            for result, value in zip(waiting, results, strict=True):
                if not result.done():  # who asked may have gone
                    result.set_result(value)
