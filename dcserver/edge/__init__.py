"""Where should an answer be worked out: on the device, at an edge site, in the cloud?

Read in this order: ``path`` (distance), ``access`` (the first hop), ``video`` (bytes of a camera), ``networks`` (a model
as layers), ``running`` (those layers on an accelerator), ``respond`` (all parts of one answer, and its bad luck),
``split`` (half here, half there), ``cameras`` (many at one accelerator), ``fleet`` (what many cost).

Taught in chapter 14.
"""

from dcserver.edge.access import access_mean, access_quantile, network_energy, radio_energy, send_time
from dcserver.edge.cameras import CameraQueue, camera_queue, camera_waits, devices_within
from dcserver.edge.fleet import DESIGNS, Fleet, capacity_for, electricity_price, fleet_cost, update_time
from dcserver.edge.networks import Network, encoder, resnet
from dcserver.edge.path import farthest, great_circle, round_trip
from dcserver.edge.respond import Response, in_time, percentile, respond, simulate
from dcserver.edge.running import Run, idle_power, run
from dcserver.edge.split import Split, split
from dcserver.edge.video import PICTURES, coding_time, frame_bytes, stream_rate

__all__ = [
    "DESIGNS",
    "PICTURES",
    "CameraQueue",
    "Fleet",
    "Network",
    "Response",
    "Run",
    "Split",
    "access_mean",
    "access_quantile",
    "camera_queue",
    "camera_waits",
    "capacity_for",
    "coding_time",
    "devices_within",
    "electricity_price",
    "encoder",
    "farthest",
    "fleet_cost",
    "frame_bytes",
    "great_circle",
    "idle_power",
    "in_time",
    "network_energy",
    "percentile",
    "radio_energy",
    "resnet",
    "respond",
    "round_trip",
    "run",
    "send_time",
    "simulate",
    "split",
    "stream_rate",
    "update_time",
]
