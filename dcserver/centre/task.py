"""What is asked for, and what is designed: the two inputs. Taught in chapter 18."""

from __future__ import annotations

import functools
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from dcserver import catalog, cost, energy
from dcserver.catalog import Grid, Server, Transformer
from dcserver.centre.network import LAYOUTS
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive, require_whole
from dcserver.units import Gbps, kWh, year

MONTH = year / 12
# Servers that can be bought, and the row of the price table that prices them where the server's own does not.
KINDS = {"DGX A100": "DGX A100 320GB at launch", "DGX H100": "", "DGX H200": "8x H200 server, illustrative",
         "DGX B200": "8x B200 server, illustrative"}  # fmt: skip
RATIOS = (1, 3, 7, 15, 31)  # of ports down to ports up that split a switch of 64 into whole numbers
OWNERSHIPS = ("own", "rent")


@dataclass(frozen=True)
class Task:
    """A model to train, and the three limits; plain numbers.

    Taught in chapter 18.

    Attributes
    ----------
    name : str
        What it is called.
    model : Transformer
        To train.
    tokens : 1
        To train it on.
    batch : 1
        Sequences of a step.
    sequence : 1
        Tokens of a sequence.
    dollars, watts, seconds : USD, W, s
        The three limits; watts at the meter on a hot day.
    grid : Grid
        Where the electricity comes from.
    tariff : USD/J
        Of electricity.
    utilization : 1
        Share of its hours in which what is owned works, for this run or another.
    stack : str
        Software.
    kinds : tuple of str
        Servers that can be had.
    """

    name: str
    model: Transformer
    tokens: float
    batch: int  # sequences of a step
    sequence: int  # tokens of a sequence
    dollars: float
    watts: float  # at the meter on a hot day
    seconds: float
    grid: Grid
    tariff: float = 0.08 / kWh  # USD/J
    utilization: float = 0.7  # share of its hours in which what is owned works, for this run or another
    stack: str = "NeMo 2025"
    kinds: tuple[str, ...] = tuple(KINDS)  # servers that can be had

    def __post_init__(self) -> None:
        require_positive(tokens=self.tokens, sequence=self.sequence, dollars=self.dollars, watts=self.watts,
                         seconds=self.seconds)  # fmt: skip
        require_whole(batch=self.batch)
        require_non_negative(tariff=self.tariff)
        require_between(0.01, 1, utilization=self.utilization)
        require_choice(KINDS, kinds=list(self.kinds))


def tasks() -> dict[str, Task]:
    """The tasks of the chapter by name; ``dataclasses.replace`` makes others.

    Taught in chapter 18.

    Returns
    -------
    dict of Task
    """
    grid = catalog.grid("Frankfurt")
    rows = [("8B", "Llama 3.1 8B", 5e12, 512, 0.4e6, 0.15e6, 3), ("70B", "Llama 3.1 70B", 5e12, 1024, 3.2e6, 0.85e6, 3),
            ("405B", "Llama 3.1 405B", 15e12, 2048, 150e6, 20e6, 4)]  # fmt: skip
    kinds = ("DGX H100", "DGX H200", "DGX A100")  # the newest are sold out in this story
    return {name: Task(name, catalog.transformer(model), tokens, batch, 8192, dollars, watts, months * MONTH, grid, kinds=kinds)
            for name, model, tokens, batch, dollars, watts, months in rows}  # fmt: skip


def task(name: str = "70B") -> Task:
    """One of the chapter's tasks.

    Parameters
    ----------
    name : str
        "8B", "70B" or "405B".

    Returns
    -------
    Task

    Raises
    ------
    ValueError
        For another name.

    Notes
    -----
    Taught in chapter 18.
    """
    known = tasks()
    require_choice(known, task=name)
    return known[name]


