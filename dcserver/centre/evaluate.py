"""What a design comes to: months, dollars, megawatts, carbon, and each part of them. Taught in chapter 18."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dcserver import catalog, cost, energy, memory, reliability, storage
from dcserver.arrays import plain
from dcserver.catalog import FileSystem
from dcserver.centre.network import network
from dcserver.centre.plans import Steps, steps
from dcserver.centre.task import MONTH, Design, Task
from dcserver.checks import require_whole
from dcserver.training import Plan
from dcserver.units import format_bytes, format_money, format_percent, format_power, format_time, significant, year

TIME_PARTS = (*cost.jobs.GROUPS, "checkpoints", "lost work", "restarts", "waiting for spares")
MONEY_PARTS = (
    "rent",
    "servers",
    "network and storage",
    "interest",
    "space",
    "electricity and cooling",
    "people and repairs",
)
POWER_PARTS = ("accelerators' servers", "spares", "storage", "network", "building")


@dataclass(frozen=True)
class Result:
    """What a design comes to; fields hold arrays where the design does. Parts sum to their totals.

    Taught in chapter 18.

    Attributes
    ----------
    design, task, plan : Design, Task, Plan
        What the figures are of.
    seconds : s
        Of the whole run; infinite where the model does not fit.
    band : (s, s)
        Between which four of five such runs lie, by the step's error bar.
    dollars : USD
        That the run has to bear.
    watts : W
        At the meter on a hot day.
    joules : J
        At the meter, all of the run.
    carbon : kg CO2e
        Making the servers included.
    goodput : 1
        Share of the time that makes lasting progress.
    step : s
        Of one training step.
    batch : 1
        Sequences of a step.
    flops_utilization : 1
        Model FLOP over peak.
    purchase : USD
        On the first day; 0 where all is rented.
    stored, room : B
        That the file system must hold, and that it can.
    parts : dict
        "time" in s, "money" in USD, "power" in W, each by cause.
    """

    design: Design
    task: Task
    seconds: Any  # of the whole run; infinite where the model does not fit
    band: tuple[Any, Any]  # seconds between which four of five such runs lie, by the step's error bar
    dollars: Any  # that the run has to bear
    watts: Any  # at the meter on a hot day
    joules: Any  # at the meter, all of the run
    carbon: Any  # kg CO2e, making the servers included
    goodput: Any  # share of the time that makes lasting progress
    step: Any  # s
    batch: Any  # sequences of a step
    flops_utilization: Any  # model FLOP over peak
    purchase: Any  # USD on the first day; 0 where all is rented
    stored: Any  # B that the file system must hold
    room: Any  # B that it can
    parts: dict[str, dict[str, Any]]  # "time" [s], "money" [USD], "power" [W]
    plan: Plan

    @property
    def months(self) -> Any:
        """Twelfths of a year."""
        return self.seconds / MONTH

    @property
    def tokens_per_day(self) -> Any:
        """Tokens of lasting progress a day."""
        return self.task.tokens / self.seconds * 86400.0

    @property
    def use(self) -> dict[str, Any]:
        """Use over limit of money, power, time and disks: 1 is just allowed."""
        return {"money": self.dollars / self.task.dollars, "power": self.watts / self.task.watts,
                "time": self.seconds / self.task.seconds, "disks": self.stored / self.room}  # fmt: skip

    @property
    def meets(self) -> Any:
        """Whether every limit is kept."""
        kept = np.all([np.asarray(share) <= 1 for share in self.use.values()], axis=0)
        return kept if kept.ndim else bool(kept)

    @property
    def verdicts(self) -> dict[str, str]:
        """Each limit in words; for a single design."""
        if not np.isfinite(self.seconds):
            why = (
                f"{self.task.model.name} does not fit into the memory of {self.design.servers:,.0f} {self.design.kind}"
            )
            return dict.fromkeys(self.use, why)
        low, high = (end / MONTH for end in self.band)
        shown = {"money": f"{format_money(self.dollars)} of {format_money(self.task.dollars)}",
                 "power": f"{format_power(self.watts)} of {format_power(self.task.watts)} on a hot day",
                 "time": f"{significant(self.months)} of {significant(self.task.seconds / MONTH)} months, four of five such "
                         f"runs between {significant(low)} and {significant(high)}",
                 "disks": f"{format_bytes(self.stored)} of {format_bytes(self.room)}"}  # fmt: skip
        words = {name: "within the limit" if share <= 1 else f"{format_percent(share - 1)} over it"
                 for name, share in self.use.items()}  # fmt: skip
        return {name: f"{shown[name]}: {words[name]}" for name in shown}

    def __getitem__(self, index: Any) -> Result:
        """One design's result, by its place."""
        shape = np.shape(self.seconds)

        def one(v: Any) -> Any:
            v = np.broadcast_to(np.asarray(v), shape)[index]
            return plain(v)

        kept = ("seconds", "dollars", "watts", "joules", "carbon", "goodput", "step", "batch", "flops_utilization", "purchase",
                "stored", "room")  # fmt: skip
        parts = {name: {k: one(v) for k, v in group.items()} for name, group in self.parts.items()}
        low, high = self.band
        return replace(self, design=self.design[index], band=(one(low), one(high)), parts=parts, plan=self.plan[index],
                       **{name: one(getattr(self, name)) for name in kept})  # fmt: skip

    def __str__(self) -> str:
        if np.ndim(self.seconds):
            return f"{np.size(self.seconds):,} designs, {int(np.sum(self.meets)):,} of which keep every limit"
        lines = [f"{name:6} {words}" for name, words in self.verdicts.items()]
        if np.isfinite(self.seconds):
            lines.append(f"a step of {self.batch:,.0f} sequences in {format_time(self.step)} at {format_percent(self.flops_utilization)} of peak; "
                         f"{format_percent(self.goodput)} of the time counts; "
                         f"{significant(self.carbon / 1000)} t of CO2e")  # fmt: skip
            lines.append(str(self.plan))
        return "\n".join(lines)


