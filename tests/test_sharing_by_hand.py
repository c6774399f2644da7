"""Shared clusters and cards worked out by hand: which server, who waits how long, what a turn, a seal and a round cost."""

import math

import numpy as np
import pytest

from dcserver import catalog, sharing
from dcserver.sharing.servers import Servers

FCFS, BACKFILL, FAIR, PREEMPTION = sharing.POLICIES
C = dict(catalog.constants("sharing"))
QUICK = C | {"minimum_run": 30.0, "checkpoint_interval": 20.0, "restart_time": 5.0}


def trace(*jobs):
    """Jobs as (arrival, gpus, duration, user)."""
    arrival, gpus, duration, user = zip(*((*j, 0)[:4] for j in jobs), strict=True)
    return sharing.Trace(np.array(arrival, float), np.array(gpus), np.array(duration, float), np.array(user))


class TestWhichServer:
    # Of three servers the first has 2 accelerators free, the second 5, the third all 8.
    def servers(self, pack=True):
        found = Servers(3, pack)
        found.take(0, [(0, 6)], 50.0)
        found.take(1, [(1, 3)], 80.0)
        return found

    def test_the_fullest_with_room_when_packing(self):
        s = self.servers()
        assert [s.find(n) for n in (1, 3, 6, 8)] == [[(0, 1)], [(1, 3)], [(2, 6)], [(2, 8)]]
        assert s.total_free == 15

    def test_the_emptiest_when_not(self):
        s = self.servers(pack=False)
        assert s.find(1) == [(2, 1)]
        s.take(2, [(2, 8)], 10.0)
        assert s.find(1) == [(1, 1)]

    def test_away_from_the_shunned(self):
        s = self.servers()
        assert s.find(1, {0}) == [(1, 1)]
        assert s.find(8, {2}) is None
        assert s.find(16) is None

    def test_whole_servers_for_a_gang(self):
        s = Servers(4)
        assert s.find(16) == [(0, 8), (1, 8)]
        assert s.find(16, {1}) == [(0, 8), (2, 8)]
        assert s.find(16, {0, 1, 2}) is None
        assert s.find(40) is None

    def test_what_is_given_back_is_free_again(self):
        s = self.servers()
        s.give_back(0, [(0, 6)])
        assert s.free == [8, 5, 8]
        assert s.find(16) == [(0, 8), (2, 8)]
        assert s.held == [{}, {1: (80.0, 3)}, {}]

    def test_a_gang_starts_when_the_last_of_its_servers_is_free(self):
        s = self.servers()
        s.take(2, [(0, 1)], 60.0)
        assert s.earliest(8) == (0.0, {2})
        assert s.earliest(16) == (60.0, {2, 0})
        assert s.earliest(24) == (80.0, {0, 1, 2})

    def test_the_fewest_accelerators_are_cleared(self):
        s = Servers(3)
        for job, parts in enumerate([[(0, 1)], [(1, 4)], [(2, 8)], [(0, 1)]]):
            s.take(job, parts, 9.0)
        everyone = {0, 1, 2, 3}
        assert s.cheapest_to_clear(8, everyone) == {0, 3}  # two accelerators of one server
        assert s.cheapest_to_clear(16, everyone) == {0, 3, 1}
        assert s.cheapest_to_clear(16, {0, 1, 2}) == {1, 2}  # job 3 must stay, and so may job 0
        assert s.cheapest_to_clear(16, {1}) is None
        s.give_back(2, [(2, 8)])
        assert s.cheapest_to_clear(16, everyone) == {0, 3}  # one server is empty already


