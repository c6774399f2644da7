"""Networks by the port, tasks and designs: by hand, and every bad input."""

import dataclasses

import numpy as np
import pytest

from dcserver import catalog, centre, interconnect
from dcserver.centre.network import network
from dcserver.centre.task import Design, Task, tasks
from dcserver.units import year

RATE = 50e9


class TestNetwork:
    def test_layers_are_as_many_as_it_takes(self):
        # Switches of 64: 32 ports down; 64 x 32 hosts under two layers of 3 ports a host, beyond them three of 5.
        for hosts, layers, ports in ((1, 1, 1), (32, 1, 1), (33, 2, 3), (2048, 2, 3), (2049, 3, 5), (65_536, 3, 5)):
            net = network(hosts, RATE)
            assert (net.layers, net.ports) == (layers, ports), hosts

    def test_a_rail_optimised_network_of_one_unit_needs_no_second_layer(self):
        # Each rail a switch of its own: 32 servers of eight, or of four.
        for rails in (8, 4):
            inside, beyond = (network(32 * rails + more, RATE, layout="rail-optimised", rails=rails) for more in (0, 1))
            assert (inside.layers, inside.ports, inside.bandwidth) == (1, 1, RATE)
            assert (beyond.layers, beyond.ports) == (2, 3)
        assert network(256, RATE, layout="rail-optimised").layers == 1
        assert network(257, RATE, layout="rail-optimised").layers == 2  # eight to a server if nothing is said

    def test_each_has_the_rate_of_its_tree(self):
        assert network(32, RATE).bandwidth == RATE
        for hosts, levels in ((1000, 2), (5000, 3)):
            tree = interconnect.fat_tree(64, levels, 1, RATE)
            assert network(hosts, RATE).bandwidth == pytest.approx(interconnect.effective_bandwidth(tree, "all_to_all"))
            ring = network(hosts, RATE, layout="rail-optimised")
            assert ring.bandwidth == pytest.approx(interconnect.effective_bandwidth(tree, "ring"))
        assert network(1000, 2 * RATE).bandwidth == pytest.approx(2 * network(1000, RATE).bandwidth)

    def test_fewer_uplinks_hold_more_and_give_less(self):
        # Three ports down for one up: 48 to a switch, and a quarter of the ports above it.
        assert network(48, RATE, 3).layers == 1
        assert network(49, RATE, 3).layers == 2
        assert network(1000, RATE, 3).bandwidth < network(1000, RATE).bandwidth / 2.5
        assert network(1000, RATE, 3).ports < network(1000, RATE).ports

    def test_arrays_are_the_loop(self):
        many = network(np.array([[10], [1000], [10_000]]), RATE, np.array([1, 3]))
        for name in ("ports", "layers", "bandwidth"):
            assert getattr(many, name).shape == (3, 2)
            assert getattr(many, name)[1, 1] == pytest.approx(getattr(network(1000, RATE, 3), name))

    def test_bad_input_is_named(self):
        for call, words in (
            (lambda: network(0, RATE), "accelerators=0"),
            (lambda: network(1, 0), "rate=0"),
            (lambda: network(1, RATE, rails=0), "rails=0"),
            (lambda: network(1, RATE, layout="ring"), "layout='ring'"),
        ):
            with pytest.raises(ValueError, match=words):
                call()


class TestTask:
    def test_the_chapters_tasks(self):
        # Three months, or four for the largest; steps of 8,192 tokens.
        for name, months in (("8B", 3), ("70B", 3), ("405B", 4)):
            task = centre.task(name)
            assert task.name == name
            assert name in task.model.name
            assert task.sequence == 8192
            assert task.seconds == pytest.approx(months * year / 12)
            assert task.grid == catalog.grid("Frankfurt")
            assert "DGX B200" not in task.kinds
        assert centre.task() == centre.task("70B")
        dollars = [t.dollars for t in tasks().values()]
        assert dollars == sorted(dollars)

    @pytest.mark.parametrize(("name", "value"), [
        ("tokens", 0), ("sequence", 0), ("dollars", 0), ("watts", 0), ("seconds", 0), ("batch", 1.5), ("tariff", -1),
        ("utilization", 0.001), ("utilization", 1.1),
    ])  # fmt: skip
    def test_bad_input_is_named(self, name, value):
        with pytest.raises(ValueError, match=f"{name}={value}"):
            dataclasses.replace(centre.task(), **{name: value})
        with pytest.raises(ValueError, match="'DGX H10'"):
            dataclasses.replace(centre.task(), kinds=("DGX H10",))

    def test_what_nobody_says_of_a_task(self):
        known = centre.task()
        bare = Task("x", known.model, 1e12, 8, 1024, 1.0, 1.0, 1.0, known.grid)
        assert (bare.utilization, bare.stack) == (0.7, "NeMo 2025")
        assert bare.tariff * 3.6e6 == pytest.approx(0.08)  # eight cents a kWh
        assert "DGX B200" in bare.kinds


class TestDesign:
    @pytest.mark.parametrize(("name", "value"), [
        ("servers", 0), ("storage_servers", 0), ("storage_servers", 1.5), ("spares", -1), ("spares", 0.5), ("network", 0),
        ("checkpoint_interval", 0), ("temperature", -21), ("temperature", 36), ("oversubscription", 2),
        ("kind", "'DGX'"), ("layout", "'tree'"), ("cooling", "'ice'"), ("ownership", "'lease'"),
    ])  # fmt: skip
    def test_bad_input_is_named(self, name, value):
        given = value.strip("'") if isinstance(value, str) else value
        with pytest.raises(ValueError, match=f"{name}={value}"):
            Design(**{name: given})

    def test_the_ends_are_allowed(self):
        for changes in ({"spares": 0}, {"temperature": -20}, {"temperature": 35}, {"oversubscription": 31}):
            assert Design(**changes).servers == 96

    def test_one_of_several_by_its_place(self):
        many = Design(servers=np.array([[8], [16]]), spares=np.array([0, 1, 2]))
        one = many[1, 2]
        assert (one.servers, one.spares, one.storage_servers) == (16, 2, 8)
        assert many[0].servers.tolist() == [8, 8, 8]
        assert str(many) == "6 designs with DGX H100"
        with pytest.raises(ValueError, match="broadcast"):
            Design(servers=np.array([1, 2]), spares=np.array([0, 1, 2]))

    def test_the_server_is_cooled_and_priced_as_designed(self):
        wet = Design(kind="DGX A100", cooling="cold plate")
        assert wet.server.cooling == "cold plate"
        assert wet.server.price == catalog.price("DGX A100 320GB at launch").price
        assert Design().server.price == catalog.server("DGX H100").price
        assert Design().rent > 0
