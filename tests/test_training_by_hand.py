"""One layer, its traffic and one step, each laid out by hand: shapes, bytes and messages as the papers draw them."""

import dataclasses

import numpy as np
import pytest

from dcserver import catalog, interconnect
from dcserver.catalog import Cluster
from dcserver.compute import matmul, memory_bandwidth
from dcserver.training import Plan, Stack, compose, convnet_step, layer_work, stack, step, work
from dcserver.training.layer import LayerWork, alignment, attention_rate, group_fabric
from dcserver.training.machine import fabric_of
from dcserver.training.step import layer_seconds, stage_layers
from dcserver.training.traffic import parameters, step_traffic

C = dict(catalog.constants("training"))
GPT3, MIXTRAL, DEEPSEEK = (catalog.transformer(n) for n in ("GPT-3 175B", "Mixtral 8x7B", "DeepSeek V3"))
A100, H100 = catalog.accelerator("A100 80GB"), catalog.accelerator("H100 SXM")
EOS = Cluster(server=catalog.server("DGX H100"), servers=16)
FABRIC = fabric_of(EOS)
FUSED = Stack(fused_attention=1, causal_skip=1, dropout=0)
ALONE = {"micro_batch": 1, "sequence": 2048, "tensor_parallel": 1, "sequence_parallel": False, "context_parallel": 1,
         "expert_parallel": 1, "dtype": "bf16"}  # fmt: skip


def layer(model, device=H100, how=FUSED, **changed) -> LayerWork:
    return layer_work(model, device, FABRIC, how, C, **(ALONE | changed))


def product(rows, columns, depth, batch=1, device=H100, dtype="bf16"):
    return matmul(device, rows, columns, depth, dtype, batch, launch_latency=0.0).time


def both_ways(rows, columns, depth, batch=1, **on):
    """A product with weights, forward, and backward for its input and for its weights."""
    sizes = (rows, columns, depth), (rows, depth, columns), (depth, columns, rows)
    return np.array([product(*size, batch, **on) for size in sizes])


def sent(kind, amount, ranks, inner=1, **more):
    return interconnect.seconds(kind, amount, ranks, group_fabric(FABRIC, inner), launch=0.0, **more)


# --- a dense layer ----------------------------------------------------------------------------------------------


def test_products_of_a_dense_layer_on_eight_accelerators():
    # Two sequences of 2,048; 96 heads of 128 on eight: 12 each, so 3 x 1,536 columns; 49,152 / 8 in the wide part.
    w = layer(GPT3, micro_batch=2, tensor_parallel=8)
    shapes = (4096, 3 * 1536, 12288), (4096, 12288, 1536), (4096, 6144, 12288), (4096, 12288, 6144)
    by_hand = sum(both_ways(*shape) for shape in shapes)
    assert [w.matmul_forward, w.matmul_backward, w.matmul_weights] == pytest.approx(by_hand, rel=1e-12)


def test_fused_attention_at_its_share_of_the_peak_half_of_the_scores_skipped_and_five_halves_backward():
    w = layer(GPT3, micro_batch=2, tensor_parallel=8)
    scores = 2 * 12 * 2048 * 2048
    rate = H100.peak("bf16") * attention_rate(H100, C) / (1 + C["attention_depth"] / 128)
    assert w.attention_forward == pytest.approx(4 * scores * 128 / 2 / rate, rel=1e-12)
    assert w.attention_backward == pytest.approx(2.5 * w.attention_forward, rel=1e-12)
    both = layer(dataclasses.replace(GPT3, causal=0.0)), layer(GPT3, how=dataclasses.replace(FUSED, causal_skip=0))
    assert [b.attention_forward / layer(GPT3).attention_forward for b in both] == pytest.approx([2, 2])


