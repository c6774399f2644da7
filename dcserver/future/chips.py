"""Dies that work, and what a package of several costs. Taught in chapter 16."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain
from dcserver.checks import require_between, require_choice, require_non_negative, require_positive, require_whole
from dcserver.units import format_money, format_percent

Constants = Mapping[str, float]
YIELD_MODELS = ("negative binomial", "Poisson", "Murphy")


def constants_of(constants: Constants | None) -> Constants:
    """The given constants, or the catalog's of the family "future"."""
    return catalog.constants("future") if constants is None else constants


def die_yield(area: Any, defect_density: Any = None, model: str = "negative binomial", clustering: Any = None,
              constants: Constants | None = None) -> Any:  # fmt: skip
    """Share of the dies that no fatal defect has hit.

    Parameters
    ----------
    area : float or array, m2
        Area of one die; 1 mm2 is 1e-6 m2.
    defect_density : float or array, 1/m2, optional
        Fatal defects for each area; 0.1 a square centimetre is 1,000. The catalog's for 5 nm if not given.
    model : str
        "Poisson" (defects fall independently), "Murphy" (their density varies over the wafer), or "negative binomial"
        (they come in clusters).
    clustering : float or array, optional
        Alpha of the negative binomial: the lower, the more they cluster; the catalog's if not given.
    constants : mapping, optional
        Constants of the family "future".

    Returns
    -------
    float or array
        1 for no area. Fails for chips that switch a hit part off and are sold all the same, as most accelerators are.

    Raises
    ------
    ValueError
        For a negative area or density, a clustering that is not positive, or an unknown model.

    Notes
    -----
    Equations, with x = area x density: exp(-x); ((1 - exp(-x)) / x)^2; (1 + x / alpha)^-alpha.
    Sources: Murphy 1964; Stapper 1973. Taught in chapter 16.

    >>> round(die_yield(1e-4, 1000, "Poisson"), 3)  # 1 cm2, 0.1 defects on it
    0.905
    """
    c = constants_of(constants)
    require_choice(YIELD_MODELS, model=model)
    density = c["defect_density"] if defect_density is None else defect_density
    alpha = c["defect_clustering"] if clustering is None else clustering
    require_non_negative(area=area, defect_density=density)
    require_positive(clustering=alpha)
    hits = np.asarray(area, dtype=float) * np.asarray(density, dtype=float)
    if model == "Poisson":
        return plain(np.exp(-hits))
    if model == "Murphy":
        some = np.where(hits > 0, hits, 1.0)
        return plain(np.where(hits > 0, (-np.expm1(-some) / some) ** 2, 1.0))
    alpha = np.asarray(alpha, dtype=float)
    return plain((1 + hits / alpha) ** -alpha)


def dies_per_wafer(area: Any, diameter: Any = None, constants: Constants | None = None) -> Any:
    """Whole dies that a round wafer holds.

    Parameters
    ----------
    area : float or array, m2
        Area of one die.
    diameter : float or array, m, optional
        Of the wafer; 300 mm if not given.
    constants : mapping, optional
        Constants of the family "future".

    Returns
    -------
    float or array
        A mean over shapes and shifts, so not whole; at least 0.

    Raises
    ------
    ValueError
        For an area or a diameter that is not positive.

    Notes
    -----
    Equation: pi (d / 2)^2 / A - pi d / sqrt(2 A); the second term is what the rim cuts off. Fails for dies nearly as
    large as the wafer, for lanes that the saw needs, and for the rim that is not printed. Taught in chapter 16.

    >>> round(dies_per_wafer(814e-6))  # as large as an H100
    63
    """
    d = constants_of(constants)["wafer_diameter"] if diameter is None else diameter
    require_positive(area=area, diameter=d)
    area, d = np.asarray(area, dtype=float), np.asarray(d, dtype=float)
    return plain(np.maximum(np.pi * (d / 2) ** 2 / area - np.pi * d / np.sqrt(2 * area), 0.0))


@dataclass(frozen=True)
class Package:
    """What one working package costs, USD, by cause; fields may hold arrays.

    Taught in chapter 16.

    Attributes
    ----------
    total : USD
        Sum of the next three.
    silicon, packaging, lost : USD
        Good dies; joining and testing them; packages that fail in assembly.
    die_area : m2
        Of one die.
    die_yield : 1
        Share of the dies without a fatal defect.
    good_share : 1
        Share of the packages that work.
    fits_reticle : bool
        Whether one exposure prints a die.
    """

    total: Any
    silicon: Any
    packaging: Any
    lost: Any
    die_area: Any
    die_yield: Any
    good_share: Any
    fits_reticle: Any

    @property
    def breakdown(self) -> dict[str, Any]:
        """Parts that sum to the total, USD."""
        return {"silicon": self.silicon, "packaging": self.packaging, "lost in assembly": self.lost}

    def __str__(self) -> str:
        if np.ndim(self.total):
            return f"{np.size(self.total)} packages, {np.min(self.total):,.0f} to {np.max(self.total):,.0f} USD"
        lines = [f"{name:16} {format_money(float(v)):>8}" for name, v in self.breakdown.items()]
        size = f"dies of {1e6 * self.die_area:.0f} mm2, {format_percent(float(self.die_yield))} of them good"
        beyond = "" if self.fits_reticle else ", larger than one exposure prints"
        return "\n".join([*lines, f"{'total':16} {format_money(float(self.total)):>8}  {size}{beyond}"])


