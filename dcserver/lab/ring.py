"""A real ring all-reduce between processes on this machine: the sum is checked, the time measured.

Every rank is a process of its own and talks to its two neighbours alone, through pipes. Taught in chapter 07.
"""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.checks import require_positive, require_whole
from dcserver.lab.browser import IN_BROWSER
from dcserver.units import format_bytes, format_rate, format_time

__all__ = ["RingRun", "all_reduce", "expected_time"]


@dataclass(frozen=True)
class RingRun:
    """One measured all-reduce: the best of several repeats, each as long as its slowest rank."""

    ranks: int
    message_bytes: float
    time: float  # s
    correct: bool  # whether every rank ended with the sum of all

    @property
    def sent_bytes(self) -> float:
        """Bytes that each rank sent."""
        return 2 * (self.ranks - 1) / self.ranks * self.message_bytes

    @property
    def bus_bandwidth(self) -> float:
        """Bytes a second that each rank sent."""
        return self.sent_bytes / self.time

    def __str__(self) -> str:
        sum_is = "every rank has the sum" if self.correct else "the sum is WRONG"
        return (f"{self.ranks} processes, {format_bytes(self.message_bytes)}: {format_time(self.time)}, "
                f"{format_rate(self.bus_bandwidth)} from each; {sum_is}")  # fmt: skip


def expected_time(ranks: Any, message_bytes: Any, sizes: Any, times: Any) -> Any:
    """Seconds that a ring should take where one message between two processes takes ``times`` at ``sizes``.

    Parameters
    ----------
    ranks, message_bytes : float or array
        Processes of the ring [1]; bytes of the vector that each brings [B].
    sizes, times : array
        One measured curve: bytes, and seconds one way, as of ``bench.latest().exchange.of("pipe")``.

    Returns
    -------
    float or array, s

    Raises
    ------
    ValueError
        For fewer than two ranks, and where the curve has no point.

    Notes
    -----
    Equation: 2 (n - 1) x time of a message of size / n, between the measured points a straight line in logarithms,
    beyond the last one at its rate. Assumes a core and a free memory channel for each rank: with fewer cores than
    ranks it is too short. Taught in chapter 07.

    >>> round(float(expected_time(4, 4e6, [1e3, 1e6], [1e-5, 1e-3])), 9)
    0.006
    """
    require_whole(minimum=2, ranks=ranks)
    require_positive(message_bytes=message_bytes)
    sizes, times = np.asarray(sizes, dtype=float), np.asarray(times, dtype=float)
    if not sizes.size:
        raise ValueError("sizes is empty: measure how long a message takes first (lab.bench)")
    order = np.argsort(sizes)
    sizes, times = sizes[order], times[order]
    piece = np.asarray(message_bytes, dtype=float) / ranks
    once = np.exp(np.interp(np.log(piece), np.log(sizes), np.log(times)))
    once = np.where(piece > sizes[-1], times[-1] * piece / sizes[-1], once)
    out = 2 * (np.asarray(ranks, dtype=float) - 1) * once
    return out if np.ndim(out) else float(out)


def _rank(rank: int, ranks: int, length: int, repeats: int, left: Any, right: Any, together: Any, report: Any) -> None:
    """What one process does: receives from the left, sends to the right, and reports its seconds to the parent."""
    try:
        piece = length // ranks
        index = np.arange(length, dtype=np.float32) % 97
        # Whole numbers below 2^24: their sum is exact in 32 bits, in whatever order it is made.
        wanted = ranks * index + ranks * (ranks - 1) / 2
        arrived = np.empty(piece, dtype=np.float32)
        seconds, correct = [], True
        with ThreadPoolExecutor(1) as sender:  # a pipe holds little: send and receive must go on at once
            for _ in range(repeats):
                data = index + np.float32(rank)
                together.wait()
                start = time.perf_counter()
                for turn in range(2 * (ranks - 1)):
                    out, into = (rank - turn) % ranks, (rank - turn - 1) % ranks
                    sending = sender.submit(right.send_bytes, data[out * piece : (out + 1) * piece].data.cast("B"))
                    left.recv_bytes_into(arrived.data.cast("B"))
                    sending.result()
                    if turn < ranks - 1:  # reduce-scatter: add what arrives; then all-gather: keep it
                        data[into * piece : (into + 1) * piece] += arrived
                    else:
                        data[into * piece : (into + 1) * piece] = arrived
                seconds.append(time.perf_counter() - start)
                correct = correct and bool(np.array_equal(data, wanted))
        report.send((seconds, correct))
    except Exception as trouble:  # the parent tells it; nobody reads a child's traceback
        together.abort()
        report.send(f"rank {rank}: {type(trouble).__name__}: {trouble}")


