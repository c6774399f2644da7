"""A step put together out of layers, traffic and software whose seconds are round numbers: the sums by hand."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, compute, energy, memory, training
from dcserver.catalog import Cluster, Transformer
from dcserver.interconnect import seconds
from dcserver.training import Plan, Stack, bubble, convnet_step, step, timeline, training_flops
from dcserver.training.layer import LayerWork
from dcserver.training.machine import as_cluster, fabric_of, machine
from dcserver.training.result import wall_power
from dcserver.training.step import Work, _distinct, compose, layer_seconds, work
from dcserver.training.traffic import StepTraffic

MODEL = Transformer(name="small", layers=14, hidden=1024, heads=16, kv_heads=4, head_dim=64, feed_forward=4096, gated=1.0,
                    vocabulary=50_000, sequence=2048, tied_embeddings=0.0)  # fmt: skip
EXPERTS = dataclasses.replace(MODEL, layers=12, experts=8.0, experts_per_token=2.0)
DGX, OLD = catalog.server("DGX H100"), catalog.server("DGX A100")
EOS = Cluster(server=DGX, servers=128)
C = {"narrow_share": 0.8, "grouped_share": 0.5, "expert_latency": 7.0}
IDEAL = Stack(matmul_share=1.0, host_latency=0.0, accumulation_bytes=0.0)  # of everything all, no waiting
ADAM = 30  # bytes for each weight: three numbers and a gradient read, three and a 16-bit weight written: 4 x 7 + 2


def layer(**given_seconds) -> LayerWork:
    return LayerWork(**(dict.fromkeys((f.name for f in dataclasses.fields(LayerWork)), 0.0) | given_seconds))


def traffic(**given_seconds) -> StepTraffic:
    return StepTraffic(**(dict.fromkeys((f.name for f in dataclasses.fields(StepTraffic)), 0.0) | given_seconds))


def one_layer(how=0, stack=IDEAL, model=MODEL, dtype="bf16", **given_seconds):
    return layer_seconds(layer(**given_seconds), np.asarray(how), model, stack, dtype, C)


PRODUCTS = {"matmul_forward": 1.0, "matmul_backward": 2.0, "matmul_weights": 3.0, "attention_forward": 4.0,
            "attention_backward": 10.0}  # fmt: skip


def test_software_slows_products_and_attention_by_shares_of_their_own():
    half = dataclasses.replace(IDEAL, matmul_share=0.5, attention_share=0.25)
    found = one_layer(stack=half, **PRODUCTS)
    assert found["forward"] == 1 / 0.5 + 4 / 0.25
    assert found["backward"] == (2 + 3) / 0.5 + 10 / 0.25
    assert found["weights"] == 3 / 0.5
    assert found["compute"] == found["forward"] + found["backward"]
    # Without a fused kernel attention is products too.
    found = one_layer(stack=dataclasses.replace(half, fused_attention=0.0), **PRODUCTS)
    assert (found["forward"], found["backward"]) == ((1 + 4) / 0.5, (2 + 3 + 10) / 0.5)


def test_narrow_formats_and_experts_slow_products_but_not_attention():
    for dtype, share in (("fp8", 0.8), ("mxfp8", 0.8), ("nvfp4", 0.8**2), ("fp16", 1.0)):
        assert one_layer(dtype=dtype, **PRODUCTS)["forward"] == pytest.approx(1 / share + 4), dtype
    assert one_layer(model=EXPERTS, **PRODUCTS)["forward"] == 1 / 0.5 + 4
    assert one_layer(model=EXPERTS, **PRODUCTS)["launch"] == 7


def test_what_is_computed_again():
    assert one_layer(0, **PRODUCTS)["recomputation"] == 0
    assert one_layer(1, **PRODUCTS)["recomputation"] == 0, "a fused kernel keeps nothing that could be dropped"
    assert one_layer(2, **PRODUCTS)["recomputation"] == 1 + 4
    unfused = dataclasses.replace(IDEAL, fused_attention=0.0, matmul_share=0.5)
    assert one_layer(1, unfused, **PRODUCTS)["recomputation"] == 4 / 0.5
    assert one_layer(np.arange(3), unfused, **PRODUCTS)["recomputation"].tolist() == [0, 8, 10]


def test_bytes_pass_through_memory_once_more_where_they_are_computed_again():
    moved = {"bytes_forward": 1.0, "bytes_backward": 2.0, "inner_bytes_forward": 10.0, "inner_bytes_backward": 20.0}
    found = one_layer(np.arange(3), dataclasses.replace(IDEAL, passes=2.0), **moved)["byte-moving operators"]
    assert found.tolist() == [2 * (1 + 2 + 10 + 20), 2 * (1 + 2 + 2 * 10 + 20), 2 * (2 * 1 + 2 + 2 * 10 + 20)]
    # Gradients are added up: 8 bytes for each weight.
    add = dataclasses.replace(IDEAL, passes=2.0, accumulation_bytes=8.0)
    assert one_layer(stack=add, update=0.5)["byte-moving operators"] == 2 * 8 * 0.5


def test_traffic_of_a_layer_hides_as_far_as_the_software_lets_it():
    stack = dataclasses.replace(IDEAL, tensor_overlap=0.25, expert_overlap=0.5)
    sent = {"tensor_forward": 1.0, "tensor_backward": 2.0, "expert_forward": 4.0, "expert_backward": 8.0}
    found = one_layer(np.arange(3), stack, **sent)
    assert found["tensor traffic"].tolist() == [0.75 * 3, 0.75 * 3, 0.75 * 4]
    assert found["expert traffic"].tolist() == [0.5 * 12, 0.5 * 12, 0.5 * 16]
    # A ring of keys and values runs beside attention: of 7 s beside 4 forward and 15 beside 10 backward 3 + 5 show.
    ring = {"attention_forward": 4.0, "attention_backward": 10.0, "context_forward": 7.0, "context_backward": 15.0}
    found = one_layer(np.arange(3), **ring)
    assert found["context traffic"].tolist() == [3 + 5, 3 + 5, 2 * 3 + 5]
    ring |= {"context_forward": 3.0, "context_backward": 9.0}
    assert one_layer(**ring)["context traffic"] == 0
    slow = dataclasses.replace(IDEAL, attention_share=0.5)
    ring |= {"context_forward": 9.0, "context_backward": 22.0}
    assert one_layer(stack=slow, **ring)["context traffic"] == (9 - 8) + (22 - 20)


def test_a_host_that_is_slower_than_its_kernels_is_waited_for():
    # A kernel forward, two backward, and one more where the layer is computed again: 10 each of 1 s.
    host = dataclasses.replace(IDEAL, host_latency=1.0, layer_latency=0.5)
    found = one_layer(np.arange(3), host, kernels=10.0)
    assert found["launch"].tolist() == [30.5, 30.5, 40.5]
    busy = one_layer(
        0, host, kernels=10.0, matmul_forward=4.0, bytes_forward=3.0, tensor_forward=2.0, expert_forward=1.0
    )
    assert busy["launch"] == 30 - (4 + 3 + 2 + 1) + 0.5
    assert busy["compute"] == 30.5
    assert one_layer(0, host, kernels=10.0, matmul_forward=40.0)["launch"] == 0.5


def test_output_layer_and_embedding_under_the_software():
    stack = dataclasses.replace(IDEAL, matmul_share=0.5, passes=2.0)
    found = one_layer(stack=stack, logits=3.0, logits_bytes=5.0, embedding_bytes=7.0)
    assert (found["logits"], found["embedding"]) == (3 / 0.5 + 2 * 5, 2 * 7)


# Layers of 3 s (1 forward, 2 backward, half of those for the weights' gradients); 14 of them on 4 stages: 3, 4, 4, 3.
LAYER = {"matmul_forward": 1.0, "matmul_backward": 1.0, "matmul_weights": 1.0}
PIPELINE = Plan(pipeline_parallel=4, interleave=2, data_parallel=2)


def put_together(plan=PIPELINE, stack=IDEAL, batch=16, sent=None, update=0.0, layers=(4.0, 3.0), **given_seconds):
    done = Work(layer(**(LAYER | given_seconds)), traffic(**(sent or {})), update, *layers, None, None)
    return compose(done, MODEL, EOS, plan, batch, stack=stack)


def test_the_slowest_stage_sets_the_pace_and_the_others_are_waited_for_once():
    found = put_together(logits=2.0, embedding_bytes=0.5)
    # Middle stages take 4 x 3 = 12 s, the last 3 x 3 + 2 = 11. Eight micro-batches of a batch of 16 in two replicas.
    assert found.breakdown["forward"] == 8 * 4 * 1
    assert found.breakdown["backward"] == 8 * 4 * 2
    assert found.breakdown["embedding and logits"] == 0
    assert found.breakdown["pipeline bubble"] == (14 * 3 + 2 + 0.5 - 12) / 2
    # With 5 s of output the last stage is the slowest: 14 s.
    found = put_together(logits=5.0)
    assert found.breakdown["forward"] == 8 * 3 * 1
    assert found.breakdown["embedding and logits"] == 8 * 5
    assert found.breakdown["pipeline bubble"] == (14 * 3 + 5 - 14) / 2
    # Gaps filled with the weights' gradients: 2 x 1 of 3 s a layer.
    plan = dataclasses.replace(PIPELINE, interleave=1, schedule="zero_bubble")
    assert put_together(plan).breakdown["pipeline bubble"] == pytest.approx((14 * 3 - 12) / 3)
    assert put_together(plan, matmul_weights=9.0).breakdown["pipeline bubble"] == 0


def test_one_stage_has_all_layers_and_both_ends():
    plan = Plan(data_parallel=2)
    found = put_together(plan, logits=2.0, embedding_bytes=0.5, layers=(14.0, 14.0), sent={"transfer": 1.0})
    assert found.breakdown["forward"] == 8 * 14
    assert found.breakdown["embedding and logits"] == 8 * 2.5
    assert found.breakdown["pipeline bubble"] == found.breakdown["pipeline transfer"] == 0
    assert found.time == 8 * (14 * 3 + 2.5)


def test_activations_cross_both_ways_for_each_chunk():
    stack = dataclasses.replace(IDEAL, transfer_overlap=0.75)
    found = put_together(stack=stack, sent={"transfer": 0.5})
    # 2 x 2 chunks x 8 micro-batches, and 2 x 3 to fill and empty the pipeline.
    assert found.breakdown["pipeline transfer"] == (2 * 2 * 8 + 2 * 3) * 0.5 * 0.25


def test_gradients_hide_behind_the_backward_pass_of_one_micro_batch():
    # The slowest stage takes 12 s; half of the time is open to traffic: 6 s, of them 60 % backward and 30 % forward.
    stack = dataclasses.replace(IDEAL, data_overlap=0.5, optimizer_passes=3.0)
    found = put_together(stack=stack, sent={"gradients": 10.0, "weights": 5.0, "tables": 0.75}, update=2.0)
    assert found.breakdown["data traffic"] == pytest.approx((10 - 3.6) + (5 - 1.8) + 0.75)
    assert found.breakdown["optimizer"] == 3 * 2
    found = put_together(stack=stack, sent={"gradients": 3.0, "weights": 1.0})
    assert found.breakdown["data traffic"] == 0


def test_gathering_layers_hides_behind_each_layer():
    # Half of 3 s a layer: 0.495 s forward, 1.005 backward; 2 s gathered twice and 1 s scattered.
    stack = dataclasses.replace(IDEAL, data_overlap=0.5)
    found = put_together(stack=stack, sent={"gather_layer": 2.0, "scatter_layer": 1.0})
    exposed = (2 - 0.5 * 0.33 * 3) + (2 + 1 - 0.5 * 0.67 * 3)
    assert found.breakdown["data traffic"] == pytest.approx(8 * 4 * exposed)
    assert found.breakdown["pipeline bubble"] == pytest.approx((14 - 4) * (3 + exposed) / 2)
    found = put_together(stack=stack, sent={"gather_layer": 0.4, "scatter_layer": 0.5})
    assert found.breakdown["data traffic"] == 0


def test_everybody_waits_for_the_slowest_rank():
    stack = dataclasses.replace(IDEAL, jitter=0.1)
    steady, real = put_together().time, put_together(stack=stack)
    assert real.breakdown["stragglers"] == pytest.approx(steady * 0.1 * np.sqrt(2 * np.log(8)))
    assert real.time == pytest.approx(steady + real.breakdown["stragglers"])


def test_arithmetic_that_is_useful_and_that_is_done():
    plan = dataclasses.replace(PIPELINE, recomputation="full")
    tokens = 16 * 2048
    for stack, causal in ((IDEAL, True), (dataclasses.replace(IDEAL, causal_skip=0.0), False),
                          (dataclasses.replace(IDEAL, fused_attention=0.0), False)):  # fmt: skip
        found = put_together(plan, stack)
        assert found.tokens == tokens
        assert found.model_flops == training_flops(MODEL, tokens)
        assert found.hardware_flops == training_flops(MODEL, tokens, recomputation=2, causal=causal)
        assert found.peak_flops == 8 * DGX.accelerator.peak("bf16")
    # Selective recomputation repeats attention, unless a fused kernel does so anyhow.
    plan = dataclasses.replace(PIPELINE, recomputation="selective")
    unfused = dataclasses.replace(IDEAL, fused_attention=0.0)
    assert put_together(plan, unfused).hardware_flops == training_flops(MODEL, tokens, recomputation=1, causal=False)
    assert put_together(plan).hardware_flops == training_flops(MODEL, tokens)
    assert put_together(dataclasses.replace(PIPELINE, dtype="mxfp8")).peak_flops == 8 * DGX.accelerator.peak("fp8")


def test_shares_of_the_peak_by_hand():
    found = put_together()
    assert found.tokens_per_second == 16 * 2048 / found.time
    assert found.model_flops_utilization == pytest.approx(found.model_flops / found.peak_flops / found.time)
    assert found.hardware_flops_utilization == pytest.approx(found.hardware_flops / found.peak_flops / found.time)


def test_the_optimizer_moves_thirty_bytes_a_weight():
    found = step(MODEL, EOS, Plan(tensor_parallel=2), 1, stack=IDEAL)
    weights = MODEL.parameters / 2
    assert found.breakdown["optimizer"] == pytest.approx(
        weights * ADAM / compute.memory_bandwidth(DGX.accelerator, 0.55)
    )
    away = step(MODEL, EOS, Plan(tensor_parallel=2, offload_optimizer=True), 1, stack=IDEAL)
    assert away.breakdown["optimizer"] == pytest.approx(weights * ADAM / DGX.accelerator.host_bus_bandwidth)
    split = step(MODEL, EOS, Plan(data_parallel=4, zero_stage=1), 4, stack=IDEAL)
    assert split.breakdown["optimizer"] == pytest.approx(found.breakdown["optimizer"] / 2)


def test_32_bits_gather_twice_the_weights():
    slow = dataclasses.replace(IDEAL, data_overlap=0.0, gradient_bytes=4.0)
    plan = Plan(data_parallel=64, zero_stage=3)
    found = {
        d: work(MODEL, EOS, dataclasses.replace(plan, dtype=d), stack=slow).traffic for d in ("bf16", "fp32", "tf32")
    }
    # With 32-bit gradients, 32-bit weights take as long to gather as those take to scatter.
    assert found["fp32"].gather_layer == found["tf32"].gather_layer == pytest.approx(float(found["fp32"].scatter_layer))
    assert found["bf16"].gather_layer < 0.8 * found["fp32"].gather_layer
    assert found["fp32"].scatter_layer == found["bf16"].scatter_layer


def test_a_step_takes_the_models_sequence_and_the_newest_software_unless_told():
    plan = Plan(tensor_parallel=2)
    assert step(MODEL, EOS, plan, 8).time == step(MODEL, EOS, plan, 8, 2048, stack="NeMo 2025").time
    assert step(MODEL, DGX, plan, 8).time == step(MODEL, Cluster(server=DGX), plan, 8).time
    own = dict(catalog.constants("training")) | {"jitter": 0.5}
    assert step(MODEL, EOS, plan, 8, constants=own).breakdown["stragglers"] > step(MODEL, EOS, plan, 8).time / 3


@settings(max_examples=15)
@given(st.integers(64, 200), st.integers(0, 5))
def test_distinct_combinations_stand_for_all(size, seed):
    rng = np.random.default_rng(seed)
    a, b, flag = rng.integers(0, 4, size), rng.integers(0, 3, size), rng.integers(0, 2, size).astype(bool)
    first, which = _distinct(a, 7, b, flag)
    rows = np.stack([a, b, flag])
    assert (rows[:, first][:, which] == rows).all()
    assert len(first) == len(np.unique(rows, axis=1).T)
    for k, at in enumerate(first):
        assert which[at] == k
    square = _distinct(a[:64].reshape(8, 8), b[:64].reshape(8, 8))
    assert square[1].shape == (8, 8)


def test_few_or_wild_combinations_are_not_worth_sorting():
    assert _distinct(np.arange(63)) is None
    assert _distinct(np.arange(64)) is not None
    assert _distinct(np.arange(64) * 100_000) is None  # a table of six million
    assert _distinct(np.arange(5000), np.arange(5000)[::-1]) is None  # a table of 25 million


def test_a_step_is_checked_for_the_sequence_that_it_is_asked_for():
    plan = Plan(context_parallel=3)
    assert step(MODEL, EOS, plan, 8, 3072).tokens == 8 * 3072
    with pytest.raises(ValueError, match="context_parallel=3 does not divide 2048"):
        step(MODEL, EOS, plan, 8)
    assert step(MODEL, EOS, plan, 8, validate=False).time > 0
    with pytest.raises(ValueError, match=r"batch=1\.5"):
        step(MODEL, EOS, Plan(), 1.5)


def test_oversubscribed_uplinks_are_shared():
    alone = fabric_of(EOS).network_bandwidth
    assert fabric_of(dataclasses.replace(EOS, oversubscription=4.0)).network_bandwidth == alone / 4
    assert as_cluster(DGX) == Cluster(server=DGX, servers=1)
    assert as_cluster(EOS) is EOS
    assert machine(EOS) == (DGX, DGX.accelerator)
    with pytest.raises(ValueError, match="no accelerators"):
        machine(Cluster(server=dataclasses.replace(DGX, accelerator=None)))


# What a step costs.


def test_power_is_that_of_the_servers_in_use():
    for busy, moving, with_memory in ((0.4, 0.3, 0.5), (0.4, 0.9, 1.0), (0.0, 0.0, 0.0), (1.5, 0.0, 0.5)):
        chip = energy.operating_point(DGX.accelerator, min(busy, 1.0), with_memory, dtype="fp8").total
        server = energy.server_power(DGX, chip).total
        assert wall_power(EOS, "mxfp8", 12, busy, moving) == pytest.approx(12 / 8 * server)
    found = put_together(update=2.0, bytes_forward=0.25)
    moving = (8 * 4 * 0.25 + 2) / found.time
    assert found.power == pytest.approx(wall_power(EOS, "bf16", 8, found.hardware_flops_utilization, moving))


def test_energy_carbon_and_money_of_a_token():
    found = put_together()
    grid = next(iter(catalog.table("grids").values()))
    assert found.energy_per_token == pytest.approx(found.power * found.time / (16 * 2048))
    assert found.carbon_per_token(grid) == pytest.approx(found.energy_per_token * grid.carbon_intensity)
    # Eight accelerators at 9 USD an hour: 2 cents a second.
    assert found.cost_per_token(9.0) == pytest.approx(0.02 * found.time / (16 * 2048))
    assert found.cost_per_token(0.0) == 0
    with pytest.raises(ValueError, match="price_per_accelerator_hour=-1"):
        found.cost_per_token(-1.0)


def test_a_step_is_limited_by_what_takes_most_of_it():
    assert put_together().limit == "arithmetic"
    assert put_together(bytes_forward=100.0).limit == "memory bandwidth"
    assert put_together(update=1e4).limit == "memory bandwidth"
    assert put_together(tensor_forward=100.0).limit == "tensor traffic"
    assert put_together(stack=dataclasses.replace(IDEAL, layer_latency=9.0)).limit == "host"
    # Forward 1, backward 2 and recomputation 1 s a layer are one cause: together more than 3.5 s of bytes.
    plan = dataclasses.replace(PIPELINE, recomputation="full")
    assert put_together(plan, bytes_backward=3.5).limit == "arithmetic"
    several = put_together(tensor_forward=np.array([0.0, 100.0]))
    assert several.limit.tolist() == ["arithmetic", "tensor traffic"]


def test_sparse_and_narrow_runs_have_error_bars_of_their_own():
    bars = {r["family"].partition(":")[2]: (float(r["low"]), float(r["high"]))
            for r in catalog.tables.rows_of("error_bars", "training_other")}  # fmt: skip
    plan = Plan(data_parallel=8)
    for model, dtype, name in ((MODEL, "bf16", "dense bf16"), (MODEL, "fp8", "experts or fp8"),
                               (MODEL, "mxfp8", "experts or fp8"), (EXPERTS, "bf16", "experts or fp8")):  # fmt: skip
        found = step(model, EOS, dataclasses.replace(plan, dtype=dtype), 8)
        low, high = bars.get(name, bars[""])
        assert found.interval == pytest.approx((found.time * low, found.time * high)), (model.name, dtype)
    both = step(catalog.stack([MODEL, EXPERTS]), EOS, plan, 8)
    for i, model in enumerate((MODEL, EXPERTS)):
        assert [side[i] for side in both.interval] == pytest.approx(step(model, EOS, plan, 8).interval)


@pytest.mark.parametrize(
    ("less", "more"),
    [
        ({"recomputation": "full"}, {}), ({"zero_stage": 1}, {}), ({"zero_stage": 2}, {"zero_stage": 1}),
        ({"zero_stage": 3}, {"zero_stage": 2}), ({"micro_batch": 1}, {"micro_batch": 2}),
        ({"offload_optimizer": True}, {}), ({"offload_activations": True}, {}), ({"optimizer": "sgd"}, {}),
        ({"tensor_parallel": 2}, {}), ({"pipeline_parallel": 2}, {}), ({"context_parallel": 2, "micro_batch": 8}, {"micro_batch": 8}),
        ({"tensor_parallel": 2, "sequence_parallel": True}, {"tensor_parallel": 2}),
        ({"pipeline_parallel": 2}, {"pipeline_parallel": 2, "interleave": 2}), ({"dtype": "bf16"}, {"dtype": "fp32"}),
    ],
)  # fmt: skip
def test_what_a_plan_saves_is_saved_in_memory(less, more):
    model = dataclasses.replace(MODEL, layers=16)
    low, high = (step(model, EOS, Plan(**({"data_parallel": 4} | p)), 64).memory.total for p in (less, more))
    assert low < high


def test_what_the_software_keeps_is_counted_in_memory():
    plan = Plan(data_parallel=4)
    fused, kept, dropping, narrow = (
        step(MODEL, EOS, plan, 64, stack=s).memory.total
        for s in (IDEAL, Stack(fused_attention=0.0), Stack(dropout=1.0), Stack(gradient_bytes=2.0))
    )
    assert narrow < fused < dropping
    assert fused < kept
    by_hand = memory.training_footprint(MODEL, micro_batch=1, micro_batches=16, data_parallel=4, gradient_dtype="fp32")
    assert fused == pytest.approx(by_hand.total)


# Plans.


def test_what_a_plan_takes_and_how_often_it_goes_round():
    plan = Plan(data_parallel=3, tensor_parallel=2, pipeline_parallel=4, context_parallel=5, micro_batch=2)
    assert plan.accelerators == 3 * 2 * 4 * 5
    assert plan.micro_batches(24) == 4
    assert plan.shape == ()
    many = Plan(tensor_parallel=np.array([1, 2]), zero_stage=np.array([[0], [1], [2]]))
    assert many.shape == (3, 2)
    picked = many[2, 1]
    assert (picked.tensor_parallel, picked.zero_stage, picked.micro_batch) == (2, 2, 1)
    assert many[1].shape == (2,)


def test_by_default_nothing_is_split():
    plan = Plan()
    assert plan == Plan(data_parallel=1, tensor_parallel=1, pipeline_parallel=1, interleave=1, context_parallel=1,
                        expert_parallel=1, micro_batch=1, recomputation="none", zero_stage=0, shard_group=0,
                        schedule="1f1b", dtype="bf16", sequence_parallel=False, optimizer="adam",
                        offload_optimizer=False, offload_activations=False)  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "batch", "accelerators", "sequence", "message"),
    [
        ({"data_parallel": 4}, 8, 8, None, "accelerators"),
        ({"data_parallel": 4, "micro_batch": 3}, 8, None, None, "data_parallel x micro_batch=12 does not divide 8"),
        ({"pipeline_parallel": 4, "interleave": 3}, 6, None, None, "interleave > 1 needs micro-batches"),
        ({"data_parallel": 6, "shard_group": 4}, 6, None, None, "shard_group=4 does not divide 6"),
        ({"context_parallel": 3}, 8, None, 2048, "context_parallel=3 does not divide 2048"),
        ({"expert_parallel": 3}, 8, None, None, "expert_parallel=3 does not divide 8 experts"),
        ({"expert_parallel": 8}, 8, None, None, "expert_parallel=8 does not divide 1 accelerators"),
    ],
)
def test_a_plan_that_does_not_divide_is_refused_by_both(fields, batch, accelerators, sequence, message):
    plan = Plan(**fields)
    assert not plan.valid(EXPERTS, accelerators, batch, sequence)
    with pytest.raises(ValueError, match=message):
        plan.check(EXPERTS, accelerators, batch, sequence)


@pytest.mark.parametrize(
    ("fields", "batch", "accelerators", "sequence"),
    [
        ({"data_parallel": 4, "tensor_parallel": 2}, 8, 8, None), ({"data_parallel": 4, "micro_batch": 2}, 16, None, None),
        ({"pipeline_parallel": 4, "interleave": 3}, 8, None, None), ({"data_parallel": 8, "shard_group": 4}, 8, None, None),
        ({"context_parallel": 3}, 8, None, 3072), ({"data_parallel": 2, "shard_group": 0}, 8, 2, None),
        ({"data_parallel": 4, "tensor_parallel": 2, "expert_parallel": 8}, 8, None, None),
        ({"pipeline_parallel": 4}, 7, None, None),
    ],
)  # fmt: skip
def test_a_plan_that_divides_passes_both(fields, batch, accelerators, sequence):
    plan = Plan(**fields)
    assert plan.valid(EXPERTS, accelerators, batch, sequence) is True
    plan.check(EXPERTS, accelerators, batch, sequence)


def test_the_first_plan_that_does_not_fit_is_the_one_named():
    plans = Plan(data_parallel=np.array([8, 4, 2]))
    assert plans.valid(MODEL, accelerators=8).tolist() == [True, False, False]
    with pytest.raises(ValueError, match="= 4 accelerators, but the cluster has 8"):
        plans.check(MODEL, accelerators=8)
    with pytest.raises(ValueError, match="there are 6"):
        Plan(pipeline_parallel=4, interleave=3, data_parallel=np.array([1, 4])).check(EXPERTS, batch=24)
    with pytest.raises(ValueError, match="sequence=0"):
        Plan().check(MODEL, sequence=0)
    with pytest.raises(ValueError, match="shard_group=-1"):
        Plan(shard_group=-1)


# Pipelines drawn out.


def test_a_pipeline_of_two_with_transfers_by_hand():
    # 1 forward, 0.5 across, 1 forward, 2 backward, 0.5 across, 2 backward.
    one = timeline(2, 1, 1.0, 2.0, transfer=0.5)
    assert one.makespan == 1 + 0.5 + 1 + 2 + 0.5 + 2
    assert [one.idle(0), one.idle(1)] == [4, 4]
    assert one.start.tolist() == [0.0, 1.5, 2.5, 5.0]
    assert one.kind.tolist() == ["forward", "forward", "backward", "backward"]
    assert timeline(3, 5).makespan == timeline(3, 5, 1.0, 2.0, 1, 0.0).makespan == 5 * 3 + 2 * 3
    with pytest.raises(ValueError, match="transfer=-1"):
        timeline(2, 1, transfer=-1.0)
    with pytest.raises(ValueError, match="backward=0"):
        timeline(2, 1, backward=0.0)


@pytest.mark.parametrize(("p", "m", "v"), [(4, 8, 1), (4, 8, 2), (2, 6, 3), (3, 2, 1)])
def test_work_follows_the_layers_and_each_piece_comes_once(p, m, v):
    t = timeline(p, m, interleave=v, transfer=0.25)
    at = {(k, int(b), int(c) * p + int(s)): (a, e) for s, b, c, k, a, e in
          zip(t.stage, t.micro_batch, t.chunk, t.kind, t.start, t.end, strict=True)}  # fmt: skip
    assert len(at) == 2 * p * m * v
    assert set(at) == {(k, b, x) for k in ("forward", "backward") for b in range(m) for x in range(p * v)}
    for (kind, b, x), (begin, end) in at.items():
        assert end - begin == pytest.approx((1.0 if kind == "forward" else 2.0) / v)
        if kind == "forward" and x:
            assert begin >= at["forward", b, x - 1][1] + 0.25 - 1e-12
        if kind == "backward" and x < p * v - 1:
            assert begin >= at["backward", b, x + 1][1] + 0.25 - 1e-12
        if kind == "backward":
            assert begin >= at["forward", b, x][1]


@pytest.mark.parametrize("p", [2, 4])
def test_a_stage_holds_no_more_micro_batches_than_stages_follow(p):
    t = timeline(p, 12)
    for stage in range(p):
        mine = t.stage == stage
        change = np.where(t.kind[mine] == "forward", 1, -1)[np.argsort(t.start[mine])]
        assert np.cumsum(change).max() == p - stage


def test_bubbles_of_many_pipelines_at_once():
    found = bubble(np.array([1, 2, 8]), 1.0, 2.0, interleave=np.array([1, 1, 7]))
    assert found.tolist() == [0, 3, 3]
    assert bubble(3, 1.0, 2.0, weights=5.0, zero_bubble=np.array([False, True])).tolist() == [6, 0]
    assert bubble(3, 1.0, 2.0, weights=0.5) == 6, "1F1B does not fill its gaps"
    assert bubble(2, 0.0, 0.0) == 0
    for bad in (
        {"interleave": 0},
        {"forward": -1.0},
        {"backward": -1.0},
        {"weights": -1.0},
        {"pipeline_parallel": 1.5},
    ):
        with pytest.raises(ValueError, match=next(iter(bad))):
            bubble(**({"pipeline_parallel": 2, "forward": 1.0, "backward": 1.0} | bad))


# Counts and software.


def test_recomputation_adds_a_forward_pass():
    # Every layer once more is a third on top of its share; attention's inner part alone with "selective".
    layers = MODEL.layers * training.layer_flops(MODEL, 100)
    inner = MODEL.layers * training.attention_flops(MODEL, 100, 2048)
    none, selective, full = training_flops(MODEL, 100, recomputation=np.arange(3))
    assert none == pytest.approx(3 * layers + 3 * inner + 6 * 100 * 1024 * 50_000)
    assert selective - none == pytest.approx(inner)
    assert full - none == pytest.approx(layers + inner)
    assert training_flops(MODEL, 100) == training_flops(MODEL, 100, 2048, 0, True) == none
    bert = dataclasses.replace(MODEL, causal=0.0)
    assert training_flops(bert, 100) == training_flops(MODEL, 100, causal=False)
    for bad in ({"tokens": 0}, {"sequence": -1}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            training_flops(MODEL, **({"tokens": 10} | bad))


def test_stacks_at_once_equal_each_alone():
    names = ("BLOOM 2022", "NeMo 2025", "BLOOM 2022")
    many = training.stack(names)
    assert many.name.tolist() == list(names)
    for i, name in enumerate(names):
        for f in training.stacks.FIELDS:
            assert getattr(many, f)[i] == getattr(training.stack(name), f), f
    own = dict(catalog.constants("training")) | {"jitter": 0.5, "jitter BLOOM 2022": 0.25}
    assert training.stack(names, own).jitter.tolist() == [0.25, 0.5, 0.25]
    assert training.stack() == training.stack("NeMo 2025")


# Convolutional networks.

NET = catalog.convnet("ResNet-50")
SHARES = {"matrix_share": 0.5, "tf32_share": 0.25, "vector_share": 0.8, "passes": 10.0, "host_input": 1e-6}


@pytest.mark.parametrize(
    ("dtype", "share", "width"), [("fp16", 0.5, 2), ("bf16", 0.5, 2), ("tf32", 0.25, 4), ("fp32", 0.8, 4)]
)
def test_a_convolutional_step_by_hand(dtype, share, width):
    found = convnet_step(NET, OLD, images=64, dtype=dtype, constants=SHARES)
    chip = OLD.accelerator
    products = 64 * 3 * NET.forward_flops / (chip.peak(dtype) * share)
    moved = 64 * 10 * NET.activation_elements * width / compute.memory_bandwidth(chip, 0.6)
    assert found.breakdown == pytest.approx(
        {"convolutions": products, "byte-moving": moved, "input": 0, "data traffic": 0}
    )
    assert found.images == 64
    assert found.images_per_second == pytest.approx(64 / (products + moved))


def test_replicas_of_a_convolutional_network_share_host_and_wire():
    two = Cluster(server=OLD, servers=2)
    found = convnet_step(NET, two, accelerators=np.array([1, 4, 16]), images=4, constants=SHARES)
    # A node prepares for at most its eight accelerators: 4 images x 4 or 8 of them x 1 us.
    assert found.breakdown["input"].tolist() == pytest.approx([0, 4 * 4e-6, 4 * 8e-6])
    assert found.images.tolist() == [4, 16, 64]
    for i, name in enumerate(found.limit):
        assert found.breakdown[name][i] == max(part[i] for part in found.breakdown.values())
    for i, n in ((1, 4), (2, 16)):
        reduce = seconds("all_reduce", NET.published_parameters * 4, n, fabric_of(two), launch=0.0)
        beside = (found.breakdown["convolutions"][i] + found.breakdown["byte-moving"][i]) / 2
        assert found.breakdown["data traffic"][i] == pytest.approx(max(reduce - beside, 0.0))
    tiny = convnet_step(NET, two, accelerators=16, images=1, constants=SHARES | {"passes": 1e-3, "matrix_share": 1e3})
    assert tiny.breakdown["data traffic"] > 0
    assert tiny.limit == "data traffic"
    assert sum(tiny.breakdown.values()) == pytest.approx(tiny.time)
    assert convnet_step(NET, two).images == 128
    assert convnet_step(NET, two).time == convnet_step(NET, OLD, 1, 128, "fp16").time
    for bad in ({"accelerators": 0}, {"images": 1.5}):
        with pytest.raises(ValueError, match=next(iter(bad))):
            convnet_step(NET, OLD, **bad)
    unknown = dataclasses.replace(NET, activation_elements=float("nan"))
    with pytest.raises(ValueError, match="activation_elements"):
        convnet_step(unknown, OLD)
