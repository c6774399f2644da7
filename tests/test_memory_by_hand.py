"""What is kept where, of models and memories small enough to count by hand."""

import dataclasses

import numpy as np
import pytest

from dcserver import catalog, memory
from dcserver.units import GiB

# A layer: 2 x 8 x 2 x (4 + 2) = 192 weights of attention, 3 x 8 x 16 = 384 of the feed-forward part; two tables of 80.
TINY = catalog.Transformer(name="tiny", layers=4, hidden=8, heads=4, kv_heads=2, head_dim=2, feed_forward=16, gated=1,
                           vocabulary=10, sequence=32, tied_embeddings=0)  # fmt: skip
MIXED = dataclasses.replace(TINY, experts=4, experts_per_token=2, shared_experts=1)
NOTHING = {
    "context_bytes": 0.0, "buffer_bytes": 0.0, "state_fragmentation": 0.0, "activation_fragmentation": 0.0,
    "reserved_share": 0.0, "gddr_share": 1.0,
}  # fmt: skip
COUNTING = NOTHING | {"context_bytes": 1000.0, "buffer_bytes": 1.0}  # 1 for each way of splitting
TIER = catalog.MemoryTier(name="tier", latency=2.0, read_bandwidth=10.0, write_bandwidth=5.0, access_bytes=4.0)


def training(model=TINY, **plan) -> memory.TrainingFootprint:
    return memory.training_footprint(model, **{"constants": NOTHING, **plan})


def serving(model=TINY, **plan) -> memory.ServingFootprint:
    return memory.serving_footprint(model, **{"constants": NOTHING, **plan})


# --- states ---------------------------------------------------------------------------------------------------------


def test_bytes_of_a_parameter_in_every_format():
    by_hand = {"bf16": (2, 2, 12), "fp16": (2, 2, 12), "fp32": (4, 4, 8), "tf32": (4, 4, 8), "fp8": (4, 2, 12)}
    for dtype, numbers in by_hand.items():
        found = memory.state_bytes(dtype)
        assert (found.weights, found.gradients, found.optimizer) == numbers, dtype
        assert found.total == sum(numbers)
    assert memory.state_bytes(list(by_hand)).optimizer.tolist() == [n[2] for n in by_hand.values()]


def test_bytes_of_every_optimizer():
    # Moments, and a master copy of 4 bytes beside 16-bit weights.
    moments = {"adam": 8, "adam_8bit": 2, "adam_16bit": 4, "sgd_momentum": 4, "sgd": 0}
    half, full = (memory.state_bytes(d, list(moments)).optimizer for d in ("bf16", "fp32"))
    assert half.tolist() == [m + (0 if name == "adam_16bit" else 4) for name, m in moments.items()]
    assert full.tolist() == list(moments.values())


def test_gradients_added_up_in_32_bits():
    assert memory.state_bytes("bf16", "adam", ["same", "fp32", "same+fp32"]).gradients.tolist() == [2, 4, 6]
    assert training(gradient_dtype="same+fp32").gradients == 6 * (4 * 576 + 160)


def test_choices_may_be_words_positions_or_arrays_of_either():
    for dtype in ("fp32", 2, np.array(2), np.array(["fp32"])):
        assert np.all(memory.state_bytes(dtype).weights == 4)
    assert memory.state_bytes(np.array(["bf16", "fp32"])).weights.tolist() == [2, 4]
    assert memory.state_bytes(np.array([0, 4])).gradients.tolist() == [2, 2]
    for bad in (-1, 5, np.array([0, 5]), np.array([-1, 0])):
        with pytest.raises(ValueError, match=r"dtype=(-1|5) is not one of 0 \(bf16\)"):
            memory.state_bytes(bad)
    with pytest.raises(ValueError, match="dtype='half'"):
        memory.state_bytes(np.array(["bf16", "half"]))


def test_states_of_a_tiny_model():
    found = training()
    parameters = 4 * (192 + 384) + 2 * 80
    assert (found.weights, found.gradients, found.optimizer) == (2 * parameters, 2 * parameters, 12 * parameters)
    assert found.model_states == 16 * parameters
    tied = dataclasses.replace(TINY, tied_embeddings=1)
    assert training(tied).weights == 2 * (parameters - 80)
    # On four accelerators each key-value head stands on two: a head of its own for each.
    split = 4 * (2 * 8 * 2 * (1 + 1) + 384 / 4) + 2 * 80 / 4
    assert training(tensor_parallel=4).weights == 2 * split
    assert training(dataclasses.replace(TINY, positions=5)).weights == 2 * (parameters + 5 * 8)


