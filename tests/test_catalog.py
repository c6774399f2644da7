"""The catalog's facts: each has a source, dense and sparse are apart, and figures that follow from each other agree."""

import contextlib
import csv
import dataclasses
import doctest
import re
from importlib import resources
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog
from dcserver.catalog import names, tables
from dcserver.catalog.fields import CONFIDENCE

DATA = Path(str(resources.files("dcserver.catalog"))) / "data"
ACCELERATORS = catalog.table("accelerators")
SERVERS = catalog.table("servers")
TRANSFORMERS = catalog.table("transformers")


# --- Sources -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", tables.TABLES)
def test_every_row_says_who_says_so_and_where(kind):
    for record in catalog.table(kind).values():
        assert record.source, record.name
        assert record.source_address, record.name
        assert record.confidence in CONFIDENCE, record.name


@pytest.mark.parametrize("path", sorted(DATA.glob("*.csv")), ids=lambda p: p.stem)
def test_every_row_says_how_far_it_was_followed_and_what_was_read_has_an_address(path):
    """Of every file of facts, also of those that no noun describes."""
    for row in csv.DictReader(path.read_text(encoding="utf-8").splitlines()):
        assert row["confidence"] in CONFIDENCE, row
        if row["confidence"] == "read":
            assert re.search(r"https?://|github:|arXiv:|doi\.org|DOI", row["source_address"]), row


def test_an_unknown_confidence_is_named():
    rows = ["name,source,confidence", "my card,me,sure"]
    with pytest.raises(ValueError, match="confidence='sure' is not one of read, excerpt, recalled, derived"):
        tables.parse("accelerators", rows)


@pytest.mark.parametrize("kind", tables.TABLES)
def test_recalled_fields_are_columns(kind):
    columns = {f.metadata["column"] for f in dataclasses.fields(tables.TABLES[kind]) if "column" in f.metadata}
    for record in catalog.table(kind).values():
        if not record.recalled_fields.startswith("all"):
            assert set(record.recalled_fields.split()) <= columns | {"source_address"}, record.name


def test_no_file_of_the_catalog_names_a_machine_path_or_a_package_registry():
    forbidden = re.compile(
        r"/(work|root|home|tmp|Users)/|[a-z]:\\|py" r"pi\.|python" r"hosted|registry\.npm|crates\.io", re.I
    )
    files = list(DATA.parent.rglob("*.csv"))
    assert len(files) > 10
    for path in files:
        text = path.read_text(encoding="utf-8")
        assert not forbidden.search(text), (path.name, forbidden.search(text))


@pytest.mark.parametrize("kind", tables.TABLES)
def test_no_two_records_answer_to_one_name(kind):
    seen = {}
    for record in catalog.table(kind).values():
        for name in [record.name, *record.aliases.split(";")]:
            key = names.compact(name)
            if key:
                assert seen.setdefault(key, record.name) == record.name, name


# --- What must be there --------------------------------------------------------------------------------------------

WANTED = {
    "accelerators": "V100; A100 40GB; A100 80GB; H100 SXM; H100 PCIe; H200; B200; GB200; MI250X; MI300X; TPU v4; TPU v5e; "
    "TPU v5p; TPU v6e; Gaudi3; L4; L40S; T4; RTX 4090; Jetson Orin",
    "cpus": "Xeon Silver 4310; Xeon 8480+; EPYC 7742; EPYC 9654",
    "servers": "DGX A100; DGX H100; DGX B200; claim D4 node; traditional server; p4d; p5; p6-b200; GB200 NVL72",
    "transformers": "GPT-2; GPT-3; Megatron 1T; LLaMA 7B; LLaMA 65B; Llama 2 70B; Llama 3 8B; Llama 3.1 405B; MPT 7B; "
    "BERT base; BERT large; BLOOM; Mixtral 8x7B; DeepSeek V3",
    "convnets": "ResNet-50; 3D U-Net",
    "links": "NVLink 4; PCIe 5.0 x16; InfiniBand NDR; Ethernet 10G; CXL 2.0",
    "grids": "France; Poland; United States; World",
    "filesystems": "Ceph, 63 servers, 6 + 2; Orion, disk tier; reference, flash",
    "datasets": "ImageNet; KiTS19; Llama 3 text",
    "applications": "climate; protein structure; massive MIMO; fraud detection",
}


