"""Networks drawn: every node has a place of its own, and the links singled out are those that the bisection counts."""

import itertools

import pytest

from dcserver import interconnect, lab

TOPOLOGIES = {
    "ring": interconnect.ring(32),
    "torus": interconnect.torus((8, 4)),
    "fat tree": interconnect.fat_tree(8),
    "oversubscribed": interconnect.fat_tree(8, oversubscription=3),
    "three levels": interconnect.fat_tree(4, levels=3),
    "dragonfly": interconnect.dragonfly(6, 3, 3, groups=4),
    "rails": interconnect.rail_optimized(8, rails=4, radix=8),
}


@pytest.mark.parametrize("topology", TOPOLOGIES.values(), ids=TOPOLOGIES)
def test_the_links_singled_out_carry_the_bisection(topology: interconnect.Topology) -> None:
    graph = topology.graph()
    carried = sum(graph.edges[link]["capacity"] for link in lab.narrowest_cut(graph))
    assert carried == pytest.approx(topology.bisection_bandwidth)


@pytest.mark.parametrize("name", TOPOLOGIES)
def test_every_node_has_a_place_of_its_own(name: str) -> None:
    graph = TOPOLOGIES[name].graph()
    spots = lab.arrange(graph, (8, 4) if name == "torus" else None)
    assert set(spots) == set(graph)
    assert all(0 <= v <= 1 for spot in spots.values() for v in spot)
    assert min((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 for a, b in itertools.combinations(spots.values(), 2)) > 1e-4


def test_of_equal_cuts_the_highest_is_shown() -> None:
    links = lab.narrowest_cut(interconnect.fat_tree(4, levels=3).graph())
    assert all({a[0], b[0]} == {"spine", "core"} for a, b in links)


def test_hosts_on_one_switch_have_nothing_to_cut() -> None:
    assert lab.narrowest_cut(interconnect.nvswitch_node(8, 1).graph()) == []


def test_a_torus_of_another_shape_is_refused() -> None:
    with pytest.raises(ValueError, match="multiply to 32 hosts"):
        lab.arrange(TOPOLOGIES["torus"].graph(), (8, 5))


def test_a_graph_says_what_it_shows_and_draws_the_same_after_another() -> None:
    small, large = TOPOLOGIES["fat tree"].graph(), TOPOLOGIES["dragonfly"].graph()
    chart = lab.Graph()
    first = chart.update(graph=small, cut=lab.narrowest_cut(small)).png()
    assert chart.alt == ("A network of 32 hosts, 12 switches and 64 links. 16 of them, singled out, join one half of the "
                         "hosts to the other.")  # fmt: skip
    assert chart.update(graph=large).png() != first
    assert "singled out" not in chart.alt
    assert chart.update(graph=small, cut=lab.narrowest_cut(small)).png() == first
