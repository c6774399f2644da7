"""The things that the course talks about, as frozen records of plain SI numbers.

A missing fact is NaN (number) or empty (text), never a guess. Rates of accelerators are dense peaks;
bandwidths are per direction unless the name says otherwise. A record's fields may also hold arrays
(see ``catalog.stack``); every formula of the package then runs over all of them at once.
Taught in chapter 01.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog.fields import DTYPES, Noun, described, fact, named, text
from dcserver.checks import require_between, require_choice, require_whole


@described
@dataclass(frozen=True, kw_only=True)
class Accelerator(Noun):
    """A GPU, TPU or other deep-learning processor. Peaks are dense FLOP/s; a fused multiply-add counts as two.

    Taught in chapter 01.
    """

    vendor: str = text("vendor", "who makes it")
    kind: str = text("kind", "gpu, tpu, asic, soc")
    form_factor: str = text("form_factor", "SXM, PCIe, OAM, board, module")
    architecture: str = text("architecture", "chip generation")
    year: float = fact("year", "year", "first shipped")
    peak_fp64_flops: float = fact("peak_fp64_flops", "FLOP/s", "vector FP64")
    peak_fp64_tensor_flops: float = fact("peak_fp64_tensor_flops", "FLOP/s", "matrix FP64")
    peak_fp32_flops: float = fact("peak_fp32_flops", "FLOP/s", "vector FP32")
    peak_tf32_flops: float = fact("peak_tf32_flops", "FLOP/s", "matrix TF32, dense")
    peak_fp16_flops: float = fact("peak_fp16_flops", "FLOP/s", "matrix FP16 where there is a matrix unit, dense")
    peak_bf16_flops: float = fact("peak_bf16_flops", "FLOP/s", "matrix BF16, dense")
    peak_fp8_flops: float = fact("peak_fp8_flops", "FLOP/s", "matrix FP8, dense")
    peak_fp4_flops: float = fact("peak_fp4_flops", "FLOP/s", "matrix FP4, dense")
    peak_int8_ops: float = fact("peak_int8_ops", "op/s", "matrix INT8, dense")
    sparse_speedup: float = fact("sparse_speedup", "1", "advertised gain from 2:4 structured sparsity; 1 = none")
    memory_bytes: float = fact("memory_bytes", "B", "device memory, decimal bytes")
    memory_bandwidth: float = fact("memory_bandwidth_Bps", "B/s", "device memory, data sheet")
    l2_bytes: float = fact("l2_bytes", "B", "last-level cache on the device")
    scale_up_bandwidth: float = fact("scaleup_bandwidth_per_direction_Bps", "B/s", "NVLink and its like, one direction")
    host_bus_bandwidth: float = fact("host_bus_per_direction_Bps", "B/s", "bus to the host, one direction")
    max_power: float = fact("max_power_W", "W", "board power limit")
    compute_units: float = fact("compute_units", "1", "streaming multiprocessors, compute units, cores")
    boost_clock: float = fact("boost_clock_Hz", "Hz", "the clock at which the peaks are quoted")
    list_price: float = fact("list_price_usd", "USD", "list price, where there is one")
    memory_type: str = text("memory_type", "HBM, GDDR, LPDDR")
    scale_up_fabric: str = text("scaleup_fabric", "what joins accelerators of a node")
    host_bus: str = text("host_bus", "what joins accelerator and host")

    def peak(self, dtype: str, sparse: bool = False) -> float:
        """Peak FLOP/s of a number format (dense unless told); NaN for the unknown ones among stacked devices.

        Raises
        ------
        ValueError
            For an unknown format, or one whose peak the catalog does not know for this device.
        """
        dtype = {"fp8_e4m3": "fp8", "fp8_e5m2": "fp8"}.get(dtype, dtype)
        require_choice(DTYPES, dtype=dtype)
        peak = self._peak(dtype)
        if peak.ndim == 0 and np.isnan(peak):
            raise ValueError(
                f"{self.name} has no {dtype} peak in the catalog; it has {', '.join(self.dtypes) or 'none'}"
            )
        if sparse:
            peak = peak * self.sparse_speedup
        return plain_float(peak)

    @property
    def dtypes(self) -> tuple[str, ...]:
        """The formats whose peak is known for this device, or for all of the stacked devices."""
        return tuple(d for d in DTYPES if not np.isnan(self._peak(d)).any())

    def _peak(self, dtype: str) -> np.ndarray:
        return np.asarray(getattr(self, "peak_int8_ops" if dtype == "int8" else f"peak_{dtype}_flops"), dtype=float)


@described
@dataclass(frozen=True, kw_only=True)
class Cpu(Noun):
    """A processor of the host. Peaks are cores x base clock x vector FLOP a cycle.

    Taught in chapter 01.
    """

    vendor: str = text("vendor", "who makes it")
    year: float = fact("year", "year", "first shipped")
    cores: float = fact("cores", "1", "physical cores")
    base_clock: float = fact("base_clock_Hz", "Hz", "guaranteed clock with all cores busy")
    boost_clock: float = fact("boost_clock_Hz", "Hz", "highest clock of one core")
    peak_fp64_flops: float = fact("peak_fp64_flops", "FLOP/s", "all cores, vector units, base clock")
    peak_fp32_flops: float = fact("peak_fp32_flops", "FLOP/s", "all cores, vector units, base clock")
    peak_bf16_flops: float = fact("peak_bf16_flops", "FLOP/s", "matrix units (AMX) where there are any")
    memory_channels: float = fact("memory_channels", "1", "DDR channels")
    memory_bandwidth: float = fact("memory_bandwidth_Bps", "B/s", "all channels")
    max_memory_bytes: float = fact("max_memory_bytes", "B", "most memory it addresses")
    cache_bytes: float = fact("cache_bytes", "B", "last-level cache")
    io_lanes: float = fact("io_lanes", "1", "PCI Express lanes")
    max_power: float = fact("max_power_W", "W", "thermal design power")
    list_price: float = fact("list_price_usd", "USD", "list price")
    memory_type: str = text("memory_type", "DDR generation")
    host_bus: str = text("host_bus", "PCI Express generation and lanes")


@described
@dataclass(frozen=True, kw_only=True)
class Link(Noun):
    """One way for bytes to travel between two places.

    Taught in chapter 01.
    """

    family: str = text("class", "PCIe, NVLink, InfiniBand, Ethernet, ...")
    bandwidth: float = fact("bandwidth_per_direction_Bps", "B/s", "one direction, data rate of the specification")
    latency: float = fact("latency_s", "s", "one way, small message")
    latency_kind: str = text("latency_kind", "what that latency includes")
    measured_bandwidth: float = fact("measured_bandwidth_Bps", "B/s", "what a measurement reached")
    scope: str = text("scope", "per port, per GPU, per node")
    year: float = fact("year", "year", "first shipped")


@described
@dataclass(frozen=True, kw_only=True)
class Server(Noun):
    """A node: accelerators, processors, memory, drives, links, supplies.

    Taught in chapter 01.
    """

    accelerator: Accelerator | None = named("accelerator", "accelerators", "the kind of accelerator in it")
    accelerators: float = fact("n_accelerators", "1", "accelerators in the node")
    cpu: Cpu | None = named("cpu", "cpus", "the kind of processor in it")
    cpus: float = fact("n_cpus", "1", "processors in the node")
    memory_bytes: float = fact("memory_bytes", "B", "system memory")
    drive_bytes: float = fact("drive_bytes", "B", "local drives, all of them")
    drive_bandwidth: float = fact("drive_bandwidth_Bps", "B/s", "sequential read, all drives")
    drives: float = fact("n_drives", "1", "local drives")
    scale_up_link: Link | None = named("scale_up_link", "links", "what joins its accelerators")
    scale_out_link: Link | None = named("scale_out_link", "links", "of a network port")
    scale_out_links: float = fact("n_scale_out_links", "1", "network ports for accelerator traffic")
    power_supplies: float = fact("n_power_supplies", "1", "supplies fitted")
    power_supplies_needed: float = fact("n_power_supplies_needed", "1", "supplies that carry the full load")
    power_supply_power: float = fact("power_supply_W", "W", "rating of one supply")
    max_power: float = fact("max_power_W", "W", "data sheet, whole node")
    price: float = fact("price_usd", "USD", "estimate; see notes")
    cooling: str = text("cooling", "air, cold plate, immersion")
    year: float = fact("year", "year", "first shipped")

    @property
    def scale_out_bandwidth(self) -> float:
        """Bytes a second, one direction, of all the node's ports for accelerator traffic."""
        return self.scale_out_links * self.scale_out_link.bandwidth if self.scale_out_link else float("nan")