@pytest.mark.parametrize(("kind", "name"), [(kind, n) for kind, all_ in WANTED.items() for n in all_.split("; ")])
def test_the_course_finds_what_it_speaks_of(kind, name):
    assert catalog.table(kind).find(name).name


# What the tables call these cannot be a device.
NO_DEVICE = {"not stated", "none (RDMA write)"}
MEASURED = (
    "gemm",
    "ops_llmcompass",
    "roofline_power",
    "collectives",
    "dvfs_zeus",
    "mlperf_power",
    "inference",
    "training_bloom_sweep",
    "training_korthikanti22",
    "training_megatron_sc21",
    "training_other",
)


@pytest.mark.parametrize("name", MEASURED)
def test_every_measured_accelerator_is_known(name):
    unknown = set()
    for text in {row["accelerator"] for row in catalog.measurements(name)}:
        try:
            catalog.accelerator(text)
        except ValueError:
            unknown.add(text)
    assert unknown <= NO_DEVICE


def test_every_model_of_the_paper_tables_is_known():
    """Narayanan 2021 and Korthikanti 2022 state layers, width and heads: the catalog has the same."""
    for name in ("training_megatron_sc21", "training_korthikanti22"):
        for row in catalog.measurements(name):
            shape = tuple(float(row[column]) for column in ("layers", "hidden", "heads", "vocab", "seq_len_tokens"))
            fits = [t for t in TRANSFORMERS.values()
                    if (t.layers, t.hidden, t.heads, t.vocabulary, t.sequence) == shape]  # fmt: skip
            assert len(fits) == 1, shape


# --- Figures that follow from each other ---------------------------------------------------------------------------

# Dense FP16 FLOP that one multiprocessor or compute unit does in a cycle (a fused multiply-add is two), FP32 accumulate.
FLOP_PER_UNIT_CYCLE = {
    1024: "V100-SXM2-16GB V100-SXM2-32GB V100-PCIE-16GB V100-PCIE-32GB T4|Titan RTX|Quadro RTX 6000|A2|A10|A40|RTX A6000|"
    "RTX A5000|RTX A4000|L4|L40S|RTX 6000 Ada|RTX PRO 6000 Blackwell|MI100-32GB|MI210-64GB|MI250X-128GB|MI250-128GB",
    512: "RTX 2080 Ti|RTX 3070|RTX 3080|RTX 3080 Ti|RTX 3090|RTX 4070 Ti|RTX 4080|RTX 4090|RTX 5090",
    2048: "A100-SXM4-40GB A100-SXM4-80GB A100-PCIE-40GB A100-PCIE-80GB A800-SXM4-80GB A30|MI300X-192GB|MI325X-256GB|"
    "MI300A-128GB",
    4096: "H100-SXM5-80GB H100-PCIE-80GB H100-NVL-94GB H200-SXM-141GB H800-SXM GH200-96GB|MI355X-288GB|MI350X-288GB",
    8192: "GB200-186GB|B200-SXM-180GB",
}


def _derivable():
    for rate, text in FLOP_PER_UNIT_CYCLE.items():
        for part in text.split("|"):
            for name in [part] if part in ACCELERATORS else part.split(" "):
                yield pytest.param(name, rate, id=name)


@pytest.mark.parametrize(("name", "flop"), list(_derivable()))
def test_peak_is_units_times_flop_per_cycle_times_clock(name, flop):
    device = ACCELERATORS[name]
    assert device.compute_units * flop * device.boost_clock == pytest.approx(device.peak_fp16_flops, rel=0.015)


def test_an_a100_by_hand():
    """108 multiprocessors x 4 tensor cores x 256 FMA x 2 x 1.41 GHz = 312 TFLOP/s; x 64 lanes x 2 = 19.5 in FP32."""
    a100 = catalog.accelerator("A100 SXM")
    assert a100.peak("fp16") == pytest.approx(108 * 4 * 256 * 2 * 1.41e9, rel=0.002)
    assert a100.peak("fp32") == pytest.approx(108 * 64 * 2 * 1.41e9, rel=0.002)


def test_an_mi250x_is_two_dies_in_one_package():
    mi250x = catalog.accelerator("MI250X")
    assert mi250x.compute_units == 2 * 110
    assert mi250x.memory_bytes == 2 * 64e9
    assert "two dies" in mi250x.notes


