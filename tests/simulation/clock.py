"""A time of its own for a simulated world: it passes only while everybody sleeps."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable, Iterable


class Clock:
    """A clock, and the workers who share it: one of them runs at a time, until it sleeps.

    So a run is the same each time, and workers take turns wherever they sleep: at each simulated call to AWS.
    """

    def __init__(self) -> None:
        self.now = 1_800_000_000.0  # a Unix time
        self._order = itertools.count()
        self._sleeping: list[tuple[float, int, threading.Semaphore]] = []
        self._over = threading.Semaphore(0)
        self._errors: list[BaseException] = []
        self._workers: set[threading.Thread] = set()

    def sleep(self, seconds: float) -> None:
        """Sleep, while others run."""
        until = self.now + seconds
        if not self._sleeping or until < self._sleeping[0][0]:
            self.now = until
            return
        mine = threading.Semaphore(0)
        heapq.heappush(self._sleeping, (until, next(self._order), mine))
        self._wake_next()
        mine.acquire()

    def run(self, workers: Iterable[Callable[[], None]]) -> None:
        """Run these at the same time, until all of them have ended; raise what one of them raised."""
        for work in workers:
            begin = threading.Semaphore(0)
            heapq.heappush(self._sleeping, (self.now, next(self._order), begin))
            worker = threading.Thread(target=self._work, args=(work, begin), daemon=True)
            self._workers.add(worker)
            worker.start()
        self._wake_next()
        self._over.acquire()
        if self._errors:
            raise self._errors[0]

    def is_worker(self) -> bool:
        """Whether this thread is one of the workers; a library's own threads sleep by the real clock."""
        return threading.current_thread() in self._workers

    def _work(self, work: Callable[[], None], begin: threading.Semaphore) -> None:
        begin.acquire()
        try:
            work()
        except BaseException as error:  # whoever runs the workers raises it
            self._errors.append(error)
        finally:
            if self._sleeping:
                self._wake_next()
            else:
                self._over.release()

    def _wake_next(self) -> None:
        self.now, _, sleeper = heapq.heappop(self._sleeping)
        sleeper.release()