class TestFiguresOfASchedule:
    # Two servers: job 1 wants both and waits for job 0; the small ones wait behind it until 110 s.
    JOBS = trace((0, 8, 100, 0), (1, 16, 10, 1), (2, 1, 50, 0), (3, 1, 200, 1))
    RUN = sharing.simulate(JOBS, 16, FCFS)

    def test_waits_and_slowdowns(self):
        assert self.RUN.wait.tolist() == [0, 99, 108, 107]
        # Ten seconds of work count as a minute, and so do fifty.
        assert self.RUN.slowdown == pytest.approx([1, 109 / 60, 158 / 60, 307 / 200])

    def test_accelerator_seconds_until_the_last_arrival(self):
        assert self.RUN.observed == 3
        assert self.RUN.busy == 8 * 3
        assert self.RUN.idle_while_waiting == 8 * 2
        assert self.RUN.stranded == 0  # eight are not enough for sixteen
        assert self.RUN.utilization == 0.5

    def test_users_compare_their_mean_slowdowns(self):
        a, b = (1 + 158 / 60) / 2, (109 / 60 + 307 / 200) / 2
        assert self.RUN.fairness == pytest.approx((a + b) ** 2 / (2 * (a**2 + b**2)))

    def test_by_size(self):
        found = self.RUN.by_size()
        assert list(found) == ["1 GPU", "2 to 8", "16 to 64"]
        assert found["1 GPU"] == pytest.approx({
            "jobs": 2, "mean wait": 107.5, "95th percentile": 107.95, "median slowdown": (158 / 60 + 307 / 200) / 2})  # fmt: skip
        assert found["2 to 8"] == {"jobs": 1, "mean wait": 0, "95th percentile": 0, "median slowdown": 1}
        assert found["16 to 64"]["mean wait"] == 99

    def test_classes_of_size_end_where_their_names_say(self):
        sizes = (1, 2, 8, 16, 64, 72)
        found = sharing.simulate(trace(*((0, n, 1) for n in sizes)), 256, FCFS).by_size()
        assert [row["jobs"] for row in found.values()] == [1, 2, 2, 1]

    def test_a_summary_as_plain_numbers(self):
        found = sharing.summarise({"plain": self.RUN})["plain"]
        assert found["jobs"] == 4
        assert found["mean wait"] == pytest.approx((99 + 108 + 107) / 4)
        assert (found["utilization"], found["stranded"], found["lost"]) == (0.5, 0, 0)
        assert found["fairness"] == self.RUN.fairness
        assert found["sizes"] == self.RUN.by_size()

    def test_lost_seconds_count_for_each_accelerator(self):
        run = sharing.simulate(self.JOBS, 16, PREEMPTION, constants=QUICK | {"minimum_run": 0.0})
        # Job 0 loses its first second and 5 s of restarting on 8 GPUs, of 800 + 160 + 50 + 200 GPU seconds.
        assert sharing.summarise({"p": run})["p"]["lost"] == pytest.approx(6 * 8 / 1210)

    def test_nothing_started_is_left_out(self):
        nothing = sharing.Trace(np.zeros(0), np.zeros(0, int), np.zeros(0), np.zeros(0, int))
        assert sharing.summarise({"none": sharing.simulate(nothing, 8), "some": self.RUN}).keys() == {"some"}

    def test_half_of_each_server_free_is_a_server_stranded(self):
        # From 10 s on a job wants a whole server; 4 + 4 are free; the last arrival is at 20 s.
        run = sharing.simulate(trace((0, 4, 100), (0, 4, 100), (10, 8, 10), (20, 1, 1)), 16, FCFS, pack=False)
        assert run.start[2] == 100
        assert run.stranded == run.idle_while_waiting == 8 * 10
        assert run.stranded_share == pytest.approx(80 / (16 * 20))


class TestRulesOfPreemption:
    def starts(self, *jobs, gpus=16, **constants):
        return sharing.simulate(trace(*jobs), gpus, PREEMPTION, constants=QUICK | constants).start.tolist()

    def test_a_job_within_a_server_sends_nobody_away(self):
        assert self.starts((0, 1, 100), (0, 7, 100), (50, 4, 10), gpus=8) == [0, 0, 100]

    def test_nor_does_one_of_equal_size(self):
        assert self.starts((0, 8, 100), (50, 8, 10), gpus=8) == [0, 100]

    def test_a_whole_server_may_send_a_smaller_job_away(self):
        assert self.starts((0, 7, 100), (50, 8, 10), gpus=8) == [0, 50]

    def test_a_job_keeps_its_minimum_run(self):
        assert self.starts((0, 8, 100), (29, 16, 10)) == [0, 100]
        assert self.starts((0, 8, 100), (30, 16, 10)) == [0, 30]

    def test_other_policies_never_send_away(self):
        for policy in (FCFS, BACKFILL, FAIR):
            run = sharing.simulate(trace((0, 8, 100), (50, 16, 10)), 16, policy, constants=QUICK)
            assert run.start.tolist() == [0, 100]
            assert not run.evictions.any()


