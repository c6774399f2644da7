"""Hold this package, a rule of thumb and two peers against the same published training steps.

Each peer runs in an environment of its own under build/, with its own defaults. Not part of the tests: it installs them.
Usage: python tools/compare.py
"""

import json
import subprocess
import sys
import venv
from collections import Counter
from pathlib import Path

import numpy as np

from dcserver import catalog
from dcserver.training.machine import machine
from dcserver.validation import score
from dcserver.validation.training_runs import run_of

ROOT = Path(__file__).resolve().parents[1]
PEERS = {"mlsysim": ("mlsysim", "mlsysim_rows.py"), "llm-analysis": ("llm-analysis", "llm_analysis_rows.py")}
TABLES = ("training_megatron_sc21", "training_korthikanti22", "training_bloom_sweep", "training_other")
CODES = ("none", "selective", "full")


def rows() -> list[dict]:
    """Every scored step of a stated layout, with what a peer needs to express it."""
    found = []
    for table in TABLES:
        result, published = score(table), catalog.measurements(table)
        comparison = result.comparison
        for i, family, measured, predicted in zip(comparison.rows, comparison.families or [], comparison.measured,
                                                  result.predicted, strict=True):  # fmt: skip
            if family.endswith(("memory", "activations", "one layer", "whole run")) or "images" in family:
                continue
            try:
                run = run_of(published[i])
            except ValueError:
                continue
            if run.family not in ("dense bf16", "experts or fp8") or len(run.plans) != 1:
                continue
            plan = run.plans[0]
            how = plan.get("recomputation", "none")
            data, micro = plan.get("data_parallel", 1), plan.get("micro_batch", 1)
            model = run.model
            found.append({
                "table": table, "family": run.family, "measured": run.measured,
                "dcserver": float(predicted * run.measured / measured), "accelerator": machine(run.cluster)[1].name,
                "accelerators": run.cluster.accelerators, "parameters": float(model.parameters),
                "active": float(model.active_parameters), "layers": model.layers, "hidden": model.hidden,
                "heads": model.heads, "kv_heads": model.kv_heads, "feed_forward": model.feed_forward,
                "gated": float(model.gated), "vocabulary": model.vocabulary, "experts": float(model.experts),
                "batch": run.batch, "sequence": run.sequence, "data": data, "tensor": plan.get("tensor_parallel", 1),
                "pipeline": plan.get("pipeline_parallel", 1), "interleave": plan.get("interleave", 1), "micro_batch": micro,
                "micro_batches": max(1, run.batch // (data * micro)), "zero": plan.get("zero_stage", 0),
                "recomputation": how if isinstance(how, str) else CODES[int(how)],
                "peak": machine(run.cluster)[1].peak("fp8" if "fp8" in run.dtype else "bf16" if run.dtype != "fp16" else "fp16"),
            })  # fmt: skip
    return found


def rule_of_thumb(row: dict) -> float:
    """6 (8 with full recomputation) x parameters x tokens at half the peak, s."""
    each = 8 if row["recomputation"] == "full" else 6
    return each * row["active"] * row["batch"] * row["sequence"] / (0.5 * row["peak"] * row["accelerators"])


def ask(peer: str, questions: list[dict]) -> list:
    """A peer's answers, from its own environment, made on first use."""
    package, script = PEERS[peer]
    home = ROOT / "build" / "peers" / peer
    python = home / "bin" / "python"
    if not python.exists():
        print(f"installing {package} ...", file=sys.stderr)
        venv.create(home, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    run = subprocess.run([python, ROOT / "tools" / "peers" / script], input=json.dumps(questions), text=True,
                         capture_output=True, check=True)  # fmt: skip
    return json.loads(run.stdout[run.stdout.index("[") :])


def main() -> int:
    questions = rows()
    answers = {"dcserver": [r["dcserver"] for r in questions], "rule of thumb": [rule_of_thumb(r) for r in questions]}
    for peer in PEERS:
        expressible = [r for r in questions if r["experts"] == 1 and r["family"] == "dense bf16"]
        replies = iter(ask(peer, expressible))
        answers[peer] = [next(replies) if r in expressible else "experts or FP8" for r in questions]
    measured = np.array([r["measured"] for r in questions])
    shared = np.array([all(isinstance(a[i], float) for a in answers.values()) for i in range(len(questions))])
    print(
        "| who | steps it can express | median error | 90th percentile | median error on the steps that all express |"
    )
    print("|---|---:|---:|---:|---:|")
    for who, values in answers.items():
        ok = np.array([isinstance(v, float) for v in values])
        errors = np.abs(np.array([v if isinstance(v, float) else np.nan for v in values]) / measured - 1)
        print(f"| {who} | {ok.sum()} of {len(ok)} | {np.median(errors[ok]):.1%} | {np.quantile(errors[ok], 0.9):.1%} | "
              f"{np.median(errors[shared]):.1%} |")  # fmt: skip
    print(f"\n{shared.sum()} steps that all express; what the peers could not:")
    for peer in PEERS:
        reasons = Counter(str(a).partition("(")[0][:100] for a in answers[peer] if not isinstance(a, float))
        for reason, count in reasons.most_common(6):
            print(f"  {peer}: {count} x {reason}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