def test_bytes_of_a_dense_layer():
    # 16 bits a number. Two norms read and write (4), two additions read twice and write (6): ten of the residual
    # stream; GeLU reads and writes the wide part; queries, keys, values and what comes of them are read and written.
    w = layer(GPT3, micro_batch=2, tensor_parallel=8)
    residual, wide, heads = 4096 * 12288, 4096 * 6144, 4096 * 3 * 1536
    speed = memory_bandwidth(H100, 0.6)
    forward = (10 * residual + 2 * wide + 2 * heads) * 2
    backward = (10 * residual + 3 * wide + 2 * heads) * 2
    assert [w.bytes_forward * speed, w.bytes_backward * speed] == pytest.approx([forward, backward])
    split = layer(GPT3, micro_batch=2, tensor_parallel=8, sequence_parallel=True)
    assert (w.bytes_forward - split.bytes_forward) * speed == pytest.approx(10 * residual * 2 * 7 / 8)
    weights = 12 * 12288**2 / 8
    assert w.update * speed == pytest.approx(weights)
    assert w.inner_bytes_forward == w.inner_bytes_backward == 0
    gated = dataclasses.replace(GPT3, gated=1.0)  # two products wide, and both are read
    more = [getattr(layer(gated, micro_batch=2, tensor_parallel=8), f) - getattr(w, f) for f in ("bytes_forward",
            "bytes_backward", "update")]  # fmt: skip
    assert [m * speed for m in more] == pytest.approx([wide * 2, 2 * wide * 2, 6144 * 12288])


def test_dropout_keeps_a_byte_and_passes_over_scores_come_back_where_no_kernel_fuses_them():
    old = Stack(fused_attention=0, causal_skip=0, dropout=1)
    w, without = layer(GPT3, how=old), layer(GPT3, how=dataclasses.replace(old, dropout=0))
    speed = memory_bandwidth(H100, 0.6)
    residual, scores = 2048 * 12288, 96 * 2048 * 2048
    # Forward two masks are written; backward they are read, and four passes over the stream come with them.
    assert (w.bytes_forward - without.bytes_forward) * speed == pytest.approx(2 * residual)
    assert (w.bytes_backward - without.bytes_backward) * speed == pytest.approx((2 + 4 * 2) * residual)
    # Softmax reads and writes scores of two bytes; dropout does so again and writes a mask of one.
    assert without.inner_bytes_forward * speed == pytest.approx(2 * 2 * scores)
    assert without.inner_bytes_backward * speed == pytest.approx(3 * 2 * scores)
    assert w.inner_bytes_forward * speed == pytest.approx((2 * 2 + 2 * 2 + 1) * scores)
    assert w.inner_bytes_backward * speed == pytest.approx((3 * 2 + 2 * 2 + 1) * scores)
    # Scores and values are two products of 96 heads; backward each has two.
    qk, av, back = product(2048, 2048, 128, 96), product(2048, 128, 2048, 96), product(2048, 128, 2048, 96)
    assert w.attention_forward == pytest.approx(qk + av)
    assert w.attention_backward == pytest.approx(qk + av + 2 * back)
    assert [float(layer(GPT3, how=s).kernels) for s in (FUSED, old)] == [24, 30]


def test_stacks_with_and_without_a_fused_kernel_side_by_side():
    old = Stack(fused_attention=0, causal_skip=0, dropout=1)
    pair = Stack(
        **{f.name: np.array([getattr(FUSED, f.name), getattr(old, f.name)]) for f in dataclasses.fields(Stack)}
    )
    together, alone = layer(GPT3, how=pair), [layer(GPT3, how=s) for s in (FUSED, old)]
    for f in dataclasses.fields(LayerWork):
        assert np.broadcast_to(getattr(together, f.name), 2) == pytest.approx([getattr(a, f.name) for a in alone]), (
            f.name
        )


def test_logits_over_a_vocabulary_padded_to_multiples_of_128_for_each_accelerator():
    w = layer(GPT3, tensor_parallel=8)
    padded = 128 * 50  # 50,257 / 8 = 6,282.1; 49 x 128 = 6,272 is too few
    speed = memory_bandwidth(H100, 0.6)
    assert w.logits == pytest.approx(sum(both_ways(2048, padded, 12288)))
    assert w.logits_bytes * speed == pytest.approx(2048 * padded * (2 + 4 + 4 + 4 + 4 + 2))
    assert w.embedding_bytes * speed == pytest.approx(2048 * 12288 * 12)


def test_tensor_parallelism_adds_up_activations_twice_each_way():
    w = layer(GPT3, tensor_parallel=8)
    size = 2048 * 12288 * 2
    assert w.tensor_forward == w.tensor_backward == pytest.approx(2 * sent("all_reduce", size, 8))
    split = layer(GPT3, tensor_parallel=8, sequence_parallel=True)
    assert split.tensor_forward == pytest.approx(4 * sent("all_gather", size, 8))


