"""What breaks, worked out by hand: zones, spares, causes, runs with failures at known moments, and every bad input."""

import dataclasses
import math

import numpy as np
import pytest

from dcserver import catalog, reliability
from dcserver.reliability.arrays import log_factorials, normal_quantile, power_log
from dcserver.reliability.failures import SOFTWARE, cause_rate
from dcserver.reliability.monitoring import cusum, fleet_score, z_score
from dcserver.units import day, hour, year

KNOWN = catalog.constants("reliability")


class TestCauses:
    def test_rates_are_the_sum_of_their_kinds(self):
        # Each kind's rate counts its causes: seven parts of a host, say. In failures a million hours of a GPU.
        rates = reliability.failure_rates(1000)
        for name, kinds in reliability.CLASSES.items():
            assert rates[name] == pytest.approx(sum(n * cause_rate(k, 1000) for k, n in kinds.items()))
        assert cause_rate("gpu_fault", 1000) == pytest.approx(KNOWN["gpu_fault"] * 1e-6 / 3600 * 1000)

    def test_software_grows_by_its_exponent_from_where_it_was_counted(self):
        c = KNOWN | {"software_exponent": 0.25, "software_reference": 16.0, "software_bug": 2e6, "gpu_fault": 2e6}
        for n, grown in ((16, 16), (256, 16 * 2), (1, 8)):  # 16 (n / 16)^0.25
            assert cause_rate("software_bug", n, c) * hour == pytest.approx(2 * grown)
            assert cause_rate("gpu_fault", n, c) * hour == pytest.approx(2 * n)
        assert set(SOFTWARE) == set(reliability.CLASSES["software"])

    def test_given_rates_go_before_the_catalogs(self):
        double = {k: v * 2 if k in {n for kinds in reliability.CLASSES.values() for n in kinds} else v
                  for k, v in KNOWN.items()}  # fmt: skip
        assert reliability.time_to_failure(100, double) == pytest.approx(reliability.time_to_failure(100) / 2)
        assert reliability.interruptions(100, day, double) == pytest.approx(2 * reliability.interruptions(100, day))
        assert reliability.failure_rates(100, double)["GPU"] == pytest.approx(2 * reliability.failure_rates(100)["GPU"])
        assert reliability.planned_interruptions(3 * day, KNOWN | {"planned": 5.0}) == 15

    def test_interruptions_are_the_time_over_the_mean_between_them(self):
        found = reliability.interruptions(np.array([100, 1000]), 7 * day)
        assert found == pytest.approx([7 * day / reliability.time_to_failure(n) for n in (100, 1000)])
        low, high = reliability.time_to_failure_band(100)
        assert low < reliability.time_to_failure(100) < high

    def test_other_jobs_are_those_that_were_measured(self):
        jobs = reliability.other_jobs()
        rows = [r for r in catalog.tables.rows_of("data", "interruptions") if r["kind"] == "measured"]
        assert len(jobs) == len(rows) > 0
        for job, row in zip(jobs, rows, strict=True):
            assert job.study == row["study"]
            assert job.accelerators == float(row["accelerators"])
            assert job.measured == float(row["mean_time_s"])
            assert job.model == pytest.approx(reliability.time_to_failure(job.accelerators))

    def test_intervals_widen_with_confidence_and_take_arrays(self):
        counts = np.array([0, 1, 10, 100])
        low, high = reliability.poisson_interval(counts)
        for i, n in enumerate(counts):
            assert (low[i], high[i]) == pytest.approx(reliability.poisson_interval(int(n), 0.95))
            assert low[i] <= n < high[i]
        wide = reliability.poisson_interval(10, 0.99)
        assert wide[0] < low[2] < high[2] < wide[1]
        assert reliability.poisson_interval(0, 0.9)[1] == pytest.approx(-math.log(0.05))

    def test_a_shape_of_one_is_a_constant_rate(self):
        # 10 cards from second 100 to 400 at one failure in 50 seconds each
        assert reliability.weibull_failures(10, 100, 400, 50, 1.0) == pytest.approx(10 * 300 / 50)
        assert reliability.weibull_failures(10, 100, 400, 50, 2.0) == pytest.approx(10 * (64 - 4))  # 8^2 - 2^2
        assert reliability.weibull_failures(10, 100, 100, 50, 2.0) == 0


