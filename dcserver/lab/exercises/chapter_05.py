"""Exercises of chapter 05: can the disks keep up?"""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import catalog, storage
from dcserver.checks import require_whole
from dcserver.lab.exercises import Answer, Design, Exactly, Function, above, below
from dcserver.units import MB

_PARAMETERS, _BANDWIDTH, _LOST = 70e9, 40e9, 0.05


def _files(at_once: Any, latency: Any, bandwidth: Any, file_bytes: Any) -> Any:
    """Files a second of one drive, with one small read to find each."""
    return np.minimum(at_once / (2 * latency + file_bytes / bandwidth), bandwidth / file_bytes)


def _unlimited(at_once: Any, latency: Any, bandwidth: Any, file_bytes: Any) -> Any:
    return at_once / (2 * latency + file_bytes / bandwidth)


def _no_question(at_once: Any, latency: Any, bandwidth: Any, file_bytes: Any) -> Any:
    return np.minimum(at_once / (latency + file_bytes / bandwidth), bandwidth / file_bytes)


def _store(store: Mapping[str, Any]) -> dict[str, float]:
    """What 256 servers read out of a store of flash or disks, its room, and the price of its drives."""
    kinds = {"flash": ("reference, flash", "NVMe SSD, PCIe 4.0 x4"), "disks": ("reference, disks", "hard disk")}
    wanted = {"drives", "servers", "photos_per_file"}
    if not isinstance(store, Mapping):
        raise ValueError(f"the store is a dictionary with {', '.join(sorted(wanted))}")
    if set(store) != wanted:
        raise ValueError(f"the store has {', '.join(sorted(wanted))}; yours has {', '.join(sorted(map(str, store)))}")
    if store["drives"] not in kinds:
        raise ValueError(f"drives={store['drives']!r} is not one of 'flash', 'disks'")
    require_whole(servers=store["servers"], photos_per_file=store["photos_per_file"])
    name, tier = kinds[store["drives"]]
    servers, photo = float(store["servers"]), catalog.data_set("ImageNet").sample_bytes
    system = dataclasses.replace(catalog.file_system(name), servers=servers)
    file_bytes = float(store["photos_per_file"]) * photo
    read = storage.file_system(system, 256, file_bytes, stripes=8)
    drives = servers * system.drives_per_server
    return {
        "photos a second": read.rate / photo,
        "room": storage.usable_bytes(system),
        "price of the drives": drives * system.drive_bytes * catalog.tier(tier).price_per_byte,
        "opens limit": float(read.limit == "metadata"),
        "disks": float(store["drives"] == "disks"),
    }


EXERCISES = {
    "files": Function(
        _files,
        points=[
            (1, 85e-6, 6.5e9, 110e3),
            (64, 85e-6, 6.5e9, 110e3),
            (1, 8e-3, 250e6, 110e3),
            (16, 85e-6, 6.5e9, 100 * MB),
        ],
        unit="1/s",
        slips=[
            (_no_question, "The file has to be found first: that is one more latency."),
            (
                _unlimited,
                "So many at once ask for more bytes than the drive has: take the minimum with bandwidth / bytes.",
            ),
            (
                lambda at_once, latency, bandwidth, file_bytes: 1 / (2 * latency + file_bytes / bandwidth),
                "That is one reader. So many at once finish so many in the same time.",
            ),
        ],
        because="With one reader it is the latency that counts, with many the bandwidth.",
        hint="Time of one file: two latencies, and its bytes over the bandwidth.",
        wrong=[(_no_question, "found first"), (_unlimited, "take the minimum")],
    ),
    "store": Design(
        _store,
        goals={
            "photos a second": above(1e6, "1/s"),
            "room": above(1e15, "B"),
            "price of the drives": below(150e3, "USD"),
        },
        slips=[
            (
                lambda store, got: got["opens limit"] > 0 and got["photos a second"] < 1e6,
                "Opening files is the limit: 100,000 a second. Put more photos into one.",
            ),
            (lambda store, got: got["room"] < 1e15, "It is too small: a fifth of the drives' bytes is parity."),
            (
                lambda store, got: got["disks"] > 0 and got["photos a second"] < 1e6,
                "There is room enough, but an arm moves for every piece: disks do not reach the pace.",
            ),
            (
                lambda store, got: got["disks"] > 0 and got["price of the drives"] > 150e3,
                "So many disks have the pace, and far more room than needed. It has to be paid for.",
            ),
            (lambda store, got: got["price of the drives"] > 150e3, "That is more flash than the petabyte needs."),
        ],
        because="Flash has the pace as soon as it has the room. Disks have the room long before the pace.",
        hint="With `storage.usable_bytes` and `storage.file_system` you can try numbers of servers.",
        wrong=[
            ({"drives": "flash", "servers": 14, "photos_per_file": 1}, "Put more photos into one"),
            ({"drives": "flash", "servers": 11, "photos_per_file": 1000}, "a fifth of the drives' bytes is parity"),
            ({"drives": "disks", "servers": 2, "photos_per_file": 1000}, "do not reach the pace"),
            ({"drives": "disks", "servers": 24, "photos_per_file": 1000}, "has to be paid for"),
            ({"drives": "flash", "servers": 40, "photos_per_file": 1000}, "more flash than"),
        ],
    ),
    "interval": Answer(
        lambda: 14 * _PARAMETERS / _BANDWIDTH * (1 - _LOST) / _LOST,
        unit="s",
        slips=[
            (
                Exactly(16 * _PARAMETERS / _BANDWIDTH * (1 - _LOST) / _LOST),
                "Gradients are not saved: 14 bytes a parameter, not 16.",
            ),
            (
                Exactly(2 * _PARAMETERS / _BANDWIDTH * (1 - _LOST) / _LOST),
                "To go on later the optimizer's 12 bytes are needed too.",
            ),
            (
                Exactly(12 * _PARAMETERS / _BANDWIDTH * (1 - _LOST) / _LOST),
                "The weights in 16 bits are saved as well: 2 + 12 bytes.",
            ),
            (
                Exactly(14 * _PARAMETERS / _BANDWIDTH / _LOST),
                "The 5 % are of all time, the writing included: stall / (interval + stall).",
            ),
            (
                Exactly(14 * _PARAMETERS / _BANDWIDTH),
                "That is the stall. How much training must lie between two of them?",
            ),
            ("bits", "The file system takes in bytes; no bits are in play."),
            ("minutes", "The package counts in seconds."),
        ],
        because="Halve it and the loss nearly doubles.",
        hint="First the stall: bytes over bandwidth. Then 5 % = stall / (interval + stall).",
        wrong=[
            (16 * _PARAMETERS / _BANDWIDTH * 19, "Gradients are not saved"),
            (14 * _PARAMETERS / _BANDWIDTH * 20, "of all time"),
            (24.5, "That is the stall"),
            (2 * _PARAMETERS / _BANDWIDTH * 19, "optimizer's 12 bytes"),
        ],
    ),
}
