"""What a row of training measurements says: model, machine, plans that it may have run, software, and time."""

from __future__ import annotations

import dataclasses
import itertools
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog import Accelerator, Cluster, Link, Server, Transformer
from dcserver.training.plan import RATE_OF
from dcserver.validation.devices import by_name, runs_as, usual_network
from dcserver.validation.inference_rows import generic_transformer, network_of
from dcserver.validation.score import Row, number

_LARGEST = 1e16  # beyond this a cell is a slip, not a measurement
_INTERLEAVES = ("Megatron 2021", "Megatron 2022")  # what came later does so in any case


@dataclass(frozen=True)
class Run:
    """One measured step and the plans that may have made it; more than one where the row does not say which."""

    model: Transformer
    cluster: Cluster
    plans: list[dict[str, Any]]
    dtype: str
    batch: float
    sequence: float
    stack: str
    measured: float  # seconds a step
    quantity: str
    group: str
    family: str
    layout_stated: bool


def words(row: Row) -> str:
    """All that a row says in words."""
    columns = ("group", "record", "scheme", "mode", "model", "sharding", "precision", "activation_recompute",
               "flops_convention", "interconnect", "notes", "source", "accelerator", "date")  # fmt: skip
    return " | ".join((row.get(c) or "") for c in columns)


def positive(row: Row, *columns: str) -> float:
    """The first of the columns that is stated; NaN if none is. ValueError for what no machine can be."""
    for column in columns:
        value = number(row, column)
        if not np.isnan(value):
            if not 0 < value < _LARGEST:
                raise ValueError(f"{column}={value:g} cannot be")
            return value
        if (row.get(column) or "").strip() and not _empty(row[column]):
            raise ValueError(f"{column}={row[column]!r} is not a number")
    return float("nan")


def _empty(text: str) -> bool:
    return text.strip().lower() in ("", "nan", "n/a", "-", "none")


def whole(row: Row, otherwise: float, *columns: str) -> float:
    """As ``positive``, for counts."""
    value = positive(row, *columns)
    if np.isnan(value):
        return otherwise
    if value != np.floor(value) or value > 1e9:
        raise ValueError(f"{columns[0]}={value:g} is not a whole number of a possible size")
    return value


# --- model ------------------------------------------------------------------------------------------------------


def _named(name: str) -> Transformer | None:
    bare = re.sub(r"\([^)]*\)", " ", name).replace("_", " ").strip()
    for candidate in (name, bare, bare.replace("-", " "), re.sub(r"(?<=\d)[- ](?=[A-Za-z])", "", bare),
                      re.sub(r"(?i)qwen3 (\d+)b a(\d+)b", r"Qwen3 \1B-A\2B", bare)):  # fmt: skip
        try:
            return catalog.transformer(candidate)
        except ValueError:
            continue
    return None


def transformer(row: Row, sequence: float) -> Transformer:
    """The row's model: the catalog's by name where the width agrees, else from the dimensions, else from the size."""
    name = (row.get("model") or "").strip()
    hidden, layers, heads = (whole(row, np.nan, c) for c in ("hidden", "layers", "heads"))
    parameters = positive(row, "params", "params_nominal")
    for column, value, most in (("hidden", hidden, 1e6), ("layers", layers, 1e4), ("heads", heads, 1e5),
                                ("params", parameters, 1e14)):  # fmt: skip
        if value > most:
            raise ValueError(f"{column}={value:g} is larger than any model")
    found = _named(name) if name else None
    if found is not None and not np.isnan(hidden) and found.hidden != hidden:
        found = None
    if found is not None and not np.isnan(parameters) and not 0.8 < parameters / found.parameters < 1.25:
        found = None
    if found is not None:
        return dataclasses.replace(found, positions=sequence if found.positions else 0.0, sequence=sequence)
    if re.search(r"nemotron.?3|mamba|nemotron.?h", name.lower()):
        raise ValueError("the model has state-space layers, which the transformer model does not cover")
    active = positive(row, "active_params")
    if np.isnan(hidden) and (np.isnan(parameters) or not np.isnan(active)):
        return _of_size(name, parameters, active, sequence)
    stated = re.search(r"vocab\w*[ =]*(\d{4,6})", words(row))
    vocabulary = whole(row, float(stated[1]) if stated else 50_304.0, "vocab")
    if np.isnan(hidden):
        if np.isnan(parameters):
            raise ValueError("the row states neither dimensions nor parameters of its model")
        hidden, layers = _usual_shape(parameters)
    if np.isnan(layers):
        if np.isnan(parameters):
            raise ValueError("layers is not stated, nor parameters from which it follows")
        layers = max(1.0, round((parameters - vocabulary * hidden) / (12 * hidden**2)))
    if np.isnan(heads):  # heads are near 128 wide
        heads = min(_divisors(hidden, hidden), key=lambda d: abs(hidden / d - 128))
    if hidden < heads or vocabulary > 1e7 or layers > 1e4:
        raise ValueError(f"hidden={hidden:g}, heads={heads:g}, vocab={vocabulary:g} make no model")
    return Transformer(
        name=name or "as in the row", layers=layers, hidden=hidden, heads=heads, kv_heads=heads, head_dim=hidden / heads,
        feed_forward=4 * hidden, gated=0.0, vocabulary=vocabulary, sequence=sequence, experts=1.0,
        experts_per_token=1.0, tied_embeddings=1.0, positions=sequence,
    )  # fmt: skip


