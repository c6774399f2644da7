"""A data centre on paper: what a design takes in months, dollars and megawatts, and how far it is from the best. Taught in chapter 18."""

from dcserver.centre.evaluate import Result, evaluate, without
from dcserver.centre.frontier import Frontier, Score, frontier, score
from dcserver.centre.network import LAYOUTS, Network, network
from dcserver.centre.plans import steps
from dcserver.centre.task import KINDS, MONTH, OWNERSHIPS, Design, Task, task, tasks

__all__ = [
    "KINDS",
    "LAYOUTS",
    "MONTH",
    "OWNERSHIPS",
    "Design",
    "Frontier",
    "Network",
    "Result",
    "Score",
    "Task",
    "evaluate",
    "frontier",
    "network",
    "score",
    "steps",
    "task",
    "tasks",
    "without",
]
