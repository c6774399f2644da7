"""What others reached: published runs of applications, to hold the models against. Taught in chapter 15."""

from __future__ import annotations

from dcserver.catalog.tables import rows_of
from dcserver.checks import require_choice


def runs(application: str) -> list[dict[str, str]]:
    """Published runs of an application, as text, each with its source.

    Parameters
    ----------
    application : str
        "climate", "climate energy", "protein structure", "genome", "screening" or "polar decoding".

    Returns
    -------
    list of dict
        Rows of ``catalog/data/application_runs.csv``.

    Raises
    ------
    ValueError
        For an application of which the catalog has no run.

    Notes
    -----
    Taught in chapter 15.

    >>> len(runs("climate"))
    5
    """
    found = rows_of("data", "application_runs")
    require_choice(dict.fromkeys(row["application"] for row in found), application=application)
    return [row for row in found if row["application"] == application]
