"""The classroom: pictures, panels, lessons and measurements of the learner's own machine.

The only part of the package that knows notebooks. Nothing here loads until it is asked for.
"""

import importlib
from typing import Any

_HOME = {
    **dict.fromkeys(
        ["Anatomy", "Axis", "Bars", "Chart", "Curve", "Curves", "Graph", "Heatmap", "Limit", "Point", "Roofline", "Scatter",
         "StackedBars", "Timeline", "Waterfall", "arrange", "axis", "log_axis", "narrowest_cut"], "figures"),
    **dict.fromkeys(["Picture", "Table", "show", "table"], "pictures"),
    "Panel": "panels",
    "Run": "runs",
    "report": "reports",
    **dict.fromkeys(["choice", "log_slider", "slider", "toggle"], "controls"),
}  # fmt: skip
_MODULES = ("bench", "ciphers", "controls", "figures", "lesson", "panels", "style")
__all__ = [*_HOME, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"dcserver.lab.{name}")
    if name in _HOME:
        return getattr(importlib.import_module(f"dcserver.lab.{_HOME[name]}"), name)
    raise AttributeError(f"module 'dcserver.lab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