@described
@dataclass(frozen=True, kw_only=True)
class Board(Noun):
    """How the parts of a server hang together: its name is the server's.

    Taught in chapter 01.
    """

    host_bus: Link | None = named("host_bus", "links", "what joins an accelerator to its processor")
    pcie_switches: float = fact("pcie_switches", "1", "PCIe switches; each shares one slot's lanes upward; 0 = none")
    scale_up_switches: float = fact("scale_up_switches", "1", "switches that join the accelerators; 0 = none")
    drive_lanes: float = fact("drive_lanes", "1", "PCI Express lanes of a drive")
    socket_bandwidth: float = fact("socket_bandwidth_Bps", "B/s", "between two processors, one direction, all links")


TOPOLOGIES = ("nvswitch", "ring", "torus", "fat tree", "rail-optimised", "dragonfly")


@dataclass(frozen=True, kw_only=True)
class Cluster(Noun):
    """So many equal servers joined by a topology whose uplinks may be oversubscribed.

    Taught in chapter 01.

    Attributes
    ----------
    server : Server
        Of which it is made.
    servers : 1
        How many.
    topology : str
        Of the network.
    oversubscription : 1
        Bandwidth of hosts over that of uplinks; 1 = none.

    Raises
    ------
    ValueError
        For a number of servers that is not whole and positive, an unknown topology, or an oversubscription below 1.
    """

    server: Server | None = None
    servers: float = field(default=1, metadata={"unit": "1"})
    topology: str = "fat tree"
    oversubscription: float = field(default=1.0, metadata={"unit": "1"})

    def __post_init__(self) -> None:
        require_whole(servers=self.servers)
        require_choice(TOPOLOGIES, topology=self.topology)
        require_between(1, float("inf"), oversubscription=self.oversubscription)

    @property
    def accelerators(self) -> float:
        """Accelerators of the whole cluster."""
        return self.servers * self.server.accelerators if self.server else float("nan")

    def __str__(self) -> str:
        return str(self.name) or f"{self.servers:,} x {self.server or 'server'}, {self.topology}"