def test_context_parallelism_cuts_the_sequence_and_passes_keys_and_values_on():
    w, whole = layer(GPT3, tensor_parallel=4, context_parallel=2), layer(GPT3, tensor_parallel=4)
    by_hand = sum(
        both_ways(*s) for s in ((1024, 9216, 12288), (1024, 12288, 3072), (1024, 12288, 12288), (1024, 12288, 12288))
    )
    assert w.matmul_forward == pytest.approx(by_hand[0])
    assert w.attention_forward == pytest.approx(whole.attention_forward / 2)
    keys_and_values = 2048 * 2 * 24 * 128 * 2  # of 24 heads, in two bytes
    assert w.context_forward == pytest.approx(sent("all_gather", keys_and_values, 2, inner=4))
    assert w.context_backward == 2 * w.context_forward
    assert whole.context_forward == 0


def test_narrow_formats_hasten_products_with_weights_and_cost_casts():
    w, wide = (layer(GPT3, dtype=d, tensor_parallel=8) for d in ("fp8", "bf16"))
    shapes = (2048, 4608, 12288), (2048, 12288, 1536), (2048, 6144, 12288), (2048, 12288, 6144)
    assert w.matmul_forward == pytest.approx(sum(both_ways(*s, dtype="fp8")[0] for s in shapes))
    assert (w.attention_forward, w.logits) == pytest.approx((wide.attention_forward, wide.logits))
    # Each input of a product is read in 16 bits and written in 8, and its other lie as well: four bytes.
    inputs = 2 * 2048 * 12288 + 2048 * 1536 + 2048 * 6144
    for name in ("bytes_forward", "bytes_backward"):
        more = (getattr(w, name) - getattr(wide, name)) * memory_bandwidth(H100, 0.6)
        assert more == pytest.approx(4 * inputs), name
    four = layer(GPT3, catalog.accelerator("B200"), dtype="nvfp4")
    assert four.bytes_forward > layer(GPT3, catalog.accelerator("B200")).bytes_forward
    full, half = (layer(GPT3, A100, dtype=d) for d in ("tf32", "bf16"))
    assert full.bytes_forward == pytest.approx(2 * half.bytes_forward)


def test_odd_widths_are_slow_and_very_odd_ones_fall_behind():
    c = {"unaligned": 0.1, "misaligned": 5.0}
    assert alignment([64, 128, 32, 16, 8, 24, 4, 2, 7], c) == pytest.approx(
        [1, 1, 1.1, 1.2, 1.3, 1.3, 6.3, 6.3, 6.3])  # fmt: skip
    odd = dataclasses.replace(GPT3, hidden=12288.0 + 4)
    assert layer(odd).matmul_forward > 5 * layer(GPT3).matmul_forward


# --- a layer of experts -------------------------------------------------------------------------------------------


def test_products_of_a_layer_of_experts():
    # 8 experts, two a token, four accelerators: two experts on each. 4,096 tokens make 8,192 visits, 4,096 an expert.
    w = layer(MIXTRAL, micro_batch=2, expert_parallel=4)
    heads = both_ways(4096, (32 + 2 * 8) * 128, 4096) + both_ways(4096, 4096, 32 * 128)
    experts = both_ways(4096, 2 * 14336, 4096, 2) + both_ways(4096, 4096, 14336, 2)
    assert [w.matmul_forward, w.matmul_backward, w.matmul_weights] == pytest.approx(heads + experts, rel=1e-12)
    speed = memory_bandwidth(H100, 0.6)
    held = 4096 * (6144 + 4096) + 2 * 3 * 4096 * 14336
    assert w.update * speed == pytest.approx(held)
    assert w.kernels == 48


def test_tensor_parallelism_spreads_the_tokens_of_experts_and_does_not_cut_them():
    w = layer(MIXTRAL, micro_batch=2, tensor_parallel=2, expert_parallel=4)
    heads = both_ways(4096, 24 * 128, 4096) + both_ways(4096, 4096, 16 * 128)
    experts = both_ways(2048, 2 * 14336, 4096, 2) + both_ways(2048, 4096, 14336, 2)
    assert w.matmul_forward == pytest.approx((heads + experts)[0])
    assert w.tensor_forward == pytest.approx(sent("all_reduce", 4096 * 4096 * 2, 2))  # after attention alone
    there_and_back = 2 * sent("all_to_all", 4096 * 4096 * 2, 4)
    assert w.expert_forward == w.expert_backward == pytest.approx(there_and_back)
    assert layer(MIXTRAL).expert_forward == 0