def test_states_of_a_tiny_model_with_experts():
    # A layer: attention, a shared expert, a router of 8 x 4; four experts beside.
    dense, experts = 192 + 384 + 32, 4 * 384
    assert training(MIXED).weights == 2 * (4 * (dense + experts) + 160)
    assert training(MIXED, data_parallel=2, expert_parallel=2).weights == 2 * (4 * (dense + experts / 2) + 160)
    # Of four replicas two hold the same experts: ZeRO divides the rest by four, experts by two.
    plan = {"data_parallel": 4, "expert_parallel": 2}
    whole, shard = 2 * (4 * (dense + experts / 2) + 160), 2 * (4 * (dense / 4 + experts / 2 / 2) + 160 / 4)
    for stage, sharded in enumerate(((), ("optimizer",), ("optimizer", "gradients"),
                                     ("optimizer", "gradients", "weights"))):  # fmt: skip
        found = training(MIXED, zero_stage=stage, **plan)
        for name, times in (("weights", 1), ("gradients", 1), ("optimizer", 6)):
            assert getattr(found, name) == times * (shard if name in sharded else whole), (stage, name)
    assert training(MIXED, zero_stage=3, **plan).workspace == 2 * 2 * (dense + experts / 2)
    context = training(MIXED, zero_stage=3, data_parallel=2, context_parallel=2, expert_parallel=2)
    assert context.weights == shard, "a sequence's accelerators are replicas too"


def test_each_way_of_splitting_counts_for_buffers():
    def ways(**plan) -> float:
        return training(MIXED, constants=COUNTING, **plan).overhead - 1000

    assert ways() == 0
    assert [ways(**{f"{w}_parallel": 2}) for w in ("tensor", "pipeline", "data")] == [1, 1, 1]
    assert ways(data_parallel=2, expert_parallel=2) == 2
    assert ways(context_parallel=2) == 2

    def served(**plan) -> float:
        return serving(MIXED, constants=COUNTING, **plan).overhead - 1000

    assert served() == 0
    assert [served(**{f"{w}_parallel": 2}) for w in ("tensor", "pipeline", "expert")] == [1, 1, 1]
    assert served(tensor_parallel=2, pipeline_parallel=2, expert_parallel=2) == 3


# --- activations ----------------------------------------------------------------------------------------------------


def test_activations_of_a_tiny_layer():
    def stored(model=TINY, **plan) -> float:
        return memory.layer_activations(model, **plan).stored

    # A token: 2 + 2 copies of 8 numbers around the norms; queries twice, keys and values once; gate, value and product.
    residual, attention, inner, row = 8 * 4 * 2, 8 * (2 + 2) + 2 * 4 * 2, 16 * 3 * 2, 4 * 4
    assert stored() == 32 * (residual + attention + inner + row)
    assert stored(micro_batch=3, sequence=16) == 48 * (residual + attention + inner + row)
    assert stored(dtype="fp32") == 32 * (2 * (residual + attention + inner) + row)
    # FP8 keeps inputs of products in a byte: two of the four copies, queries once, the product of the gate.
    assert stored(dtype="fp8") == 32 * (residual - 2 * 8 + attention - 8 + inner - 16 + row)
    plain = dataclasses.replace(TINY, gated=0)
    assert stored(plain) == 32 * (residual + attention + 16 * 2 * 2 + row)
    # Four accelerators: a key-value head each, so that keys and values are split by two.
    assert stored(tensor_parallel=4) == 32 * (residual + 8 * 4 / 4 + 2 * 4 * 2 / 2 + inner / 4 + row / 4)
    assert stored(tensor_parallel=2, sequence_parallel=True) == stored() / 2
    assert stored(tensor_parallel=2) == stored() / 2 + 32 * residual / 2
    assert stored(context_parallel=4) == stored() / 4


def test_activations_of_a_tiny_layer_with_experts():
    # Each token is sent to two experts and comes back; three feed-forward parts keep their inner numbers.
    one, many = (memory.layer_activations(m).stored for m in (TINY, MIXED))
    assert many - one == 32 * (8 * 2 * 2 * 2 + 2 * 16 * 3 * 2)


def test_the_matrix_of_attention_is_kept_without_a_fused_kernel():
    def layer(**plan):
        return memory.layer_activations(TINY, fused_attention=False, **plan)

    body = memory.layer_activations(TINY).stored - 32 * 4 * 4
    matrix = 4 * 32 * 32 * 2
    assert layer().stored == body + matrix
    # Dropout: its mask, and the numbers once more; two masks of a byte beside the norms.
    assert layer(dropout=True).stored == body + 32 * 8 * 2 + 4 * 32 * 32 * (2 + 1 + 2)
    assert layer(context_parallel=2).stored == (body + matrix) / 2
    assert layer(tensor_parallel=2, sequence_parallel=True, micro_batch=2).stored == body + matrix
    assert (layer().working, layer().hidden) == (0, 32 * 8 * 2)
    selective, full = (layer(recomputation=r) for r in ("selective", "full"))
    assert (selective.stored, selective.working) == (body, matrix)
    assert (full.stored, full.working) == (32 * 8 * 2, body + matrix)
    shared = layer(recomputation="full", tensor_parallel=2, sequence_parallel=True)
    assert (shared.stored, shared.hidden) == (32 * 8 * 2 / 2, 32 * 8 * 2)