@described
@dataclass(frozen=True, kw_only=True)
class Transformer(Noun):
    """A transformer language model by its dimensions.

    Taught in chapter 01.
    """

    layers: float = fact("layers", "1", "blocks")
    hidden: float = fact("hidden", "1", "width of the residual stream")
    heads: float = fact("heads", "1", "query heads")
    kv_heads: float = fact("kv_heads", "1", "key-value heads; equal to heads without grouping")
    head_dim: float = fact("head_dim", "1", "width of a head")
    feed_forward: float = fact("feed_forward", "1", "inner width of the feed-forward part (of one expert)")
    gated: float = fact("gated", "1", "1 if the feed-forward part has a gate (three matrices), else 0")
    vocabulary: float = fact("vocabulary", "1", "tokens in the vocabulary")
    sequence: float = fact("sequence", "token", "context length it was trained with")
    experts: float = fact("experts", "1", "feed-forward experts a layer; 1 = dense", default=1.0)
    experts_per_token: float = fact("experts_per_token", "1", "experts that a token visits", default=1.0)
    shared_experts: float = fact("shared_experts", "1", "experts that every token visits", default=0.0)
    tied_embeddings: float = fact("tied_embeddings", "1", "1 if input and output embedding share weights")
    positions: float = fact("learned_positions", "1", "learned position embeddings (0 = none)", default=0.0)
    causal: float = fact("causal", "1", "1 if a token sees only earlier ones", default=1.0)
    published_parameters: float = fact("parameters", "1", "parameters that the authors state")
    year: float = fact("year", "year", "published")

    @property
    def attention_parameters(self) -> float:
        """Weights of the query, key, value and output projections of one layer (biases and norms left out)."""
        return 2 * self.hidden * self.head_dim * (self.heads + self.kv_heads)

    @property
    def expert_parameters(self) -> float:
        """Weights of one feed-forward part: two matrices, three with a gate."""
        return (2 + self.gated) * self.hidden * self.feed_forward

    @property
    def embedding_parameters(self) -> float:
        """Weights of input and output embeddings and of learned positions."""
        return (2 - self.tied_embeddings) * self.vocabulary * self.hidden + self.positions * self.hidden

    @property
    def parameters(self) -> float:
        """All weights: attention, feed-forward, router, embeddings. Biases and norms (under 0.1 %) left out."""
        router = np.where(np.asarray(self.experts) > 1, self.hidden * self.experts, 0)
        layer = (self.attention_parameters + router
                 + (self.experts + self.shared_experts) * self.expert_parameters)  # fmt: skip
        total = self.layers * layer + self.embedding_parameters
        return plain_float(total)

    @property
    def active_parameters(self) -> float:
        """Weights that one token passes through."""
        idle = (self.experts - self.experts_per_token) * self.expert_parameters * self.layers
        return self.parameters - idle