def package(area: Any, dies: Any = 1, defect_density: Any = None, wafer_price: Any = None, bond_yield: Any = None,
            known_good: Any = True, model: str = "negative binomial", die_to_die_share: Any = None,
            constants: Constants | None = None) -> Package:  # fmt: skip
    """Cost of a package that carries so much logic, on one die or on several.

    Parameters
    ----------
    area : float or array, m2
        Logic in all, without what links dies to each other.
    dies : int or array
        Equal dies that it is cut into.
    defect_density : float or array, 1/m2, optional
        Fatal defects for each area.
    wafer_price : float or array, USD, optional
        Of a processed wafer.
    bond_yield : float or array, above 0 to 1, optional
        Probability that one die survives its way onto the package.
    known_good : bool or array
        Whether dies are tested before (known-good dies); otherwise bad ones are found when all are bonded.
    model : str
        Of ``die_yield``.
    die_to_die_share : float or array, optional
        Area added to each of several dies for their links, over their logic.
    constants : mapping, optional
        Constants of the family "future", for what is not given.

    Returns
    -------
    Package
        Cost and its parts. A die larger than one exposure prints is priced all the same; ``fits_reticle`` says so.

    Raises
    ------
    ValueError
        For areas or prices that are not positive, a yield outside 0 to 1, dies that are not whole, or dies of which a
        wafer holds none.

    Notes
    -----
    Equation: (dies x wafer price / (dies per wafer x yield) + packaging) / bond yield^dies. Without the test the yield
    moves from the first divisor to the second, to the power of the dies. Leaves out design, masks, memory stacks, dies
    sold with parts switched off, and what a link between dies costs in watts and time. Taught in chapter 16.
    """
    c = constants_of(constants)
    price = c["wafer_price"] if wafer_price is None else wafer_price
    bonded = c["bond_yield"] if bond_yield is None else bond_yield
    share = c["die_to_die_share"] if die_to_die_share is None else die_to_die_share
    require_positive(area=area, wafer_price=price, bond_yield=bonded)
    require_between(0, 1, bond_yield=bonded)
    require_non_negative(die_to_die_share=share)
    require_whole(dies=dies)
    n, logic = np.asarray(dies, dtype=float), np.asarray(area, dtype=float)
    die_area = logic / n * np.where(n > 1, 1 + np.asarray(share, dtype=float), 1.0)
    per_wafer = np.asarray(dies_per_wafer(die_area, constants=c))
    if np.any(per_wafer < 1):
        raise ValueError(f"area={float(np.max(die_area)):.3g} m2 a die: a wafer holds not one of that size")
    good = np.asarray(die_yield(die_area, defect_density, model, constants=c))
    tested = np.asarray(known_good, dtype=bool)
    silicon = n * np.asarray(price, dtype=float) / (per_wafer * np.where(tested, good, 1.0))
    packaging = c["packaging_per_area"] * n * die_area + c["bonding_price"] * n
    works = np.asarray(bonded, dtype=float) ** n * np.where(tested, 1.0, good**n)
    total = (silicon + packaging) / works
    fields = np.broadcast_arrays(total, silicon, packaging, total - silicon - packaging, die_area, good, works,
                                 die_area <= c["reticle_area"])  # fmt: skip
    return Package(*(plain(f) for f in fields))


def stacked_bandwidth(stacks: Any, pins: Any = 1024, bit_rate: Any = 6.4e9) -> Any:
    """Bandwidth of memory that stands in stacks beside the processor, B/s.

    Parameters
    ----------
    stacks, pins : int or array
        Stacks on the package, and data pins of each: 1,024 up to HBM3e, 2,048 from HBM4.
    bit_rate : float or array, bit/s
        Of one pin.

    Returns
    -------
    float or array
        ``stacks x pins x bit_rate / 8``: the data sheet's peak. The process in which the *processor* is made is not in
        it. Taught in chapter 16.

    Raises
    ------
    ValueError
        For counts that are not whole or a rate that is not positive.

    Examples
    --------
    >>> stacked_bandwidth(4, 1024, 1.4e9) / 1e9  # a P100 of 2016
    716.8
    """
    require_whole(stacks=stacks, pins=pins)
    require_positive(bit_rate=bit_rate)
    return plain(np.asarray(stacks, dtype=float) * pins * np.asarray(bit_rate, dtype=float) / 8)
