"""What a row of serving measurements says: model, device, format, split, engine, lengths, scenario."""

from __future__ import annotations

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.catalog import Accelerator, ConvNet, Transformer
from dcserver.catalog.names import compact
from dcserver.catalog.tables import rows_of
from dcserver.inference.formats import MIXED_FORMATS
from dcserver.validation.devices import by_name, stated
from dcserver.validation.score import Row

# Words in a precision's text and the format that they mean; the first that fits wins.
_FORMATS = (
    (r"nvfp4|mxfp4|fp4|float4", "fp4"), (r"w4a16|awq|gptq|int4|4.?bit|nf4|\bw4\b", "int4"),
    (r"w8a16", "q8_0"), (r"fp8|e4m3|float8|\bw8a8f", "fp8"), (r"int8|w8a8|smooth|8.?bit", "int8"),
    (r"bf16|bfloat16", "bf16"), (r"fp16|\bf16|half|float16|16.?bit", "fp16"), (r"tf32|fp32|\bf32|float32|32.?bit", "fp32"),
)  # fmt: skip
_SIZE = re.compile(r"(?<![\w.])(?:(\d+)x)?(\d+(?:\.\d+)?)b(?![a-z])(?:.{0,3}a(\d+(?:\.\d+)?)b)?", re.IGNORECASE)
# Of a Llama of today: parameters, layers, hidden size (catalog rows Llama 3.2 1B and 3B, 3.1 8B, 70B, 405B).
_LADDER = ("Llama 3.2 1B", "Llama 3.2 3B", "Llama 3.1 8B", "Llama 3.1 70B", "Llama 3.1 405B")


@dataclass(frozen=True)
class Served:
    """One row as the model takes it; what a row leaves open is filled in as ``notes`` of ``validation.inference`` say."""

    device: Accelerator
    network: Any  # Transformer or ConvNet
    engine: str
    weight_format: str
    kv_dtype: str
    accelerators: float
    tensor_parallel: float  # 0: the best of the splits that the accelerators allow
    pipeline_parallel: float
    input_tokens: float
    output_tokens: float
    beams: float
    batch: float  # 0: as many as fit
    requests: float
    scenario: str  # decode, prefill, offline, batch, samples
    server: bool
    latency_bound: float
    efficient: bool


def number_format(text: str) -> str:
    """The weight format that a precision's text means, or nothing."""
    word = (text or "").strip().lower()
    plain = word.replace("-", "_").replace(" ", "_")
    for mixed in MIXED_FORMATS:
        if mixed in plain:
            return mixed
    known = re.search(r"\b(i?q[2-8])_?", plain)
    if known:  # a relative of the mixed formats, by its bits
        digit = known.group(1)[-1]
        return {"2": "q2_k", "3": "q3_k_m", "4": "q4_0" if known.group(1)[0] == "i" else "q4_k_m", "5": "q5_k_m",
                "6": "q6_k", "7": "q8_0", "8": "q8_0"}[digit]  # fmt: skip
    return next((f for pattern, f in _FORMATS if re.search(pattern, word)), "")


def narrowest(device: Accelerator) -> str:
    """The format that submissions to MLPerf quantize language models to: the narrowest that the device multiplies."""
    for name in ("fp4", "fp8"):
        if not np.isnan(getattr(device, f"peak_{name}_flops")):
            return name
    return (
        "int8"
        if device.kind != "soc" and not np.isnan(device.peak_int8_ops)
        else "int4"
        if device.kind == "soc"
        else "fp16"
    )


def benchmark_of(model: str) -> dict[str, str] | None:
    """The MLPerf benchmark of that name."""
    # Accuracy and latency flavours of one benchmark are the same network and lengths.
    plain = re.sub(r"(?i)[-_ ](99(\.\d+)?|interactive|server)\b", "", model)
    for asked in dict.fromkeys((compact(model), compact(plain))):
        for row in rows_of("data", "benchmarks"):
            if asked in {compact(a) for a in row["aliases"].split(";")}:
                return row
    return None


def generic_transformer(parameters: float, active: float = float("nan"), name: str = "generic") -> Transformer:
    """A Llama-like transformer of so many parameters, between the catalog's by the logarithm of their size.

    With fewer active parameters than it has: 64 experts of which so many are chosen that a token meets the active ones.
    """
    rungs = [catalog.transformer(n) for n in _LADDER]
    dense = active if active < 0.95 * parameters else parameters
    sizes = np.log([r.parameters for r in rungs])
    at = float(np.clip(np.log(dense), sizes[0] - 1.5, sizes[-1] + 1.5))
    layers = float(np.round(np.interp(at, sizes, [r.layers for r in rungs])))
    hidden = float(np.round(np.exp(np.interp(at, sizes, np.log([r.hidden for r in rungs]))) / 128) * 128)
    heads = hidden / 128
    base = catalog.Transformer(name=name, layers=layers, hidden=hidden, heads=heads, kv_heads=min(8.0, heads), head_dim=128.0,
                               feed_forward=1.0, gated=1.0, vocabulary=128256.0 if dense > 2e9 else 32000.0,
                               sequence=8192.0, tied_embeddings=0.0)  # fmt: skip
    rest = max(dense - base.parameters, 0.1 * dense)
    wide = max(rest / (layers * 3 * hidden), 1.0)
    if dense == parameters:
        return dataclasses.replace(base, feed_forward=wide)
    chosen = 4.0
    experts = max(np.round((parameters - dense + rest) / (rest / chosen)), chosen + 1)
    return dataclasses.replace(base, feed_forward=wide / chosen, experts=float(experts), experts_per_token=chosen)


