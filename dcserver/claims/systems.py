"""Claims on training, sharing, reliability and energy, recomputed from the models of systems."""

from __future__ import annotations

import math

from dcserver import catalog, compute, energy, inference, memory, reliability, sharing, training
from dcserver.claims.evidence import Evidence, Numbers, only_if, recomputes
from dcserver.units import GB, day, hour


@recomputes("D0-19")
def large_runs() -> Numbers:
    """Cards of the runs of LLaMA 65B and Llama 3.1 405B, as their authors state them."""
    runs = {r["model"]: r["n_accelerators"] for r in catalog.measurements("training_other") if r["accel_hours"]}
    return [float(runs[name]) for name in ("LLaMA-65B", "Llama-3.1-405B")]


@recomputes("D0-25")
def cluster_for_ten_billion() -> Evidence:
    """H100s that hold the states of 10 billion parameters; those that see 20 tokens for each in a month."""
    h100 = catalog.accelerator("H100 SXM")
    hold = math.ceil(10e9 * memory.state_bytes().total / memory.capacity(h100))
    model = catalog.transformer("GPT-3 13B")
    share = 10e9 / model.parameters
    flops = float(training.training_flops(model, 20 * 10e9)) * share
    return only_if(hold, {"to be done in a month": flops / (0.4 * h100.peak("bf16") * 30 * day)})


@recomputes("D2-48")
def small_set_up() -> Numbers:
    """How many times the training states of BERT large fit into eight V100 of 16 GB."""
    room = 8 * memory.capacity(catalog.accelerator("V100-SXM2-16GB"))
    return room / (memory.state_bytes().total * catalog.transformer("BERT large").parameters)


@recomputes("D2-49")
def large_set_up() -> Evidence:
    """Cards of the published runs of 2020 and since; cards that hold the states of LLaMA 65B, in whole servers."""
    runs = catalog.measurements("training_other")
    large = [float(r["n_accelerators"]) for r in runs if r["accel_hours"] and float(r["n_accelerators"] or 0) > 300]
    states = catalog.transformer("LLaMA 65B").parameters * memory.state_bytes().total
    hold = 8 * math.ceil(states / memory.capacity(catalog.accelerator("A100-SXM4-40GB")) / 8)
    return only_if(large, {"to hold the states of LLaMA 65B": hold})


@recomputes("D4-07")
def language_models() -> Numbers:
    """Parameters of BERT large and GPT-3."""
    return [catalog.transformer(name).parameters for name in ("BERT large", "GPT-3 175B")]


@recomputes("D2-15")
def fraud() -> Evidence:
    """Nothing is published of that model; what one A100 does on MLPerf's recommender, Server scenario."""
    rates = [float(r["throughput"]) / float(r["n_accelerators"]) for r in catalog.measurements("mlperf_power")
             if r["benchmark"] == "DLRM-99.0" and r["scenario"] == "Server"]  # fmt: skip
    return only_if([], {"one A100 on MLPerf's recommender": max(rates)})


@recomputes("D2-26")
def triton() -> Numbers:
    """Speed with NVIDIA's Triton server in front over that without, MLPerf on the same cards."""
    served = {r["accelerator"]: float(r["throughput_tokens_per_s"]) for r in catalog.measurements("inference")
              if r["model"] == "llama2-70b-99" and r["scenario"] == "Offline"}  # fmt: skip
    return served["H200-SXM-141GBx8_TRT_Triton"] / served["H200-SXM-141GBx8_TRT"]


@recomputes("D2-27")
def fusion() -> Evidence:
    """Gain if every operator of a language model's step were free; of pairs of small operators, fused."""
    h100 = catalog.accelerator("H100 SXM")
    step = inference.step(catalog.transformer("Llama 3.1 8B"), h100, requests=64, prefill_tokens=1000)
    pairs = (["add", "gelu"], ["dropout", "add"], ["scale", "add"])
    times = [[compute.operator_chain(h100, p, elements=1e8, fused=f).time for f in (False, True)] for p in pairs]
    free = 1 / (1 - step.breakdown["operators"] / step.time) - 1
    return only_if(float(free), {"pairs of small operators, fused": [apart / fused - 1 for apart, fused in times]})


@recomputes("D2-35")
def resnet_on_sale() -> Numbers:
    """Queries a second of every system with power in MLPerf Inference v3.0, and of one A2 by the model."""
    rates = [float(r["throughput"]) for r in catalog.measurements("mlperf_power")
             if r["round"] == "Inference v3.0" and r["benchmark"] == "ResNet"]  # fmt: skip
    small = inference.samples(catalog.convnet("ResNet-50"), catalog.accelerator("A2"), scenario="Server",
                              latency_bound=0.015)  # fmt: skip
    return [*rates, float(small.rate)]


