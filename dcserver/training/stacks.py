"""The age of the software as an input: what a framework makes of the same machine. Taught in chapter 07."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.checks import require_choice


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A software stack by a few physical constants; fields may hold arrays.

    Taught in chapter 07.

    Attributes
    ----------
    name : str
        What it is called.
    matmul_share : 1
        Share of the speed of a matrix product alone that it has within a training step.
    passes : 1
        Time of byte-moving operators over that of each reading its inputs and writing its results once; fusion brings
        it below 1.
    fused_attention : 0 or 1
        1 if one kernel computes attention and never writes the matrix of scores.
    attention_share : 1
        What the fused kernel reaches of the share that is usual for the generation of accelerator.
    causal_skip : 0 or 1
        1 if the kernel skips the half of the scores that causality masks.
    dropout : 0 or 1
        1 if dropout is in use.
    tensor_overlap, data_overlap, expert_overlap : 1
        Share of that traffic that arithmetic hides.
    transfer_overlap : 1
        Share of pipeline transfers that arithmetic hides.
    host_latency : s
        Of the host for each kernel; counts where kernels are shorter.
    layer_latency : s
        A layer and micro-batch in which the device waits for the host.
    accumulation_bytes : B
        Moved for each weight and micro-batch to add up its gradient.
    optimizer_passes : 1
        Time of the optimizer over reading and writing its states once.
    gradient_bytes : B
        Of a gradient when summed over data parallelism.
    jitter : 1
        Standard deviation of a rank's time, as a share of a step.
    """

    name: Any = ""
    matmul_share: Any = 0.95
    passes: Any = 1.0
    fused_attention: Any = 1.0
    attention_share: Any = 1.0
    causal_skip: Any = 1.0
    dropout: Any = 0.0
    tensor_overlap: Any = 0.0
    data_overlap: Any = 0.0
    expert_overlap: Any = 0.0
    transfer_overlap: Any = 0.0
    host_latency: Any = 5e-6
    layer_latency: Any = 0.0
    accumulation_bytes: Any = 8.0
    optimizer_passes: Any = 1.0
    gradient_bytes: Any = 4.0
    jitter: Any = 0.0

    def __str__(self) -> str:
        if np.ndim(self.name):
            return f"{np.size(self.name)} stacks"
        lines = [f"{self.name}"]
        for f in dataclasses.fields(self)[1:]:
            lines.append(f"  {f.name.replace('_', ' '):<18} {getattr(self, f.name):.4g}")
        return "\n".join(lines)


FIELDS = tuple(f.name for f in dataclasses.fields(Stack) if f.name != "name")
# Oldest first. What each means stands with its constants in constants/training.csv.
STACKS = ("Megatron 2020", "Megatron 2021", "Megatron 2022", "BLOOM 2022", "FSDP 2023", "Megatron 2024", "NeMo 2025")


def stack(name: str | Iterable[str] = "NeMo 2025", constants: Mapping[str, float] | None = None) -> Stack:
    """A named software stack, or one Stack whose fields are arrays over several.

    Parameters
    ----------
    name : str or sequence of str
        Of ``STACKS``.
    constants : mapping, optional
        Constants of the family "training"; ``field`` holds for all stacks, ``field NAME`` for one.

    Returns
    -------
    Stack

    Raises
    ------
    ValueError
        For a name that is not one of ``STACKS``.

    Notes
    -----
    Taught in chapter 07.

    >>> stack("Megatron 2021").fused_attention
    0.0
    """
    c = catalog.constants("training") if constants is None else constants
    if isinstance(name, str):
        require_choice(STACKS, stack=name)
        return Stack(name=name, **{f: float(c.get(f"{f} {name}", c[f])) for f in FIELDS})
    names = np.asarray(list(name), dtype=object)
    known = {n: stack(str(n), c) for n in dict.fromkeys(names)}
    return Stack(name=names, **{f: np.array([getattr(known[n], f) for n in names]) for f in FIELDS})
