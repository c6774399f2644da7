"""One layer and what leaves it, product by product and byte by byte, against cases worked out by hand."""

import dataclasses

import numpy as np
import pytest

from dcserver import catalog, compute, training
from dcserver.catalog import Transformer
from dcserver.interconnect import Fabric, seconds
from dcserver.training import Stack
from dcserver.training.layer import alignment, attention_rate, group_fabric, layer_work
from dcserver.training.step import stage_layers
from dcserver.training.traffic import parameters, step_traffic

# Hidden 1,024; 16 query and 4 key-value heads of 64; a gated feed-forward part of 4,096: all multiples of 64.
MODEL = Transformer(name="small", layers=4, hidden=1024, heads=16, kv_heads=4, head_dim=64, feed_forward=4096, gated=1.0,
                    vocabulary=50_000, sequence=2048, tied_embeddings=0.0)  # fmt: skip
PLAIN = dataclasses.replace(MODEL, gated=0.0)
EXPERTS = dataclasses.replace(MODEL, experts=8.0, experts_per_token=2.0)  # no part that all tokens visit
SHARED = dataclasses.replace(EXPERTS, shared_experts=1.0)
TOKENS, H, FF, QKV = 2048, 1024, 4096, (16 + 2 * 4) * 64
WEIGHTS = H * QKV + H * H + 3 * H * FF  # of a layer
CHIP = catalog.accelerator("H100 SXM")
FABRIC = Fabric(bandwidth=450e9, network_bandwidth=50e9)
C = {"attention": 0.5, "attention_Hopper": 0.4, "attention_depth": 16.0, "unaligned": 0.2, "misaligned": 9.0}
FUSED, UNFUSED = Stack(causal_skip=0.0), Stack(fused_attention=0.0)


def layer(model: Transformer = MODEL, stack: Stack = FUSED, **changes):
    how = {"micro_batch": 1, "sequence": 2048, "tensor_parallel": 1, "sequence_parallel": False, "context_parallel": 1,
           "expert_parallel": 1, "dtype": "bf16"}  # fmt: skip
    return layer_work(model, CHIP, FABRIC, stack, C, **(how | changes))


def product(rows, columns, depth, batch=1, dtype="bf16"):
    return compute.matmul(CHIP, rows, columns, depth, dtype, batch, launch_latency=0.0).time


def gradients(rows, columns, depth, batch=1, dtype="bf16"):
    """Of the input: rows x depth, summed over columns; of the weights: depth x columns, summed over rows."""
    return product(rows, depth, columns, batch, dtype), product(depth, columns, rows, batch, dtype)


def stream(moved):
    return moved / compute.memory_bandwidth(CHIP, 0.6)


@pytest.mark.parametrize(
    ("changes", "shapes"),
    [
        ({}, [(2048, 1536, 1024), (2048, 1024, 1024), (2048, 8192, 1024), (2048, 1024, 4096)]),
        # Four ways: 4 query heads and one key and value head, a quarter of the feed-forward part.
        ({"tensor_parallel": 4}, [(2048, 384, 1024), (2048, 1024, 256), (2048, 2048, 1024), (2048, 1024, 1024)]),
        # Eight ways: a key-value head cannot be halved, so two accelerators hold the same.
        ({"tensor_parallel": 8}, [(2048, 256, 1024), (2048, 1024, 128), (2048, 1024, 1024), (2048, 1024, 512)]),
        ({"micro_batch": 2, "context_parallel": 4},
         [(1024, 1536, 1024), (1024, 1024, 1024), (1024, 8192, 1024), (1024, 1024, 4096)]),
    ],
)  # fmt: skip
def test_a_layer_is_four_products_and_each_has_two_gradients(changes, shapes):
    found = layer(**changes)
    assert found.matmul_forward == pytest.approx(sum(product(*s) for s in shapes))
    back, weights = zip(*(gradients(*s) for s in shapes), strict=True)
    assert found.matmul_backward == pytest.approx(sum(back))
    assert found.matmul_weights == pytest.approx(sum(weights))


