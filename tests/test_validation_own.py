"""A user's own measurements: they move what they inform, no farther than is plausible, and nothing else."""

import json
import math

import numpy as np
import pytest

from dcserver import catalog, validation
from dcserver.catalog.tables import rows_of
from dcserver.validation import calibrate, read_nccl_tests
from dcserver.validation.__main__ import main


def rows_of_group(group):
    return [r for r in catalog.measurements("training_other") if r["group"] == group]


def predicted(table, rows, constants=None):
    return np.asarray(validation.compare(table, rows).predict(constants), dtype=float)


@pytest.fixture(scope="module")
def step():
    """One step of a Megatron-Core run, a fifth slower than the model says."""
    row = rows_of_group("megatron-core-weak-scaling")[4]
    seconds = predicted("training_other", [row])[0]
    return row | {"achieved_flops_per_accel": "", "mfu": "", "iter_time_s": f"{1.2 * seconds:.8g}"}


@pytest.fixture(scope="module")
def slower(step):
    return calibrate([step])


# --- one measured step ------------------------------------------------------------------------------------------


def test_one_step_a_fifth_slower_is_met_after_calibration(step, slower):
    assert slower.family == "training"
    assert slower.error_before == pytest.approx(1 - 1 / 1.2, abs=1e-5)
    assert slower.error_after < 0.05
    after = predicted("training_other", [step], slower.constants)[0]
    assert abs(after / float(step["iter_time_s"]) - 1) == pytest.approx(slower.error_after)


def test_another_stacks_steps_stay_exactly(slower):
    others = rows_of_group("mosaicml-mpt")[:5]
    assert np.array_equal(predicted("training_other", others, slower.constants), predicted("training_other", others))


def test_only_the_stack_that_ran_the_step_moves(slower):
    package = catalog.constants("training")
    assert slower.moved
    assert all(name.endswith(" Megatron 2024") for name in slower.moved)
    assert {k: v for k, v in slower.constants.items() if k not in slower.moved} == {
        k: v for k, v in package.items() if k not in slower.moved
    }
    assert slower.moved["matmul_share Megatron 2024"].after < slower.moved["matmul_share Megatron 2024"].before


def test_the_better_a_constant_is_held_the_less_it_moves(step, slower):
    held = calibrate([step], strength=100.0)
    assert slower.error_after < held.error_after < slower.error_before
    name = "matmul_share Megatron 2024"
    assert slower.moved[name].after < held.moved[name].after < held.moved[name].before
    assert held.moved[name].share < slower.moved[name].share <= 1


def test_an_absurd_step_runs_into_the_bounds_and_says_so(step):
    found = calibrate([step | {"iter_time_s": str(10 * float(step["iter_time_s"]))}])
    bounds = {r["name"]: (float(r["low"]), float(r["high"])) for r in rows_of("constants", "training")}
    for name, moved in found.moved.items():
        low, high = bounds.get(name, bounds[name.partition(" ")[0]])
        assert low <= moved.after <= high
    assert found.moved["matmul_share Megatron 2024"].at_bound
    assert "at its bound" in str(found)
    assert found.error_after > 0.5


def test_a_step_that_the_model_already_meets_moves_nothing(step):
    found = calibrate([step | {"iter_time_s": f"{predicted('training_other', [step])[0]:.10g}"}])
    assert not found.moved
    assert "no constant moved" in str(found)
    assert dict(found.constants) == dict(catalog.constants("training"))


def test_averages_of_whole_runs_and_unknown_layouts_are_no_steps(step):
    whole = next(r for r in catalog.measurements("training_other") if r["accel_hours"] and not r["iter_time_s"])
    found = calibrate([step, whole, step | {"accelerator": "Abacus 3000"}], "training_other")
    assert list(found.rows) == [0]
    assert "whole run" in found.uncovered[1]
    assert "not in the catalog" in found.uncovered[2]
    assert "not used: 1 rows" in str(found)
    with pytest.raises(ValueError, match=r"none of the 1 rows.*whole run"):
        calibrate([whole], "training_other")


# --- sweeps -----------------------------------------------------------------------------------------------------

SIZES = 2.0 ** np.arange(10, 34)


