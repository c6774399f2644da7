"""The space of plans: every combination of splits, dealt out in chunks. Taught in chapter 08.

The outer axes (accelerators, ways of each split, micro-batch, schedule) are enumerated with their rules; the inner ones
(recomputation, ZeRO stage, offload) go with every outer combination and stay separate axes of the arrays. So a layer's
work, which knows nothing of ZeRO, is worked out once for all of the inner combinations: broadcasting does the rest.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dcserver import memory
from dcserver.catalog import Transformer
from dcserver.checks import require_choice, require_whole
from dcserver.training import SCHEDULES, Plan, Stack
from dcserver.training.plan import RECOMPUTATION

# What a stack did not offer yet, or at all; a search may ask for it all the same. Sequence parallelism and selective
# recomputation came with arXiv:2205.05198, Megatron's sharded optimizer in 2022, context parallelism in 2023;
# BLOOM ran Megatron-DeepSpeed with ZeRO 1; FSDP shards everything and splits neither layers nor stages.
_OLD = {"sequence_parallel": (False,), "context_parallel": (1,), "recomputation": ("none", "full"), "zero_stage": (0,)}
OFFERS: dict[str, dict[str, tuple[Any, ...]]] = {
    "Megatron 2020": {**_OLD, "pipeline_parallel": (1,), "interleave": (1,)},
    "Megatron 2021": _OLD,
    "Megatron 2022": {"context_parallel": (1,), "zero_stage": (0, 1)},
    "BLOOM 2022": {**_OLD, "interleave": (1,), "zero_stage": (0, 1)},
    "FSDP 2023": {"tensor_parallel": (1,), "sequence_parallel": (False,), "pipeline_parallel": (1,), "interleave": (1,),
                  "context_parallel": (1,), "expert_parallel": (1,), "zero_stage": (2, 3)},
}  # fmt: skip
LAYOUT = ("accelerators", "tensor_parallel", "pipeline_parallel", "context_parallel")
DETAIL = ("interleave", "sequence_parallel", "schedule", "expert_parallel", "micro_batch")
INNER = ("recomputation", "zero_stage", "offload_optimizer")
OUTER = ("data_parallel", *LAYOUT[1:], *DETAIL)
AXES = (*LAYOUT, *DETAIL, *INNER)
TOO_MANY = "tensor x pipeline x context parallel does not divide the accelerators"
_BLOCK = 1 << 17  # combinations of layout and detail looked at in one go


def divisors(number: int) -> np.ndarray:
    """All whole numbers that divide a number, ascending.

    >>> divisors(12).tolist()
    [1, 2, 3, 4, 6, 12]
    """
    small = np.arange(1, math.isqrt(number) + 1)
    small = small[number % small == 0]
    return np.unique(np.concatenate([small, number // small]))


@dataclass(frozen=True)
class Chunk:
    """Some valid outer combinations: one array for each name in OUTER, and how many plans came before."""

    outer: dict[str, np.ndarray]
    start: int

    def __len__(self) -> int:
        return len(self.outer["data_parallel"])


@dataclass
class Tally:
    """Plans looked at so far, and those found invalid, by reason. The one thing here that changes: a count."""

    considered: int = 0
    invalid: dict[str, int] = field(default_factory=dict)

    def drop(self, reason: str, plans: int) -> None:
        """Count plans as invalid."""
        if plans:
            self.invalid[reason] = self.invalid.get(reason, 0) + plans


@dataclass(frozen=True)
class Space:
    """Every plan of a model on so many accelerators; ``axes`` holds the values of each name in AXES.

    Taught in chapter 08.

    Attributes
    ----------
    model, batch, sequence : Transformer, int, float
        What is laid out.
    axes : dict of tuples
        Values of each name in ``AXES``.
    """

    model: Transformer
    batch: int
    sequence: float
    axes: Mapping[str, tuple[Any, ...]]

    @property
    def inner_size(self) -> int:
        """Plans for each outer combination."""
        return math.prod(len(self.axes[name]) for name in INNER)

    @property
    def size(self) -> int:
        """Plans in all, the invalid ones included."""
        return math.prod(len(self.axes[name]) for name in AXES)

    def inner(self) -> dict[str, np.ndarray]:
        """Inner axes as arrays that broadcast behind an outer one."""
        words = {"recomputation": RECOMPUTATION}
        out = {}
        for k, name in enumerate(INNER):
            values = [words[name].index(v) if isinstance(v, str) else v for v in self.axes[name]]
            shape = [1] * (len(INNER) + 1)
            shape[k + 1] = len(values)
            out[name] = np.array(values).reshape(shape)
        return out

    def plans(self, outer: Mapping[str, np.ndarray], **fixed: Any) -> Plan:
        """Plans of an outer axis and all inner ones, as one Plan whose fields broadcast."""
        behind = (slice(None), *[None] * len(INNER))
        fields: dict[str, Any] = {name: value[behind] for name, value in outer.items()} | self.inner() | fixed
        return Plan(**fields)

    def sharding(self, outer: Mapping[str, np.ndarray]) -> np.ndarray:
        """Mask of outer x inner: ZeRO has replicas to shard over. Without any it is the plan with ZeRO 0 again."""
        replicas = (outer["data_parallel"] * outer["context_parallel"])[:, None, None, None]
        return (replicas > 1) | (self.inner()["zero_stage"] == 0)

    def chunks(self, plans: int, tally: Tally) -> Iterator[Chunk]:
        """All valid outer combinations, in one order whatever the size of a chunk; so many plans or fewer in each."""
        rows, start = max(1, plans // self.inner_size), 0
        waiting: list[dict[str, np.ndarray]] = []
        for found in itertools.chain(self._outer(tally), [None]):
            waiting += [found] if found is not None else []
            held = sum(len(w["data_parallel"]) for w in waiting)
            if held < rows and found is not None:
                continue
            joined = {name: np.concatenate([w[name] for w in waiting]) for name in OUTER} if waiting else {}
            end = held if found is None else held - held % rows
            for first in range(0, end, rows):
                part = {name: v[first : min(first + rows, end)] for name, v in joined.items()}
                tally.considered += len(part["data_parallel"]) * self.inner_size
                yield Chunk(part, start)
                start += len(part["data_parallel"]) * self.inner_size
            waiting = [{name: v[end:] for name, v in joined.items()}] if end < held else []

    def _layouts(self, tally: Tally) -> Iterator[dict[str, np.ndarray]]:
        """Layouts that divide model and cluster, block by block."""
        values = {name: np.asarray(self.axes[name], dtype=np.int64) for name in LAYOUT}
        each = math.prod(len(self.axes[name]) for name in DETAIL) * self.inner_size
        # A value that does not divide the model falls once, with all that it would be combined with: most of the space.
        # Interleaving and the like only narrow what one chunk of layers a stage allows.
        for name in LAYOUT[1:]:
            tried = [values[name] if name == k else 1 for k in LAYOUT[1:]]
            others = each * math.prod(len(v) for k, v in values.items() if k != name)
            ok = np.ones(len(values[name]), dtype=bool)
            t, p, c = tried
            for good, (what, _, whole, _) in memory.plans.rules(self.model, self.sequence, t, t, False, p, 1, c, 1):
                ok = _sift(tally, ok, good, f"{what} does not divide {whole}", others)
            tally.considered += int((~ok).sum()) * others
            values[name] = values[name][ok]
        shape = tuple(len(v) for v in values.values())
        for first in range(0, math.prod(shape), _BLOCK):
            at = np.unravel_index(np.arange(first, min(first + _BLOCK, math.prod(shape))), shape)
            n, t, p, c = (v[i] for v, i in zip(values.values(), at, strict=True))
            ok = np.ones(len(n), dtype=bool)
            ok = _sift(tally, ok, n % (t * p * c) == 0, TOO_MANY, each)
            tally.considered += int((~ok).sum()) * each
            yield {"data_parallel": (n // (t * p * c))[ok], "tensor_parallel": t[ok], "pipeline_parallel": p[ok],
                   "context_parallel": c[ok]}  # fmt: skip

    def _outer(self, tally: Tally) -> Iterator[dict[str, np.ndarray]]:
        """Valid outer combinations, block by block."""
        values = [np.array([SCHEDULES.index(v) if isinstance(v, str) else v for v in self.axes[k]]) for k in DETAIL]
        shape = tuple(len(v) for v in values)
        count = math.prod(shape)
        at = np.unravel_index(np.arange(count), shape)
        detail = {name: v[i] for name, v, i in zip(DETAIL, values, at, strict=True)}
        step = max(1, _BLOCK // count)
        for layouts in self._layouts(tally):
            for first in range(0, len(layouts["data_parallel"]), step):
                part = {name: v[first : first + step] for name, v in layouts.items()}
                rows = len(part["data_parallel"])
                outer = {name: np.repeat(v, count) for name, v in part.items()}
                outer |= {name: np.tile(v, rows) for name, v in detail.items()}
                ok = self._sifted(outer, tally)
                tally.considered += int((~ok).sum()) * self.inner_size  # the others as they are dealt out
                yield {name: outer[name][ok] for name in OUTER}

    def _sifted(self, outer: Mapping[str, np.ndarray], tally: Tally) -> np.ndarray:
        """Mask of the outer combinations that are valid, those that are not counted under their first reason."""
        d, t, p, c, v, sequence_parallel, schedule, experts, b = (outer[name] for name in OUTER)
        ok, each = np.ones(len(d), dtype=bool), self.inner_size
        ok = _sift(tally, ok, (v == 1) | (p > 1), "interleave needs pipeline_parallel of 2 or more", each)
        ok = _sift(
            tally, ok, ~sequence_parallel | (t > 1), "sequence_parallel needs tensor_parallel of 2 or more", each
        )
        useful = (schedule == 0) | ((p > 1) & (v == 1))
        ok = _sift(tally, ok, useful, "zero_bubble needs a pipeline, not interleaved", each)
        ok = _sift(tally, ok, self.batch % (d * b) == 0, "data_parallel x micro_batch does not divide the batch", each)
        rounds = (v == 1) | (self.batch % (d * b * p) == 0)
        ok = _sift(tally, ok, rounds, "interleave needs micro-batches that pipeline_parallel divides", each)
        left = np.flatnonzero(ok)  # few: the rules that follow cost more
        d, t, p, c, v, sequence_parallel, experts = (x[left] for x in (d, t, p, c, v, sequence_parallel, experts))
        good = np.ones(len(left), dtype=bool)
        # Experts may be spread over the accelerators of tensor parallelism as well as those of data parallelism.
        rules = memory.plans.rules(self.model, self.sequence, d * t, t, sequence_parallel, p, v, c, experts)
        for kept, (name, _, whole, _) in rules:
            good = _sift(tally, good, kept, f"{name} does not divide {whole}", each)
        ok[left] = good
        return ok


def _sift(tally: Tally, ok: np.ndarray, good: Any, reason: str, each: int) -> np.ndarray:
    """What is left after a rule; what falls here is counted under its reason, once."""
    left = ok & good
    tally.drop(reason, (int(ok.sum()) - int(left.sum())) * each)
    return left


def space(model: Transformer, accelerators: Iterable[int] | int, batch: int, sequence: float, stack: Stack,
          **given: Any) -> Space:  # fmt: skip
    """Every plan of a model on so many accelerators.

    Parameters
    ----------
    model : Transformer
        To be trained.
    accelerators : int or sequence of int
        How many, or the numbers to try.
    batch, sequence : int, float
        Sequences of a step, and tokens of each.
    stack : Stack
        What the software offers.
    **given
        Values of an axis in ``AXES``: one, or several to try. An axis that is not given takes every value: divisors for
        ways, what the stack offers for the rest.

    Returns
    -------
    Space

    Raises
    ------
    ValueError
        For values that are not whole numbers, unknown words, or an axis without values.

    Notes
    -----
    Taught in chapter 08.
    """
    unknown = set(given) - set(AXES)
    if unknown:
        raise ValueError(f"{sorted(unknown)[0]} is no axis of the space; there are {', '.join(AXES)}")
    counts = _values("accelerators", accelerators)
    ways = tuple(sorted({int(x) for n in counts for x in divisors(n)}))
    layers = int(np.max(model.layers))
    every: dict[str, tuple[Any, ...]] = {
        "tensor_parallel": ways, "pipeline_parallel": tuple(w for w in ways if w <= layers), "context_parallel": ways,
        "interleave": tuple(divisors(layers).tolist()), "sequence_parallel": (False, True), "schedule": ("1f1b",),
        "expert_parallel": tuple(divisors(int(np.nan_to_num(model.experts, nan=1.0))).tolist()),
        "micro_batch": tuple(divisors(batch).tolist()), "recomputation": RECOMPUTATION, "zero_stage": (0, 1, 2, 3),
        "offload_optimizer": (False,),
    }  # fmt: skip
    if stack.fused_attention > 0:  # nothing is left that selective recomputation could drop: it is "none" again
        every["recomputation"] = ("none", "full")
    axes = every | OFFERS.get(str(stack.name), {}) | {k: _values(k, v) for k, v in given.items() if v is not None}
    return Space(model, batch, sequence, {"accelerators": counts} | {k: axes[k] for k in AXES[1:]})


def _values(name: str, given: Any) -> tuple[Any, ...]:
    """Values of an axis: one, or several without repetition."""
    values = tuple(dict.fromkeys([given] if isinstance(given, str) or np.ndim(given) == 0 else list(given)))
    if not values:
        raise ValueError(f"{name} has no values to try")
    if name in ("sequence_parallel", "offload_optimizer"):
        if not set(values) <= {False, True}:
            raise ValueError(f"{name}={values} must be True, False or both")
        return tuple(map(bool, values))
    if name in ("recomputation", "schedule"):
        require_choice(RECOMPUTATION if name == "recomputation" else SCHEDULES, **{name: list(values)})
        return values
    require_whole(0 if name == "zero_stage" else 1, **{name: values})
    if name == "zero_stage" and max(values) > 3:
        raise ValueError(f"zero_stage={max(values)} is not one of 0, 1, 2, 3")
    return tuple(map(int, values))
