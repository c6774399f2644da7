"""The documents' figures and their verdicts, each recomputed where a model or the catalog decides.

No verdict is typed: it follows from what is stated and what is found by the rule of ``judge``.

>>> verdict("D0-13").verdict, table(document="D2", topic="energy").counts["right"]
('wrong', 2)
"""

from dcserver.claims.book import Finding, Findings, recompute, table, verdict
from dcserver.claims.evidence import Evidence
from dcserver.claims.records import Claim
from dcserver.claims.rule import SLIPS, VERDICTS, agrees, judge, suspects, times_off
from dcserver.claims.sheet import Sheet, practice_sheet

__all__ = [
    "SLIPS",
    "VERDICTS",
    "Claim",
    "Evidence",
    "Finding",
    "Findings",
    "Sheet",
    "agrees",
    "judge",
    "practice_sheet",
    "recompute",
    "suspects",
    "table",
    "times_off",
    "verdict",
]