@recomputes("D2-04")
def slices() -> Numbers:
    """How many instances of each profile an H100 is cut into."""
    profiles = sharing.partition_profiles("H100 SXM").values()
    return [int(sharing.pack([p.name] * 9).placed.sum()) for p in profiles]


@recomputes("D2-05")
def migrations() -> Evidence:
    """Jobs that one controller starts in a second; moves of 1 GB of state through a hundred ports of 400 Gb/s."""
    ports = 100 * catalog.link("InfiniBand NDR x4").bandwidth
    moves = ports / float(sharing.migration_bandwidth(1, 1 * GB))
    return only_if(
        catalog.constants("sharing")["scheduler_decisions"], {"with 1 GB of state over a hundred ports": moves}
    )


@recomputes("D2-03")
def owned_use() -> Numbers:
    """How busy owned clusters are: cards held (Helios, PAI 2023), a kernel running (Philly, PAI 2020)."""
    helios = sharing.trace_statistics("Helios")
    held = helios["jobs"] * helios["mean_gpu_seconds"] / (helios["gpus"] * helios["period"])
    use = {row["where"]: float(row["value"]) for row in sharing.published("gpu_utilization")}
    return [held, use["Alibaba PAI, 2023"], use["Philly, 2017"], use["Alibaba PAI, 2020"]]


@recomputes("D2-38")
def back_again() -> Numbers:
    """Recovery of a service behind a load balancer, behind a name server, and of a training job."""
    service, named = (reliability.recovery_time(5, 3, 5, redirect) for redirect in (2, 60))
    return [float(service), float(named), 600.0]


@recomputes("D2-39")
def lost_work() -> Evidence:
    """Seconds of work that a training job loses at a failure; confirmed writes that a synchronous copy loses."""
    mean = reliability.time_to_failure(16384)
    return only_if(reliability.best_interval(10, mean) / 2, {"writes copied before they are confirmed": 0})


@recomputes("D3-02")
def spare_supplies() -> Numbers:
    """Time between outages with two spare supplies over that without any."""
    spare, bare = (reliability.redundancy(4, n, 250e3 * hour, day, 0.05) for n in (6, 4))
    return float(spare.time_between_outages / bare.time_between_outages)


@recomputes("D0-17")
def server_draw() -> Numbers:
    """What a DGX A100, H100 and B200 draw, and what their sheets allow."""
    nodes = [catalog.server(n) for n in ("DGX A100", "DGX H100", "DGX B200")]
    return [*(float(energy.server_power(n).total) for n in nodes), *(n.max_power for n in nodes)]


def _published_pue() -> dict[str, float]:
    return {r["item"]: float(r["value"]) for r in catalog.measurements("energy") if r["metric"] == "PUE"}


@recomputes("D0-18")
def advanced_pue() -> Numbers:
    """Cold plates in a mean of 12 °C; Google's fleet of 2025."""
    return [float(energy.yearly_facility("cold plate", 12.0).pue), _published_pue()["Google fleet 2025"]]


@recomputes("D1-02")
def liquid_saving() -> Numbers:
    """Share of energy at the meter that cold plates save against air at 30 °C."""
    h100 = catalog.server("DGX H100")
    kinds = ("air", "cold plate")
    air, plates = (energy.facility(k, 30.0).pue * energy.server_power(h100, cooling=k).total for k in kinds)
    return float(1 - plates / air)


@recomputes("D2-10")
def ordinary_pue() -> Evidence:
    """The survey's mean of 2025 and mixed air at full load; the same room a tenth full, and the survey of 2007."""
    full, empty = (energy.facility("air", 20.0, load=load, economiser=False, contained=False).pue for load in (1, 0.1))
    survey = _published_pue()
    return only_if(
        [survey["industry average 2025"], full], {"a tenth full": empty, "in 2007": survey["industry average 2007"]}
    )


@recomputes("D2-11")
def water_pue() -> Numbers:
    """Cold plates in a mean of 20 °C."""
    return float(energy.yearly_facility("cold plate", 20.0).pue)


@recomputes("D2-34")
def immersed_pue() -> Numbers:
    """All of it in liquid, no battery behind it, a mean of 12 °C."""
    return float(energy.yearly_facility("immersion", 12.0, backed_up=False).pue)
