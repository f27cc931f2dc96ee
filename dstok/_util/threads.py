"""Threads that help the calling thread with the parts of one task.

In: work, which takes parts until none is left. Out: all parts done, or an exception.
Invariant: the calling thread works too, so the task is done even if no other thread can start, and it waits for all
threads that have begun. After an exception in it, such as `KeyboardInterrupt`, no thread takes another part; a second
Ctrl-C also ends the wait. (`threading.Thread.start` waits for ever for a thread that has too little memory to begin.)
"""

from __future__ import annotations

import _thread
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from dstok._util.files import available_cpus

Part = TypeVar("Part")
Result = TypeVar("Result")


class Helpers:
    """Up to `count` threads. Each calls `work` with its number, from 1 on, if `wanted()` still holds when it begins."""

    def __init__(self, work: Callable[[int], None], wanted: Callable[[], bool], count: int) -> None:
        self.errors: list[BaseException | None] = [None] * (count + 1)  # by number: the exception that ended the work
        self._work, self._wanted = work, wanted
        self._begun: list[_thread.LockType | None] = [None] * (count + 1)
        self._locks = [_thread.allocate_lock() for _ in range(count + 1)]

    def start(self) -> None:
        """Start the threads, or as many as the system allows."""
        for number in range(1, len(self._locks)):
            self._locks[number].acquire()
            try:
                _thread.start_new_thread(self._run, (number,))
            except RuntimeError:
                break

    def wait(self) -> None:
        """Wait for the threads that have begun. `wanted()` must be false by now."""
        for lock in self._begun:
            if lock is not None:
                lock.acquire()

    def _run(self, number: int) -> None:
        self._begun[number] = self._locks[number]  # before it asks: the caller waits, or the work is not wanted
        try:
            if self._wanted():
                self._work(number)
        except BaseException as error:
            self.errors[number] = error
        finally:
            self._locks[number].release()


def at_once(*tasks: Callable[[], Any]) -> list[Any]:
    """The results of tasks, by a thread for each as far as there are processors. Raises an exception of a task."""
    return map_by_threads(lambda task: task(), tasks, min(len(tasks), available_cpus()))


def map_by_threads(work: Callable[[Part], Result], parts: Iterable[Part], threads: int) -> list[Result]:
    """`work(part)` for all parts, in order, by up to `threads` threads. Raises an exception of `work`."""
    results: list[Any] = list(parts)
    if threads == 1 or len(results) < 2:
        return list(map(work, results))
    left = [*enumerate(results)][::-1]

    def take() -> None:
        try:
            while left:
                try:
                    number, part = left.pop()
                except IndexError:  # another thread was faster
                    break
                results[number] = work(part)
        finally:
            left.clear()  # after an exception: no thread takes another part

    helpers = Helpers(lambda _: take(), lambda: bool(left), min(threads, len(left)) - 1)
    try:
        helpers.start()
        take()
    finally:
        left.clear()
        helpers.wait()
    for error in filter(None, helpers.errors):
        raise error
    return results
