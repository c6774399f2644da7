"""Storage worked out by hand: a file system in round numbers, a cache of two places, a chain of ten batches."""

import dataclasses
import math

import numpy as np
import pytest
from refusals import assert_refused_by_name_and_value, each_of

from dcserver import catalog, memory, storage

NVME = catalog.tier("NVMe SSD, PCIe 4.0 x4")
# 4 servers of 5 drives of 1 TB: 2 GB/s read, 1 GB/s written, 0.1 ms; two pieces of data and one of parity.
SYSTEM = dataclasses.replace(
    catalog.file_system("reference, flash"), servers=4, drives_per_server=5, drive_bytes=1e12, drive_read_bandwidth=2e9,
    drive_write_bandwidth=1e9, drive_latency=1e-4, drive_queue=8, server_bandwidth=10e9, data_chunks=2, parity_chunks=1,
    servers_forward=0, opens_per_second=1000.0)  # fmt: skip
# A round trip of 1 ms, stripes of a megabyte.
C = {"file_system_latency": 1e-3, "stripe_bytes": 1e6}


def ceilings(system=SYSTEM, clients=1, **changes):
    given = {"files_at_once": 1, "client_bandwidth": 1e9, "constants": C}
    return storage.file_system(system, clients, 2e6, **(given | changes)).ceilings


def touched(parts, pieces):
    """How many of so many parts are hit by pieces that fall at random."""
    return parts * (1 - (1 - 1 / parts) ** pieces)


class TestAFileSystem:
    def test_what_it_holds(self):
        assert storage.overhead(SYSTEM) == 1.5
        assert storage.usable_bytes(SYSTEM) == pytest.approx(20e12 / 1.5)

    def test_one_file_at_a_time(self):
        found = ceilings()
        # 2 ms to open and to wait, 2 ms on the wire for 2 MB.
        assert found["clients"] == pytest.approx(2e6 / 4e-3)
        assert found["servers"] == pytest.approx(10e9)
        # Two pieces of 1 MB, each 0.1 + 0.5 ms, one behind the other where they fall on one drive.
        assert found["drives"] == pytest.approx(2 * 1e6 / 0.6e-3)
        assert found["metadata"] == pytest.approx(1000 * 2e6)

    def test_eight_files_at_a_time_fill_the_clients_wire(self):
        found = ceilings(files_at_once=8)
        assert found["clients"] == pytest.approx(1e9)
        assert found["servers"] == pytest.approx(touched(4, 8) * 10e9)
        assert found["drives"] == pytest.approx(touched(20, 16) * 2e9)  # each has 1.4 pieces to work on

    def test_a_file_in_two_stripes(self):
        found = ceilings(stripes=2)
        assert found["servers"] == pytest.approx(touched(4, 2) * 10e9)
        # Four pieces of half a megabyte: 0.1 + 0.25 ms each.
        assert found["drives"] == pytest.approx(4 * 0.5e6 / 0.35e-3)
        assert ceilings(stripes=64) == found  # 2 MB are two stripes at most

    def test_a_write_makes_parity(self):
        found = ceilings(direction="write")
        # Three pieces of 1 MB at 0.1 + 1 ms, of which two are data; a drive never gives more than its 1 GB/s.
        assert found["drives"] == pytest.approx(3 * 1e6 / 1.1e-3 / 1.5)
        assert found["servers"] == pytest.approx(10e9)

    def test_a_drive_works_on_so_many_requests_at_once(self):
        slow = dataclasses.replace(SYSTEM, drive_latency=1e-2)
        found = ceilings(slow, files_at_once=10_000)
        assert found["drives"] == pytest.approx(20 * 8 * 1e6 / 10.5e-3)

    def test_pieces_are_never_read_in_more_than_a_stripe(self):
        found = storage.file_system(SYSTEM, 1, 20e6, files_at_once=1, client_bandwidth=1e9, constants=C)
        queued = 2 / touched(20, 2)
        assert found.ceilings["drives"] == pytest.approx(touched(20, 2) * queued * 1e6 / 0.6e-3)
        assert found.ceilings["clients"] == pytest.approx(20e6 / 22e-3)

    def test_servers_that_pass_pieces_on(self):
        ceph = dataclasses.replace(SYSTEM, servers_forward=1)
        # A read sends all, and half of it once more between servers; a write a half and the parity's half.
        assert storage.network_factor(ceph) == 1.5
        assert storage.network_factor(ceph, "write") == 2
        assert ceilings(ceph)["servers"] == pytest.approx(touched(4, 2) * 10e9 / 1.5)
        assert ceilings(ceph, direction="write")["servers"] == pytest.approx(touched(4, 3) * 10e9 / 2)
        assert ceilings(ceph)["drives"] == ceilings()["drives"]

    def test_three_other_clients_take_three_quarters(self):
        alone, among = ceilings(clients=4), ceilings(other_clients=3)
        for part in ("servers", "drives", "metadata"):
            assert among[part] == pytest.approx(alone[part] / 4)
        assert among["clients"] == ceilings()["clients"]

    def test_without_names_nothing_waits_for_the_book(self):
        assert ceilings(dataclasses.replace(SYSTEM, opens_per_second=float("nan")))["metadata"] == math.inf

    def test_the_least_ceiling_is_the_rate(self):
        found = storage.file_system(SYSTEM, 1, 2e6, files_at_once=1, client_bandwidth=1e9, constants=C)
        assert (found.rate, found.limit) == (pytest.approx(0.5e9), "clients")
        assert found.files_per_second == pytest.approx(250)

    def test_what_holds_where_nothing_is_said(self):
        said = storage.file_system(SYSTEM, 3, 2e6, "read", stripes=1, files_at_once=16, client_bandwidth=25e9, other_clients=0,
                                   constants=catalog.constants("storage"))  # fmt: skip
        assert storage.file_system(SYSTEM, 3, 2e6).ceilings == said.ceilings