class TestRedundancyByHand:
    def test_chains_and_pairs(self):
        assert reliability.series(0.9, 0.8, 0.5) == pytest.approx(0.36)
        assert reliability.parallel(0.9, 0.8, 0.5) == pytest.approx(1 - 0.1 * 0.2 * 0.5)
        assert reliability.series() == 1
        assert reliability.parallel() == 0
        assert reliability.series(np.array([0.5, 1.0]), 0.5) == pytest.approx([0.25, 0.5])
        assert reliability.parallel(np.array([0.5, 1.0]), 0.5) == pytest.approx([0.75, 1.0])
        for f in (reliability.series, reliability.parallel):
            with pytest.raises(ValueError, match="availability_2=1.5"):
                f(0.5, 1.5)

    def test_outages_of_a_pair_by_hand(self):
        # States 1 : 2a : a^2 with a = 0.1; an outage begins in the second when the last unit fails, once in 10.
        pair = reliability.redundancy(1, 2, 10.0, 1.0)
        assert pair.unavailability == pytest.approx(0.01 / 1.21)
        assert pair.availability == pytest.approx(1.2 / 1.21)
        assert pair.time_between_outages == pytest.approx(10 / (0.2 / 1.21))
        assert (pair.independent, pair.common) == (pair.unavailability, 0)

    def test_two_of_three_with_two_crews_by_hand(self):
        # 1 : 3a : 3a^2 : 3a^3 / 2 where the third must wait for one of two crews. Two down are too many.
        a = 0.1
        group = reliability.redundancy(2, 3, 10.0, 1.0, crews=2)
        total = 1 + 3 * a + 3 * a**2 + 1.5 * a**3
        assert group.unavailability == pytest.approx((3 * a**2 + 1.5 * a**3) / total)
        assert group.time_between_outages == pytest.approx(1 / (3 * a / total * 2 / 10))

    def test_a_cause_in_common_by_hand(self):
        # A fifth of the failures takes both: 0.2 x 1 / 10 = 0.02 of a repair; the rest is a pair with a = 0.08.
        pair = reliability.redundancy(1, 2, 10.0, 1.0, common_cause=0.2)
        alone, common = 0.08**2 / 1.08**2, 0.02 / 1.02
        assert (pair.independent, pair.common) == pytest.approx((alone, common))
        assert pair.unavailability == pytest.approx(1 - (1 - alone) * (1 - common))
        starts = 0.16 / 1.08**2 * 0.8 / 10 * (1 - common) + 0.02 * (1 - alone) * (1 - common)
        assert pair.time_between_outages == pytest.approx(1 / starts)

    def test_supplies_by_their_life(self):
        server = dataclasses.replace(catalog.server("DGX H100"), power_supplies=2, power_supplies_needed=1)
        c = KNOWN | {"supply_life": 1000.0, "common_cause": 0.25}
        usual = reliability.supplies_of(server, constants=c)
        said = reliability.redundancy(1, 2, 1000 * hour, day, 0.25)
        assert usual.unavailability == pytest.approx(said.unavailability)
        slow = reliability.supplies_of(server, 0.0, 2 * day, c)
        assert slow.unavailability == pytest.approx(reliability.redundancy(1, 2, 1000 * hour, 2 * day).unavailability)

    def test_the_largest_box_is_4096_units(self):
        assert reliability.too_few(1, 4096, 0.5) == pytest.approx(0)
        assert reliability.too_few(4096, 4096, 1e-4) == pytest.approx(1 - 0.9999**4096)
        assert reliability.too_few(2, np.array([2, 3]), np.array([[0.0], [1.0]])).tolist() == [[0, 0], [1, 1]]

    def test_logarithms_of_factorials(self):
        assert np.exp(log_factorials(5)) == pytest.approx([1, 1, 2, 6, 24, 120])
        assert power_log(0, 0.0) == 0
        assert power_log(3, 0.5) == pytest.approx(3 * math.log(0.5))
        assert normal_quantile(np.array([0.1, 0.9])).sum() == pytest.approx(0)

    def test_spares_by_hand(self):
        # 20 nodes, a hundredth of the time away each: 0.2 on average; two spares suffice for none, one or two.
        by_hand = math.exp(-0.2) * (1 + 0.2 + 0.02)
        assert reliability.spare_units(20, 100.0, 1.0, 2) == pytest.approx(by_hand)
        plan = reliability.spare_plan(20, 100.0, 1.0, 2)
        assert (plan.suffice, plan.running, plan.away) == pytest.approx((by_hand, by_hand, 0.2))
        assert plan.useful == pytest.approx(by_hand * 20 / 22)
        assert reliability.spare_units(20, 100.0, 1.0, 4096) == pytest.approx(1)
        elastic = reliability.spare_plan(20, 100.0, 1.0, 2, elastic=np.array([False, True]))
        assert elastic.running[0] == pytest.approx(by_hand)
        assert by_hand < elastic.running[1] < 1


