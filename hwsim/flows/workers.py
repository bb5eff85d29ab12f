"""Where work is computed: worker processes of this machine, or those of a running Dask scheduler."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from hwsim.errors import HwsimError

if TYPE_CHECKING:
    from distributed import Client

CONNECT_SECONDS = 5
Stage = Callable[[int, str], None]
"""Called with the number of an item and what its worker does."""
Item = TypeVar("Item")

KEPT_BYTES = 1 << 32
"""Of freed memory that a worker keeps for its next tensors."""


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def default_jobs() -> int:
    """Half as many as cores: a process of PyTorch takes some memory, and two threads speed each up."""
    return max(1, cores() // 2)


def check_installed(command: str, extra: str) -> None:
    """Raise HwsimError, which names the command and the extra that brings it, unless Dask is there."""
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise needs(command, "Dask", error, extra) from error


def needs(command: str, what: str, error: ImportError, extra: str) -> HwsimError:
    """What to say where a command's optional package is missing."""
    return HwsimError(f"{command} needs {what} ({error.name} is missing): pip install 'hwsim[{extra}]'")


@contextmanager
def local_workers(count: int) -> Iterator[Client]:
    """So many processes with one thread each; they end with this one."""
    import dask
    from distributed import Client, LocalCluster

    # a worker that dies (out of memory) takes its own cell with it, once, and no cell that only waited; Dask's own
    # setting gives memory back at every free, which makes PyTorch two and a half times as slow
    settings = {
        "distributed.scheduler.allowed-failures": 0,
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": KEPT_BYTES,
        "distributed.nanny.pre-spawn-environ.MALLOC_MMAP_THRESHOLD_": KEPT_BYTES,
    }
    with (
        _quiet(),
        dask.config.set(settings),
        LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            memory_limit=None,
        ) as cluster,
        Client(cluster) as client,
    ):
        client.register_plugin(_manners())
        yield client


@contextmanager
def _quiet() -> Iterator[None]:
    """Dask's own log only where more than warnings is asked for."""
    logger = logging.getLogger("distributed")
    before = logger.level
    if logging.getLogger().level >= logging.WARNING:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _manners() -> Any:
    """Ctrl-C reaches every process of a terminal, but only the first one shall act on it and say so."""
    from distributed import WorkerPlugin

    class Manners(WorkerPlugin):  # type: ignore[misc]  # distributed has no types
        def setup(self, worker: Any) -> None:
            import signal

            signal.signal(signal.SIGINT, signal.SIG_IGN)
            logging.getLogger("distributed").setLevel(logging.CRITICAL)

    return Manners()


@contextmanager
def remote_workers(address: str) -> Iterator[Client]:
    """The workers of a running scheduler.

    Raises
    ------
    HwsimError
        If there is no scheduler at the address, or it has no workers.
    """
    from distributed import Client

    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError, TypeError) as error:
        raise HwsimError(
            f"--scheduler {address}: no Dask scheduler answers (expected an address such as tcp://host:8786)"
        ) from error
    with _quiet(), client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise HwsimError(
                f"--scheduler {address}: has no workers (start some with: dask worker {address} --nthreads 1)"
            )
        yield client


def compute(
    client: Client, run: Callable[[Item, int], dict[str, Any]], items: Sequence[Item], topic: str, stage: Stage
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and result of each item, as they finish; a worker that is lost is a failure of its item.

    Parameters
    ----------
    run : called in a worker with an item and its number
    topic : of the events in which a worker says what it does: a dict of ``number`` and ``stage``
    """
    from distributed import as_completed

    client.subscribe_topic(topic, lambda event: stage(event[1]["number"], event[1]["stage"]))
    futures = [client.submit(run, item, number, pure=False) for number, item in enumerate(items)]
    numbers = {future.key: number for number, future in enumerate(futures)}
    try:
        for future in as_completed(futures):
            yield numbers[future.key], _result(future)
    finally:
        client.cancel(futures)


def _result(future: Any) -> dict[str, Any]:
    from distributed import KilledWorker

    if future.status == "finished":
        found: dict[str, Any] = future.result()
        return found
    error = future.exception() if future.status == "error" else None
    if isinstance(error, KilledWorker):
        return {"failure": "its worker process died (out of memory?)"}
    reason = " ".join(str(error).split()) if error is not None else "the scheduler has dropped it"
    return {"failure": f"the worker could not run it: {reason}"}