class TestCaches:
    def test_two_places_for_three_samples(self):
        order = [[0, 1, 2], [2, 1, 0]]
        assert storage.cached_share(order, 2) == pytest.approx(2 / 3)  # 1 and 2 are still there
        assert storage.cached_share([[0, 1, 2], [0, 1, 2]], 2) == 0  # each was thrown out just before
        assert storage.cached_share([[0, 1, 2], [0, 1, 2]], 2, keeps=True) == pytest.approx(2 / 3)
        assert storage.cached_share(order, 3) == 1

    def test_what_was_used_last_is_kept(self):
        # 2 throws out 1, not 0, which was read again; then 1 throws out 0.
        assert storage.cached_share([[0, 1, 0, 2], [0, 2, 1, 0]], 2) == pytest.approx(2 / 4)

    def test_only_the_last_epoch_counts(self):
        assert storage.cached_share([[0, 0, 0], [1, 2, 3]], 5) == 0

    def test_orders_are_what_they_are_called(self):
        shuffled = storage.reading_order(50, 3)
        assert shuffled.shape == (3, 50)
        assert (np.sort(shuffled) == np.arange(50)).all()
        assert (shuffled[0] != shuffled[1]).any()
        assert (storage.reading_order(50, 3, "shuffled", 0) == shuffled).all()
        assert (storage.reading_order(50, 3, seed=1) != shuffled).any()
        assert storage.reading_order(3, 2, "sequential").tolist() == [[0, 1, 2], [0, 1, 2]]
        drawn = storage.reading_order(50, 40, "random")
        assert drawn.shape == (40, 50)
        # (1 - 1 / 50)^50 of the samples never come.
        assert np.mean([len(set(row)) for row in drawn]) == pytest.approx(50 * (1 - 0.98**50), abs=1.5)
        assert (drawn.min(), drawn.max()) == (0, 49)

    def test_a_cache_larger_than_the_set_has_all(self):
        for order in storage.ORDERS:
            assert storage.hit_share(3.0, 1.0, order) == 1