def test_bytes_of_a_layer_of_experts():
    w = layer(MIXTRAL, micro_batch=2, expert_parallel=4)
    visits, residual, heads = 8192, 4096 * 4096, 4096 * 48 * 128
    sorting = visits * 4096 * 2 * 2 * 2  # read and written, into the experts' order and back, two bytes each
    speed = memory_bandwidth(H100, 0.6)
    forward = (10 * residual + 3 * visits * 14336 + 2 * heads) * 2 + sorting
    backward = (10 * residual + 5 * visits * 14336 + 2 * heads) * 2 + sorting
    assert [w.bytes_forward * speed, w.bytes_backward * speed] == pytest.approx([forward, backward])


def test_an_expert_that_all_share_is_a_dense_part_of_its_own():
    w = layer(DEEPSEEK, tensor_parallel=2, expert_parallel=64)
    visits = 2048 / 2 * 8
    rows = visits / 4  # 256 experts on 64: four each
    by_hand = both_ways(2048, 64 * 3 * 128, 7168) + both_ways(2048, 7168, 64 * 128)
    by_hand = by_hand + both_ways(2048, 2 * 1024, 7168) + both_ways(2048, 7168, 1024)
    by_hand = by_hand + both_ways(rows, 4096, 7168, 4) + both_ways(rows, 7168, 2048, 4)
    assert w.matmul_weights == pytest.approx(by_hand[2])
    assert w.tensor_forward == pytest.approx(2 * sent("all_reduce", 2048 * 7168 * 2, 2))
    held = 7168 * (64 * 3 * 128 + 64 * 128 + 3 * 1024) + 4 * 3 * 7168 * 2048
    assert w.update * memory_bandwidth(H100, 0.6) == pytest.approx(held)


def test_dense_models_and_models_of_experts_side_by_side():
    models = [GPT3, MIXTRAL, DEEPSEEK]
    together = layer(catalog.stack(models))
    for f in dataclasses.fields(LayerWork):
        alone = [getattr(layer(m), f.name) for m in models]
        assert np.broadcast_to(getattr(together, f.name), 3) == pytest.approx(alone, rel=1e-9), f.name


# --- traffic between replicas and stages --------------------------------------------------------------------------


def traffic(model, **changed):
    usual = {"layers": 12, "micro_batch": 1, "sequence": 2048, "data_parallel": 4, "tensor_parallel": 8,
             "sequence_parallel": False, "pipeline_parallel": 1, "context_parallel": 1, "expert_parallel": 1,
             "zero_stage": 0, "shard_group": 0, "gradient_bytes": 4.0, "element": 2.0}  # fmt: skip
    return step_traffic(model, FABRIC, **(usual | changed))


def test_weights_on_an_accelerator():
    p = parameters(GPT3, 8, 1)
    assert p.layer == pytest.approx(12 * 12288**2 / 8, rel=1e-3)  # biases and norms are a thousandth
    assert (p.experts, p.table) == (0, 50257 * 12288 / 8)
    p = parameters(MIXTRAL, 2, 4)
    assert p.experts == 2 * 3 * 4096 * 14336
    assert p.layer - p.experts == pytest.approx(MIXTRAL.attention_parameters / 2 + 4096 * 8)
    two = parameters(dataclasses.replace(MIXTRAL, experts=2.0, experts_per_token=1.0), 1, 1)
    assert two.experts == 2 * 3 * 4096 * 14336  # two experts are experts already


def test_gradients_of_replicas_are_added_up_once_a_step():
    p = parameters(GPT3, 8, 1)
    owned = 12 * p.layer + p.table  # embedding and output are one table
    t = traffic(GPT3)
    assert t.gradients == pytest.approx(sent("all_reduce", owned * 4, 4, inner=8))
    assert (t.weights, t.gather_layer, t.scatter_layer, t.tables) == (0, 0, 0, 0)
    assert t.states == pytest.approx(owned)
    untied = traffic(dataclasses.replace(GPT3, tied_embeddings=0.0))
    assert untied.states - t.states == pytest.approx(p.table)
    short = traffic(GPT3, gradient_bytes=2.0, context_parallel=2)  # ranks of one context are replicas too
    assert short.gradients == pytest.approx(sent("all_reduce", owned * 2, 8, inner=8))


