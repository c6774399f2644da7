"""Claims on cards, processors, memories and links, recomputed from the catalog and the physics."""

from __future__ import annotations

import numpy as np

from dcserver import catalog, compute, inference, interconnect, memory, storage
from dcserver.claims.evidence import Evidence, Numbers, only_if, recomputes


def _h100() -> catalog.Accelerator:
    return catalog.accelerator("H100 SXM")


def _eights() -> list[catalog.Server]:
    """Servers of eight cards; the documents' own node cannot be a witness for the documents."""
    known = (catalog.server(name) for name in catalog.table("servers") if not name.startswith("claim"))
    return [s for s in known if s.accelerators == 8]


@recomputes("D0-01")
def fp32_peak() -> Numbers:
    """Vector FP32 of an H100 SXM."""
    return _h100().peak("fp32")


@recomputes("D0-02")
def int8_peak() -> Evidence:
    """INT8 of an H100 SXM, dense; with half of the weights zero it counts twice."""
    return only_if(_h100().peak("int8"), {"with half of the weights zero": _h100().peak("int8", sparse=True)})


@recomputes("D2-21")
def fp8_peak() -> Evidence:
    """FP8 of an H100 SXM."""
    return only_if(_h100().peak("fp8"), {"with half of the weights zero": _h100().peak("fp8", sparse=True)})


@recomputes("D0-03")
def hbm_capacity() -> Numbers:
    """Memory of an H100, as labelled and as its allocator finds it."""
    return [_h100().memory_bytes, memory.capacity(_h100())]


@recomputes("D0-04")
def hbm_bandwidth() -> Numbers:
    """Memory bandwidth of an H100 SXM."""
    return _h100().memory_bandwidth


@recomputes("D0-05")
def training_memory() -> Numbers:
    """Everything that 100 billion parameters keep in 32 cards: states and activations of Megatron's 76B, scaled."""
    model = catalog.transformer("Megatron 76.1B")
    one = memory.training_footprint(model, tensor_parallel=8, pipeline_parallel=4, sequence_parallel=True,
                                    recomputation="selective", micro_batch=1, micro_batches=32)  # fmt: skip
    return 32 * float(one.total) * 100e9 / model.parameters


@recomputes("D0-06")
def server_memory() -> Numbers:
    """System memory of the catalog's servers of eight cards."""
    return [s.memory_bytes for s in _eights() if s.memory_bytes > 0]


@recomputes("D0-10")
def against_a_plain_server() -> Evidence:
    """A DGX H100 over two Xeon Silver: FP32 and BF16; the server of the generation before, in FP32."""
    new, old, plain = (catalog.server(n) for n in ("DGX H100", "DGX A100", "traditional server"))
    fp32, bf16 = (compute.server_peak_flops(new, d) / compute.server_peak_flops(plain) for d in ("fp32", "bf16"))
    older = compute.server_peak_flops(old, "fp32") / compute.server_peak_flops(plain)
    return only_if([fp32, bf16], {"in FP32 with cards of 2020": older})


@recomputes("D0-11")
def most_ddr4() -> Numbers:
    """What one processor with DDR4 addresses, over the catalog's."""
    processors = [catalog.cpu(n) for n in catalog.table("cpus")]
    return [c.max_memory_bytes for c in processors if c.memory_type == "DDR4" and c.max_memory_bytes > 0]


@recomputes("D0-13")
def multiprocessors() -> Numbers:
    """Streaming multiprocessors of the SXM and the PCIe card."""
    return [_h100().compute_units, catalog.accelerator("H100 PCIe").compute_units]


@recomputes("D0-14")
def threads() -> Numbers:
    """Threads resident on an H100 at once."""
    return compute.resident_threads(_h100())


@recomputes("D0-15")
def memory_saved() -> Evidence:
    """Share of memory saved by FP16: states of training with Adam; then what does halve."""
    wide, half = (memory.state_bytes(d).total for d in ("fp32", "fp16"))
    llama = catalog.transformer("Llama 2 70B")
    layers = [memory.layer_activations(llama, dtype=d).stored for d in ("fp32", "fp16")]
    return only_if(1 - half / wide, {"for activations alone": 1 - layers[1] / layers[0]})


