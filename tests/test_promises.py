"""What docstrings promise of bad input and of constants is kept: the promise is read, and called in.

A docstring says under Raises: "For ``a`` or ``b`` not above 0; ``n`` not whole or below 1". A call that works comes from
its example, or from CALLS; with one value spoiled at a time it must be refused, by name.
"""

import contextlib
import dataclasses
import doctest
import functools
import inspect
import io
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from test_docstrings import OFFERED, sections

from dcserver import catalog, future, interconnect, precision, sharing
from dcserver.training import Plan, Stack

H100, A100, V100 = (catalog.accelerator(n) for n in ("H100 SXM", "A100 80GB", "V100 SXM2 16GB"))
CPU, NVME, DGX = catalog.cpu("EPYC 7742"), catalog.tier("NVMe SSD"), catalog.server("DGX H100")
FABRIC = interconnect.fabric(DGX)
LLAMA, RESNET, SMALL = (
    catalog.transformer("Llama 3.1 8B"),
    catalog.convnet("ResNet-50"),
    catalog.transformer("GPT-3 1.3B"),
)

JOBS = sharing.Trace(np.arange(3.0), np.array([1, 2, 4]), np.full(3, 100.0), np.zeros(3))

# Calls that work, of functions whose docstring shows none.
CALLS: dict[str, Callable[[], dict[str, Any]]] = {
    "compute.operator_chain": lambda: {"accelerator": A100, "names": ["gelu", "softmax"], "rows": 64, "columns": 64},
    "compute.roofline": lambda: {"accelerator": A100, "intensity": 10.0, "measured": True},
    "edge.farthest": lambda: {"seconds": 1e-3},
    "energy.best_cap": lambda: {"accelerator": V100, "mean_power": 200.0},
    **{f"interconnect.{kind}": lambda: {"message_bytes": 1e6, "ranks": 8, "fabric": DGX}
       for kind in ("all_gather", "reduce_scatter", "all_to_all", "broadcast")},
    "interconnect.point_to_point": lambda: {"message_bytes": 1e6, "fabric": DGX},
    "interconnect.seconds": lambda: {"kind": "all_reduce", "message_bytes": 1e6, "ranks": 8, "fabric": FABRIC},
    "memory.serving_footprint": lambda: {"model": LLAMA},
    "memory.training_footprint": lambda: {"model": LLAMA},
    "training.work": lambda: {"model": SMALL, "cluster": DGX, "plan": Plan()},
    "applications.patch": lambda: {"network": catalog.convnet("3D U-Net"), "edge": 64.0},
    "applications.device_supply": lambda: {"device": H100},
    "applications.supply": lambda: {"server": DGX},
    "compute.byte_time": lambda: {"accelerator": H100, "read_bytes": 1e9, "written_bytes": 1e9},
    "compute.bus_time": lambda: {"accelerator": H100, "transfer_bytes": 1e9},
    "compute.crossover_size": lambda: {"cpu": CPU, "accelerator": H100},
    "compute.hierarchical_roofline": lambda: {"accelerator": H100, "intensity": 10.0, "l2_intensity": 5.0},
    "compute.memory_bandwidth": lambda: {"accelerator": H100},
    "compute.offload": lambda: {"cpu": CPU, "accelerator": H100, "flops": 1e12, "memory_bytes": 1e9},
    "compute.offload_matmul": lambda: {"cpu": CPU, "accelerator": H100, "m": 512, "n": 512, "k": 512},
    "compute.operator": lambda: {"accelerator": A100, "name": "softmax", "rows": 1024, "columns": 1024},
    "cost.best_interval": lambda: {"interruptions": 0.1, "checkpoint": 60.0},
    "cost.capital_cost": lambda: {"price": 1e5, "residual": 0.1, "rate": 0.05, "years": 5.0},
    "cost.own": lambda: {"server": DGX},
    "cost.present_value": lambda: {"payments": np.ones(3), "rate": 0.05},
    "cost.quotes": lambda: {"accelerator": A100},
    "cost.reclaim_rate": lambda: {"monthly_share": 0.1},
    "cost.simulate_spot": lambda: {"work": 3600.0, "interruptions": 0.1, "interval": 600.0, "runs": 2},
    "cost.stated_cost": lambda: {"instance_price": 2.0, "hours": 10.0},
    "edge.camera_waits": lambda: {"devices": 2, "frame_rate": 10.0, "service_time": 1e-3, "frames": 4, "draws": 2},
    "edge.send_time": lambda: {"payload": 1e6, "rate": 1e6},
    "energy.byte_energy": lambda: {"accelerator": A100},
    "energy.clock_for": lambda: {"scale": 0.5},
    "energy.dynamic_scale": lambda: {"clock_ratio": 0.5},
    "energy.embodied_carbon": lambda: {"server": DGX},
    "energy.facility": dict,
    "energy.fan_power": lambda: {"heat": 1e3, "design_heat": 1e4},
    "energy.flop_energy": lambda: {"accelerator": A100},
    "energy.operating_point": lambda: {"accelerator": A100, "compute_utilization": 0.5},
    "energy.power_cap": lambda: {"accelerator": V100, "mean_power": 200.0, "power_limit": 150.0},
    "energy.power_limit_of": lambda: {"accelerator": dataclasses.replace(A100, max_power=float("nan"))},
    "energy.server_power": lambda: {"server": DGX},
    "energy.supply_efficiency": lambda: {"load": 0.5},
    "energy.sustained_clock": lambda: {"accelerator": A100, "power_limit": 300.0},
    "energy.yearly_facility": lambda: {"swing": 5.0},
    "future.analogue": lambda: {"budget": future.energy_per_flop(H100, 100.0)},
    "future.bit_energies": lambda: {"accelerator": H100},
    "future.package": lambda: {"area": 8e-4},
    "future.read": lambda: {"state": np.array([1.0 + 0j, 0.0])},
    "inference.prefill": lambda: {"model": LLAMA, "accelerator": H100, "prompt": 512},
    "inference.served_share": lambda: {"rate": 10.0, "latency_bound": 1.0},
    "interconnect.copy_bandwidth": lambda: {"link": catalog.link("PCIe 5.0 x16")},
    "interconnect.message_latency": dict,
    "memory.capacity": lambda: {"accelerator": H100},
    "memory.convnet_footprint": lambda: {"model": RESNET, "batch": 8},
    "memory.kv_bytes_per_token": lambda: {"model": LLAMA},
    "memory.offload_activations": lambda: {"n_bytes": 1e9, "bus_bandwidth": 5e10, "tier": NVME},
    "memory.offload_optimizer": lambda: {"parameters": 1e9, "bus_bandwidth": 5e10, "tier": NVME},
    "memory.requests_to_saturate": lambda: {"tier": NVME, "chunk_bytes": 4096.0},
    "memory.throughput": lambda: {"tier": NVME, "chunk_bytes": 4096.0},
    "memory.transfer_time": lambda: {"tier": NVME, "n_bytes": 1e9, "chunk_bytes": 4096.0},
    "memory.weight_bytes_per_parameter": lambda: {"weight_format": "int4"},
    "precision.quantized_layer": lambda: {"number_format": "int8"},
    "precision.train": lambda: {"recipe": precision.RECIPES[0], "steps": 2},
    "reliability.cause_rate": lambda: {"name": "gpu", "accelerators": 1024},
    "reliability.failure_rates": lambda: {"accelerators": 1024},
    "reliability.planned_interruptions": lambda: {"seconds": 1e6},
    "reliability.spare_plan": lambda: {"nodes": 100, "time_to_failure": 1e7, "repair_time": 1e5, "spares": 2},
    "reliability.supplies_of": lambda: {"server": DGX},
    "sharing.simulate": lambda: {"trace": JOBS, "gpus": 8},
    "storage.network_factor": lambda: {"system": None},
    "storage.random_times": lambda: {"mean": 1.0, "variation": 0.5, "items": 10},
    "training.step": lambda: {"model": SMALL, "cluster": DGX, "plan": Plan(), "batch": 4},
    "training.layer_work": lambda: {
        "model": SMALL, "accelerator": H100, "fabric": FABRIC, "stack": Stack(), "constants": {},
        "micro_batch": 1, "sequence": 512, "tensor_parallel": 1, "sequence_parallel": False, "context_parallel": 1,
        "expert_parallel": 1, "dtype": "bf16"},
}  # fmt: skip