def test_zero_reduces_and_gathers_instead():
    p = parameters(GPT3, 8, 1)
    owned = 12 * p.layer + p.table
    for stage in (1, 2):
        t = traffic(GPT3, zero_stage=stage)
        assert t.gradients == pytest.approx(sent("reduce_scatter", owned * 4, 4, inner=8))
        assert t.weights == pytest.approx(sent("all_gather", owned * 2, 4, inner=8))
        assert t.states == pytest.approx(owned / 4)
    t = traffic(GPT3, zero_stage=3)
    assert (t.gradients, t.weights) == (0, 0)
    assert t.gather_layer == pytest.approx(sent("all_gather", p.layer * 2, 4, inner=8))
    assert t.scatter_layer == pytest.approx(sent("reduce_scatter", p.layer * 4, 4, inner=8))


def test_zero_3_in_groups_gathers_within_and_adds_up_between():
    p = parameters(GPT3, 1, 1)
    owned = 12 * p.layer + p.table
    t = traffic(GPT3, tensor_parallel=1, data_parallel=32, zero_stage=3, shard_group=8)
    assert t.gather_layer == pytest.approx(sent("all_gather", p.layer * 2, 8))
    assert t.scatter_layer == pytest.approx(sent("reduce_scatter", p.layer * 4, 8))
    assert t.gradients == pytest.approx(sent("all_reduce", owned * 4 / 8, 4, inner=8))
    assert t.states == pytest.approx(owned / 8)
    assert traffic(GPT3, zero_stage=1, shard_group=64).states == traffic(GPT3, zero_stage=1).states  # no more than all


def test_experts_have_fewer_replicas_which_stand_further_apart():
    p = parameters(MIXTRAL, 2, 8)
    t = traffic(MIXTRAL, tensor_parallel=2, data_parallel=32, expert_parallel=8, zero_stage=1)
    # 64 accelerators, two hold the same dense part: 32 replicas; eight hold different experts: 8 replicas.
    dense, experts = 12 * (p.layer - p.experts) + 2 * p.table, 12 * p.experts

    def of(kind, width):  # fmt: skip
        return sent(kind, dense * width, 32, inner=2) + sent(kind, experts * width, 8, inner=8)

    assert t.gradients == pytest.approx(of("reduce_scatter", 4))
    assert t.weights == pytest.approx(of("all_gather", 2))
    assert t.states == pytest.approx(dense / 32 + experts / 8)
    three = traffic(MIXTRAL, tensor_parallel=2, data_parallel=32, expert_parallel=8, zero_stage=3)
    gather = sent("all_gather", (p.layer - p.experts) * 2, 32, inner=2) + sent("all_gather", p.experts * 2, 8, inner=8)
    assert three.gather_layer == pytest.approx(gather)


def test_stages_hand_activations_on_and_the_ends_share_a_table():
    p = parameters(GPT3, 8, 1)
    t = traffic(GPT3, pipeline_parallel=8)
    assert t.transfer == pytest.approx(sent("point_to_point", 2048 * 12288 * 2 / 8, 2, inner=32))
    assert t.tables == pytest.approx(sent("all_reduce", p.table * 4, 2, inner=32))
    assert traffic(dataclasses.replace(GPT3, tied_embeddings=0.0), pipeline_parallel=8).tables == 0
    inside = traffic(GPT3, pipeline_parallel=2, tensor_parallel=4, data_parallel=1)  # both stages in one server
    assert inside.transfer == pytest.approx(sent("point_to_point", 2048 * 12288 * 2 / 4, 2, inner=4))
    assert inside.transfer < t.transfer
    # One end has a table of its own: an end stage holds one, a model on one stage that ties them also one.
    assert t.states == pytest.approx(12 * p.layer + p.table)


# --- a layer under a software stack -------------------------------------------------------------------------------

