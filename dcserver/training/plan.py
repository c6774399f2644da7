"""A plan: how a model is laid over a cluster. Taught in chapters 07 and 08."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import memory
from dcserver.arrays import plain
from dcserver.catalog import Transformer
from dcserver.checks import require_choice, require_divides, require_positive, require_whole

RECOMPUTATION = ("none", "selective", "full")
SCHEDULES = ("1f1b", "zero_bubble")
# Formats of the matrix products; block formats share one scale among 32 or 16 numbers.
DTYPES = ("fp32", "tf32", "fp16", "bf16", "fp8", "mxfp8", "nvfp4")
RATE_OF = {"mxfp8": "fp8", "nvfp4": "fp4"}  # the peak that a block format runs at
KEPT_AS = {"mxfp8": "fp8", "nvfp4": "fp8"}  # what stands in memory: an 8-bit copy at least
_WAYS = ("data_parallel", "tensor_parallel", "pipeline_parallel", "interleave", "context_parallel", "expert_parallel")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a model is laid over accelerators; every field may be an array, so that one Plan holds a million.

    Attributes
    ----------
    data_parallel, tensor_parallel, pipeline_parallel, context_parallel : float or array
        Ways of each split [1]; their product is the number of accelerators.
    sequence_parallel : bool or array
        Norms and residual stream are split over the tensor-parallel accelerators too.
    interleave : float or array
        Chunks of layers that each pipeline stage holds [1]; 1 = not interleaved.
    expert_parallel : float or array
        Accelerators over which the experts are spread [1], taken from those of data and tensor parallelism.
    micro_batch : float or array
        Sequences that pass through at a time [1].
    recomputation : str, int or array
        "none", "selective" (attention's inner part) or "full".
    zero_stage : int or array
        0, or sharded over data parallelism: 1 optimizer, 2 also gradients, 3 also weights (FSDP).
    shard_group : float or array
        Accelerators that share one copy of what ZeRO shards [1]; 0 = all of data parallelism. Fewer: hybrid
        sharding (HSDP), which gathers within the group and adds gradients up between groups.
    schedule : str, int or array
        "1f1b" (interleaved if ``interleave`` says so) or "zero_bubble" (ZB-H1).
    dtype : str
        Format of the matrix products: fp32, tf32, fp16, bf16, fp8, or a block format mxfp8, nvfp4.
    optimizer, offload_optimizer, offload_activations
        As in ``memory.training_footprint``.

    Raises
    ------
    ValueError
        For ways that are not whole and positive, and for unknown words.

    Examples
    --------
    >>> plan = Plan(tensor_parallel=8, pipeline_parallel=16, data_parallel=8, micro_batch=1)
    >>> plan.accelerators
    1024

    Taught in chapters 07 and 08.
    """

    data_parallel: Any = 1
    tensor_parallel: Any = 1
    sequence_parallel: Any = False
    pipeline_parallel: Any = 1
    interleave: Any = 1
    context_parallel: Any = 1
    expert_parallel: Any = 1
    micro_batch: Any = 1
    recomputation: Any = "none"
    zero_stage: Any = 0
    shard_group: Any = 0
    schedule: Any = "1f1b"
    dtype: str = "bf16"
    optimizer: Any = "adam"
    offload_optimizer: Any = False
    offload_activations: Any = False

    def __post_init__(self) -> None:
        require_whole(**{name: getattr(self, name) for name in _WAYS}, micro_batch=self.micro_batch)
        require_whole(minimum=0, shard_group=self.shard_group)
        require_choice(DTYPES, dtype=self.dtype)
        for name, words in (("recomputation", RECOMPUTATION), ("schedule", SCHEDULES),
                            ("zero_stage", ("0", "1", "2", "3"))):  # fmt: skip
            position(name, getattr(self, name), words)

    @property
    def accelerators(self) -> Any:
        """Accelerators that the plan takes."""
        return self.data_parallel * self.tensor_parallel * self.pipeline_parallel * self.context_parallel

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape that all fields broadcast to; () for one plan."""
        return np.broadcast_shapes(*[np.shape(getattr(self, f.name)) for f in dataclasses.fields(self)])

    def micro_batches(self, batch: Any) -> Any:
        """Micro-batches that each pipeline works through in a step of ``batch`` sequences."""
        return np.asarray(batch, dtype=float) / (np.asarray(self.data_parallel, dtype=float) * self.micro_batch)

    def splits(self) -> dict[str, Any]:
        """The fields that ``memory.splits`` judges."""
        return {name: getattr(self, name) for name in (*_WAYS, "sequence_parallel")}

    def valid(self, model: Transformer, accelerators: Any = None, batch: Any = None, sequence: Any = None) -> Any:
        """Whether the plan divides model, batch and cluster without rest: a mask over plans.

        Parameters
        ----------
        model : Transformer
        accelerators : float or array, optional
            Accelerators that the plan must use up, if given.
        batch : float or array, optional
            Sequences of a step, if given.
        sequence : float or array, optional
            Tokens of a sequence; the model's own if not given.

        Returns
        -------
        bool or array of bool
        """
        fields = self.splits()
        # Experts may be spread over the accelerators of tensor parallelism as well as those of data parallelism.
        fields["data_parallel"] = np.asarray(self.data_parallel) * np.asarray(self.tensor_parallel)
        ok = memory.splits(model, sequence=sequence, **fields)
        if accelerators is not None:
            ok = ok & (np.asarray(self.accelerators) == accelerators)
        if batch is not None:
            m = self.micro_batches(batch)
            # Interleaving hands micro-batches round in groups of as many as there are stages.
            rounds = (np.asarray(self.interleave) == 1) | (np.mod(m, self.pipeline_parallel) == 0)
            ok = ok & (np.mod(m, 1) == 0) & rounds
        group = np.where(np.asarray(self.shard_group) == 0, 1, self.shard_group)
        ok = ok & (np.mod(self.data_parallel, group) == 0)
        return ok if np.ndim(ok) else bool(ok)

    def check(self, model: Transformer, accelerators: Any = None, batch: Any = None, sequence: Any = None) -> None:
        """As ``valid``, but naming what is wrong with the first plan that does not fit.

        Raises
        ------
        ValueError
            Such as ``tensor_parallel=7 does not divide 96 attention heads``.
        """
        from dcserver.memory.plans import require_splits

        sequence = model.sequence if sequence is None else sequence
        require_positive(sequence=sequence)
        fields = self.splits()
        fields["data_parallel"] = np.asarray(self.data_parallel) * np.asarray(self.tensor_parallel)
        require_splits(model, sequence=sequence, **fields)
        if accelerators is not None:
            used, there = np.broadcast_arrays(np.asarray(self.accelerators), np.asarray(accelerators))
            if (used != there).any():
                bad = used != there
                raise ValueError(f"data x tensor x pipeline x context parallel = {used[bad].flat[0]:g} accelerators, "
                                 f"but the cluster has {there[bad].flat[0]:g}")  # fmt: skip
        if batch is not None:
            require_divides("data_parallel x micro_batch", np.asarray(self.data_parallel) * self.micro_batch,
                            "sequences of the batch", batch)  # fmt: skip
            m = self.micro_batches(batch)
            rest = (np.asarray(self.interleave) > 1) & (np.mod(m, self.pipeline_parallel) != 0)
            if rest.any():
                raise ValueError("interleave > 1 needs micro-batches that pipeline_parallel divides; there are "
                                 f"{np.broadcast_to(m, rest.shape)[rest].flat[0]:g}")  # fmt: skip
        group = np.where(np.asarray(self.shard_group) == 0, 1, self.shard_group)
        require_divides("shard_group", group, "accelerators of data parallelism", self.data_parallel)

    def __getitem__(self, index: Any) -> Plan:
        """The plans at an index."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        arrays = {k: np.broadcast_to(v, self.shape)[index] for k, v in values.items() if np.ndim(v)}
        return dataclasses.replace(self, **{k: plain(v) for k, v in arrays.items()})

    def __str__(self) -> str:
        if self.shape:
            return f"{int(np.prod(self.shape)):,} plans"
        words = [f"{getattr(self, name):g} {name.replace('_parallel', '')}" for name in _WAYS
                 if getattr(self, name) > 1 or name == "data_parallel"]  # fmt: skip
        how = RECOMPUTATION[int(position("recomputation", self.recomputation, RECOMPUTATION))]
        words.append(f"micro-batch {self.micro_batch:g}")
        if self.sequence_parallel:
            words.append("sequence parallel")
        if int(self.zero_stage):
            words.append(
                f"ZeRO-{int(self.zero_stage)}" + (f" in groups of {self.shard_group:g}" if self.shard_group else "")
            )
        words += [self.dtype, "no recomputation" if how == "none" else f"{how} recomputation"]
        if int(position("schedule", self.schedule, SCHEDULES)):
            words.append("zero-bubble schedule")
        return f"{self.accelerators:g} accelerators: " + ", ".join(words)


def position(name: str, value: Any, allowed: tuple[str, ...]) -> np.ndarray:
    """Positions of words among those allowed; whole numbers count as positions."""
    return memory.footprint.index_of(name, value, allowed)