def all_reduce(ranks: int = 4, message_bytes: float = 16e6, repeats: int = 5, timeout: float = 60.0) -> RingRun:
    """Sum a vector over so many processes by a ring, for real.

    Parameters
    ----------
    ranks : int
        Processes, 2 to 64; each is a new Python that imports NumPy.
    message_bytes : float, B
        Of the vector that each rank brings (32-bit numbers; rounded to a multiple of the ranks).
    repeats : int
        The best one counts.
    timeout : float, s
        After which the processes are ended.

    Returns
    -------
    RingRun

    Raises
    ------
    ValueError
        For arguments out of range.
    RuntimeError
        Where this system starts no processes, or a rank fails or is not done in time.

    Notes
    -----
    Each rank cuts its vector in n pieces. n - 1 times it passes a piece to the right and adds what comes from the
    left; n - 1 times more the finished pieces go round. From a script, call it under ``if __name__ == "__main__":``.
    Taught in chapter 07.
    """
    require_whole(minimum=2, ranks=ranks)
    require_whole(repeats=repeats)
    require_positive(message_bytes=message_bytes, timeout=timeout)
    if ranks > 64:
        raise ValueError(f"ranks={ranks} would start too many processes; allowed are 2 to 64")
    if message_bytes > 1e9:
        raise ValueError(f"message_bytes={message_bytes:g} would fill the memory of {ranks} processes; at most 1e9")
    if IN_BROWSER:
        raise RuntimeError("a browser's Python starts no second process, so there is no ring")
    length = max(round(message_bytes / 4 / ranks), 1) * int(ranks)
    started: list[Any] = []
    answers: list[Any] = []
    try:
        context = multiprocessing.get_context("spawn")  # the same on every system, and safe beside threads
        together = context.Barrier(ranks)
        links = [context.Pipe(duplex=False) for _ in range(ranks)]  # link i leads from rank i to rank i + 1
        reports = [context.Pipe(duplex=False) for _ in range(ranks)]
        for rank in range(ranks):
            process = context.Process(target=_rank, daemon=True, args=(rank, ranks, length, repeats,
                                      links[rank - 1][0], links[rank][1], together, reports[rank][1]))  # fmt: skip
            process.start()
            started.append(process)
        end = time.monotonic() + timeout
        for rank, (reader, _) in enumerate(reports):
            while not reader.poll(0.2):
                if not started[rank].is_alive() and not reader.poll():
                    raise RuntimeError(f"rank {rank} ended without an answer")
                if time.monotonic() > end:
                    raise RuntimeError(f"the ring was not done within {timeout:g} s")
            answers.append(reader.recv())
    except (OSError, ImportError) as trouble:
        raise RuntimeError(f"this system starts no processes for the ring: {trouble}") from trouble
    finally:
        for process in started:
            process.join(1 if len(answers) == ranks else 0)
            if process.is_alive():
                process.terminate()
    failed = [answer for answer in answers if isinstance(answer, str)]
    if failed:
        raise RuntimeError(f"the ring failed: {failed[0]}")
    slowest = np.max([seconds for seconds, _ in answers], axis=0)
    return RingRun(int(ranks), 4.0 * length, float(slowest.min()), all(correct for _, correct in answers))
