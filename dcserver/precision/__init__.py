"""How few bits are enough? Number formats, what rounding costs, how training survives it, and what it saves.

Taught in chapter 03.
"""

from dcserver.precision.errors import (
    float_noise_ratio,
    integer_noise_ratio,
    normal_peak,
    stagnation_length,
    sum_error,
    sum_error_bound,
)
from dcserver.precision.formats import numbers, relative_error_bound, step
from dcserver.precision.gains import LayerTime, arithmetic_format, element_gain, layer_gain, layer_time
from dcserver.precision.keeping import Kept, QuantizedLayer, gradient_magnitudes, kept, quantized_layer
from dcserver.precision.loss_scaling import ScaleHistory, Survival, dynamic_loss_scale, loss_scale_for, survival
from dcserver.precision.network import RECIPES, Recipe, Training, compare, train
from dcserver.precision.rounding import cast
from dcserver.precision.scaling import SCALINGS, Quantized, quantize, signal_to_noise
from dcserver.precision.sums import pairwise_sum, running_sum

__all__ = [
    "RECIPES",
    "SCALINGS",
    "Kept",
    "LayerTime",
    "Quantized",
    "QuantizedLayer",
    "Recipe",
    "ScaleHistory",
    "Survival",
    "Training",
    "arithmetic_format",
    "cast",
    "compare",
    "dynamic_loss_scale",
    "element_gain",
    "float_noise_ratio",
    "gradient_magnitudes",
    "integer_noise_ratio",
    "kept",
    "layer_gain",
    "layer_time",
    "loss_scale_for",
    "normal_peak",
    "numbers",
    "pairwise_sum",
    "quantize",
    "quantized_layer",
    "relative_error_bound",
    "running_sum",
    "signal_to_noise",
    "stagnation_length",
    "step",
    "sum_error",
    "sum_error_bound",
    "survival",
    "train",
]