def file_system(storage_servers: Any) -> FileSystem:
    """The catalog's flash file system with so many servers."""
    return replace(catalog.file_system("reference, flash"), servers=storage_servers)


def node_life(design: Design) -> float:
    """Seconds between failures of one server's hardware: software stops the job, but takes no server away."""
    rates = reliability.failure_rates(design.server.accelerators)
    return float(1 / sum(rate for name, rate in rates.items() if name != "software"))


def evaluate(design: Design, task: Task) -> Result:
    """All that a design comes to.

    Parameters
    ----------
    design : Design
        One, or arrays of them in its numbers.
    task : Task

    Returns
    -------
    Result
        time = steps x step (``centre.steps``) / (useful share between failures x share of the time with enough servers);
        money = an hour of work of what is owned (``cost.own``; the run bears its share of the hours in which nothing is to
        be done) or a rent, times all accelerators and hours; power = (servers at work + idle spares + storage + switches)
        x PUE on a hot day; energy the same with the year's PUE.
        Fails where machines are delivered late, for a job that can shrink, and where others share network or disks.
        Taught in chapter 18.

    Raises
    ------
    ValueError
        As ``Design`` does, and for an oversubscription that does not divide the ports of a switch.
    """
    c, server = catalog.constants("centre"), design.server
    each = int(server.accelerators)
    n, spares = np.asarray(design.servers, dtype=float), np.asarray(design.spares, dtype=float)
    everything = n + spares
    net = network(each * everything, design.network, design.oversubscription, design.layout, each)
    done = steps(design.kind, n, net.bandwidth, task)

    ideal = task.tokens / (done.batch * task.sequence) * done.time
    kept, shares, running = _lasting(design, task, done, n, spares)
    seconds = ideal / (kept * running)
    shared = np.where(np.isfinite(ideal), ideal, 0.0) / sum(done.breakdown.values())
    pieces = {group: shared * sum(done.breakdown[part] for part in names) for group, names in cost.jobs.GROUPS.items()}
    finite = np.where(np.isfinite(seconds), seconds, 0.0)
    pieces |= {name: finite * running * share for name, share in shares.items()}
    pieces["waiting for spares"] = finite * (1 - running)

    # Power: at work, standing ready, and what stands around them.
    busy = energy.server_power(server, done.chip).total
    idle, shelf = _idle_power(design.kind, design.cooling)
    disks = shelf * np.asarray(design.storage_servers)
    # The measured clusters, from which the constant comes, have about three ports a card.
    switch = catalog.constants("server_power")["cluster_switch_power"] / 3
    switches = switch * net.ports * each * everything
    hot, mean = _overheads(design.cooling, np.asarray(design.temperature, dtype=float))
    watts = {"accelerators' servers": n * busy, "spares": spares * idle, "storage": disks, "network": switches}
    inside = sum(watts.values())
    watts["building"] = inside * (hot - 1)
    joules = finite * inside * mean
    made = energy.energy_of(server, everything, finite).embodied_carbon

    money, purchase = _money(design, task, net.ports, everything, done, finite, mean)
    stored = task.tokens * storage.token_bytes(task.model.vocabulary) + c["checkpoints_kept"] * _checkpoint(task)
    room = storage.usable_bytes(file_system(design.storage_servers))

    dollars = np.where(np.isfinite(seconds), sum(money.values()), np.inf)
    carbon = joules * task.grid.carbon_intensity + made
    every = np.broadcast_arrays(seconds, seconds * done.low, seconds * done.high, dollars, sum(watts.values()), joules, carbon,
                                kept * running, done.time, done.batch, done.utilization, purchase, stored, room)  # fmt: skip
    shape = every[0].shape

    def plain(v: Any) -> Any:
        v = np.broadcast_to(np.asarray(v, dtype=float), shape)
        return v if shape else v.item()

    parts = {name: {k: plain(v) for k, v in group.items()}
             for name, group in (("time", pieces), ("money", money), ("power", watts))}  # fmt: skip
    total, low, high, *others = (plain(v) for v in every)
    kinds = ("dollars", "watts", "joules", "carbon", "goodput", "step", "batch", "flops_utilization", "purchase", "stored",
             "room")  # fmt: skip
    figures: dict[str, Any] = dict(zip(kinds, others, strict=True))
    return Result(design, task, total, (low, high), parts=parts, plan=done.plan, **figures)


