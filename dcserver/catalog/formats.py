"""Number formats as records: bits, exponent, mantissa, and the scales that some of them share.

Taught in chapter 03.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog.fields import Noun, described, fact, text


def power_of_two(exponent: Any) -> Any:
    """2 to a whole power, exactly on every machine, which ``2.0 ** array`` does not promise."""
    return np.ldexp(1.0, np.asarray(exponent).astype(np.intc))  # the one width that every platform knows


@described
@dataclass(frozen=True, kw_only=True)
class NumberFormat(Noun):
    """A way to write a number in bits; floating point, whole numbers (no exponent), or blocks that share a scale.

    Taught in chapter 03.
    """

    bits: float = fact("bits", "1", "of one number, sign included, without a share of any scale")
    exponent_bits: float = fact("exponent_bits", "1", "0 for whole numbers")
    mantissa_bits: float = fact("mantissa_bits", "1", "stored ones; the leading 1 of a normal number is implied")
    exponent_bias: float = fact("exponent_bias", "1", "subtracted from the stored exponent")
    largest: float = fact("largest", "1", "largest finite number, without any scale")
    infinities: float = fact("infinities", "1", "1 if it can say infinity")
    block_size: float = fact("block_size", "1", "numbers that share a scale; empty: none do")
    scale_bits: float = fact("scale_bits", "bit", "of the scale of a block")
    storage_bytes: float = fact("storage_bytes", "B", "bytes it takes in memory where that is more than its bits")
    element: str = text("element", "format of the numbers in a block")
    scale_format: str = text("scale_format", "format of a block's scale")

    @property
    def lowest_exponent(self) -> Any:
        """Power of two of the smallest normal number; below it the steps shrink no further.

        A whole number is a float that is subnormal throughout: its steps are 1 everywhere.
        """
        whole = np.asarray(self.exponent_bits) == 0
        return plain_float(np.where(whole, self.mantissa_bits, 1.0 - np.nan_to_num(self.exponent_bias)))

    @property
    def smallest_normal(self) -> Any:
        """Smallest number with all its digits; NaN for whole numbers, which have none such."""
        normal = power_of_two(self.lowest_exponent)
        return plain_float(np.where(np.asarray(self.exponent_bits) == 0, np.nan, normal))

    @property
    def smallest_subnormal(self) -> Any:
        """Smallest number above zero, and the step between numbers below the smallest normal one."""
        return plain_float(power_of_two(np.asarray(self.lowest_exponent) - self.mantissa_bits))

    @property
    def epsilon(self) -> Any:
        """Step from 1 to the next larger number."""
        return plain_float(power_of_two(np.maximum(0.0, self.lowest_exponent) - self.mantissa_bits))

    @property
    def decimal_digits(self) -> Any:
        """Decimal digits that a normal number carries: (mantissa bits + the implied one) x log10(2)."""
        implied = np.asarray(self.exponent_bits) > 0
        return plain_float((np.asarray(self.mantissa_bits) + implied) * np.log10(2.0))

    @property
    def bytes(self) -> Any:
        """Bytes of one number in memory, with its share of its block's scale."""
        own = np.where(np.isnan(self.storage_bytes), np.asarray(self.bits) / 8.0, self.storage_bytes)
        shared = np.nan_to_num(np.asarray(self.scale_bits) / np.asarray(self.block_size)) / 8.0
        return plain_float(own + shared)
