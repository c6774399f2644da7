"""A small model guesses, the large one checks: several tokens for one reading of the weights. Taught in chapter 09."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.catalog import Accelerator, Transformer
from dcserver.checks import require_between, require_whole
from dcserver.inference.engines import Engine, as_engine
from dcserver.inference.step import step


@dataclass(frozen=True)
class Speculation:
    """What guessing ahead is worth; fields may hold arrays.

    Taught in chapter 09.

    Attributes
    ----------
    speedup : 1
        Over writing without guesses.
    tokens_per_round : 1
        On average.
    round_time : s
        Of guessing and checking once.
    plain_time : s
        Of one token without guessing.
    breakdown : s
        Guessing, checking; sums to ``round_time``.
    """

    speedup: Any
    tokens_per_round: Any
    round_time: Any  # s
    plain_time: Any  # s of one token without guessing
    breakdown: dict[str, Any]  # s of a round: guessing, checking; sums to round_time


def expected_tokens(acceptance: Any, guesses: Any) -> Any:
    """Tokens that one round yields on average.

    Parameters
    ----------
    acceptance : float or array
        Probability that the large model accepts a guess, each on its own [1].
    guesses : float or array
        Tokens guessed in a round [1].

    Returns
    -------
    float or array
        (1 - a^(k + 1)) / (1 - a) [1]; k + 1 where every guess is right: the check itself yields one more. Source:
        Leviathan et al. 2023 (arXiv:2211.17192). Fails where hard tokens come in runs. Taught in chapter 09.

    Raises
    ------
    ValueError
        For ``acceptance`` outside 0 to 1; ``guesses`` not whole or below 0.

    Examples
    --------
    >>> expected_tokens(0.0, 4), expected_tokens(0.5, 1), expected_tokens(1.0, 4)
    (1.0, 1.5, 5.0)
    """
    require_between(0, 1, acceptance=acceptance)
    require_whole(minimum=0, guesses=guesses)
    a, k = np.asarray(acceptance, dtype=float), np.asarray(guesses, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = (1 - a ** (k + 1)) / (1 - a)
    return plain(np.where(a == 1, k + 1, found))


def speculative(model: Transformer, draft: Transformer, accelerator: Accelerator, *, acceptance: Any = 0.7, guesses: Any = 4,
                requests: Any = 1, context: Any = 1024, engine: Engine | str = "TensorRT-LLM", draft_format: Any = None,
                **how: Any) -> Speculation:  # fmt: skip
    """Speed-up by a draft model on the same accelerators.

    Parameters
    ----------
    model, draft : Transformer
        The one that answers and the one that guesses.
    accelerator : Accelerator
        One device, or a stack of them.
    acceptance, guesses : float or array
        As for ``expected_tokens``.
    requests, context : float or array
        As for ``step``.
    engine : Engine or str
        The software.
    draft_format : str, optional
        Weights of the draft; as the model's if not given.
    **how
        weight_format, kv_dtype, tensor_parallel, fabric, power_limit of ``step``.

    Returns
    -------
    Speculation
        speedup = tokens of a round x time of a plain step / (guesses x draft's step + checking step), where checking reads
        guesses + 1 tokens of each request at once. Below 1 where the batch already fills the matrix units.

    Raises
    ------
    ValueError
        As ``step`` does, and for a probability outside 0 to 1.

    Notes
    -----
    Taught in chapter 09.

    >>> from dcserver import catalog
    >>> big, small, h100 = (catalog.transformer("Llama 3.1 70B"), catalog.transformer("Llama 3.2 1B"),
    ...                     catalog.accelerator("H200"))
    >>> bool(speculative(big, small, h100).speedup > 1.5 > speculative(big, small, h100, requests=1024).speedup)
    True
    """
    e = as_engine(engine)
    b, k = np.asarray(requests, dtype=float), np.asarray(guesses, dtype=float)
    yielded = expected_tokens(acceptance, guesses)
    alone = np.asarray(step(model, accelerator, requests=b, context=context, engine=e, **how).time)
    checking = np.asarray(step(model, accelerator, requests=b, context=context, prefill_tokens=b * k, prompt=1, engine=e,
                               **how).time)  # fmt: skip
    other = how | ({} if draft_format is None else {"weight_format": draft_format})
    guessing = k * np.asarray(step(draft, accelerator, requests=b, context=context, engine=e, **other).time)
    together = guessing + checking
    return Speculation(plain(np.asarray(yielded) * alone / together), plain(yielded + 0 * together), plain(together),
                       plain(alone + 0 * together), {"guessing": plain(guessing + 0 * together),
                                                     "checking": plain(checking + 0 * together)})  # fmt: skip