class TestAChainOfTenBatches:
    # A second to load and a second to train, but the fifth trains for five and the ninth loads for three.
    LOAD, TRAIN = np.ones(10), np.ones(10)
    LOAD[8], TRAIN[4] = 3, 5
    SPAN = 15 - 2  # from the end of the first to the end of the last, in which the trainer works 13 s

    def test_behind_two_places_the_trainer_never_waits(self):
        chain = storage.simulate([self.LOAD, self.TRAIN], 2)
        assert chain.rate == pytest.approx(9 / self.SPAN)
        assert chain.idle == pytest.approx(0)
        assert chain.busy == pytest.approx([11 / self.SPAN, 1])
        assert (chain.items, chain.complete) == (10, True)

    def test_behind_one_place_the_loader_has_to_wait_first_and_the_trainer_later(self):
        chain = storage.simulate([self.LOAD, self.TRAIN], 1)
        assert chain.rate == pytest.approx(9 / (self.SPAN + 1))
        assert chain.idle == pytest.approx(1 / 14)

    @pytest.mark.parametrize("places", [1, 2])
    def test_a_stage_that_takes_no_time_changes_nothing(self, places):
        two = storage.simulate([self.LOAD, self.TRAIN], places)
        before = storage.simulate([np.zeros(10), self.LOAD, self.TRAIN], [1, places])
        behind = storage.simulate([self.LOAD, self.TRAIN, np.zeros(10)], [places, 1])
        assert before.rate == behind.rate == two.rate
        assert before.idle == two.idle
        assert behind.idle == 1

    def test_the_same_places_serve_every_design(self):
        slow = np.array([1.0, 2.0, 4.0, 8.0])
        times = np.stack([np.outer(self.LOAD, slow), np.outer(self.TRAIN, slow), np.zeros((10, 4))])
        chain = storage.simulate(times, [1, 2])
        assert chain.rate == pytest.approx(9 / (self.SPAN + 1) / slow)
        assert chain.busy.shape == (3, 4)

    def test_progress_is_told_to_the_end(self):
        told = []
        storage.simulate(np.ones((2, 200)), 1, progress=lambda done, total: told.append((done, total)))
        assert told[-1] == (200, 200)
        assert len(told) == 100

    def test_stopped_before_ten_items_nothing_can_be_said(self):
        def stop(done, total):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            storage.simulate(np.ones((2, 50)), 1, progress=stop)

    def test_random_times_repeat_with_their_seed(self):
        a, b, c = (storage.random_times(1.0, 1.0, 20, seed=s) for s in (0, 0, 1))
        assert (a == b).all()
        assert (a != c).any()
        assert (storage.random_times(1.0, 1.0, 20) == a).all()
        assert (storage.random_times(3.0, 0.0, 20) == 3).all()
        assert storage.random_times([1.0, 2.0], [[1.0], [2.0], [0.0]], 7).shape == (7, 3, 2)


class TestAPipeline:
    def test_a_core_decodes_then_cuts(self):
        c = {"jpeg_decode_rate": 1e8, "augment_time": 1e-8}
        # 100 kB at 100 MB/s: 1 ms; 50,000 pixels at 10 ns: half a millisecond.
        assert storage.core_time(1e5, 5e4, constants=c) == pytest.approx(1.5e-3)
        assert storage.core_time(1e5, 5e4, decodes=False, constants=c) == pytest.approx(0.5e-3)
        assert storage.core_time(1e5, constants=c) == pytest.approx(1e-3 + 224 * 224 * 1e-8)

    def test_whole_cores_are_not_rounded_up_for_a_rounding_error(self):
        assert storage.cores_needed(1000, 3e-3) == 3
        assert storage.cores_needed(30, 0.1) == 3
        assert storage.cores_needed(31, 0.1) == 4
        assert storage.cores_needed(0, 0.1) == 0

    def test_memory_has_its_own_pace(self):
        given = {"read_rate": 100, "cores": 1, "core_time": 0, "decoded_bytes": 1, "copy_bandwidth": 1e9}
        p = storage.input_pipeline(1000, hit_share=1.0, memory_rate=500, **given)
        assert (p.rate, p.limit) == (500, "read")
        assert storage.input_pipeline(1000, **given).rate == 100
        assert storage.input_pipeline(1000, hit_share=0.75, **given).rate == pytest.approx(400)

    def test_of_equal_rates_the_first_is_named(self):
        p = storage.input_pipeline(10, read_rate=10, cores=10, core_time=1, decoded_bytes=1, copy_bandwidth=10)
        assert p.limit == "read"
        assert p.idle == 0

    def test_idle_by_hand(self):
        # Twice as fast a loader, n = 1 + 3 states: (1 - 2) / (1 - 2^4).
        assert storage.idle_share(2.0, 1.0, 1, load_variation=1, consume_variation=1) == pytest.approx(1 / 15)
        assert storage.idle_share(4.0, 2.0, 1, load_variation=1, consume_variation=1) == pytest.approx(1 / 15)
        # Random loading alone: n = 2.5 + 3.
        assert storage.idle_share(2.0, 1.0, 1) == pytest.approx(1 / (2**5.5 - 1))
        assert storage.idle_share(1.0, 1.0, 1) == pytest.approx(1 / 5.5)
        # Half the variation, more states: n = 2.5 + 5 / 0.5.
        assert storage.idle_share(0.5, 1.0, 2, load_variation=0.2, consume_variation=0.3) == pytest.approx(
            0.5 / (1 - 0.5**12.5)
        )

    def test_the_deepest_buffers_are_no_special_case(self):
        assert storage.idle_share([0.5, 2.0], 1.0, 10**6) == pytest.approx([0.5, 0.0])


