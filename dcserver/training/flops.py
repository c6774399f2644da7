"""Counting the arithmetic of training; a multiply-add is two FLOP. Taught in chapter 07."""

from __future__ import annotations

from typing import Any

import numpy as np

from dcserver.arrays import plain_float
from dcserver.catalog import Transformer
from dcserver.checks import require_positive


def attention_flops(model: Transformer, tokens: Any, sequence: Any, causal: Any = None) -> Any:
    """FLOP of scores and weighted values of one layer, forward.

    Parameters
    ----------
    model : Transformer
        Its heads, their width, and whether attention is causal.
    tokens : float or array
        Tokens that pass the layer.
    sequence : float or array
        Tokens that each of them may look at.
    causal : bool or array, optional
        Whether a token sees only earlier ones; the model's if not given.

    Returns
    -------
    float or array, FLOP

    Notes
    -----
    Equation: 4 tokens x sequence x heads x head width; half of that where a token sees only earlier ones. Fails where a
    kernel computes the masked half and throws it away: the stack's ``causal_skip`` says which do. Taught in chapter 07.
    """
    masked = np.where(model.causal if causal is None else causal, 0.5, 1.0)
    return 4 * np.asarray(tokens, dtype=float) * sequence * model.heads * model.head_dim * masked


def layer_flops(model: Transformer, tokens: Any) -> Any:
    """FLOP of one layer's matrix products with weights, forward.

    Parameters
    ----------
    model : Transformer
        Its dimensions.
    tokens : float or array
        Tokens that pass the layer.

    Returns
    -------
    float or array, FLOP

    Notes
    -----
    Equation: 2 x tokens x weights that a token meets (attention, router, and the experts that it visits). Leaves out
    attention's scores (``attention_flops``). Taught in chapter 07.
    """
    moe = np.asarray(model.experts) > 1
    visits = np.where(moe, model.experts_per_token + np.asarray(model.shared_experts), 1.0)
    router = np.where(moe, model.hidden * model.experts, 0.0)
    return (
        2 * np.asarray(tokens, dtype=float) * (model.attention_parameters + router + visits * model.expert_parameters)
    )


def training_flops(model: Transformer, tokens: Any, sequence: Any = None, recomputation: Any = 0,
                   causal: Any = None) -> Any:  # fmt: skip
    """FLOP that training spends on so many tokens: forward once, backward twice, recomputation as chosen.

    Parameters
    ----------
    model : Transformer
    tokens : float or array
        Tokens [token].
    sequence : float or array, optional
        Tokens of a sequence; the model's own if not given.
    recomputation : int or array
        0 none: the model's own FLOP; 1 selective: attention's inner part once more; 2 full: every layer once more.
    causal : bool or array, optional
        Whether attention counts only the scores that a token may see; the model's own if not given. Papers of the
        Megatron line count all of them: pass False.

    Returns
    -------
    float or array, FLOP

    Raises
    ------
    ValueError
        For ``tokens`` or ``sequence`` not above 0.

    Notes
    -----
    Equation: L (3 or 4) layer + (3, 4 or 4) attention, plus 3 x 2 tokens x hidden x vocabulary for the logits. With
    all scores counted, full recomputation and a plain GPT this is equation 3 of arXiv:2104.04473,
    96 B s L h^2 (1 + s / 6h + V / 16 L h). Taught in chapter 07.

    >>> from dcserver import catalog
    >>> gpt3 = catalog.transformer("Megatron 175B")
    >>> round(training_flops(gpt3, 2048 * 1536, recomputation=2, causal=False) / 4.515e18, 2)
    1.0
    """
    require_positive(tokens=tokens)
    sequence = model.sequence if sequence is None else sequence
    require_positive(sequence=sequence)
    full = np.asarray(recomputation) == 2
    times = np.where(full, 4.0, 3.0)
    inner_times = np.where(np.asarray(recomputation) >= 1, 4.0, 3.0)
    layers = model.layers * (times * layer_flops(model, tokens)
                             + inner_times * attention_flops(model, tokens, sequence, causal))  # fmt: skip
    total = layers + 6 * np.asarray(tokens, dtype=float) * model.hidden * model.vocabulary
    return plain_float(total)