def _checkpoint(task: Task) -> float:
    return float(storage.checkpoint_bytes(task.model.parameters))


def _lasting(design: Design, task: Task, done: Steps, n: Any, spares: Any) -> tuple[Any, dict[str, Any], Any]:
    """Share of the running time that lasts, where the rest of it goes, and the share in which enough servers stand."""
    c, life = catalog.constants("centre"), catalog.constants("reliability")
    server, size = design.server, _checkpoint(task)
    disks = file_system(np.asarray(design.storage_servers, dtype=float))
    nic = server.scale_out_bandwidth / server.accelerators  # one of the server's ports leads to the disks
    write, read = (storage.file_system(disks, n, size / n, way, stripes=64, client_bandwidth=nic).rate for way in ("write", "read"))  # fmt: skip
    interval = np.asarray(design.checkpoint_interval, dtype=float)
    stall = storage.checkpoint_cost(size, interval, write, hosts=n, host_network=nic).stall
    weights = task.model.parameters * memory.state_bytes("bf16", "adam").weights
    back = life["restart"] + storage.restart_time(weights, size - weights, done.replicas, read, passed_on=True)
    share = reliability.goodput(interval, stall, back, reliability.time_to_failure(n * server.accelerators))
    running = reliability.spare_plan(n, node_life(design), c["repair_time"], spares).running
    others = {"checkpoints": share.writing, "lost work": share.lost, "restarts": share.restarting}
    return np.maximum(share.useful, 1e-9), others, np.maximum(running, 1e-9)


@functools.lru_cache(maxsize=32)
def _idle_power(kind: str, cooling: str) -> tuple[float, float]:
    """Watts of a spare that stands ready, and of a server of the file system."""
    server = Design(kind=kind, cooling=cooling).server
    rest = energy.operating_point(server.accelerator, 0.0, 0.0).total  # type: ignore[arg-type]
    return float(energy.server_power(server, rest).total), float(
        energy.server_power(catalog.server("traditional server")).total
    )