class TestServices:
    def test_a_pair_of_zones_by_hand(self):
        # A tenth of the time down, a fifth of that in common: each alone 0.08; moving 36 s in an outage of an hour.
        s = reliability.zones_service(0.9, 2, 1, 0.2, failover=36.0, repair_time=3600.0)
        few, shared, moving = 0.08**2, 0.02, 0.08 * 0.01
        up = (1 - few) * (1 - shared) * (1 - moving)
        assert s.availability == pytest.approx(up)
        assert s.downtime == pytest.approx((1 - up) * year)
        each = (1 - up) / (few + shared + moving) * year
        assert s.breakdown == pytest.approx(
            {"too few zones": few * each, "common cause": shared * each, "failover": moving * each}
        )

    def test_one_zone_has_nowhere_to_move_to(self):
        s = reliability.zones_service(0.9, 1, failover=36.0)
        assert s.availability == pytest.approx(0.9)
        assert s.breakdown["failover"] == 0
        assert reliability.zones_service(0.9, 2, 2, failover=36.0).breakdown["failover"] == 0

    def test_one_zone_needed_four_hours_of_repair_are_the_usual(self):
        said = reliability.zones_service(0.99, 2, 1, 0.0, 60.0, 4 * hour)
        assert reliability.zones_service(0.99, 2, failover=60.0) == said
        assert reliability.zones_service(1.0, 2).downtime == 0
        assert set(reliability.zones_service(1.0, 2).breakdown.values()) == {0}
        assert reliability.zones_service(0.99, 2).breakdown["common cause"] == 0
        many = reliability.zones_service(np.array([0.9, 0.99]), np.array([[1], [2]]))
        assert many.availability.shape == many.failover.shape == many.common_cause.shape == (2, 2)
        assert many.availability[1, 0] == pytest.approx(0.99)

    def test_taking_over_by_hand(self):
        assert reliability.recovery_time(2.0, 3, 5.0, 7.0) == 2 * 3 + 5 + 7
        # A year of beats every ten seconds, of which a tenth is lost: runs of two begin after one that came.
        assert reliability.false_takeovers(10.0, 2, 0.1) == pytest.approx(year / 10 * 0.9 * 0.01)
        assert reliability.false_takeovers(10.0, 2, 0.1, 1000.0) == pytest.approx(0.9)
        assert reliability.false_takeovers(10.0, 2, np.array([0.0, 1.0]), 1000.0).tolist() == [0, 0]

    def test_replicas_by_hand(self):
        c = KNOWN | {"route_factor": 3.0, "fibre_speed": 2e8}
        assert reliability.round_trip(1e6, c) == pytest.approx(2 * 1e6 * 3 / 2e8)
        both = reliability.replication(1e6, 0.01, np.array([True, False]), constants=c)
        assert both.write_latency == pytest.approx([0.01 + 0.03, 0.01])
        assert both.commits_a_second == pytest.approx([25, 100])
        assert both.data_at_risk.tolist() == [0, 1]  # a second behind, where nothing else is said
        assert reliability.replication(1e6, 0.01, False, 5.0, c).data_at_risk == 5