def all_reduce(**changes):
    row = {"system": "own", "accelerator": "A100-SXM4-80GB", "n_nodes": 1, "gpus_per_node": 8, "n_ranks": 8, "time_s": 1,
           "intra_node_fabric": "NVLink3 + NVSwitch", "collective": "all_reduce", "message_bytes": 1e6}  # fmt: skip
    return row | changes


def sweep(constants):
    rows = [{k: str(v) for k, v in all_reduce(message_bytes=size).items()} for size in SIZES]
    times = predicted("collectives", rows, constants)
    return [row | {"time_s": f"{t:.8g}"} for row, t in zip(rows, times, strict=True)]


def test_a_sweep_of_a_machine_with_known_constants_recovers_them():
    package = catalog.constants("collectives")
    true = dict(package) | {"ring_efficiency": 0.72, "launch_overhead": 1.2e-5}
    found = calibrate(sweep(true))
    assert found.family == "collectives"
    assert found.error_before > 0.05
    assert found.error_after < 0.01
    assert found.constants["ring_efficiency"] == pytest.approx(0.72, rel=0.02)
    assert found.constants["launch_overhead"] == pytest.approx(1.2e-5, rel=0.05)
    assert found.moved["ring_efficiency"].share > 0.9


def test_one_node_says_nothing_of_the_network():
    package = catalog.constants("collectives")
    found = calibrate(sweep(dict(package) | {"ring_efficiency": 0.72}))
    unmoved = ("network_efficiency", "network_latency_efa", "mesh_efficiency", "copy_efficiency", "nvlink5_share")
    assert {name: found.constants[name] for name in unmoved} == {name: package[name] for name in unmoved}


def products(constants, accelerator="H100 SXM5 80GB"):
    sizes = [(m, n, 4096) for m in (2048, 4096, 8192) for n in (4096, 8192, 16384)]
    rows = [{"kind": "matmul", "accelerator": accelerator, "dtype": "bf16", "m": m, "n": n, "k": k, "achieved_flops": 1e14}
            for m, n, k in sizes]  # fmt: skip
    rows = [{name: str(value) for name, value in row.items()} for row in rows]
    rates = predicted("gemm", rows, constants)
    return [row | {"achieved_flops": f"{rate:.8g}"} for row, rate in zip(rows, rates, strict=True)]


def test_products_on_one_vendors_cards_say_nothing_of_anothers():
    package = catalog.constants("gemm")
    found = calibrate(products(dict(package) | {"pipeline_nvidia": 0.82}))
    assert found.family == "gemm"
    assert found.constants["pipeline_nvidia"] == pytest.approx(0.82, rel=0.03)  # nine rows, held
    assert found.constants["pipeline_amd"] == package["pipeline_amd"]
    assert found.error_after < 0.25 * found.error_before


@pytest.mark.parametrize(("table", "family"), [("ops_llmcompass", "operators"), ("dvfs_zeus", "power"), ("roofline_power", "power")])  # fmt: skip
def test_every_family_takes_rows_of_its_own_table_within_bounds(table, family):
    rows = catalog.measurements(table)[:60]
    found = calibrate(rows, table)
    assert found.family == family
    bounds = {r["name"]: r for r in rows_of("constants", family)}
    for name, moved in found.moved.items():
        assert bounds[name]["fitted"] == "1"
        assert float(bounds[name]["low"]) <= moved.after <= float(bounds[name]["high"])
    measured = validation.compare(table, rows).measured
    before, after = (np.log(predicted(table, rows, c) / measured) for c in (None, found.constants))
    assert np.mean(after**2) < np.mean(before**2)


def test_cells_may_be_numbers():
    text, numbers = [all_reduce(time_s="0.0001")], [all_reduce(time_s=1e-4)]
    assert calibrate([{k: str(v) for k, v in text[0].items()}]) == calibrate(numbers)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([], {}, "there are none"),
        ([all_reduce()], {"table": "memory"}, "'memory' has no constants"),
        ([all_reduce()], {"table": "mlperf_power"}, "no constants"),
        ([all_reduce(collective="gossip")], {}, "'gossip' is not modelled"),
        ([{"a": "1"}], {}, "no known table"),
        ([all_reduce()], {"strength": 0}, "strength=0"),
        ([all_reduce()], {"strength": math.nan}, "strength"),
    ],
)
def test_what_cannot_be_calibrated_is_said_in_words(rows, options, message):
    with pytest.raises(ValueError, match=message):
        calibrate(rows, **options)


