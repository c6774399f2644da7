"""One training step: claims about the world, against hand-computed and published numbers."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcserver import catalog, training
from dcserver.catalog import Cluster
from dcserver.training import Plan, bubble, convnet_step, stack, step, timeline, training_flops

GPT3 = catalog.transformer("Megatron 175B")
SMALL = catalog.transformer("GPT-3 1.3B")
SELENE = Cluster(server=catalog.server("DGX A100"), servers=128)
EOS = Cluster(server=catalog.server("DGX H100"), servers=128)
PAPER = Plan(tensor_parallel=8, pipeline_parallel=8, interleave=3, micro_batch=1, recomputation="full", dtype="fp16")


def test_flop_of_gpt3_as_counted_by_hand():
    # 96 layers x 12 x 12288^2 weights = 173.9e9, and 51200 x 12288 of the output product; two FLOP a weight and pass.
    weights = 96 * 12 * 12288**2
    attention = 4 * 2048 * 96 * 12288  # a token, all scores, forward
    by_hand = 3 * (2 * weights + attention + 2 * 51200 * 12288)
    assert training_flops(GPT3, 1, 2048, causal=False) == pytest.approx(by_hand, rel=1e-12)
    # Equation 3 of Narayanan et al. 2021 for a batch of 1536, recomputation included.
    eq3 = 96 * 1536 * 2048 * 96 * 12288**2 * (1 + 2048 / (6 * 12288) + 51200 / (16 * 96 * 12288))
    assert training_flops(GPT3, 1536 * 2048, 2048, 2, causal=False) == pytest.approx(eq3, rel=1e-12)


def test_causal_attention_needs_half_of_its_scores():
    full, half = (training.attention_flops(GPT3, 1, 2048, causal) for causal in (False, True))
    assert half == full / 2 == 2 * 2048 * 12288


def test_gpt3_in_1024_gpus_takes_the_published_month():
    # Narayanan et al. 2021, section 5.1: 300e9 tokens in 34 days on 1,024 A100 at batch 1,536.
    plan = dataclasses.replace(PAPER, data_parallel=16, interleave=1)
    days = 300e9 / step(GPT3, SELENE, plan, 1536, stack="Megatron 2021").tokens_per_second / 86400
    assert days == pytest.approx(34, rel=0.12)


def test_selective_recomputation_saves_what_the_paper_measured():
    # Korthikanti et al. 2022, table 5: 18.13 s with full, 13.75 s with selective recomputation: a factor of 1.32.
    full = step(GPT3, SELENE, PAPER, 64, stack="Megatron 2022")
    selective = dataclasses.replace(PAPER, recomputation="selective", sequence_parallel=True)
    ratio = full.time / step(GPT3, SELENE, selective, 64, stack="Megatron 2022").time
    assert ratio == pytest.approx(18.13 / 13.75, rel=0.05)


def test_breakdown_sums_to_the_time_and_prints():
    s = step(GPT3, SELENE, PAPER, 64, stack="Megatron 2022")
    assert sum(s.breakdown.values()) == pytest.approx(s.time, rel=1e-12)
    assert set(s.breakdown) == set(training.PARTS)
    assert "recomputation" in str(s)
    assert s.limit == "arithmetic"


def test_one_gpu_spends_nothing_in_traffic_bubbles_and_stragglers():
    s = step(SMALL, EOS, Plan(micro_batch=4), 16)
    for part in ("tensor traffic", "context traffic", "expert traffic", "pipeline bubble", "pipeline transfer",
                 "data traffic", "stragglers", "recomputation"):  # fmt: skip
        assert s.breakdown[part] == 0, part


def test_more_micro_batches_shrink_the_share_of_the_bubble():
    plan = Plan(tensor_parallel=8, pipeline_parallel=8)
    few, many = (step(GPT3, EOS, plan, b) for b in (16, 160))
    assert few.breakdown["pipeline bubble"] == pytest.approx(many.breakdown["pipeline bubble"], rel=1e-9)
    assert few.tokens_per_second < many.tokens_per_second


def test_bubble_is_p_minus_1_over_m_and_interleaving_divides_it():
    assert bubble(8, 1.0, 2.0) / (16 * 3.0) == pytest.approx(7 / 16)
    assert bubble(8, 1.0, 2.0, interleave=4) == bubble(8, 1.0, 2.0) / 4
    assert bubble(8, 1.0, 2.0, weights=1.0, zero_bubble=True) == 7.0  # a third: F + B - W with F = B = W
    assert bubble(1, 1.0, 2.0) == 0


@settings(max_examples=30, deadline=None)
@given(p=st.integers(1, 6), rounds=st.integers(1, 4), v=st.integers(1, 3), f=st.floats(0.1, 5), b=st.floats(0.1, 5))
def test_timeline_takes_as_long_as_the_formula(p, rounds, v, f, b):
    m, v = p * rounds, 1 if p == 1 else v
    t = timeline(p, m, f, b, v)
    assert t.makespan == pytest.approx(m * (f + b) + bubble(p, f, b, v), rel=1e-9)
    assert len(t.start) == 2 * p * m * v
    for stage in range(p):  # a stage does one thing at a time
        mine = t.stage == stage
        order = np.argsort(t.start[mine])
        assert (t.start[mine][order][1:] >= t.end[mine][order][:-1] - 1e-9).all()


def test_timeline_says_what_it_cannot_lay_out():
    with pytest.raises(ValueError, match="interleave=2"):
        timeline(4, 6, interleave=2)
    with pytest.raises(ValueError, match="micro_batches=0"):
        timeline(4, 0)


def test_interleaving_divides_the_bubble_of_a_step():
    plan = Plan(tensor_parallel=8, pipeline_parallel=8, micro_batch=1)
    plain, four = (step(GPT3, EOS, dataclasses.replace(plan, interleave=v), 64) for v in (1, 4))
    assert four.breakdown["pipeline bubble"] == pytest.approx(plain.breakdown["pipeline bubble"] / 4)
    assert four.breakdown["pipeline transfer"] > plain.breakdown["pipeline transfer"]


def test_zero_bubble_schedule_waits_less():
    plan = Plan(tensor_parallel=8, pipeline_parallel=8)
    waits = [step(GPT3, EOS, dataclasses.replace(plan, schedule=s), 64).breakdown["pipeline bubble"]
             for s in ("1f1b", "zero_bubble")]  # fmt: skip
    assert 0.25 < waits[1] / waits[0] < 0.75


PLANS = st.builds(
    lambda t, p, d, b, r, z, sp: Plan(tensor_parallel=t, pipeline_parallel=p, data_parallel=d, micro_batch=b,
                                      recomputation=r, zero_stage=z, sequence_parallel=sp),
    st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 16]), st.sampled_from([1, 2, 4]),
    st.sampled_from(["none", "selective", "full"]), st.sampled_from([0, 1, 2, 3]), st.booleans(),
)  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(plan=PLANS, name=st.sampled_from(training.STACKS), factor=st.floats(1.1, 20))
def test_every_step_is_sane_and_faster_links_never_slow_it(plan, name, factor):
    s = step(GPT3, EOS, plan, 256, stack=name)
    assert all(np.isfinite(v) and v >= 0 for v in s.breakdown.values())
    assert 0 < s.model_flops_utilization <= s.hardware_flops_utilization <= 1
    assert s.tokens == 256 * 2048
    server = catalog.server("DGX H100")
    link = dataclasses.replace(server.scale_out_link, bandwidth=factor * server.scale_out_link.bandwidth)
    faster = dataclasses.replace(EOS, server=dataclasses.replace(server, scale_out_link=link))
    assert step(GPT3, faster, plan, 256, stack=name).time <= s.time * (1 + 1e-9)


def test_many_plans_at_once_equal_each_alone():
    rng = np.random.default_rng(7)
    n = 200
    fields = {
        "tensor_parallel": rng.choice([1, 2, 4, 8], n), "pipeline_parallel": rng.choice([1, 2, 8, 12], n),
        "data_parallel": rng.choice([1, 4, 16], n), "micro_batch": rng.choice([1, 2], n),
        "recomputation": rng.choice([0, 1, 2], n), "zero_stage": rng.choice([0, 1, 2, 3], n),
        "sequence_parallel": rng.choice([False, True], n), "interleave": rng.choice([1, 2], n),
        "schedule": rng.choice([0, 1], n),
    }  # fmt: skip
    together = step(GPT3, EOS, Plan(**fields), 384, validate=False)
    for i in range(0, n, 9):
        alone = step(GPT3, EOS, Plan(**{k: v[i].item() for k, v in fields.items()}), 384, validate=False)
        assert together.time[i] == pytest.approx(alone.time, rel=1e-9)
        assert together.memory.total[i] == pytest.approx(alone.memory.total, rel=1e-9)
        for part in training.PARTS:
            assert together.breakdown[part][i] == pytest.approx(alone.breakdown[part], rel=1e-9, abs=1e-12)


def test_many_models_and_machines_at_once_equal_each_alone():
    models = [catalog.transformer(n) for n in ("GPT-3 1.3B", "GPT-3 13B", "Mixtral 8x7B")]
    machines = [SELENE, EOS, SELENE]
    plan = Plan(tensor_parallel=2, data_parallel=8)
    together = step(catalog.stack(models), catalog.stack(machines), plan, 64, 2048, stack=stack("NeMo 2025"))
    for i, (m, c) in enumerate(zip(models, machines, strict=True)):
        assert together.time[i] == pytest.approx(step(m, c, plan, 64, 2048).time, rel=1e-9)


def test_zero_3_over_slow_links_shows_traffic_that_arithmetic_cannot_hide():
    server = catalog.server("DGX A100")
    slow = dataclasses.replace(server, scale_out_link=catalog.link("Ethernet 10G"), scale_out_links=1)
    model = catalog.transformer("MPT 30B")
    plan = Plan(data_parallel=64, micro_batch=2, zero_stage=3, recomputation="full")
    fast, held_up = (step(model, Cluster(server=s, servers=8), plan, 128, stack="FSDP 2023") for s in (server, slow))
    assert fast.breakdown["data traffic"] < 0.1 * fast.time
    assert held_up.breakdown["data traffic"] > 0.5 * held_up.time
    assert held_up.limit == "data traffic"
    # Groups of one node keep the gathers off the slow wire.
    hybrid = dataclasses.replace(plan, shard_group=8)
    assert step(model, Cluster(server=slow, servers=8), hybrid, 128, stack="FSDP 2023").time < held_up.time


def test_stragglers_grow_with_the_root_of_the_logarithm():
    plans = [Plan(tensor_parallel=8, data_parallel=d) for d in (2, 16)]
    shares = [s.breakdown["stragglers"] / (s.time - s.breakdown["stragglers"]) for s in
              (step(SMALL, EOS, p, 64) for p in plans)]  # fmt: skip
    assert shares[1] / shares[0] == pytest.approx(np.sqrt(np.log(128) / np.log(16)))


def test_experts_pay_for_what_a_token_visits_and_for_the_exchange():
    mixtral = catalog.transformer("Mixtral 8x7B")
    alone = step(mixtral, EOS, Plan(data_parallel=8), 64, 4096)
    spread = step(mixtral, EOS, Plan(data_parallel=8, expert_parallel=8), 64, 4096)
    assert alone.breakdown["expert traffic"] == 0 < spread.breakdown["expert traffic"]
    per_token = spread.model_flops / spread.tokens
    assert per_token == pytest.approx(6 * mixtral.active_parameters, rel=0.15)


def test_eight_bits_are_faster_but_not_twice_as_fast():
    llama = catalog.transformer("Llama 3 8B")
    wide, narrow = (
        step(llama, EOS, Plan(data_parallel=8, zero_stage=1, dtype=d), 128, 8192).time for d in ("bf16", "fp8")
    )
    assert 1.1 < wide / narrow < 2


def test_memory_power_energy_and_money_follow_the_step():
    plan = Plan(
        tensor_parallel=8, pipeline_parallel=8, data_parallel=16, recomputation="selective", sequence_parallel=True
    )
    s = step(GPT3, EOS, plan, 1536)
    assert s.fits
    assert not step(GPT3, EOS, Plan(data_parallel=1024), 1024).fits
    assert 128 * 5_000 < s.power < 128 * 12_000  # a DGX H100 is rated at 10.2 kW
    assert s.energy_per_token == pytest.approx(s.power / s.tokens_per_second)
    assert s.cost_per_token(2.0) == pytest.approx(2.0 * 1024 / 3600 / s.tokens_per_second)
    grid = catalog.table("grids")
    assert s.carbon_per_token(next(iter(grid.values()))) > 0
    low, high = s.interval
    assert low < s.time < high


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tensor_parallel": 7}, "tensor_parallel=7 does not divide 96 attention heads"),
        ({"pipeline_parallel": 8, "interleave": 5}, "does not divide 96 layers"),
        ({"data_parallel": 7}, "does not divide"),
        ({"pipeline_parallel": 8, "interleave": 3, "micro_batch": 4}, "interleave"),
        ({"expert_parallel": 2}, "expert_parallel=2 does not divide 1 experts"),
        ({"data_parallel": 4, "shard_group": 3}, "shard_group=3 does not divide 4"),
    ],
)
def test_plans_that_cannot_be_are_named(change, message):
    with pytest.raises(ValueError, match=message):
        step(GPT3, EOS, Plan(**change), 36)
    assert not Plan(**change).valid(GPT3, batch=36)


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"tensor_parallel": 0}, "tensor_parallel=0"), ({"micro_batch": 1.5}, "micro_batch=1.5"), ({"dtype": "fp7"}, "dtype='fp7'"),
     ({"recomputation": "some"}, "recomputation='some'"), ({"zero_stage": 4}, "zero_stage=4"),
     ({"data_parallel": float("nan")}, "data_parallel is not known"), ({"schedule": "gpipe"}, "schedule='gpipe'")],
)  # fmt: skip
def test_fields_of_a_plan_are_checked(fields, message):
    with pytest.raises(ValueError, match=message):
        Plan(**fields)


def test_other_input_is_checked():
    with pytest.raises(ValueError, match="batch"):
        step(GPT3, EOS, Plan(), 0)
    with pytest.raises(ValueError, match="Megatron 2021"):
        stack("Megatron 1999")
    with pytest.raises(ValueError, match="no fp8 peak"):
        step(GPT3, SELENE, Plan(dtype="fp8"), 8)
    with pytest.raises(ValueError, match="no server"):
        step(GPT3, Cluster(), Plan(), 8)
    with pytest.raises(ValueError, match="accelerators"):
        Plan(data_parallel=4).check(GPT3, accelerators=8)


def test_mask_agrees_with_the_plan_that_the_check_lets_through():
    plans = Plan(tensor_parallel=np.array([1, 7, 8, 8]), pipeline_parallel=np.array([1, 1, 8, 5]), data_parallel=1)
    assert plans.valid(GPT3, batch=16).tolist() == [True, False, True, False]
    assert str(plans) == "4 plans"
    assert "8 tensor" in str(plans[2])
    assert plans[2].accelerators == 64


def test_older_software_is_slower_on_the_same_machine():
    plan = Plan(tensor_parallel=8, pipeline_parallel=8, data_parallel=2, recomputation="full")
    old, new = (step(GPT3, EOS, plan, 256, stack=s).time for s in ("BLOOM 2022", "NeMo 2025"))
    assert old > 1.1 * new


def test_resnet_trains_as_published_and_matrix_units_do_not_speed_it_up_sixteenfold():
    # NVIDIA DeepLearningExamples: 2,470 images/s on one A100 with 16 bits, 367 on a V100 with 32 bits.
    resnet = catalog.convnet("ResNet-50")
    one = convnet_step(resnet, catalog.server("DGX A100"), images=256)
    assert one.images_per_second == pytest.approx(2470, rel=0.15)
    assert sum(one.breakdown.values()) == pytest.approx(one.time)
    v100 = catalog.server("DGX-1 V100")
    wide, narrow = (convnet_step(resnet, v100, images=256, dtype=d) for d in ("fp32", "fp16"))
    assert 2 < wide.time / narrow.time < 5
    many = convnet_step(resnet, v100, accelerators=np.array([1, 8]), images=256)
    assert 6 < many.images_per_second[1] / many.images_per_second[0] < 8
    with pytest.raises(ValueError, match="dtype='int8'"):
        convnet_step(resnet, v100, dtype="int8")