def _of_size(name: str, parameters: float, active: float, sequence: float) -> Transformer:
    """A model of today of which only the size is known, from its column or its name ("13B", "8x22B", "30B-A3B")."""
    network: Any = network_of(name, parameters)
    if not np.isnan(active) and not np.isnan(parameters):
        network = generic_transformer(parameters, active, name)
    if isinstance(network, str):
        raise ValueError("the row states neither dimensions nor parameters of its model")
    if not isinstance(network, Transformer):
        raise ValueError("a convolutional network has no transformer's step")
    # A width that follows from a size is no whole number; a matrix product's is.
    return dataclasses.replace(network, sequence=sequence, feed_forward=max(1.0, float(np.round(network.feed_forward))))


def trained_sequence(row: Row) -> float:
    """Tokens of a sequence where a row does not say: the catalog's, at most 8,192, for longer ones come at a run's end."""
    found = _named((row.get("model") or "").strip())
    return 2048.0 if found is None or np.isnan(found.sequence) else float(min(found.sequence, 8192.0))


def _usual_shape(parameters: float) -> tuple[float, float]:
    """Width and layers of a plain model of that size: published ones are about 120 times as wide as deep."""
    hidden = max(128.0, 128.0 * round((10 * parameters) ** (1 / 3) / 128))
    return hidden, max(1.0, round(parameters / (12 * hidden**2)))


# --- machine ----------------------------------------------------------------------------------------------------


def cluster(row: Row, accelerators: float) -> Cluster:
    """Servers of the row's accelerator, with the network that the row states or that is usual for its generation."""
    name = (row.get("accelerator") or "").strip()
    if not name:
        raise ValueError("the row names no accelerator")
    device = by_name(name)
    if device is None and by_name(re.split(r"[(,;]", name)[0]) is not None:
        device = by_name(re.split(r"[(,;]", name)[0])
    if device is None:
        raise ValueError(f"accelerator {name!r} is not in the catalog")
    text = words(row)
    across = None
    if found := re.search(r"([\d.]+)\s*x?\s*(\w+) InfiniBand", text):
        across = None
    if found := re.search(r"(\d+)\s*x\s*[A-Za-z][\w -]*?(\d{2,4})\s*Gb", text):
        across = float(found[1]) * float(found[2]) / 8e0 * 1e9
    elif found := re.search(r"(\d{2,5})\s*Gb(?:ps|/s)[^|;]*?node", text):
        across = float(found[1]) / 8 * 1e9
    in_node = 16.0 if "DGX-2" in text else 72.0 if "NVL72" in text else 64.0 if device.kind == "tpu" else 8.0
    rate = usual_network(device) if across is None else across / in_node
    if not 1e7 < rate < 1e13:
        raise ValueError("the network's bandwidth is not possible")
    inner = device.scale_up_bandwidth
    if np.isnan(inner):
        inner = device.host_bus_bandwidth if not np.isnan(device.host_bus_bandwidth) else 32e9
        device = dataclasses.replace(device, scale_up_bandwidth=inner)
    kind = "EFA" if re.search(r"\bEFA\b|p4d|p5\b", text) else "RoCE" if "RoCE" in text else "InfiniBand"
    server = Server(
        name=name, accelerator=device, accelerators=in_node,
        scale_out_link=Link(name=kind, family=kind, bandwidth=rate), scale_out_links=in_node,
    )  # fmt: skip
    return Cluster(server=server, servers=max(1.0, np.ceil(accelerators / in_node)))