def test_a_consumer_card_counts_with_fp32_accumulate():
    """330 TFLOP/s of an RTX 4090 need FP16 accumulation, which training does not use."""
    assert catalog.accelerator("RTX 4090").peak("fp16") == pytest.approx(165e12, rel=0.01)


@pytest.mark.parametrize("device", ACCELERATORS.values(), ids=str)
def test_dense_is_below_sparse_and_nothing_sparse_slipped_in(device):
    assert device.sparse_speedup in (1, 2)
    for dtype in device.dtypes:
        assert device.peak(dtype, sparse=True) == device.sparse_speedup * device.peak(dtype)
    matrix = np.nanmax([device.peak_bf16_flops, device.peak_fp16_flops, 0])
    # Halving the bits doubles the rate; cards sold for games run FP16 at half the rate, Blackwell Ultra FP4 at 3 times FP8.
    game = device.name.startswith("RTX") and device.name[4:5].isdigit() and "Ada" not in device.name
    # The INT8 unit of a Cloud AI 100 is wider still: 375 against 125 on its card.
    integer = 4.05 if game else 3.05 if device.vendor == "Qualcomm" else 2.03
    limits = {"tf32": 1.01, "fp8": 2.03, "int8": integer, "fp4": 8.1 if game else 6.05}
    for dtype in set(device.dtypes) & set(limits):
        if matrix:
            assert device.peak(dtype) <= limits[dtype] * matrix, dtype


def test_measured_matrix_products_quote_the_same_peaks():
    """gemm.csv carries the peak that its authors divided by; MI355X is the one known contradiction (2.3 or 2.5e15)."""
    checked = 0
    for row in catalog.measurements("gemm"):
        dtype = {"fp8_e4m3": "fp8"}.get(row["dtype"], row["dtype"])
        device = catalog.accelerator(row["accelerator"])
        if not row["peak_flops"] or dtype not in device.dtypes or device.name.startswith("MI355X"):
            continue
        assert device.peak(dtype) == pytest.approx(float(row["peak_flops"]), rel=0.03), row["accelerator"]
        checked += 1
    assert checked > 20


def test_power_figures_agree_with_the_energy_table():
    checked = 0
    for row in catalog.measurements("energy"):
        if row["metric"] == "power_spec" and row["category"].endswith("_power"):
            for kind in ("accelerators", "cpus", "servers"):
                try:
                    found = catalog.table(kind).find(row["item"])
                except ValueError:
                    continue
                assert found.max_power == pytest.approx(float(row["value"]), rel=0.02), row["item"]
                checked += 1
                break
    assert checked > 30


@pytest.mark.parametrize("cpu", catalog.table("cpus").values(), ids=str)
def test_a_processor_does_16_or_32_fp64_flop_a_cycle_and_core(cpu):
    """AVX2 and double-pumped AVX-512: two 256-bit FMA = 16; two 512-bit FMA = 32; FP32 twice that."""
    per_cycle = cpu.peak_fp64_flops / (cpu.cores * cpu.base_clock)
    assert min(abs(per_cycle - 16), abs(per_cycle - 32)) < 0.1
    assert cpu.peak_fp32_flops == pytest.approx(2 * cpu.peak_fp64_flops)
    assert cpu.base_clock < cpu.boost_clock


def test_eight_channels_of_ddr4_3200_carry_205_gigabytes_a_second():
    epyc = catalog.cpu("EPYC 7742")
    assert epyc.memory_bandwidth == pytest.approx(epyc.memory_channels * 3200e6 * 8, rel=0.001)


@pytest.mark.parametrize("server", SERVERS.values(), ids=str)
def test_a_server_fits_together(server):
    if server.accelerator is None:
        assert server.accelerators == 0
        return
    assert server.scale_up_link.bandwidth == pytest.approx(server.accelerator.scale_up_bandwidth, rel=0.02)
    if not np.isnan(server.max_power):
        assert server.accelerators * server.accelerator.max_power < server.max_power
    if not np.isnan(server.power_supplies):
        assert server.power_supplies_needed * server.power_supply_power >= server.max_power
        assert server.power_supplies_needed <= server.power_supplies