def test_what_the_ends_of_a_tiny_model_keep():
    # Inputs of the last norm and of the output product; ten logits a token in 2 and in 4 bytes.
    assert training().embedding_and_logits == 2 * 32 * 8 * 2 + 32 * 10 * 6
    assert training(tensor_parallel=2).embedding_and_logits == 2 * 32 * 8 * 2 + 32 * 5 * 6
    assert training(tensor_parallel=2, sequence_parallel=True).embedding_and_logits == 32 * 8 * 2 + 32 * 5 * 6
    assert training(context_parallel=2, micro_batch=4).embedding_and_logits == 2 * training().embedding_and_logits
    assert training(dropout=True).embedding_and_logits - training().embedding_and_logits == 32 * 8
    half = {"tensor_parallel": 2, "sequence_parallel": True}
    with_mask, without = (training(dropout=d, **half).embedding_and_logits for d in (True, False))
    assert with_mask - without == 32 * 8 / 2


def test_micro_batches_in_flight():
    one = memory.layer_activations(TINY).stored
    assert training(pipeline_parallel=2).activations == 2 * 2 * one
    assert training(pipeline_parallel=4, micro_batches=3).activations == 1 * 3 * one
    # Two chunks on each of two stages: (2 (2 - 1) + 2 + 1) / 2 = 2.5.
    assert training(pipeline_parallel=2, interleave=2).activations == 2 * 2.5 * one
    masked = training(pipeline_parallel=2, dropout=True)
    assert masked.stage == "first"
    assert masked.embedding_and_logits == 2 * 32 * 8, "a mask for each micro-batch, no logits"


def test_a_pipeline_whose_ends_have_a_layer_less():
    # 6 layers and two ends on 4 stages: 1, 2, 2, 1. The first keeps 4 micro-batches of one layer, the second 3 of two.
    six = dataclasses.replace(TINY, layers=6, vocabulary=1)
    second = training(six, pipeline_parallel=4)
    one = memory.layer_activations(six).stored
    assert second.stage == "second"
    assert second.activations == 3 * 2 * one
    assert second.weights == 2 * 2 * 576, "no table of words"
    wordy = training(dataclasses.replace(six, vocabulary=100_000), pipeline_parallel=4, micro_batches=1)
    assert wordy.stage == "last"
    assert wordy.weights == 2 * (576 + 100_000 * 8)
    assert wordy.activations == one
    together = training(six, pipeline_parallel=np.array([1, 2, 4]))
    assert together.stage.tolist() == ["first", "first", "second"]
    for i, stages in enumerate((1, 2, 4)):
        assert together.total[i] == training(six, pipeline_parallel=stages).total


def test_a_plan_is_remembered_as_it_was_asked_for():
    asked = {"micro_batch": 2, "data_parallel": 4, "zero_stage": 1, "recomputation": "full", "dropout": True,
             "optimizer": "sgd", "dtype": "fp16", "gradient_dtype": "fp32", "micro_batches": 8, "offload_optimizer": True}  # fmt: skip
    found = training(**asked)
    assert asked.items() <= found.plan.items()
    assert training(**found.plan).total == found.total
    served = {"batch": 3, "context": 7, "weight_format": "int4", "kv_dtype": "fp8", "group_size": 64,
              "tensor_parallel": 2, "pipeline_parallel": 2, "block_tokens": 8, "prefill_tokens": 5}  # fmt: skip
    assert served.items() <= serving(**served).plan.items()
    assert serving(MIXED, **serving(MIXED, **served, expert_parallel=2).plan).total == (
        serving(MIXED, **served, expert_parallel=2).total
    )


# --- whether it fits ------------------------------------------------------------------------------------------------


def test_capacity_by_hand():
    cards = [
        catalog.Accelerator(name=t, memory_bytes=80e9, memory_type=t) for t in ("HBM3", "GDDR6", "GDDR6X", "LPDDR5")
    ]
    constants = {"reserved_share": 0.25, "gddr_share": 0.5}
    assert [memory.capacity(c, constants) / GiB for c in cards] == pytest.approx([60, 30, 30, 60])
    assert memory.capacity(catalog.stack(cards), constants) / GiB == pytest.approx([60, 30, 30, 60])
    with pytest.raises(ValueError, match="memory_bytes"):
        memory.capacity(dataclasses.replace(cards[0], memory_bytes=0.0))