def number_format(row: Row, device: Accelerator) -> str:
    """The format of matrix products; what is usual for the accelerator where the row does not say."""
    text = (row.get("precision") or "").lower()
    dtype = "bf16"
    for pattern, found in ((r"nvfp4|fp4", "nvfp4"), (r"mxfp8|fp8-mx", "mxfp8"), (r"fp8|float8", "fp8"), (r"bf16|bfloat", "bf16"),
                           (r"fp16|half|float16|amp|mixed", "fp16"), (r"tf32", "tf32"), (r"fp32|float32", "fp32")):  # fmt: skip
        if re.search(pattern, text):
            dtype = found
            break
    if text.startswith("fp16"):
        dtype = "fp16"
    plain = RATE_OF.get(dtype, dtype)
    runs = runs_as(device, plain)
    if runs is None:
        raise ValueError(f"{device.name} has no {dtype} peak in the catalog")
    return dtype if runs == plain else runs


# --- software and plan ------------------------------------------------------------------------------------------


def stack_of(row: Row, device: Accelerator, dtype: str, model: Transformer) -> str:
    """The age of the software: by what the row says, else by sharding, formats, generation and the model's year."""
    text = words(row).lower()
    if (
        "nemo" in text
        and "nemotron" not in text
        or dtype in ("fp8", "mxfp8", "nvfp4")
        or device.architecture == "Blackwell"
    ):
        return "NeMo 2025"
    if re.search(r"fsdp|full_shard|zero-3|zero 3|mosaic", text) or number(row, "zero_stage") == 3:
        return "FSDP 2023"
    if "korthikanti" in text or "2205.05198" in text or "selective recompute" in text:
        return "Megatron 2022"
    if re.search(r"bigscience|deepspeed|bloom-|mt-nlg|neox", text) or number(row, "zero_stage") >= 0:
        return "BLOOM 2022"
    if re.search(r"narayanan|ptd-p", text):
        return "Megatron 2021"
    if device.architecture == "Volta" or "megatron-2020" in text or "2020" in text.split("|")[0]:
        return "Megatron 2020"
    if device.architecture in ("Hopper",):
        return "Megatron 2024"
    year = float(model.year) if model.year == model.year else 2023.0
    return "FSDP 2023" if year >= 2023 else "Megatron 2022"


def recomputation(row: Row) -> str | None:
    """What a row says of recomputation; None where it says nothing."""
    text = " ".join((row.get(c) or "") for c in ("activation_recompute", "mode", "flops_convention", "notes")).lower()
    stated = (row.get("activation_recompute") or "").strip().lower()
    if stated in ("none", "no", "false", "off", "0"):
        return "none"
    if "selective" in text:
        return "selective"
    if re.search(r"no (activation )?recompute|without recompute", text):
        return "none"
    if stated == "full" or ("full" in text and "recompute" in text) or "incl. recompute" in text:
        return "full"
    if (row.get("record") or "") == "table4_one_layer" or (row.get("mode") or ""):
        return "none"
    return None


def zero_stage(row: Row) -> int | None:
    """The ZeRO stage that a row states in its column or in words."""
    value = number(row, "zero_stage")
    if not np.isnan(value):
        if value not in (0, 1, 2, 3):
            raise ValueError(f"zero_stage={value:g} is not one of 0, 1, 2, 3")
        return int(value)
    text = (row.get("sharding") or "").lower()
    if found := re.search(r"zero-?\s*(\d)", text):
        return min(int(found[1]), 3)
    return 3 if "fsdp" in text else None


def _divisors(n: float, most: float) -> list[float]:
    return [float(d) for d in range(1, int(min(n, most)) + 1) if n % d == 0]


