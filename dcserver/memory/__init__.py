"""Will it fit, and how fast is each tier? Footprints of training and serving, and the ladder of memories."""

from dcserver.memory.activations import RECOMPUTATION, TRAINING_DTYPES, LayerActivations, layer_activations
from dcserver.memory.convnets import ConvNetFootprint, convnet_footprint, convnet_max_batch
from dcserver.memory.footprint import Footprint, capacity, verdict
from dcserver.memory.plans import splits
from dcserver.memory.remedies import Remedy, explain, remedies
from dcserver.memory.serving import (
    WEIGHT_FORMATS,
    ServingFootprint,
    kv_bytes_per_token,
    max_batch,
    max_context,
    serving_footprint,
    weight_bytes_per_parameter,
)
from dcserver.memory.tiers import (
    Offload,
    offload_activations,
    offload_optimizer,
    requests_to_saturate,
    throughput,
    transfer_time,
)
from dcserver.memory.training import (
    GRADIENT_DTYPES,
    OPTIMIZERS,
    StateBytes,
    TrainingFootprint,
    state_bytes,
    training_footprint,
)

__all__ = [
    "GRADIENT_DTYPES",
    "OPTIMIZERS",
    "RECOMPUTATION",
    "TRAINING_DTYPES",
    "WEIGHT_FORMATS",
    "ConvNetFootprint",
    "Footprint",
    "LayerActivations",
    "Offload",
    "Remedy",
    "ServingFootprint",
    "StateBytes",
    "TrainingFootprint",
    "capacity",
    "convnet_footprint",
    "convnet_max_batch",
    "explain",
    "kv_bytes_per_token",
    "layer_activations",
    "max_batch",
    "max_context",
    "offload_activations",
    "offload_optimizer",
    "remedies",
    "requests_to_saturate",
    "serving_footprint",
    "splits",
    "state_bytes",
    "throughput",
    "training_footprint",
    "transfer_time",
    "verdict",
    "weight_bytes_per_parameter",
]
