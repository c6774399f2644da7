"""The same chunks on the workers of a Dask cluster. Dask is imported only when a client is handed over. Chapter 08."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from dcserver.planning.evaluate import Partial, Problem, evaluate
from dcserver.planning.space import Chunk

IN_FLIGHT = 4  # chunks waiting or at work for each thread of the cluster: enough to keep it busy, little to hold


def on_workers(problem: Problem, chunks: Iterator[Chunk], client: Any) -> Generator[Partial, None, None]:
    """What each chunk comes to, as workers finish; a chunk whose worker died runs again elsewhere, at last here.

    Every chunk travels whole with its problem, so that nothing is lost with the memory of a worker.
    """
    from distributed import as_completed
    from distributed.scheduler import KilledWorker

    threads = max(1, sum(client.nthreads().values()))
    waiting: dict[Any, Chunk] = {}
    queue = as_completed()

    def hand_out() -> None:
        for chunk in chunks:
            future = client.submit(evaluate, problem, chunk, pure=False)
            waiting[future] = chunk
            queue.add(future)
            if len(waiting) >= IN_FLIGHT * threads:
                return

    try:
        hand_out()
        while waiting:
            future = next(queue)
            chunk = waiting.pop(future)
            try:
                part = future.result()
            except KilledWorker:  # the workers died under it again and again: perhaps too little memory there
                part = evaluate(problem, chunk)
            future.release()
            hand_out()
            yield part
    finally:
        if waiting:
            client.cancel(list(waiting))
