"""What a training step turns out to be: time and its parts, memory, power, money. Taught in chapter 07."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from dcserver import energy, memory
from dcserver.arrays import plain
from dcserver.catalog import Cluster, Grid, Transformer
from dcserver.catalog.tables import rows_of
from dcserver.checks import require_non_negative
from dcserver.training.machine import machine
from dcserver.training.plan import KEPT_AS, RATE_OF, Plan
from dcserver.training.stacks import Stack
from dcserver.units import format_flops, format_percent, format_time

PARTS = ("forward", "backward", "recomputation", "byte-moving operators", "tensor traffic", "context traffic",
         "expert traffic", "embedding and logits", "launch", "pipeline bubble", "pipeline transfer", "data traffic",
         "optimizer", "stragglers")  # fmt: skip
# What a part says about where to look for a remedy.
LIMITS = {"forward": "arithmetic", "backward": "arithmetic", "recomputation": "arithmetic",
          "byte-moving operators": "memory bandwidth", "optimizer": "memory bandwidth", "launch": "host"}  # fmt: skip


@dataclass(frozen=True)
class TrainingStep:
    """Time of one training step and where it goes; fields hold arrays where the plans do.

    ``breakdown`` sums to ``time``. Memory, power and money are worked out when asked for. Taught in chapter 07.

    Attributes
    ----------
    time : s
        Of a step.
    breakdown : s
        By cause; sums to ``time``.
    tokens : 1
        Of a step, all accelerators together.
    model_flops : FLOP
        That the model needs.
    hardware_flops : FLOP
        That are done, recomputation included.
    peak_flops : FLOP/s
        Of all accelerators together.
    model, cluster, plan, stack, batch, sequence
        What the step is of.
    """

    time: Any
    breakdown: dict[str, Any]
    tokens: Any
    model_flops: Any
    hardware_flops: Any
    peak_flops: Any  # of all accelerators together
    model: Transformer = field(repr=False)
    cluster: Cluster = field(repr=False)
    plan: Plan = field(repr=False)
    stack: Stack = field(repr=False)
    batch: Any = field(repr=False)
    sequence: Any = field(repr=False)

    @cached_property
    def limit(self) -> Any:
        """What takes most of the time: worked out when asked for, since a search over millions of plans does not ask."""
        names = [LIMITS.get(name, name) for name in PARTS]
        groups = list(dict.fromkeys(names))
        sums = [sum(np.asarray(self.breakdown[n]) for n, g in zip(PARTS, names, strict=True) if g == group)
                for group in groups]  # fmt: skip
        limit = np.array(groups)[np.argmax(np.stack(np.broadcast_arrays(*sums)), axis=0)]
        return limit if limit.ndim else str(limit)

    @property
    def tokens_per_second(self) -> Any:
        """Tokens a second of the whole cluster."""
        return self.tokens / self.time

    @property
    def model_flops_utilization(self) -> Any:
        """Share of the peak that goes into FLOP that the model needs (causal attention counts half its scores)."""
        return self.model_flops / (self.time * self.peak_flops)

    @property
    def hardware_flops_utilization(self) -> Any:
        """The same, recomputation counted too."""
        return self.hardware_flops / (self.time * self.peak_flops)

    @cached_property
    def memory(self) -> memory.TrainingFootprint:
        """Bytes on an accelerator of the fullest stage."""
        return footprint(self.model, self.plan, self.batch, self.sequence, self.stack)

    @property
    def fits(self) -> Any:
        """Whether the accelerators have memory for it."""
        return self.memory.fits(machine(self.cluster)[1])

    @cached_property
    def power(self) -> Any:
        """Watts of all servers at the wall while the step repeats itself."""
        moving = (self.breakdown["byte-moving operators"] + self.breakdown["optimizer"]) / self.time
        return wall_power(
            self.cluster, self.plan.dtype, self.plan.accelerators, self.hardware_flops_utilization, moving
        )

    @property
    def energy_per_token(self) -> Any:
        """Joules at the wall for each token; the building's cooling is not in it."""
        return self.power / self.tokens_per_second

    def carbon_per_token(self, grid: Grid) -> Any:
        """Kilograms of CO2 equivalent for each token, from a grid's electricity."""
        return self.energy_per_token * grid.carbon_intensity

    def cost_per_token(self, price_per_accelerator_hour: Any) -> Any:
        """Dollars for each token at a rent of USD an hour for each accelerator."""
        require_non_negative(price_per_accelerator_hour=price_per_accelerator_hour)
        return price_per_accelerator_hour / 3600 * self.plan.accelerators / self.tokens_per_second

    @property
    def interval(self) -> tuple[Any, Any]:
        """Seconds between which four of five measured steps lie, from runs left out when the constants were fitted."""
        narrow = self.plan.dtype in ("fp8", "mxfp8", "nvfp4")
        family = np.where(narrow | (np.asarray(self.model.experts) > 1), "experts or fp8", "dense bf16")
        bars = {
            r["family"].partition(":")[2]: (float(r["low"]), float(r["high"]))
            for r in rows_of("error_bars", "training_other")
        }
        low, high = (np.vectorize(lambda name, i=i: bars.get(str(name), bars[""])[i])(family) for i in (0, 1))
        return plain(self.time * low), plain(self.time * high)

    def __str__(self) -> str:
        if np.ndim(self.time):
            return (f"{np.size(self.time):,} training steps, {format_time(float(np.min(self.time)))} to "
                    f"{format_time(float(np.max(self.time)))}")  # fmt: skip
        lines = [f"{'training step':24}{format_time(self.time):>10}"]
        for name, seconds in self.breakdown.items():
            if seconds > 0:
                lines.append(f"  {name:22}{format_time(seconds):>10}{format_percent(seconds / self.time):>8}")
        lines.append(f"{self.tokens_per_second:,.0f} tokens/s; model FLOP utilisation "
                     f"{format_percent(self.model_flops_utilization)}, hardware "
                     f"{format_percent(self.hardware_flops_utilization)} of {format_flops(self.peak_flops)}; "
                     f"limit: {self.limit}")  # fmt: skip
        return "\n".join(lines)


