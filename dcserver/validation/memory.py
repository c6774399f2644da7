"""Memory as papers state it, by formula or by measurement, against the footprints."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from dcserver import catalog, memory
from dcserver.checks import require_positive
from dcserver.validation.score import Comparison, Constants, Row, number
from dcserver.validation.training_memory import recomputation, transformer

# Where a formula is evaluated to compare it with ours: GPT-3's layer, tensor parallel over eight.
SAMPLE = {"s": 2048.0, "b": 1.0, "h": 12288.0, "a": 96.0, "t": 8.0}
_OPERATORS: dict[type, Callable[[float, float], float]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip

_LARGEST = 1e16  # beyond this a cell is a slip, not a size

Value = tuple[str, str, float, Callable[[Constants], Any]]


def compare(rows: Sequence[Row]) -> Comparison:
    """Pair each stated size with the model's; what a row does not state well enough is not covered."""
    scored: list[tuple[int, str, str, float, Callable[[Constants], Any]]] = []
    uncovered: dict[int, str] = {}
    for i, row in enumerate(rows):
        try:
            found = _value(row)
        except (ValueError, ZeroDivisionError) as error:
            uncovered[i] = str(error)
            continue
        if isinstance(found, str):
            uncovered[i] = found
        else:
            scored.append((i, *found))

    def predict(constants: Constants | None) -> np.ndarray:
        c = catalog.constants("training_memory") if constants is None else constants
        return np.array([model(c) for *_, model in scored], dtype=float)

    return Comparison(
        rows=[s[0] for s in scored], quantities=[s[1] for s in scored], groups=[s[2] for s in scored],
        measured=np.array([s[3] for s in scored], dtype=float), predict=predict, uncovered=uncovered,
        # Formulas earn the bar of their rounding; a measurement is as uncertain as the measured sweep.
        families=["training_bloom_sweep" if s[2].startswith("measured") else "memory" for s in scored],
    )  # fmt: skip


def evaluate(formula: str, values: dict[str, float]) -> float:
    """A formula of names, numbers, + - * / and brackets at given values.

    Raises
    ------
    ValueError
        For anything else in it.
    """

    def walk(node: ast.AST) -> float:
        if isinstance(node, ast.Expression):
            return walk(node.body)
        if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
            return float(node.value)
        if isinstance(node, ast.Name) and node.id in values:
            return values[node.id]
        if isinstance(node, ast.BinOp) and type(node.op) in _OPERATORS:
            return _OPERATORS[type(node.op)](walk(node.left), walk(node.right))
        raise ValueError("not a formula of s, b, h, a, t")

    if len(formula) > 200:
        raise ValueError("not a formula of s, b, h, a, t")
    try:
        return walk(ast.parse(formula, mode="eval"))
    except SyntaxError:
        raise ValueError("not a formula of s, b, h, a, t") from None


def _positive(row: Row, column: str, otherwise: float = float("nan")) -> float:
    value = number(row, column)
    value = otherwise if np.isnan(value) else value
    if np.isnan(value):
        raise ValueError(f"{column} is not stated")
    require_positive(**{column: value})
    if value > _LARGEST:
        raise ValueError(f"{column} is larger than any machine")
    return value


def _group(row: Row, kind: str) -> str:
    measured = "measured" in (row.get("evidence") or "").lower()
    return f"{'measured' if measured else 'analytic'}: {kind}"


def _optimizer_plan(row: Row) -> dict[str, Any]:
    words = " ".join((row.get(c) or "") for c in ("dtype", "item", "notes")).lower()
    dtype = "bf16" if any(w in words for w in ("fp16", "bf16", "mixed", "half")) else "fp32"
    optimizer = "sgd_momentum" if "sgd" in words else "adam_8bit" if "8-bit" in words else "adam"
    return {"dtype": dtype, "optimizer": optimizer}


def _value(row: Row) -> Value | str:
    quantity = (row.get("quantity") or "").lower()
    category = (row.get("category") or "").lower()
    raw = (row.get("value_bytes") or "").strip()
    if "formula" in category:
        return _layer_formula(row, raw or (row.get("quantity") or ""))
    if not raw:
        return "no value stated"
    if not _is_number(raw):
        return "value_bytes is not a number"
    stated = _positive(row, "value_bytes")
    if "bytes per parameter" in quantity:
        plan = _optimizer_plan(row)
        return quantity, _group(row, "bytes a parameter"), stated, lambda c: memory.state_bytes(**plan).total
    if "parameters" in quantity and "optimizer" in quantity:
        return _model_states(row, quantity, stated)
    if "kv" in quantity or "key-value" in quantity or "cache" in quantity:
        return _kv_cache(row, quantity, stated)
    if any(word in quantity for word in ("activation", "peak", "total", "allocated", "reserved")):
        return _training(row, quantity, stated)
    return f"no model for the quantity {row.get('quantity') or '(none)'}"