def test_the_fabric_of_a_dgx_is_its_ports():
    """8 ports of 400 Gb/s: 400 GB/s a node; a p4d has 4 of 100 Gb/s, an eighth of that."""
    assert catalog.server("DGX H100").scale_out_bandwidth == 400e9
    assert catalog.server("p4d").scale_out_bandwidth == 50e9


def test_the_node_of_claim_d4_is_a_dgx_a100():
    """Eight A100, two processors of 64 cores, 2 TB of memory, 30 TB of drives."""
    claimed, real = catalog.server("claim D4 node"), catalog.server("DGX A100 640GB")
    assert (claimed.accelerators, claimed.cpus, claimed.cpu.cores) == (8, 2, 64)
    assert claimed.memory_bytes == real.memory_bytes == 2e12
    assert claimed.drive_bytes == pytest.approx(real.drive_bytes, rel=0.03)


# --- Models --------------------------------------------------------------------------------------------------------

DENSE = [t for t in TRANSFORMERS.values() if t.experts == 1]


@pytest.mark.parametrize("model", DENSE, ids=str)
def test_parameters_follow_from_the_dimensions(model):
    assert model.parameters == pytest.approx(model.published_parameters, rel=0.03)


def test_gpt2_to_the_last_weight():
    """124,439,808 published: what the formula leaves out are 13 vectors of width 768 a layer and 2 at the end."""
    gpt2 = catalog.transformer("GPT-2")
    assert gpt2.published_parameters - gpt2.parameters == (12 * 13 + 2) * 768


@pytest.mark.parametrize(
    ("name", "total", "active"),
    [("Mixtral 8x7B", 46.7e9, 12.9e9), ("Qwen3 30B-A3B", 30.5e9, 3.3e9), ("Qwen3 235B-A22B", 235e9, 22e9)],
)
def test_a_mixture_of_experts_uses_few_of_its_weights(name, total, active):
    model = catalog.transformer(name)
    assert model.parameters == pytest.approx(total, rel=0.01)
    assert model.active_parameters == pytest.approx(active, rel=0.02)


def test_deepseek_is_near_and_says_what_it_leaves_out():
    model = catalog.transformer("DeepSeek V3")
    assert model.parameters == pytest.approx(671e9, rel=0.08)
    assert "latent attention" in model.notes


def test_heads_times_their_width_is_the_width_of_the_model_unless_the_paper_says_otherwise():
    wider = {t.name for t in TRANSFORMERS.values() if t.heads * t.head_dim != t.hidden}
    assert wider == {"PaLM 540B", "DeepSeek V3", "Qwen3 30B-A3B", "Qwen3 235B-A22B", "Qwen3 4B", "Qwen3 32B", "Gemma 7B",
                     "Gemma 2 9B", "Gemma 2 27B", "Gemma 3 27B", "Mistral Nemo 12B", "Mistral Small 24B", "gpt-oss 20B",
                     "gpt-oss 120B"}  # fmt: skip
    for model in TRANSFORMERS.values():
        assert model.heads % model.kv_heads == 0, model.name


def _resnet50_multiply_adds():
    """Bottleneck blocks 3-4-6-3 on 224 x 224: 1 x 1, 3 x 3 (which strides), 1 x 1 to four times the width."""
    total, size, width_in = 112**2 * 64 * 3 * 49, 56, 64
    for stage, blocks in enumerate([3, 4, 6, 3]):
        width = 64 * 2**stage
        for block in range(blocks):
            out = size // 2 if stage and not block else size
            total += size**2 * width_in * width + out**2 * width * (9 * width + 4 * width)
            total += out**2 * width_in * 4 * width if not block else 0
            size, width_in = out, 4 * width
    return total + 2048 * 1000


def test_resnet50_counted_layer_by_layer():
    assert catalog.convnet("ResNet-50").forward_flops == 2 * _resnet50_multiply_adds()
    assert catalog.convnet("ResNet-50").published_parameters == 25_557_032


def test_the_3d_unet_checkpoint_of_mlperf_storage_is_16_bytes_a_parameter():
    assert catalog.convnet("3D U-Net").published_parameters * 16 == pytest.approx(499_153_191, rel=0.001)


# --- Grids and prices ----------------------------------------------------------------------------------------------


