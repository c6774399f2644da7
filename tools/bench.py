"""How quick the course answers: controls of each panel, import, and evaluations a second of each model.

python tools/bench.py [scheduling] [panels] [imports] [models] [planning]   (without names: all of them)

Figures hold for an idle machine; the load is printed beside them.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

POINTS = (1, 1_000, 1_000_000)
MOVES = 60
AIM = 50.0  # milliseconds for the median move


def moves(panel: Any) -> Iterator[tuple[float, float, float]]:
    """Milliseconds of random moves of a panel: by the clock, of this process, and in the model alone."""
    panel.widget()
    chance = random.Random(0)
    compute, spent = panel.compute, 0.0

    def timed(**values: Any) -> Any:
        nonlocal spent
        started = time.perf_counter()
        try:
            return compute(**values)
        finally:
            spent += time.perf_counter() - started

    panel.compute = timed
    for move in range(MOVES + 5):
        control = chance.choice(panel.controls)
        target = chance.choice([v for v in control.values if v != panel.values[control.name]])
        spent, started, worked = 0.0, time.perf_counter(), time.process_time()
        panel._widgets[control.name].value = control.to_widget(target)
        if move >= 5:  # the first moves fill caches, as a learner's first moves do
            yield 1e3 * (time.perf_counter() - started), 1e3 * (time.process_time() - worked), 1e3 * spent


def panels() -> None:
    """Time from a control's move to the new sentence, picture and table on their way to the page."""
    import panels as finder

    print(f"{'panel':44} {'median':>8} {'p95':>8} {'CPU':>8} {'model':>8}   ms a move; CPU and model: medians")
    medians = []
    for path in finder.chapters():
        for name, panel in finder.panels(path).items():
            clock, busy, model = (np.array(values) for values in zip(*moves(panel), strict=True))
            medians.append(float(np.median(clock)))
            figures = (medians[-1], float(np.quantile(clock, 0.95)), float(np.median(busy)), float(np.median(model)))
            mark = "" if medians[-1] <= AIM else f"   over {AIM:.0f} ms"
            print(f"{path.stem[:22] + ': ' + name:44} " + " ".join(f"{v:8.1f}" for v in figures) + mark, flush=True)
    if medians:
        print(f"{'all panels: median of medians, worst':44} {statistics.median(medians):8.1f} {max(medians):8.1f}")


def imports() -> None:
    """Time to import, in fresh processes, above an empty one; the best of several."""
    print(f"{'import':48} {'best':>8}   ms")
    statements = {
        "(nothing)": "pass",
        "numpy": "import numpy",
        "dcserver": "import dcserver",
        "dcserver.compute, memory, interconnect, energy": "from dcserver import compute, memory, interconnect, energy",
        "dcserver.lab.Panel (ipywidgets, matplotlib)": "from dcserver import lab; lab.Panel",
    }
    empty = 0.0
    for name, statement in statements.items():
        taken = []
        for _ in range(7):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", statement], check=True)
            taken.append(1e3 * (time.perf_counter() - started))
        best = min(taken)
        empty = empty or best
        print(f"{name:48} {best if name == '(nothing)' else best - empty:8.1f}")