class TestCheckpointsByHand:
    def test_where_writing_takes_long_daly_gives_the_mean(self):
        assert reliability.daly_interval(np.array([199.9, 200.0, 500.0]), 100.0)[1:].tolist() == [100, 100]
        # w = M / 2: sqrt(M^2) (1 + 1 / 6 + 1 / 36) - M / 2
        assert reliability.daly_interval(50.0, 100.0) == pytest.approx(100 * (1 + 1 / 6 + 1 / 36) - 50)

    def test_shares_by_hand(self):
        # Work and write of one mean each, a restart of ln 2 means: e^-ln 2 e^-2 / (1 - e^-2) useful.
        g = reliability.goodput(100.0, 100.0, 100 * math.log(2), 100.0)
        useful = math.exp(-2) / 2 / (1 - math.exp(-2))
        assert (g.useful, g.writing, g.restarting) == pytest.approx((useful, useful, 0.5))
        assert g.lost == pytest.approx(1 - 2 * useful - 0.5)
        assert list(g.breakdown.values()) == [g.useful, g.writing, g.lost, g.restarting]

    def test_two_levels_by_hand(self):
        # M = 1000, four fifths survivable: M / 0.8 = 1250 and M / 0.2 = 5000. Intervals sqrt(2 x 1 x 1250) = 50 and
        # sqrt(2 x 16 x 5000) = 400.
        plan = reliability.two_levels(1000.0, 0.8, 1.0, 16.0, 25.0, 100.0)
        assert (plan.memory_interval, plan.disk_interval) == pytest.approx((50, 400))
        loss = (25 + 50 / 2) / 1250 + (100 + 400 / 2) / 5000
        assert plan.goodput == pytest.approx((1 - loss) / (1 + 1 / 50 + 16 / 400))
        assert reliability.two_levels(1.0, 0.5, 1.0, 1.0, 100.0, 100.0).goodput == 0  # never done
        many = reliability.two_levels(np.array([1000.0, 2000.0]), 0.8, 1.0, 16.0, 25.0, 100.0)
        assert many.goodput.shape == many.memory_interval.shape == (2,)
        assert many.goodput[0] == pytest.approx(plan.goodput)


class TestRunsByHand:
    def test_a_job_of_three_stretches_that_nothing_stops(self):
        # 25 s of work in tens: two whole and a half, each saved in a second.
        r = reliability.simulate_training(25.0, 10.0, 1.0, 5.0, 1e12, runs=3)
        assert r.elapsed == pytest.approx([28] * 3)
        assert (r.useful.tolist(), r.writing.tolist()) == ([25] * 3, [3] * 3)
        assert r.complete.all()
        assert r.goodput().useful == pytest.approx(25 / 28)
        assert r.standard_error() == 0
        assert reliability.timeline(25.0, 10.0, 1.0, 5.0, 1e12) == [
            (0, 10, "work"), (10, 1, "checkpoint"), (11, 10, "work"), (21, 1, "checkpoint"), (22, 5, "work"),
            (27, 1, "checkpoint")]  # fmt: skip
        assert reliability.timeline(25.0, 10.0, 1.0, 5.0, 1e12, until=10.5) == [
            (0, 10, "work"),
            (10, 0.5, "checkpoint"),
        ]
        assert reliability.timeline(25.0, 10.0, 1.0, 5.0, 1e12, until=10.0) == [(0, 10, "work")]

    def test_a_job_without_failures_is_complete_though_they_are_drawn_all_the_time(self):
        # Where writing and restarting take no time, and a failure costs less than a moment's work, little is lost.
        r = reliability.simulate_training(1000.0, 0.1, 0.0, 0.0, 100.0, runs=50)
        assert r.failures.mean() == pytest.approx(10, rel=0.25)
        assert (r.lost <= 0.1 * r.failures + 1e-9).all()
        assert (r.writing == 0).all()
        assert (r.restarting == 0).all()
        assert r.useful == pytest.approx(1000)

    def test_each_failure_costs_a_restart_or_part_of_one(self):
        r = reliability.simulate_training(10_000.0, 100.0, 1.0, 50.0, 300.0, runs=20, seed=4)
        assert (r.restarting <= 50 * r.failures + 1e-6).all()
        # A restart of 50 of 300 fails itself in 1 - e^(-1 / 6) of the cases; on average it lasts 300 of that.
        assert (r.restarting / r.failures).mean() == pytest.approx(300 * (1 - math.exp(-1 / 6)), rel=0.03)
        assert r.failures.mean() == pytest.approx(r.elapsed.mean() / 300, rel=0.05)

    def test_a_standard_error_is_that_of_the_runs(self):
        r = reliability.simulate_training(1e4, 100.0, 5.0, 50.0, np.array([500.0, 2000.0]), runs=30)
        shares = r.useful / r.elapsed
        assert r.standard_error() == pytest.approx(shares.std(axis=1) / math.sqrt(30))
        assert r.goodput().useful == pytest.approx(r.useful.sum(axis=1) / r.elapsed.sum(axis=1))
        assert reliability.simulate_training(100.0, 10.0, 0, 0, 1e3).elapsed.shape == (100,)

    def test_what_is_told_grows_to_the_whole(self):
        told = []
        reliability.simulate_training(1e4, 100.0, 5.0, 50.0, 500.0, runs=3, progress=lambda *now: told.append(now))
        assert {total for _, total in told} == {3e4}
        done = [d for d, _ in told]
        assert done == sorted(done)
        assert done[-1] == 3e4
        assert (np.diff(done[:-1]) >= 0.01 * 3e4 - 1e-6).all()  # not more often than each hundredth