# Seconds that tell each other apart in every sum.
BARE = LayerWork(**{f.name: float(2**i) for i, f in enumerate(dataclasses.fields(LayerWork))})
STACK = Stack(matmul_share=0.8, passes=1.5, attention_share=0.5, tensor_overlap=0.25, expert_overlap=0.75,
              host_latency=0.0, layer_latency=7.0, accumulation_bytes=8.0)  # fmt: skip


def test_a_layer_without_recomputation():
    s = layer_seconds(BARE, 0, GPT3, STACK, "bf16", C)
    b = BARE
    assert s["forward"] == b.matmul_forward / 0.8 + b.attention_forward / 0.5
    assert s["weights"] == b.matmul_weights / 0.8
    assert s["backward"] == (b.matmul_backward + b.matmul_weights) / 0.8 + b.attention_backward / 0.5
    assert s["recomputation"] == 0
    bytes_moved = b.bytes_forward + b.bytes_backward + b.inner_bytes_forward + b.inner_bytes_backward
    assert s["byte-moving operators"] == 1.5 * (bytes_moved + 8 * b.update)
    assert s["tensor traffic"] == (b.tensor_forward + b.tensor_backward) * 0.75
    assert s["expert traffic"] == (b.expert_forward + b.expert_backward) * 0.25
    # What of the ring of keys and values the attention kernel does not cover.
    assert s["context traffic"] == b.context_forward - b.attention_forward / 0.5 + (
        b.context_backward - b.attention_backward / 0.5)  # fmt: skip
    assert s["launch"] == 7
    parts = ("forward", "backward", "recomputation", "byte-moving operators", "tensor traffic", "context traffic",
             "expert traffic", "launch")  # fmt: skip
    assert s["compute"] == pytest.approx(sum(s[name] for name in parts))
    assert s["logits"] == b.logits / 0.8 + 1.5 * b.logits_bytes
    assert s["embedding"] == 1.5 * b.embedding_bytes


def test_recomputation_does_the_forward_part_again():
    b, none, inner, full = BARE, *(layer_seconds(BARE, how, GPT3, STACK, "bf16", C) for how in range(3))
    assert full["recomputation"] == full["forward"]
    assert inner["recomputation"] == 0  # a fused kernel keeps nothing that could be redone
    name = "byte-moving operators"
    assert full[name] - none[name] == 1.5 * (b.bytes_forward + b.inner_bytes_forward)
    assert inner[name] - none[name] == 1.5 * b.inner_bytes_forward
    assert full["tensor traffic"] == (2 * b.tensor_forward + b.tensor_backward) * 0.75
    assert full["expert traffic"] == (2 * b.expert_forward + b.expert_backward) * 0.25
    assert full["context traffic"] - none["context traffic"] == b.context_forward - b.attention_forward / 0.5
    for how in (inner, full):
        assert how["backward"] == none["backward"]


def test_without_a_fused_kernel_attention_runs_like_other_products_and_its_inner_part_can_be_redone():
    loose = dataclasses.replace(STACK, fused_attention=0)
    s, redone = (layer_seconds(BARE, how, GPT3, loose, "bf16", C) for how in (0, 1))
    assert s["forward"] == (BARE.matmul_forward + BARE.attention_forward) / 0.8
    assert redone["recomputation"] == BARE.attention_forward / 0.8


def test_narrow_formats_and_experts_reach_a_part_of_the_pace():
    c = C | {"narrow_share": 0.5, "grouped_share": 0.25, "expert_latency": 3.0}
    wide, eight, block, four = (
        layer_seconds(BARE, 0, GPT3, STACK, d, c)["weights"] for d in ("bf16", "fp8", "mxfp8", "nvfp4")
    )
    assert [eight / wide, block / wide, four / wide] == [2, 2, 4]
    experts = layer_seconds(BARE, 0, MIXTRAL, STACK, "bf16", c)
    assert experts["weights"] == 4 * wide
    assert experts["launch"] == 7 + 3
    two = dataclasses.replace(MIXTRAL, experts=2.0)
    assert layer_seconds(BARE, 0, two, STACK, "bf16", c)["launch"] == 7 + 3


