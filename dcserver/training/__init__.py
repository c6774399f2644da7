"""One training step on a cluster: plan, software stack, time and where it goes. Taught in chapter 07."""

from dcserver.training.convnets import ConvNetStep, convnet_step
from dcserver.training.flops import attention_flops, layer_flops, training_flops
from dcserver.training.layer import layer_work
from dcserver.training.pipeline import Timeline, bubble, timeline
from dcserver.training.plan import DTYPES, SCHEDULES, Plan
from dcserver.training.result import PARTS, TrainingStep, footprint
from dcserver.training.stacks import STACKS, Stack, stack
from dcserver.training.step import compose, step, work

__all__ = [
    "DTYPES",
    "PARTS",
    "SCHEDULES",
    "STACKS",
    "ConvNetStep",
    "Plan",
    "Stack",
    "Timeline",
    "TrainingStep",
    "attention_flops",
    "bubble",
    "compose",
    "convnet_step",
    "footprint",
    "layer_flops",
    "stack",
    "layer_work",
    "step",
    "timeline",
    "training_flops",
    "work",
]