def test_what_just_fits_fits():
    assert memory.verdict(5e9, 5e9).startswith("fits")
    for bad in ((-1.0, 1.0), (1.0, -1.0)):
        with pytest.raises(ValueError, match="need=-1|room=-1"):
            memory.verdict(*bad)
    card = catalog.accelerator("H100 SXM")
    room = memory.capacity(card)
    sizes = np.array([room / 2, room, 2 * room])
    many = memory.TrainingFootprint(*[sizes, *[0 * sizes] * 7])
    assert many.fits(card).tolist() == [True, True, False]
    assert many.excess(card) == pytest.approx([-room / 2, 0, room])
    assert many.largest.tolist() == ["weights"] * 3
    assert set(many.breakdown()) == {"weights", "gradients", "optimizer", "activations", "embedding_and_logits",
                                     "workspace", "fragmentation", "overhead"}  # fmt: skip


# --- what would help ------------------------------------------------------------------------------------------------

GPT3 = catalog.transformer("GPT-3 175B")
GATHERED = {f"ZeRO stage {n}" for n in (1, 2, 3)}


def helpful(**plan) -> set[str]:
    return {r.name.partition(" (")[0] for r in memory.remedies(memory.training_footprint(GPT3, **plan))}


def test_only_what_is_not_yet_done_is_proposed():
    assert not GATHERED & helpful()
    assert helpful(data_parallel=2) >= GATHERED
    assert helpful(context_parallel=2) >= GATHERED
    assert helpful(data_parallel=2, zero_stage=1) & GATHERED == GATHERED - {"ZeRO stage 1"}
    assert not helpful(data_parallel=2, zero_stage=3) & GATHERED
    for name, before, after in (
        ("sequence parallelism", {"tensor_parallel": 2}, {"tensor_parallel": 2, "sequence_parallel": True}),
        ("a fused attention kernel", {"fused_attention": False}, {}),
        ("full recomputation", {}, {"recomputation": "full"}),
        ("selective recomputation", {"fused_attention": False}, {}),
        ("micro_batch=1", {"micro_batch": 2}, {"micro_batch": 1}),
        ("micro_batch=1", {"micro_batch": 3}, {"micro_batch": 4}),
        ("optimizer states in 8 bits", {}, {"optimizer": "adam_8bit"}),
        ("optimizer offloaded to the host", {}, {"offload_optimizer": True}),
        ("activations offloaded to the host", {"micro_batch": 8}, {"micro_batch": 8, "offload_activations": True}),
        ("tensor_parallel=4", {"tensor_parallel": 2}, {"tensor_parallel": 32}),
        ("pipeline_parallel=8", {"pipeline_parallel": 4}, {"pipeline_parallel": 32}),
        ("context_parallel=2", {"micro_batch": 8}, {"micro_batch": 8, "context_parallel": 2048}),
    ):
        assert name in helpful(**before), name
        assert name not in helpful(**after), name


def test_experts_are_proposed_to_be_spread_where_there_are_any():
    mixtral = catalog.transformer("Mixtral 8x7B")
    names = {r.name for r in memory.remedies(memory.training_footprint(mixtral, data_parallel=8))}
    assert "expert_parallel=2" in names
    assert not any("expert" in n for n in helpful(data_parallel=8))


def test_a_remedy_says_what_remains():
    footprint = memory.training_footprint(GPT3, tensor_parallel=8)
    for r in memory.remedies(footprint):
        assert r.saves + r.total == pytest.approx(footprint.total)
        assert r.saves > 1e-3 * footprint.total, "what saves next to nothing is no remedy"
    with pytest.raises(ValueError, match="one plan"):
        memory.remedies(memory.TrainingFootprint(*[1.0] * 8))


def test_an_explanation_names_six_remedies_and_how_many_cards_the_states_fill():
    from dcserver.memory.remedies import explain

    card = catalog.accelerator("H100 SXM")
    footprint = memory.training_footprint(GPT3, data_parallel=2, fused_attention=False)
    assert len(memory.remedies(footprint)) > 7

    def named(**how) -> int:
        return sum(": saves " in line for line in explain(footprint, card, **how).splitlines())

    assert (named(), named(most=2)) == (6, 2)
    cards = int(np.ceil(footprint.model_states / memory.capacity(card)))
    assert f"fill {cards:,} such" in explain(footprint, card)
    assert "No single change" not in memory.training_footprint(GPT3, tensor_parallel=32).explain(card)
    for many in ((memory.training_footprint(GPT3, tensor_parallel=[1, 2]), card),
                 (footprint, catalog.stack([card, card]))):  # fmt: skip
        with pytest.raises(ValueError, match="one plan and one accelerator"):
            explain(*many)


