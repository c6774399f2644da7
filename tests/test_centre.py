"""A data centre on paper: parts that sum, limits in words, a search that misses nothing, and what a change alone does."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, centre, cost, planning, reliability, storage
from dcserver.units import Gbps, year

TASK = centre.task("70B")
PLAIN = centre.Design()


def test_parts_sum_to_their_totals() -> None:
    for design in (PLAIN, replace(PLAIN, ownership="rent", cooling="immersion")):
        result = centre.evaluate(design, TASK)
        for group, total in (("time", result.seconds), ("money", result.dollars), ("power", result.watts)):
            assert sum(result.parts[group].values()) == pytest.approx(total), group
            assert min(result.parts[group].values()) >= 0, group


def test_time_by_hand() -> None:
    result = centre.evaluate(PLAIN, TASK)
    steps = 5e12 / (result.batch * 8192)
    assert result.seconds == pytest.approx(steps * result.step / result.goodput)
    # 6 x parameters x tokens over peak and utilisation: the attention's own products and the embedding make the rest.
    rough = 6 * 70.6e9 * 5e12 / (result.flops_utilization * 96 * 8 * 989.4e12) / result.goodput
    assert result.seconds == pytest.approx(rough, rel=0.1)
    assert 0.35 < result.flops_utilization < 0.5  # Llama 3 reports 38 to 43 % on H100 (arXiv:2407.21783)


def test_a_rent_by_hand() -> None:
    result = centre.evaluate(replace(PLAIN, ownership="rent"), TASK)
    hours = 98 * 8 * result.seconds / 3600
    assert result.parts["money"]["rent"] == pytest.approx(2.49 * hours)
    assert result.purchase == 0


def test_owning_is_chapter_13s_hour_of_work() -> None:
    result = centre.evaluate(PLAIN, TASK)
    hours = 98 * 8 * result.seconds / 3600
    plain = cost.own(catalog.server("DGX H100"), 98, utilization=0.7).per_used_hour
    assert result.dollars / hours == pytest.approx(plain, rel=0.1)  # other network, disks and PUE than its constants
    assert result.purchase > 98 * 270e3
    idle_half = centre.evaluate(PLAIN, replace(TASK, utilization=0.35))
    assert idle_half.dollars / result.dollars == pytest.approx(2, rel=0.1)


def test_goodput_is_that_of_chapter_12() -> None:
    design = replace(PLAIN, spares=20)
    result = centre.evaluate(design, TASK)
    disks = replace(catalog.file_system("reference, flash"), servers=8)
    size = float(storage.checkpoint_bytes(TASK.model.parameters))
    write = storage.file_system(disks, 96, size / 96, "write", stripes=64, client_bandwidth=50e9).rate
    share = reliability.goodput(1800.0, size / write, 620.0, reliability.time_to_failure(768))
    assert result.goodput == pytest.approx(share.useful, abs=0.003)
    assert result.parts["time"]["waiting for spares"] < 1.0
    assert result.parts["time"]["checkpoints"] / result.seconds == pytest.approx(share.writing, rel=0.02)


def test_the_plan_is_near_the_best_of_all() -> None:
    """The few hundred candidates lose little to the exhaustive search of chapter 08."""
    cluster = catalog.Cluster(server=catalog.server("DGX H100"), servers=64)
    every = planning.search(TASK.model, cluster, TASK.batch, sequence=TASK.sequence, micro_batch=(1, 2, 4))
    mine = centre.steps("DGX H100", 64.0, 50e9, TASK)
    # The same hundredth of a second for each sequence, whatever the batch that divides best.
    ratio = float(mine.time / mine.batch) / (every.best.time / TASK.batch)
    assert 0.97 < ratio < 1.06


def test_the_batch_suits_the_cluster_within_bounds() -> None:
    found = centre.steps("DGX H100", np.arange(40.0, 140.0), 50e9, TASK)
    assert np.all((found.batch >= 2 / 3 * TASK.batch) & (found.batch <= 1.25 * TASK.batch))
    speed = found.batch / found.time
    assert np.all(speed[10:] > speed[:-10])  # ten servers more are always faster
    many = centre.steps("DGX H100", 2000.0, 50e9, TASK)  # more replicas than sequences: the rest teaches nothing
    assert float(many.batch) <= 1.25 * TASK.batch
    assert float(many.utilization) < 0.5 * found.utilization.mean()


def test_broadcasting_equals_the_loop() -> None:
    many = replace(PLAIN, servers=np.array([48, 96, 111])[:, None], spares=np.array([0, 1, 4, 9]),
                   network=np.array([12.5e9, 50e9, 50e9])[:, None])  # fmt: skip
    result = centre.evaluate(many, TASK)
    assert np.shape(result.seconds) == (3, 4)
    for i in np.ndindex(3, 4):
        one = centre.evaluate(many[i], TASK)
        for name in ("seconds", "dollars", "watts", "joules", "carbon", "goodput", "purchase"):
            assert getattr(one, name) == pytest.approx(getattr(result, name)[i]), name
        assert str(result[i]) == str(one)


@settings(max_examples=25, deadline=None)
@given(servers=st.integers(30, 200), spares=st.integers(0, 12), disks=st.integers(1, 20), rate=st.sampled_from([100, 200, 400]),
       ratio=st.sampled_from([1, 3, 7]), minutes=st.integers(1, 240), heat=st.floats(-15, 35),
       kind=st.sampled_from(list(centre.KINDS)), cooling=st.sampled_from(["air", "cold plate", "immersion"]),
       layout=st.sampled_from(centre.LAYOUTS), ownership=st.sampled_from(centre.OWNERSHIPS))  # fmt: skip
def test_any_design_has_finite_figures_and_words(servers: int, spares: int, disks: int, rate: int, ratio: int, minutes: int,
                                                 heat: float, **words: str) -> None:  # fmt: skip
    design = centre.Design(servers=servers, spares=spares, storage_servers=disks, network=rate * Gbps, temperature=heat,
                           oversubscription=ratio, checkpoint_interval=60.0 * minutes, **words)  # fmt: skip
    result = centre.evaluate(design, TASK)
    assert np.isfinite([result.seconds, result.dollars, result.watts, result.carbon, *result.use.values()]).all()
    assert result.band[0] < result.seconds < result.band[1]
    assert 0 < result.goodput < 1
    assert "nan" not in str(result)
    assert "inf" not in str(result)


def test_what_helps_helps() -> None:
    base = centre.evaluate(PLAIN, TASK)
    faster = centre.evaluate(replace(PLAIN, network=np.array([100, 200, 400]) * Gbps), TASK)
    assert np.all(np.diff(faster.seconds) <= 0)
    assert np.all(np.diff(faster.purchase) > 0)
    spares = centre.evaluate(replace(PLAIN, spares=np.arange(6)), TASK)
    assert np.all(np.diff(spares.seconds) < 0)
    hot = centre.evaluate(replace(PLAIN, temperature=np.array([-5.0, 11.0, 30.0])), TASK)
    assert np.all(np.diff(hot.watts) >= 0)
    assert hot.watts[2] > hot.watts[0]
    assert centre.evaluate(replace(PLAIN, cooling="immersion"), TASK).watts < base.watts
    assert centre.evaluate(replace(PLAIN, layout="rail-optimised", oversubscription=7), TASK).seconds == pytest.approx(
        base.seconds, rel=1e-3)  # fmt: skip
    assert centre.evaluate(replace(PLAIN, oversubscription=7), TASK).seconds > base.seconds


def test_ports_of_a_network_by_hand() -> None:
    # Two layers without oversubscription: a port down to the host, one up, and its partner at the spine.
    assert centre.network(1024, 50e9).ports == 3
    assert centre.network(1024, 50e9).layers == 2
    assert centre.network(5000, 50e9).layers == 3
    assert centre.network(5000, 50e9).ports == 5
    assert centre.network(256, 50e9, layout="rail-optimised").ports == 1  # one unit of 32 servers needs no spines
    assert centre.network(1024, 50e9, 7, "rail-optimised").bandwidth == 50e9
    assert centre.network(1024, 50e9, 7).bandwidth == pytest.approx(50e9 / 7, rel=0.03)
    with pytest.raises(ValueError, match="whole"):
        centre.network(1024, 50e9, 2)


def test_a_model_that_does_not_fit_says_so() -> None:
    result = centre.evaluate(replace(PLAIN, servers=1), TASK)
    assert not result.meets
    assert "does not fit" in result.verdicts["time"]
    assert "inf" not in str(result)
    both = centre.evaluate(replace(PLAIN, servers=np.array([1, 96])), TASK)
    assert np.isinf(both.seconds[0])
    assert both.seconds[1] == pytest.approx(centre.evaluate(PLAIN, TASK).seconds)


def test_limits_are_told_apart() -> None:
    few = centre.evaluate(replace(PLAIN, servers=40), TASK)
    assert "over it" in few.verdicts["time"]
    assert "within" in few.verdicts["power"]
    full = centre.evaluate(PLAIN, replace(TASK, tokens=2e15))
    assert "over it" in full.verdicts["disks"]


def test_frontier_is_not_dominated_and_its_winner_keeps_the_limits() -> None:
    found = centre.frontier(TASK, fine=False)
    assert found.cheapest is not None
    assert found.cheapest.meets
    assert found.complete
    assert 0 < found.keeping < found.considered
    months, dollars = ([getattr(p, name) for p in found.points] for name in ("seconds", "dollars"))
    assert np.all(np.diff(months) > 0)
    assert np.all(np.diff(dollars) < 0)
    again = centre.evaluate(found.cheapest.design, TASK)
    assert again.dollars == pytest.approx(found.cheapest.dollars)


def test_frontier_equals_a_plain_search() -> None:
    tried = {"servers": [60, 90, 120], "spares": [1, 4], "kind": "DGX H100", "layout": "rail-optimised"}
    found = centre.frontier(TASK, fine=False, **tried)
    results = [
        centre.evaluate(replace(PLAIN, kind="DGX H100", layout="rail-optimised", servers=n, spares=s, cooling=c, ownership=o,
                                storage_servers=d, oversubscription=r), TASK)
        for n in (60, 90, 120) for s in (1, 4) for c in ("air", "cold plate", "immersion") for o in centre.OWNERSHIPS
        for d in (2, 8) for r in (1, 7)
    ]  # fmt: skip
    kept = [r for r in results if r.meets]
    assert found.considered == len(results)
    assert found.keeping == len(kept)
    assert found.cheapest is not None
    assert found.cheapest.dollars == pytest.approx(min(r.dollars for r in kept))


def test_an_interrupted_search_keeps_what_it_has() -> None:
    calls = []

    def stop(done: float, total: float) -> None:
        calls.append((done, total))
        if len(calls) == 8:
            raise KeyboardInterrupt

    found = centre.frontier(TASK, fine=False, progress=stop)
    assert not found.complete
    assert found.considered == calls[-1][0] < calls[-1][1]
    assert found.points
    assert "stopped early" in str(found)


def test_score_changes_one_choice_at_a_time() -> None:
    best = centre.frontier(TASK, fine=False)
    assert best.cheapest is not None
    mine = replace(best.cheapest.design, ownership="rent", spares=12)
    found = centre.score(mine, TASK, best)
    assert set(found.changes) == {"ownership", "spares"}
    assert found.gap > 0
    assert found.dearest == "ownership"
    assert found.savings["spares"] > 0
    assert len(found.rows) == 3
    assert "rent" in str(found.rows)
    same = centre.score(best.cheapest.design, TASK, best)
    assert same.gap == pytest.approx(0, abs=1)
    assert same.dearest == ""
    assert not same.changes
    with pytest.raises(ValueError, match="no design"):
        centre.score(mine, TASK, centre.frontier(replace(TASK, dollars=1e5), fine=False, kind="DGX H100"))


def test_losing_servers() -> None:
    assert centre.without(PLAIN, 2) == replace(PLAIN, spares=0)
    assert centre.without(PLAIN, 5) == replace(PLAIN, servers=93, spares=0)
    with pytest.raises(ValueError, match="leaves none"):
        centre.without(replace(PLAIN, servers=3), 9)


@pytest.mark.parametrize(
    ("change", "word"),
    [({"kind": "DGX X100"}, "kind"), ({"servers": 2.5}, "servers"), ({"spares": -1}, "spares"), ({"network": 0}, "network"),
     ({"cooling": "water"}, "cooling"), ({"temperature": 80}, "temperature"), ({"oversubscription": 0.5}, "oversubscription"),
     ({"ownership": "steal"}, "ownership"), ({"checkpoint_interval": 0}, "checkpoint_interval")],
)  # fmt: skip
def test_nonsense_is_named(change: dict[str, object], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        replace(PLAIN, **change)
    with pytest.raises(ValueError, match="task"):
        centre.task("7B")
    with pytest.raises(ValueError, match="nonsense"):
        centre.frontier(TASK, nonsense=3)


def test_every_task_can_be_done() -> None:
    for name in centre.tasks():
        found = centre.frontier(centre.task(name), fine=False, layout="rail-optimised", ownership="own")
        assert found.cheapest is not None, name
    assert year / 12 == centre.MONTH