def network_of(name: str, parameters: float) -> Transformer | ConvNet | str:
    """The network of a row, one of its size if the catalog does not know it, or in words why there is none."""
    for find in (catalog.transformer, catalog.convnet):
        try:
            return find(name)
        except ValueError:
            continue
    bare = re.sub(r"(?i)[-_ ](instruct|chat|it|base|hf|awq|gptq|fp8|fp4|w4a16|gguf|preview)\b", "", name)
    bare = bare.split("/")[-1]
    if bare != name and compact(bare):
        return network_of(bare, parameters)
    size = _SIZE.search(name.replace("_", "-"))
    active = float("nan")
    if size:
        copies = float(size.group(1) or 1)
        said = float(size.group(2)) * 1e9
        active = float(size.group(3)) * 1e9 if size.group(3) else 2 * said if copies > 1 else float("nan")
        if np.isnan(parameters):
            parameters = said * copies
    if np.isnan(parameters) or not 1e7 < parameters < 1e14:
        return f"network {name!r} is not in the catalog and its size is not stated" if name else "network not stated"
    return generic_transformer(parameters, active, name)


def with_latent_cache(network: Any) -> Any:
    """DeepSeek's latent attention as the model takes it: the 576 numbers that it keeps of a token in a layer.

    As so many key and value heads of the stated width; the projections' weights then come within a third of theirs.
    """
    if isinstance(network, Transformer) and "latent attention" in network.notes:
        return dataclasses.replace(network, kv_heads=576 / (2 * network.head_dim))
    return network


def engine_of(row: Row) -> str:
    """The engine that a row means: the one named; MLPerf for its submissions; TensorRT-LLM where nothing is said."""
    said = " ".join((row.get(k) or "").lower() for k in ("engine", "group"))
    if re.search(r"llama\.?cpp|gguf|ollama|ggml|metal|mlx|exllama", said):
        return "llama.cpp"
    return "MLPerf" if "mlperf" in said else "TensorRT-LLM"


def known_engine(row: Row) -> bool:
    """Whether rows of the row's engine took part in the fit; one that names none is taken at the default's word."""
    said = " ".join((row.get(k) or "").lower() for k in ("engine", "group"))
    named = (row.get("engine") or "").strip() != ""
    return not named or re.search(r"llama\.?cpp|gguf|ggml|mlperf|tensorrt|trt", said) is not None


def requests_of_run(engine: str, sequence: float) -> float:
    """Requests of one run of TensorRT-LLM's published tables, by input + output (its performance overview, v1.0)."""
    if engine != "TensorRT-LLM":
        return float("inf")
    return 30000.0 if sequence < 500 else 3000.0 if sequence < 3000 else 1500.0 if sequence < 15000 else 1000.0


def _one(value: float, default: float) -> float:
    return value if np.isfinite(value) and value > 0 else default


