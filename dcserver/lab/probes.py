"""How a machine is measured: each probe yields points (what, size, value) as it goes, so that stopping keeps them.

The best of several runs counts: other work on the machine can only make a run slower. Nothing here starts before
it is asked to; what a system cannot do (threads, sockets, processes in a browser) is said, not guessed.
"""

import array
import contextlib
import mmap
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from dcserver.lab.browser import IN_BROWSER
from dcserver.units import KiB, MiB

Point = tuple[str, float, float]  # what was measured, at which size, what came out


class CannotMeasure(Exception):
    """This machine, or this Python, cannot be asked that; the message says why."""


@cache
def shortest_run() -> float:
    """Seconds that a run must last to be timed within some 5 %: twenty of the clock's own steps, 0.1 ms in a browser."""
    steps: list[float] = []
    last = time.perf_counter()
    while len(steps) < 5:
        now = time.perf_counter()
        if now > last:
            steps.append(now - last)
            last = now
    return max(2e-4, 20 * min(steps))


def _time_of(call: Callable[[], Any], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def best_time(call: Callable[[], Any], seconds: float) -> float:
    """Seconds of the fastest of several runs, repeated for about so long; many calls a run if they are short."""
    call()  # it pays for what later ones find ready
    calls, fastest, spent, runs = 1, np.inf, 0.0, 0
    # Three runs at least; of a long one, a single run after the first is all that there is time for.
    while runs == 0 or (runs < 3 and spent <= max(5 * seconds, 0.05)) or spent < seconds:
        took = _time_of(call, calls)
        spent += took
        if took < shortest_run():
            calls *= 2
        else:
            fastest, runs = min(fastest, took / calls), runs + 1
    return float(fastest)


def matrix_products(seconds: float) -> Iterator[Point]:
    """FLOP/s of square matrix products by number format and edge length, up to what the time allows.

    FP32 and FP64 run on the BLAS library's threads. For FP16 and INT8 NumPy has no fast kernel: it shows.
    """
    rng = np.random.default_rng(0)
    for dtype, largest, part in (
        ("float32", 4096, 0.42),
        ("float64", 4096, 0.42),
        ("float16", 256, 0.08),
        ("int8", 256, 0.08),
    ):
        share, began, edge = part * seconds, time.perf_counter(), 32
        while edge <= largest:
            a, b = (rng.standard_normal((edge, edge)).astype(dtype) for _ in range(2))
            out = np.empty((edge, edge), dtype)
            taken = best_time(lambda a=a, b=b, out=out: np.matmul(a, b, out=out), share / 12)  # type: ignore[misc]
            yield dtype, edge, 2.0 * edge**3 / taken
            left = share - (time.perf_counter() - began)
            if 8 * taken * 2.5 > left:  # the next one takes eight times as long, and two runs
                break
            edge *= 2


def sizes_between(low: float, high: float, step: int = 4) -> list[int]:
    """Whole sizes from low to high, each so many times the one before."""
    return [int(low * step**i) for i in range(40) if low * step**i <= high]


def _largest(memory: float, seconds: float) -> float:
    """The largest working set: beyond most caches, yet a small part of memory, and filled in the time there is."""
    return min(256 * MiB, memory / 16 if memory > 0 else 64 * MiB, seconds * 64 * MiB)


def copy_bandwidth(seconds: float, memory: float, threads: int) -> Iterator[Point]:
    """Bytes a second read plus written while copying and while adding arrays, by bytes moved in one pass.

    NumPy has no fused triad a = b + s c, so "scale and add" is two passes over memory: five arrays' worth of bytes.
    """
    sizes = sizes_between(16 * KiB, _largest(memory, seconds))
    share = seconds / (2 * len(sizes) + 2)
    for size in sizes:
        source, target = np.ones(size // 16), np.zeros(size // 16)
        taken = best_time(lambda s=source, t=target: np.copyto(t, s), share)  # type: ignore[misc]
        yield "copy", size, 2.0 * source.nbytes / taken
    for size in sizes:
        a, b, c = (np.ones(size // 24) for _ in range(3))

        def scale_and_add(a: np.ndarray = a, b: np.ndarray = b, c: np.ndarray = c) -> None:
            np.multiply(c, 3.0, out=a)
            np.add(a, b, out=a)

        yield "scale and add", size, 5.0 * a.nbytes / best_time(scale_and_add, share)
    if threads > 1 and not IN_BROWSER:
        # One core alone cannot draw all that the memory channels give; NumPy copies outside Python's lock.
        size = sizes[-1]
        pieces = [(np.ones(size // 16 // threads), np.zeros(size // 16 // threads)) for _ in range(threads)]
        with ThreadPoolExecutor(threads) as pool:
            taken = best_time(lambda: list(pool.map(lambda piece: np.copyto(piece[1], piece[0]), pieces)), 2 * share)
        yield f"copy, {threads} threads", size, 2.0 * sum(p[0].nbytes for p in pieces) / taken


def _walk(table: Any, place: int, rounds: int) -> int:
    for _ in range(rounds):
        place = table[place]
        place = table[place]
        place = table[place]
        place = table[place]
        place = table[place]
        place = table[place]
        place = table[place]
        place = table[place]
    return place


def _rounds(table: Any) -> int:
    """Rounds that the clock can time."""
    rounds = 500
    while _time_of(partial(_walk, table, 0, rounds), 1) < shortest_run():
        rounds *= 2
    return rounds


def memory_latency(seconds: float, memory: float) -> Iterator[Point]:
    """Seconds of one dependent step through a random ring of cache lines, by the ring's bytes.

    Each step must wait for the line that holds the next place. Python itself takes tens of nanoseconds a step;
    the time of the fastest ring that fits the first cache is taken off, so what is left is what the larger ring
    adds. The processor hides the first few nanoseconds behind Python's own work: under 10 ns means "some".
    """
    sizes = sizes_between(4 * KiB, _largest(memory, seconds))
    rng = np.random.default_rng(0)
    share, first_cache = seconds / len(sizes), np.inf
    for size in sizes:
        began, lines = time.perf_counter(), size // 64
        order = rng.permutation(lines)
        ring = np.zeros(lines * 8, dtype=np.int64)
        ring[order * 8] = np.roll(order, -1) * 8
        table = array.array("q")
        table.frombytes(memoryview(ring).cast("B"))  # type: ignore[arg-type]
        fastest, runs = np.inf, 0
        place = _walk(table, 0, min(lines, 200_000) // 8 + 1)
        rounds = _rounds(table)
        while runs < 20 or time.perf_counter() - began < share:
            start = time.perf_counter()
            place = _walk(table, place, rounds)
            fastest, runs = min(fastest, (time.perf_counter() - start) / (8 * rounds)), runs + 1
        if size <= 16 * KiB:
            first_cache = min(first_cache, fastest)
        else:
            yield "one more step", size, max(fastest - first_cache, 0.0)


def _aligned(size: int) -> mmap.mmap:
    buffer = mmap.mmap(-1, size)
    for start in range(0, size, int(MiB)):  # no run of zeros that a drive could leave out
        buffer[start : start + int(MiB)] = os.urandom(int(MiB))
    return buffer


def disk(seconds: float, folder: Path | None = None) -> Iterator[Point]:
    """Bytes a second to and from a file in the folder, by bytes of one request.

    Writing counts until the drive says that it has the bytes. Reading goes around the system's page cache where the
    system lets it; where not, the point says "page cache". The file is removed at the end, whatever happens.
    """
    if IN_BROWSER:
        raise CannotMeasure("a browser's Python has no disk")
    for place in (folder or Path.cwd(), Path(tempfile.gettempdir())):
        try:
            handle, name = tempfile.mkstemp(prefix=".dcserver-bench-", dir=place)
            break
        except OSError:
            continue
    else:
        raise CannotMeasure("no folder here can be written to")
    chunk = int(4 * MiB)
    try:
        free = os.statvfs(name).f_bavail * os.statvfs(name).f_frsize if hasattr(os, "statvfs") else 4e9
        chunks = int(min(64, free / 10 / chunk))
        if chunks < 2:
            raise CannotMeasure("less than 80 MB are free in this folder")
        with contextlib.closing(_aligned(chunk)) as buffer:
            start, written = time.perf_counter(), 0
            while written < chunks and time.perf_counter() - start < seconds / 3:
                os.write(handle, buffer)
                written += 1
            os.fsync(handle)
            yield "write", chunk, written * chunk / (time.perf_counter() - start)
            yield from _reads(handle, name, buffer, written, seconds / 4)
    finally:
        os.close(handle)
        os.unlink(name)


def _reads(handle: int, name: str, buffer: mmap.mmap, chunks: int, seconds: float) -> Iterator[Point]:
    chunk, page = len(buffer), 4096
    direct, how = _open_around_the_cache(name, buffer)
    try:
        source = handle if direct is None else direct
        start, read = time.perf_counter(), 0
        while read < chunks and time.perf_counter() - start < seconds:
            _read(source, buffer, read * chunk)
            read += 1
        yield f"read{how}", chunk, read * chunk / (time.perf_counter() - start)
        small = mmap.mmap(-1, page)
        places = np.random.default_rng(0).integers(0, chunks * chunk // page, 2000)
        start, read = time.perf_counter(), 0
        while read < len(places) and time.perf_counter() - start < seconds / 2:
            _read(source, small, int(places[read]) * page)
            read += 1
        yield f"read{how}", page, read * page / (time.perf_counter() - start)
        if direct is not None:
            for _ in range(2):  # the first pass fills the cache
                start = time.perf_counter()
                for i in range(chunks):
                    _read(handle, buffer, i * chunk)
                taken = time.perf_counter() - start
            yield "read, page cache", chunk, chunks * chunk / taken
    finally:
        if direct is not None:
            os.close(direct)


def _read(handle: int, buffer: mmap.mmap, offset: int) -> None:
    if hasattr(os, "preadv"):
        os.preadv(handle, [buffer], offset)
    else:
        os.lseek(handle, offset, os.SEEK_SET)
        buffer[:] = os.read(handle, len(buffer)).ljust(len(buffer), b"\0")


def _open_around_the_cache(name: str, buffer: mmap.mmap) -> tuple[int | None, str]:
    """A handle that reads from the drive itself, and how it does; (None, ", page cache") if there is no way."""
    if not hasattr(os, "O_DIRECT") or not hasattr(os, "preadv"):
        return None, ", page cache"
    handle = None
    try:
        handle = os.open(name, os.O_RDONLY | os.O_DIRECT)
        os.preadv(handle, [buffer], 0)  # some file systems open it, and refuse here
        return handle, ""
    except OSError:
        if handle is not None:
            os.close(handle)
        return None, ", page cache"


# The other process: sends each message back when it has all of it. Sizes come first, 8 bytes each; 0 ends it.
_ECHO = """
import socket, sys
if sys.argv[1] == "pipe":
    source, target = sys.stdin.buffer, sys.stdout.buffer
else:
    link = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    source, target = link.makefile("rb"), link.makefile("wb")
while True:
    size = int.from_bytes(source.read(8), "little")
    if not size:
        break
    target.write(source.read(size))
    target.flush()
"""


def exchange(seconds: float) -> Iterator[Point]:
    """Seconds for a message to reach another process of this machine (half of there and back), by its bytes.

    Python's own microseconds at both ends are part of it, as they are for a program that talks this way.
    """
    if IN_BROWSER:
        raise CannotMeasure("a browser's Python has no second process")
    sizes = sizes_between(64, 16 * MiB)
    for what, start in (("pipe", _through_a_pipe), ("socket", _through_a_socket)):
        with start() as (source, target):
            for size in sizes:
                message = bytes(size)

                def there_and_back(message: bytes = message, source: Any = source, target: Any = target) -> None:
                    target.write(len(message).to_bytes(8, "little") + message)
                    target.flush()
                    if len(source.read(len(message))) < len(message):
                        raise CannotMeasure("the other process went away")

                yield what, size, best_time(there_and_back, seconds / 2 / len(sizes)) / 2


@contextlib.contextmanager
def _child(argument: str, **streams: Any) -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", _ECHO, argument], stderr=subprocess.DEVNULL, **streams)
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        for stream in (child.stdin, child.stdout):
            with contextlib.suppress(OSError):
                if stream:
                    stream.close()


@contextlib.contextmanager
def _through_a_pipe() -> Iterator[tuple[Any, Any]]:
    with _child("pipe", stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        yield child.stdout, child.stdin


@contextlib.contextmanager
def _through_a_socket() -> Iterator[tuple[Any, Any]]:
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen(1)
        door.settimeout(20)
        with _child(str(door.getsockname()[1]), stdin=subprocess.DEVNULL), door.accept()[0] as link:
            link.settimeout(20)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with link.makefile("rb") as source, link.makefile("wb") as target:
                yield source, target
