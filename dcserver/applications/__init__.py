"""What is it for? Bytes, FLOP and deadline of an application: what limits it, how many machines, what they draw. Taught in chapter 15."""

from dcserver.applications.climate import Climate, PublishedClimate, card_power, climate, published_climate, time_step
from dcserver.applications.imaging import patch, predictive_value, tiles, trivial_accuracy
from dcserver.applications.runs import runs
from dcserver.applications.signals import coded_rate, fold_flops, mimo_flops, raw_rate
from dcserver.applications.sizing import RESOURCES, Sizing, demand, size, supply

__all__ = [
    "RESOURCES",
    "Climate",
    "PublishedClimate",
    "Sizing",
    "card_power",
    "climate",
    "coded_rate",
    "demand",
    "fold_flops",
    "mimo_flops",
    "patch",
    "predictive_value",
    "published_climate",
    "raw_rate",
    "runs",
    "size",
    "supply",
    "tiles",
    "time_step",
    "trivial_accuracy",
]