def models() -> Iterator[tuple[str, Callable[[np.ndarray], Any]]]:
    """Each model as a function of an array that stands for so many designs."""
    from dcserver import (
        applications,
        catalog,
        centre,
        claims,
        compute,
        cost,
        edge,
        energy,
        future,
        inference,
        interconnect,
        memory,
        precision,
        reliability,
        sharing,
        storage,
    )

    h100, gpt3 = catalog.accelerator("H100 SXM"), catalog.transformer("GPT-3 175B")
    dgx = catalog.server("DGX H100")
    fabric, epyc = interconnect.fabric(450e9, 50e9), catalog.cpu("EPYC 7742")
    yield "compute.roofline", lambda x: compute.roofline(h100, 10 + x)
    yield "compute.matmul", lambda x: compute.matmul(h100, 512 + x, 4096, 4096)
    yield "compute.operator", lambda x: compute.operator(h100, "softmax", rows=512 + x, columns=4096)
    yield "memory.training_footprint", lambda x: memory.training_footprint(gpt3, data_parallel=1 + x % 64, zero_stage=1)
    yield "memory.serving_footprint", lambda x: memory.serving_footprint(gpt3, batch=1 + x % 64)
    flash = catalog.file_system("reference, flash")
    yield "storage.file_system", lambda x: storage.file_system(flash, 1 + x % 4096, 1e5 + 1e3 * x)
    yield "storage.idle_share", lambda x: storage.idle_share(1.0 + 1e-6 * x, 1.0, 1 + x % 64)
    yield "interconnect.all_reduce", lambda x: interconnect.all_reduce(1e6 + 1e3 * x, 64, fabric)
    yield "interconnect.all_to_all", lambda x: interconnect.all_to_all(1e6 + 1e3 * x, 64, fabric)
    yield "precision.cast", lambda x: precision.cast(1.001 + x, "fp8_e4m3")
    yield "precision.sum_error", lambda x: precision.sum_error(1 + x, 13, "same", 128)
    yield "precision.layer_gain", lambda x: precision.layer_gain(h100, 1 + x)
    llama = catalog.transformer("Llama 3.1 8B")
    yield "inference.step", lambda x: inference.step(llama, h100, requests=1 + x % 512, context=1000)
    yield "inference.offline", lambda x: inference.offline(llama, h100, input_tokens=1 + x % 4096, output_tokens=200)
    yield "interconnect.lane_budget", lambda x: interconnect.lane_budget(epyc, x % 16, 8, 8)
    yield "claims.times_off", lambda x: claims.times_off(10.0, 30.0, 1 + x % 100)
    yield "energy.operating_point", lambda x: energy.operating_point(h100, (1 + x % 100) / 100, power_limit=500.0)
    yield "energy.server_power", lambda x: energy.server_power(dgx, 100.0 + x % 600)
    yield "energy.facility", lambda x: energy.facility("air", x % 40)
    yield "sharing.sealed_transfer", lambda x: sharing.sealed_transfer(1e6 + x, 50e9, 3.5e9, 1 + x % 64)
    yield "sharing.scale_out", lambda x: sharing.scale_out(1e9 + 1e6 * x, 5e9, weights_from=8.6e9)
    yield "reliability.goodput", lambda x: reliability.goodput(reliability.best_interval(10, 100 + x), 10, 600, 100 + x)
    yield "reliability.redundancy", lambda x: reliability.redundancy(4, 6, 9e8, 1e3 + x, 0.05)
    climate = catalog.application("climate")
    yield "applications.size", lambda x: applications.size(climate, dgx, 1 + x % 100)
    yield "applications.climate", lambda x: applications.climate(1e3 + x, 64, h100)
    yield "cost.own", lambda x: cost.own(dgx, 16, utilization=(1 + x % 100) / 100)
    yield "cost.spot", lambda x: cost.spot(2.5, (1 + x % 100) * 1e-6)
    task = centre.task("70B")
    yield "centre.evaluate", lambda x: centre.evaluate(centre.Design(spares=x % 9, checkpoint_interval=60 + x), task)
    radio = catalog.radio("5G")
    yield "edge.respond", lambda x: edge.respond(1e-3, 2e4, 100, radio=radio, distance=1e3 * x, arrival_rate=x % 900)
    yield "edge.devices_within", lambda x: edge.devices_within(0.05, 1 + x % 30, 5e-3)
    yield "future.package", lambda x: future.package(1e-4 + 1e-9 * x, 1 + x % 16)
    yield "future.crossover", lambda x: future.crossover(1e-15, 1e-6 * (1 + x % 100), loading=x)


def evaluations() -> None:
    """Evaluations a second of each model for one design, a thousand, a million in one call."""
    print(f"{'model':32} " + " ".join(f"{f'{n:,} at once':>20}" for n in POINTS) + "   evaluations/s")
    for name, model in models():
        rates = []
        for count in POINTS:
            x = np.arange(count, dtype=float) if count > 1 else np.array(0.0)
            model(x)
            best, spent = np.inf, 0.0
            while spent < 0.4:  # the best of several: what else runs here only ever slows it
                started = time.perf_counter()
                model(x)
                taken = time.perf_counter() - started
                best, spent = min(best, taken), spent + taken
            rates.append(count / best)
        print(f"{name:32} " + " ".join(f"{rate:20,.0f}" for rate in rates), flush=True)