@functools.lru_cache(maxsize=64)
def _pue(cooling: str, temperatures: tuple[float, ...]) -> tuple[np.ndarray, np.ndarray]:
    c, t = catalog.constants("centre"), np.array(temperatures)
    hottest = np.minimum(t + c["hot_day"] * catalog.constants("cooling")["yearly_swing"], 60.0)
    return np.asarray(energy.facility(cooling, hottest).pue), np.asarray(energy.yearly_facility(cooling, t).pue)


def _overheads(cooling: str, temperature: np.ndarray) -> tuple[Any, Any]:
    """PUE on a hot day, and of the year."""
    kinds, where = np.unique(temperature, return_inverse=True)
    at = np.reshape(where, temperature.shape)
    hot, mean = _pue(cooling, tuple(kinds))
    return hot[at], mean[at]


def _money(design: Design, task: Task, ports: Any, everything: Any, done: Steps, seconds: Any, pue: Any
           ) -> tuple[dict[str, Any], Any]:  # fmt: skip
    """USD by part, and USD to be paid on the first day."""
    c, k, server = catalog.constants("centre"), catalog.constants("cost"), design.server
    each = server.accelerators
    disks = file_system(np.asarray(design.storage_servers, dtype=float))
    raw = storage.usable_bytes(disks) * storage.overhead(disks)
    shelves = c["storage_server_price"] * disks.servers + raw * catalog.tier("NVMe SSD, PCIe 4.0 x4").price_per_byte
    years, none = seconds / year / task.utilization, 0.0 * seconds
    if design.ownership == "rent":
        lost, interest = cost.capital_cost(shelves, k["residual"], k["rate"], k["years"])
        parts = dict.fromkeys(MONEY_PARTS, none)
        return parts | {"rent": design.rent * each * everything * seconds / 3600, "network and storage": lost * years,
                        "interest": interest * years}, 0.0 * everything  # fmt: skip
    kit = {"air": 0.0, "cold plate": c["cold_plate_price"], "immersion": c["immersion_price"]}[design.cooling]
    price = server.price + kit * server.max_power
    wires = ports * each * everything * c["network_port_price"] * np.asarray(design.network) / 50e9
    a_year = cost.own(server, everything, server_price=price, utilization=task.utilization, tariff=task.tariff, pue=pue,
                      network_share=wires / (everything * price), storage_share=shelves / (everything * price),
                      accelerator_power=done.chip)  # fmt: skip
    sums = {"servers": a_year.servers, "network and storage": a_year.network_and_storage, "interest": a_year.interest,
            "space": a_year.space, "electricity and cooling": a_year.electricity + np.asarray(a_year.cooling)}  # fmt: skip
    sums["people and repairs"] = a_year.total - sum(np.asarray(v) for v in sums.values())
    return {"rent": none} | {name: usd * years for name, usd in sums.items()}, a_year.price


def without(design: Design, servers: int) -> Design:
    """The design after so many servers are gone for good: spares step in first, then the job runs on fewer.

    Parameters
    ----------
    design : Design
        Before.
    servers : int
        That are gone.

    Returns
    -------
    Design

    Raises
    ------
    ValueError
        For a count that is not whole, or if no server would be left.

    Notes
    -----
    Equation: spares left = max(spares - lost, 0); servers left = servers - max(lost - spares, 0). The network stays as
    large as it was. Taught in chapter 18.

    >>> without(Design(servers=100, spares=2), 6).servers
    96
    """
    require_whole(0, servers=servers)
    spares = np.maximum(np.asarray(design.spares) - servers, 0)
    left = np.asarray(design.servers) - np.maximum(servers - np.asarray(design.spares), 0)
    if np.any(left < 1):
        raise ValueError(f"servers={servers} lost leaves none of {np.min(design.servers)} to work")
    return replace(
        design, servers=left.item() if left.ndim == 0 else left, spares=spares.item() if spares.ndim == 0 else spares
    )
