"""What a million tokens cost, read and written. Taught in chapter 09."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver.arrays import plain
from dcserver.catalog import Accelerator, Transformer
from dcserver.checks import require_between, require_positive
from dcserver.inference.offline import Throughput, offline
from dcserver.inference.step import step

MILLION = 1e6
HOUR = 3600.0


@dataclass(frozen=True)
class TokenPrice:
    """Rent of the accelerators, laid on the tokens that they read and write; fields may hold arrays.

    Taught in chapter 09.

    Attributes
    ----------
    input, output : USD
        A million tokens read, and written.
    request : USD
        One request.
    throughput : Throughput
        What the prices stand on.
    """

    input: Any  # USD a million tokens read
    output: Any  # USD a million tokens written
    request: Any  # USD a request
    throughput: Throughput

    @property
    def blended(self) -> Any:
        """Everything laid on the tokens that are written, USD a million."""
        return self.request * self.throughput.requests_per_second / self.throughput.tokens_per_second * MILLION


def price_per_million(usd_per_hour: Any, tokens_per_second: Any) -> Any:
    """Rent over tokens, USD a million.

    Parameters
    ----------
    usd_per_hour : float or array
        Of all accelerators together [USD/h].
    tokens_per_second : float or array
        That they write, on average over the hours that are paid [1/s].

    Returns
    -------
    float or array
        usd / 3600 / tokens x 1e6 [USD]; infinite for none. Taught in chapter 09.

    Raises
    ------
    ValueError
        For ``usd_per_hour`` not above 0.

    Examples
    --------
    >>> round(price_per_million(3.6, 1000), 6)
    1.0
    """
    require_positive(usd_per_hour=usd_per_hour)
    with np.errstate(divide="ignore"):
        return plain(
            np.asarray(usd_per_hour, dtype=float) / HOUR / np.asarray(tokens_per_second, dtype=float) * MILLION
        )


def token_price(model: Transformer, accelerator: Accelerator, *, input_tokens: Any, output_tokens: Any, usd_per_hour: Any,
                load: Any = 1.0, tensor_parallel: Any = 1, **how: Any) -> TokenPrice:  # fmt: skip
    """Prices of tokens read and written, so that they pay for every second of a server's steps.

    Parameters
    ----------
    model, accelerator, input_tokens, output_tokens, tensor_parallel
        As for ``offline``.
    usd_per_hour : float or array
        Of one accelerator [USD/h].
    load : float or array
        Share of the offline rate that comes, on average over the hours that are paid [1].
    **how
        Further arguments of ``offline``.

    Returns
    -------
    TokenPrice
        What a step takes longer for the prompts in it is laid on the tokens read, the rest on those written; both over
        the load. ``input_tokens`` x input + ``output_tokens`` x output is the price of a request.

    Raises
    ------
    ValueError
        As ``offline`` does, and for a price or load that is not positive.

    Notes
    -----
    Rent only; profit, idle spares and the network come on top. Taught in chapter 09.
    """
    require_positive(usd_per_hour=usd_per_hour, load=load)
    require_between(0, 1, load=load)
    done = offline(model, accelerator, input_tokens=input_tokens, output_tokens=output_tokens,
                   tensor_parallel=tensor_parallel, **how)  # fmt: skip
    i, o = np.asarray(input_tokens, dtype=float), np.asarray(output_tokens, dtype=float)
    batch = np.maximum(np.asarray(done.concurrency), 1.0)
    known = {k: how[k] for k in ("weight_format", "kv_dtype", "engine", "fabric", "power_limit") if k in how}
    beams = np.asarray(how.get("beams", 1), dtype=float)
    writing = step(
        model, accelerator, requests=batch * beams, context=i + o / 2, tensor_parallel=tensor_parallel, **known
    )
    second = np.asarray(usd_per_hour, dtype=float) * np.asarray(tensor_parallel, dtype=float) / HOUR / np.asarray(load)
    rate = np.asarray(done.requests_per_second)
    with np.errstate(divide="ignore", invalid="ignore"):
        request = np.where(rate > 0, second / rate, np.inf)
        share = np.asarray(writing.time) / np.asarray(done.step.time)
    return TokenPrice(
        plain(request * (1 - share) / i * MILLION), plain(request * share / o * MILLION), plain(request), done
    )
