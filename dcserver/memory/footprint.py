"""What memory is needed, part by part, and whether a device has it. Taught in chapter 04."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.arrays import plain_float
from dcserver.checks import require_choice, require_non_negative, require_positive
from dcserver.units import GB, GiB, format_bytes, format_percent


def capacity(accelerator: catalog.Accelerator, constants: Mapping[str, float] | None = None) -> Any:
    """Bytes that programs find on a device.

    Memory chips come in powers of two: a card sold as 80 GB holds 80 GiB, 7 % more. Firmware keeps a little,
    and error correction of GDDR memory (HBM has extra chips for it) a sixteenth.

    Parameters
    ----------
    accelerator : Accelerator
        Its ``memory_bytes`` is the data sheet's figure, in decimal gigabytes; may hold arrays.
    constants : mapping, optional
        The family ``training_memory``.

    Returns
    -------
    float or array
        label x 2^30 / 10^9 x (1 - reserved) x (15/16 for GDDR). Fails for consumer cards whose error
        correction is off. Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``memory_bytes`` not above 0.
    """
    c = catalog.constants("training_memory") if constants is None else constants
    require_positive(memory_bytes=accelerator.memory_bytes)
    gddr = np.char.startswith(np.asarray(accelerator.memory_type, dtype=str), "GDDR")
    found = accelerator.memory_bytes * (GiB / GB) * (1 - c["reserved_share"]) * np.where(gddr, c["gddr_share"], 1.0)
    return plain_float(found)


def verdict(need: float, room: float) -> str:
    """In a few words: whether bytes fit into a room, and how many are to spare or too many.

    Parameters
    ----------
    need, room : float
        Bytes needed, and bytes there [B].

    Returns
    -------
    str
        Such as ``fits, 12 GB to spare`` or ``49 GB too much``. Taught in chapter 04.

    Raises
    ------
    ValueError
        For ``need`` or ``room`` below 0.

    Examples
    --------
    >>> verdict(70e9, 80e9), verdict(134e9, 85e9)
    ('fits, 10 GB to spare', '49 GB too much')
    """
    require_non_negative(need=need, room=room)
    if need <= room:
        return f"fits, {format_bytes(room - need)} to spare"
    return f"{format_bytes(need - room)} too much"


@dataclass(frozen=True)
class Footprint:
    """Bytes on one accelerator by what they are for; each part a float or an array, all of one shape.

    Taught in chapter 04.
    """

    def breakdown(self) -> dict[str, Any]:
        """The parts in bytes; they sum to ``total``."""
        return {f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.metadata.get("part")}

    @property
    def total(self) -> Any:
        """Bytes on the fullest accelerator."""
        return sum(self.breakdown().values())

    @property
    def largest(self) -> Any:
        """The name of the largest part (an array of names for arrays): what to shrink first."""
        parts = self.breakdown()
        names = np.array(list(parts))
        found = names[np.argmax(np.stack(np.broadcast_arrays(*parts.values())), axis=0)]
        return found if np.ndim(found) else str(found)

    def excess(self, accelerator: catalog.Accelerator) -> Any:
        """Bytes by which it exceeds the device's memory; negative where there is room."""
        return self.total - capacity(accelerator)

    def fits(self, accelerator: catalog.Accelerator) -> Any:
        """Whether the device has room for it."""
        fits = self.excess(accelerator) <= 0
        return fits if np.ndim(fits) else bool(fits)

    def __str__(self) -> str:
        total = self.total
        if np.ndim(total):
            low, high = format_bytes(np.min(total)), format_bytes(np.max(total))
            return f"{np.size(total):,} footprints from {low} to {high} on one accelerator"
        lines = [f"{'total on one accelerator':28}{format_bytes(total):>10}"]
        for name, value in self.breakdown().items():
            if value:
                lines.append(
                    f"  {name.replace('_', ' '):26}{format_bytes(value):>10}{format_percent(value / total):>8}"
                )
        return "\n".join(lines)


def part(meaning: str) -> Any:
    """A field that is one part of the total."""
    return dataclasses.field(metadata={"part": True, "unit": "B", "meaning": meaning})


def index_of(name: str, value: Any, allowed: tuple[str, ...]) -> np.ndarray:
    """Positions of choices among the allowed words; whole numbers are taken as positions already.

    Raises
    ------
    ValueError
        For a word or position that is not allowed.
    """
    if isinstance(value, str):
        require_choice(allowed, **{name: value})
        return np.asarray(allowed.index(value))
    array = np.asarray(value)
    if array.dtype.kind in "iub":
        if array.size and (array.min() < 0 or array.max() >= len(allowed)):
            bad = array.min() if array.min() < 0 else array.max()
            listed = ", ".join(f"{i} ({w})" for i, w in enumerate(allowed))
            raise ValueError(f"{name}={bad} is not one of {listed}")
        return array.astype(np.intp)
    position = np.full(array.shape, -1, dtype=np.intp)
    for i, word in enumerate(allowed):
        position[array == word] = i
    if (position < 0).any():
        require_choice(allowed, **{name: str(array[position < 0].flat[0])})
    return position


def lookup(table: Mapping[str, float], position: np.ndarray) -> Any:
    """The table's number at each position."""
    return np.array(list(table.values()), dtype=float)[position]


def shaped(parts: Mapping[str, Any]) -> dict[str, Any]:
    """The parts broadcast to one shape; plain floats where all are scalars."""
    arrays = np.broadcast_arrays(*parts.values())
    return {k: plain_float(a) for k, a in zip(parts, arrays, strict=True)}