@described
@dataclass(frozen=True, kw_only=True)
class ConvNet(Noun):
    """A convolutional network by its operator counts for one sample.

    Taught in chapter 01.
    """

    published_parameters: float = fact("parameters", "1", "weights")
    forward_flops: float = fact("forward_flops", "FLOP", "one sample forward; a multiply-add counts as two")
    activation_elements: float = fact("activation_elements", "1", "numbers kept for the backward pass, one sample")
    input_elements: float = fact("input_elements", "1", "numbers of one input sample")
    input_bytes: float = fact("input_bytes", "B", "one sample as stored on disk")
    input_shape: str = text("input_shape", "what one sample is")
    year: float = fact("year", "year", "published")


@described
@dataclass(frozen=True, kw_only=True)
class MemoryTier(Noun):
    """A place for bytes, from the accelerator's own memory down to storage behind the network.

    Taught in chapter 01.
    """

    kind: str = text("kind", "HBM, DDR, CXL, persistent memory, NVMe, network storage")
    latency: float = fact("latency_s", "s", "one small read, idle, as its user sees it")
    read_bandwidth: float = fact("read_bandwidth_Bps", "B/s", "large reads, many in flight")
    write_bandwidth: float = fact("write_bandwidth_Bps", "B/s", "large writes, many in flight")
    capacity: float = fact("capacity_bytes", "B", "of the unit in notes")
    access_bytes: float = fact("access_bytes", "B", "smallest transfer: a cache line, a flash page")
    price_per_byte: float = fact("price_usd_per_byte", "USD/B", "on the date in notes")
    persistent: float = fact("persistent", "1", "1 if the bytes survive a power cut")
    year: float = fact("year", "year", "first shipped")


@described
@dataclass(frozen=True, kw_only=True)
class Grid(Noun):
    """An electricity grid.

    Taught in chapter 01.
    """

    carbon_intensity: float = fact("carbon_intensity_kg_per_J", "kg/J", "CO2-equivalent of a joule")
    year: float = fact("year", "year", "of the figure")


@described
@dataclass(frozen=True, kw_only=True)
class Price(Noun):
    """A price on a date.

    Taught in chapter 01.
    """

    category: str = text("category", "cloud, hardware, electricity, accounting")
    accelerator: str = text("accelerator", "which, where one is priced")
    accelerators: float = fact("n_accelerators", "1", "how many of them")
    provider: str = text("provider", "who asks it")
    price: float = fact("price_usd", "USD", "the price")
    unit: str = text("unit", "USD, USD/h, USD/kWh")
    price_per_accelerator_hour: float = fact("price_usd_per_gpu_hour", "USD/h", "rent of one accelerator")
    region: str = text("region", "where")
    date: str = text("date", "when")
    commitment: str = text("commitment", "on demand, spot, reserved")