class TestWatchedCards:
    def test_telemetry_is_what_it_says(self):
        w = reliability.telemetry(cards=400, days=6.0, failing=40, warning=day, seed=1, sample=1800.0, silent=0.0)
        samples = 6 * 48
        assert w.temperature.shape == w.errors.shape == w.step_time.shape == (400, samples)
        assert w.sample == 1800
        assert (w.fails_at >= 3 * 48).all()
        assert (w.fails_at < samples).all()
        assert w.fails_at.tolist() == sorted(w.fails_at)
        # Half a day to one and a half from drift to failure, a day on average.
        ahead = (w.fails_at - w.drifts_at) / 48
        assert ((ahead >= 0.5 - 1 / 48) & (ahead <= 1.5)).all()
        assert ahead.mean() == pytest.approx(1, abs=4 * 0.29 / math.sqrt(40))
        well = slice(40, None)
        assert w.temperature[well].mean() == pytest.approx(62, abs=0.6)
        assert w.temperature[well].mean(axis=1).std() == pytest.approx(2.5, rel=0.15)
        # The swing that all share, 3 K either way once a day, is what is left in the mean over the cards.
        swing = w.temperature[well].mean(axis=0)
        expected = 3 * np.sin(2 * np.pi * np.arange(samples) / 48)
        assert swing - swing.mean() == pytest.approx(expected - expected.mean(), abs=0.3)
        noise = w.temperature[well] - w.temperature[well].mean(axis=1, keepdims=True) - expected
        assert noise.std() == pytest.approx(1, rel=0.05)
        # It remembers: half of it is a mean over two hours, of which the next sample shares three quarters.
        assert (noise[:, 1:] * noise[:, :-1]).mean() / noise.var() == pytest.approx(0.5 * 0.75, abs=0.05)
        assert w.errors[well].mean() == pytest.approx(0.02, rel=0.1)
        assert w.step_time[well].mean() == pytest.approx(1, abs=1e-3)
        assert w.step_time[well].std() == pytest.approx(math.hypot(0.01, 0.004), rel=0.1)

    def test_a_sick_card_warms_by_eight_kelvin_until_it_fails(self):
        w = reliability.telemetry(cards=400, failing=200, seed=2, silent=0.0)
        warmer, errors, slower = [], [], []
        usual = w.temperature[200:].mean(axis=0)
        for card, (start, end) in enumerate(zip(w.drifts_at, w.fails_at, strict=True)):
            own = w.temperature[card] - usual
            warmer.append(own[end - 4 : end].mean() - own[:start].mean())
            slower.append(w.step_time[card, end - 4 : end].mean() - w.step_time[card, :start].mean())
            errors.append(w.errors[card, end - 4 : end].mean())
            if end + 4 < own.size:
                assert abs(own[end:].mean() - own[:start].mean()) < 4  # the card that replaces it is well
        assert np.mean(warmer) == pytest.approx(8, rel=0.06)
        assert np.mean(slower) == pytest.approx(0.04, rel=0.06)
        assert np.mean(errors) == pytest.approx(1.5, rel=0.12)
        # Halfway errors have grown by the square, a quarter.
        middle = [w.errors[c, (s + e) // 2 - 4 : (s + e) // 2 + 4].mean()
                  for c, (s, e) in enumerate(zip(w.drifts_at, w.fails_at, strict=True))]  # fmt: skip
        assert np.mean(middle) == pytest.approx(0.02 + 1.5 / 4, rel=0.15)

    def test_a_quarter_gives_no_sign(self):
        w = reliability.telemetry(cards=400, failing=200, seed=2)
        warm = [w.temperature[c, e - 4 : e].mean() - w.temperature[c, :s].mean()
                for c, (s, e) in enumerate(zip(w.drifts_at, w.fails_at, strict=True))]  # fmt: skip
        assert np.mean(warm) == pytest.approx(0.75 * 8, abs=0.6)

    def test_three_and_a_half_days_are_enough(self):
        assert reliability.telemetry(cards=5, days=3.5, failing=5).temperature.shape == (5, 336)
        with pytest.raises(ValueError, match=r"3\.5 days or more"):
            reliability.telemetry(cards=5, days=3.4, failing=5)

    def test_scores_by_hand(self):
        # Learned on -1, 1, -1, 1: mean 0, deviation 1.
        signal = np.array([[-1.0, 1, -1, 1, 5], [-1, 1, -1, 1, -3]])
        assert z_score(signal, 4)[:, 4].tolist() == [5, -3]
        # Each card by its own habit: twice the signal is twice the deviation, so the same score.
        assert z_score(signal * [[1], [2]], 4)[:, 4].tolist() == [5, -3]
        # Three cards; the middle one is the median, so the others' residuals are 2 and -2 less their own habit of that.
        same = np.array([[3.0, 4, 5, 9], [1, 2, 3, 4], [-1, 0, 1, 1]])
        found = fleet_score(same, 3)
        assert found[:, :3] == pytest.approx(np.zeros((3, 3)))
        assert found[0, 3] > 0 == found[1, 3] > found[2, 3]
        assert found[0, 3] == pytest.approx(-3 * found[2, 3])  # 5 - 2 against -3 + 2
        assert (cusum(signal, 4) >= 0).all()

    def test_the_slowest_by_hand(self):
        # Of two the larger of two normals lies 1 / sqrt(pi) = 0.564 above; Blom's (2 - 0.375) / 2.25 says 0.589.
        assert reliability.slowest(2, 0.1) == pytest.approx(1 + 0.1 / math.sqrt(math.pi), abs=0.003)
        assert reliability.slowest(2, 0.1) == pytest.approx(1 + 0.1 * 0.5895, abs=1e-4)
        assert reliability.slowest(100, 0.0) == 1
        assert reliability.slowest(np.array([2, 100]), 0.1)[0] == reliability.slowest(2, 0.1)


GOOD = {
    "redundancy": {"needed": 1, "installed": 2, "time_to_failure": 10.0, "repair_time": 1.0, "common_cause": 0.1,
                   "crews": 1},
    "spare_units": {"nodes": 10, "time_to_failure": 10.0, "repair_time": 1.0, "spares": 1},
    "spare_plan": {"nodes": 10, "time_to_failure": 10.0, "repair_time": 1.0, "spares": 1},
    "zones_service": {"zone_availability": 0.9, "zones": 2, "needed": 1, "common_cause": 0.1, "failover": 1.0,
                      "repair_time": 1.0},
    "recovery_time": {"heartbeat": 1.0, "missed": 3, "promotion": 1.0, "redirect": 1.0},
    "false_takeovers": {"heartbeat": 1.0, "missed": 3, "loss": 0.1},
    "round_trip": {"distance": 1.0},
    "replication": {"distance": 1.0, "local_write": 1.0, "synchronous": True, "lag": 1.0},
    "young_interval": {"write": 1.0, "time_to_failure": 10.0},
    "daly_interval": {"write": 1.0, "time_to_failure": 10.0},
    "best_interval": {"write": 1.0, "time_to_failure": 10.0},
    "goodput": {"interval": 1.0, "write": 1.0, "restart": 1.0, "time_to_failure": 10.0},
    "two_levels": {"time_to_failure": 10.0, "survivable": 0.5, "memory_write": 1.0, "disk_write": 1.0,
                   "memory_restart": 1.0, "disk_restart": 1.0},
    "simulate_training": {"work": 10.0, "interval": 1.0, "write": 1.0, "restart": 1.0, "time_to_failure": 1e9,
                          "runs": 1, "shape": 1.0},
    "timeline": {"work": 10.0, "interval": 1.0, "write": 1.0, "restart": 1.0, "time_to_failure": 1e9},
    "weibull_failures": {"accelerators": 1, "start": 0.0, "end": 1.0, "scale": 1.0, "shape": 1.0},
    "failure_rates": {"accelerators": 1},
    "interruptions": {"accelerators": 1, "seconds": 1.0},
    "planned_interruptions": {"seconds": 1.0},
    "poisson_interval": {"count": 1, "confidence": 0.9},
    "downtime_a_year": {"availability": 0.9},
    "telemetry": {"cards": 4, "failing": 2, "days": 4.0, "warning": day, "sample": 900.0, "silent": 0.5},
    "slowest": {"cards": 2, "spread": 0.1},
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "argument"), [(n, a) for n, inputs in GOOD.items() for a in inputs if a != "synchronous"]
)
def test_no_input_may_be_negative(name, argument):
    ask = getattr(reliability, name)
    ask(**GOOD[name])  # as it stands it is fine
    with pytest.raises(ValueError, match=r"=-1\b"):
        ask(**(GOOD[name] | {argument: -1.0}))