class TestRulesOfBackfill:
    JOBS = trace((0, 8, 100), (1, 16, 10), (2, 1, 200), (3, 1, 50))

    def test_only_so_many_of_the_line_are_looked_at(self):
        for depth, start in ((1, 110), (2, 3)):
            run = sharing.simulate(self.JOBS, 16, BACKFILL, constants=QUICK | {"backfill_depth": depth})
            assert run.start[3] == start

    def test_it_is_what_is_done_where_nothing_is_said(self):
        run = sharing.simulate(self.JOBS, 16)
        assert run.policy == BACKFILL
        assert run.start.tolist() == [0, 100, 110, 3]

    def test_a_long_job_may_run_beside_the_servers_that_are_kept(self):
        # Three servers: the gang of two will get the first two at 100 s; the third is free for long jobs.
        run = sharing.simulate(trace((0, 16, 100), (1, 24, 10), (2, 8, 99), (2, 8, 97)), 24, BACKFILL)
        assert run.start.tolist() == [0, 100, 110, 2]
        run = sharing.simulate(trace((0, 8, 100), (0, 8, 300), (1, 16, 10), (2, 4, 500)), 24, BACKFILL)
        assert run.promised[2] == 100
        assert run.start.tolist() == [0, 0, 100, 110]

    def test_options_reach_every_policy(self):
        jobs = trace((0, 4, 100), (0, 4, 100), (10, 8, 10))
        found = sharing.compare(jobs, 16, (FCFS, BACKFILL), pack=False)
        assert [s.start[2] for s in found.values()] == [100, 100]
        assert [s.start[2] for s in sharing.compare(jobs, 16).values()] == [10] * 4


