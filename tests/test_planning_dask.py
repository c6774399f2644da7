"""A search on the workers of a real Dask cluster: two processes on loopback, one of them killed at work."""

import os
import signal
import time

import pytest

from dcserver import catalog, planning
from dcserver.catalog import Cluster, Transformer

distributed = pytest.importorskip("distributed")

MACHINE = Cluster(server=catalog.server("DGX H100"), servers=32)
MODEL = Transformer(name="small", layers=24, hidden=2048, heads=16, kv_heads=16, head_dim=128, feed_forward=8192,
                    gated=0.0, vocabulary=51200, sequence=2048, tied_embeddings=1.0)  # fmt: skip
OPTIONS = {"schedule": ("1f1b", "zero_bubble"), "chunk_size": 4000, "accelerators": (64, 256)}


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1",
                                 dashboard_address=None, silence_logs=50) as cluster,
        distributed.Client(cluster) as client,
    ):  # fmt: skip
        yield client


def answer(result: planning.SearchResult) -> tuple:
    """All that a search says, but how long it took."""
    lists = [result.top(objective) for objective in ("time", "cost", "energy")]
    lists += [result.frontier(against) for against in ("cost", "energy", "accelerators")]
    counts = (result.considered, result.invalid, result.not_fitting, result.feasible, result.complete)
    return counts, (result.nearest.plan, result.nearest.memory), lists


def test_two_workers_one_of_them_killed_give_the_same_answer(client) -> None:
    alone = planning.search(MODEL, MACHINE, 256, **OPTIONS)
    together = planning.search(MODEL, MACHINE, 256, client=client, **OPTIONS)
    assert answer(together) == answer(alone)

    workers = client.run(os.getpid)
    assert len(set(workers.values())) == 2
    assert os.getpid() not in workers.values()
    victim = min(workers.values())
    seen: list[float] = []

    def kill_in_the_middle(done: int, total: int) -> None:
        seen.append(time.monotonic())
        if len(seen) == 3:
            os.kill(victim, signal.SIGKILL)

    survived = planning.search(MODEL, MACHINE, 256, client=client, progress=kill_in_the_middle, **OPTIONS)
    assert len(seen) > 10, "the worker must die in the middle, not at the end"
    with pytest.raises(ProcessLookupError):
        os.kill(victim, 0)
    assert answer(survived) == answer(alone)


def test_ctrl_c_leaves_the_workers_without_work(client) -> None:
    calls: list[int] = []

    def stop(done: int, total: int) -> None:
        calls.append(done)
        if len(calls) == 3:
            raise KeyboardInterrupt

    part = planning.search(MODEL, MACHINE, 256, client=client, progress=stop, **OPTIONS)
    assert not part.complete
    assert part.valid > 0
    deadline = time.monotonic() + 20
    while any(client.processing().values()) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(client.processing().values())
