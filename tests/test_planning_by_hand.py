"""Small spaces of plans, groups and prices whose counts and sums can be done by hand."""

import dataclasses
import itertools
import math
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, interconnect, memory, planning, training
from dcserver.catalog import Cluster, Transformer
from dcserver.planning.clusters import prices_of
from dcserver.planning.mixed import _assign, _exchange, _group, _Offer, _offer, _warnings
from dcserver.planning.search import NO_SHARDS
from dcserver.planning.space import INNER, TOO_MANY, Tally, space
from dcserver.training import Plan
from dcserver.training.machine import fabric_of

DGX = catalog.server("DGX H100")
NODE, TWO = (Cluster(server=DGX, servers=n) for n in (1, 2))
OLD = Cluster(server=catalog.server("DGX A100"), servers=1)
SMALL = Transformer(name="small", layers=4, hidden=1024, heads=12, kv_heads=4, head_dim=64, feed_forward=3072, gated=1.0,
                    vocabulary=32000, sequence=1024, tied_embeddings=0.0)  # fmt: skip
EXPERTS = dataclasses.replace(SMALL, name="experts", experts=4.0, experts_per_token=2.0)
ONE = {"tensor_parallel": 1, "pipeline_parallel": 1, "context_parallel": 1, "expert_parallel": 1, "interleave": 1,
       "sequence_parallel": False, "micro_batch": 1, "recomputation": "none", "zero_stage": 0}  # fmt: skip


def search(batch=8, model=SMALL, cluster=NODE, **options):
    return planning.search(model, cluster, batch, **(ONE | options))


# Spaces.


