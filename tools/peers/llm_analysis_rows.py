"""Predict rows with llm-analysis, in its own environment: JSON rows on standard input, seconds a step or a reason on output."""

import json
import logging
import sys

from llm_analysis.analysis import ActivationRecomputation, DSZeRO, LLMAnalysis
from llm_analysis.config import ModelConfig, ParallelismConfig, get_dtype_config_by_name, get_gpu_config_by_name

logging.disable(logging.CRITICAL)
CARDS = {
    "A100-SXM4-80GB": "a100-sxm-80gb",
    "A100-SXM4-40GB": "a100-sxm-40gb",
    "H100-SXM5-80GB": "h100-sxm-80gb",
    "V100-SXM2-32GB": "v100-sxm-32gb",
}


def seconds(row: dict) -> float:
    """Its latency of an iteration, at half of the peak like the others (its own default is all of it)."""
    model = ModelConfig(
        name="row", num_layers=int(row["layers"]), n_head=int(row["heads"]), hidden_dim=int(row["hidden"]),
        vocab_size=int(row["vocabulary"]), max_seq_len=int(row["sequence"]),
        num_key_value_heads=int(row["kv_heads"]), ffn_embed_dim=int(row["feed_forward"]),
    )  # fmt: skip
    ways = ParallelismConfig(
        tp_size=int(row["tensor"]), pp_size=int(row["pipeline"]), dp_size=int(row["data"]), sp_size=int(row["tensor"])
    )
    analysis = LLMAnalysis(model, get_gpu_config_by_name(CARDS[row["accelerator"]]),
                           get_dtype_config_by_name("w16a16e16"), ways, flops_efficiency=0.5)  # fmt: skip
    summary = analysis.training(
        batch_size_per_gpu=int(row["micro_batch"]), gradient_accumulation_steps=int(row["micro_batches"]),
        global_batch_size=int(row["batch"]), seq_len=int(row["sequence"]),
        activation_recomputation=ActivationRecomputation[row["recomputation"].upper()],
        ds_zero=DSZeRO(int(row["zero"])), flash_attn=False, mlp_gated_linear_units=bool(row["gated"]),
    )  # fmt: skip
    return float(summary["latency_per_iter"])


answers = []
for row in json.load(sys.stdin):
    try:
        answers.append(seconds(row))
    except Exception as error:  # whatever a peer cannot express is a reason, not a crash
        answers.append(f"{type(error).__name__}: {str(error)[:200]}")
json.dump(answers, sys.stdout)
