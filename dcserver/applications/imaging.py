"""Volumes too large for a card, and what an accuracy leaves out. Taught in chapter 15."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.catalog import ConvNet
from dcserver.catalog.tables import rows_of
from dcserver.checks import require_between, require_choice, require_positive, require_whole


def patch(network: ConvNet, edge: Any, reference: float = 128.0) -> ConvNet:
    """The same network on a cube of another edge.

    Parameters
    ----------
    network : ConvNet
        A network for volumes, counted for a cube of ``reference`` voxels along each edge.
    edge : float or array
        Voxels along an edge [1].
    reference : float
        For which the network's counts hold [1].

    Returns
    -------
    ConvNet
        FLOP, activations and inputs grow with (edge / reference)^3; parameters stay. True of networks whose every
        operator slides; fails below some 32 voxels, where the rim counts. Taught in chapter 15.

    Raises
    ------
    ValueError
        For ``edge`` or ``reference`` not above 0.
    """
    require_positive(edge=edge, reference=reference)
    grown = (np.asarray(edge, dtype=float) / reference) ** 3
    changes = {
        n: plain(getattr(network, n) * grown) for n in ("forward_flops", "activation_elements", "input_elements")
    }
    return dataclasses.replace(network, name=f"{network.name} on other cubes", **changes)


def tiles(volume: Any, edge: Any, overlap: Any = 0.5) -> Any:
    """Cubes that cover a volume when neighbours overlap.

    Parameters
    ----------
    volume, edge : float or array
        Voxels along an edge of the volume, and of a cube [1].
    overlap : float or array
        Share of an edge that neighbours have in common [1], below 1: rims are less certain than middles.

    Returns
    -------
    float or array
        (1 + ceil((volume - edge) / (edge (1 - overlap))))^3, and 1 where the volume fits. Taught in chapter 15.

    Raises
    ------
    ValueError
        For ``volume`` or ``edge`` not above 0; ``overlap`` outside 0 to 0.95.

    Examples
    --------
    >>> tiles(512, 128)
    343.0
    """
    require_positive(volume=volume, edge=edge)
    require_between(0, 0.95, overlap=overlap)
    stride = np.asarray(edge, dtype=float) * (1 - np.asarray(overlap, dtype=float))
    return plain((1 + np.ceil(np.maximum(np.asarray(volume) - np.asarray(edge), 0) / stride)) ** 3)


def predictive_value(sensitivity: Any, specificity: Any, prevalence: Any) -> Any:
    """Probability that someone with a positive result is ill (Bayes).

    Parameters
    ----------
    sensitivity, specificity : float or array
        Share of the ill who test positive, and of the healthy who test negative [1].
    prevalence : float or array
        Share of the ill among those tested [1].

    Returns
    -------
    float or array
        s p / (s p + (1 - c)(1 - p)) [1]; NaN if nobody tests positive. Assumes that the ill and the healthy look as they
        did where s and c were measured. Taught in chapter 15.

    Raises
    ------
    ValueError
        For ``sensitivity``, ``specificity`` or ``prevalence`` outside 0 to 1.

    Examples
    --------
    >>> round(predictive_value(0.95, 0.95, 0.01), 3)
    0.161
    """
    require_between(0, 1, sensitivity=sensitivity, specificity=specificity, prevalence=prevalence)
    s, c, p = (np.asarray(v, dtype=float) for v in (sensitivity, specificity, prevalence))
    found, false = s * p, (1 - c) * (1 - p)
    with np.errstate(invalid="ignore"):
        return plain(found / (found + false))


def screening(trial: str = "NLST, second round") -> dict[str, float]:
    """What a screening trial found.

    Parameters
    ----------
    trial : str
        A trial and its round, of ``catalog/data/screening.csv``, where the sources stand.

    Returns
    -------
    dict
        Sensitivity, specificity, positive results (share of those screened), predictive value [1], by these names.

    Raises
    ------
    ValueError
        For a trial that the catalog does not know.

    Notes
    -----
    Taught in chapter 15.

    >>> screening()["sensitivity"]
    0.944
    """
    found: dict[str, dict[str, float]] = {}
    for row in rows_of("data", "screening"):
        found.setdefault(row["trial"], {})[row["what"]] = float(row["value"])
    require_choice(found, trial=trial)
    return found[trial]


def trivial_accuracy(positive: Any, cases: Any) -> Any:
    """Accuracy of saying "no" to every case: what any figure of accuracy must be held against.

    Parameters
    ----------
    positive, cases : int or array
        Cases that are positive, and all of them.

    Returns
    -------
    float or array

    Raises
    ------
    ValueError
        For counts that are not whole, or more positive cases than cases.

    Notes
    -----
    Equation: 1 - positive / cases. Taught in chapter 15.

    >>> round(trivial_accuracy(1186, 551_065), 4)  # nodules among the candidates of LUNA16
    0.9978
    """
    require_whole(0, positive=positive)
    require_whole(cases=cases)
    positive, cases = np.asarray(positive, dtype=float), np.asarray(cases, dtype=float)
    require_between(0, 1, share_of_positive_cases=positive / cases)
    return plain(1 - positive / cases)