def test_french_electricity_emits_a_tenth_of_polish():
    france, poland = catalog.grid("France"), catalog.grid("Poland")
    assert france.carbon_intensity * 3.6e9 == pytest.approx(56.04, abs=0.01)  # g a kWh
    assert poland.carbon_intensity / france.carbon_intensity == pytest.approx(11.8, abs=0.1)


def test_every_grid_lies_between_hydropower_and_lignite():
    for grid in catalog.table("grids").values():
        assert 0 < grid.carbon_intensity * 3.6e9 < 1100, grid.name


def test_priced_accelerators_are_in_the_catalog_and_rent_adds_up():
    for price in catalog.table("prices").values():
        if price.accelerator:
            assert price.accelerator in ACCELERATORS, price.name
        if price.unit == "USD/h":
            assert price.price / price.accelerators == pytest.approx(price.price_per_accelerator_hour), price.name


# --- Finding -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("h100", "H100-SXM5-80GB"),
        ("NVIDIA H100-PCIe-80GB", "H100-PCIE-80GB"),
        ("DGX-H100_H100-SXM-80GBx8_TRT", "H100-SXM5-80GB"),
        ("8xMI300X_2xEPYC-9374F", "MI300X-192GB"),
        ("A100-SXM4-80GB (Selene, DGX A100, 8x HDR200)", "A100-SXM4-80GB"),
        ("NVIDIA A100-SXM-80GB CTS", "A100-SXM4-80GB"),
        ("QUALCOMM Cloud AI 100 PCIe HHHL", "Cloud AI 100 Standard"),
        ("Radeon RX 6900 XT", "RX 6900 XT"),
        ("Intel Gaudi 2", "Gaudi2"),
        ("MI355", "MI355X-288GB"),
    ],
)
def test_a_card_is_found_as_people_write_it(text, name):
    assert catalog.accelerator(text).name == name


@pytest.mark.parametrize(
    "text", ["A1", "H100 SXM 64GB", "RTX 4090 Laptop", "A100 SXM9", "MI308X", "Rubin", "80GB", "SXM", "", "  ", ";"]
)
def test_a_relative_is_not_taken_for_the_device(text):
    with pytest.raises(ValueError, match="accelerator"):
        catalog.accelerator(text)


def test_an_unknown_name_suggests_the_nearest():
    with pytest.raises(ValueError, match=r"unknown accelerator 'H10 SXM'; the nearest are H100-SXM5-80GB"):
        catalog.accelerator("H10 SXM")
    with pytest.raises(ValueError, match=r"unknown transformer 'Lama 3 8B'; the nearest are Llama 3 8B"):
        catalog.transformer("Lama 3 8B")


def test_an_ambiguous_name_lists_what_it_could_be():
    with pytest.raises(ValueError, match=r"'TPU' could be .*TPU v4.*TPU v5p.*: say which"):
        catalog.accelerator("TPU")


def test_square_brackets_take_the_exact_name_only():
    assert ACCELERATORS["H100-SXM5-80GB"] is catalog.accelerator("H100 SXM")
    with pytest.raises(KeyError):
        ACCELERATORS["H100 SXM"]


@pytest.mark.parametrize("kind", tables.TABLES)
def test_every_name_and_alias_finds_its_record(kind):
    table = catalog.table(kind)
    for record in table.values():
        for name in [record.name, *filter(None, record.aliases.split(";"))]:
            assert table.find(name) is record, name


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_any_text_finds_a_record_or_raises_value_error(text):
    with contextlib.suppress(ValueError):
        assert catalog.accelerator(text).name in ACCELERATORS


# --- Records -------------------------------------------------------------------------------------------------------


def test_a_variant_keeps_the_rest():
    h100 = catalog.accelerator("H100")
    faster = dataclasses.replace(h100, memory_bandwidth=4.8e12)
    assert faster.memory_bandwidth == 4.8e12
    assert faster.peak("bf16") == h100.peak("bf16")
    with pytest.raises(dataclasses.FrozenInstanceError):
        h100.memory_bandwidth = 1.0


def test_a_format_that_a_card_lacks_is_named_with_those_that_it_has():
    with pytest.raises(ValueError, match=r"V100-SXM2-32GB has no bf16 peak in the catalog; it has fp64, fp32, fp16"):
        catalog.accelerator("V100").peak("bf16")
    with pytest.raises(ValueError, match=r"dtype='fp17' is not one of .*did you mean 'fp16'"):
        catalog.accelerator("V100").peak("fp17")
    with pytest.raises(ValueError, match="dtype='fp12'"):
        catalog.dtype_bytes("fp12")


