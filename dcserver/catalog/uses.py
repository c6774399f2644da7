"""What machines are used for, as records: what each use demands within its deadline.

Taught in chapter 15.
"""

from __future__ import annotations

from dataclasses import dataclass

from dcserver.catalog.fields import Noun, described, fact, text


@described
@dataclass(frozen=True, kw_only=True)
class Application(Noun):
    """What a use of machines demands within its deadline, at a reference scale; demands grow as powers of the scale.

    Taught in chapter 15.
    """

    scale_unit: str = text("scale_unit", "what is counted: players, antennas, decisions a second")
    scale: float = fact("scale", "scale_unit", "the reference, at which the demands below hold")
    deadline: float = fact("deadline_s", "s", "within which all of it must be done")
    dtype: str = text("dtype", "number format of the arithmetic")
    flops: float = fact("flops", "FLOP", "arithmetic within a deadline; a multiply-add counts as two")
    flops_exponent: float = fact("flops_exponent", "1", "arithmetic grows as the scale to this power")
    traffic_bytes: float = fact("traffic_bytes", "B", "read from and written to device memory within a deadline")
    traffic_exponent: float = fact("traffic_exponent", "1", "traffic grows as the scale to this power")
    resident_bytes: float = fact("resident_bytes", "B", "held in device memory all the time")
    resident_exponent: float = fact("resident_exponent", "1", "what is held grows as the scale to this power")
    network_bytes: float = fact("network_bytes", "B", "in or out of servers within a deadline, the busier direction")
    network_exponent: float = fact("network_exponent", "1", "network bytes grow as the scale to this power")
    storage_bytes: float = fact("storage_bytes", "B", "read from or written to drives within a deadline")
    storage_exponent: float = fact("storage_exponent", "1", "storage bytes grow as the scale to this power")
    reach: float = fact("reach", "1", "share of arithmetic and memory bandwidth that programs of this kind get")
    factor: float = fact("factor", "1", "arithmetic and traffic are known to this factor, either way")
