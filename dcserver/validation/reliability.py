"""Interruptions, times to failure and useful shares of time, from a few rates for each accelerator and hour.

All given rows are of one job. The rates are counts over exposure (the likeliest ones for Poisson events), kinds of cause
of one class sharing a rate. Totals, times, shares and the useful time are predicted from them and take no part in the fit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import numpy as np

from dcserver import catalog
from dcserver.catalog.tables import rows_of
from dcserver.reliability import best_interval, cause_rate, failure_rates, goodput, time_to_failure
from dcserver.units import day, hour, minute, year
from dcserver.validation.score import Comparison, Constants, Row, number

Predictor = Callable[[Constants], float]
# What a cause's name holds, and the constant that stands for its kind; the first that fits.
CAUSES: list[tuple[str, str]] = [
    (r"silent|corrupt|\bsdc\b|thermal|overheat", "gpu_rare"),
    (r"nvlink|nvswitch", "gpu_fault"),  # as the counted table has it
    (r"sram|system processor|\bgsp\b", "gpu_logic"),
    (r"hbm|gpu.*memory|memory.*gpu|\becc\b|row remap", "gpu_memory"),
    (r"maintenance", "host_maintenance"),
    (r"\bnics?\b|network (card|adapter|interface)|\bssds?\b|\bnvme\b|\bdrives?\b|\bdisks?\b|power supply|\bpsu\b|chassis|\bi/?o\b|"
     r"\bcpus?\b|system memory|host memory|\bdimms?\b|\bdram\b|main ?board|motherboard", "host_part"),
    (r"storage|file ?system|mount|\bpower\b|cooling|\bfans?\b|\bnode\b|\bhost\b|\bserver\b", "host_part"),
    (r"watchdog|hang|timeout|dependency|library|kubernetes|scheduler|container|data ?loader|loss spike", "software_rare"),
    (r"switch|cable|network|fabric|infiniband|\bib\b|\broce\b|link|optic|transceiver", "network"),
    (r"software|\bbug|driver|framework|\bcode\b|out of memory|\boom\b|script|config", "software_bug"),
    (r"\bgpus?\b|accelerator|\btpus?\b|\bxid\b|\bcuda\b", "gpu_fault"),
]  # fmt: skip
# A rate for so many: of a hundred, a thousand, a million.
_PER_SO_MANY = ((r"%", 100.0), (r"1[, ]?000|thousand|1e3", 1000.0), (r"million|1e6", 1e6))
SHARES = {"hardware": ("GPU", "GPU memory", "network"), "gpu": ("GPU", "GPU memory"), "software": ("software",),
          "network": ("network",), "host": ("host",)}  # fmt: skip
_TIMES = [(r"\b(s|sec|seconds?)\b", 1.0), (r"\b(min|minutes?)\b", minute), (r"\b(h|hr|hours?)\b", hour),
          (r"\b(d|days?)\b", day), (r"\b(y|yr|years?)\b", year)]  # fmt: skip
NO_MODEL = {
    "checkpoint": "a specification or a formula, not a measurement",
    "throughput_variation": "a range from the weather; no model of a chip's temperature",
}


def unit_of_time(text: str) -> float | None:
    """Seconds in the unit of time that a text names, or None."""
    found = [seconds for pattern, seconds in _TIMES if re.search(pattern, text.lower().replace("_", " "))]
    return found[0] if len(found) == 1 else None


def constant_of(cause: str) -> str | None:
    """The constant that stands for a cause of an interruption."""
    words = cause.lower().replace("_", " ")
    return next((name for pattern, name in CAUSES if re.search(pattern, words)), None)


def _hardware(rates: dict[str, float], n: float, c: Constants) -> float:
    """Rate of causes in hardware: without software, and without maintenance, whose cause nobody stated."""
    return sum(v for k, v in rates.items() if k != "software") - float(cause_rate("host_maintenance", n, c))


def _class_rate(words: str, n: float, c: Constants) -> float | None:
    """Rate of the class that a metric names: the part of all interruptions that it speaks of."""
    rates = failure_rates(n, c)
    if "hardware" in words:
        return _hardware(rates, n, c)
    for key, classes in SHARES.items():
        if re.search(rf"\b{key}s?\b", words):
            return sum(rates[name] for name in classes)
    return None


def _stated(row: Row, what: str) -> float | None:
    """A time in words behind "checkpoint" or "restart" in the row's notes or metric, s."""
    text = f"{row.get('metric') or ''} {row.get('notes') or ''}".lower().replace("_", " ")
    found = re.search(rf"{what}[a-z ,:=]{{0,30}}?(\d+(?:\.\d+)?) ?-?(s|sec|seconds|min|minutes|h|hours)\b", text)
    if not found or not float(found.group(1)) > 0:
        return None
    return float(found.group(1)) * float(unit_of_time(found.group(2)) or 1.0)