class TestTraces:
    def test_statistics_of_three_jobs(self):
        found = trace((0, 1, 10), (1, 2, 30), (2, 16, 20)).statistics()
        assert found == pytest.approx({
            "jobs": 3, "mean_gpus": 19 / 3, "median_gpus": 2, "mean_duration": 20, "median_duration": 20,
            "mean_gpu_seconds": (10 + 60 + 320) / 3, "single_gpu_share": 1 / 3, "within_a_server_share": 2 / 3})  # fmt: skip

    def test_a_mix_without_spread(self):
        mix = sharing.Mix(np.array([4.0]), np.array([1.0]), 100.0, 0.5, 0.0, 1000.0)
        durations = mix.durations(np.array([1, 4, 100, 10_000]), np.random.default_rng(0))
        assert durations.tolist() == [100, 200, 1000, 1000]  # 10,000 GPUs would run 10,000 s
        jobs = sharing.synthetic_trace(50, 64, 0.5, mix=mix, daily_swing=0.0)
        assert set(jobs.gpus) == {4}
        assert set(jobs.duration) == {200}
        assert jobs.arrival[-1] == pytest.approx(50 * 4 * 200 / (64 * 0.5))

    def test_nothing_runs_less_than_a_second(self):
        mix = sharing.Mix(np.array([1.0]), np.array([1.0]), 0.01, 0.0, 0.0, 1000.0)
        assert mix.durations(np.array([1]), np.random.default_rng(0)).tolist() == [1]

    def test_the_second_user_sends_half_as_many_jobs(self):
        user = sharing.synthetic_trace(30_000, 128, users=3).user
        counts = np.bincount(user) / len(user)
        assert counts == pytest.approx(np.array([6, 3, 2]) / 11, abs=0.01)

    def test_the_largest_job_is_a_quarter_of_the_cluster(self):
        assert sharing.synthetic_trace(20_000, 256).gpus.max() == 64
        assert sharing.synthetic_trace(20_000, 192).gpus.max() == 32  # 48 is no power of two
        assert sharing.synthetic_trace(20_000, 256, gpus_of_largest=32).gpus.max() == 32

    def test_sizes_above_one_fall_by_the_same_factor_each(self):
        mix = sharing.job_mix("Helios", 64, 0.5)
        assert mix.sizes.tolist() == [1, 2, 4, 8, 16, 32, 64]
        assert mix.shares[0] == 0.5
        ratio = mix.shares[2:] / mix.shares[1:-1]
        assert ratio == pytest.approx(ratio[0])
        assert mix.longest == sharing.trace_statistics("Helios")["longest_duration"]

    def test_published_tables_are_told_by_name(self):
        assert {row["trace"] for row in sharing.published("cluster_traces")} >= {"Helios", "Helios: Venus"}
        with pytest.raises(ValueError, match="table="):
            sharing.published("prices")

    @pytest.mark.parametrize(("call", "words"), [
        (lambda: trace((-1, 1, 1)), "arrival=-1"), (lambda: trace((0, 0, 1)), "gpus=0"),
        (lambda: sharing.job_mix("Helios", single_share=0.99), "single_share=0.99"),
        (lambda: sharing.job_mix("Helios", 1), "largest=1"),
        (lambda: sharing.synthetic_trace(1.5, 64), "jobs=1.5"), (lambda: sharing.synthetic_trace(1, 0), "gpus=0"),
        (lambda: sharing.synthetic_trace(1, 64, users=0), "users=0"),
        (lambda: sharing.synthetic_trace(1, 64, daily_swing=1.5), "daily_swing=1.5"),
        (lambda: sharing.simulate(trace((0, 1, 1)), 0), "gpus=0"),
        (lambda: sharing.compare(trace((0, 1, 1)), 8, ["none"]), "policies="),
        (lambda: sharing.jain_index([1, -1]), "shares=-1"), (lambda: sharing.jain_index([]), "all 0"),
    ])  # fmt: skip
    def test_what_cannot_be_is_named(self, call, words):
        with pytest.raises(ValueError, match=words):
            call()

    def test_jains_index_along_either_axis(self):
        shares = np.array([[1.0, 1.0], [3.0, 1.0]])
        assert sharing.jain_index(shares) == pytest.approx([1, 16 / 20])
        assert sharing.jain_index(shares, axis=0) == pytest.approx([16 / 20, 1])


class TestSlices:
    def test_a_profile_has_its_eighths_of_the_memory(self):
        card = catalog.accelerator("H100 SXM")
        for profile in sharing.partition_profiles("H100 SXM").values():
            assert profile.memory_share == profile.memory_slices / 8
            assert profile.memory_bytes == pytest.approx(card.memory_bytes * profile.memory_slices / 8)
            assert profile.multiprocessor_share == pytest.approx(profile.multiprocessors / card.compute_units)

    def test_two_halves_leave_no_memory_and_strand_nobody(self):
        p = sharing.pack(["3g.40gb", "3g.40gb", "1g.10gb"])
        assert p.placed.tolist() == [True, True, False]
        assert not p.stranded.any()
        assert p.memory_use.tolist() == [0.5, 1, 1]
        assert p.accepted_share == pytest.approx(2 / 3)
        assert p.card.tolist() == [0, 0, -1]
        assert p.start[2] == -1
        assert p.moved == 0

    def test_seven_small_ones_leave_memory_but_no_compute(self):
        p = sharing.pack(["1g.10gb"] * 8)
        assert p.placed.tolist() == [True] * 7 + [False]
        assert p.stranded_share == 0
        assert p.memory_use[-1] == 7 / 8

    def test_a_refused_slice_with_room_in_all_is_a_stranded_one(self):
        p = sharing.pack(["1g.10gb", "4g.40gb"], rule="first fit")
        assert p.stranded_share == 0.5
        two = sharing.pack(["1g.10gb", "4g.40gb"], 2, rule="first fit")  # the second card has the room
        assert two.card.tolist() == [0, 1]
        assert two.memory_use.tolist() == [1 / 16, 5 / 16]

    def test_all_stay_for_ever_where_nothing_is_said(self):
        assert sharing.pack(["7g.80gb", "7g.80gb"]).placed.tolist() == [True, False]
        assert sharing.pack(["7g.80gb", "7g.80gb"], stays=1).placed.tolist() == [True, True]
        assert sharing.pack(["7g.80gb", "7g.80gb"], stays=1).memory_use.tolist() == [1, 1]