class TestDrivesByHand:
    # 0.1 ms, 1 GB/s, pages of 4,096 bytes.
    DRIVE = dataclasses.replace(NVME, latency=1e-4, read_bandwidth=1e9, access_bytes=4096.0)

    def test_files(self):
        # 100 kB: 0.1 ms on the wire, and 0.1 ms for the name and for the data.
        assert storage.file_rate(self.DRIVE, 1e5) == pytest.approx(1 / 3e-4)
        assert storage.file_rate(self.DRIVE, 1e5, 2, lookups=0) == pytest.approx(2 / 2e-4)
        assert storage.file_rate(self.DRIVE, 1e5, 100) == pytest.approx(1e4)
        assert storage.file_rate(self.DRIVE, 1e5, 100, drives=2) == pytest.approx(2e4)
        assert storage.file_rate(self.DRIVE, 1e5, lookups=2.5) == pytest.approx(1 / 4.5e-4)

    def test_a_tiny_file_costs_a_page(self):
        assert (
            storage.file_rate(self.DRIVE, 1)
            == storage.file_rate(self.DRIVE, 4096)
            == pytest.approx(1 / (2e-4 + 4.096e-6))
        )

    def test_shards(self):
        # 900 kB a request: 1 ms; nine samples of 100 kB.
        given = {"request_bytes": 900e3}
        assert storage.shard_rate(self.DRIVE, 1e5, **given) == pytest.approx(9e3)
        assert storage.shard_rate(self.DRIVE, 1e5, drives=8, **given) == pytest.approx(9e3)  # one request, one drive
        assert storage.shard_rate(self.DRIVE, 1e5, 2, drives=2, **given) == pytest.approx(18e3)
        assert storage.shard_rate(self.DRIVE, 1e5, 4, drives=2, **given) == pytest.approx(20e3)  # both at their best
        assert storage.shard_rate(self.DRIVE, 1e5) == storage.shard_rate(
            self.DRIVE, 1e5, 1, drives=1, request_bytes=2**20
        )

    def test_a_volume_of_points(self):
        assert storage.volume_bytes(10, 20) == 400
        assert storage.volume_bytes(10, 20, 3) == 1200
        assert storage.volume_bytes([1, 2], 3, 4, 5).tolist() == [60, 120]


class TestCheckpointsByHand:
    def test_the_longer_of_copy_and_write_stalls(self):
        c = storage.checkpoint_cost(1000, 100, 50, hosts=2, host_network=40, host_copy=10)
        assert (c.copy_time, c.write_time, c.stall) == (50, 20, 50)
        assert c.lost == pytest.approx(50 / 150)
        assert (c.interval, c.host_bytes) == (100, 500)
        c = storage.checkpoint_cost(1000, 100, 50, hosts=2, host_network=5, host_copy=1000)
        assert (c.copy_time, c.write_time, c.stall) == (0.5, 100, 100)

    def test_in_the_background_what_is_not_done_after_the_interval(self):
        c = storage.checkpoint_cost(1000, 8, 100, hosts=2, host_copy=1000, background=True)
        assert c.stall == pytest.approx(0.5 + 2)

    def test_one_host_of_400_gigabits_and_400_gigabytes_where_nothing_is_said(self):
        c = storage.checkpoint_cost(1e12, 600, 1e15)
        assert (c.copy_time, c.write_time, c.stall) == (2.5, 20, 20)

    def test_a_format_and_an_optimizer_have_their_bytes(self):
        for dtype, optimizer in (("bf16", "adam"), ("fp32", "adam"), ("bf16", "sgd")):
            each = memory.state_bytes(dtype, optimizer)
            assert storage.checkpoint_bytes(10, dtype, optimizer) == pytest.approx(10 * (each.weights + each.optimizer))
        assert storage.checkpoint_bytes(10) == 140

    def test_the_way_back(self):
        # 100 B of weights for each of four, 50 B of states, 10 B/s; or 100 B passed on at 5 B/s.
        assert storage.restart_time(100, 50, 4, 10) == 45
        assert storage.restart_time(100, 50, 4, 10, passed_on=True) == 15
        assert storage.restart_time(100, 50, 4, 10, passed_on=True, replica_network=5) == 20
        assert storage.restart_time(100, 50, 1, 10, passed_on=True, replica_network=5) == 15
        assert storage.restart_time(800e9, 0, 2, 1e15, passed_on=True) == pytest.approx(2)  # 400 GB/s into a replica


