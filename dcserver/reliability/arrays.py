"""Small numerical helpers of this part: log factorials, and quantiles of the normal distribution."""

from __future__ import annotations

from functools import cache
from statistics import NormalDist
from typing import Any

import numpy as np


def log_factorials(most: int) -> np.ndarray:
    """ln 0!, ln 1!, ... ln most!."""
    return np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, most + 1)))])


def power_log(count: Any, share: Any) -> Any:
    """count x ln(share), with 0 x ln 0 = 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.asarray(count) == 0, 0.0, count * np.log(share))


@cache
def _normal_table() -> tuple[np.ndarray, np.ndarray]:
    # Even in the logit, where the quantile is nearly straight: linear between 4,001 points is good to six digits.
    logit = np.linspace(-30, 30, 4001)
    return logit, np.array([NormalDist().inv_cdf(1 / (1 + np.exp(-x))) if x < 0 else 0.0 for x in logit])


def normal_quantile(share: Any) -> Any:
    """Value of a standard normal that so large a share stays below; arrays allowed, 1e-13 to 1 - 1e-13."""
    share = np.asarray(share, dtype=float)
    lower = np.minimum(share, 1 - share)
    logit, value = _normal_table()
    answer = np.interp(np.log(lower) - np.log1p(-lower), logit, value)
    return np.where(share > 0.5, -answer, answer)