class TestTurnsByHand:
    # Turns of 2 ms and 0.5 ms of switching.
    TURNS = {"time_slice": 2e-3, "switch_time": 0.5e-3}

    def test_two_busy_users(self):
        # 4 ms: two turns, each after 2.5 ms of the other; 10 ms: five.
        s = sharing.in_turns([4e-3, 10e-3], 0.0, **self.TURNS)
        assert s.time == pytest.approx([4e-3 + 2 * (0.5e-3 + 2.5e-3), 10e-3 + 5 * (0.5e-3 + 2.5e-3)])
        assert s.alone == pytest.approx([4e-3, 10e-3])
        assert s.progress == pytest.approx([0.4, 0.4])
        assert s.throughput == pytest.approx(1 / 10e-3 + 1 / 25e-3)
        assert s.longest_wait == pytest.approx([2.5e-3, 2.5e-3])
        assert s.device_time == pytest.approx([10e-3, 25e-3])

    def test_who_needs_less_than_a_turn_gives_the_rest_away_unless_it_is_reserved(self):
        s = sharing.in_turns([1e-3, 10e-3], 0.0, **self.TURNS)
        assert s.time == pytest.approx([1e-3 + 0.5e-3 + 2.5e-3, 10e-3 + 5 * (0.5e-3 + 1.5e-3)])
        assert s.longest_wait == pytest.approx([2.5e-3, 1.5e-3])
        s = sharing.in_turns([1e-3, 10e-3], 0.0, reserved=True, **self.TURNS)
        assert s.time == pytest.approx([4e-3, 10e-3 + 5 * (0.5e-3 + 2.5e-3)])

    @pytest.mark.parametrize(("gap", "part"), [
        (2.5e-3, 1 / (math.e - 1)), (1.25e-3, 1 - 1 / 2 + 1 / (math.e**2 - 1)), (2.5e-3 / 9e-5, 0.5), (2.5, 0.5), (250.0, 0.5),
        (1e-9, 1.0), (0.0, 1.0),
    ])  # fmt: skip
    def test_the_first_turn_comes_somewhere_within_the_others_round(self, gap, part):
        # h(x) = 1 - 1 / x + 1 / (exp x - 1) of a round of 2.5 ms, x = round / gap.
        s = sharing.in_turns([1e-3, 10e-3], 0.0, [gap, 0.0], reserved=True, **self.TURNS)
        assert s.time[0] - gap == pytest.approx(1.5e-3 + part * 2.5e-3, rel=1e-4)

    def test_the_longer_of_arithmetic_and_traffic_is_the_request(self):
        s = sharing.in_turns([1e-3, 6e-3], [4e-3, 1e-3], **self.TURNS)
        assert s.alone == pytest.approx([4e-3, 6e-3])

    def test_turns_are_those_of_the_constants_where_none_are_given(self):
        said = sharing.in_turns([4e-3, 10e-3], 0.0, time_slice=C["time_slice"], switch_time=C["switch_time"])
        assert sharing.in_turns([4e-3, 10e-3], 0.0).time == pytest.approx(said.time)

    def test_a_slice_in_space(self):
        # Half-filling arithmetic on a quarter takes twice as long; traffic on half of the memory too, but is shorter.
        s = sharing.in_partitions(2e-3, 1e-3, 1e-3, compute_share=0.25, memory_share=0.5, compute_fill=0.5)
        assert s.time == pytest.approx([2 * 2e-3 + 1e-3])
        assert s.alone == pytest.approx([3e-3])
        assert s.device_time == pytest.approx([4e-3])
        assert s.longest_wait == 0
        s = sharing.in_partitions(1e-3, 2e-3, compute_share=0.5, memory_share=0.25, memory_fill=0.75)
        assert s.time == pytest.approx([3 * 2e-3])

    @pytest.mark.parametrize(("call", "words"), [
        (lambda: sharing.in_turns(0.0, 0.0, 1.0), "both 0"), (lambda: sharing.in_turns(1.0, -1.0), "memory_time=-1"),
        (lambda: sharing.in_turns(1.0, 0.0, -1.0), "gap=-1"), (lambda: sharing.in_turns(1, 0, switch_time=-1), "switch_time=-1"),
        (lambda: sharing.in_partitions(1, 0, compute_share=1, memory_share=2), "memory_share=2"),
        (lambda: sharing.in_partitions(1, 0, compute_share=1, memory_share=1, compute_fill=2), "compute_fill=2"),
        (lambda: sharing.in_partitions(1, 0, compute_share=1, memory_share=1, memory_fill=0), "memory_fill=0"),
    ])  # fmt: skip
    def test_what_cannot_be_is_named(self, call, words):
        with pytest.raises(ValueError, match=words):
            call()