def test_without_a_gate_the_feed_forward_part_has_two_matrices():
    shapes = [(2048, 1536, 1024), (2048, 1024, 1024), (2048, 4096, 1024), (2048, 1024, 4096)]
    assert layer(PLAIN).matmul_forward == pytest.approx(sum(product(*s) for s in shapes))


@pytest.mark.parametrize(
    ("changes", "rows", "local"),
    # 2,048 tokens x 2 experts each: 512 for each of 8; on 4 accelerators 2 stand, each sees the tokens of all four.
    [({}, 512, 8), ({"expert_parallel": 4}, 2048, 2), ({"tensor_parallel": 2, "expert_parallel": 4}, 1024, 2)],
)
def test_experts_share_out_the_tokens_that_visit_them(changes, rows, local):
    t = changes.get("tensor_parallel", 1)
    attention = [(2048, 1536 // t, 1024), (2048, 1024, 1024 // t)]
    experts = [(rows, 8192, 1024, local), (rows, 1024, 4096, local)]
    alone, shared = layer(EXPERTS, **changes), layer(SHARED, **changes)
    assert alone.matmul_forward == pytest.approx(sum(product(*s) for s in attention + experts))
    assert alone.matmul_weights == pytest.approx(sum(gradients(*s)[1] for s in attention + experts))
    # One more that every token visits is a dense part beside them, and tensor parallelism cuts it.
    dense = product(2048, 8192 // t, 1024) + product(2048, 1024, 4096 // t)
    assert shared.matmul_forward - alone.matmul_forward == pytest.approx(dense)


def test_dense_and_sparse_models_at_once_equal_each_alone():
    both = layer(catalog.stack([MODEL, EXPERTS, SHARED]), expert_parallel=4)
    for i, model in enumerate((MODEL, EXPERTS, SHARED)):
        alone = layer(model, expert_parallel=4 if model is not MODEL else 1)
        for f in dataclasses.fields(both):
            mine = np.broadcast_to(getattr(both, f.name), 3)[i]
            assert mine == pytest.approx(getattr(alone, f.name)), f.name


def test_a_fused_kernel_of_attention_by_hand():
    # Two products of 16 heads x 2048 x 2048 x 64, a share of 0.4 of the peak, a quarter more for heads of 64; 2.5 back.
    by_hand = 2 * 2 * 16 * 2048**2 * 64 / CHIP.peak("bf16") / 0.4 * (1 + 16 / 64)
    found = layer()
    assert found.attention_forward == pytest.approx(by_hand)
    assert found.attention_backward == pytest.approx(2.5 * by_hand)
    assert layer(stack=Stack(causal_skip=1.0)).attention_forward == pytest.approx(by_hand / 2)
    bert = dataclasses.replace(MODEL, causal=0.0)
    assert layer(bert, Stack(causal_skip=1.0)).attention_forward == pytest.approx(by_hand)
    assert layer(tensor_parallel=4, context_parallel=2).attention_forward == pytest.approx(by_hand / 4 / 2)
    assert layer(micro_batch=3).attention_forward == pytest.approx(3 * by_hand)
    assert layer(dtype="fp8").attention_forward == pytest.approx(by_hand), "attention stays in 16 bits"
    assert layer(dtype="tf32").attention_forward > 1.9 * by_hand
    assert found.inner_bytes_forward == found.inner_bytes_backward == 0


def test_attention_without_a_fused_kernel_is_two_products_forward_and_four_back():
    # A head's 2048 x 64 by 64 x 2048, its scores by the values; backward the gradients of both of both.
    scores, values, back = (product(*s, 16) for s in ((2048, 2048, 64), (2048, 64, 2048), (2048, 64, 2048)))
    found = layer(stack=UNFUSED)
    assert found.attention_forward == pytest.approx(scores + values)
    assert found.attention_backward == pytest.approx(scores + values + 2 * back)
    # Half of the sequence's queries against all of its keys.
    scores, values, back = (product(*s, 8) for s in ((1024, 2048, 64), (1024, 64, 2048), (2048, 64, 1024)))
    found = layer(stack=UNFUSED, context_parallel=2, tensor_parallel=2)
    assert found.attention_forward == pytest.approx(scores + values)
    assert found.attention_backward == pytest.approx(scores + values + 2 * back)
    # Heads of 80 = 5 x 16 numbers are two halvings short of 64.
    odd = layer(dataclasses.replace(MODEL, head_dim=80), UNFUSED).attention_forward
    assert odd == pytest.approx(1.4 * (product(2048, 2048, 80, 16) + product(2048, 80, 2048, 16)))


def test_scores_that_no_kernel_fuses_pass_through_memory():
    # 16 heads x 2048 x 2048 scores of 2 bytes: written and read forward; three times backward.
    scores = 16 * 2048**2 * 2
    found = layer(stack=UNFUSED)
    assert found.inner_bytes_forward == pytest.approx(stream(2 * scores))
    assert found.inner_bytes_backward == pytest.approx(stream(3 * scores))
    # Dropout writes and reads them once more, with a mask of a byte: half a number.
    drop = layer(stack=Stack(fused_attention=0.0, dropout=1.0))
    assert drop.inner_bytes_forward == pytest.approx(stream((2 + 2.5) * scores))
    assert drop.inner_bytes_backward == pytest.approx(stream((3 + 2.5) * scores))
    both = layer(stack=Stack(fused_attention=np.array([0.0, 1.0]), causal_skip=0.0))
    for i, alone in enumerate((found, layer())):
        for name in ("attention_forward", "attention_backward", "inner_bytes_forward", "kernels"):
            assert getattr(both, name)[i] == pytest.approx(getattr(alone, name)), name


def test_bytes_of_a_layer_by_hand():
    # Forward: two norms read and write, two residual additions read two and write one: 10 numbers of 2 bytes. The gated
    # feed-forward part reads two and writes one; queries, keys and values are turned: read and written.
    residual, middle, heads = TOKENS * H, TOKENS * FF, TOKENS * QKV
    found = layer()
    forward = 10 * residual * 2 + 3 * middle * 2 + 2 * heads * 2
    backward = 10 * residual * 2 + 5 * middle * 2 + 2 * heads * 2
    assert found.bytes_forward == pytest.approx(stream(forward))
    assert found.bytes_backward == pytest.approx(stream(backward))
    wide = layer(dtype="fp32")
    assert (wide.bytes_forward, wide.bytes_backward) == pytest.approx((stream(2 * forward), stream(2 * backward)))
    assert layer(dtype="tf32").bytes_forward == pytest.approx(stream(2 * forward))
    # Without a gate: one read, one written; backward two read, one written would be three.
    simple = layer(PLAIN)
    assert found.bytes_forward - simple.bytes_forward == pytest.approx(stream(middle * 2))
    assert found.bytes_backward - simple.bytes_backward == pytest.approx(stream(2 * middle * 2))
    # Dropout after attention and feed-forward part: a mask of a byte each; backward both gradients once more too.
    drop = layer(stack=Stack(dropout=1.0))
    assert drop.bytes_forward == pytest.approx(stream(forward + 2 * residual))
    assert drop.bytes_backward == pytest.approx(stream(backward + (4 * 2 + 2) * residual))


def test_tensor_parallelism_splits_norms_only_with_sequence_parallelism():
    residual, middle, heads = TOKENS * H, TOKENS * FF / 4, TOKENS * QKV / 4
    plain, split = (layer(tensor_parallel=4, sequence_parallel=s) for s in (False, True))
    assert plain.bytes_forward == pytest.approx(stream(20 * residual + 6 * middle + 4 * heads))
    assert split.bytes_forward == pytest.approx(stream(20 * residual / 4 + 6 * middle + 4 * heads))


def test_narrow_formats_read_and_write_what_they_convert():
    # Inputs of the four products in 16 bits, 2 bytes read, 1 written and its transpose: 4 a number.
    inputs = 2 * TOKENS * H + TOKENS * 16 * 64 + TOKENS * FF
    for dtype in ("fp8", "mxfp8"):
        wide, narrow = layer(), layer(dtype=dtype)
        for way in ("bytes_forward", "bytes_backward"):
            assert getattr(narrow, way) - getattr(wide, way) == pytest.approx(stream(4 * inputs)), (dtype, way)
        assert narrow.matmul_forward < 0.8 * wide.matmul_forward
    # Sequence parallelism gathers before a product: it converts as much as without.
    extra = [layer(dtype="fp8", tensor_parallel=4, sequence_parallel=s).bytes_forward
             - layer(tensor_parallel=4, sequence_parallel=s).bytes_forward for s in (False, True)]  # fmt: skip
    assert extra[0] == pytest.approx(extra[1])


def test_bytes_of_experts_by_hand():
    # 2,048 tokens at 2 experts each: their inner numbers, and the tokens moved into the experts' order and back.
    visits = 2 * TOKENS
    forward = TOKENS * H * 20 + visits * FF * 6 + TOKENS * QKV * 4 + visits * H * 2 * 2 * 2
    assert layer(EXPERTS).bytes_forward == pytest.approx(stream(forward))
    assert layer(SHARED).bytes_forward == pytest.approx(stream(forward + TOKENS * FF * 6))
    backward = TOKENS * H * 20 + visits * FF * 10 + TOKENS * QKV * 4 + visits * H * 2 * 2 * 2
    assert layer(EXPERTS).bytes_backward == pytest.approx(stream(backward))


def test_a_byte_for_each_weight_that_stands_there():
    assert layer().update == pytest.approx(stream(WEIGHTS))
    assert layer(tensor_parallel=4).update == pytest.approx(stream(WEIGHTS / 4))
    attention, expert = H * QKV + H * H, 3 * H * FF
    assert layer(EXPERTS).update == pytest.approx(stream(attention + 8 * expert))
    assert layer(EXPERTS, expert_parallel=4, tensor_parallel=2).update == pytest.approx(
        stream(attention / 2 + 2 * expert)
    )
    assert layer(SHARED).update == pytest.approx(stream(attention + 9 * expert))


def test_traffic_of_tensor_parallelism_by_hand():
    size = TOKENS * H * 2
    reduce, gather = (seconds(kind, size, 4, FABRIC, launch=0.0) for kind in ("all_reduce", "all_gather"))
    found = layer(tensor_parallel=4)
    assert found.tensor_forward == found.tensor_backward == pytest.approx(2 * reduce)
    assert layer(tensor_parallel=4, sequence_parallel=True).tensor_forward == pytest.approx(2 * 2 * gather)
    # Experts' tokens go to all accelerators instead of the second all-reduce, unless some part serves them all.
    assert layer(EXPERTS, tensor_parallel=4).tensor_forward == pytest.approx(reduce)
    assert layer(SHARED, tensor_parallel=4).tensor_forward == pytest.approx(2 * reduce)
    assert layer().tensor_forward == 0


def test_traffic_of_context_and_experts_by_hand():
    # Keys and values of 4 heads of 64, 2 bytes: gathered forward, twice that backward; neighbours stand 2 apart.
    found = layer(context_parallel=4, tensor_parallel=2)
    ring = dataclasses.replace(FABRIC, ranks_per_node=4.0)
    gathered = seconds("all_gather", 2048 * 2 * 2 * 64 * 2, 4, ring, launch=0.0)
    assert found.context_forward == pytest.approx(gathered)
    assert found.context_backward == pytest.approx(2 * gathered)
    assert layer(context_parallel=4, micro_batch=3).context_forward == pytest.approx(
        seconds("all_gather", 3 * 2048 * 2 * 4 * 64 * 2, 4, FABRIC, launch=0.0))  # fmt: skip
    # Each token to two experts in 16 bits, there and back.
    spread = layer(EXPERTS, expert_parallel=4)
    assert spread.expert_forward == spread.expert_backward == pytest.approx(
        2 * seconds("all_to_all", 2 * TOKENS * H * 2, 4, FABRIC, launch=0.0))  # fmt: skip
    for alone in (layer(EXPERTS), layer()):
        assert alone.expert_forward == alone.context_forward == alone.context_backward == 0


def test_output_layer_by_hand():
    # 50,000 words are padded to 391 x 128 = 50,048; on 4 accelerators to 98 x 512.
    for t, words in ((1, 50_048), (4, 98 * 128)):
        found = layer(tensor_parallel=t)
        assert found.logits == pytest.approx(product(2048, words, 1024) + sum(gradients(2048, words, 1024)))
        assert found.logits_bytes == pytest.approx(stream(2048 * words * 20))
        assert found.embedding_bytes == pytest.approx(stream(2048 * 1024 * 12))
    assert layer(dtype="nvfp4" if np.isfinite(CHIP.peak_fp4_flops) else "fp8").logits == pytest.approx(layer().logits)
    half = layer(context_parallel=2)
    assert half.embedding_bytes == pytest.approx(stream(1024 * 1024 * 12))


def test_kernels_of_a_layer():
    assert [layer(m, s).kernels for m in (MODEL, EXPERTS) for s in (FUSED, UNFUSED)] == [24, 30, 48, 54]


def test_a_dimension_that_is_no_multiple_of_64_costs_as_its_halvings_say():
    # 64 | 192; 32 | 96; 16 | 80; 8 | 40: one step of 0.2 each; below 8 three of them and 9 on top.
    widths = [192, 96, 80, 40, 20, 7, 0.5]
    by_hand = [1, 1.2, 1.4, 1.6, 10.6, 10.6, 10.6]
    assert alignment(widths, C).tolist() == pytest.approx(by_hand)
    # The worst of a product's inner dimensions counts: 1,032 = 129 x 8.
    odd = dataclasses.replace(MODEL, feed_forward=1032)
    shapes = [(2048, 1536, 1024), (2048, 1024, 1024)]
    loose = product(2048, 2 * 1032, 1024) * 1.4 + product(2048, 1024, 1032) * 1.6  # 2 x 1,032 = 129 x 16
    assert layer(odd).matmul_forward == pytest.approx(sum(product(*s) for s in shapes) + loose)


def test_the_share_of_attention_goes_by_generation():
    a100, b200 = catalog.accelerator("A100 SXM"), catalog.accelerator("B200")
    assert [attention_rate(a, C) for a in (CHIP, a100, b200)] == [0.4, 0.5, 0.5]
    assert attention_rate(catalog.stack([CHIP, a100]), C).tolist() == [0.4, 0.5]


def test_groups_whose_ranks_stand_apart_share_a_node_with_fewer():
    found = group_fabric(FABRIC, np.array([1, 2, 3, 8, 16])).ranks_per_node
    assert found.tolist() == [8, 4, 2, 1, 1]


def test_layers_of_stages():
    bloom = dataclasses.replace(MODEL, layers=70)
    assert stage_layers(bloom, 12) == (6, 5)  # 5 + 10 x 6 + 5
    assert stage_layers(bloom, 7) == (10, 10)
    assert stage_layers(bloom, 4) == (18, 17)  # 17 + 18 + 18 + 17
    assert stage_layers(dataclasses.replace(MODEL, layers=7), 2) == (4, 4)
    assert stage_layers(bloom, 1) == (70, 70)
    most, ends = stage_layers(bloom, np.array([1, 4, 12]))
    assert (most.tolist(), ends.tolist()) == ([70, 18, 6], [70, 17, 5])


def traffic(model: Transformer = MODEL, **changes):
    how = {"layers": 4, "micro_batch": 1, "sequence": 2048, "data_parallel": 16, "tensor_parallel": 1,
           "sequence_parallel": False, "pipeline_parallel": 1, "context_parallel": 1, "expert_parallel": 1,
           "zero_stage": 0, "shard_group": 0, "gradient_bytes": 4.0, "element": 2.0}  # fmt: skip
    return step_traffic(model, FABRIC, **(how | changes))


def between(kind, size, ranks, in_node=8.0):
    return seconds(kind, size, ranks, dataclasses.replace(FABRIC, ranks_per_node=in_node), launch=0.0)


TABLE = 50_000 * H
OWNED = 4 * WEIGHTS + 2 * TABLE


def test_gradients_of_all_weights_are_added_up_once_a_step():
    found = traffic()
    assert found.gradients == pytest.approx(between("all_reduce", OWNED * 4, 16))
    assert found.weights == found.gather_layer == found.scatter_layer == found.tables == found.transfer == 0
    assert found.states == OWNED
    assert traffic(gradient_bytes=2.0).gradients == pytest.approx(between("all_reduce", OWNED * 2, 16))
    # Replicas are data x context parallel; of two that share each layer, four groups find room in a node.
    assert traffic(data_parallel=4, context_parallel=4).gradients == pytest.approx(found.gradients)
    half = traffic(tensor_parallel=2)
    assert half.gradients == pytest.approx(between("all_reduce", OWNED / 2 * 4, 16, 4.0))
    assert half.states == OWNED / 2
    tied = traffic(dataclasses.replace(MODEL, tied_embeddings=1.0))
    assert tied.states == 4 * WEIGHTS + TABLE
    assert traffic(pipeline_parallel=2, layers=2).states == 2 * WEIGHTS + TABLE


def test_zero_scatters_gradients_and_gathers_weights():
    for stage in (1, 2):
        found = traffic(zero_stage=stage)
        assert found.gradients == pytest.approx(between("reduce_scatter", OWNED * 4, 16))
        assert found.weights == pytest.approx(between("all_gather", OWNED * 2, 16))
        assert found.gather_layer == found.scatter_layer == 0
        assert found.states == OWNED / 16
    found = traffic(zero_stage=3)
    assert found.gather_layer == pytest.approx(between("all_gather", WEIGHTS * 2, 16))
    assert found.scatter_layer == pytest.approx(between("reduce_scatter", WEIGHTS * 4, 16))
    assert found.gradients == found.weights == 0
    assert found.states == OWNED / 16
    both = traffic(zero_stage=np.array([0, 1, 3]))
    for i, stage in enumerate((0, 1, 3)):
        for f in dataclasses.fields(both):
            mine = np.broadcast_to(getattr(both, f.name), 3)[i]
            assert mine == pytest.approx(getattr(traffic(zero_stage=stage), f.name)), f.name


def test_groups_gather_among_themselves_and_add_up_between_them():
    found = traffic(zero_stage=3, shard_group=8)
    assert found.gather_layer == pytest.approx(between("all_gather", WEIGHTS * 2, 8))
    assert found.scatter_layer == pytest.approx(between("reduce_scatter", WEIGHTS * 4, 8))
    assert found.gradients == pytest.approx(between("all_reduce", OWNED * 4 / 8, 2, 1.0))
    assert found.states == OWNED / 8
    assert traffic(zero_stage=3, shard_group=64).gather_layer == pytest.approx(traffic(zero_stage=3).gather_layer)


def test_experts_are_repeated_less_often_than_the_rest():
    expert, rest = 3 * H * FF, H * QKV + H * H + H * 8  # the router chooses among 8
    found = traffic(EXPERTS, expert_parallel=4)
    dense = between("all_reduce", (4 * rest + 2 * TABLE) * 4, 16)
    assert found.gradients == pytest.approx(dense + between("all_reduce", 4 * 2 * expert * 4, 4, 2.0))
    assert found.states == 4 * rest + 2 * TABLE + 4 * 2 * expert
    sharded = traffic(EXPERTS, expert_parallel=4, zero_stage=1)
    assert sharded.states == (4 * rest + 2 * TABLE) / 16 + 4 * 2 * expert / 4
    assert sharded.weights == pytest.approx(between("all_gather", (4 * rest + 2 * TABLE) * 2, 16)
                                            + between("all_gather", 4 * 2 * expert * 2, 4, 2.0))  # fmt: skip
    assert sharded.gradients == pytest.approx(between("reduce_scatter", (4 * rest + 2 * TABLE) * 4, 16)
                                              + between("reduce_scatter", 4 * 2 * expert * 4, 4, 2.0))  # fmt: skip
    full = traffic(EXPERTS, expert_parallel=4, zero_stage=3)
    assert full.gather_layer == pytest.approx(between("all_gather", rest * 2, 16)
                                              + between("all_gather", 2 * expert * 2, 4, 2.0))  # fmt: skip
    assert full.scatter_layer == pytest.approx(between("reduce_scatter", rest * 4, 16)
                                               + between("reduce_scatter", 2 * expert * 4, 4, 2.0))  # fmt: skip
    # With two that share each layer the same four accelerators hold experts of 32: eight copies.
    wide = traffic(EXPERTS, expert_parallel=4, tensor_parallel=2)
    assert wide.gradients == pytest.approx(
        between("all_reduce", (4 * ((rest - H * 8) / 2 + H * 8) + TABLE) * 4, 16, 4.0)
        + between("all_reduce", 4 * 2 * expert * 4, 8, 2.0))  # fmt: skip


def test_stages_hand_on_activations_and_tied_embeddings():
    # A micro-batch of 2,048 tokens x 1,024 x 2 bytes; 16 replicas of a stage fill two nodes: the next stands beyond.
    found = traffic(pipeline_parallel=2)
    assert found.transfer == pytest.approx(between("point_to_point", 2048 * 1024 * 2, 2, 1.0))
    near = traffic(pipeline_parallel=2, data_parallel=1, tensor_parallel=2, context_parallel=2, micro_batch=3)
    assert near.transfer == pytest.approx(between("point_to_point", 3 * 2048 * 1024 * 2 / 2 / 2, 2, 2.0))
    assert found.tables == 0, "nothing to add up where input and output have tables of their own"
    tied = traffic(dataclasses.replace(MODEL, tied_embeddings=1.0), pipeline_parallel=2)
    assert tied.tables == pytest.approx(between("all_reduce", TABLE * 4, 2, 1.0))
    assert traffic(dataclasses.replace(MODEL, tied_embeddings=1.0)).tables == 0


def test_all_traffic_goes_by_the_constants_of_the_collectives():
    own = {name: 0.9 * value for name, value in catalog.constants("collectives").items()}
    tied = dataclasses.replace(MODEL, tied_embeddings=1.0)
    for stage, names in (
        (1, ("gradients", "weights", "tables", "transfer")),
        (3, ("gradients", "gather_layer", "scatter_layer")),
    ):
        usual, other = (
            traffic(tied, pipeline_parallel=2, zero_stage=stage, shard_group=8, constants=c) for c in (None, own)
        )
        for name in names:
            assert getattr(usual, name) != getattr(other, name), (stage, name)


def test_weights_of_a_layer_on_one_accelerator():
    expert, attention = 3 * H * FF, H * QKV + H * H
    dense = parameters(MODEL, 2, 1)
    assert (dense.layer, dense.experts, dense.table) == (WEIGHTS / 2, 0, TABLE / 2)
    sparse = parameters(SHARED, 2, 4)
    assert sparse.experts == 2 * expert
    assert sparse.layer == attention / 2 + expert / 2 + H * 8 + 2 * expert
    assert parameters(EXPERTS, 1, 3).experts == 3 * expert  # the fullest of three holds 3 of 8
    assert parameters(EXPERTS, 1, 1).layer * 4 + 2 * TABLE == EXPERTS.parameters


def test_layer_flops_by_hand():
    assert training.layer_flops(MODEL, 10) == 2 * 10 * WEIGHTS
    attention, expert = H * QKV + H * H, 3 * H * FF
    assert training.layer_flops(EXPERTS, 10) == 2 * 10 * (attention + H * 8 + 2 * expert)
    assert training.layer_flops(SHARED, 10) == 2 * 10 * (attention + H * 8 + 3 * expert)
    assert training.layer_flops(catalog.stack([MODEL, SHARED]), 10).tolist() == [
        training.layer_flops(m, 10) for m in (MODEL, SHARED)
    ]