class Found(Exception):
    """The call of an example, with its arguments."""


@functools.cache
def working_call(name: str) -> dict[str, Any] | None:
    """Arguments with which the function answers: from CALLS, or from the first example that calls it."""
    if name in CALLS:
        return CALLS[name]()
    function, found = OFFERED[name], {}
    examples = doctest.DocTestParser().get_examples(inspect.getdoc(function) or "")

    def noted(*given: Any, **named: Any) -> Any:
        if not found:
            found.update(inspect.signature(function).bind(*given, **named).arguments)
        return function(*given, **named)

    space = {**vars(inspect.getmodule(function)), function.__name__: noted}  # type: ignore[dict-item]
    for example in examples:
        with contextlib.redirect_stdout(io.StringIO()):
            exec(example.source, space)
        if found:
            named = found.pop("kwargs", {}) | found.pop("how", {})
            return found | named
    return None


BAD: list[tuple[str, Callable[[re.Match[str]], list[Any]]]] = [
    (r"not whole or below (-?\d+)", lambda m: [float(m[1]) - 1, float(m[1]) + 0.5]),
    (r"not above 0", lambda m: [0.0, -1.0]),
    (r"outside (-?[\d.]+) to (-?[\d.]+\d|\d)", lambda m: [float(m[1]) - 0.001, float(m[2]) + 0.001]),
    (r"below 0", lambda m: [-1.0]),
    (r"that is not among those known", lambda m: ["no such thing"]),
]