class TestScalingByHand:
    def test_each_part_has_its_constant(self):
        s = sharing.scale_out(16e9, 5e9, weights_from=8e9)
        assert s.provision == C["provision_time"]
        assert s.pull == pytest.approx(5e9 / C["registry_rate"])
        assert s.extract == pytest.approx(5e9 / C["extract_rate"])
        assert s.read_weights == pytest.approx(2)
        assert s.copy_to_card == pytest.approx(16e9 / C["host_copy_rate"])
        assert s.start == C["engine_start"]

    def test_just_enough_replicas_end_the_growth_but_never_the_queue(self):
        # 100 a second against 5 x 10, then exactly 10 x 10.
        s = sharing.surge(100, 10, 5, 120, 5)
        assert (s.backlog, s.longest_wait, s.drain_time) == (50 * 120, 60, math.inf)
        few = sharing.surge(100, 10, 5, 120, 4)
        assert (few.longest_wait, few.drain_time) == (math.inf, math.inf)

    def test_half_a_request_a_second_too_many_is_a_queue_too(self):
        s = sharing.surge(10.5, 10, 1, 100, 1)
        assert (s.backlog, s.longest_wait, s.drain_time) == pytest.approx((50, 100 * 0.5 / 10.5, 50 / 9.5))

    def test_enough_from_the_start_waits_for_nothing(self):
        s = sharing.surge(np.array([0.0, 50.0]), 10, 5, 120, 0)
        assert (s.backlog.tolist(), s.longest_wait.tolist(), s.drain_time.tolist()) == ([0, 0], [0, 0], [0, 0])

    def test_a_step_of_load_and_one_step_of_delay(self):
        a = sharing.autoscale([10, 30, 30, 10], 10.0, 10, 1.0, step=10.0, hold=0)
        assert a.replicas.tolist() == [1, 1, 3, 3]
        assert a.queue == pytest.approx([0, 200, 200, 0])
        # 400 had come after the second step; served were 200 then and 500 a step later: two thirds of a step.
        assert a.wait == pytest.approx([0, 20 / 3, 20 / 3, 0], abs=1e-5)
        assert a.longest_wait == pytest.approx(20 / 3)
        assert a.replica_seconds == 80

    def test_what_waits_at_the_end_is_served_at_the_last_rate(self):
        a = sharing.autoscale([10, 30, 30], 10.0, 1000, 1.0, step=10.0, hold=0)
        # 700 came, 300 are served: 400 more at 10 a second; of the first 400, 100 are left.
        assert a.wait == pytest.approx([0, 20, 40], abs=1e-5)
        twice = sharing.autoscale([20, 60, 60], 10.0, 1000, 1.0, step=5.0, hold=0)
        assert twice.wait == pytest.approx([0, 10, 20], abs=1e-5)

    def test_what_comes_at_once_is_served_in_two_steps(self):
        # 200 in the first step, of which a single replica serves 100 in each.
        a = sharing.autoscale([20, 0, 0], 10.0, 0, 1.0, step=10.0, hold=0, most=1)
        assert a.queue == pytest.approx([100, 0, 0])
        assert a.wait == pytest.approx([10, 0, 0], abs=1e-5)

    def test_the_target_the_spare_and_the_most(self):
        def replicas(**changes):
            return sharing.autoscale([10.0, 10.0], 10.0, 0, **changes).replicas.tolist()

        assert replicas(target=1.0) == [1, 1]
        assert replicas(target=0.5) == [2, 2]
        assert replicas(target=0.5, spare=1) == [3, 3]
        assert replicas(target=0.1, most=4) == [4, 4]
        assert replicas() == replicas(target=0.7) == [2, 2]
        assert sharing.autoscale([0.0], 10.0, 0).replicas.tolist() == [1]

    def test_a_replica_stays_for_the_hold_and_no_longer(self):
        load = [30, 10, 10, 10, 10]
        for hold, expected in ((0, [3, 1, 1, 1, 1]), (20, [3, 3, 3, 1, 1]), (1000, [3] * 5)):
            assert sharing.autoscale(load, 10.0, 0, 1.0, hold=hold).replicas.tolist() == expected

    def test_a_delay_is_rounded_to_steps(self):
        for delay, expected in ((4, [1, 3, 3]), (6, [1, 1, 3]), (14, [1, 1, 3]), (16, [1, 1, 1])):
            assert sharing.autoscale([10, 30, 30], 10.0, delay, 1.0).replicas.tolist() == expected

    @pytest.mark.parametrize(("call", "words"), [
        (lambda: sharing.scale_out(1, -1, weights_from=1), "image_bytes=-1"),
        *((lambda n=n: sharing.scale_out(1, 1, weights_from=1, **{n: 0}), f"{n}=0")
          for n in ("registry_rate", "extract_rate", "host_copy_rate")),
        *((lambda n=n: sharing.scale_out(1, 1, weights_from=1, **{n: -1}), f"{n}=-1")
          for n in ("provision_time", "engine_start")),
        (lambda: sharing.surge(-1, 1, 1, 1, 1), "arrival_rate=-1"), (lambda: sharing.surge(1, 1, 0, 1, 1), "replicas=0"),
        (lambda: sharing.surge(1, 1, 1, -1, 1), "delay=-1"), (lambda: sharing.surge(1, 1, 1, 1, -1), "added=-1"),
        (lambda: sharing.autoscale([-1.0], 1.0, 0), "arrival_rate=-1"), (lambda: sharing.autoscale([1.0], 0.0, 0), "replica_rate=0"),
        (lambda: sharing.autoscale([1.0], 1.0, -1), "delay=-1"), (lambda: sharing.autoscale([1.0], 1.0, 0, step=0), "step=0"),
        (lambda: sharing.autoscale([1.0], 1.0, 0, spare=-1), "spare=-1"), (lambda: sharing.autoscale([1.0], 1.0, 0, hold=-1), "hold=-1"),
        (lambda: sharing.autoscale([1.0], 1.0, 0, most=0), "most=0"), (lambda: sharing.autoscale([1.0], 1.0, 0, 0.04), "target=0.04"),
        (lambda: sharing.migration_bandwidth(1, -1), "state_bytes=-1"),
    ])  # fmt: skip
    def test_what_cannot_be_is_named(self, call, words):
        with pytest.raises(ValueError, match=words):
            call()