def test_rows_that_no_constant_shapes_inform_none():
    layer = [r for r in catalog.measurements("ops_llmcompass") if r["op"] == "Q_K_V"][:2]
    with pytest.raises(ValueError, match="inform no constant"):
        calibrate(layer, "ops_llmcompass")


# --- logs of nccl-tests -----------------------------------------------------------------------------------------

HEADER = """\
#                                                              out-of-place                       in-place
#       size         count      type   redop    root     time   algbw   busbw #wrong     time   algbw   busbw #wrong
#        (B)    (elements)                               (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)
"""


def log(nodes=1, ranks_per_node=8, results=None, header=HEADER, program="all_reduce_perf", per_process=8):
    lines = [f"# Collective test starting: {program}"] if program else []
    lines += [f"# nThread 1 nGpus {per_process} minBytes 1048576 maxBytes 8388608 step: 8(factor) warmup iters: 5 iters: 20"
              " agg iters: 1 validation: 1 graph: 0", "#", "# Using devices"]  # fmt: skip
    for rank in range(nodes * ranks_per_node):
        node, here = divmod(rank, ranks_per_node)
        lines.append(f"#  Rank {rank:2d} Group  0 Pid  {4000 + rank} on     node-{node} device {here:2d} [0x{here + 7:02x}] "
                     "NVIDIA A100-SXM4-80GB")  # fmt: skip
    if results is None:
        results = """\
           0             0     float     sum      -1     0.02    0.00    0.00      0     0.02    0.00    0.00      0
     1048576        262144     float     sum      -1    61.33   17.10   29.92      0    60.90   17.22   30.13      0
     8388608       2097152     float     sum      -1    104.9   79.97  139.94      0    104.1   80.58  141.02    N/A
"""
    return "\n".join([*lines, "#", header + results + "# Out of bounds values : 0 OK", "# Avg bus bandwidth    : 85.2528", "#\n"])  # fmt: skip


def test_a_log_of_one_node_is_read_with_its_ranks_and_accelerator():
    rows = read_nccl_tests(log(), intra_node_fabric="NVLink3 + NVSwitch")
    assert len(rows) == 2  # the message of no bytes is none
    first = rows[0]
    assert first["collective"] == "all_reduce"
    assert (first["n_ranks"], first["n_nodes"], first["gpus_per_node"]) == ("8", "1", "8")
    assert first["accelerator"] == "NVIDIA A100-SXM4-80GB"
    assert [float(r["message_bytes"]) for r in rows] == [2**20, 2**23]
    assert float(first["time_s"]) == pytest.approx(61.33e-6)
    assert float(rows[1]["busbw_Bps"]) == pytest.approx(139.94e9)
    # Bus bandwidth is 2 (n - 1) / n of bytes over time: what the log prints agrees with what we read.
    assert float(rows[1]["busbw_Bps"]) == pytest.approx(1.75 * 2**23 / float(rows[1]["time_s"]), rel=0.01)
    assert "-g 8" in first["tool"]  # one process starts all: the host's call is in the clock


def test_a_log_of_two_nodes_counts_hosts_and_leaves_the_links_to_the_caller():
    rows = read_nccl_tests(
        log(nodes=2, per_process=1), inter_node_fabric="InfiniBand HDR", nic_bandwidth_per_gpu_Bps=25e9
    )
    assert (rows[0]["n_ranks"], rows[0]["n_nodes"], rows[0]["gpus_per_node"]) == ("16", "2", "8")
    assert "-g" not in rows[0]["tool"]
    score = validation.score_rows("collectives", rows)
    assert len(score.predicted) == 2
    assert not score.comparison.uncovered


def test_a_log_calibrates_the_links_of_its_node():
    found = calibrate(read_nccl_tests(log(), intra_node_fabric="NVLink3 + NVSwitch"))
    assert found.family == "collectives"
    assert found.values == 2
    assert found.error_after < found.error_before