# --- plans ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dimensions", "plan", "words"),
    [
        ({}, {"tensor_parallel": 3}, "tensor_parallel=3 does not divide 4 attention heads"),
        ({"heads": 6, "kv_heads": 3}, {"tensor_parallel": 2}, "=2 does not divide 3 key-value heads"),
        ({"heads": 8, "kv_heads": 3}, {"tensor_parallel": 4}, "=3 does not divide 4 key-value heads"),
        ({"feed_forward": 18}, {"tensor_parallel": 4}, "tensor_parallel=4 does not divide 18 columns"),
        ({}, {"pipeline_parallel": 8}, "pipeline_parallel x interleave=8 does not divide 4 layers"),
        ({}, {"pipeline_parallel": 2, "interleave": 4}, "pipeline_parallel x interleave=8 does not divide 4 layers"),
        ({}, {"interleave": 2}, "interleave=2 needs pipeline_parallel"),
        ({}, {"context_parallel": 5}, "context_parallel=5 does not divide 32 tokens"),
        ({"sequence": 6}, {"context_parallel": 2, "tensor_parallel": 2, "sequence_parallel": True},
         "context_parallel x tensor_parallel=4 does not divide 6 tokens"),
        ({"experts": 4}, {"expert_parallel": 3, "data_parallel": 3}, "expert_parallel=3 does not divide 4 experts"),
        ({"experts": 4}, {"expert_parallel": 4, "data_parallel": 2}, "expert_parallel=4 does not divide 2 accelerators"),
    ],
)  # fmt: skip
def test_each_rule_of_splitting(dimensions, plan, words):
    model = dataclasses.replace(TINY, **dimensions)
    assert memory.splits(model, **plan) is False
    with pytest.raises(ValueError, match=words):
        training(model, **plan)


def test_splits_that_are_possible():
    for model, plan in (
        (TINY, {}), (TINY, {"tensor_parallel": 4}), (TINY, {"pipeline_parallel": 2, "interleave": 2}),
        (TINY, {"pipeline_parallel": 3}), (TINY, {"context_parallel": 32}), (TINY, {"data_parallel": 7}),
        (MIXED, {"expert_parallel": 4, "context_parallel": 4}), (MIXED, {"expert_parallel": 2, "data_parallel": 2}),
        (TINY, {"context_parallel": 8, "tensor_parallel": 4, "sequence_parallel": True}),
        (dataclasses.replace(TINY, sequence=6), {"context_parallel": 2, "tensor_parallel": 4}),
        (dataclasses.replace(TINY, experts=float("nan")), {}),
    ):  # fmt: skip
        assert memory.splits(model, **plan) is True, plan
    assert not memory.splits(TINY, sequence=9, context_parallel=2)
    # Interleaved chunks are never counted with the ends as layers.
    assert not memory.splits(TINY, pipeline_parallel=3, interleave=2)
    both = memory.splits(TINY, interleave=2, pipeline_parallel=np.array([1, 2]))
    assert both.tolist() == [False, True]


# --- serving --------------------------------------------------------------------------------------------------------


def test_formats_of_weights():
    bytes_each = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1, "int4": 0.5 + 2.5 / 10, "fp4": 0.5 + 1 / 16}
    found = memory.weight_bytes_per_parameter(list(bytes_each), group_size=10)
    assert found == pytest.approx(list(bytes_each.values()))
    assert memory.weight_bytes_per_parameter() == 2
    with pytest.raises(ValueError, match="group_size=0"):
        memory.weight_bytes_per_parameter("int4", 0)


def test_a_tiny_model_that_serves():
    layer, tables = 192 + 384, 160
    assert serving().weights == 4 * layer * 2 + tables * 2
    assert serving(weight_format="fp32").weights == 2 * serving().weights
    assert serving(weight_format="int4", group_size=10).weights == pytest.approx(4 * layer * 0.75 + tables * 2)
    assert serving(tensor_parallel=2).weights == serving().weights / 2
    assert serving(tensor_parallel=4).weights == 2 * (4 * (2 * 8 * 2 * (1 + 1) + 96) + tables / 4)
    # Three stages: the fullest has two layers, and one of the two tables.
    assert serving(pipeline_parallel=3).weights == 2 * (2 * layer + tables / 2)
    tied = dataclasses.replace(TINY, tied_embeddings=1)
    assert serving(tied, pipeline_parallel=3).weights == 2 * (2 * layer + 80)
    assert serving(MIXED).weights == 2 * (4 * (192 + 5 * 384 + 32) + tables)
    assert serving(MIXED, expert_parallel=2).weights == 2 * (4 * (192 + 3 * 384 + 32) + tables)