def test_a_host_that_is_slower_than_its_device_is_waited_for():
    w = dataclasses.replace(
        BARE,
        **{f.name: 1.0 for f in dataclasses.fields(LayerWork)},
    )
    w = dataclasses.replace(w, kernels=24.0)
    slow = Stack(matmul_share=1.0, host_latency=1.0)
    for how, launched in ((0, 3 * 24), (2, 4 * 24)):  # backward twice as many as forward; once more to redo them
        s = layer_seconds(w, how, GPT3, slow, "bf16", C)
        busy = sum(s[n] for n in ("forward", "backward", "recomputation", "byte-moving operators", "tensor traffic",
                                  "expert traffic"))  # fmt: skip
        assert s["launch"] == launched - busy
    assert layer_seconds(w, 0, GPT3, dataclasses.replace(slow, host_latency=0.01), "bf16", C)["launch"] == 0


# --- a step -------------------------------------------------------------------------------------------------------


def test_layers_of_a_stage():
    bloom = dataclasses.replace(GPT3, layers=70.0)
    assert stage_layers(bloom, 12) == (6, 5)  # 5, ten times 6, 5
    assert stage_layers(bloom, 10) == (7, 7)
    assert stage_layers(dataclasses.replace(GPT3, layers=71.0), 2) == (36, 36)
    most, ends = stage_layers(bloom, np.array([1, 10, 12]))
    assert (list(most), list(ends)) == ([70, 7, 6], [70, 7, 5])


IDEAL = Stack(matmul_share=0.9, passes=1.5, host_latency=0.0, data_overlap=0.5, transfer_overlap=0.25,
              optimizer_passes=2.0, jitter=0.01)  # fmt: skip


def test_a_pipelined_step_by_hand():
    plan = Plan(tensor_parallel=8, pipeline_parallel=4, data_parallel=4, interleave=2, zero_stage=1)
    done = work(GPT3, EOS, plan, 2048, IDEAL)
    own = layer_seconds(done.layer, 0, GPT3, IDEAL, "bf16", C)
    s = compose(done, GPT3, EOS, plan, 64, 2048, IDEAL)
    m, layers = 64 / 4, 96 / 4
    last = layers * own["compute"] + own["logits"]  # the stage with the output product is the slowest
    for name in ("forward", "backward", "byte-moving operators", "tensor traffic", "launch"):
        assert s.breakdown[name] == pytest.approx(m * layers * own[name]), name
    assert s.breakdown["embedding and logits"] == pytest.approx(m * own["logits"])
    whole = 96 * own["compute"] + own["logits"] + own["embedding"]
    assert s.breakdown["pipeline bubble"] == pytest.approx((whole - last) / 2)
    crossings = 2 * 2 * m + 2 * 3
    assert s.breakdown["pipeline transfer"] == pytest.approx(crossings * done.traffic.transfer * 0.75)
    t = done.traffic
    exposed = max(t.gradients - 0.5 * last * 0.6, 0) + max(t.weights - 0.5 * last * 0.3, 0) + t.tables
    assert s.breakdown["data traffic"] == pytest.approx(exposed)
    # Adam moves 30 bytes a parameter: four numbers of 32 bits read, three written, and one of 16.
    update = t.states * (4 * 4 + 3 * 4 + 2) / memory_bandwidth(H100, 0.55)
    assert s.breakdown["optimizer"] == pytest.approx(2 * update)
    steady = s.time - s.breakdown["stragglers"]
    assert s.breakdown["stragglers"] == pytest.approx(steady * 0.01 * np.sqrt(2 * np.log(128)))
    assert s.tokens == 64 * 2048
    assert s.peak_flops == 128 * H100.peak("bf16")


def test_one_stage_holds_embedding_and_logits_both():
    plan = Plan(tensor_parallel=8)
    small = catalog.transformer("GPT-3 1.3B")
    own = layer_seconds(work(small, EOS, plan, 2048, IDEAL).layer, 0, small, IDEAL, "bf16", C)
    s = step(small, EOS, plan, 4, 2048, IDEAL)
    assert s.breakdown["embedding and logits"] == pytest.approx(4 * (own["logits"] + own["embedding"]))
    assert s.breakdown["forward"] == pytest.approx(4 * small.layers * own["forward"])


def test_a_zero_bubble_schedule_fills_gaps_with_the_gradients_of_weights():
    usual = Plan(tensor_parallel=8, pipeline_parallel=4, data_parallel=4)
    plans = usual, dataclasses.replace(usual, schedule="zero_bubble")
    plain, filled = (step(GPT3, EOS, p, 64, 2048, IDEAL).breakdown["pipeline bubble"] for p in plans)
    own = layer_seconds(work(GPT3, EOS, usual, 2048, IDEAL).layer, 0, GPT3, IDEAL, "bf16", C)
    assert filled == pytest.approx(plain * (1 - 2 * own["weights"] / own["compute"]))