@pytest.mark.parametrize(
    ("name", "argument", "value"),
    [
        ("redundancy", "time_to_failure", 0), ("redundancy", "common_cause", 1.1), ("redundancy", "crews", 0),
        ("spare_units", "nodes", 0), ("spare_units", "time_to_failure", 0), ("spare_units", "repair_time", 0),
        ("spare_units", "spares", 0.5), ("zones_service", "common_cause", 1.1), ("zones_service", "repair_time", 0),
        ("zones_service", "zone_availability", 1.1), ("recovery_time", "heartbeat", 0), ("recovery_time", "missed", 0.5),
        ("false_takeovers", "heartbeat", 0), ("false_takeovers", "missed", 0), ("false_takeovers", "loss", 1.1),
        ("replication", "local_write", 0), ("young_interval", "time_to_failure", 0), ("goodput", "interval", 0),
        ("goodput", "time_to_failure", 0), ("simulate_training", "work", 0), ("simulate_training", "interval", 0),
        ("simulate_training", "time_to_failure", 0), ("simulate_training", "runs", 0), ("simulate_training", "shape", 0),
        ("timeline", "work", 0), ("timeline", "interval", 0), ("timeline", "time_to_failure", 0),
        ("weibull_failures", "scale", 0), ("weibull_failures", "shape", 0), ("weibull_failures", "accelerators", 0),
        ("telemetry", "days", 0), ("telemetry", "warning", 0), ("telemetry", "sample", 0), ("telemetry", "silent", 1.1),
        ("two_levels", "memory_write", 0), ("two_levels", "disk_write", 0), ("two_levels", "time_to_failure", 0),
        ("telemetry", "failing", 0), ("downtime_a_year", "availability", 1.1), ("poisson_interval", "count", 0.5),
    ],
)  # fmt: skip
def test_what_is_out_of_range_is_named(name, argument, value):
    with pytest.raises(ValueError, match=f"{argument}={value}"):
        getattr(reliability, name)(**(GOOD[name] | {argument: value}))


def test_bounds_themselves_are_allowed():
    assert reliability.goodput(1.0, 0.0, 0.0, 10.0).writing == 0
    assert reliability.two_levels(10.0, 0.5, 0.1, 0.1, 0.0, 0.0).goodput > 0
    assert reliability.round_trip(0) == 0
    assert reliability.spare_units(10, 10.0, 1.0, 0) == pytest.approx(math.exp(-1))
    assert reliability.replication(0, 1.0, True, 0.0).write_latency == 1
    assert reliability.weibull_failures(1, 0.0, 0.0, 1.0, 1.0) == 0
