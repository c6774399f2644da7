"""Verdicts on the documents' claims: one, or a table of those that match."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

import numpy as np

from dcserver.checks import require_choice
from dcserver.claims import machines, money, systems  # noqa: F401  (they register what they recompute)
from dcserver.claims.evidence import RECOMPUTED, Evidence
from dcserver.claims.records import Claim, records
from dcserver.claims.rule import VERDICTS, agrees, judge, times_off


@dataclass(frozen=True)
class Finding:
    """A claim, what it was held against, and the verdict that follows; prints as a short table.

    Taught in chapter 17.

    Attributes
    ----------
    claim : Claim
        What is stated.
    evidence : Evidence
        What it was held against.
    verdict : str
        What follows.
    """

    claim: Claim
    evidence: Evidence
    verdict: str

    @property
    def times_off(self) -> float:
        """Stated over found, by the nearest value that the plain words come to; NaN if there is none above zero."""
        return self._nearest(self.evidence.found)

    @property
    def times_off_at_best(self) -> float:
        """The same, with the conditions that the document does not name."""
        return self._nearest((*self.evidence.found, *self.evidence.conditional))

    def _nearest(self, values: Iterable[float]) -> float:
        above = np.array([v for v in values if v > 0])
        if not above.size or math.isnan(self.claim.low) or self.claim.high == 0:
            return math.nan
        inside = agrees(self.claim.low, self.claim.high, above, 0)
        if np.any(inside):
            return 1.0
        off = np.ravel(times_off(self.claim.low, self.claim.high, above))
        return float(off[np.argmin(np.abs(np.log(np.maximum(off, 1e-300))))])

    @property
    def found(self) -> str:
        """What was found, in words: a value, the range of several, or what holds under a condition."""
        values = sorted(self.evidence.found)
        if values:
            low, high = (self.claim.show(v) for v in (values[0], values[-1]))
            number, _, unit = low.partition(" ")
            short = number if unit and high.endswith(f" {unit}") else low
            return low if low == high else f"{short} to {high}"
        held = [f"{name}: {self.claim.show(v)}" for name, vs in self.evidence.conditions.items() for v in vs]
        return "; ".join(held) or "nothing to hold it against"

    @property
    def condition(self) -> str:
        """The first condition under which it would hold, with its value; empty if there is none."""
        for name, values in self.evidence.conditions.items():
            for value in values:
                if agrees(self.claim.low, self.claim.high, value, self.claim.tolerance):
                    return f"{name}: {self.claim.show(value)}"
        return ""

    def __str__(self) -> str:
        lines = [
            f"{self.claim.id}  {self.claim.claim}",
            f"  stated   {self.claim.stated}",
            f"  found    {self.found}",
        ]
        if self.evidence.found and self.condition:
            lines.append(f"  only if  {self.condition}")
        lines += [
            f"  verdict  {self.verdict}",
            f"  why      {self.claim.why}",
            f"  source   {self.claim.source} ({self.claim.source_address}; {self.claim.confidence})",
            f"  chapter  {', '.join(self.claim.chapters)}",
        ]
        return "\n".join(lines)


class Findings(tuple[Finding, ...]):
    """Several findings, in the documents' order.

    Taught in chapter 17.
    """

    __slots__ = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many have each verdict."""
        return {word: sum(f.verdict == word for f in self) for word in VERDICTS}

    @property
    def rows(self) -> list[tuple[str, ...]]:
        """A head and one row a claim: id, claim, stated, found, verdict, why, chapter."""
        head = ("row", "claim", "stated", "found", "verdict", "why", "chapter")
        return [head, *((f.claim.id, f.claim.claim, f.claim.stated, f.found, f.verdict, f.claim.why,
                         f.claim.chapters[0]) for f in self)]  # fmt: skip

    def __str__(self) -> str:
        lines = [f"{f.claim.id}  {f.verdict:15}  {f.claim.claim}: {f.claim.stated} (found: {f.found})" for f in self]
        counts = ", ".join(f"{n} {word}" for word, n in self.counts.items() if n)
        return "\n".join([*lines, f"{len(self)} claims: {counts}" if self else "no claim"])


def _known(claim: str) -> Claim:
    found = records()
    asked = str(claim).strip().upper()
    if asked in found:
        return found[asked]
    nearest = difflib.get_close_matches(asked, found, n=3, cutoff=0) or list(found)[:3]
    raise ValueError(f"unknown claim {claim!r}; the nearest are {', '.join(nearest)}")


@cache
def _evidence(claim: str) -> Evidence:
    record = records()[claim]
    computed = RECOMPUTED[claim]() if claim in RECOMPUTED else Evidence()
    return Evidence((*computed.found, *record.references), {**computed.conditions, **record.conditions})


def recompute(claim: str) -> Evidence:
    """What the models and the catalog say on a claim, worked out anew, in SI.

    Parameters
    ----------
    claim : str
        Its id, such as "D2-25".

    Returns
    -------
    Evidence
        ``found`` for the plain words, ``conditions`` for readings that the document does not name.

    Raises
    ------
    ValueError
        For an unknown id (the nearest are listed), or a claim that published figures alone decide, or nothing.
        Taught in chapter 17.

    Examples
    --------
    >>> recompute("D0-01").found
    (67000000000000.0,)
    """
    record = _known(claim)
    if record.id not in RECOMPUTED:
        known = "published figures decide it" if record.references else "nothing decides it"
        raise ValueError(f"{record.id} has no model: {known}; see verdict({record.id!r})")
    return RECOMPUTED[record.id]()


@cache
def _finding(claim: str) -> Finding:
    record, evidence = records()[claim], _evidence(claim)
    word = judge(record.low, record.high, evidence.found, evidence.conditional, record.tolerance, record.bar)
    return Finding(record, evidence, word)


def verdict(claim: str) -> Finding:
    """The verdict on a claim, with what it was held against, why, and the source.

    Parameters
    ----------
    claim : str
        Its id, such as "D0-13".

    Returns
    -------
    Finding
        Its ``verdict`` follows by ``judge`` from the stated range and from what is found: what ``recompute`` gives
        and the published figures of the row.

    Raises
    ------
    ValueError
        For an unknown id; the nearest are listed. Taught in chapter 17.
    """
    return _finding(_known(claim).id)


def table(document: str | None = None, topic: str | None = None, verdict: str | None = None,
          chapter: str | None = None) -> Findings:  # fmt: skip
    """The findings that match, all of them if nothing is asked for.

    Parameters
    ----------
    document, topic, verdict, chapter : str, optional
        "D0" to "D4"; a topic of the claims; one of ``VERDICTS``; a chapter's number such as "04".

    Returns
    -------
    Findings

    Raises
    ------
    ValueError
        For a word that no claim has. Taught in chapter 17.

    Examples
    --------
    >>> len(table()), table(document="D4", verdict="misleading")[0].claim.id
    (89, 'D4-07')
    """
    known = records().values()
    if document is not None:
        require_choice(sorted({c.document for c in known}), document=document)
    if topic is not None:
        require_choice(sorted({c.topic for c in known}), topic=topic)
    if verdict is not None:
        require_choice(VERDICTS, verdict=verdict)
    if chapter is not None:
        require_choice(sorted({n for c in known for n in c.chapters}), chapter=chapter)
    asked = [c for c in known if document in (None, c.document) and topic in (None, c.topic)
             and (chapter is None or chapter in c.chapters)]  # fmt: skip
    found = (_finding(c.id) for c in asked)
    return Findings(f for f in found if verdict in (None, f.verdict))
