"""Which plan is best: claims about searches, checked against a plain loop over plans."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, memory, planning, training
from dcserver.catalog import Cluster, Transformer
from dcserver.planning.evaluate import least, merge, pareto, worthy
from dcserver.planning.space import AXES, DETAIL, INNER, LAYOUT, Tally, divisors, space
from dcserver.training import Plan

DGX = catalog.server("DGX H100")
NODE = Cluster(server=DGX, servers=1)
TWO = Cluster(server=DGX, servers=2)
SMALL = Transformer(name="small", layers=4, hidden=1024, heads=12, kv_heads=4, head_dim=64, feed_forward=3072, gated=1.0,
                    vocabulary=32000, sequence=1024, tied_embeddings=0.0)  # fmt: skip
EXPERTS = dataclasses.replace(SMALL, name="experts", experts=4.0, experts_per_token=2.0, gated=1.0)
LARGE = dataclasses.replace(SMALL, name="large", layers=48, hidden=8192, heads=64, kv_heads=8, head_dim=128,
                            feed_forward=28672)  # fmt: skip
EVERY = {"schedule": ("1f1b", "zero_bubble"), "recomputation": ("none", "selective", "full"),
         "offload_optimizer": (False, True), "price_per_accelerator_hour": 2.0}  # fmt: skip


def with_memory(cluster: Cluster, share: float) -> Cluster:
    a = cluster.server.accelerator
    card = dataclasses.replace(a, memory_bytes=share * a.memory_bytes)
    return dataclasses.replace(cluster, server=dataclasses.replace(cluster.server, accelerator=card))


def by_loop(model: Transformer, cluster: Cluster, batch: int, plans: planning.Space) -> dict[str, list]:
    """Every combination one by one, as one would write it without arrays; rules as sentences of the field."""
    out: dict[str, list] = {"plan": [], "time": [], "energy": [], "valid": []}
    for values in itertools.product(*(plans.axes[name] for name in AXES)):
        v = dict(zip(AXES, values, strict=True))
        n = v.pop("accelerators")
        rest = v["tensor_parallel"] * v["pipeline_parallel"] * v["context_parallel"]
        if n % rest:
            continue
        plan = Plan(**v, data_parallel=n // rest)
        p = plan.pipeline_parallel
        pointless = (
            (plan.sequence_parallel and plan.tensor_parallel == 1)
            or (plan.schedule == "zero_bubble" and (p == 1 or plan.interleave > 1))
            or (plan.zero_stage and plan.data_parallel * plan.context_parallel == 1)
        )
        if pointless or not plan.valid(model, n, batch, model.sequence):
            continue
        step = training.step(model, cluster, plan, batch)
        out["valid"].append(plan)
        if step.fits:
            out["plan"].append(plan)
            out["time"].append(step.time)
            out["energy"].append(step.time * step.power)
    return out


@pytest.mark.parametrize("model", [SMALL, EXPERTS])
def test_the_best_is_that_of_a_plain_loop_over_every_plan(model: Transformer) -> None:
    limits = {"micro_batch": (1, 4), "interleave": (1, 2), "accelerators": (2, 4), "context_parallel": 1,
              "recomputation": ("none", "full"), "zero_stage": (0, 3), "expert_parallel": (1, 2),
              "schedule": ("1f1b", "zero_bubble"), "tensor_parallel": (1, 2), "sequence_parallel": True}  # fmt: skip
    if model is SMALL:
        limits |= {"sequence_parallel": (False, True), "accelerators": 4}
    node = with_memory(NODE, 0.06 if model is SMALL else 0.08)  # so little that many plans do not fit
    result = planning.search(model, node, 8, keep=5, **limits)
    loop = by_loop(model, node, 8, result.space)
    assert result.valid == len(loop["valid"]) > 40
    assert result.feasible == len(loop["plan"])
    assert result.not_fitting > 0
    assert [c.time for c in result.top("time")] == pytest.approx(sorted(loop["time"])[:5], rel=1e-12)
    assert [c.energy for c in result.top("energy")] == pytest.approx(sorted(loop["energy"])[:5], rel=1e-9)
    time, energy = np.array(loop["time"]), np.array(loop["energy"])
    front = [(t, e) for t, e in zip(time, energy, strict=True) if not ((time <= t) & (energy < e)).any()
             and not ((time < t) & (energy <= e)).any()]  # fmt: skip
    found = result.frontier("energy")
    assert {(round(c.time, 9), round(c.energy, 3)) for c in found} == {(round(t, 9), round(e, 3)) for t, e in front}
    step = result.step()
    assert step.time == pytest.approx(result.best.time)
    assert step.memory.total == pytest.approx(result.best.memory)
    assert step.fits


def test_every_plan_is_counted_once() -> None:
    result = planning.search(SMALL, TWO, 24, **EVERY)
    assert result.complete
    assert result.considered == result.space.size
    assert result.considered == sum(result.invalid.values()) + result.not_fitting + result.feasible
    lengths = [len(result.space.axes[name]) for name in (*LAYOUT, *DETAIL, *INNER)]
    assert result.considered == math.prod(lengths)


@settings(max_examples=5, deadline=None)
@given(st.integers(150, 3000), st.sampled_from([(16,), (4, 8)]), st.sampled_from([12, 20]))
def test_the_size_of_a_chunk_changes_nothing(chunk: int, accelerators: tuple[int, ...], batch: int) -> None:
    options = {
        "accelerators": accelerators,
        "keep": 4,
        "context_parallel": 1,
        "interleave": (1, 2),
        "micro_batch": (1, 2),
        **EVERY,
    }
    one = planning.search(SMALL, TWO, batch, chunk_size=1 << 20, **options)
    other = planning.search(SMALL, TWO, batch, chunk_size=chunk, **options)
    assert (one.considered, one.invalid, one.not_fitting, one.feasible) == (
        other.considered, other.invalid, other.not_fitting, other.feasible)  # fmt: skip
    for objective in ("time", "cost", "energy"):
        assert [c.plan for c in one.top(objective)] == [c.plan for c in other.top(objective)]
    for against in ("cost", "energy", "accelerators"):
        assert [c.plan for c in one.frontier(against)] == [c.plan for c in other.frontier(against)]


def test_everything_dealt_out_is_valid_and_nothing_comes_twice() -> None:
    for model in (SMALL, EXPERTS):
        plans = space(model, (8, 16), 24, 1024.0, training.stack(), schedule=("1f1b", "zero_bubble"))
        seen = set()
        for chunk in plans.chunks(4096, Tally()):
            assert len(chunk) * plans.inner_size <= max(4096, plans.inner_size)
            plan = Plan(**chunk.outer)
            assert np.all(plan.valid(model, batch=24))
            assert set(np.unique(plan.accelerators)) <= {8, 16}
            for row in zip(*chunk.outer.values(), strict=True):
                seen.add(tuple(int(x) for x in row))
        total = sum(map(len, plans.chunks(4096, Tally())))
        assert len(seen) == total > 100


def test_more_memory_never_worsens_the_best() -> None:
    times = []
    for share in (0.4, 0.6, 0.8, 1.0, 2.0):
        result = planning.search(LARGE, with_memory(TWO, share), 32)
        times.append(result.best.time if result.feasible else np.inf)
    assert all(later <= earlier for earlier, later in itertools.pairwise(times))
    assert times[0] > times[-1]  # and here memory does matter


def test_more_freedom_never_worsens_the_best() -> None:
    free = planning.search(SMALL, TWO, 32)
    tied = planning.search(SMALL, TWO, 32, tensor_parallel=range(2, 9), recomputation="full")
    assert free.best.time <= tied.best.time
    assert tied.plan.tensor_parallel >= 2
    assert tied.plan.recomputation == "full"


def test_no_point_of_a_frontier_is_dominated() -> None:
    result = planning.search(SMALL, TWO, 32, accelerators=(2, 4, 8, 16), price_per_accelerator_hour=3.0)
    for against in ("cost", "energy", "accelerators"):
        front = result.frontier(against)
        assert front[0].time == result.best.time
        values = [getattr(c, against) for c in front]
        assert all(a.time < b.time for a, b in itertools.pairwise(front))
        assert all(a > b for a, b in itertools.pairwise(values))
    assert [c.accelerators for c in result.frontier("accelerators")] == [16, 8, 4, 2]
    cheapest = result.top("cost", 1)[0]
    assert cheapest.cost == pytest.approx(cheapest.time * cheapest.accelerators * 3.0 / 3600)
    assert result.top("tokens per dollar", 1)[0].plan == cheapest.plan
    assert result.frontier("cost")[-1].cost == cheapest.cost


points = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=40)


@given(points)
def test_pareto_keeps_what_nothing_beats(drawn: list[tuple[int, int]]) -> None:
    x, y = (np.array(v, dtype=float) for v in zip(*drawn, strict=True))
    kept = pareto(x, y, np.arange(len(x)))
    best = {(a, b) for a, b in drawn if not any((c <= a and d < b) or (c < a and d <= b) for c, d in drawn)}
    assert [(x[i], y[i]) for i in kept] == sorted(best)
    assert all(drawn.index(drawn[i]) == i for i in kept)  # of equal points the first


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(1, 8))
def test_least_is_what_sorting_gives(drawn: list[int], keep: int) -> None:
    values = np.array(drawn, dtype=float)
    assert least(values, np.arange(len(values)), keep).tolist() == np.argsort(values, kind="stable")[:keep].tolist()


def test_unknown_energy_or_price_leaves_the_rest() -> None:
    rows = {"order": np.arange(3), "time": np.array([3.0, 1.0, 2.0]), "cost": np.full(3, np.nan),
            "energy": np.array([1.0, 2.0, 3.0]), "accelerators": np.ones(3)}  # fmt: skip
    assert worthy(rows, 1).tolist() == [0, 1]
    assert merge([], 3).feasible == 0


def test_a_stack_limits_the_plans_to_what_it_offered() -> None:
    old = planning.search(SMALL, TWO, 32, stack="Megatron 2021")
    assert set(old.space.axes["context_parallel"]) == {1}
    assert old.space.axes["recomputation"] == ("none", "full")
    assert not old.plan.sequence_parallel
    assert planning.search(SMALL, TWO, 32, stack="Megatron 2021", context_parallel=(1, 2)).space.axes[
        "context_parallel"] == (1, 2)  # fmt: skip
    sharded = planning.search(SMALL, TWO, 32, stack="FSDP 2023").plan
    assert sharded.tensor_parallel == sharded.pipeline_parallel == 1
    assert sharded.zero_stage >= 2


def test_ctrl_c_gives_what_is_done_so_far() -> None:
    def stop(done: int, total: int) -> None:
        if done > total / 3:
            raise KeyboardInterrupt

    whole = planning.search(SMALL, TWO, 32, chunk_size=500)
    part = planning.search(SMALL, TWO, 32, chunk_size=500, progress=stop)
    assert whole.complete
    assert not part.complete
    assert 0 < part.feasible < whole.feasible
    assert part.best.time >= whole.best.time
    assert "STOPPED EARLY" in str(part)
    assert "STOPPED" not in str(whole)


def test_progress_reaches_the_end(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int]] = []
    result = planning.search(SMALL, NODE, 8, chunk_size=300, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (result.considered, result.considered)
    assert [d for d, _ in seen] == sorted(d for d, _ in seen)
    assert len(seen) > 2
    assert capsys.readouterr() == ("", "")  # off unless asked for
    planning.search(SMALL, NODE, 8, progress=True)
    assert "[##############################]" in capsys.readouterr().err


def test_a_model_that_fits_nowhere_says_by_how_much() -> None:
    result = planning.search(LARGE, NODE, 8, zero_stage=0)
    assert result.feasible == 0
    assert result.nearest is not None
    room = memory.capacity(DGX.accelerator)
    least_bytes = result.nearest.memory
    assert least_bytes > room
    with pytest.raises(ValueError, match=r"none of [\d,]+ valid plans fits: the least needs .* too much"):
        _ = result.best
    assert result.top() == result.frontier() == []
    nothing = planning.search(SMALL, NODE, 8, tensor_parallel=7)
    with pytest.raises(ValueError, match="tensor_parallel does not divide attention heads"):
        _ = nothing.plan


def test_why_a_plan_lost() -> None:
    result = planning.search(SMALL, TWO, 32)
    won = planning.explain(result, result.plan)
    assert won.verdict == "wins"
    slow = result.explain(Plan(data_parallel=2, tensor_parallel=4, pipeline_parallel=2, recomputation="full"))
    assert slow.verdict == "slower"
    assert sum(slow.difference.values()) == pytest.approx(slow.time - slow.winner_time)
    assert slow.time > slow.winner_time == pytest.approx(result.best.time)
    assert slow.difference["recomputation"] > 0
    assert slow.difference["tensor traffic"] > 0
    assert "recomputation=full (winner: none)" in str(slow)
    assert str(slow).startswith("Loses by time")
    bad = result.explain(Plan(tensor_parallel=7))
    assert (bad.verdict, str(bad)) == ("invalid", "Invalid: tensor_parallel=7 does not divide 12 attention heads.")
    assert "1024 accelerators, but the cluster has 16" in str(result.explain(Plan(data_parallel=1024)))
    large = planning.search(LARGE, Cluster(server=DGX, servers=8), 32)
    big = large.explain(Plan(data_parallel=32, tensor_parallel=2))
    assert big.verdict == "does not fit"
    assert big.excess > 0
    assert "too much" in str(big)
    assert "What would help" in str(big)
    with pytest.raises(ValueError, match="one plan"):
        planning.explain(result, Plan(data_parallel=[1, 2]))


def test_a_plan_outside_the_search_is_said_to_be() -> None:
    result = planning.search(SMALL, TWO, 32, tensor_parallel=4)
    free = planning.search(SMALL, TWO, 32)
    told = result.explain(free.plan)
    assert told.verdict == "wins"
    assert "is better" in str(told)
    assert "was not part of the search: tensor_parallel=" in str(told)


def test_losing_by_cost_though_quicker() -> None:
    result = planning.search(SMALL, TWO, 32, accelerators=(2, 16), objective="cost", price_per_accelerator_hour=2.0)
    quickest = result.top("time", 1)[0]
    assert result.best.accelerators == 2
    told = result.explain(quickest.plan)
    assert told.verdict == "worse"
    assert told.time < told.winner_time
    assert "Loses by cost" in str(told)


def test_the_same_search_on_several_clusters() -> None:
    old = Cluster(server=catalog.server("DGX A100"), servers=2)
    found = planning.compare(SMALL, [old, TWO], 32, price_per_accelerator_hour=[1.0, 100.0])
    assert found.best.cluster == TWO
    assert found.results[0].best.time > found.results[1].best.time
    cheap = planning.compare(SMALL, [old, TWO], 32, price_per_accelerator_hour=[1.0, 100.0], objective="cost")
    assert cheap.best.cluster == old
    assert "DGX A100" in str(found)
    with pytest.raises(ValueError, match="3 prices for 2 clusters"):
        planning.compare(SMALL, [old, TWO], 32, price_per_accelerator_hour=[1.0, 2.0, 3.0])


def test_rent_is_the_median_of_the_catalog() -> None:
    assert 1 < planning.rent(DGX.accelerator) < 15
    assert math.isnan(planning.rent(catalog.accelerator("TPU v4")))
    tpu = Cluster(server=dataclasses.replace(DGX, accelerator=dataclasses.replace(DGX.accelerator, name="unheard of")))
    with pytest.raises(ValueError, match="price_per_accelerator_hour"):
        planning.search(SMALL, tpu, 8, objective="cost")
    assert planning.search(SMALL, tpu, 8).frontier("cost") == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"objective": "beauty"}, "objective='beauty' is not one of"),
        ({"tensor_parallel": 0}, "tensor_parallel=0 must be a whole number"),
        ({"tensor_parallel": ()}, "tensor_parallel has no values"),
        ({"zero_stage": 4}, "zero_stage=4 is not one of"),
        ({"recomputation": "some"}, "recomputation='some'"),
        ({"accelerators": 32}, "accelerators=32 are more than the cluster's 16"),
        ({"accelerators": float("nan")}, "accelerators is not known"),
        ({"chunk_size": 0}, "chunk_size=0"),
        ({"sequence": -1.0}, "sequence=-1"),
        ({"dtype": "bf17"}, "dtype='bf17'"),
        ({"stack": "Megatron 1999"}, "stack='Megatron 1999'"),
        ({"price_per_accelerator_hour": -1.0}, "price_per_accelerator_hour=-1"),
        ({"sequence_parallel": "yes"}, "sequence_parallel="),
    ],
)
def test_bad_input_is_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        planning.search(SMALL, TWO, 16, **options)


def test_bad_batch_and_stacked_clusters_are_named() -> None:
    with pytest.raises(ValueError, match=r"batch=1\.5"):
        planning.search(SMALL, TWO, 1.5)
    with pytest.raises(ValueError, match="compare"):
        planning.search(SMALL, Cluster(server=DGX, servers=np.array([1, 2])), 16)


@given(st.integers(1, 10**6))
def test_divisors_divide_and_come_in_pairs(number: int) -> None:
    found = divisors(number)
    assert (number % found == 0).all()
    assert (found * found[::-1] == number).all()
    assert (np.diff(found) > 0).all()


def test_water_finds_its_level() -> None:
    # Twice as fast takes twice as much; 90 sequences at 1 and 2 s each: 60 and 30, both after 60 s.
    shares, level = planning.finish_together(90, [1.0, 2.0])
    assert (shares.tolist(), level) == ([60.0, 30.0], 60.0)
    # One that needs 100 s to start takes no part where the other is done after 90.
    shares, level = planning.finish_together(90, [1.0, 1.0], [0.0, 100.0])
    assert (shares.tolist(), level) == ([90.0, 0.0], 90.0)


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0, 100)), min_size=1, max_size=6), st.integers(1, 10**4))
def test_all_who_take_part_finish_together(groups: list[tuple[float, float]], batch: int) -> None:
    each, fixed = (np.array(v) for v in zip(*groups, strict=True))
    shares, level = planning.finish_together(batch, each, fixed)
    assert shares.sum() == pytest.approx(batch, rel=1e-6)
    assert (shares >= 0).all()
    ends = fixed + shares * each
    assert ends[shares > 0] == pytest.approx(level)
    assert (fixed[shares == 0] >= level * (1 - 1e-9)).all()


def test_old_and_new_cards_finish_together() -> None:
    old, new = (Cluster(server=catalog.server(name), servers=2) for name in ("DGX A100", "DGX H100"))
    found = planning.mixed(SMALL, [new, old], 256, context_parallel=1)
    assert sum(g.sequences for g in found.groups) == 256
    fast, slow = found.groups
    assert fast.sequences > slow.sequences > 0
    assert found.ideal < found.time < found.even
    assert found.loss == pytest.approx(found.time / found.ideal - 1)
    assert found.ideal == pytest.approx(1 / (1 / fast.alone + 1 / slow.alone))
    assert found.time == pytest.approx(max(fast.time, slow.time) + found.exchange)
    for g in found.groups:
        assert g.sequences == g.micro_batches * g.plan.micro_batch * g.plan.data_parallel
        step = training.step(SMALL, g.cluster, g.plan, g.sequences)
        assert step.time == pytest.approx(g.time)
        assert step.fits
    # No other whole number of micro-batches of these plans does better.
    for shift in (-1, 1):
        a = fast.sequences + shift * fast.plan.data_parallel * fast.plan.micro_batch
        if slow.plan.valid(SMALL, batch=256 - a) and 0 < a < 256:
            other = max(
                training.step(SMALL, g.cluster, g.plan, n).time for g, n in zip((fast, slow), (a, 256 - a), strict=True)
            )
            assert other >= found.time - found.exchange
    assert "mixed step" in str(found)


def test_equal_groups_share_equally() -> None:
    found = planning.mixed(SMALL, [TWO, TWO], 128, context_parallel=1)
    assert found.shares == (0.5, 0.5)
    assert found.even == pytest.approx(found.time)


def test_old_cards_that_cost_more_than_they_bring_are_named() -> None:
    old, new = (Cluster(server=catalog.server(name), servers=2) for name in ("DGX-1 V100", "DGX H100"))
    options = {"dtype": "fp16", "context_parallel": 1}
    dear = planning.mixed(SMALL, [new, old], 256, price_per_accelerator_hour=[3.0, 3.0], **options)
    assert any("V100" in w and ("cost more than they bring" in w or "slow the step down" in w) for w in dear.warnings)
    free = planning.mixed(SMALL, [new, old], 256, price_per_accelerator_hour=[3.0, 0.0], **options)
    assert not any("cost more" in w for w in free.warnings)
    assert free.cost < dear.cost


def test_a_group_that_cannot_hold_the_model_takes_no_part() -> None:
    tiny = with_memory(Cluster(server=catalog.server("DGX A100"), servers=1), 0.2)
    found = planning.mixed(LARGE, [Cluster(server=DGX, servers=8), tiny], 32, context_parallel=1)
    assert found.groups[1].plan is None
    assert found.shares == (1.0, 0.0)
    assert found.exchange == 0
    assert any("does not fit" in w for w in found.warnings)
    with pytest.raises(ValueError, match="two or more groups"):
        planning.mixed(SMALL, [TWO], 32)


def test_a_plan_that_fits_where_the_search_found_none() -> None:
    told = planning.search(SMALL, TWO, 32, tensor_parallel=8).explain(Plan(data_parallel=16))
    assert told.winner is None
    assert "the search found none: no plan divides" in str(told)
