"""Ctrl-C at a point where the work can be left in order."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def deferred_interrupt() -> Iterator[Callable[[], None]]:
    """Hold a first Ctrl-C back until the function that it yields is called, which then raises KeyboardInterrupt.

    An interrupt in the middle of Python's thread pool may leave one of its locks taken for ever; between two results it
    cannot. A second Ctrl-C takes effect at once. Outside the main thread nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    before = signal.getsignal(signal.SIGINT)
    wanted = False

    def on_interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal wanted
        if wanted:
            raise KeyboardInterrupt
        wanted = True

    def check() -> None:
        if wanted:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield check
        check()
    finally:
        signal.signal(signal.SIGINT, before)