def _resnet() -> dict[tuple[str, str, str], float]:
    """Images a second of ResNet-50 by card, number of cards and format, as NVIDIA measured."""
    rows = [r for r in catalog.measurements("training_other") if r["group"] == "resnet50-mixed-precision"]
    return {(r["accelerator"], r["n_accelerators"], r["precision"][:4].strip()): float(r["images_per_s"]) for r in rows}


def _mixed_gains() -> list[float]:
    images = _resnet()
    return [rate / images[card, n, wide] for (card, n, fmt), rate in images.items() if fmt == "amp"
            for wide in ("fp32", "tf32") if (card, n, wide) in images]  # fmt: skip


@recomputes("D0-16")
def speed_gained() -> Numbers:
    """ResNet-50 in mixed precision over the same card in FP32 (V100) or TF32 (A100), measured."""
    return _mixed_gains()


@recomputes("D2-07")
def resnet_gain() -> Evidence:
    """The same, and what comes out when two generations are mixed."""
    images = _resnet()
    both = images["A100-SXM4-80GB", "8", "amp"] / images["V100-SXM2-16GB", "8", "fp32"]
    return only_if(_mixed_gains(), {"eight A100 over eight V100 in FP32": both})


@recomputes("D1-03")
def each_at_its_own() -> Numbers:
    """How much faster each is at its own task: the CPU's clock over the GPU's, products of 8,192 the other way."""
    epyc, h100 = catalog.cpu("EPYC 9654"), _h100()
    small = epyc.boost_clock / h100.boost_clock
    large = compute.matmul(h100, 8192, 8192, 8192, "bf16").flops_rate / epyc.peak_fp32_flops
    return [small, float(large)]


@recomputes("D3-01")
def processor_width() -> Evidence:
    """FP32 multiply-adds of an EPYC 9654 in one cycle."""
    epyc = catalog.cpu("EPYC 9654")
    return only_if(epyc.peak_fp32_flops / 2 / epyc.base_clock, {"one thread without vector units": 1})


@recomputes("D2-22")
def mi300x() -> Evidence:
    """MI300X over H100: full servers of eight (MLPerf Inference v4.1); then one user of Llama 3.1 8B, and bandwidth."""
    cards = [catalog.accelerator("MI300X"), _h100()]
    served = {r["accelerator"]: float(r["throughput_tokens_per_s"]) for r in catalog.measurements("inference")
              if r["model"] == "llama2-70b-99" and r["scenario"] == "Offline"}  # fmt: skip
    full = served["8xMI300X_2xEPYC-TURIN"] / served["DGX-H100_H100-SXM-80GBx8_TRT"] - 1
    llama = catalog.transformer("Llama 3.1 8B")
    ours, theirs = (inference.answer(llama, c, input_tokens=1000, output_tokens=200).token for c in cards)
    return only_if(
        [full, theirs / ours - 1], {"memory alone": cards[0].memory_bandwidth / cards[1].memory_bandwidth - 1}
    )


@recomputes("D4-05")
def cores() -> Numbers:
    """Lanes of a V100 and an A100, by peak and clock."""
    return [float(compute.vector_lanes(catalog.accelerator(name))) for name in ("V100", "A100 SXM")]


@recomputes("D2-36")
def bandwidths_on_sale() -> Numbers:
    """Memory bandwidth of the cards in servers of eight since 2020."""
    return [s.accelerator.memory_bandwidth for s in _eights() if s.accelerator and s.year >= 2020]


@recomputes("D2-44")
def stacked_already() -> Numbers:
    """Memory bandwidth of every catalog card with stacked memory (HBM)."""
    cards = [catalog.accelerator(name) for name in catalog.table("accelerators")]
    return [c.memory_bandwidth for c in cards if c.memory_type.startswith("HBM")]