def plans(
    row: Row, model: Transformer, accelerators: float, batch: float, stack: str, in_node: float
) -> list[dict[str, Any]]:
    """Every plan that the row allows: what it states is kept, the rest is tried in all usual ways."""
    stated = {"tensor_parallel": whole(row, np.nan, "tensor_parallel"), "pipeline_parallel": whole(row, np.nan, "pipeline_parallel"),
              "context_parallel": whole(row, 1.0, "context_parallel"), "expert_parallel": whole(row, np.nan, "expert_parallel"),
              "data_parallel": whole(row, np.nan, "data_parallel"),
              "interleave": whole(row, np.nan, "virtual_stages_per_gpu", "interleave_stages", "virtual_stages"),
              "micro_batch": whole(row, np.nan, "micro_batch_seqs")}  # fmt: skip
    how, zero = recomputation(row), zero_stage(row)
    recent = stack in ("Megatron 2024", "NeMo 2025")
    mode = (row.get("mode") or "").lower()
    split = recent or ("sequence" in mode and "no sequence" not in mode)
    unknown = np.isnan(stated["tensor_parallel"]) and np.isnan(stated["data_parallel"])
    sharded = zero == 3
    cp = stated["context_parallel"]
    tensors = [stated["tensor_parallel"]]
    if np.isnan(tensors[0]):
        tensors = (
            [1.0]
            if sharded or not unknown
            else [t for t in (1.0, 2.0, 4.0, 8.0) if model.heads % t == 0 and t <= in_node]
        )
    pipes = [stated["pipeline_parallel"]]
    if np.isnan(pipes[0]):
        free = unknown and not sharded
        # Powers of two, whose last stages may hold a layer less, and fives for what they divide.
        usual = {2.0**k for k in range(6)} | {p for p in _divisors(model.layers, 32) if p % 5 == 0}
        pipes = sorted(p for p in usual if p <= model.layers) if free else [1.0]
    out: list[dict[str, Any]] = []
    for t, p in itertools.product(tensors, pipes):
        dp = stated["data_parallel"]
        dp = accelerators / (t * p * cp) if np.isnan(dp) else dp
        if dp != np.floor(dp) or dp < 1:
            continue
        per = batch / dp
        micro = [stated["micro_batch"]]
        if np.isnan(micro[0]):
            micro = [b for b in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0) if b <= per]
            micro = [b for b in micro if per % b == 0] or micro or [1.0]
            if unknown:
                micro = [b for b in micro if b <= 8]
        inter = [stated["interleave"]]
        if np.isnan(inter[0]):
            inter = [1.0]
            if p > 1 and (recent or unknown and stack in _INTERLEAVES) and np.isnan(number(row, "expert_parallel")):
                # Embedding and logits may stand for a layer each: 126 layers make 128 parts.
                chunks = {v for n in (model.layers, model.layers + 2) if n % p == 0 for v in _divisors(n / p, 32)}
                inter += sorted(chunks - {1.0})
        ep = stated["expert_parallel"]
        if np.isnan(ep):
            ep = 1.0 if model.experts <= 1 else float(np.gcd(int(model.experts), int(dp * t)))
        hows = [how] if how else (["full"] if stack in ("Megatron 2020", "Megatron 2021", "BLOOM 2022") else ["none", "selective", "full"]
                                  if stack == "Megatron 2022" else ["none", "full"])  # fmt: skip
        zeros = [zero] if zero is not None else ([1] if recent or stack in ("BLOOM 2022", "FSDP 2023") else [0])
        if unknown and zero is None and stack not in ("Megatron 2020", "Megatron 2021"):
            zeros = [1, 3] if recent or stack == "FSDP 2023" else [0, 1, 3]
        for b, v, r, z in itertools.product(micro, inter, hows, zeros):
            if z == 3 and p > 1:
                continue
            out.append({"data_parallel": dp, "tensor_parallel": t, "pipeline_parallel": p, "context_parallel": cp,
                        "expert_parallel": ep, "interleave": v if p > 1 else 1.0, "micro_batch": b,
                        "recomputation": ("none", "selective", "full").index(r), "zero_stage": z,
                        "sequence_parallel": bool(split and t > 1)})  # fmt: skip
    if not out:
        raise ValueError("no plan divides the accelerators as the row states them")
    roomy = [p for p in out if p["micro_batch"] * p["data_parallel"] <= batch * 1.001]
    if not roomy:
        raise ValueError("micro-batch x data parallel exceeds the batch")
    for plan in roomy:
        ways = ("data_parallel", "tensor_parallel", "pipeline_parallel", "interleave", "micro_batch", "context_parallel",
                "expert_parallel")  # fmt: skip
        stages = plan["pipeline_parallel"] * plan["interleave"]
        if max(plan[k] for k in ways) > 1e6 or stages > model.layers + 2 or plan["tensor_parallel"] > model.hidden:
            raise ValueError("the plan that the row states cannot be: more parts than there is to share")
    return roomy