def read(row: Row) -> Served | str:
    """A row as the model takes it, or in words why it cannot."""
    name = (row.get("accelerator") or "").strip()
    device = by_name(name) if name else None
    if device is None:
        return f"accelerator {name!r} is not in the catalog" if name else "accelerator not stated"
    bandwidth = stated(row, "memory_bandwidth_Bps")
    if np.isnan(device.memory_bandwidth):
        if np.isnan(bandwidth):
            return f"{device.name} has no memory bandwidth in the catalog"
        device = dataclasses.replace(device, memory_bandwidth=bandwidth)
    model = (row.get("model") or row.get("benchmark") or "").strip()
    engine, said = engine_of(row), " ".join((row.get(k) or "").lower() for k in ("scenario", "notes"))
    if "production" in said or "production" in (row.get("group") or "").lower():
        return "a production average over a day: load, batch and cache hits are not stated"
    benchmark = benchmark_of(model)
    if benchmark and engine != "MLPerf" and (benchmark["kind"] == "decoder" or stated(row, "input_tokens") > 0):
        benchmark = None
    network = network_of(benchmark["network"] if benchmark else model, stated(row, "params"))
    if isinstance(network, str):
        return network
    network = with_latent_cache(network)
    convnet = isinstance(network, ConvNet)
    if convnet and benchmark is None:
        benchmark = benchmark_of("resnet50") if network.name == "ResNet-50" else None
    encoder = isinstance(network, Transformer) and not np.asarray(network.causal) > 0
    number_of = _one(stated(row, "n_accelerators"), _counted(name))
    p = _one(stated(row, "pipeline_parallel"), 1.0)
    t = stated(row, "tensor_parallel")
    if not t > 0:
        t = 0.0 if engine == "MLPerf" else max(number_of / p, 1.0)
    elif number_of < t * p:
        number_of = t * p
    if any(x != np.floor(x) or x > 4096 for x in (number_of, t, p)):
        return "numbers of accelerators are not whole, or beyond any server"
    fmt = number_format(row.get("precision") or "")
    if not fmt:
        wanted = benchmark["dtype"] if benchmark else "narrowest" if engine == "MLPerf" else "fp16"
        fmt = narrowest(device) if wanted == "narrowest" else wanted
        if convnet or encoder:
            fmt = one_pass_format(device, wanted)
    i, o = stated(row, "input_tokens"), stated(row, "output_tokens")
    batch = stated(row, "batch_or_concurrency")
    beams, bound = 1.0, float("inf")
    rate, each = stated(row, "throughput_tokens_per_s"), stated(row, "throughput_samples_per_s")
    if benchmark:
        i = _one(i, float(benchmark["input_tokens"] or "nan"))
        o = _one(o, rate / each if rate > 0 and each > 0 else float(benchmark["output_tokens"] or "nan"))
        beams, bound = float(benchmark["beams"] or 1), float(benchmark["latency_bound_s"])
    server = "server" in said.split(";")[0] and "serving" not in said.split(";")[0]
    if convnet or encoder:
        scenario = "samples"
        if encoder and not i > 0:
            return "tokens of a sample are not stated"
    elif re.search(r"prompt|prefill|context phase|\bpp\d", said.split(";")[0]):
        scenario = "prefill"
    elif re.search(r"decode|single.?stream|generation|\btg\d", said.split(";")[0]):
        scenario = "decode"
    elif batch > 0 and not re.search(r"offline|server", said.split(";")[0]):
        scenario = "batch"
    elif engine == "llama.cpp":
        scenario = "decode"
    else:
        scenario = "offline"
    if scenario == "prefill" and not i > 0 or scenario in ("offline", "batch") and not i > 0:
        return "input tokens are not stated"
    if scenario == "offline" and not o > 0:
        return "output tokens are not stated"
    i, o = _one(i, 0.0), _one(o, 128.0)
    if max(i, o) > 1e7 or 0 < i < 1 or o < 1:
        return "lengths are beyond any context"
    if batch > 1e6:
        return "more requests at once than any server has"
    batch = float(np.ceil(batch))
    kv = "fp8" if fmt in ("fp8", "fp4") else "bf16"
    efficient = re.search(r"max-?q|\bee\b", f"{name} {row.get('system') or ''}".lower().replace("_", " ")) is not None
    return Served(device, network, engine, fmt, kv, number_of, t, p, i, o, beams, _one(batch, 0.0),
                  requests_of_run(engine, i + o), scenario, server, bound, efficient)  # fmt: skip


def _counted(name: str) -> float:
    """How many accelerators a system's name says, as in "8xMI300X" or "H200-SXM-141GBx8"."""
    found = re.search(r"(?<![\w.])(\d+) ?x ?(?=[a-z])|(?<=gb)x(\d+)\b", name.lower().replace("_", " "))
    return float(found.group(1) or found.group(2)) if found else 1.0


def one_pass_format(device: Accelerator, wanted: str) -> str:
    """Formats of image networks and BERT: 8 bits; where 16 are asked for, FP8 if the device has it."""
    if wanted == "int8":
        return (
            "int8" if not np.isnan(device.peak_int8_ops) else "fp8" if not np.isnan(device.peak_fp8_flops) else "fp16"
        )
    return "fp8" if not np.isnan(device.peak_fp8_flops) else "fp16"


def quantities(row: Row, served: Served) -> list[tuple[str, float]]:
    """What a row measured, by the model's words."""
    rate, each = stated(row, "throughput_tokens_per_s"), stated(row, "throughput_samples_per_s")
    user, first, gap = (stated(row, k) for k in ("tokens_per_s_per_user", "ttft_s", "itl_s"))
    found: list[tuple[str, float]] = []
    if served.scenario == "samples":
        return [("samples a second", each)] if each > 0 else []
    if rate > 0:
        found.append(({"decode": "decode, tokens a second", "prefill": "prefill, tokens a second"}.get(
            served.scenario, "tokens a second"), rate))  # fmt: skip
    elif each > 0 and served.output_tokens > 0:
        found.append(("requests a second", each))
    if first > 0 and served.input_tokens > 0:
        found.append(("time to first token", first))
    if gap > 0:
        found.append(("time of a token", gap))
    elif user > 0 and not rate > 0:
        found.append(("tokens a second of one user", user))
    return found


__all__: list[Any] = ["Served", "benchmark_of", "engine_of", "generic_transformer", "network_of", "number_format", "quantities",
                      "read"]  # fmt: skip