def test_a_tiny_cache():
    # A token: 2 x 4 layers x 2 heads x 2 numbers x 2 bytes; on average 7.5 of a block's 16 places stay empty.
    found = serving(batch=3, context=10)
    assert (found.kv_cache, found.block_waste) == (3 * 10 * 64, 3 * 7.5 * 64)
    assert serving(batch=3, context=10, block_tokens=1).block_waste == 0
    assert serving().kv_cache == 32 * 64, "its own length, one request"
    assert memory.kv_bytes_per_token(TINY, "fp8") == 32
    assert memory.kv_bytes_per_token(TINY, "int4") == 32 * (0.5 + 2.5 / 2), "a scale for each head"
    assert memory.kv_bytes_per_token(TINY, tensor_parallel=[1, 2, 4]).tolist() == [64, 32, 32]
    assert memory.kv_bytes_per_token(TINY, pipeline_parallel=[1, 2, 3, 4]).tolist() == [64, 32, 32, 16]
    assert serving(kv_dtype="fp8", context=10).kv_cache == 320


def test_activations_of_a_tiny_model_that_serves():
    # Two copies of 8 numbers, 4 + 2 x 2 heads of 2, gate and value of 16, in 2 bytes; ten logits in 4.
    widest = 2 * (2 * 8 + 8 * 2 + 2 * 16)
    assert serving(batch=3).activations == 2048 * widest + 3 * 10 * 4
    assert serving(batch=9, prefill_tokens=4).activations == 9 * widest + 9 * 10 * 4
    narrow = 2 * (2 * 8 + (1 + 2 * 1) * 2 + 2 * 16 / 4)
    assert serving(batch=4, prefill_tokens=1, tensor_parallel=4).activations == 4 * narrow + 4 * 10
    speechless = dataclasses.replace(TINY, vocabulary=float("nan"), tied_embeddings=1)
    assert serving(speechless, prefill_tokens=1).activations == widest


def test_requests_and_tokens_that_fit_by_hand():
    plan = {"constants": NOTHING, "prefill_tokens": 1000}
    fixed = serving(batch=1, **plan)
    request = 10 * 64 + 7.5 * 64 + 40  # cache, waste, logits
    need = fixed.weights + fixed.activations - 40 + 7 * request
    card = catalog.Accelerator(name="A", memory_bytes=1.0, memory_type="HBM")
    for share in (1.0, 0.5):
        size = need / share / memory.capacity(card, NOTHING)
        exact, less = (dataclasses.replace(card, memory_bytes=size * f) for f in (1 + 1e-9, 1 - 1e-6))
        found = [memory.max_batch(TINY, c, context=10, memory_share=share, **plan) for c in (exact, less)]
        assert found == [7, 6]
    assert memory.max_batch(TINY, dataclasses.replace(exact, memory_bytes=1.0), context=10, **plan) == 0
    # 100 blocks of 16 tokens for two requests.
    need = fixed.weights + fixed.activations + 40 + 2 * 1600 * 64
    big, small = (
        dataclasses.replace(card, memory_bytes=need / 0.9 / memory.capacity(card, NOTHING) * f)
        for f in (1 + 1e-9, 1 - 1e-6)
    )
    assert [memory.max_context(TINY, c, batch=2, **plan) for c in (big, small)] == [1600, 1584]
    assert memory.max_context(TINY, big, batch=2, block_tokens=1, **plan) == 1600
    assert memory.max_context(TINY, big, batch=2, kv_dtype="fp8", **plan) == 3200
    tiny = dataclasses.replace(card, memory_bytes=1.0)
    assert memory.max_context(TINY, tiny, **plan) == 0


def test_splits_of_a_server_leave_room_for_longer_contexts():
    model, card = catalog.transformer("Llama 3 8B"), catalog.accelerator("A100-SXM4-80GB")
    for ways in ({"tensor_parallel": 2}, {"pipeline_parallel": 2}):
        for found, least in ((memory.max_context(model, card, **ways), memory.max_context(model, card)),
                             (memory.max_batch(model, card, **ways), memory.max_batch(model, card))):  # fmt: skip
            assert found > 2 * least


# --- convolutional networks -----------------------------------------------------------------------------------------

NET = catalog.ConvNet(name="net", published_parameters=10.0, activation_elements=100.0, input_elements=7.0)


