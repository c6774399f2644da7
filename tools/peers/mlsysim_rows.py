"""Predict rows with mlsysim, in its own environment: JSON rows on standard input, seconds a step or a reason on output."""

import json
import sys
import warnings

from mlsysim import Hardware, Systems, ureg
from mlsysim.engine.solvers.distributed import DistributedModel
from mlsysim.models.types import TransformerWorkload
from mlsysim.systems.types import Fleet

warnings.simplefilter("ignore")
CARDS = {
    "A100-SXM4-80GB": (Hardware.Cloud.A100, Systems.Nodes.DGX_A100, Systems.Fabrics.InfiniBand_HDR),
    "A100-SXM4-40GB": (Hardware.Cloud.A100_40GB, Systems.Nodes.DGX_A100, Systems.Fabrics.InfiniBand_HDR),
    "H100-SXM5-80GB": (Hardware.Cloud.H100, Systems.Nodes.DGX_H100, Systems.Fabrics.InfiniBand_NDR),
    "B200-SXM-180GB": (Hardware.Cloud.B200, Systems.Nodes.DGX_B200, Systems.Fabrics.InfiniBand_NDR),
}


def seconds(row: dict) -> float:
    """Its step latency, with its default efficiency of one half."""
    card, node, fabric = CARDS[row["accelerator"]]
    per_node = int(min(8, row["accelerators"]))
    fleet = Fleet(
        name="row",
        node=node.model_copy(update={"accelerator": card, "accelerators_per_node": per_node}),
        count=int(row["accelerators"] // per_node),
        fabric=fabric,
    )
    model = TransformerWorkload(
        name="row", architecture="transformer", parameters=row["parameters"] * ureg.count, layers=int(row["layers"]),
        hidden_dim=int(row["hidden"]), heads=int(row["heads"]), kv_heads=int(row["kv_heads"]),
        vocab_size=int(row["vocabulary"]),
    )  # fmt: skip
    result = DistributedModel().solve(
        model, fleet, batch_size=int(row["batch"]), precision="fp16", tp_size=int(row["tensor"]),
        pp_size=int(row["pipeline"]), v_stages=int(row["interleave"]), microbatch_count=int(row["micro_batches"]),
        zero_stage=int(row["zero"]), activation_recomputation=row["recomputation"] == "full", overlap_comm=True,
        seq_len=int(row["sequence"]),
    )  # fmt: skip
    return result.step_latency_total.m_as("second")


answers = []
for row in json.load(sys.stdin):
    try:
        answers.append(seconds(row))
    except Exception as error:  # whatever a peer cannot express is a reason, not a crash
        answers.append(f"{type(error).__name__}: {str(error)[:200]}")
json.dump(answers, sys.stdout)