def searching() -> None:
    """Plans a second of a search by number of plans, on one core and on Dask; bytes a plan; GPT-3 on 64 to 4,096 GPUs."""
    import tracemalloc

    from dcserver import catalog, planning, training
    from dcserver.planning.evaluate import Problem, evaluate, merge
    from dcserver.planning.search import CHUNK
    from dcserver.planning.space import Tally

    gpt3, batch = catalog.transformer("GPT-3 175B"), 1536
    cluster = catalog.Cluster(server=catalog.server("DGX H100"), servers=512)
    full = {"schedule": ("1f1b", "zero_bubble"), "offload_optimizer": (False, True)}

    def once(wanted: int, chunk: int) -> tuple[int, float, float]:
        """Valid plans evaluated (memory of all, time and energy of those that fit), wall and CPU seconds."""
        stack = training.stack()
        axes = full if wanted > 1 else {"recomputation": "full", "zero_stage": 1}
        plans = planning.space(gpt3, range(32, 4097, 32), 5 * batch, gpt3.sequence, stack, **axes)
        problem, done, total = Problem(plans, cluster, stack, "bf16", "adam", 2.0, 10), 0, None
        started, busy = time.perf_counter(), time.process_time()
        for piece in plans.chunks(min(chunk, wanted), Tally()):
            part = evaluate(problem, piece)
            total = part if total is None else merge([total, part], 10)
            done += part.feasible + part.not_fitting
            if done >= wanted:
                break
        return done, time.perf_counter() - started, time.process_time() - busy

    print(
        f"{'search: valid plans':32} {'plans':>12} {'wall':>14} {'CPU':>14}   plans/s; memory of all, time of those that fit"
    )
    for power in range(8):
        tries = [once(10**power, CHUNK) for _ in range(3 if power < 7 else 1)]
        done = tries[0][0]
        wall, busy = (min(t[k] for t in tries) for k in (1, 2))
        print(f"{f'  10^{power}, one core':32} {done:12,} {done / wall:14,.0f} {done / busy:14,.0f}", flush=True)
    for chunk in (1 << 14, CHUNK):
        tracemalloc.start()
        once(4 * chunk, chunk)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        print(
            f"{f'  memory, chunks of {chunk:,}':32} {peak / chunk:12,.0f} B a plan of a chunk; {peak / 1e6:,.0f} MB at most"
        )

    sizes = (64, 128, 256, 512, 1024, 2048, 4096)
    try:
        import distributed
    except ImportError:
        print("  Dask: not installed")
    else:
        with (
            distributed.LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as here,
            distributed.Client(here) as client,
        ):  # fmt: skip
            client.run(__import__, "dcserver.planning")
            found = planning.search(gpt3, cluster, batch, accelerators=sizes, client=client, **full)
            print(f"{'  Dask, two processes':32} {found.valid:12,} {found.plans_per_second:14,.0f}")

    print(f"\n{'GPT-3 175B on DGX H100, batch 1,536':36} {'considered':>12} {'valid':>10} {'fit':>10} {'s':>6}  best")
    for size in sizes:
        found = planning.search(gpt3, planning.resized(cluster, size), batch, **full)
        best = str(found.best) if found.feasible else found.obstacle()
        print(f"{f'  {size:,} GPUs':36} {found.considered:12,} {found.valid:10,} {found.feasible:10,} {found.seconds:6.2f}  {best}",
              flush=True)  # fmt: skip


def scheduling() -> None:
    """Seconds for 100,000 jobs on 1,024 GPUs at a load of 0.8, by rule."""
    from dcserver import sharing

    jobs = sharing.synthetic_trace(100_000, 1024, 0.8)
    print(f"{'100,000 jobs':32} {'wall, s':>10} {'CPU, s':>10}")
    for policy in sharing.POLICIES:
        started, worked = time.perf_counter(), time.process_time()
        sharing.simulate(jobs, 1024, policy)
        print(f"  {policy:30} {time.perf_counter() - started:10.1f} {time.process_time() - worked:10.1f}", flush=True)


SECTIONS = {
    "scheduling": scheduling,
    "panels": panels,
    "imports": imports,
    "models": evaluations,
    "planning": searching,
}


def main(names: list[str]) -> int:
    unknown = [n for n in names if n not in SECTIONS]
    if unknown:
        print(f"no section {', '.join(unknown)}; there are {', '.join(SECTIONS)}", file=sys.stderr)
        return 2
    load = f"{os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else "unknown"
    print(f"Python {sys.version.split()[0]}, NumPy {np.__version__}, {os.cpu_count()} cores, load {load}\n")
    for name in names or list(SECTIONS):
        SECTIONS[name]()
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
