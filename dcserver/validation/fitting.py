"""Fitting a family's few constants to measurements, within bounds, and what the rows left out then say.

``constants/<family>.csv`` lists name, value, low, high, unit, fitted (1 or 0) and meaning. Only rows with
``fitted = 1`` move. The fit minimises a robust sum of squared log ratios, each group of rows weighing
with the square root of its size, so that one long table does not drown ten short ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from dcserver.catalog.tables import rows_of
from dcserver.validation.score import Comparison, Constants


def fit(family: str, comparisons: Sequence[Comparison], without: str | None = None,
        start: Constants | None = None, steps: int | None = None) -> dict[str, float]:  # fmt: skip
    """Constants of a family that fit the comparisons best, leaving one group of rows out if asked.

    Parameters
    ----------
    family : str
        Which constants move.
    comparisons : sequence of Comparison
        Measurements that these constants predict, jointly.
    without : str, optional
        A group to leave out.
    start : mapping, optional
        Where to start; the catalog's values if not given.
    steps : int, optional
        At most so many steps; until it converges if not given.

    Returns
    -------
    dict
        All constants of the family: fitted ones moved, the others as they stand.
    """
    from scipy.optimize import least_squares

    rows = rows_of("constants", family)
    base = {r["name"]: float(r["value"]) for r in rows} | dict(start or {})
    free = [r for r in rows if r["fitted"] == "1"]
    low = np.array([float(r["low"]) for r in free])
    high = np.array([float(r["high"]) for r in free])
    log = low > 0  # a positive constant moves by factors, any other by steps

    def encode(x: np.ndarray) -> np.ndarray:
        return np.where(log, np.log(np.where(log, x, 1.0)), x)

    def decode(z: np.ndarray) -> dict[str, float]:
        x = np.where(log, np.exp(np.where(log, z, 0.0)), z)
        return base | {r["name"]: float(v) for r, v in zip(free, np.clip(x, low, high), strict=True)}

    kept = [np.array([g != without for g in c.groups], dtype=bool) for c in comparisons]
    sizes: dict[str, int] = {}
    for c, keep in zip(comparisons, kept, strict=True):
        for g, k in zip(c.groups, keep, strict=True):
            sizes[g] = sizes.get(g, 0) + int(k)
    weights = [np.array([max(sizes[g], 1) ** -0.25 for g in c.groups]) for c in comparisons]

    def residuals(z: np.ndarray) -> np.ndarray:
        constants = decode(z)
        parts = [
            (np.log(np.asarray(c.predict(constants), dtype=float) / c.measured) * w)[keep]
            for c, keep, w in zip(comparisons, kept, weights, strict=True)
        ]
        return np.concatenate(parts)

    z_low, z_high = encode(low), encode(high)
    z0 = np.clip(encode(np.array([base[r["name"]] for r in free])), z_low + 1e-9, z_high - 1e-9)
    solution = least_squares(residuals, z0, bounds=(z_low, z_high), loss="soft_l1", f_scale=0.1,
                             diff_step=1e-4, x_scale=np.maximum(z_high - z_low, 1e-6), max_nfev=steps)  # fmt: skip
    return decode(solution.x)


def left_out_ratios(family: str, comparisons: Sequence[Comparison], start: Constants,
                    prior: Sequence[Comparison] = (), steps: int | None = None) -> list[np.ndarray]:  # fmt: skip
    """measured / predicted of every value, each group predicted by constants fitted without it.

    ``prior`` takes part in every fit and is not predicted: what holds constants that only the left-out group informs.
    Returns one array per comparison, aligned with it.
    """
    ratios = [np.full(len(c.measured), np.nan) for c in comparisons]
    for group in dict.fromkeys(g for c in comparisons for g in c.groups):
        constants = fit(family, [*comparisons, *prior], without=group, start=start, steps=steps)
        for ratio, c in zip(ratios, comparisons, strict=True):
            mask = np.array([g == group for g in c.groups], dtype=bool)
            if mask.any():
                ratio[mask] = (c.measured / np.asarray(c.predict(constants), dtype=float))[mask]
    return ratios