def test_an_axis_that_is_not_given_takes_every_value():
    axes = space(EXPERTS, 16, 12, 1024.0, training.stack()).axes
    assert axes["accelerators"] == (16,)
    assert axes["tensor_parallel"] == axes["context_parallel"] == (1, 2, 4, 8, 16)
    assert axes["pipeline_parallel"] == (1, 2, 4), "no more stages than layers"
    assert axes["interleave"] == axes["expert_parallel"] == (1, 2, 4)
    assert axes["micro_batch"] == (1, 2, 3, 4, 6, 12)
    assert axes["sequence_parallel"] == (False, True)
    assert axes["zero_stage"] == (0, 1, 2, 3)
    assert (axes["schedule"], axes["offload_optimizer"]) == (("1f1b",), (False,))
    assert axes["recomputation"] == ("none", "full")
    assert space(SMALL, 16, 12, 1024.0, training.stack("Megatron 2022")).axes["recomputation"] == (
        "none",
        "selective",
        "full",
    )
    assert space(SMALL, (4, 6), 12, 1024.0, training.stack()).axes["tensor_parallel"] == (1, 2, 3, 4, 6)
    given_twice = space(SMALL, 16, 12, 1024.0, training.stack(), micro_batch=[2, 2, 1], offload_optimizer=[True, False])
    assert given_twice.axes["micro_batch"] == (2, 1)
    assert given_twice.axes["offload_optimizer"] == (True, False)
    assert given_twice.size == 5 * 3 * 5 * 3 * 2 * 1 * 1 * 2 * 2 * 4 * 2
    assert given_twice.inner_size == 2 * 4 * 2
    with pytest.raises(ValueError, match="colour is no axis"):
        space(SMALL, 16, 12, 1024.0, training.stack(), colour=1)
    for bad in ({"offload_optimizer": 2}, {"schedule": "gpipe"}, {"zero_stage": -1}, {"micro_batch": 0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            space(SMALL, 16, 12, 1024.0, training.stack(), **bad)


def test_inner_axes_stand_behind_the_outer_one():
    plans = space(SMALL, 8, 8, 1024.0, training.stack(), zero_stage=(0, 1, 3), offload_optimizer=(False, True))
    inner = plans.inner()
    assert [inner[name].shape for name in INNER] == [(1, 2, 1, 1), (1, 1, 3, 1), (1, 1, 1, 2)]
    assert inner["recomputation"].ravel().tolist() == [0, 2]
    outer = {"data_parallel": np.array([1, 1, 4]), "context_parallel": np.array([1, 2, 1])}
    found = plans.plans(outer, dtype="fp16")
    assert found.shape == (3, 2, 3, 2)
    assert found.dtype == "fp16"
    assert found[2, 1, 2, 1] == Plan(
        data_parallel=4, recomputation=2, zero_stage=3, offload_optimizer=True, dtype="fp16"
    )
    mask = plans.sharding(outer)[:, 0, :, 0]
    assert mask.tolist() == [[True, False, False], [True] * 3, [True] * 3], "one replica has nobody to shard with"


@pytest.mark.parametrize(
    ("batch", "options", "invalid", "valid"),
    [
        # Five does not divide 12 heads: with 3 micro-batches and 2 stages of ZeRO 6 plans; 8 x 3 does not divide 16.
        (16, {"tensor_parallel": (1, 5), "micro_batch": (1, 2, 3), "zero_stage": (0, 1)},
         {"tensor_parallel does not divide attention heads": 6, "data_parallel x micro_batch does not divide the batch": 2}, 4),
        (8, {"interleave": (1, 2)}, {"interleave needs pipeline_parallel of 2 or more": 1}, 1),
        (8, {"sequence_parallel": (False, True)}, {"sequence_parallel needs tensor_parallel of 2 or more": 1}, 1),
        (8, {"sequence_parallel": (False, True), "tensor_parallel": 2}, {}, 2),
        (8, {"schedule": ("1f1b", "zero_bubble")}, {"zero_bubble needs a pipeline, not interleaved": 1}, 1),
        (8, {"schedule": ("1f1b", "zero_bubble"), "pipeline_parallel": 2, "interleave": (1, 2)},
         {"zero_bubble needs a pipeline, not interleaved": 1}, 3),
        # Four replicas of two stages: one micro-batch each of a batch of 4, and interleaving wants two.
        (4, {"pipeline_parallel": 2, "interleave": (1, 2)},
         {"interleave needs micro-batches that pipeline_parallel divides": 1}, 1),
        (8, {"pipeline_parallel": (2, 4), "tensor_parallel": (2, 4)}, {TOO_MANY: 1}, 3),
        (8, {"pipeline_parallel": 5}, {"pipeline_parallel x interleave does not divide layers": 1}, 0),
        (8, {"accelerators": 1, "zero_stage": (0, 1, 3)}, {NO_SHARDS: 2}, 1),
        (8, {"accelerators": 2, "context_parallel": 2, "zero_stage": (0, 1)}, {}, 2),
        (8, {"expert_parallel": 2}, {"expert_parallel does not divide experts": 1}, 0),
    ],
)  # fmt: skip
def test_plans_fall_under_the_first_rule_that_they_break(batch, options, invalid, valid):
    found = search(batch, **options)
    assert found.invalid == invalid
    assert (found.valid, found.feasible, found.not_fitting) == (valid, valid, 0)
    assert found.considered == found.space.size == valid + sum(invalid.values())


def test_experts_are_spread_over_tensor_and_data_parallelism():
    found = search(8, EXPERTS, accelerators=4, tensor_parallel=(1, 4), pipeline_parallel=(1, 4), expert_parallel=4)
    # 4 = tensor or data parallelism hold four experts; four stages leave one accelerator for them; 16 there are not.
    assert found.invalid == {
        TOO_MANY: 1,
        "expert_parallel does not divide accelerators of data and context parallelism": 1,
    }
    assert found.valid == 2


def test_chunks_count_the_plans_before_them():
    plans = space(SMALL, 8, 24, 1024.0, training.stack(), context_parallel=1, interleave=1)
    for size in (1, plans.inner_size, 5 * plans.inner_size, 10**6):
        tally, starts, lengths = Tally(), [], []
        for chunk in plans.chunks(size, tally):
            starts.append(chunk.start)
            lengths.append(len(chunk) * plans.inner_size)
        assert starts == [sum(lengths[:k]) for k in range(len(lengths))]
        assert max(lengths) <= max(size, plans.inner_size)
        assert tally.considered == plans.size == sum(lengths) + sum(tally.invalid.values())


# Searches.


def test_a_candidate_carries_the_figures_of_its_step():
    found = search(
        16, tensor_parallel=(1, 2), micro_batch=(1, 2), zero_stage=(0, 1), price_per_accelerator_hour=4.5, keep=3
    )
    assert found.feasible == 8
    assert len(found.top()) == 3
    assert len(found.top("energy", 2)) == 2
    for c in found.top():
        step = training.step(SMALL, NODE, c.plan, 16)
        assert c.time == pytest.approx(step.time)
        assert c.energy == pytest.approx(step.time * step.power)
        assert c.memory == pytest.approx(step.memory.total)
        assert c.accelerators == 8
        assert c.cost == pytest.approx(0.01 * step.time)  # eight at 4.50 USD an hour: a cent a second
    assert found.plans_per_second == pytest.approx(8 / found.seconds)
    assert (found.objective, found.price_per_accelerator_hour, found.batch) == ("time", 4.5, 16)
    assert found.step(Plan(data_parallel=4)).time == training.step(SMALL, NODE, Plan(data_parallel=4), 16).time
    with pytest.raises(ValueError, match="against='time'"):
        found.frontier("time")


def test_what_is_asked_for_reaches_every_plan():
    found = search(16, dtype="fp8", optimizer="sgd", stack="Megatron 2024", sequence=512, zero_stage=1)
    assert (found.plan.dtype, found.plan.optimizer, found.plan.zero_stage) == ("fp8", "sgd", 1)
    assert found.best.time == pytest.approx(training.step(SMALL, NODE, found.plan, 16, 512, "Megatron 2024").time)
    default = planning.search(SMALL, NODE, 16)
    assert (default.plan.dtype, default.plan.optimizer, default.keep) == ("bf16", "adam", 10)
    assert default.stack == training.stack("NeMo 2025")
    assert default.sequence == 1024
    assert planning.search(SMALL, DGX, 16).best.time == default.best.time


def test_the_plan_that_nearly_fits_is_the_least_of_all():
    card = dataclasses.replace(DGX.accelerator, memory_bytes=2e9)
    tiny = Cluster(server=dataclasses.replace(DGX, accelerator=card))
    options = {
        "tensor_parallel": (1, 2),
        "zero_stage": (0, 1, 3),
        "micro_batch": (1, 2),
        "recomputation": ("none", "full"),
    }
    every = [Plan(tensor_parallel=t, data_parallel=8 // t, zero_stage=z, micro_batch=b, recomputation=r)
             for t, z, b, r in itertools.product((1, 2), (0, 1, 3), (1, 2), ("none", "full"))]  # fmt: skip
    needs = {p: training.step(SMALL, tiny, p, 16).memory.total for p in every}
    for chunk in (1, 10**6):
        found = search(16, cluster=tiny, chunk_size=chunk, **options)
        assert (found.feasible, found.not_fitting) == (0, len(every))
        assert found.nearest.memory == pytest.approx(min(needs.values()))
        assert needs[found.nearest.plan] == pytest.approx(min(needs.values()))
        assert math.isnan(found.nearest.time)
    assert search(16).nearest is not None
    assert search(16).obstacle() == ""
    assert "does not divide" in search(16, tensor_parallel=7).obstacle()


def test_rent_is_the_middle_of_what_is_asked_on_demand(monkeypatch):
    def price(usd, card="H100 SXM", commitment="on-demand"):
        return SimpleNamespace(price_per_accelerator_hour=usd, accelerator=card, commitment=commitment)

    asked = [
        price(1.0),
        price(2.0),
        price(9.0),
        price(float("nan")),
        price(100.0, "A100"),
        price(50.0, commitment="spot"),
    ]
    monkeypatch.setattr(catalog, "table", lambda name: dict(enumerate(asked)) if name == "prices" else {})
    assert planning.rent(SimpleNamespace(name="H100 SXM")) == 2
    assert planning.rent(SimpleNamespace(name="A100")) == 100
    assert math.isnan(planning.rent(SimpleNamespace(name="none")))


def test_prices_for_one_or_for_each():
    assert prices_of(None, 2) == [None, None]
    assert prices_of(2, 3) == [2, 2, 2]
    assert prices_of(1.5, 1) == [1.5]
    assert prices_of([1.0, None], 2) == [1.0, None]
    with pytest.raises(ValueError, match="1 prices for 2"):
        prices_of([1.0], 2)


def test_a_comparison_names_what_is_in_the_way():
    with pytest.raises(ValueError, match="no cluster"):
        planning.compare(SMALL, [], 8)
    nowhere = planning.compare(SMALL, [NODE, OLD], 8, tensor_parallel=7)
    with pytest.raises(ValueError, match="DGX H100.*no plan divides.*DGX A100.*no plan divides"):
        _ = nowhere.best
    assert "no plan divides" in str(nowhere)
    one = planning.compare(SMALL, [OLD, NODE], 8, objective="energy", **ONE)
    assert one.best.best.energy == min(r.best.energy for r in one.results)
    assert [r.objective for r in one.results] == ["energy"] * 2
    assert [r.price_per_accelerator_hour for r in one.results] == [
        planning.rent(c.server.accelerator) for c in (OLD, NODE)
    ]


def test_clusters_grow_by_whole_servers():
    assert [planning.resized(NODE, n).servers for n in (1, 8, 9, 20)] == [1, 1, 2, 3]
    assert planning.resized(DGX, 16) == TWO


class Workers:
    """A client that does the work at once, but of which every third piece is lost."""

    def __init__(self):
        self.sent, self.open, self.most, self.cancelled = 0, 0, 0, []

    def nthreads(self):
        return {"one": 1, "other": 2}

    def submit(self, function, *arguments, pure):
        self.sent, self.open = self.sent + 1, self.open + 1
        self.most = max(self.most, self.open)
        return Future(self, None if self.sent % 3 == 0 else function(*arguments))

    def cancel(self, futures):
        self.cancelled += futures


class Future:
    def __init__(self, workers, value):
        self.workers, self.value = workers, value

    def result(self):
        if self.value is None:
            raise Lost
        return self.value

    def release(self):
        self.workers.open -= 1


class Lost(Exception):
    pass


class Finished(list):
    """Futures as they come to an end: here the last one first."""

    add = list.append

    def __next__(self):
        return self.pop()


@pytest.fixture
def workers(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(as_completed=Finished))
    monkeypatch.setitem(sys.modules, "distributed.scheduler", SimpleNamespace(KilledWorker=Lost))
    return Workers()


def test_workers_find_what_one_alone_finds_whatever_is_lost(workers):
    options = {
        "tensor_parallel": (1, 2, 4),
        "micro_batch": (1, 2, 4),
        "zero_stage": (0, 1),
        "pipeline_parallel": (1, 2),
    }
    here, there = (search(32, chunk_size=1, client=c, **options) for c in (None, workers))
    assert workers.sent > 15
    assert (there.considered, there.invalid, there.feasible) == (here.considered, here.invalid, here.feasible)
    assert [c.plan for c in there.top()] == [c.plan for c in here.top()]
    assert workers.most == 4 * 3, "so many at once for each of three threads"
    assert workers.open == 0
    assert workers.cancelled == []


def test_what_waits_at_the_workers_is_called_off_when_a_search_stops(workers):
    def stop(done, total):
        raise KeyboardInterrupt

    found = search(32, chunk_size=1, client=workers, progress=stop, tensor_parallel=(1, 2, 4), micro_batch=(1, 2),
                   pipeline_parallel=(1, 2), recomputation=("none", "full"))  # fmt: skip
    assert not found.complete
    assert len(workers.cancelled) == workers.open > 0


# Why a plan lost.


def test_the_gap_is_the_difference_of_two_steps():
    found = search(16, tensor_parallel=(1, 2), price_per_accelerator_hour=4.5)
    other = Plan(tensor_parallel=2, data_parallel=4) if found.plan.tensor_parallel == 1 else Plan(data_parallel=8)
    told = found.explain(other)
    mine, best = (training.step(SMALL, NODE, p, 16) for p in (other, found.plan))
    assert (told.plan, told.winner, told.verdict) == (other, found.plan, "slower")
    assert (told.time, told.winner_time) == pytest.approx((mine.time, best.time))
    for name in training.PARTS:
        assert told.difference[name] == pytest.approx(mine.breakdown[name] - best.breakdown[name])
    assert told.excess == pytest.approx(mine.memory.total - memory.capacity(DGX.accelerator))
    assert told.excess < 0
    for name, seconds in told.difference.items():
        lines = [line for line in told.words if line.startswith(f"  {name:22}")]
        if abs(seconds) < 1e-3 * best.time:
            assert not lines
        else:
            assert lines[0].split(name)[1].lstrip()[0] == ("+" if seconds > 0 else "-")
    losses = [told.difference[line[2:24].strip()] for line in told.words if line.startswith("  ")]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("objective", ["time", "cost", "energy", "tokens per dollar"])
def test_the_winner_wins_by_every_objective(objective):
    found = search(16, tensor_parallel=(1, 2, 4), objective=objective, price_per_accelerator_hour=2.0)
    told = found.explain(found.plan)
    assert told.verdict == "wins"
    assert set(told.difference.values()) == {0.0}
    assert f"better by {objective}" in str(told)
    last = found.top()[-1]
    lost = found.explain(last.plan)
    assert lost.verdict in ("slower", "worse")
    column = {"tokens per dollar": "cost"}.get(objective, objective)
    more = getattr(last, column) / getattr(found.best, column) - 1
    assert more > 0
    assert f"Loses by {objective}" in str(lost)
    assert ("accelerators against" in str(lost)) == (objective != "time")


def test_a_plan_outside_the_search_is_named_by_its_first_axis():
    found = search(16, recomputation=("none", "full"), micro_batch=(1, 2))
    for plan, words in (
        (Plan(data_parallel=4), "accelerators=4"), (Plan(data_parallel=4, tensor_parallel=2), "tensor_parallel=2"),
        (Plan(data_parallel=8, zero_stage=2), "zero_stage=2"), (Plan(data_parallel=2, micro_batch=4, pipeline_parallel=4),
                                                                 "pipeline_parallel=4"),
        (Plan(data_parallel=8, recomputation=1), "recomputation=selective"),
    ):  # fmt: skip
        assert f"not part of the search: {words} was not among" in str(found.explain(plan)), words
    inside = found.explain(Plan(data_parallel=8, recomputation=2, micro_batch=2))
    assert "not part" not in str(inside)
    assert "recomputation=" in str(inside)
    assert "Invalid: data x tensor x pipeline x context parallel = 16" in str(found.explain(Plan(data_parallel=16)))
    assert found.explain(Plan(data_parallel=3)).winner == found.plan


# Unlike cards together.


@settings(max_examples=20)
@given(st.integers(1, 6), st.integers(2, 3), st.integers(0, 10**6), st.booleans())
def test_no_division_of_the_batch_is_better(batch, groups, seed, slowest):
    rng = np.random.default_rng(seed)
    costs = [
        np.where(rng.random(batch + 1) < 0.3, np.inf, rng.integers(0, 50, batch + 1).astype(float))
        for _ in range(groups)
    ]
    combine, whole = (np.maximum, max) if slowest else (np.add, sum)
    every = {n: float(whole(c[k] for c, k in zip(costs, n, strict=True)))
             for n in itertools.product(range(batch + 1), repeat=groups) if sum(n) == batch}  # fmt: skip
    least, split = _assign(costs, batch, combine)
    assert least == min(every.values())
    assert split.sum() == batch
    if np.isfinite(least):
        assert every[tuple(split.tolist())] == least


def test_groups_exchange_gradients_over_the_poorer_network():
    stack = training.stack()
    each = []
    for cluster in (NODE, OLD):
        apart = dataclasses.replace(fabric_of(cluster), ranks_per_node=1.0)
        each.append(interconnect.seconds("all_reduce", SMALL.parameters * 4 / 8, 2, apart))
    assert _exchange(SMALL, [NODE, OLD], stack) == pytest.approx(max(each))
    assert _exchange(SMALL, [NODE], stack) == 0
    assert _exchange(SMALL, [NODE, OLD, OLD], stack) > max(each)


def offer(cluster, each, price=1.0, batch=8):
    """A group that needs so many seconds for a sequence."""
    time = np.arange(batch + 1) * float(each)
    return _Offer(cluster, (Plan(),), time, np.zeros(batch + 1, dtype=int), float(time[-1]), price)


def test_groups_that_bring_less_than_they_cost_are_named():
    def said(*offers, time):
        hourly = np.array([o.price * 8 for o in offers])
        return _warnings(SMALL, list(offers), 8, time, hourly, training.stack())

    fast, slow = offer(NODE, 1.0), offer(OLD, 3.0)
    # Alone the fast ones take 8 s. With the slow ones 6 s: a quarter shorter, at twice the rent half dearer.
    told = said(fast, slow, time=6.0)
    assert len(told) == 1
    assert "A100" in told[0]
    assert "cost more than they bring" in told[0]
    assert "25 %" in told[0]
    assert "50 %" in told[0]
    assert said(fast, offer(OLD, 3.0, price=0.0), time=6.0) == []
    told = said(fast, slow, time=8.5)
    assert len(told) == 1
    assert "slow the step down" in told[0]
    out = dataclasses.replace(slow, time=np.array([0.0] + [np.inf] * 8), alone=np.inf)
    told = said(fast, out, time=8.0)
    assert len(told) == 1
    assert "does not fit" in told[0]
    assert said(fast, fast, time=4.0) == [], "equal groups at an equal price"
    with_exchange = said(fast, slow, offer(OLD, 3.0), time=8.0)
    assert not any("slow the step down" in w and "H100" in w for w in with_exchange)


def test_a_group_and_what_it_does():
    plan = Plan(data_parallel=2, micro_batch=2)
    mine = dataclasses.replace(offer(NODE, 1.5), plans=(Plan(), plan), which=np.array([0, 0, 0, 0, 0, 0, 0, 0, 1]))
    found = _group(mine, 8, 8)
    assert (found.plan, found.sequences, found.micro_batches, found.time, found.alone) == (plan, 8, 2, 12.0, 12.0)
    none = _group(mine, 0, 8)
    assert (none.plan, none.sequences, none.micro_batches, none.time, none.alone) == (None, 0, 0, 0.0, 12.0)


def test_an_offer_is_the_quickest_plan_for_each_number_of_sequences():
    options = {**ONE, "accelerators": None, "tensor_parallel": (1, 2), "interleave": None, "keep": 3}
    options |= {"sequence": None, "stack": "NeMo 2025", "dtype": "bf16"}
    whole = planning.search(SMALL, NODE, 16, **options)
    mine = _offer(whole, np.array([5.0, 8.0]), options, 2.5)
    assert (mine.price, mine.alone, mine.time[0]) == (2.5, whole.best.time, 0.0)
    assert mine.time[16] == pytest.approx(whole.best.time)
    for n in range(1, 17):
        able = [training.step(SMALL, NODE, p, n).time for p in mine.plans if n % (p.data_parallel * p.micro_batch) == 0]
        assert mine.time[n] == pytest.approx(min(able, default=np.inf))
        if able:
            best = training.step(SMALL, NODE, mine.plans[mine.which[n]], n).time
            assert best == pytest.approx(mine.time[n])
    assert _offer(whole, np.array([5.0, 8.0]), options, None).price == planning.rent(DGX.accelerator)


def test_a_mixed_step_adds_up():
    options = {**ONE, "accelerators": None, "micro_batch": (1, 2)}
    found = planning.mixed(SMALL, [NODE, OLD], 64, price_per_accelerator_hour=[4.5, 9.0], **options)
    assert found.exchange == pytest.approx(_exchange(SMALL, [NODE, OLD], training.stack()))
    assert found.time == pytest.approx(max(g.time for g in found.groups) + found.exchange)
    assert found.cost == pytest.approx(0.03 * found.time)  # eight at 4.50 and eight at 9 USD an hour: 3 cents a second
    assert sum(found.shares) == 1
    # Evenly: 32 sequences for each node.
    half = [
        min(training.step(SMALL, c, Plan(data_parallel=8, micro_batch=b), 32).time for b in (1, 2)) for c in (NODE, OLD)
    ]
    assert found.even == pytest.approx(max(half) + found.exchange)
    with pytest.raises(ValueError, match="batch=0"):
        planning.mixed(SMALL, [NODE, OLD], 0)
    with pytest.raises(ValueError, match="1 prices for 2"):
        planning.mixed(SMALL, [NODE, OLD], 64, price_per_accelerator_hour=[1.0])
    with pytest.raises(ValueError, match="no plan divides.*no plan divides"):
        planning.mixed(SMALL, [NODE, OLD], 64, tensor_parallel=7)
    for bad in ({"batch": 0}, {"seconds_each": [1.0, 0.0]}, {"fixed": -1.0}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            planning.finish_together(**({"batch": 4, "seconds_each": [1.0, 2.0]} | bad))