def _is_number(raw: str) -> bool:
    try:
        float(raw)
    except ValueError:
        return False
    return True


def _layer_formula(row: Row, raw: str) -> Value | str:
    item = (row.get("item") or "").lower()
    stated = evaluate(raw, SAMPLE)
    require_positive(value_bytes=stated)
    tensor = SAMPLE["t"] if "tensor" in item else 1.0
    hidden, heads = SAMPLE["h"], SAMPLE["a"]
    model = catalog.Transformer(name="sample", layers=1, hidden=hidden, heads=heads, kv_heads=heads,
                                head_dim=hidden / heads, feed_forward=4 * hidden, gated=0, experts=1,
                                sequence=SAMPLE["s"])  # fmt: skip
    how = "full" if "full" in item else recomputation(item, "none")
    layer = memory.layer_activations(model, micro_batch=SAMPLE["b"], tensor_parallel=tensor,
                                     sequence_parallel="sequence" in item, recomputation=how, fused_attention=False,
                                     dropout=True)  # fmt: skip
    return (
        "activations of a layer, formula at GPT-3's size",
        "analytic: activation formula",
        stated,
        lambda c: layer.stored,
    )


def _model_states(row: Row, quantity: str, stated: float) -> Value | str:
    parameters = _positive(row, "params")
    shards = _positive(row, "data_parallel", _positive(row, "n_gpus", 1.0))
    split = _positive(row, "tensor_parallel", 1.0) * _positive(row, "pipeline_parallel", 1.0)
    zero = number(row, "zero_stage")
    zero = 0.0 if np.isnan(zero) else zero
    if zero not in (0, 1, 2, 3):
        return f"zero_stage={zero:g} is not one of 0, 1, 2, 3"
    # One layer without attention that has just these parameters: the footprint then shards them as any other.
    model = catalog.Transformer(name="parameters", layers=1, hidden=1, heads=1, kv_heads=1, head_dim=0.0,
                                feed_forward=parameters / split, gated=-1.0, vocabulary=0.0, sequence=1, experts=1,
                                tied_embeddings=1)  # fmt: skip
    plan = _optimizer_plan(row)

    states = memory.training_footprint(model, data_parallel=shards, zero_stage=int(zero), validate=False,
                                       **plan).model_states  # fmt: skip
    return quantity, _group(row, "model states"), stated, lambda c: states


def _kv_cache(row: Row, quantity: str, stated: float) -> Value | str:
    heads = _positive(row, "kv_heads", number(row, "heads"))
    hidden, all_heads = number(row, "hidden"), number(row, "heads")
    width = _positive(row, "head_dim", hidden / all_heads)
    model = catalog.Transformer(name="as in the row", layers=_positive(row, "layers"), kv_heads=heads, head_dim=width)
    dtype = (row.get("dtype") or "bf16").strip().lower()
    tokens = 1.0
    if "per token" not in quantity:
        tokens = _positive(row, "seq_len_tokens") * _positive(row, "micro_batch_seqs", 1.0)
    each = memory.kv_bytes_per_token(model, dtype, _positive(row, "tensor_parallel", 1.0),
                                     _positive(row, "pipeline_parallel", 1.0))  # fmt: skip
    return quantity, _group(row, "key-value cache"), stated, lambda c: each * tokens


def _training(row: Row, quantity: str, stated: float) -> Value | str:
    model = transformer(row)
    words = " ".join((row.get(c) or "") for c in ("item", "notes", "category")).lower()
    zero = number(row, "zero_stage")
    zero = 0.0 if np.isnan(zero) else zero
    if zero not in (0, 1, 2, 3):
        return f"zero_stage={zero:g} is not one of 0, 1, 2, 3"
    plan = _optimizer_plan(row) | {
        "micro_batch": _positive(row, "micro_batch_seqs"), "data_parallel": _positive(row, "data_parallel", 1.0),
        "tensor_parallel": _positive(row, "tensor_parallel", 1.0),
        "pipeline_parallel": _positive(row, "pipeline_parallel", 1.0), "zero_stage": int(zero),
        "recomputation": recomputation(words, "none"), "fused_attention": "flash" in words or "fused" in words,
        "sequence_parallel": "sequence parallel" in words,
    }  # fmt: skip

    def footprint(c: Constants) -> Any:
        found = memory.training_footprint(model, validate=False, constants=c, **plan)
        return found.activations if "activation" in quantity else found.total

    return quantity, _group(row, "training"), stated, footprint
