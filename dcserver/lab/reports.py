"""A page to hand in: what a data centre on paper comes to, in words, tables and pictures, and a file of it if asked for."""

from __future__ import annotations

import html
from pathlib import Path
from typing import Any

from dcserver.centre import MONTH, Result, Score
from dcserver.lab import pictures, style
from dcserver.units import format_money, format_percent, format_power, format_time, significant

A4 = (8.27, 11.69)  # inches, upright
_PANELS = (("money", "Where the money goes", format_money), ("time", "Where the time goes", format_time),
           ("power", "Where the power goes, on a hot day", format_power))  # fmt: skip


class Report:
    """A page about one design: shows itself, and saves itself only when told to; made by ``report``."""

    def __init__(self, result: Result, name: str, score: Score | None, reason: str) -> None:
        self.result, self.name, self.score, self.reason = result, name, score, reason

    @property
    def title(self) -> str:
        """What is planned, and by whom."""
        task = self.result.task
        by = f", by {self.name}" if self.name else ""
        return f"A data centre for {task.model.name} on {significant(task.tokens / 1e12)} trillion tokens{by}"

    @property
    def verdict(self) -> str:
        """One sentence on the limits."""
        missed = [name for name, share in self.result.use.items() if share > 1]
        return "Every limit is kept." if not missed else f"Missed: {', '.join(missed)}."

    @property
    def sections(self) -> list[tuple[str, list[tuple[str, ...]]]]:
        """Tables by title, each with its head first."""
        r = self.result
        low, high = (significant(end / MONTH) for end in r.band)
        figures: list[tuple[str, ...]] = [
            ("figure", "value"),
            ("months", f"{significant(r.months)}; four of five such runs between {low} and {high}"),
            ("money that the run bears", format_money(r.dollars)),
            ("paid on the first day", format_money(r.purchase)),
            ("power at the meter, hot day", format_power(r.watts)),
            ("carbon, making included", f"{significant(r.carbon / 1000)} t CO2e"),
            ("share of the time that lasts", format_percent(r.goodput)),
            ("tokens a day", f"{significant(r.tokens_per_day / 1e9)} billion"),
            ("a step", f"{format_time(r.step)} at {format_percent(r.flops_utilization)} of peak"),
            ("plan", str(r.plan)),
        ]
        limits: list[tuple[str, ...]] = [("limit", "use"), *r.verdicts.items()]
        found: list[tuple[str, list[tuple[str, ...]]]] = [
            ("Design", [("choice", "what"), *r.design.describe()]),
            ("Limits", limits),
            ("Figures", figures),
        ]
        for part, words, shown in _PANELS:
            total = {"money": r.dollars, "time": r.seconds, "power": r.watts}[part]
            rows = [(name, shown(v), format_percent(v / total)) for name, v in r.parts[part].items() if v > 0]
            found.append((words, [("part", "amount", "share"), *rows]))
        if self.score is not None:
            found.append((f"Against the cheapest design known: {self.score}", self.score.rows))
        return [section for section in found if len(section[1]) > 1]

    @property
    def markdown(self) -> str:
        """The page without its picture, in Markdown."""
        lines = [f"# {self.title}", "", self.verdict, ""]
        if self.reason:
            lines += [self.reason, ""]
        for title, rows in self.sections:
            lines += [f"## {title}", "", "| " + " | ".join(rows[0]) + " |", "|" + " --- |" * len(rows[0])]
            lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows[1:]]
            lines.append("")
        return "\n".join(lines)

    @property
    def figure(self) -> Any:
        """A matplotlib figure, A4 upright: the design, its limits, and where money, time and power go."""
        return _figure(self)

    @property
    def alt(self) -> str:
        """The picture in words."""
        r = self.result
        ways = []
        for part, words, shown in _PANELS:
            name, most = max(r.parts[part].items(), key=lambda item: item[1])
            ways.append(f"{words}: most for {name}, {shown(most)}")
        return f"{self.title}. {self.verdict} {'. '.join(ways)}."

    @property
    def html(self) -> str:
        """The whole page, its picture inside: nothing is loaded from elsewhere."""
        width, height = (int(round(100 * v)) for v in A4)
        picture = style.image_html(pictures.Picture(self.figure, self.alt).png(), self.alt, width, height)
        tables = "".join(f"<h2>{html.escape(title)}</h2>{style.table_html(rows)}" for title, rows in self.sections)
        reason = f"<p>{html.escape(self.reason)}</p>" if self.reason else ""
        look = ("body{font-family:sans-serif;max-width:860px;margin:2em auto;color:#222}table{border-collapse:collapse}"
                "td,th{padding:.2em .8em .2em 0;vertical-align:top}img{max-width:100%;height:auto}"
                "@media print{img{page-break-after:always}}")  # fmt: skip
        return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{html.escape(self.title)}</title>'
                f"<style>{look}</style></head><body><h1>{html.escape(self.title)}</h1><p>{self.verdict}</p>{reason}"
                f"{picture}{tables}</body></html>")  # fmt: skip

    def save(self, path: str | Path, overwrite: bool = False) -> Path:
        """Write the page into a file: HTML with the picture inside, or Markdown for a name that ends in .md.

        Raises
        ------
        FileExistsError
            If the file is there already, unless ``overwrite=True`` is said.
        """
        target = Path(path)
        if target.suffix.lower() not in (".html", ".htm", ".md"):
            raise ValueError(f"path={str(path)!r} must end in .html or .md")
        if target.exists() and not overwrite:
            raise FileExistsError(f"{target} is there already: choose another name, or say overwrite=True")
        target.write_text(self.markdown if target.suffix.lower() == ".md" else self.html, encoding="utf-8")
        return target

    def __repr__(self) -> str:
        return self.markdown

    def _ipython_display_(self) -> None:
        from IPython.display import display

        pictures.display(pictures.Picture(self.figure, self.alt))
        tables = "".join(f"<h3>{style.words_to_html(t)}</h3>{style.table_html(rows)}" for t, rows in self.sections)
        display({"text/html": tables, "text/plain": self.markdown}, raw=True)