def promises(function: Any) -> Iterator[tuple[str, list[Any]]]:
    """Each name under Raises, with values that it must not have."""
    text = " ".join(sections(inspect.getdoc(function) or "").get("Raises", "").split())
    text = re.sub(r"[Aa]s (?:in |for )?``\w+``(?: and ``\w+``)?", "", text)  # another function's promise
    for clause in text.split(";"):
        for pattern, values in BAD:
            if found := re.search(pattern, clause):
                for name in re.findall(r"``(\w+)``", clause[: found.start()]):
                    yield name, values(found)
                break


def spoiled(call: dict[str, Any], name: str, value: Any) -> dict[str, Any] | None:
    """The call with one argument, or one field of a record among them, replaced; None where neither is there."""
    for at, given in call.items():
        if dataclasses.is_dataclass(given) and name in {f.name for f in dataclasses.fields(given)}:
            return call | {at: dataclasses.replace(given, **{name: value})}
    return None


PROMISED = [
    pytest.param(full, name, values, id=f"{full}-{name}")
    for full, function in OFFERED.items()
    if inspect.isfunction(function)
    for name, values in promises(function)
]


@pytest.mark.parametrize(("full", "name", "values"), PROMISED)
def test_what_a_docstring_says_is_refused_is_refused_by_name(full: str, name: str, values: list[Any]) -> None:
    function, call = OFFERED[full], working_call(full)
    if call is None:
        pytest.skip("no call to start from")
    for value in values:
        own = name in inspect.signature(function).parameters
        bad = call | {name: value} if own else spoiled(call, name, value)
        if bad is None:
            pytest.skip(f"{name} is worked out inside")
        with pytest.raises(ValueError, match=name):
            function(**bad)


WITH_CONSTANTS = [
    full
    for full, function in OFFERED.items()
    if inspect.isfunction(function) and "constants" in inspect.signature(function).parameters
]


@pytest.mark.parametrize("full", WITH_CONSTANTS)
def test_constants_that_are_given_are_those_that_are_used(full: str) -> None:
    call = working_call(full)
    if call is None:
        pytest.skip("no call to start from")
    with pytest.raises(KeyError):  # without any there is no answer
        OFFERED[full](**call | {"constants": {}})


def test_most_promises_have_a_call_to_start_from() -> None:
    names = {p.values[0] for p in PROMISED}
    assert len(PROMISED) > 120
    without = {n for n in names if working_call(n) is None}
    assert len(without) < 0.15 * len(names), sorted(without)
    unwatched = {n for n in WITH_CONSTANTS if working_call(n) is None}
    assert len(unwatched) < 0.25 * len(WITH_CONSTANTS), sorted(unwatched)