@dataclass(frozen=True)
class Design:
    """A data centre on paper. Words are single; the numbers may be arrays of shapes that broadcast together.

    Taught in chapter 18.

    Attributes
    ----------
    kind : str
        Name of the server.
    servers : 1
        At work.
    network : B/s
        Of each accelerator's port.
    oversubscription : 1
        1, 3, 7, 15 or 31: what splits the ports of a switch into whole numbers.
    layout : str
        Of the network.
    storage_servers : 1
        Of the flash file system.
    cooling : str
        "air", "cold plate" or "immersion".
    temperature : degrees Celsius
        Outside, mean of the year.
    spares : 1
        Servers that stand ready.
    checkpoint_interval : s
        Of work between two checkpoints.
    ownership : str
        "own", or a way to rent.

    Raises
    ------
    ValueError
        For an unknown word, or a number that cannot be.
    """

    kind: str = "DGX H100"
    servers: Any = 96  # at work
    network: Any = 400 * Gbps  # B/s of each accelerator's port
    oversubscription: Any = 1  # 1, 3, 7, 15 or 31: what splits the ports of a switch into whole numbers
    layout: str = "fat tree"
    storage_servers: Any = 8  # of the flash file system
    cooling: str = "air"
    temperature: Any = 11.0  # degrees Celsius outside, mean of the year
    spares: Any = 2  # servers that stand ready
    checkpoint_interval: Any = 1800.0  # s of work between two checkpoints
    ownership: str = "own"

    def __post_init__(self) -> None:
        require_choice(KINDS, kind=self.kind)
        require_choice(LAYOUTS, layout=self.layout)
        require_choice(energy.COOLING, cooling=self.cooling)
        require_choice(OWNERSHIPS, ownership=self.ownership)
        require_whole(servers=self.servers, storage_servers=self.storage_servers)
        require_whole(0, spares=self.spares)
        ratios = np.asarray(self.oversubscription, dtype=float)
        if not np.isin(ratios, RATIOS).all():
            raise ValueError(
                f"oversubscription={float(ratios[~np.isin(ratios, RATIOS)].flat[0]):g} must be 1, 3, 7, 15 or 31"
            )
        require_positive(network=self.network, checkpoint_interval=self.checkpoint_interval)
        require_between(-20, 35, temperature=self.temperature)
        np.broadcast_shapes(*(np.shape(getattr(self, name)) for name in NUMBERS))

    @property
    def server(self) -> Server:
        """The server of the catalog, cooled as designed and with its price."""
        return _server(self.kind, self.cooling)

    @property
    def rent(self) -> float:
        """USD an hour of an accelerator: the cheapest quote by the hour that the catalog knows."""
        return _rent(self.kind)

    def __getitem__(self, index: Any) -> Design:
        """One of several designs, by its place in the shape that all numbers share."""
        shape = np.broadcast_shapes(*(np.shape(getattr(self, name)) for name in NUMBERS))
        one = {name: np.broadcast_to(np.asarray(getattr(self, name)), shape)[index] for name in NUMBERS}
        return replace(self, **{name: v.item() if v.ndim == 0 else v for name, v in one.items()})

    def describe(self) -> list[tuple[str, str]]:
        """Choice and value in words, one row each; for a single design."""
        c = self
        return [
            ("compute", f"{c.servers:,.0f} x {c.kind}, and {c.spares:,.0f} spare"),
            ("network", f"{c.network / Gbps:.0f} Gb/s a card, {c.layout}, {c.oversubscription:.0f}:1"),
            ("storage", f"{c.storage_servers:.0f} flash servers"),
            ("checkpoints", f"every {c.checkpoint_interval / 60:.0f} min"),
            ("cooling", f"{c.cooling}, {c.temperature:.0f} degrees outside"),
            ("money", "owned" if c.ownership == "own" else "rented by the hour"),
        ]

    def __str__(self) -> str:
        if any(np.ndim(getattr(self, name)) for name in NUMBERS):
            size = np.prod(np.broadcast_shapes(*(np.shape(getattr(self, name)) for name in NUMBERS)))
            return f"{int(size):,} designs with {self.kind}"
        return "\n".join(f"{name:12} {words}" for name, words in self.describe())


@functools.lru_cache(maxsize=32)
def _server(kind: str, cooling: str) -> Server:
    found, row = catalog.server(kind), KINDS[kind]
    return replace(found, cooling=cooling, price=catalog.price(row).price if row else found.price)


@functools.lru_cache(maxsize=8)
def _rent(kind: str) -> float:
    return min(cost.quotes(_server(kind, "air").accelerator).values())  # type: ignore[arg-type]


NUMBERS = ("servers", "network", "oversubscription", "storage_servers", "temperature", "spares", "checkpoint_interval")
CHOICES = tuple(f.name for f in fields(Design))
