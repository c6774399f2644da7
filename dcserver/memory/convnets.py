"""Will the training of a convolutional network fit? Taught in chapter 04."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.catalog.fields import described
from dcserver.checks import require_positive, require_whole
from dcserver.memory.activations import element_bytes
from dcserver.memory.footprint import Footprint, capacity, part, shaped
from dcserver.memory.training import state_bytes


@described
@dataclass(frozen=True)
class ConvNetFootprint(Footprint):
    """Bytes on one accelerator during training of a convolutional network.

    Taught in chapter 04.
    """

    weights: Any = part("parameters")
    gradients: Any = part("one for each parameter")
    optimizer: Any = part("master copy and momentum")
    activations: Any = part("kept by every operator for the backward pass")
    inputs: Any = part("the batch, and the next one on its way")
    fragmentation: Any = part("what the allocator reserves beyond what is used")
    overhead: Any = part("driver context, libraries, communication buffers")


def convnet_footprint(model: catalog.ConvNet, *, batch: Any, dtype: Any = "fp16", optimizer: Any = "sgd_momentum",
                      data_parallel: Any = 1, constants: Mapping[str, float] | None = None) -> ConvNetFootprint:  # fmt: skip
    """Memory of one accelerator while a convolutional network is trained.

    Parameters
    ----------
    model : ConvNet
        Its parameters, and the numbers that one sample leaves for the backward pass.
    batch : float or array
        Samples on one accelerator [1].
    dtype, optimizer : str, int or array
        One of TRAINING_DTYPES, OPTIMIZERS.
    data_parallel : float or array
        Accelerators that train together [1]: more than one keep communication buffers.
    constants : mapping, optional
        The family ``training_memory``.

    Returns
    -------
    ConvNetFootprint
        Parts in bytes; activations = batch x activation_elements x bytes of an element. The states are small
        beside the activations: the opposite of a language model. Fails for frameworks that fuse normalisation
        and activation, or work in place: they keep about half. Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``parameters``, ``activation_elements`` or ``input_elements`` not above 0; ``batch`` or ``data_parallel``
        not whole or below 1.
    """
    c = catalog.constants("training_memory") if constants is None else constants
    require_positive(parameters=model.published_parameters, activation_elements=model.activation_elements,
                     input_elements=model.input_elements)  # fmt: skip
    require_whole(batch=batch, data_parallel=data_parallel)
    batch = np.asarray(batch, dtype=float)
    per = state_bytes(dtype, optimizer)
    element = element_bytes(dtype)
    states = {"weights": model.published_parameters * per.weights, "gradients": model.published_parameters * per.gradients,
              "optimizer": model.published_parameters * per.optimizer}  # fmt: skip
    activations = batch * model.activation_elements * element
    inputs = 2 * batch * model.input_elements * element
    fragmentation = (c["activation_fragmentation"] * (activations + inputs)
                     + c["state_fragmentation"] * sum(states.values()))  # fmt: skip
    overhead = c["context_bytes"] + c["buffer_bytes"] * (np.asarray(data_parallel) > 1)
    return ConvNetFootprint(**shaped(states | {"activations": activations, "inputs": inputs,
                                               "fragmentation": fragmentation, "overhead": overhead}))  # fmt: skip


def convnet_max_batch(model: catalog.ConvNet, accelerator: catalog.Accelerator, **plan: Any) -> Any:
    """Most samples that one accelerator has room for; 0 if not even one.

    Parameters
    ----------
    model, accelerator : ConvNet, Accelerator
        Both may hold arrays.
    **plan
        As for ``convnet_footprint``, without ``batch``.

    Returns
    -------
    float or array
        floor((capacity - what no sample changes) / bytes of a sample). Taught in chapter 04.
    """
    one, two = convnet_footprint(model, batch=1, **plan).total, convnet_footprint(model, batch=2, **plan).total
    found = np.maximum(np.floor((capacity(accelerator, plan.get("constants")) - (2 * one - two)) / (two - one)), 0.0)
    return plain_float(found)