def test_older_logs_without_root_or_in_place_results_are_read_alike():
    header = "#       size         count      type   redop     time   algbw   busbw  error\n"
    results = "     1048576        262144     float     sum    61.33   17.10   29.92  1e-07\n"
    old = read_nccl_tests(log(header=header, results=results, program=""), collective="all_reduce")
    assert old[0]["time_s"] == read_nccl_tests(log())[0]["time_s"]
    blank = "     1048576        262144     float                      61.33   17.10   29.92      0    60.90   17.22   30.13      0\n"
    assert read_nccl_tests(log(results=blank, program="alltoall_perf"))[0]["collective"] == "all_to_all"


def test_lines_that_mpirun_tagged_are_read_and_later_runs_start_anew():
    tagged = "\n".join(f"[1,0]<stdout>: {line}" for line in log().splitlines())
    assert read_nccl_tests(tagged) == read_nccl_tests(log())
    both = read_nccl_tests(log() + log(nodes=2, program="all_gather_perf"))
    assert [(r["collective"], r["n_ranks"]) for r in both] == [("all_reduce", "8")] * 2 + [("all_gather", "16")] * 2


LINE = "     1048576        262144     float     sum      -1    61.33   17.10   29.92      0    60.90   17.22   30.13      0\n"


@pytest.mark.parametrize(
    ("text", "columns", "message"),
    [
        ("", {}, "no log of nccl-tests"),
        ("dear diary", {}, "no log of nccl-tests"),
        (log(results=""), {}, "no log of nccl-tests"),
        (log(header=""), {}, "without the header"),
        (log(results=LINE[:60] + "\n"), {}, "6 cells where the header has 13"),
        (log(results=LINE.replace("61.33", "fast")), {}, "not a number"),
        (log(results=LINE.replace("61.33", " 0.00")), {}, "above 0"),
        (log(results=LINE.replace("61.33", "  nan")), {}, "above 0"),
        (log(results=LINE.replace("29.92      0", "29.92    512")), {}, "512 wrong results"),
        (log(program=""), {}, "does not name its collective"),
        (log(nodes=0), {}, "lists no ranks"),
        (log(), {"n_ranks": 16}, "n_ranks=16 is given where the log lists 8"),
        (log(), {"n_nodes": 3}, "n_nodes=3"),
        (log(), {"n_nodes": "two"}, "n_nodes=two must be a whole number"),
        (log().replace("7 [0x0e] NVIDIA A100", "7 [0x0e] NVIDIA A800"), {}, "several accelerators"),
        (log(), {"fabric": "NVLink"}, "fabric is no column"),
        (None, {}, "must be the log's text"),
    ],
)
def test_a_broken_log_is_refused_in_words(text, columns, message):
    with pytest.raises(ValueError, match=message):
        read_nccl_tests(text, **columns)


# --- command line -----------------------------------------------------------------------------------------------


def write_csv(path, rows):
    import csv

    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return str(path)


def test_the_command_line_prints_a_calibration(tmp_path, capsys, step):
    path = write_csv(tmp_path / "mine.csv", [step])
    assert main([path, "--calibrate", "--table", "training_other"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("training: 1 values of 1 rows used, median absolute error 16.7% before")
    assert "matmul_share Megatron 2024" in shown
    assert main([path, "--calibrate", "--json"]) == 0
    assert set(json.loads(capsys.readouterr().out)["moved"]) == set(calibrate([step]).moved)


def test_the_command_line_refuses_what_cannot_be_calibrated(tmp_path, capsys):
    assert main(["--calibrate"]) == 2
    assert "needs a file" in capsys.readouterr().err
    path = write_csv(tmp_path / "mine.csv", [all_reduce(collective="gossip")])
    assert main([path, "--calibrate"]) == 2
    assert "not modelled" in capsys.readouterr().err
    assert main([path, "--calibrate", "--table", "energy"]) == 2
    assert "no constants" in capsys.readouterr().err
    assert main([str(tmp_path / "absent.csv"), "--calibrate"]) == 2