def test_a_stack_equals_the_loop():
    devices = list(ACCELERATORS.values())
    together = catalog.stack(devices)
    for field in ("memory_bandwidth", "max_power", "year"):
        np.testing.assert_array_equal(getattr(together, field), [getattr(d, field) for d in devices])
    known = [d for d in devices if "fp16" in d.dtypes]
    np.testing.assert_array_equal(catalog.stack(known).peak("fp16"), [d.peak("fp16") for d in known])
    assert list(together.name) == [d.name for d in devices]


def test_a_stack_leaves_an_axis_for_a_second_quantity():
    cards = catalog.stack([catalog.accelerator(n) for n in ("A100", "H100", "B200")])
    intensity = np.logspace(0, 4, 7)
    attainable = np.minimum(cards[:, None].peak("bf16"), cards[:, None].memory_bandwidth * intensity)
    assert attainable.shape == (3, 7)
    assert cards[1].peak("bf16") == catalog.accelerator("H100").peak("bf16")
    assert cards[1].name == "H100-SXM5-80GB"


def test_servers_stack_with_all_that_is_in_them():
    servers = [s for s in SERVERS.values() if s.accelerator]
    together = catalog.stack(servers)
    node = together.accelerators * together.accelerator.peak_bf16_flops
    np.testing.assert_array_equal(node, [s.accelerators * s.accelerator.peak_bf16_flops for s in servers])
    np.testing.assert_array_equal(together.scale_out_bandwidth, [s.scale_out_bandwidth for s in servers])
    assert together[:, None].accelerator.memory_bytes.shape == (len(servers), 1)


def test_what_a_server_lacks_is_unknown_in_the_stack():
    together = catalog.stack([catalog.server("DGX H100"), catalog.server("traditional server")])
    assert np.isnan(together.accelerator.memory_bytes[1])
    assert not np.isnan(together.accelerator.memory_bytes[0])


def test_what_cannot_be_stacked_is_refused():
    with pytest.raises(ValueError, match="at least one"):
        catalog.stack([])
    with pytest.raises(ValueError, match="Accelerator.*Cpu"):
        catalog.stack([catalog.accelerator("H100"), catalog.cpu("EPYC 9654")])


def test_transformers_stack_and_count_like_one_by_one():
    models = list(TRANSFORMERS.values())
    np.testing.assert_allclose(catalog.stack(models).parameters, [m.parameters for m in models])
    np.testing.assert_allclose(catalog.stack(models).active_parameters, [m.active_parameters for m in models])


def test_a_record_prints_as_a_table_in_the_units_of_the_field():
    text = catalog.accelerator("H100 SXM").describe()
    assert "80 GB" in text
    assert "3.35 TB/s" in text
    assert "989 TFLOP/s" in text
    assert re.search(r"year +2022\n", text)
    assert re.search(r"compute units +132\n", text)
    assert "nan" not in catalog.accelerator("TPU v5e").describe()
    assert re.search(r"hidden +12,288\n", catalog.transformer("GPT-3").describe())


@pytest.mark.parametrize("kind", tables.TABLES)
def test_every_record_prints(kind):
    for record in catalog.table(kind).values():
        assert record.describe().startswith(f"{record.name}\n")