def report(result: Result, name: str = "", score: Score | None = None, reason: str = "") -> Report:
    """A page about one design.

    Parameters
    ----------
    result
        Of ``centre.evaluate``, for a single design on which the model fits.
    name
        Whose design it is.
    score
        Of ``centre.score``, to hold it against the cheapest design.
    reason
        A few sentences of yours: why these choices.

    Returns
    -------
    Report
        Shows itself as the last line of a cell; ``.save("my-report.html")`` keeps it, ``.figure`` is the picture.

    Raises
    ------
    ValueError
        For several designs at once, or one on which the model does not fit.
    """
    import numpy as np

    if np.ndim(result.seconds):
        raise ValueError(f"a report is about one design, not {np.size(result.seconds):,}: take result[i]")
    if not np.isfinite(result.seconds):
        raise ValueError(result.verdicts["time"])
    return Report(result, str(name), score, str(reason))


def _figure(page: Report) -> Any:
    from matplotlib.figure import Figure

    r = page.result
    figure = Figure(figsize=A4, dpi=100)
    figure.text(0.06, 0.965, page.title, fontsize=13, weight="bold", family=style.FONT, wrap=True)
    figure.text(0.06, 0.945, page.verdict, fontsize=style.SIZE, family=style.FONT)
    for i, (choice, words) in enumerate(r.design.describe()):
        y = 0.915 - 0.0185 * i
        figure.text(0.06, y, choice, fontsize=style.SMALL, color=style.QUIET, family=style.FONT)
        figure.text(0.17, y, words, fontsize=style.SMALL, family=style.FONT)

    limits = figure.add_axes((0.66, 0.81, 0.27, 0.115))
    shares = {name: v for name, v in r.use.items() if name != "disks"}
    names = list(shares)[::-1]
    for i, name in enumerate(names):
        over = shares[name] > 1
        limits.barh(i, min(shares[name], 2.0), height=0.6, color=style.COLOURS[1 if over else 0], hatch="////" if over else "",
                    edgecolor="white", linewidth=0)  # fmt: skip
        limits.text(
            0.04, i, format_percent(shares[name]), va="center", fontsize=style.SMALL, color="white", weight="bold"
        )
    limits.axvline(1, color=style.LIMIT, linewidth=1.5)
    limits.set(xlim=(0, 2), ylim=(-0.5, len(names) - 0.5), xticks=[0, 1, 2], xticklabels=["0", "limit", "twice"])
    limits.set_yticks(range(len(names)), names)
    _plain(limits, "Use of each limit")

    for k, (part, words, shown) in enumerate(_PANELS):
        axes = figure.add_axes((0.25, 0.545 - 0.25 * k, 0.68, 0.2))
        pieces = {name: v for name, v in r.parts[part].items() if v > 0}
        total, start = sum(pieces.values()), 0.0
        rows = [*pieces, "total"]
        for i, name in enumerate(rows):
            length = total if name == "total" else pieces[name]
            left = 0.0 if name == "total" else start
            axes.barh(
                len(rows) - 1 - i,
                length,
                left=left,
                height=0.7,
                color=style.INK if name == "total" else style.COLOURS[0],
            )
            end = left + length
            near = end < 0.75 * total
            axes.text(end + 0.01 * total if near else left - 0.01 * total if left > 0.15 * total else 0.98 * end,
                      len(rows) - 1 - i, shown(length), va="center", fontsize=style.SMALL, family=style.FONT,
                      ha="left" if near else "right", color=style.INK if near or left > 0.15 * total else "white")  # fmt: skip
            start += 0.0 if name == "total" else length
        axes.set(xlim=(0, total * 1.02), xticks=[])
        axes.set_yticks(range(len(rows)), rows[::-1])
        _plain(axes, words)
    return figure


def _plain(axes: Any, title: str) -> None:
    axes.set_title(title, loc="left", fontsize=style.SIZE, weight="bold", family=style.FONT)
    axes.tick_params(length=0, labelsize=style.SMALL)
    for label in (*axes.get_xticklabels(), *axes.get_yticklabels()):
        label.set_family(style.FONT)
    for side in ("top", "right", "bottom"):
        axes.spines[side].set_visible(False)