def _useful_time(row: Row, n: float) -> Predictor:
    interval, restart, write = (_stated(row, w) for w in ("checkpoint(?:s|ing)? (?:interval|every)", "restart",
                                                          "checkpoint (?:write|cost|overhead)"))  # fmt: skip

    def predict(c: Constants) -> float:
        mean, w = time_to_failure(n, c), write or c["checkpoint_write"]
        tau = interval or best_interval(w, mean)
        return max(goodput(tau, w, restart or c["restart"], mean).useful, 1e-9)

    return predict


def _interruptions(metric: str, unit: str, n: float, days: float) -> Predictor | str:
    words = metric.lower().replace("_", " ")
    share = unit in {"1", "%"} or "fraction" in words or "share" in words
    if share:
        if _class_rate(words, 8.0, catalog.constants("reliability")) is None:
            return "a share of causes that the model does not tell apart"
        percent = 100.0 if unit == "%" else 1.0
        return lambda c: percent * (_class_rate(words, n, c) or 0.0) * time_to_failure(n, c)
    if not days > 0:
        return "no period stated"
    if "manual" in words:
        return lambda c: c["manual_share"] * days * day / time_to_failure(n, c)
    planned = re.search(r"\bplanned", words) is not None
    if planned:
        return lambda c: c["planned"] * days
    if "total" in words or words.strip() in {"interruptions", "job interruptions"}:
        return lambda c: c["planned"] * days + days * day / time_to_failure(n, c)
    if re.search(r"interrupt|failure|restart|fault|crash|event", words):
        return lambda c: (_class_rate(words, n, c) or 1 / time_to_failure(n, c)) * days * day
    return "no model for this count"


def _failure_rate(metric: str, unit: str, n: float) -> Predictor | str:
    words = f"{metric} {unit}".lower().replace("_", " ")
    words = re.sub(r"\bannual\w*|\bafr\b|per annum", "year", words)
    per = unit_of_time(re.sub(r"[^a-z ]", " ", re.sub(r"(day|hour|year)s?", r" \1 ", words)))
    if per is None:
        return "a rate in a unit that is not understood"
    many = next((size for pattern, size in _PER_SO_MANY if re.search(pattern, f"{words} {unit}")), 1.0)
    node = re.search(r"node|server|host|machine", words)
    device = re.search(r"gpu|accelerator|chip|device|card|tpu", words)
    if not node and not device:
        return lambda c: many * per / time_to_failure(n, c)
    return lambda c: many * per / time_to_failure(n, c) / n * (c["accelerators_per_node"] if node else 1.0)


def _predictor(row: Row) -> tuple[Predictor, str] | str:
    """How to predict a row, and its family; or why not."""
    category, metric = (row.get("category") or "").strip().lower(), (row.get("metric") or "").strip()
    unit = (row.get("unit") or "").strip()
    n, days = number(row, "n_accelerators"), number(row, "period_days")
    if category in NO_MODEL:
        return NO_MODEL[category]
    if not number(row, "value") > 0:
        return "no usable value stated"
    if (row.get("kind") or "").strip().lower() in {"specification", "formula"}:
        return NO_MODEL["checkpoint"]
    if not 1 <= n <= 1e8:
        return "number of accelerators not stated"
    if category == "interruption_cause":
        name = constant_of(metric)
        if name is None:
            return "a cause that belongs to no class of the model"
        if unit in {"1", "%"}:
            percent = 100.0 if unit == "%" else 1.0
            return lambda c: percent * float(cause_rate(name, n, c)) * time_to_failure(n, c), "cause"
        if not days > 0:
            return "no period stated"
        return lambda c: float(cause_rate(name, n, c)) * days * day, "cause"
    if category == "interruptions":
        found = _interruptions(metric, unit, n, days)
        return found if isinstance(found, str) else (found, "total")
    if category == "failure_rate":
        found = _failure_rate(metric, unit, n)
        return found if isinstance(found, str) else (found, "total")
    if category == "mttf":
        per = unit_of_time(unit) or unit_of_time(metric)
        if per is None:
            return "a time in a unit that is not understood"
        size = 1.0 if re.search(r"per_(gpu|accelerator|chip)", metric.lower()) else n
        return lambda c: time_to_failure(size, c) / per, "total"
    if category in {"ettr", "goodput"}:
        if unit not in {"1", "%", ""}:
            return "a share in a unit that is not understood"
        share = _useful_time(row, n)
        return (lambda c: 100 * share(c)) if unit == "%" else share, "total"
    return "no model for this figure"