def test_a_cluster_counts_its_accelerators():
    cluster = catalog.Cluster(server=catalog.server("DGX H100"), servers=128)
    assert cluster.accelerators == 1024
    assert str(cluster) == "128 x DGX H100, fat tree"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"servers": 0}, "servers=0 must be a whole number, 1 or more"),
        ({"servers": 2.5}, "servers=2.5"),
        ({"servers": float("nan")}, "servers is not known"),
        ({"topology": "fattree"}, "did you mean 'fat tree'"),
        ({"oversubscription": 0.5}, "oversubscription=0.5 must lie between 1 and"),
    ],
)
def test_a_cluster_that_cannot_be_is_refused(changes, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        catalog.Cluster(server=catalog.server("DGX H100"), **changes)


# --- A file of one's own -------------------------------------------------------------------------------------------

HEADER = "name,peak_bf16_flops,memory_bandwidth_Bps,source\n"


def load(tmp_path, text, kind="accelerators", encoding="utf-8"):
    path = tmp_path / "mine.csv"
    path.write_bytes(text.encode(encoding))
    return catalog.load(kind, path)


def test_ones_own_device_loads_and_computes(tmp_path):
    mine = load(tmp_path, HEADER + "Dream chip,2e15,1e13,me\nOld chip,,5e11,me\n")
    assert mine.find("dream").peak("bf16") == 2e15
    assert np.isnan(mine["Old chip"].peak_bf16_flops)
    both = catalog.stack([mine["Dream chip"], catalog.accelerator("H100")])
    np.testing.assert_array_equal(both.memory_bandwidth, [1e13, 3.35e12])


def test_a_spreadsheet_that_marks_its_encoding_loads(tmp_path):
    assert len(load(tmp_path, HEADER + "A,1,2,me\n", encoding="utf-8-sig")) == 1


def test_the_packages_own_files_pass_the_door_for_strangers():
    for kind in tables.TABLES:
        assert list(catalog.load(kind, DATA / f"{kind}.csv")) == list(catalog.table(kind))


def test_a_server_of_ones_own_names_its_parts(tmp_path):
    text = "name,accelerator,n_accelerators,cpu,source\nMy node,H100 SXM,4,EPYC 9654,me\n"
    node = load(tmp_path, text, kind="servers")["My node"]
    assert node.accelerators * node.accelerator.memory_bytes == 320e9
    with pytest.raises(ValueError, match=r"line 2: accelerator: unknown accelerator 'H999'"):
        load(tmp_path, text.replace("H100 SXM", "H999"), kind="servers")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEADER + "A,fast,2,me\n", "line 2: peak_bf16_flops='fast' is not a number"),
        (HEADER + "A,1,-2,me\n", "line 2: memory_bandwidth_Bps=-2 must be finite and not negative"),
        (HEADER + "A,1,inf,me\n", "memory_bandwidth_Bps=inf must be finite"),
        (HEADER + "A,nan,1,me\n", "peak_bf16_flops=nan must be finite and not negative; leave it empty if unknown"),
        (HEADER + "A,1,2,me\nB,1,2,\n", "line 3: source is empty"),
        (HEADER + ",1,2,me\n", "line 2: name is empty"),
        ("name,peak_bf16_flops\nA,1\n", "line 2: source is empty"),
        ("name,speed,source\nA,1,me\n", "columns ['speed'] are not known for accelerators; known are name, aliases"),
        (HEADER + "A,1,2,me\nB,1,2,me\nA,1,2,me\n", "line 4: 'A' stands twice"),
        (HEADER + "A,1,2,me,you,they\n", "line 2: 2 more cells than the header has columns"),
        (HEADER, "no rows"),
        ("", "no rows"),
    ],
)
def test_a_bad_file_is_told_what_is_wrong_and_where(tmp_path, text, said):
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        load(tmp_path, text)
    assert "mine.csv" in str(caught.value)


def test_a_file_that_is_no_text_and_an_unknown_table(tmp_path):
    with pytest.raises(ValueError, match=r"mine.csv is not a text file in UTF-8"):
        load(tmp_path, HEADER + "Zürich,1,2,me\n", encoding="latin-1")
    with pytest.raises(ValueError, match="table 'gpus' is not one of accelerators"):
        load(tmp_path, HEADER, kind="gpus")
    with pytest.raises(ValueError, match="table 'gpus'"):
        catalog.table("gpus")
    with pytest.raises(ValueError, match="measurements 'gems' is not one of .*gemm"):
        catalog.measurements("gems")


def test_columns_of_the_data_files_are_those_of_the_records():
    for kind, noun in tables.TABLES.items():
        with (DATA / f"{kind}.csv").open(encoding="utf-8", newline="") as file:
            header = set(next(csv.reader(file)))
        assert header <= {f.metadata["column"] for f in dataclasses.fields(noun) if "column" in f.metadata}


def test_the_examples_in_the_docstrings_hold():
    for module in (catalog, catalog.fields, catalog.nouns, names, tables):
        assert doctest.testmod(module).failed == 0
    assert doctest.testmod(names).attempted == 1