def test_zero_3_hides_a_third_of_its_gathering_forward_and_the_rest_backward():
    slow = dataclasses.replace(EOS, oversubscription=64.0)
    plan = Plan(data_parallel=128, zero_stage=3)
    small = catalog.transformer("GPT-3 1.3B")
    done = work(small, slow, plan, 2048, IDEAL)
    own, t = layer_seconds(done.layer, 0, small, IDEAL, "bf16", C), done.traffic
    shown = max(t.gather_layer - 0.5 * own["compute"] * 0.33, 0)
    shown += max(t.gather_layer + t.scatter_layer - 0.5 * own["compute"] * 0.67, 0)
    assert shown > 0
    s = step(small, slow, plan, 256, 2048, IDEAL)
    assert s.breakdown["data traffic"] == pytest.approx(2 * small.layers * shown)


def test_an_optimizer_in_the_hosts_memory_waits_for_the_bus():
    plan = Plan(tensor_parallel=8, offload_optimizer=True)
    small = catalog.transformer("GPT-3 1.3B")
    here, there = (step(small, EOS, p, 4, 2048, IDEAL).breakdown["optimizer"]
                   for p in (dataclasses.replace(plan, offload_optimizer=False), plan))  # fmt: skip
    assert there / here == pytest.approx(memory_bandwidth(H100, 0.55) / H100.host_bus_bandwidth)


def test_recomputed_attention_counts_as_done_only_where_it_is():
    fused, loose = (step(GPT3, EOS, Plan(tensor_parallel=8, recomputation="selective"), 4, 2048, how)
                    for how in (IDEAL, dataclasses.replace(IDEAL, fused_attention=0, causal_skip=0)))  # fmt: skip
    assert fused.hardware_flops == fused.model_flops  # nothing is redone, masked scores are skipped
    tokens = 4 * 2048
    scores = 4 * 2048 * 12288 * 96 * tokens  # a pass over all scores of all layers, FLOP
    # All scores where only the unmasked half is needed, three times and once more.
    assert loose.hardware_flops - loose.model_flops == pytest.approx(scores * (3 + 1) - scores / 2 * 3, rel=1e-9)


def test_named_stacks_side_by_side_are_those_alone():
    names = ["Megatron 2021", "FSDP 2023"]
    pair = stack(names)
    for f in dataclasses.fields(Stack)[1:]:
        assert list(getattr(pair, f.name)) == [getattr(stack(n), f.name) for n in names], f.name
    assert list(pair.name) == names


# --- convolutional networks ---------------------------------------------------------------------------------------


def test_a_step_of_resnet_by_hand():
    net, k = catalog.convnet("ResNet-50"), catalog.constants("convnets")
    node = catalog.server("DGX A100")
    s = convnet_step(net, node, accelerators=8, images=256)
    arithmetic = 256 * 3 * net.forward_flops / (A100.peak("fp16") * k["matrix_share"])
    moving = 256 * k["passes"] * net.activation_elements * 2 / memory_bandwidth(node.accelerator, 0.6)
    reduce = interconnect.seconds(
        "all_reduce", net.published_parameters * 4, 8, fabric_of(Cluster(server=node)), launch=0.0
    )
    assert s.breakdown["convolutions"] == pytest.approx(arithmetic)
    assert s.breakdown["byte-moving"] == pytest.approx(moving)
    assert s.breakdown["input"] == pytest.approx(256 * 8 * k["host_input"])
    assert s.breakdown["data traffic"] == max(0.0, reduce - (arithmetic + moving) / 2)
    assert s.images_per_second == pytest.approx(8 * 256 / s.time)
    few = convnet_step(net, node, accelerators=8, images=1)
    assert few.breakdown["data traffic"] == pytest.approx(
        reduce - (few.breakdown["convolutions"] + few.breakdown["byte-moving"]) / 2)  # fmt: skip
    assert convnet_step(net, node).breakdown["input"] == 0  # one accelerator has the host for itself
    assert convnet_step(net, node).images == 128