def compare(rows: Sequence[Row]) -> Comparison:
    """Counts by cause, totals, times between interruptions, rates, and useful shares of time."""
    index, quantity, groups, families, measured = [], [], [], [], []
    predictors: list[Predictor] = []
    uncovered: dict[int, str] = {}
    fitted = {row["study"] for row in catalog.measurements("reliability")}
    for i, row in enumerate(rows):
        found = _predictor(row)
        if isinstance(found, str):
            uncovered[i] = found
            continue
        predictor, family = found
        if not 1e-30 < predictor(catalog.constants("reliability")) < 1e30:
            uncovered[i] = "numbers beyond all measure"
            continue
        index.append(i)
        quantity.append((row.get("metric") or "").strip() or family)
        groups.append(f"{(row.get('study') or 'unnamed').strip()}: {family}")
        # Another job's totals are no better known than a cause of this one that was left out.
        families.append(f"reliability:{family if (row.get('study') or '').strip() in fitted else 'cause'}")
        measured.append(number(row, "value"))
        predictors.append(predictor)

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("reliability") if constants is None else constants
        return np.array([p(c) for p in predictors], dtype=float)

    return Comparison(index, quantity, groups, np.array(measured, dtype=float), predict, uncovered, families)


# What tools/calibrate.py needs: rates are counts over exposure, so no search is wanted.


def _counts(rows: Sequence[Row]) -> list[tuple[int, str, float, float]]:
    """(row, constant, events, accelerator hours or days at the reference size) of rows that rates are fitted on."""
    c, out = catalog.constants("reliability"), []
    for i, row in enumerate(rows):
        days, n, category = number(row, "period_days"), number(row, "n_accelerators"), row.get("category")
        if category == "interruption_cause" and (name := constant_of(row.get("metric") or "")):
            exposure = float(cause_rate(name, n, c)) / c[name] * days * day
            out.append((i, name, number(row, "value"), exposure))
        elif category == "interruptions" and row.get("metric") == "planned_interruptions":
            out.append((i, "planned", number(row, "value"), days))
        elif category == "interruptions" and row.get("metric") == "manual_interventions":
            unexpected = [number(r, "value") for r in rows if r.get("metric") == "unexpected_interruptions"]
            out.append((i, "manual_share", number(row, "value"), unexpected[0]))
    return [entry for entry in out if entry[2] > 0 and entry[3] > 0]


def fit(rows: Sequence[Row], without: int | None = None) -> dict[str, float]:
    """The likeliest constants for the rows: events over exposure, kinds of cause of one class taken together.

    ``without``: a row to leave out. A class of which it is the only row then has no rate: it is left out of the answer.
    """
    events: dict[str, float] = {}
    exposure: dict[str, float] = {}
    for i, name, count, over in _counts(rows):
        if i != without:
            events[name] = events.get(name, 0.0) + count
            exposure[name] = exposure.get(name, 0.0) + over
    bounds = {r["name"]: (float(r["low"]), float(r["high"])) for r in rows_of("constants", "reliability")}
    return {name: float(np.clip(events[name] / exposure[name], *bounds[name])) for name in events}


def left_out(rows: Sequence[Row]) -> dict[int, float]:
    """measured / predicted of what the rates did not see: causes left out one at a time, and rows that are no counts.

    Not in the answer: a cause that is alone in its class, for nothing else speaks of its rate; and totals that are sums of
    the same counts, for they agree whatever the model.
    """
    base = dict(catalog.constants("reliability")) | fit(rows)
    comparison = compare(rows)
    used = {i: name for i, name, _, _ in _counts(rows)}
    answer = {}
    for k, i in enumerate(comparison.rows):
        refit = fit(rows, without=i)
        alone = i in used and used[i] not in refit
        share = (rows[i].get("unit") or "") in {"1", "%"}
        if alone or (comparison.families and comparison.families[k].endswith("total") and not share):
            continue
        answer[k] = float(comparison.measured[k] / comparison.predict(base | refit)[k])
    return answer