def footprint(model: Transformer, plan: Plan, batch: Any, sequence: Any, stack: Stack) -> memory.TrainingFootprint:
    """Bytes on an accelerator of the fullest stage, with what the stack keeps; not checked.

    Parameters
    ----------
    model, plan, batch, sequence, stack
        As for ``step``.

    Returns
    -------
    TrainingFootprint
        As ``memory.training_footprint`` has it, equation and limits.

    Notes
    -----
    Taught in chapter 07.
    """
    p = plan
    wide = np.asarray(stack.gradient_bytes) > 2
    return memory.training_footprint(
        model, micro_batch=p.micro_batch, sequence=sequence, micro_batches=p.micro_batches(batch),
        recomputation=p.recomputation, zero_stage=p.zero_stage, dtype=KEPT_AS.get(p.dtype, p.dtype),
        optimizer=p.optimizer, gradient_dtype=wide.astype(int), fused_attention=np.asarray(stack.fused_attention) > 0,
        dropout=np.asarray(stack.dropout) > 0, offload_optimizer=p.offload_optimizer,
        offload_activations=p.offload_activations, validate=False, **p.splits())  # fmt: skip


def wall_power(cluster: Cluster, dtype: str, accelerators: Any, busy: Any, moving: Any) -> Any:
    """Watts at the wall of the servers with so many accelerators.

    Parameters
    ----------
    cluster : Cluster
    dtype : str
        Format of the matrix products.
    accelerators : float or array
    busy, moving : float or array
        Share of the peak that arithmetic reaches; share of the time in which nothing but memory is at work.
    """
    server, accelerator = machine(cluster)
    busy = np.clip(busy, 0, 1)
    # Arithmetic keeps memory about half as busy as operators that do nothing else.
    memory_busy = np.clip(moving + 0.5 * busy, 0, 1)
    chip = energy.operating_point(accelerator, busy, memory_busy, dtype=RATE_OF.get(dtype, dtype))
    return np.asarray(accelerators) / server.accelerators * energy.server_power(server, chip.total).total
