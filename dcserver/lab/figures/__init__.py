"""Pictures: each chart is described once, takes results as marks, and can be drawn again in place."""

from dcserver.lab.figures.anatomy import Anatomy
from dcserver.lab.figures.axes import Axis, log_axis
from dcserver.lab.figures.bars import Bars, StackedBars, Waterfall
from dcserver.lab.figures.chart import Chart
from dcserver.lab.figures.graphs import Graph, arrange, narrowest_cut
from dcserver.lab.figures.grids import Heatmap, Timeline
from dcserver.lab.figures.lines import Curve, Curves, Limit, Point, Roofline, Scatter

axis = Axis

__all__ = [
    "Anatomy", "Axis", "Bars", "Chart", "Curve", "Curves", "Graph", "Heatmap", "Limit", "Point", "Roofline", "Scatter",
    "StackedBars", "Timeline", "Waterfall", "arrange", "axis", "log_axis", "narrowest_cut",
]  # fmt: skip