def test_a_tiny_convolutional_network():
    found = memory.convnet_footprint(NET, batch=3, constants=NOTHING)
    # Weights and gradients of 2 bytes, a master copy and momentum of 4 each; two batches of inputs.
    assert (found.weights, found.gradients, found.optimizer) == (20, 20, 80)
    assert (found.activations, found.inputs, found.fragmentation, found.overhead) == (600, 84, 0, 0)
    wide = memory.convnet_footprint(NET, batch=3, dtype="fp32", optimizer="sgd", constants=NOTHING)
    assert (wide.weights, wide.gradients, wide.optimizer, wide.activations, wide.inputs) == (40, 40, 0, 1200, 168)
    fragments = NOTHING | {"state_fragmentation": 0.5, "activation_fragmentation": 0.25}
    assert memory.convnet_footprint(NET, batch=3, constants=fragments).fragmentation == 0.5 * 120 + 0.25 * 684
    ways = memory.convnet_footprint(NET, batch=1, data_parallel=[1, 2, 8], constants=COUNTING)
    assert ways.overhead.tolist() == [1000, 1001, 1001]


def test_samples_that_fit_by_hand():
    card = catalog.Accelerator(name="A", memory_bytes=1.0, memory_type="HBM")
    for room, most in ((120 + 5 * 228, 5), (119 + 5 * 228, 4), (120, 0), (10, 0)):
        right = dataclasses.replace(card, memory_bytes=(room + 1e-6) / memory.capacity(card, NOTHING))
        assert memory.convnet_max_batch(NET, right, constants=NOTHING) == most


# --- tiers ----------------------------------------------------------------------------------------------------------


def test_transfers_of_a_tier_by_hand():
    def time(n, *how, **named) -> float:
        return memory.transfer_time(TIER, n, *how, **named)

    assert (time(100.0), time(100.0, direction="write"), time(0.0)) == (2 + 100 / 10, 2 + 100 / 5, 0)
    assert time(100.0, 10.0) == 10 * (2 + 1), "one after the other"
    assert time(100.0, 30.0) == 4 * (2 + 3), "a part of a request is a request"
    assert time(100.0, 10.0, 2) == 5 * (2 + 1)
    assert time(100.0, 10.0, 5) == 2 + 100 / 10, "bytes take longer"
    assert time(100.0, 10.0, 2, "write") == 2 + 100 / 5
    assert time(100.0, 1.0, 2) == 50 * (2 + 4 / 10), "each moves four bytes"
    assert time(100.0, 1.0, 1000) == 2 + 400 / 10
    assert time(2.0) == 2 + 4 / 10


def test_steady_rates_of_a_tier_by_hand():
    assert memory.throughput(TIER, 10.0) == pytest.approx(10 / 3)
    assert memory.throughput(TIER, 10.0, direction="write") == pytest.approx(10 / 4)
    assert memory.throughput(TIER, 10.0, [2, 3, 4]) == pytest.approx([20 / 3, 10, 10])
    assert memory.throughput(TIER, 1.0) == pytest.approx(1 / 2.4)
    assert memory.throughput(TIER, 1.0, 1000) == pytest.approx(10 / 4)
    assert [memory.requests_to_saturate(TIER, c) for c in (10.0, 1.0)] == [1 + 20 / 10, 1 + 20 / 4]
    assert memory.requests_to_saturate(TIER, 10.0, "write") == 1 + 10 / 10


def test_states_off_the_card_by_hand():
    # 10 parameters: 2 bytes down and up at 5 B/s; 12 + 2 read at 10 B/s, as many written at 5 B/s.
    plain = memory.offload_optimizer(10.0, 5.0, TIER)
    assert (plain.to_host, plain.at_host, plain.to_card, plain.exposed) == pytest.approx((4, 14 + 28, 4, 50))
    odd = memory.offload_optimizer(
        10.0, 5.0, TIER, sharers=2, hidden=7.0, weight_bytes=1, gradient_bytes=4, state_bytes=8
    )
    assert (odd.to_host, odd.at_host, odd.to_card) == (8, pytest.approx(2 * (12 + 18)), 2)
    assert (odd.total, odd.exposed, odd.limit) == (pytest.approx(70), pytest.approx(63), "at_host")


def test_activations_off_the_card_by_hand():
    # The tier writes 5 B/s and reads 10, the bus carries 8.
    plain = memory.offload_activations(100.0, 8.0, TIER)
    assert (plain.to_host, plain.at_host, plain.to_card) == (100 / 5, 0, 100 / 8)
    shared = memory.offload_activations(100.0, 8.0, TIER, sharers=[1, 2], hidden=[30.0, 1e9])
    assert (shared.to_host.tolist(), shared.to_card.tolist()) == ([20, 40], [12.5, 20])
    assert shared.exposed.tolist() == [2.5, 0]
    assert shared.limit.tolist() == ["to_host", "to_host"]
    back = dataclasses.replace(TIER, write_bandwidth=100.0, read_bandwidth=1.0)
    assert memory.offload_activations(100.0, 8.0, back).limit == "to_card"