class TestSecrecyByHand:
    def test_a_sealed_message(self):
        # A megabyte and a thousand bytes of tag at 1 GB/s; a core at 0.5 GB/s; 1 ms of link and 2 ms of call.
        given = {"link_latency": 1e-3, "call_time": 2e-3, "tag_bytes": 1000}
        s = sharing.sealed_transfer(1e6, 1e9, 0.5e9, **given)
        assert s.time == pytest.approx(1e-3 + 2e-3 + 2e-3)
        assert s.bare_time == pytest.approx(1e-3 + 1e-3)
        assert s.rate == pytest.approx(1e6 / 5e-3)
        assert s.tax == pytest.approx(0.6)
        assert s.cipher_bound is True
        s = sharing.sealed_transfer(1e6, 1e9, 0.5e9, 4, **given)
        assert s.time == pytest.approx(3e-3 + 1.001e-3)
        assert s.cipher_bound is False
        s = sharing.sealed_transfer(1e6, 1e9, 0.5e9, overlapped=False, **given)
        assert s.time == pytest.approx(3e-3 + 1.001e-3 + 2e-3)

    def test_the_tag_is_that_of_the_constants_where_none_is_given(self):
        assert sharing.sealed_transfer(1.0, 1.0, 1e9).time == pytest.approx(1 + C["tag_bytes"])

    def test_cores_are_not_rounded_up_for_a_rounding_error(self):
        assert sharing.cores_to_keep_up(0.3, 0.1) == 3
        assert sharing.cores_to_keep_up(0.31, 0.1) == 4

    def test_the_tax_of_a_confidential_card(self):
        # A second of work and a gigabyte: 1 + 1 s bare; 1 + 2 s sealed and ten calls of a tenth.
        assert sharing.confidential_tax(1, 1e9, 1e9, 0.5e9, calls=10, call_time=0.1) == pytest.approx(1 - 2 / 4)
        assert sharing.confidential_tax(1, 1e9, 1e9, 0.5e9) == pytest.approx(1 - 2 / 3)
        said = sharing.confidential_tax(1, 1e9, C["host_copy_rate"], C["confidential_copy_rate"])
        assert sharing.confidential_tax(1, 1e9) == pytest.approx(said)

    def test_ten_rounds_of_five_sites_of_twenty(self):
        # 100 B down and a quarter of that up: 125 B a site and round.
        f = sharing.federated(100, 10, 20, 1000, 10, clients_per_round=5, compression=4, local_time=3)
        assert f.bytes_moved == 10 * 5 * 125
        assert f.data_bytes == 20 * 1000
        assert f.round_time == pytest.approx(125 / 10 + 3)
        assert f.time == pytest.approx(10 * 15.5)
        assert f.upload_time == 100
        assert sharing.break_even_rounds(100, 20, 1000, clients_per_round=5, compression=4) == pytest.approx(
            20_000 / 625
        )
        assert sharing.break_even_rounds(100, 20, 1000) == 5

    @pytest.mark.parametrize(("call", "words"), [
        *((lambda n=n: sharing.sealed_transfer(**({"message_bytes": 1, "link_bandwidth": 1, "cipher_rate": 1} | {n: 0})), f"{n}=0")
          for n in ("message_bytes", "link_bandwidth", "cipher_rate", "cores")),
        *((lambda n=n: sharing.sealed_transfer(1, 1, 1, **{n: -1}), f"{n}=-1") for n in ("link_latency", "call_time", "tag_bytes")),
        (lambda: sharing.cores_to_keep_up(0, 1), "link_bandwidth=0"),
        (lambda: sharing.confidential_tax(1, 1, 0), "bare_rate=0"), (lambda: sharing.confidential_tax(1, 1, 1, 0), "sealed_rate=0"),
        (lambda: sharing.confidential_tax(1, -1), "host_bytes=-1"), (lambda: sharing.confidential_tax(1, 1, calls=-1), "calls=-1"),
        (lambda: sharing.confidential_tax(1, 1, call_time=-1), "call_time=-1"),
        (lambda: sharing.federated(0, 1, 1, 1, 1), "model_bytes=0"), (lambda: sharing.federated(1, 1, 1.5, 1, 1), "clients=1.5"),
        (lambda: sharing.federated(1, 1, 1, 0, 1), "data_bytes_per_client=0"), (lambda: sharing.federated(1, 1, 1, 1, 0), "client_bandwidth=0"),
        (lambda: sharing.federated(1, 1, 1, 1, 1, clients_per_round=0), "clients_per_round=0"),
        (lambda: sharing.federated(1, 1, 1, 1, 1, local_time=-1), "local_time=-1"),
    ])  # fmt: skip
    def test_what_cannot_be_is_named(self, call, words):
        with pytest.raises(ValueError, match=words):
            call()