CHECKPOINT = {"n_bytes": 1, "interval": 1, "bandwidth": 1}
RESTART = {"shared_bytes": 1, "own_bytes": 1, "replicas": 1, "bandwidth": 1}
FILES = {"tier": NVME, "file_bytes": 1e5}
SHARDS = {"tier": NVME, "sample_bytes": 1e5}
CHAIN = {"consumed": 1, "read_rate": 1, "cores": 1, "core_time": 1, "decoded_bytes": 1, "copy_bandwidth": 1}
BAD = [
    (storage.checkpoint_cost, CHECKPOINT, dict.fromkeys((*CHECKPOINT, "hosts", "host_network", "host_copy"), (0,))),
    (storage.restart_time, RESTART, dict.fromkeys(("shared_bytes", "replicas", "bandwidth", "replica_network"), (0,))),
    (storage.token_bytes, {"vocabulary": 9}, {"vocabulary": (0, 1.5)}),
    (storage.volume_bytes, {"x": 1, "y": 1}, {"x": (1.5,), "y": (0,), "z": (0,), "bytes_per_point": (0,)}),
    (storage.file_rate, FILES, {"file_bytes": (0,), "in_flight": (0, 1.5), "drives": (0, 1.5), "lookups": (-1,)}),
    (storage.shard_rate, SHARDS, {"sample_bytes": (0,), "request_bytes": (0,), "in_flight": (0,), "drives": (0, 1.5)}),
    (storage.hit_share, {"cache_bytes": 1, "dataset_bytes": 1}, {"cache_bytes": (0,), "dataset_bytes": (0,)}),
    (storage.reading_order, {"samples": 2, "epochs": 2}, {"samples": (0,), "epochs": (0,)}),
    (storage.cached_share, {"order": [[0]], "cache_samples": 1}, {"cache_samples": (0, 1.5)}),
    (storage.core_time, {"stored_bytes": 1}, {"stored_bytes": (0,), "pixels": (0,)}),
    (storage.cores_needed, {"samples_per_second": 1, "core_time": 1}, {"samples_per_second": (-1,), "core_time": (0,)}),
    (storage.input_pipeline, CHAIN, {"core_time": (-1,), "hit_share": (-0.1, 1.1), **dict.fromkeys(
        ("consumed", "read_rate", "cores", "decoded_bytes", "copy_bandwidth", "memory_rate"), (0,))}),
    (storage.idle_share, {"load_rate": 1, "consume_rate": 1, "depth": 1},
     {"load_rate": (0,), "consume_rate": (0,), "depth": (0, 1.5), "load_variation": (-1,), "consume_variation": (-1,)}),
    (storage.random_times, {"mean": 1, "variation": 1, "items": 1}, {"mean": (0,), "variation": (-1,), "items": (0, 1.5)}),
    (storage.file_system, {"system": SYSTEM, "clients": 1, "file_bytes": 1},
     {"clients": (0,), "file_bytes": (0,), "client_bandwidth": (0,), "stripes": (0, 1.5), "files_at_once": (0, 1.5),
      "other_clients": (-1,)}),
]  # fmt: skip


@each_of(BAD)
def test_what_cannot_be_is_named_with_its_value(f, good, name, value):
    assert_refused_by_name_and_value(f, good, name, value)


@pytest.mark.parametrize(
    "field", ["servers", "drives_per_server", "server_bandwidth", "drive_latency", "drive_read_bandwidth"]
)
def test_a_system_that_is_not_known_enough_names_what_is_missing(field):
    with pytest.raises(ValueError, match=f"{field} is not known"):
        storage.file_system(dataclasses.replace(SYSTEM, **{field: float("nan")}), 1, 1e6)


def test_a_reader_needs_no_rate_of_writing():
    only_read = dataclasses.replace(SYSTEM, drive_write_bandwidth=float("nan"))
    assert storage.file_system(only_read, 1, 1e6).rate > 0
    with pytest.raises(ValueError, match="drive_write_bandwidth is not known"):
        storage.file_system(only_read, 1, 1e6, "write")


@pytest.mark.parametrize("call", [
    lambda: storage.reading_order(2, 2, "sorted"), lambda: storage.hit_share(1, 2, "sorted"),
])  # fmt: skip
def test_an_unknown_order_is_named(call):
    with pytest.raises(ValueError, match="order='sorted'"):
        call()


def test_an_unknown_direction_is_named():
    with pytest.raises(ValueError, match="direction='sideways'"):
        storage.network_factor(SYSTEM, "sideways")