@recomputes("D2-23")
def optane_latency() -> Numbers:
    """A random read of Optane persistent memory."""
    return catalog.tier("Optane persistent memory").latency


@recomputes("D2-24")
def optane_against_a_drive() -> Evidence:
    """The same over a flash drive's; and Optane's own drive over the flash drive."""
    flash = catalog.tier("NVMe SSD, PCIe 4.0 x4").latency
    drive = catalog.tier("Optane SSD P4800X").latency
    return only_if(catalog.tier("Optane persistent memory").latency / flash, {"Optane as a drive": drive / flash})


@recomputes("D2-25")
def cxl_bandwidth() -> Evidence:
    """CXL 2.0 over 16 lanes, each way; and both ways."""
    cxl = catalog.link("CXL 2.0").bandwidth
    return only_if(cxl, {"both directions added": 2 * cxl})


@recomputes("D0-07")
def quantum_port() -> Numbers:
    """A port of InfiniBand NDR, one direction."""
    return catalog.link("InfiniBand NDR x4").bandwidth


@recomputes("D0-08")
def without_lossless() -> Evidence:
    """How much longer a step takes if one packet in 1,000 is lost: today's adapters, and old ones."""
    now, then = (interconnect.step_stretch(1e-3, recovery=r) for r in ("selective", "go-back-n"))
    return only_if(now, {"adapters that go back N": then})


@recomputes("D4-06")
def nvlink_gain() -> Numbers:
    """NVLink over PCIe, in the A100's and the H100's generation; latency over InfiniBand over that within a server."""
    hop = catalog.constants("collectives")
    pairs = (("NVLink 3", "PCIe 4.0 x16"), ("NVLink 4", "PCIe 5.0 x16"))
    wider = [catalog.link(nvlink).bandwidth / catalog.link(bus).bandwidth for nvlink, bus in pairs]
    return [*wider, hop["network_latency_infiniband"] / hop["hop_latency_ll"]]


@recomputes("D2-33")
def round_trips() -> Evidence:
    """Round trip of light in fibre to a provider's region 500 km away; and to where such latencies come from."""
    near = 500e3 / interconnect.reach(1.0)
    return only_if(near, {"a user 4,000 km away": 4000e3 / interconnect.reach(1.0)})


@recomputes("D0-23")
def image_sizes() -> Evidence:
    """A CT of 300 slices and a file of KiTS19; a microscope's slide before and after compression."""
    ct, slide = storage.volume_bytes(512, 512, 300), storage.volume_bytes(100_000, 100_000, bytes_per_point=3)
    return only_if([ct, catalog.data_set("KiTS19").sample_bytes], {"slides as they are scanned": slide, "slides as they are stored": catalog.data_set("slide 40x").bytes})  # fmt: skip


@recomputes("D2-42")
def satellites() -> Numbers:
    """Planet's images of a day in 2017 and Sentinel's products of 2015, together."""
    return sum(catalog.data_set(name).bytes for name in ("Planet", "Sentinel, products"))


@recomputes("D2-18")
def state_vectors() -> Numbers:
    """Qubits whose whole state fits: 16 bytes an amplitude, in 16,384 superchips of 96 GB each."""
    return np.floor(np.log2(16384 * catalog.accelerator("GH200-96GB").memory_bytes / 16))


@recomputes("D4-01")
def cards_of_a_node() -> Numbers:
    """Cards of a DGX A100."""
    return catalog.server("DGX A100").accelerators


@recomputes("D4-02")
def cores_of_a_processor() -> Numbers:
    """Cores of an EPYC 7742."""
    return catalog.cpu("EPYC 7742").cores


@recomputes("D4-03")
def memory_of_a_node() -> Numbers:
    """System memory of the DGX A100 with 640 GB."""
    return catalog.server("DGX A100 640GB").memory_bytes


@recomputes("D4-04")
def drives_of_a_node() -> Numbers:
    """Local drives of the DGX A100 with 640 GB."""
    return catalog.server("DGX A100 640GB").drive_bytes
