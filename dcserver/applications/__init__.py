"""What is it for? Bytes, FLOP and deadline of an application: what limits it, how many machines, what they draw. Taught in chapter 15."""

from dcserver.applications.climate import Climate, card_power, cell_work, climate, time_step
from dcserver.applications.imaging import patch, predictive_value, screening, tiles, trivial_accuracy
from dcserver.applications.signals import coded_rate, fold_flops, mimo_flops, raw_rate
from dcserver.applications.sizing import RESOURCES, Sizing, demand, device_supply, size, supply

__all__ = [
    "RESOURCES",
    "Climate",
    "Sizing",
    "card_power",
    "cell_work",
    "climate",
    "coded_rate",
    "demand",
    "device_supply",
    "fold_flops",
    "mimo_flops",
    "patch",
    "predictive_value",
    "raw_rate",
    "screening",
    "size",
    "supply",
    "tiles",
    "time_step",
    "trivial_accuracy",
]
