"""Claims about what breaks: hand-computed and published numbers, limits, simulation against formula, arrays against loops."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, reliability
from dcserver.reliability.arrays import normal_quantile
from dcserver.reliability.monitoring import cusum, fleet_score, z_score
from dcserver.units import day, hour, minute, year

chance = st.floats(0, 1)
seconds = st.floats(1, 1e7)


@pytest.fixture(scope="module")
def watched():
    return reliability.telemetry(cards=128, failing=8, seed=5)


class TestRedundancy:
    def test_a_chain_of_hundred_parts_at_999_is_up_nine_tenths_of_the_time(self):
        assert reliability.series(*[0.999] * 100) == pytest.approx(0.9048, abs=1e-4)

    def test_two_of_three_by_hand(self):
        # 3 q^2 (1 - q) + q^3 with q = 0.1
        assert reliability.too_few(2, 3, 0.1) == pytest.approx(0.028)

    @given(st.integers(1, 12), st.integers(0, 12), chance)
    def test_k_of_n_sums_to_one_over_its_complement(self, needed, spare, down):
        n = needed + spare
        fails = reliability.too_few(needed, n, down)
        # At least `needed` work, or at least `spare + 1` are down: the same units seen from the other side.
        works = reliability.too_few(spare + 1, n, 1 - down)
        assert fails + works == pytest.approx(1)

    @given(st.integers(1, 8), st.integers(0, 4), st.floats(0.001, 0.5))
    def test_one_spare_more_never_hurts_and_one_more_needed_never_helps(self, needed, spare, down):
        now = reliability.too_few(needed, needed + spare, down)
        assert reliability.too_few(needed, needed + spare + 1, down) <= now
        assert reliability.too_few(needed + 1, needed + spare + 1, down) >= now

    def test_with_repair_crews_for_all_each_unit_is_independent(self):
        life, repair = 1000.0, 40.0
        steady = reliability.redundancy(3, 6, life, repair)
        assert steady.unavailability == pytest.approx(reliability.too_few(3, 6, repair / (life + repair)))

    def test_a_single_unit_fails_once_a_life_and_a_repair(self):
        one = reliability.redundancy(1, 1, 1000.0, 10.0)
        assert one.unavailability == pytest.approx(10 / 1010)
        assert one.time_between_outages == pytest.approx(1010.0)

    def test_a_pair_with_one_crew_by_hand(self):
        # Ratios 1 : 2a : 2a^2 with a = repair / life = 0.1.
        assert reliability.redundancy(1, 2, 10.0, 1.0, crews=1).unavailability == pytest.approx(0.02 / 1.22)

    def test_a_common_cause_puts_a_floor_under_it_that_no_spare_lowers(self):
        life, repair = 250_000 * hour, day
        shared = reliability.redundancy(3, np.array([3, 4, 6, 12]), life, repair, 0.05)
        floor = 0.05 * repair / life
        assert (shared.unavailability >= 0.99 * floor).all()
        assert shared.unavailability[-1] == pytest.approx(floor, rel=1e-3)
        assert reliability.redundancy(3, 6, life, repair).unavailability < 1e-6 * floor

    def test_a_simulated_group_agrees_with_the_birth_and_death_formula(self):
        rng, life, repair, n, k = np.random.default_rng(1), 10.0, 2.0, 4, 3
        up, clock, down_time = np.ones(n, dtype=bool), 0.0, 0.0
        for _ in range(30_000):
            rates = np.where(up, 1 / life, 1 / repair)
            step = rng.exponential(1 / rates.sum())
            down_time += step * (up.sum() < k)
            clock += step
            up[rng.choice(n, p=rates / rates.sum())] ^= True
        assert down_time / clock == pytest.approx(reliability.redundancy(k, n, life, repair).unavailability, rel=0.05)

    @given(st.integers(1, 200), st.floats(1, 1e9), st.floats(1, 1e9), chance)
    def test_any_group_has_probabilities(self, n, life, repair, beta):
        r = reliability.redundancy(max(n // 2, 1), n, life, repair, beta)
        assert 0 <= r.unavailability <= 1
        assert r.time_between_outages > 0

    def test_the_supplies_of_the_catalog_are_bounded_by_beta(self):
        dgx = catalog.server("DGX H100")
        assert (dgx.power_supplies, dgx.power_supplies_needed) == (6, 4)
        shared, alone = reliability.supplies_of(dgx), reliability.supplies_of(dgx, common_cause=0.0)
        assert alone.unavailability < 1e-9 < shared.unavailability
        assert "years" in str(shared)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="needed=7 must not exceed installed=6"):
            reliability.too_few(7, 6, 0.1)
        with pytest.raises(ValueError, match="down=1.5"):
            reliability.too_few(1, 2, 1.5)
        with pytest.raises(ValueError, match="repair_time=0"):
            reliability.redundancy(1, 2, 10.0, 0.0)
        with pytest.raises(ValueError, match="4,096"):
            reliability.redundancy(1, 5000, 10.0, 1.0)


class TestSpares:
    def test_the_share_of_blooms_four_spare_nodes(self):
        # 48 nodes, one GPU failure and a half a week (BLOOM, section 3.5), a week to repair: 1.5 away on average.
        mean = 1.5
        by_hand = np.exp(-mean) * sum(mean**i / f for i, f in enumerate((1, 1, 2, 6, 24)))
        assert reliability.spare_units(48, 48 * 7 * day / 1.5, 7 * day, 4) == pytest.approx(by_hand)

    @given(st.floats(10, 4000), st.floats(1e6, 1e9), st.floats(3600, 1e6), st.integers(0, 50))
    def test_more_spares_suffice_more_often_and_shrinking_never_loses(self, nodes, life, repair, spares):
        now = reliability.spare_plan(nodes, life, repair, spares)
        more = reliability.spare_plan(nodes, life, repair, spares + 1)
        elastic = reliability.spare_plan(nodes, life, repair, spares, elastic=True)
        assert more.suffice >= now.suffice - 1e-12
        assert 0 <= now.useful <= 1
        if nodes * repair / life < nodes / 4:
            assert elastic.running >= now.running - 1e-9

    def test_one_spare_for_ten_nodes_of_which_one_is_away_by_hand(self):
        # Away on average 1, Poisson: beyond the spare there are 1 - 1 + P(none) = 1 / e of a node.
        plan = reliability.spare_plan(10, 10.0, 1.0, 1, elastic=True)
        assert plan.suffice == pytest.approx(2 / np.e)
        assert plan.running == pytest.approx(1 - 0.1 / np.e)
        assert plan.useful == pytest.approx((1 - 0.1 / np.e) * 10 / 11)
        assert plan.away == pytest.approx(1.0)
        assert reliability.spare_plan(10, 10.0, 1.0, 1).running == pytest.approx(2 / np.e), "a rigid job waits"

    def test_the_missing_nodes_by_hand(self):
        # One node away on average, no spare: e^-1 of the time none is away; elastic: 1 of 10 is missing on average.
        rigid = reliability.spare_plan(10, 10.0, 1.0, 0)
        assert rigid.running == pytest.approx(np.exp(-1))
        assert reliability.spare_plan(10, 10.0, 1.0, 0, elastic=True).running == pytest.approx(0.9)

    def test_spares_arrays_equal_the_loop(self):
        spares = np.arange(6)
        together = reliability.spare_plan(100, 1e6, 1e5, spares).useful
        assert together == pytest.approx([reliability.spare_plan(100, 1e6, 1e5, int(s)).useful for s in spares])


class TestFailures:
    def test_llama_3_was_interrupted_every_three_hours(self):
        # 419 in 54 days on 16,384 GPUs (arXiv:2407.21783): 3.09 h
        assert reliability.time_to_failure(16384) == pytest.approx(54 * day / 419, rel=0.001)
        assert reliability.interruptions(16384, 54 * day) == pytest.approx(419, abs=0.5)
        assert reliability.planned_interruptions(54 * day) == pytest.approx(47, abs=0.1)

    def test_classes_sum_and_gpus_with_their_memory_are_two_thirds(self):
        rates = reliability.failure_rates(16384)
        assert set(rates) == set(reliability.CLASSES)
        total = sum(rates.values())
        assert 1 / total == pytest.approx(reliability.time_to_failure(16384))
        assert (rates["GPU"] + rates["GPU memory"]) / total == pytest.approx(268 / 419, abs=0.001)

    def test_hardware_doubles_with_the_job_and_software_grows_less(self):
        one, two = reliability.failure_rates(1024), reliability.failure_rates(2048)
        assert two["GPU"] == pytest.approx(2 * one["GPU"])
        assert two["software"] == pytest.approx(np.sqrt(2) * one["software"])

    def test_the_band_closes_where_the_rates_were_counted(self):
        low, high = reliability.time_to_failure_band(np.array([8, 16384, 131072]))
        assert low[1] == pytest.approx(high[1])
        assert high[0] > 100 * low[0]
        between = reliability.time_to_failure(np.array([8, 16384, 131072]))
        assert ((low <= between * 1.000001) & (between <= high * 1.000001)).all()

    def test_metas_own_numbers_are_not_inverse_in_size(self):
        # 7.9 h at 1,024 GPUs measured; 28.8 h by inverse scaling from 1.8 h at 16,384 (arXiv:2410.21680).
        rows = {int(float(r["accelerators"])): r for r in catalog.tables.rows_of("data", "interruptions")
                if r["study"] == "Meta RSC-1"}  # fmt: skip
        measured, projected = float(rows[1024]["mean_time_s"]), float(rows[16384]["mean_time_s"])
        assert projected * 16 / hour == pytest.approx(28.8)
        assert measured / hour == pytest.approx(7.9)
        # 6.50 failures per 1,000 node-days, the rate that the projections stand on
        assert projected / day == pytest.approx(1 / (2048 * 6.5e-3), rel=0.01)

    @pytest.mark.parametrize(("count", "low", "high"), [
        (1, 0.025, 5.572), (2, 0.242, 7.225), (10, 4.795, 18.390), (148, 125.1, 173.9), (419, 379.8, 461.1),
    ])  # fmt: skip
    def test_poisson_intervals_of_the_tables(self, count, low, high):
        # exact (Garwood) limits at 95 %
        found = reliability.poisson_interval(count)
        assert found[1] == pytest.approx(high, rel=0.01)
        assert found[0] == pytest.approx(low, rel=0.015, abs=0.02)

    def test_no_event_still_bounds_the_rate(self):
        low, high = reliability.poisson_interval(0)
        assert low == 0
        assert high == pytest.approx(3.689, abs=0.001)  # -ln 0.025

    def test_the_interval_covers_what_it_promises(self):
        counts = np.random.default_rng(0).poisson(12.0, 20_000)
        low, high = reliability.poisson_interval(counts, 0.9)
        assert 0.88 < np.mean((low <= 12) & (high >= 12)) < 0.96

    def test_infant_mortality_puts_half_of_the_failures_into_the_first_quarter(self):
        early, all_ = (reliability.weibull_failures(1000, 0.0, t, year, 0.5) for t in (year / 4, year))
        assert early / all_ == pytest.approx(0.5)

    @given(st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0.3, 3))
    def test_failures_of_two_spans_add(self, first, second, shape):
        a = reliability.weibull_failures(10, 0.0, first, 1e5, shape)
        b = reliability.weibull_failures(10, first, first + second, 1e5, shape)
        assert a + b == pytest.approx(reliability.weibull_failures(10, 0.0, first + second, 1e5, shape))

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="accelerators=0"):
            reliability.time_to_failure(0)
        with pytest.raises(ValueError, match="end=1"):
            reliability.weibull_failures(1, 2.0, 1.0, 1.0, 1.0)
        with pytest.raises(ValueError, match="count=-1"):
            reliability.poisson_interval(-1)
        with pytest.raises(ValueError, match="confidence"):
            reliability.poisson_interval(3, 1.0)


class TestCheckpoints:
    def test_young_by_hand(self):
        assert reliability.young_interval(50, 10_000) == pytest.approx(1000)  # sqrt(2 x 50 x 10,000)

    def test_daly_by_hand(self):
        # sqrt(2 w M) = 1000, sqrt(w / 2M) = 0.05: 1000 (1 + 0.05 / 3 + 0.0025 / 9) - 50
        assert reliability.daly_interval(50, 10_000) == pytest.approx(966.94, abs=0.01)
        assert reliability.daly_interval(300.0, 100.0) == 100.0

    @given(st.floats(0.001, 3.0))
    def test_the_best_interval_is_the_minimum_of_the_exact_time(self, write):
        best = reliability.best_interval(write, 1.0)
        near = reliability.goodput(best * np.array([0.99, 1.0, 1.01]), write, 0.1, 1.0).useful
        assert near[1] >= near[0]
        assert near[1] >= near[2]

    @given(st.floats(1e-9, 50.0))
    def test_it_solves_its_equation(self, write):
        x = reliability.best_interval(write, 1.0)
        assert 0 < x < 1 + 1e-12
        if write < 20:  # above, 1 - x drowns in the last digits
            assert x + np.log1p(-x) == pytest.approx(-write, rel=1e-6)

    def test_where_checkpoints_are_cheap_all_three_agree_and_where_dear_young_is_too_long(self):
        cheap = [
            f(1.0, 1e6) for f in (reliability.young_interval, reliability.daly_interval, reliability.best_interval)
        ]
        assert max(cheap) / min(cheap) < 1.002
        assert reliability.young_interval(2.0, 4.0) > 1.4 * reliability.best_interval(2.0, 4.0)

    @given(seconds, seconds, st.floats(0, 1e5), st.floats(1, 1e8))
    def test_shares_sum_to_one(self, interval, write, restart, mean):
        g = reliability.goodput(interval, write, restart, mean)
        assert sum(g.breakdown.values()) == pytest.approx(1)
        assert all(0 <= v <= 1 for v in g.breakdown.values())

    def test_without_failures_only_writing_is_lost(self):
        g = reliability.goodput(90.0, 10.0, 600.0, 1e15)
        assert g.useful == pytest.approx(0.9)
        assert g.lost == pytest.approx(0, abs=1e-9)

    def test_arrays_equal_the_loop(self):
        tau, mean = np.array([10.0, 100.0, 1e3])[:, None], np.array([1e3, 1e5])
        together = reliability.goodput(tau, 5.0, 60.0, mean).useful
        one_by_one = [[reliability.goodput(float(t), 5.0, 60.0, float(m)).useful for m in mean] for t in tau[:, 0]]
        assert together == pytest.approx(np.array(one_by_one))

    def test_llama_3s_ninety_percent_needs_no_magic(self):
        mean = reliability.time_to_failure(16384)
        g = reliability.goodput(reliability.best_interval(10, mean), 10, 600, mean)
        assert 0.9 < g.useful < 0.92

    def test_metas_bound_for_twelve_thousand_gpus(self):
        # arXiv:2410.21680: 90 % on 12,000 GPUs at 6.50 failures per 1,000 node-days needs writes of some 10 s.
        mean = day / (1500 * 6.5e-3)
        useful = reliability.goodput(reliability.best_interval(10, mean), 10, 300, mean).useful
        assert 0.88 < useful < 0.94

    def test_memory_next_door_beats_disk_alone(self):
        mean = reliability.time_to_failure(100_000)
        disk = reliability.goodput(reliability.best_interval(60, mean), 60, 600, mean).useful
        both = reliability.two_levels(mean, 0.9, 2.0, 60.0, 180.0, 600.0)
        assert both.goodput > disk + 0.1
        assert both.memory_interval < both.disk_interval

    def test_two_levels_with_hardly_any_survivable_failure_are_the_disk_alone(self):
        mean = 1e5
        both = reliability.two_levels(mean, 1e-6, 1e-6, 10.0, 0.0, 60.0)
        alone = reliability.goodput(reliability.young_interval(10.0, mean), 10.0, 60.0, mean).useful
        assert both.goodput == pytest.approx(alone, abs=0.002)

    def test_bad_input_is_named(self):
        with pytest.raises(ValueError, match="write=-1"):
            reliability.goodput(3600, -1, 60, 1e5)
        with pytest.raises(ValueError, match="restart=-1"):
            reliability.goodput(3600, 60, -1, 1e5)
        with pytest.raises(ValueError, match="write=0"):
            reliability.young_interval(0, 10)
        with pytest.raises(ValueError, match="interval=-1"):
            reliability.goodput(-1, 1, 1, 1)
        with pytest.raises(ValueError, match="survivable=1"):
            reliability.two_levels(1.0, 1.0, 1.0, 1.0, 1.0, 1.0)


class TestSimulation:
    @pytest.mark.parametrize(("interval", "write", "restart", "mean"), [
        (465, 10, 600, 11135), (3600, 60, 600, 6000), (100, 50, 400, 500),
    ])  # fmt: skip
    def test_it_agrees_with_the_exact_formula(self, interval, write, restart, mean):
        # 500 whole intervals, so that the last one is as long as the others
        runs = reliability.simulate_training(500 * interval, interval, write, restart, mean, runs=300, seed=3)
        expected = reliability.goodput(interval, write, restart, mean)
        found = runs.goodput()
        # What starts with work and not with a restart gains a little: allow three standard errors and that.
        assert found.useful == pytest.approx(expected.useful, abs=4 * runs.standard_error() + 1e-4)
        for part in ("writing", "lost", "restarting"):
            assert getattr(found, part) == pytest.approx(getattr(expected, part), abs=0.01)

    def test_every_second_is_accounted_for(self):
        r = reliability.simulate_training(
            1e5, np.array([300.0, 7000.0])[:, None], 20.0, np.array([0.0, 500.0]), 4000.0, runs=5
        )
        assert r.elapsed.shape == (2, 2, 5)
        assert r.useful + r.writing + r.lost + r.restarting == pytest.approx(r.elapsed)
        assert r.useful == pytest.approx(1e5)
        assert r.complete.all()

    def test_without_failures_it_takes_work_and_writes(self):
        r = reliability.simulate_training(1050.0, 100.0, 3.0, 60.0, 1e12, runs=2)
        assert r.elapsed == pytest.approx(1050 + 11 * 3)  # ten whole intervals and a half
        assert (r.failures == 0).all()

    def test_the_same_seed_gives_the_same_and_another_not(self):
        a, b, c = (reliability.simulate_training(1e5, 500, 10, 60, 3000, runs=3, seed=s).elapsed for s in (1, 1, 2))
        assert (a == b).all()
        assert (a != c).any()

    def test_a_timeline_is_the_run_of_the_same_seed(self):
        args = (40_000.0, 900.0, 30.0, 300.0, 5000.0)
        blocks = reliability.timeline(*args, seed=7)
        run = reliability.simulate_training(*args, runs=1, seed=7)
        assert blocks[-1][0] + blocks[-1][1] == pytest.approx(run.elapsed[0])
        for kind, seconds_ in zip(reliability.KINDS, (run.useful, run.writing, run.lost, run.restarting), strict=True):
            assert sum(b[1] for b in blocks if b[2] == kind) == pytest.approx(seconds_[0], abs=1e-6)
        starts = [b[0] for b in blocks]
        assert starts == sorted(starts)
        cut = reliability.timeline(*args, until=10_000.0, seed=7)
        assert cut[-1][0] + cut[-1][1] == pytest.approx(10_000.0)

    def test_infant_mortality_comes_early_but_not_more_often(self):
        early = reliability.simulate_training(1e6, 600, 5, 1.0, 5000, runs=40, shape=0.5)
        even = reliability.simulate_training(1e6, 600, 5, 1.0, 5000, runs=40)
        assert early.failures.mean() == pytest.approx(even.failures.mean(), rel=0.1)
        start = reliability.simulate_training(1e5, 600, 5, 1.0, 5000 / np.sqrt(10), runs=40, shape=0.5)
        assert start.failures.mean() > 2 * even.failures.mean() / 10

    def test_stopping_keeps_what_is_done(self):
        said = []

        def stop(done, total):
            said.append(done / total)
            if len(said) == 3:
                raise KeyboardInterrupt

        r = reliability.simulate_training(1e6, 500, 10, 60, 3000, runs=20, progress=stop)
        assert len(said) == 3
        assert said == sorted(said)
        assert not r.complete.all()
        assert (r.useful > 0).all()
        assert r.goodput().useful == pytest.approx(reliability.goodput(500, 10, 60, 3000).useful, abs=0.05)

    @given(st.floats(10, 1e4), st.floats(0, 100), st.floats(0, 500), st.floats(200, 1e5))
    @settings(max_examples=25, deadline=None)
    def test_any_job_that_can_end_ends(self, interval, write, restart, mean):
        if reliability.goodput(interval, write, restart, mean).useful < 0.01:
            return
        r = reliability.simulate_training(20_000, interval, write, restart, mean, runs=2)
        assert r.complete.all()
        assert (r.elapsed >= 20_000).all()
        assert r.lost.min() >= 0


class TestAvailability:
    def test_the_nines_in_minutes_a_year(self):
        # 525,960 minutes a year of 365.25 days
        shares = np.array([0.99, 0.999, 0.9995, 0.9999])
        assert reliability.downtime_a_year(shares) / minute == pytest.approx([5259.6, 525.96, 262.98, 52.596])

    def test_independent_zones_multiply(self):
        two = reliability.zones_service(0.999, 2)
        assert 1 - two.availability == pytest.approx(1e-6)

    def test_what_zones_share_is_what_is_left(self):
        shared = reliability.zones_service(0.999, np.array([2, 3, 5]), common_cause=0.1)
        assert (1 - shared.availability[1:]) == pytest.approx(1e-4, rel=1e-3)

    def test_a_single_zone_is_what_it_is(self):
        assert reliability.zones_service(0.9995, 1, common_cause=0.3, failover=30.0).availability == pytest.approx(
            0.9995, abs=1e-7
        )

    @given(st.floats(0.9, 1), st.integers(1, 4), st.integers(0, 3), chance, st.floats(0, 600))
    def test_parts_sum_to_the_downtime(self, zone, needed, spare, beta, failover):
        s = reliability.zones_service(zone, needed + spare, needed, beta, failover)
        assert sum(s.breakdown.values()) == pytest.approx(s.downtime, abs=1e-3)
        assert 0 <= s.availability <= 1

    def test_a_service_fails_over_within_thirty_seconds_but_not_behind_a_name_server(self):
        assert reliability.recovery_time(5, 3, 5, 2) == 22
        assert reliability.recovery_time(5, 3, 5, 60) > 30

    def test_false_takeovers_are_counted_as_drawing_them_does(self):
        lost = np.random.default_rng(0).random(1_000_000) < 0.1
        # Starts of runs of three: lost now and twice after, and not before.
        runs = (~lost[:-3] & lost[1:-2] & lost[2:-1] & lost[3:]).sum()
        assert reliability.false_takeovers(1.0, 3, 0.1, 1_000_000.0) == pytest.approx(runs, rel=0.1)
        assert reliability.false_takeovers(5, 4, 0.01) < 0.1 < reliability.false_takeovers(5, 3, 0.01)

    def test_a_copy_that_loses_nothing_costs_a_round_trip(self):
        # 100 km of map, 150 km of fibre, there and back at 204,000 km/s: 1.47 ms
        assert reliability.round_trip(100e3) == pytest.approx(1.47e-3, rel=0.01)
        near, far = (reliability.replication(d, 0.5e-3, True) for d in (100e3, 1000e3))
        assert near.data_at_risk == far.data_at_risk == 0
        assert far.commits_a_second < near.commits_a_second / 5
        assert reliability.replication(1000e3, 0.5e-3, False, 2.0).data_at_risk == 2.0


class TestMonitoring:
    def test_the_same_seed_gives_the_same_fleet(self, watched):
        again = reliability.telemetry(cards=128, failing=8, seed=5)
        assert (again.temperature == watched.temperature).all()
        assert (again.errors == watched.errors).all()
        assert watched.cards == 128
        assert (watched.drifts_at < watched.fails_at).all()

    def test_all_warm_in_the_afternoon_and_only_one_detector_cares(self):
        hours = np.arange(480) / 4
        afternoon = np.tile(60 + 5 * np.sin(2 * np.pi * hours / 24), (20, 1)) + np.random.default_rng(0).normal(
            size=(20, 480)
        )
        afternoon[:, :48] -= 5 * np.sin(2 * np.pi * hours[:48] / 24)  # learned on a level morning
        assert z_score(afternoon, 48).max() > 1.3 * fleet_score(afternoon, 48).max()

    def test_one_hot_card_among_many_does_not_move_the_median(self):
        signal = np.random.default_rng(1).normal(size=(50, 300))
        signal[0, 150:] += 100.0
        score = fleet_score(signal, 100)
        assert score[0, 150:].min() > 50
        assert np.abs(score[1:]).max() < 6

    def test_a_cusum_adds_up_a_shift_too_small_to_see(self):
        signal = np.random.default_rng(2).normal(size=(40, 400))
        signal[0, 200:] += 1.0
        assert fleet_score(signal, 100)[0].max() < 5
        sums = cusum(signal, 100)
        assert sums[0, -1] > 3 * sums[1:].max()

    def test_cusum_is_its_recursion(self):
        signal = np.random.default_rng(3).normal(size=(5, 60))
        score, by_hand = fleet_score(signal, 20), np.zeros(5)
        for t in range(60):
            by_hand = np.maximum(0, by_hand + score[:, t] - 0.5)
            assert cusum(signal, 20)[:, t] == pytest.approx(by_hand, abs=1e-9)

    def test_counts_of_crossings_are_those_of_a_loop(self, watched):
        score = reliability.detector_score("fleet", watched.temperature, 4)
        level = 2.5
        found = reliability.detection(score, watched, level)
        alarms = 0
        for card in range(watched.cards):
            last = watched.drifts_at[card] if card < 8 else score.shape[1]
            for t in range(96, last):
                alarms += score[card, t] >= level > score[card, t - 1]
        days_watched = (score.shape[1] - 96) * watched.sample / day
        assert found.false_alarms_a_day[0] == pytest.approx(alarms / days_watched)
        for card in range(8):
            start, end = max(watched.drifts_at[card], 96), watched.fails_at[card]
            over = np.flatnonzero(score[card, start:end] >= level)
            expected = (end - start - over[0]) * watched.sample if over.size else 0
            assert found.lead[card, 0] == expected

    def test_a_higher_threshold_warns_later(self, watched):
        d = reliability.threshold_sweep("cusum", watched, "errors", 4, 30)
        assert (np.diff(d.lead, axis=1) <= 0).all()
        assert d.false_alarms_a_day[-1] <= d.false_alarms_a_day.max()
        assert d.caught[0] >= d.caught[-1]

    def test_the_fleet_detector_beats_the_card_that_looks_at_itself(self):
        def warning(name):
            d = reliability.threshold_sweep(name, reliability.telemetry(seed=0), "temperature", 4, 60)
            return d.median_lead[d.false_alarms_a_day <= 2].max()

        assert warning("fleet") > warning("z-score")

    def test_silent_failures_are_not_caught(self):
        silent = reliability.telemetry(seed=3, silent=1.0)
        d = reliability.detection(reliability.detector_score("fleet", silent.temperature, 4), silent, 5.0)
        assert d.caught[0] == 0

    def test_the_slowest_of_many_is_what_drawing_them_gives(self):
        drawn = 1 + 0.01 * np.random.default_rng(0).normal(size=(400, 4096)).max(axis=1)
        assert reliability.slowest(4096, 0.01) == pytest.approx(drawn.mean(), abs=0.0006)
        assert reliability.slowest(1, 0.3) == pytest.approx(1)

    def test_seven_hangs_of_ten_minutes_are_a_thousandth_of_54_days(self):
        assert reliability.lost_to_hang(600, 7, 54 * day) == pytest.approx(7 * 600 / (54 * 86400))
        assert reliability.lost_to_hang(0, 7, day) == 0
        for bad, name in (((-1, 7, day), "timeout=-1"), ((600, -7, day), "hangs=-7"), ((600, 7, 0), "seconds=0")):
            with pytest.raises(ValueError, match=name):
                reliability.lost_to_hang(*bad)

    def test_a_fleet_of_256_cards_is_watched_for_five_days_where_nothing_is_said(self):
        watched = reliability.telemetry()
        assert (watched.cards, watched.fails_at.size) == (256, 12)
        assert watched.temperature.shape[1] * watched.sample == pytest.approx(5 * day)

    def test_quantiles_of_the_normal(self):
        assert normal_quantile([0.5, 0.975, 0.025, 0.999999]) == pytest.approx(
            [0, 1.95996, -1.95996, 4.75342], abs=2e-4
        )

    def test_bad_input_is_named(self, watched):
        with pytest.raises(ValueError, match="'cusum'"):
            reliability.detector_score("cusums", watched.errors)
        with pytest.raises(ValueError, match="failing=9"):
            reliability.telemetry(cards=8, failing=9)
        with pytest.raises(ValueError, match="cards=0"):
            reliability.slowest(0, 0.1)