# --- errors ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["layers", "hidden", "heads", "kv_heads", "head_dim", "feed_forward"])
@pytest.mark.parametrize("value", [0.0, float("nan")])
def test_a_dimension_that_is_missing_is_named(name, value):
    with pytest.raises(ValueError, match=rf"{name}(=0| is not known)"):
        training(dataclasses.replace(TINY, **{name: value}))
    if name != "heads":
        with pytest.raises(ValueError, match=rf"{name}(=0| is not known)"):
            serving(dataclasses.replace(TINY, **{name: value}))


@pytest.mark.parametrize("name", ["data", "tensor", "pipeline", "context", "expert"])
def test_ways_are_whole(name):
    for bad in (0, 1.5):
        with pytest.raises(ValueError, match=f"{name}_parallel="):
            training(**{f"{name}_parallel": bad})
        if name not in ("data", "context"):
            with pytest.raises(ValueError, match=f"{name}_parallel="):
                serving(**{f"{name}_parallel": bad})


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: training(micro_batches=0), "micro_batches=0"), (lambda: training(interleave=0), "interleave=0"),
        (lambda: training(sequence=0), "sequence=0"), (lambda: training(gradient_dtype="fp64"), "gradient_dtype='fp64'"),
        (lambda: serving(prefill_tokens=0), "prefill_tokens=0"), (lambda: serving(block_tokens=0), "block_tokens=0"),
        (lambda: serving(batch=1.5), "batch=1.5"), (lambda: serving(group_size=0), "group_size=0"),
        (lambda: memory.kv_bytes_per_token(TINY, tensor_parallel=0), "tensor_parallel=0"),
        (lambda: memory.kv_bytes_per_token(TINY, pipeline_parallel=1.5), "pipeline_parallel=1.5"),
        (lambda: memory.kv_bytes_per_token(TINY, "int3"), "int3"),
        (lambda: memory.convnet_footprint(NET, batch=1, data_parallel=0), "data_parallel=0"),
        (lambda: memory.convnet_footprint(dataclasses.replace(NET, published_parameters=0.0), batch=1), "parameters=0"),
        (lambda: memory.convnet_footprint(dataclasses.replace(NET, activation_elements=0.0), batch=1), "activation_el"),
        (lambda: memory.convnet_footprint(dataclasses.replace(NET, input_elements=0.0), batch=1), "input_elements=0"),
        (lambda: memory.transfer_time(TIER, 1, 0), "chunk_bytes=0"), (lambda: memory.transfer_time(TIER, 1, 1, 0), "in_flight=0"),
        (lambda: memory.transfer_time(dataclasses.replace(TIER, latency=0.0), 1), "latency=0"),
        (lambda: memory.transfer_time(dataclasses.replace(TIER, read_bandwidth=0.0), 1), "read_bandwidth=0"),
        (lambda: memory.throughput(dataclasses.replace(TIER, write_bandwidth=0.0), 1, 1, "write"), "write_bandwidth=0"),
        (lambda: memory.throughput(TIER, 1, 0), "in_flight=0"), (lambda: memory.requests_to_saturate(TIER, 0), "chunk_bytes=0"),
        (lambda: memory.offload_activations(-1, 1, TIER), "n_bytes=-1"),
        (lambda: memory.offload_activations(1, 0, TIER), "bus_bandwidth=0"),
        (lambda: memory.offload_activations(1, 1, TIER, sharers=0), "sharers=0"),
        (lambda: memory.offload_activations(1, 1, TIER, hidden=-1), "hidden=-1"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_named(call, words):
    with pytest.raises(ValueError, match=words):
        call()


@pytest.mark.parametrize(
    "name", ["bus_bandwidth", "sharers", "hidden", "weight_bytes", "gradient_bytes", "state_bytes"]
)
def test_an_offload_without_sense_is_named(name):
    with pytest.raises(ValueError, match=f"{name}=-1"):
        memory.offload_optimizer(**{"parameters": 1.0, "bus_bandwidth": 1.0, "tier": TIER, name: -1.0})


def test_constants_reach_what_is_free_as_well_as_what_is_used():
    none = dict(catalog.constants("training_memory")) | {"reserved_share": 1.0}
    h100 = catalog.accelerator("H100 SXM")
    assert memory.max_batch(catalog.transformer("Llama 3.1 8B"), h100, context=1024, constants=none) == 0
    assert memory.max_context(catalog.transformer("Llama 3.1 8B"), h100, constants=none) == 0
    assert memory.convnet_max_batch(catalog.convnet("ResNet-50"), h100, constants=none) == 0
