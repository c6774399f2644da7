"""Claims about schedulers: what no schedule may do, what queueing theory says, published statistics, and stopping half way."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, queueing, sharing
from dcserver.catalog.fields import CONFIDENCE
from dcserver.catalog.tables import rows_of
from dcserver.sharing.servers import Servers
from dcserver.units import day, hour

FCFS, BACKFILL, FAIR, PREEMPTION = sharing.POLICIES


def trace(*jobs):
    """Jobs as (arrival, gpus, duration) or (arrival, gpus, duration, user)."""
    rows = [(*j, 0)[:4] for j in jobs]
    arrival, gpus, duration, user = zip(*rows, strict=True)
    return sharing.Trace(np.array(arrival, float), np.array(gpus), np.array(duration, float), np.array(user))


@st.composite
def traces(draw, most=24):
    n = draw(st.integers(1, most))
    gaps = draw(st.lists(st.integers(0, 40), min_size=n, max_size=n))
    sizes = draw(st.lists(st.sampled_from([1, 2, 4, 8, 16, 24]), min_size=n, max_size=n))
    runs = draw(st.lists(st.integers(1, 300), min_size=n, max_size=n))
    users = draw(st.lists(st.integers(0, 3), min_size=n, max_size=n))
    return trace(*zip(np.cumsum(gaps).tolist(), sizes, runs, users, strict=True))


QUICK = dict(catalog.constants("sharing")) | {"minimum_run": 30.0, "checkpoint_interval": 20.0, "restart_time": 5.0}


class TestNoScheduleMay:
    @settings(max_examples=60, deadline=None)
    @given(traces(), st.sampled_from(sharing.POLICIES), st.booleans(), st.sampled_from([1.0, 3.0]))
    def test_use_more_of_a_server_than_it_has_nor_lose_or_invent_work(self, jobs, policy, pack, over):
        s = sharing.simulate(jobs, 32, policy, pack=pack, overestimate=over, record=True, constants=QUICK)
        assert s.complete
        assert s.done.all()
        assert (s.start >= jobs.arrival).all()
        for server in range(4):
            changes = [(at, count) for g in s.segments if g.server == server
                       for at, count in ((g.start, g.gpus), (g.end, -g.gpus))]  # fmt: skip
            held = np.cumsum([c for _, c in sorted(changes)])  # at one moment, who leaves goes first
            assert not len(held) or held.max() <= 8
        worked = sum((g.end - g.start) * g.gpus for g in s.segments)
        assert worked == pytest.approx(jobs.gpu_seconds.sum() + (s.lost * jobs.gpus).sum())

    @settings(max_examples=40, deadline=None)
    @given(traces(), st.sampled_from(sharing.POLICIES))
    def test_cut_a_small_job_in_two_or_start_a_gang_bit_by_bit(self, jobs, policy):
        s = sharing.simulate(jobs, 32, policy, record=True, constants=QUICK)
        by_job = {}
        for g in s.segments:
            by_job.setdefault((g.job, g.start), []).append(g)
        for (job, _), parts in by_job.items():
            assert sum(g.gpus for g in parts) == jobs.gpus[job]
            assert len({g.server for g in parts}) == max(jobs.gpus[job] // 8, 1)
            assert len({g.end for g in parts}) == 1

    @settings(max_examples=60, deadline=None)
    @given(traces(), st.sampled_from([1.0, 2.5]), st.sampled_from([BACKFILL, FAIR]))
    def test_backfill_past_the_moment_that_the_first_job_was_promised(self, jobs, over, policy):
        s = sharing.simulate(jobs, 32, policy, overestimate=over)
        kept = ~np.isnan(s.promised)
        assert (s.start[kept] <= s.promised[kept] + 1e-6).all()

    @settings(max_examples=40, deadline=None)
    @given(traces())
    def test_let_a_later_job_start_first_without_backfill(self, jobs):
        s = sharing.simulate(jobs, 32, FCFS)
        assert (np.diff(s.start) >= -1e-9).all()

    def test_reorder_equal_jobs_even_with_backfill(self):
        jobs = trace(*((i * 3.0, 4, 50.0) for i in range(40)))
        for policy in sharing.POLICIES:
            assert (np.diff(sharing.simulate(jobs, 16, policy).start) >= 0).all()


class TestAgainstQueueingTheory:
    def test_single_gpu_jobs_first_come_first_served_are_the_queue_of_many_servers_exactly(self):
        n, rng = 3000, np.random.default_rng(3)
        arrivals, services = queueing.poisson_arrivals(14.0, n, seed=4), rng.exponential(1.0, n)
        jobs = sharing.Trace(arrivals, np.ones(n, int), services, np.zeros(n, int))
        for policy in (FCFS, BACKFILL):  # all alike in size: nothing can be backfilled
            wait = sharing.simulate(jobs, 16, policy).wait
            np.testing.assert_allclose(wait, queueing.waits(arrivals, services, 16), atol=1e-8)

    def test_and_their_mean_wait_is_erlangs(self):
        n, found = 30_000, []
        for seed in range(5):  # one draw alone is off by 8 % or so: waits come in spells
            services = np.random.default_rng(seed).exponential(1.0, n)
            jobs = sharing.Trace(
                queueing.poisson_arrivals(5.6, n, seed=100 + seed), np.ones(n, int), services, np.zeros(n, int)
            )
            s = sharing.simulate(jobs, 8, FCFS)
            found.append(s.wait.mean())
            assert s.utilization == pytest.approx(0.7, rel=0.03)
        assert np.mean(found) == pytest.approx(queueing.mean_wait(5.6, 1.0, 8), rel=0.08)


class TestPoliciesByHand:
    # Two servers. Job 0 holds one for 100 s; job 1 wants both; job 2 wants one GPU for 50 s, job 3 one for 200 s.
    JOBS = trace((0, 8, 100), (1, 16, 10), (2, 1, 50), (3, 1, 200))

    def test_first_come_first_served_keeps_a_server_idle(self):
        s = sharing.simulate(self.JOBS, 16, FCFS)
        assert s.start.tolist() == [0, 100, 110, 110]

    def test_backfill_lets_the_short_job_by_and_holds_the_long_one_back(self):
        s = sharing.simulate(self.JOBS, 16, BACKFILL)
        assert s.promised[1] == 100
        assert s.start.tolist() == [0, 100, 2, 110]

    def test_who_says_too_much_is_not_backfilled(self):
        s = sharing.simulate(self.JOBS, 16, BACKFILL, overestimate=2.0)
        assert s.promised[1] == 200, "as job 0 said; it ends earlier, and so job 1 starts earlier"
        assert s.start.tolist() == [0, 100, 2, 110]
        s = sharing.simulate(self.JOBS, 16, BACKFILL, overestimate=10.0)
        assert s.start[2] == 2, "500 s still end before the promised 1,000 s"

    def test_preemption_sends_small_jobs_away_after_their_minimum_run_and_charges_them(self):
        s = sharing.simulate(self.JOBS, 16, PREEMPTION, constants=QUICK | {"minimum_run": 0.0})
        # Job 0 (8 GPUs) ran 1 s, no checkpoint yet: that second is lost, and 5 s of restarting when job 1 is done.
        assert s.start[1] == 1
        assert s.evictions.tolist() == [1, 0, 0, 0]
        assert s.lost[0] == pytest.approx(1 + 5)
        assert s.end[0] == pytest.approx(11 + 5 + 100)

    def test_checkpoints_save_what_was_done(self):
        s = sharing.simulate(trace((0, 8, 100), (50, 16, 10)), 16, PREEMPTION, constants=QUICK)
        # It ran 50 s with checkpoints each 20 s: 40 s are saved, 10 s lost, and the restart costs 5 s.
        assert s.start[1] == 50
        assert s.lost[0] == pytest.approx(10 + 5)
        assert s.end[0] == pytest.approx(60 + 5 + 60)

    def test_fair_share_serves_the_user_who_holds_nothing(self):
        flood = [(0.0, 8, 100.0, 0)] * 8
        s = {p: sharing.simulate(trace(*flood, (1, 8, 100, 1)), 16, p) for p in (BACKFILL, FAIR)}
        # User 0's third job stood first in line already when user 1 came; user 1's is next.
        assert s[BACKFILL].start[8] == 400
        assert s[FAIR].start[8] == 100
        assert s[FAIR].fairness > s[BACKFILL].fairness

    def test_packing_keeps_servers_whole_for_gangs(self):
        small = [(float(i), 1, 1000.0) for i in range(4)]
        spread, packed = (
            sharing.simulate(trace(*small, (10, 24, 10), (1500, 1, 1)), 32, FCFS, pack=p) for p in (False, True)
        )
        assert packed.start[4] == 10
        assert spread.start[4] == 1002
        assert spread.stranded_share > packed.stranded_share == 0


class TestServers:
    @given(st.lists(st.tuples(st.sampled_from([1, 2, 4, 8, 16]), st.integers(1, 50)), max_size=30))
    def test_counts_agree_whatever_comes_and_goes(self, steps):
        servers, held = Servers(4), {}
        for job, (gpus, until) in enumerate(steps):
            parts = servers.find(gpus)
            if parts is None:
                if held:
                    gone = next(iter(held))
                    servers.give_back(gone, held.pop(gone))
                continue
            servers.take(job, parts, until)
            held[job] = parts
            used = np.zeros(4, int)
            for s, g in itertools.chain.from_iterable(held.values()):
                used[s] += g
            assert servers.free == (8 - used).tolist()
            assert servers.total_free == 32 - used.sum()
            when, where = servers.earliest(16)
            assert len(where) == 2
            assert when <= max(u for _, u in steps)

    def test_the_earliest_place_of_a_small_job(self):
        servers = Servers(2)
        servers.take(0, [(0, 8)], 50.0)
        servers.take(1, [(1, 5)], 80.0)
        servers.take(2, [(1, 2)], 20.0)
        assert servers.earliest(1) == (0.0, {1})
        assert servers.earliest(3) == (20.0, {1})
        assert servers.earliest(4) == (50.0, {0})
        assert servers.earliest(16) == (80.0, {0, 1})


class TestTrace:
    @pytest.mark.parametrize("name", ["Helios", "Helios: Venus"])
    def test_a_hundred_thousand_jobs_have_the_published_statistics(self, name):
        # The tail is heavy: between draws of 100,000 the mean of size x duration varies by 15 % and more.
        draws = [sharing.synthetic_trace(100_000, 1024, trace=name, seed=seed).statistics() for seed in range(6)]
        published = sharing.trace_statistics(name)
        for key, within in {"mean_gpus": 0.02, "median_gpus": 0, "median_duration": 0.02, "mean_duration": 0.05,
                            "mean_gpu_seconds": 0.1}.items():  # fmt: skip
            assert np.mean([d[key] for d in draws]) == pytest.approx(published[key], rel=within), key

    def test_what_was_not_fitted_agrees_as_well(self):
        # Recalled from Kokolis et al. 2025 of Meta's clusters: over 90 % of the jobs fit a server.
        assert sharing.synthetic_trace(50_000, 1024, trace="Helios").statistics()["within_a_server_share"] > 0.9
        assert sharing.job_mix("Helios").growth > 0.2, "size x duration was published as twice the product of the means"

    def test_the_mix_meets_its_statistics_by_numerical_integration(self):
        mix, published = sharing.job_mix("Helios"), sharing.trace_statistics("Helios")
        z = (np.arange(200_000) + 0.5) / 200_000
        grid = np.sort(np.random.default_rng(0).standard_normal(400_000))[::2][: len(z)]
        durations = np.minimum(
            mix.median_of_one * mix.sizes[:, None] ** mix.growth * np.exp(mix.spread * grid), mix.longest
        )
        assert mix.shares @ durations.mean(axis=1) == pytest.approx(published["mean_duration"], rel=0.05)
        assert (mix.shares * mix.sizes) @ durations.mean(axis=1) == pytest.approx(
            published["mean_gpu_seconds"], rel=0.05
        )
        assert mix.shares @ (durations < published["median_duration"]).mean(axis=1) == pytest.approx(0.5, abs=0.005)
        assert mix.shares.sum() == pytest.approx(1)
        assert mix.shares @ mix.sizes == pytest.approx(published["mean_gpus"], rel=1e-3)

    def test_the_published_traces_are_busy_as_their_rows_say(self):
        # By hand: Venus 125,303 jobs x 98,526 GPU-s over 1,022 GPUs x 183 days = 0.764.
        v = sharing.trace_statistics("Helios: Venus")
        assert v["jobs"] * v["mean_gpu_seconds"] / (v["gpus"] * v["period"]) == pytest.approx(0.764, abs=0.001)

    def test_load_presses_arrivals_and_changes_nothing_else(self):
        low, high = (sharing.synthetic_trace(2000, 256, load) for load in (0.4, 0.8))
        np.testing.assert_array_equal(low.duration, high.duration)
        np.testing.assert_array_equal(low.gpus, high.gpus)
        assert high.gpu_seconds.sum() / (256 * high.arrival[-1]) == pytest.approx(0.8, rel=0.02)
        assert low.arrival[-1] / high.arrival[-1] == pytest.approx(2, rel=0.02)

    def test_more_jobs_come_in_the_afternoon_than_at_night(self):
        jobs = sharing.synthetic_trace(60_000, 1024, 0.8)
        by_hour = np.bincount((jobs.arrival // hour % 24).astype(int), minlength=24)
        peak, night = by_hour[15], by_hour[3]
        assert peak / night == pytest.approx(1.5 / 0.5, rel=0.15)
        flat = sharing.synthetic_trace(60_000, 1024, 0.8, daily_swing=0.0)
        by_hour = np.bincount((flat.arrival // hour % 24).astype(int), minlength=24)
        assert by_hour[15] / by_hour[3] == pytest.approx(1, rel=0.1)
        assert flat.arrival[-1] > 20 * day

    def test_the_same_seed_gives_the_same_jobs(self):
        a, b, c = (sharing.synthetic_trace(100, 256, seed=s) for s in (1, 1, 2))
        np.testing.assert_array_equal(a.arrival, b.arrival)
        assert (a.duration != c.duration).any()

    @pytest.mark.parametrize(("change", "words"), [
        ({"arrival": np.array([2.0, 1.0])}, "in order"), ({"gpus": np.array([1, 12])}, "multiple of 8"),
        ({"duration": np.array([1.0, 0.0])}, "duration=0"), ({"user": np.array([1])}, "one value for each job"),
    ])  # fmt: skip
    def test_impossible_jobs_are_named(self, change, words):
        good = {
            "arrival": np.array([0.0, 1.0]),
            "gpus": np.array([1, 8]),
            "duration": np.ones(2),
            "user": np.zeros(2, int),
        }
        with pytest.raises(ValueError, match=words):
            sharing.Trace(**(good | change))

    @pytest.mark.parametrize(("call", "words"), [
        (lambda: sharing.job_mix("Philly"), "states no"), (lambda: sharing.job_mix("Phily"), "did you mean"),
        (lambda: sharing.job_mix("Helios", 4), "too small"), (lambda: sharing.job_mix("Helios", 100), "power of two"),
        (lambda: sharing.synthetic_trace(0, 8), "jobs=0"), (lambda: sharing.synthetic_trace(10, 256, 0.0), "load=0"),
        (lambda: sharing.simulate(trace((0, 1, 1)), 12), "multiple of 8"),
        (lambda: sharing.simulate(trace((0, 16, 1)), 8), "wants 16"),
        (lambda: sharing.simulate(trace((0, 1, 1)), 8, "backfil"), "did you mean 'backfill'"),
        (lambda: sharing.simulate(trace((0, 1, 1)), 8, overestimate=0.5), "overestimate"),
    ])  # fmt: skip
    def test_bad_requests_are_named(self, call, words):
        with pytest.raises(ValueError, match=words):
            call()

    def test_every_row_of_the_facts_says_who_says_so(self):
        for name in ("cluster_traces", "partition_profiles", "gpu_utilization", "cold_starts"):
            rows = rows_of("data", name)
            assert rows
            for row in rows:
                assert row["source"], row
                assert row["source_address"], row
                assert row["confidence"] in CONFIDENCE


class TestAWholeCluster:
    JOBS = sharing.synthetic_trace(12_000, 512, 0.85, seed=2)

    @pytest.fixture(scope="class")
    @classmethod
    def runs(cls):
        return sharing.compare(cls.JOBS, 512)

    def test_backfill_cuts_the_mean_wait_many_times(self, runs):
        assert np.mean(runs[FCFS].wait) > 5 * np.mean(runs[BACKFILL].wait)
        assert runs[BACKFILL].utilization >= runs[FCFS].utilization
        assert runs[BACKFILL].stranded_share < runs[FCFS].stranded_share

    def test_large_jobs_wait_longest_under_backfill_and_preemption_helps_them_at_the_others_cost(self, runs):
        waits = {p: {k: v["mean wait"] for k, v in runs[p].by_size().items()} for p in (BACKFILL, PREEMPTION)}
        assert waits[BACKFILL]["above 64"] > 10 * waits[BACKFILL]["1 GPU"]
        assert waits[PREEMPTION]["above 64"] < waits[BACKFILL]["above 64"]
        assert waits[PREEMPTION]["1 GPU"] > waits[BACKFILL]["1 GPU"]
        assert runs[PREEMPTION].lost.sum() > 0

    def test_all_jobs_are_done_and_every_figure_is_finite(self, runs):
        for s in runs.values():
            assert s.complete
            assert s.done.all()
            assert 0 < s.utilization <= 1
            assert 0 < s.fairness <= 1
            assert 0 <= s.stranded_share <= 1
            assert all(np.isfinite(v) for row in s.by_size().values() for v in row.values())
            assert (s.slowdown >= 1).all()

    def test_stopping_keeps_what_was_simulated(self):
        said = []

        def stop(done, total):
            said.append(done / total)
            if len(said) == 5:
                raise KeyboardInterrupt

        found = sharing.compare(self.JOBS, 512, (FCFS, BACKFILL), progress=stop)
        assert list(found) == [FCFS]
        s = found[FCFS]
        assert not s.complete
        assert s.done.sum() == 2000
        assert said == sorted(said)
        assert "stopped after 2,000 of 12,000" in str(s)
        assert np.isfinite(s.utilization)
        done = s.done
        whole = sharing.simulate(self.JOBS, 512, FCFS)
        np.testing.assert_allclose(s.start[done], whole.start[done])

    def test_progress_counts_all_policies(self):
        said = []
        sharing.compare(
            trace((0, 1, 1), (1, 1, 1)), 8, (FCFS, BACKFILL), progress=lambda done, total: said.append((done, total))
        )
        assert said == [(2, 4), (4, 4)]

    def test_nothing_to_do_is_answered(self):
        nothing = sharing.Trace(np.zeros(0), np.zeros(0, int), np.zeros(0), np.zeros(0, int))
        s = sharing.simulate(nothing, 8)
        assert s.utilization == 0
        assert s.fairness == 1
        assert "no job" in str(s)


class TestKeptRuns:
    KEPT = sharing.kept_comparison()

    def test_the_published_wait_of_venus_lies_among_backfills_draws_and_far_below_the_simple_rule(self):
        waits, published = self.KEPT["venus"]["mean_waits"], sharing.trace_statistics("Helios: Venus")["mean_wait"]
        assert min(waits[BACKFILL]) < published < max(waits[BACKFILL])
        assert published / 3 < np.median(waits[BACKFILL]) < published * 3
        assert min(waits[FCFS]) > 50 * published

    def test_they_are_what_the_package_gives_today(self):
        about = self.KEPT["about"]
        jobs = sharing.synthetic_trace(about["jobs"], about["gpus"], about["load"], seed=about["seed"])
        found = sharing.summarise({BACKFILL: sharing.simulate(jobs, about["gpus"], BACKFILL)})[BACKFILL]
        kept = self.KEPT["policies"][BACKFILL]
        assert found["mean wait"] == pytest.approx(kept["mean wait"], rel=0.01)
        assert found["sizes"]["1 GPU"]["mean wait"] == pytest.approx(kept["sizes"]["1 GPU"]["mean wait"], rel=0.01)

    def test_the_kept_draw_is_the_middle_one(self):
        draws = self.KEPT["about"]["draws"]
        middle = draws["1 GPU, backfill"][draws["seeds"].index(self.KEPT["about"]["seed"])]
        assert middle == np.median(draws["1 GPU, backfill"])
        assert middle == pytest.approx(self.KEPT["policies"][BACKFILL]["sizes"]["1 GPU"]["mean wait"], rel=0.01)


class TestJain:
    def test_by_hand(self):
        assert sharing.jain_index([1, 2, 3]) == pytest.approx(36 / (3 * 14))

    @given(st.lists(st.floats(0.01, 100), min_size=1, max_size=20), st.floats(0.1, 10))
    def test_between_one_nth_and_one_whatever_the_unit(self, shares, factor):
        index = sharing.jain_index(shares)
        assert 1 / len(shares) - 1e-9 <= index <= 1 + 1e-9
        assert sharing.jain_index(np.array(shares) * factor) == pytest.approx(index)

    def test_rows_are_the_loop(self):
        rows = np.random.default_rng(0).uniform(0, 1, (5, 4))
        np.testing.assert_allclose(sharing.jain_index(rows), [sharing.jain_index(r) for r in rows])

    def test_nothing_shared_is_no_index(self):
        with pytest.raises(ValueError, match="all 0"):
            sharing.jain_index([0, 0])
