"""Claims about memory: published numbers, limits, monotony, and that arrays give what the loop gives."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, memory
from dcserver.units import GB, TB, GiB, KiB

GPT3 = catalog.transformer("GPT-3 175B")
LLAMA70 = catalog.transformer("Llama 2 70B")
H100 = catalog.accelerator("H100 SXM")
A100 = catalog.accelerator("A100-SXM4-80GB")
NOTHING = {
    "context_bytes": 0.0, "buffer_bytes": 0.0, "state_fragmentation": 0.0, "activation_fragmentation": 0.0,
    "reserved_share": 0.0, "gddr_share": 1.0,
}  # fmt: skip


def gpt(layers, hidden, heads, sequence=2048, vocabulary=0):
    return catalog.Transformer(
        name="GPT", layers=layers, hidden=hidden, heads=heads, kv_heads=heads, head_dim=hidden / heads,
        feed_forward=4 * hidden, gated=0, vocabulary=vocabulary, sequence=sequence, experts=1, experts_per_token=1,
        tied_embeddings=1,
    )  # fmt: skip


OLD = {"fused_attention": False, "dropout": True}  # kernels and habits of 2022


class TestModelStates:
    def test_adam_in_mixed_precision_costs_16_bytes_a_parameter(self):
        assert memory.state_bytes().total == 16
        assert memory.state_bytes(gradient_dtype="fp32").total == 18

    def test_half_precision_saves_nothing_of_the_model_states(self):
        # Claim D0-15, "FP16 cuts memory by 50 %": only of weights at rest and of activations.
        assert memory.state_bytes("fp32").total == memory.state_bytes("fp16").total

    def test_175e9_parameters_need_2_8_terabytes(self):
        plain = dataclasses.replace(GPT3, positions=0.0)
        states = memory.training_footprint(plain, constants=NOTHING).model_states
        assert states == pytest.approx(16 * plain.parameters)
        assert states == pytest.approx(2.8 * TB, rel=0.01)

    def test_100e9_parameters_need_several_terabytes(self):
        # Claim D0-05: 1.6 TB of states alone, more than 18 cards of 80 GB hold.
        model = gpt(80, 10240, 80)
        assert model.parameters == pytest.approx(100e9, rel=0.01)
        footprint = memory.training_footprint(model, recomputation="full")
        assert 1.6 * TB < footprint.total < 2.1 * TB
        assert footprint.model_states / memory.capacity(H100) > 18

    def test_zero_divides_what_it_says(self):
        # Rajbhandari et al. 2020, figure 1: 7.5e9 parameters over 64 GPUs: 120, 31.4, 16.6, 1.9 GB.
        model = gpt(1, 25000, 100)  # 12 h^2 = 7.5e9
        stages = memory.training_footprint(
            model, data_parallel=64, zero_stage=np.arange(4), micro_batch=1, constants=NOTHING
        )
        assert stages.model_states / GB == pytest.approx([120, 31.4, 16.6, 1.9], rel=0.02)

    def test_zero_3_divides_everything_by_the_accelerators(self):
        alone = memory.training_footprint(GPT3).model_states
        assert memory.training_footprint(GPT3, data_parallel=1024, zero_stage=3).model_states == pytest.approx(
            alone / 1024
        )

    def test_a_pipeline_end_holds_the_embedding(self):
        inner = gpt(96, 12288, 96)
        with_words = gpt(96, 12288, 96, vocabulary=51200)
        plan = {"tensor_parallel": 8, "pipeline_parallel": 8, "constants": NOTHING}
        extra = (memory.training_footprint(with_words, **plan).model_states
                 - memory.training_footprint(inner, **plan).model_states)  # fmt: skip
        assert extra == pytest.approx(16 * 51200 * 12288 / 8)

    def test_untied_embeddings_stand_twice_on_one_stage(self):
        untied = dataclasses.replace(gpt(2, 1024, 16, vocabulary=50000), tied_embeddings=0)
        assert memory.training_footprint(untied, constants=NOTHING).model_states == pytest.approx(
            16 * untied.parameters
        )

    def test_experts_are_spread_but_attention_is_not(self):
        moe = catalog.transformer("Mixtral 8x7B")
        one = memory.training_footprint(moe, data_parallel=8, constants=NOTHING)
        spread = memory.training_footprint(moe, data_parallel=8, expert_parallel=8, constants=NOTHING)
        experts = moe.layers * moe.experts * moe.expert_parameters * 2
        assert one.weights - spread.weights == pytest.approx(experts * 7 / 8)
        both = memory.training_footprint(moe, data_parallel=8, expert_parallel=8, zero_stage=3, constants=NOTHING)
        assert both.weights == pytest.approx(one.weights / 8)


class TestActivations:
    # Korthikanti et al. 2022, figure 1 and equations 2, 5, 6.
    @pytest.mark.parametrize(
        ("model", "pipeline", "interleave", "micro_batch", "plain", "selective"),
        [
            (gpt(48, 6144, 64), 1, 1, 4, 6.36192e10, 1.026766e10),
            (gpt(96, 12288, 96), 8, 3, 1, 7.177293e10, 1.326239e10),
            (gpt(105, 20480, 128), 35, 3, 1, 1.224317e11, 2.477785e10),
            (gpt(128, 25600, 160), 64, 1, 1, 1.409286e11, 2.852127e10),
        ],
    )
    def test_korthikanti_figure_1(self, model, pipeline, interleave, micro_batch, plain, selective):
        plan = {"tensor_parallel": 8, "pipeline_parallel": pipeline, "interleave": interleave,
                "micro_batch": micro_batch, **OLD}  # fmt: skip
        assert memory.training_footprint(model, **plan).activations == pytest.approx(plain, rel=1e-5)
        kept = memory.training_footprint(model, **plan, recomputation="selective", sequence_parallel=True)
        assert kept.activations == pytest.approx(selective, rel=1e-5)

    def test_korthikanti_table_2(self):
        s, b, h, a, t = 2048, 1, 12288, 96, 8
        model = gpt(1, h, a)
        layer = memory.layer_activations
        assert layer(model, **OLD).stored == pytest.approx(s * b * h * (34 + 5 * a * s / h))
        assert layer(model, tensor_parallel=t, **OLD).stored == pytest.approx(
            s * b * h * (10 + 24 / t + 5 * a * s / h / t)
        )
        split = layer(model, tensor_parallel=t, sequence_parallel=True, recomputation="selective", **OLD).stored
        assert split == pytest.approx(34 * s * b * h / t)

    def test_full_recomputation_keeps_2sbh_a_layer(self):
        model = gpt(10, 4096, 32)
        kept = memory.training_footprint(model, micro_batch=3, recomputation="full", **OLD).activations
        assert kept == 10 * 2 * 2048 * 3 * 4096

    def test_a_fused_kernel_makes_activations_linear_in_the_sequence(self):
        def activations(sequence, fused):
            return memory.training_footprint(LLAMA70, sequence=sequence, fused_attention=fused).activations

        assert activations(8192, True) == pytest.approx(2 * activations(4096, True))
        assert activations(8192, False) > 2.5 * activations(4096, False)

    def test_the_first_stage_of_a_pipeline_holds_as_many_micro_batches_as_there_are_stages(self):
        model = gpt(64, 4096, 32)
        alone = memory.training_footprint(model).activations
        stages = np.array([2, 4, 8, 64])
        assert memory.training_footprint(model, pipeline_parallel=stages).activations == pytest.approx(alone)
        few = memory.training_footprint(model, pipeline_parallel=8, micro_batches=2).activations
        assert few == pytest.approx(alone * 2 / 8)

    def test_context_parallelism_divides_activations(self):
        whole = memory.training_footprint(LLAMA70, sequence=32768).activations
        assert memory.training_footprint(LLAMA70, sequence=32768, context_parallel=8).activations == pytest.approx(
            whole / 8
        )

    def test_grouped_queries_keep_fewer_keys_and_values(self):
        ungrouped = dataclasses.replace(LLAMA70, kv_heads=64.0)
        saved = memory.layer_activations(ungrouped).stored - memory.layer_activations(LLAMA70).stored
        assert saved == pytest.approx(4096 * 2 * (64 - 8) * 128 * 2)

    def test_uneven_pipelines_count_embedding_and_output_as_layers(self):
        # Llama 3 405B: 126 layers on 16 stages, 8 on each, 7 on the first and the last.
        llama = catalog.transformer("Llama 3.1 405B")
        footprint = memory.training_footprint(
            llama, sequence=8192, tensor_parallel=8, pipeline_parallel=16, constants=NOTHING, recomputation="full"
        )
        per_layer = (llama.attention_parameters + llama.expert_parameters) / 8
        inner, first = 8 * per_layer, 7 * per_layer + llama.vocabulary * llama.hidden / 8
        assert footprint.weights / 2 in (pytest.approx(inner), pytest.approx(first))
        assert footprint.total >= 16 * inner


class TestEndsAndWorkspace:
    MODEL = gpt(2, 1024, 16, vocabulary=50000)
    TOKENS = 2048

    def test_the_logits_are_kept_twice_once_in_32_bits(self):
        # Two inputs of the last norm and product, 2 s b h numbers, and a logit in 2 + 4 bytes for each word.
        kept = memory.training_footprint(self.MODEL).embedding_and_logits
        assert kept == 2 * 2 * self.TOKENS * 1024 + self.TOKENS * 50000 * (2 + 4)
        kept = memory.training_footprint(self.MODEL, dtype="fp32").embedding_and_logits
        assert kept == 2 * 4 * self.TOKENS * 1024 + self.TOKENS * 50000 * (4 + 4)
        masked = memory.training_footprint(self.MODEL, dropout=True).embedding_and_logits
        assert masked == 2 * 2 * self.TOKENS * 1024 + self.TOKENS * 50000 * 6 + self.TOKENS * 1024

    def test_the_fullest_stage_is_the_one_with_most_to_keep(self):
        assert memory.training_footprint(gpt(8, 4096, 32), pipeline_parallel=4).stage == "first"
        words = gpt(2, 64, 1, vocabulary=500_000)  # next to nothing but logits
        assert memory.training_footprint(words, pipeline_parallel=2, micro_batches=1).stage == "last"
        llama = catalog.transformer("Llama 3.1 405B")  # ends with one layer less than the others
        assert memory.training_footprint(llama, tensor_parallel=8, pipeline_parallel=16).stage == "second"
        ways = np.array([1, 2])
        assert memory.training_footprint(words, pipeline_parallel=ways, micro_batches=1).stage.tolist() == [
            "first",
            "last",
        ]

    def test_zero_3_gathers_two_layers_at_a_time(self):
        workspace = memory.training_footprint(self.MODEL, data_parallel=64, zero_stage=3).workspace
        assert workspace == 2 * 12 * 1024**2 * 2
        assert memory.training_footprint(self.MODEL, data_parallel=64, zero_stage=2).workspace == 0

    def test_each_way_of_splitting_keeps_buffers_of_its_own(self):
        constants = NOTHING | {"context_bytes": 100.0, "buffer_bytes": 1.0}

        def overhead(**plan):
            return memory.training_footprint(self.MODEL, constants=constants, **plan).overhead

        assert overhead() == 100
        assert overhead(tensor_parallel=2) == overhead(pipeline_parallel=2) == overhead(data_parallel=2) == 101
        assert overhead(tensor_parallel=2, pipeline_parallel=2, data_parallel=2) == 103
        assert overhead(context_parallel=2) == 102, "its accelerators reduce gradients too"

    def test_what_the_host_keeps_the_card_need_not(self):
        plain = memory.training_footprint(self.MODEL, constants=NOTHING)
        offloaded = memory.training_footprint(
            self.MODEL, constants=NOTHING, offload_optimizer=True, offload_activations=True
        )
        assert offloaded.optimizer == offloaded.activations == 0
        assert plain.total - offloaded.total == plain.optimizer + plain.activations

    def test_fragments_are_shares_of_states_and_of_what_comes_and_goes(self):
        constants = NOTHING | {"state_fragmentation": 0.01, "activation_fragmentation": 0.1}
        f = memory.training_footprint(self.MODEL, constants=constants)
        moving = f.activations + f.embedding_and_logits + f.workspace
        assert f.fragmentation == pytest.approx(0.01 * f.model_states + 0.1 * moving)


class TestFit:
    def test_a_card_of_80_gb_holds_nearly_80_gib(self):
        # stas00/ml-engineering: PyTorch finds 79.21 GiB on an A100 80 GB.
        assert memory.capacity(A100) == pytest.approx(79.21 * GiB, rel=1e-3)

    def test_gddr_gives_a_sixteenth_to_error_correction(self):
        l4 = catalog.accelerator("L4")
        assert memory.capacity(l4) == pytest.approx(24 * GiB * 15 / 16, rel=0.02)

    def test_capacity_of_all_devices_at_once(self):
        devices = list(catalog.table("accelerators").values())
        stacked = memory.capacity(catalog.stack(devices))
        assert stacked == pytest.approx([memory.capacity(d) for d in devices])

    def test_what_does_not_fit_says_by_how_much_and_what_helps(self):
        footprint = memory.training_footprint(GPT3, tensor_parallel=8, pipeline_parallel=8, data_parallel=8, **OLD)
        text = footprint.explain(H100)
        assert not footprint.fits(H100)
        assert "Does not fit" in text
        assert "too much" in text
        assert "full recomputation: saves" in text
        fitting = memory.training_footprint(GPT3, tensor_parallel=8, pipeline_parallel=8, data_parallel=8,
                                            recomputation="full", zero_stage=1)  # fmt: skip
        assert fitting.fits(H100)
        assert fitting.explain(H100).startswith("Fits")

    def test_remedies_save_what_they_say_and_keep_to_the_model(self):
        footprint = memory.training_footprint(GPT3, tensor_parallel=32, data_parallel=4, **OLD)
        found = memory.remedies(footprint)
        assert [r.saves for r in found] == sorted((r.saves for r in found), reverse=True)
        assert "tensor_parallel=64" not in [r.name for r in found]  # 64 does not divide 96 heads
        for remedy in found:
            again = memory.training_footprint(GPT3, **{**footprint.plan, **remedy.change}).total
            assert footprint.total - again == pytest.approx(remedy.saves)
            assert remedy.saves > 0

    def test_the_table_of_a_footprint_names_its_parts(self):
        text = str(memory.training_footprint(GPT3))
        for word in ("total", "weights", "gradients", "optimizer", "activations", "TB", "%"):
            assert word in text
        assert "3 footprints" in str(memory.training_footprint(GPT3, tensor_parallel=[1, 2, 4]))


class TestErrors:
    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"tensor_parallel": 7}, "tensor_parallel=7 does not divide 96 attention heads"),
            ({"pipeline_parallel": 5}, "pipeline_parallel x interleave=5 does not divide 96 layers"),
            ({"pipeline_parallel": 8, "interleave": 5}, "=40 does not divide 96 layers"),
            ({"interleave": 2}, "interleave=2 needs pipeline_parallel"),
            ({"context_parallel": 3}, "context_parallel=3 does not divide 2048 tokens"),
            ({"expert_parallel": 2, "data_parallel": 2}, "expert_parallel=2 does not divide 1 experts"),
            ({"micro_batch": 0}, "micro_batch=0 must be a finite number above 0"),
            ({"micro_batch": float("nan")}, "micro_batch is not known"),
            ({"data_parallel": 1.5}, "data_parallel=1.5 must be a whole number"),
            ({"zero_stage": 4}, "zero_stage=4 is not one of"),
            ({"recomputation": "fulll"}, "did you mean 'full'"),
            ({"recomputation": 3}, "recomputation=3 is not one of"),
            ({"recomputation": np.array(["none", "some"])}, "recomputation='some'"),
            ({"dtype": "int8"}, "dtype='int8' is not one of"),
            ({"optimizer": "lion"}, "optimizer='lion' is not one of"),
        ],
    )
    def test_a_bad_plan_is_named(self, change, message):
        with pytest.raises(ValueError, match=message.replace("(", r"\(")):
            memory.training_footprint(GPT3, **change)

    def test_a_model_without_its_dimensions_is_named(self):
        with pytest.raises(ValueError, match="layers is not known"):
            memory.training_footprint(catalog.Transformer(name="?", sequence=128))

    @pytest.mark.parametrize(
        ("call", "message"),
        [
            (lambda: memory.serving_footprint(LLAMA70, batch=0), "batch=0"),
            (lambda: memory.serving_footprint(LLAMA70, weight_format="int3"), "weight_format='int3'"),
            (lambda: memory.serving_footprint(LLAMA70, context=-5), "context=-5"),
            (lambda: memory.max_batch(LLAMA70, H100, memory_share=1.5), "memory_share=1.5"),
            (lambda: memory.transfer_time(catalog.tier("DDR5"), -1), "n_bytes=-1"),
            (lambda: memory.transfer_time(catalog.tier("DDR5"), 1, direction="up"), "direction='up'"),
            (lambda: memory.throughput(catalog.tier("DDR5"), 0), "chunk_bytes=0"),
            (lambda: memory.convnet_footprint(catalog.convnet("ResNet-50"), batch=0), "batch=0"),
            (lambda: memory.offload_optimizer(0, 1e9, catalog.tier("DDR5")), "parameters=0"),
            (lambda: memory.remedies(memory.training_footprint(GPT3, micro_batch=[1, 2])), "one plan"),
        ],
    )
    def test_other_bad_input_is_named(self, call, message):
        with pytest.raises(ValueError, match=message):
            call()


plans = st.fixed_dictionaries(
    {
        "tensor_parallel": st.sampled_from([1, 2, 4, 8, 16]), "pipeline_parallel": st.sampled_from([1, 2, 4, 8, 16]),
        "data_parallel": st.sampled_from([1, 2, 4, 8, 64]), "context_parallel": st.sampled_from([1, 2, 4]),
        "micro_batch": st.integers(1, 8), "micro_batches": st.sampled_from([1, 2, 8, 64]),
        "zero_stage": st.integers(0, 3), "recomputation": st.sampled_from(memory.RECOMPUTATION),
        "sequence_parallel": st.booleans(), "fused_attention": st.booleans(), "dropout": st.booleans(),
        "dtype": st.sampled_from(memory.TRAINING_DTYPES), "optimizer": st.sampled_from(memory.OPTIMIZERS),
        "gradient_dtype": st.sampled_from(memory.GRADIENT_DTYPES), "offload_optimizer": st.booleans(),
    }
)  # fmt: skip
models = st.sampled_from([GPT3, LLAMA70, catalog.transformer("Mixtral 8x7B"), gpt(16, 2048, 16, vocabulary=50000)])


class TestProperties:
    @given(models, plans)
    @settings(max_examples=60, deadline=None)
    def test_parts_sum_and_are_finite(self, model, plan):
        footprint = memory.training_footprint(model, **plan, validate=False)
        assert footprint.total == pytest.approx(sum(footprint.breakdown().values()))
        assert all(np.isfinite(v) and v >= 0 for v in footprint.breakdown().values())
        assert footprint.largest in footprint.breakdown()

    @given(models, plans, st.sampled_from(["tensor_parallel", "context_parallel"]))
    @settings(max_examples=60, deadline=None)
    def test_a_finer_split_needs_no_more_beside_its_buffers(self, model, plan, ways):
        finer = plan | {ways: 2 * plan[ways]}
        before = memory.training_footprint(model, **plan, validate=False, constants=NOTHING).total
        assert memory.training_footprint(model, **finer, validate=False, constants=NOTHING).total <= before * (1 + 1e-9)

    @given(models, plans)
    @settings(max_examples=40, deadline=None)
    def test_zero_stages_shrink_model_states(self, model, plan):
        plan = plan | {"zero_stage": np.arange(4)}
        states = memory.training_footprint(model, **plan, validate=False, constants=NOTHING).model_states
        assert (np.diff(np.broadcast_to(states, 4)) <= 0).all()

    @given(models, plans)
    @settings(max_examples=40, deadline=None)
    def test_recomputation_and_smaller_micro_batches_need_less(self, model, plan):
        how = memory.training_footprint(model, **plan | {"recomputation": np.arange(3)}, validate=False).activations
        assert (np.diff(how) <= 0).all()
        size = memory.training_footprint(model, **plan | {"micro_batch": np.arange(1, 5)}, validate=False).total
        assert (np.diff(size) > 0).all()

    @given(st.lists(plans, min_size=2, max_size=6), models)
    @settings(max_examples=30, deadline=None)
    def test_arrays_give_what_the_loop_gives(self, some, model):
        arrays = {name: np.array([plan[name] for plan in some]) for name in some[0]}
        together = memory.training_footprint(model, **arrays, validate=False)
        for i, plan in enumerate(some):
            one = memory.training_footprint(model, **plan, validate=False)
            for name, value in one.breakdown().items():
                assert together.breakdown()[name][i] == pytest.approx(value, rel=1e-12), name
            assert together.stage[i] == one.stage
            assert together.largest[i] == one.largest

    @given(models, plans)
    @settings(max_examples=60, deadline=None)
    def test_splits_is_true_just_where_the_footprint_raises_nothing(self, model, plan):
        keys = ("tensor_parallel", "pipeline_parallel", "data_parallel", "context_parallel", "sequence_parallel")
        possible = memory.splits(model, **{k: plan[k] for k in keys})
        if possible:
            memory.training_footprint(model, **plan)
        else:
            with pytest.raises(ValueError, match="does not divide"):
                memory.training_footprint(model, **plan)

    def test_splits_masks_many_plans(self):
        mask = memory.splits(GPT3, tensor_parallel=np.arange(1, 13))
        assert (np.flatnonzero(mask) + 1).tolist() == [1, 2, 3, 4, 6, 8, 12]
        assert memory.splits(LLAMA70, tensor_parallel=16)  # each of 8 key-value heads on two accelerators
        assert memory.splits(catalog.transformer("Llama 3.1 405B"), pipeline_parallel=16)

    def test_models_may_be_arrays(self):
        both = memory.training_footprint(catalog.stack([GPT3, LLAMA70])[:, None], tensor_parallel=[1, 2, 4, 8])
        assert both.total.shape == (2, 4)
        assert both.total[1, 2] == pytest.approx(memory.training_footprint(LLAMA70, tensor_parallel=4).total)

    def test_a_hundred_thousand_plans_at_once(self):
        n = 100_000
        tensor = np.tile([1.0, 2.0, 4.0, 8.0], n // 4)
        many = memory.training_footprint(GPT3, tensor_parallel=tensor, pipeline_parallel=np.tile([1.0, 8.0], n // 2),
                                         recomputation=np.tile(["none", "full"], n // 2), validate=False)  # fmt: skip
        one = memory.training_footprint(
            GPT3, tensor_parallel=8, pipeline_parallel=8, recomputation="full", validate=False
        )
        assert many.total[-1] == pytest.approx(one.total)


class TestServing:
    def test_a_token_of_llama_2_70b_takes_320_kib(self):
        assert memory.kv_bytes_per_token(LLAMA70) == 320 * KiB

    def test_grouping_divides_the_cache_by_eight(self):
        ungrouped = dataclasses.replace(LLAMA70, kv_heads=64.0)
        assert memory.kv_bytes_per_token(ungrouped) == 8 * memory.kv_bytes_per_token(LLAMA70)

    def test_the_cache_stops_shrinking_where_heads_must_be_copied(self):
        ways = np.array([1, 2, 4, 8, 16, 32])
        assert memory.kv_bytes_per_token(LLAMA70, tensor_parallel=ways) / KiB == pytest.approx(
            [320, 160, 80, 40, 40, 40]
        )

    def test_weights_by_format(self):
        # 69e9 parameters: 138 GB in 16 bits, a little over a quarter in 4 with the scales.
        sixteen = memory.serving_footprint(LLAMA70).weights
        assert sixteen == pytest.approx(2 * LLAMA70.parameters)
        assert sixteen == pytest.approx(138 * GB, rel=0.01)
        assert memory.weight_bytes_per_parameter("int4") == pytest.approx(0.5 + 2.5 / 128)
        assert memory.weight_bytes_per_parameter("fp4") == pytest.approx(0.5 + 1 / 16)
        assert 0.25 < memory.serving_footprint(LLAMA70, weight_format="int4").weights / sixteen < 0.28

    def test_llama_2_70b_needs_two_cards_of_80_gb(self):
        assert not memory.serving_footprint(LLAMA70, context=128).fits(H100)
        assert memory.serving_footprint(LLAMA70, context=128, tensor_parallel=2).fits(H100)
        assert memory.max_batch(LLAMA70, H100) == 0

    @given(st.integers(1, 64), st.sampled_from([1, 2, 4, 8, 16]), st.integers(16, 100_000),
           st.sampled_from(memory.WEIGHT_FORMATS))  # fmt: skip
    @settings(max_examples=50, deadline=None)
    def test_the_largest_batch_and_context_are_the_largest(self, batch, tensor, context, weight_format):
        model = catalog.transformer("Llama 3 8B")
        plan = {"tensor_parallel": tensor, "weight_format": weight_format, "prefill_tokens": 4096}
        room = 0.9 * memory.capacity(A100)
        most = memory.max_batch(model, A100, context=context, **plan)
        for extra, fits in ((0, True), (1, False)):
            if 1 <= most + extra <= 4096:
                need = memory.serving_footprint(model, batch=most + extra, context=context, **plan).total
                assert (need <= room) == fits
        longest = memory.max_context(model, A100, batch=batch, **plan)
        if longest:
            used = memory.serving_footprint(model, batch=batch, context=longest, **plan)
            assert used.total - used.block_waste <= room
            assert used.total + 16 * batch * memory.kv_bytes_per_token(model, tensor_parallel=tensor) > room

    @given(st.lists(st.tuples(st.integers(1, 512), st.integers(1, 99999), st.sampled_from([1, 2, 8])), min_size=1,
                    max_size=5))  # fmt: skip
    @settings(max_examples=25, deadline=None)
    def test_arrays_give_what_the_loop_gives(self, some):
        batch, context, tensor = (np.array(x) for x in zip(*some, strict=True))
        together = memory.serving_footprint(LLAMA70, batch=batch, context=context, tensor_parallel=tensor)
        for i, (b, c, t) in enumerate(some):
            one = memory.serving_footprint(LLAMA70, batch=b, context=c, tensor_parallel=t)
            assert together.total[i] == pytest.approx(one.total)
            assert one.total == pytest.approx(sum(one.breakdown().values()))


class TestConvNets:
    def test_activations_outweigh_the_states_of_a_convolutional_network(self):
        footprint = memory.convnet_footprint(catalog.convnet("ResNet-50"), batch=256)
        assert footprint.largest == "activations"
        assert footprint.total == pytest.approx(sum(footprint.breakdown().values()))
        assert footprint.activations > 20 * (footprint.weights + footprint.gradients + footprint.optimizer)

    def test_half_precision_halves_the_activations(self):
        full, half = (
            memory.convnet_footprint(catalog.convnet("ResNet-50"), batch=64, dtype=d) for d in ("fp32", "fp16")
        )
        assert full.activations == 2 * half.activations

    def test_the_largest_batch_is_the_largest(self):
        unet = catalog.convnet("3D U-Net")
        most = memory.convnet_max_batch(unet, A100)
        assert memory.convnet_footprint(unet, batch=most).fits(A100)
        assert not memory.convnet_footprint(unet, batch=most + 1).fits(A100)


class TestTiers:
    LADDER = [
        catalog.tier(n)
        for n in (
            "DDR5",
            "CXL",
            "Optane persistent memory, 6 modules",
            "Optane SSD",
            "NVMe SSD, PCIe 4.0 x4",
            "network",
        )
    ]

    def test_each_step_down_the_ladder_takes_longer_to_answer(self):
        answers = [memory.transfer_time(tier, 64) for tier in self.LADDER]
        assert answers == sorted(answers)

    def test_optane_is_not_5_microseconds_nor_a_tenth_of_an_ssd(self):
        # Claims D2-23 and D2-24: 305 ns, and hundreds of times less than flash.
        optane, flash = catalog.tier("Optane persistent memory, 6 modules"), catalog.tier("NVMe SSD, PCIe 4.0 x4")
        assert optane.latency < 0.1 * 5e-6
        assert flash.latency / optane.latency > 100

    def test_cxl_2_does_not_reach_a_terabyte_a_second(self):
        # Claim D2-25: a link of 16 lanes carries 63 GB/s.
        assert catalog.link("CXL 2.0").bandwidth < 0.1 * TB
        assert catalog.tier("CXL").read_bandwidth < 0.1 * TB

    def test_accelerator_memory_passed_the_claimed_bandwidths_long_ago(self):
        # Claims D2-36 (over 900 GB/s) and D2-44 (500 GB/s as a future); D0-03, D0-04 for the H100.
        assert catalog.accelerator("V100-SXM2-16GB").memory_bandwidth >= 900 * GB
        assert (H100.memory_bytes, H100.memory_bandwidth) == (80 * GB, 3.35 * TB)

    def test_one_page_at_a_time_pays_latency_and_a_deep_queue_pays_bandwidth(self):
        flash = catalog.tier("NVMe SSD, PCIe 3.0 x4")
        one = memory.transfer_time(flash, 1 * GB, chunk_bytes=4096)
        assert one == pytest.approx(np.ceil(1e9 / 4096) * (92e-6 + 4096 / 3.5e9))
        deep = memory.transfer_time(flash, 1 * GB, chunk_bytes=4096, in_flight=256)
        assert deep == pytest.approx(np.ceil(1e9 / 4096) * 4096 / 3.5e9 + 92e-6)
        # Micron's data sheet: 840,000 reads of 4 KiB a second.
        assert memory.throughput(flash, 4096, in_flight=256) / 4096 == pytest.approx(840_000, rel=0.02)

    def test_scattered_small_reads_move_whole_pages(self):
        # 64 bytes of each page of 4 KiB: one request each, and 64 times the bytes.
        flash = catalog.tier("NVMe SSD, PCIe 3.0 x4")
        scattered = memory.transfer_time(flash, 64 * 1000, chunk_bytes=64)
        assert scattered == pytest.approx(1000 * memory.transfer_time(flash, 64))
        crowded = memory.transfer_time(flash, 64 * 1e6, chunk_bytes=64, in_flight=4096)
        assert crowded == pytest.approx(1e6 * 4096 / 3.5e9 + 92e-6)

    @given(st.sampled_from(LADDER), st.floats(1, 1e9), st.integers(1, 4096))
    @settings(max_examples=60, deadline=None)
    def test_many_transfers_take_what_the_steady_rate_says(self, tier, chunk, in_flight):
        n = chunk * in_flight * 1e4
        rate = n / memory.transfer_time(tier, n, chunk, in_flight)
        assert rate == pytest.approx(memory.throughput(tier, chunk, in_flight), rel=2e-3)

    @given(st.sampled_from(LADDER), st.floats(64, 1e9))
    @settings(max_examples=60, deadline=None)
    def test_a_request_larger_than_the_whole_is_the_whole(self, tier, n):
        assert memory.transfer_time(tier, n, 10 * n) == memory.transfer_time(tier, n)

    @given(st.sampled_from(LADDER), st.floats(64, 1e9), st.integers(1, 4096))
    @settings(max_examples=60, deadline=None)
    def test_littles_law(self, tier, chunk, in_flight):
        reached = memory.throughput(tier, chunk, in_flight)
        assert 0 < reached <= tier.read_bandwidth * (1 + 1e-9)
        if chunk >= tier.access_bytes and in_flight >= memory.requests_to_saturate(tier, chunk):
            assert reached == pytest.approx(tier.read_bandwidth)
        assert memory.throughput(tier, chunk, in_flight + 1) >= reached

    def test_all_tiers_at_once(self):
        stacked = catalog.stack(self.LADDER)
        times = memory.transfer_time(stacked, 1 * GB, chunk_bytes=65536, in_flight=8)
        assert times == pytest.approx([memory.transfer_time(t, 1 * GB, 65536, 8) for t in self.LADDER])
        assert memory.transfer_time(stacked, 0.0).tolist() == [0.0] * len(self.LADDER)

    def test_offloading_the_optimizer_waits_for_the_bus_and_the_hosts_memory(self):
        ddr = catalog.tier("DDR5")
        moved = memory.offload_optimizer(7e9, 31.5e9, ddr)
        assert moved.to_host == pytest.approx(14e9 / 31.5e9)
        assert moved.at_host == pytest.approx(7e9 * 28 / 3.072e11)
        assert moved.total == pytest.approx(moved.to_host + moved.at_host + moved.to_card)
        assert memory.offload_optimizer(7e9, 31.5e9, ddr, hidden=10).exposed == 0
        assert memory.offload_optimizer(7e9, 31.5e9, catalog.tier("NVMe SSD, PCIe 4.0 x4")).limit == "at_host"
        shared = memory.offload_optimizer(7e9, 31.5e9, ddr, sharers=np.array([1, 8]))
        assert shared.at_host[1] == pytest.approx(8 * shared.at_host[0])

    def test_offloading_activations_goes_both_ways(self):
        moved = memory.offload_activations(20 * GB, 50 * GB, catalog.tier("DDR5"))
        assert moved.total == pytest.approx(0.8)
        assert "longer step" in str(moved)


def test_memory_loads_no_heavy_library():
    code = "import sys, dcserver.memory; print([m for m in ('matplotlib','ipywidgets','networkx','scipy') if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_a_verdict_says_by_how_much():
    assert memory.verdict(70e9, 80e9) == "fits, 10 GB to spare"
    assert memory.verdict(134e9, 85e9) == "49 GB too much"
    with pytest.raises(ValueError, match="room"):
        memory.verdict(1.0, float("nan"))
