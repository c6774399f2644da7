"""Requests come when they like: a continuous-batching server simulated event by event, many queues at once.

Between two events (a request comes, a prompt has been read, an answer ends) every step of a queue is like the last, but
for one more token of context each; so a queue jumps from event to event, and all queues jump together.
Taught in chapter 09.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from dcserver import queueing
from dcserver.checks import require_between, require_positive, require_whole
from dcserver.inference.cost import StepCost
from dcserver.progress import Progress, reporter
from dcserver.units import format_time, significant

_REPORT = 50  # events between two words of progress
WARM_UP = 0.1  # share of the requests, the first, that percentiles leave out: they meet an empty server


@dataclass(frozen=True)
class ServedRequests:
    """What each request of each queue went through; the last axis is the request. NaN: not served when it was stopped.

    Taught in chapter 09.

    Attributes
    ----------
    rate : 1/s
        Requests that came.
    first_token : s
        From arrival to the first token.
    per_token : s
        Mean of the further tokens.
    finished : s
        Moment of the last token.
    busy : 1
        Share of the time in which a step ran.
    mean_batch : 1
        Requests that wrote, mean over steps.
    output_tokens : 1
        Of each request.
    complete : bool
        False if it was stopped before the end.
    """

    rate: Any  # requests a second that came
    first_token: np.ndarray  # s, from arrival to the first token
    per_token: np.ndarray  # s, mean of the further tokens
    finished: np.ndarray  # s, moment
    busy: np.ndarray  # share of the time in which a step ran
    mean_batch: np.ndarray  # requests that wrote, mean over steps
    output_tokens: np.ndarray
    complete: bool

    def quantile(self, what: str, share: float = 0.99) -> np.ndarray:
        """The time that so large a share of the requests did not exceed: of "first_token" or "per_token"."""
        values = getattr(self, what)
        found = np.full(values.shape[:-1], np.nan)
        for at in np.ndindex(found.shape):
            known = values[at][~np.isnan(values[at])]
            known = known[int(WARM_UP * known.size) :]
            found[at] = np.quantile(known, share) if known.size else np.nan
        return found

    @property
    def tokens_per_second(self) -> np.ndarray:
        """Answer tokens a second from the first arrival to the last end, of what was served."""
        with np.errstate(invalid="ignore"):
            end = np.nanmax(np.where(np.isnan(self.finished), 0.0, self.finished), axis=-1)
        written = np.where(np.isnan(self.finished), 0.0, self.output_tokens).sum(axis=-1)
        return written / np.maximum(end, 1e-300)

    def __str__(self) -> str:
        lines = []
        for rate, first, token, busy in zip(np.ravel(self.rate), np.ravel(self.quantile("first_token")),
                                            np.ravel(self.quantile("per_token")), np.ravel(self.busy), strict=True):  # fmt: skip
            lines.append(f"{significant(float(rate))} requests/s: 99 of 100 see their first token within "
                         f"{format_time(float(first))}, then one every {format_time(float(token))}; busy {busy:.0%}")  # fmt: skip
        return "\n".join(lines)


def serve(cost: StepCost, rate: Any, *, input_tokens: Any, output_tokens: Any, requests: int = 2000, burstiness: Any = 1.0,
          concurrency: int | None = None, seed: int = 0, progress: bool | Progress | None = None) -> ServedRequests:  # fmt: skip
    """Requests that arrive at random at one server with continuous batching, first come first served.

    Parameters
    ----------
    cost : StepCost
        What a step of the server costs (see ``step_cost``).
    rate : float or array
        Requests a second on average [1/s], one queue for each.
    input_tokens, output_tokens : float or array (requests,)
        Of each request [token]; a number holds for all.
    requests : int
        Requests of each queue [1].
    burstiness : float or array
        Squared coefficient of variation of the gaps between arrivals [1]; 1 is Poisson; broadcasts with the rates.
    concurrency : int, optional
        Requests at work at once; what memory and engine allow if not given.
    seed : int
        The same seed gives the same arrivals; all rates share the draw.
    progress : optional
        See ``dcserver.progress``.

    Returns
    -------
    ServedRequests
        When interrupted, with what is done so far, and ``complete`` False.

    Raises
    ------
    ValueError
        For rates or lengths that are not positive.

    Notes
    -----
    A step reads waiting prompts in the order of arrival, as many tokens as the chunk allows, and writes one token of
    every answer under way (chunked prefill). One request at a time and equal lengths make it the M/D/1 queue of
    ``queueing``. Leaves out: prefixes that requests share, requests put back for want of memory, the network.
    Taught in chapter 09.
    """
    require_positive(rate=rate, input_tokens=input_tokens, output_tokens=output_tokens)
    require_whole(requests=requests)
    given, bursts = np.broadcast_arrays(np.asarray(rate, dtype=float), np.asarray(burstiness, dtype=float))
    rates, shape = given.ravel(), given.shape
    arrivals = np.empty((rates.size, requests))
    for kind in dict.fromkeys(bursts.ravel().tolist()):  # over kinds of traffic, not over queues
        of_it = bursts.ravel() == kind
        arrivals[of_it] = queueing.poisson_arrivals(rates[of_it], requests, seed, burstiness=kind)
    i, o = (np.broadcast_to(np.maximum(np.round(np.asarray(x, dtype=float)), 1.0), (requests,)) for x in
            (input_tokens, output_tokens))  # fmt: skip
    run = _Run(cost, arrivals, i, o, cost.most_requests if concurrency is None else int(concurrency))
    report = reporter(progress, "requests")
    complete = True
    total = rates.size * requests
    try:
        events = 0
        while run.advance():
            events += 1
            if events % _REPORT == 0:
                report(run.served, total)
        report(total, total)
    except KeyboardInterrupt:
        complete = False
    with np.errstate(invalid="ignore", divide="ignore"):
        per_token = (run.finished - run.first) / np.maximum(o - 1, 1.0)
        batch = run.written / np.maximum(run.steps, 1.0)

    def shaped(x: np.ndarray) -> np.ndarray:
        return x.reshape(shape + x.shape[1:])

    return ServedRequests(given, shaped(run.first - arrivals), shaped(per_token), shaped(run.finished),
                          shaped(run.busy / np.maximum(run.now, 1e-300)), shaped(batch), o, complete)  # fmt: skip


class _Run:
    """State of all queues: a row for each, a column for each place at which a request can be at work."""

    def __init__(self, cost: StepCost, arrivals: np.ndarray, i: np.ndarray, o: np.ndarray, places: int) -> None:
        queues, requests = arrivals.shape
        places = max(1, min(places, requests))
        self.cost, self.arrivals, self.input, self.output = cost, arrivals, i, o
        self.request = np.full((queues, places), -1)  # which request sits where; -1: none
        self.unread = np.zeros((queues, places))  # prompt tokens
        self.unwritten = np.zeros((queues, places))  # answer tokens
        self.context = np.zeros((queues, places))  # tokens in the cache
        self.next = np.zeros(queues, dtype=int)  # next request to be let in
        self.now, self.busy = np.zeros(queues), np.zeros(queues)
        self.steps, self.written = np.zeros(queues), np.zeros(queues)
        self.first, self.finished = np.full(arrivals.shape, np.nan), np.full(arrivals.shape, np.nan)
        self.served, self.rows = 0, np.arange(queues)

    def _coming(self) -> np.ndarray:
        """Moment at which the next request comes; never, after the last."""
        last = self.arrivals.shape[1] - 1
        return np.where(self.next > last, np.inf, self.arrivals[self.rows, np.minimum(self.next, last)])

    def _let_in(self) -> None:
        """Requests that have come take free places, one for each queue and turn."""
        while True:
            taken = self.request >= 0
            able = (self._coming() <= self.now) & ~taken.all(axis=1)
            if not able.any():
                return
            q = self.rows[able]
            place, new = np.argmin(taken[q], axis=1), self.next[q]
            self.request[q, place] = new
            self.unread[q, place], self.unwritten[q, place] = self.input[new], self.output[new]
            self.context[q, place] = 0.0
            self.next[q] += 1

    def advance(self) -> bool:
        """Every queue goes on to its next event; False when all is served."""
        idle = ~(self.request >= 0).any(axis=1)
        coming = self._coming()
        jump = idle & np.isfinite(coming)
        self.now = np.where(jump, np.maximum(self.now, coming), self.now)
        self._let_in()
        taken = self.request >= 0
        if not taken.any():
            return False
        reading = taken & (self.unread > 0)
        writing = taken & ~reading
        reads = reading.any(axis=1)
        fresh = self._share_chunk(reading) if reads.any() else np.zeros_like(self.unread)
        b, held = writing.sum(axis=1), np.where(writing, self.context, 0.0).sum(axis=1)
        tokens = fresh.sum(axis=1)
        length = np.where(reads, (fresh * (2 * self.context + fresh)).sum(axis=1) / np.maximum(tokens, 1.0), 0.0)
        at_work = taken.any(axis=1)
        first = np.where(at_work, self.cost.seconds(b, held, tokens, length), 0.0)

        # A queue that reads takes one step; one that only writes, as many as leave everything as it is.
        growth = self.cost.context * b
        shortest = np.where(writing, self.unwritten, np.inf).min(axis=1)
        gap = np.where(taken.all(axis=1), np.inf, self._coming() - self.now)
        with np.errstate(invalid="ignore", divide="ignore"):
            until = np.where(growth > 0, (np.sqrt((first - growth / 2) ** 2 + 2 * growth * gap) - (first - growth / 2)) / growth,
                             gap / first)  # fmt: skip
        until = np.ceil(np.where(np.isnan(until), np.inf, until) - 1e-9)
        steps = np.where(reads, 1.0, np.maximum(np.minimum(shortest, until), 1.0))
        steps = np.where(at_work, steps, 0.0)
        spent = steps * first + growth * steps * (steps - 1) / 2
        self.now, self.busy = self.now + spent, self.busy + spent
        self.steps, self.written = self.steps + steps, self.written + steps * b

        went = np.where(writing, steps[:, None], 0.0)
        self.unwritten -= went
        self.context += went + fresh
        self.unread -= fresh
        read = reading & (self.unread <= 0.5)  # the step that ends a prompt gives the first token
        q, place = np.nonzero(read)
        self.first[q, self.request[q, place]] = self.now[q]
        self.unwritten[q, place] -= 1
        self.context[q, place] += 1
        over = taken & (self.unwritten <= 0.5) & (self.unread <= 0.5)
        q, place = np.nonzero(over)
        self.finished[q, self.request[q, place]] = self.now[q]
        self.request[q, place] = -1
        self.served += len(q)
        return True

    def _share_chunk(self, reading: np.ndarray) -> np.ndarray:
        """Prompt tokens that each place reads in this step: the oldest request first, up to the chunk."""
        order = np.argsort(np.where(reading, self.request, np.iinfo(int).max), axis=1, kind="stable")
        wanted = np.take_along_axis(np.where(reading, self.unread, 0.0), order, axis=1)
        before = np.cumsum(wanted, axis=1) - wanted
        given = np.clip(self.cost.chunk - before, 0.0, wanted)
        out = np.zeros_like(given)
        np.put_along_axis(out, order, given, axis=1)
        return out


@dataclass(frozen=True)
class Capacity:
    """The largest rate at which a server keeps its promise, and what it was tried at.

    Taught in chapter 09.

    Attributes
    ----------
    rate : 1/s
        Requests a second at which the promise is just kept.
    tokens_per_second : 1/s
        Written at that rate.
    share : 1
        Of the highest rate tried.
    rates : 1/s
        That were tried.
    first_token, per_token : s
        At the percentile, for each rate tried.
    limit : str
        Which part of the promise is broken first.
    """

    rate: float  # requests a second
    tokens_per_second: float
    share: float  # of the highest rate tried
    rates: np.ndarray
    first_token: np.ndarray  # s, at the percentile
    per_token: np.ndarray  # s, at the percentile
    limit: str


def capacity(cost: StepCost, *, input_tokens: Any, output_tokens: Any, first_token: float = 2.0, per_token: float = 0.2,
             percentile: float = 0.99, highest: float | None = None, points: int = 12, requests: int = 1000,
             burstiness: float = 1.0, seed: int = 0, progress: bool | Progress | None = None) -> Capacity:  # fmt: skip
    """Largest rate of requests at which a service objective is met.

    Parameters
    ----------
    cost, input_tokens, output_tokens, requests, burstiness, seed
        As for ``serve``.
    first_token, per_token : float
        Seconds within which the first token, and on average each further one, must come [s].
    percentile : float
        For so large a share of the requests [1].
    highest : float, optional
        Rate up to which it is tried [1/s]; what the server gets through at best if not given.
    points : int
        Rates tried at once, in each of two rounds [1].
    progress : optional
        See ``dcserver.progress``.

    Returns
    -------
    Capacity
        ``rate`` is 0 where even a lonely request breaks the promise.

    Raises
    ------
    ValueError
        For ``first_token`` or ``per_token`` not above 0; ``percentile`` outside 0.0 to 1.0; ``points`` not whole or
        below 3.

    Notes
    -----
    Two rounds of simulation: an even grid, then a finer one between the last rate that passes and the next.
    Taught in chapter 09.
    """
    require_positive(first_token=first_token, per_token=per_token)
    require_between(0.0, 1.0, percentile=percentile)
    require_whole(points=points, minimum=3)
    top = best_rate(cost, float(np.mean(input_tokens)), float(np.mean(output_tokens))) if highest is None else highest
    low, high, limit = 0.0, top, "throughput"
    tried: list[tuple[float, float, float]] = []
    passed = {0.0}
    for _ in range(2):
        rates = np.linspace(low, high, points + 1)[1:]
        done = serve(cost, rates, input_tokens=input_tokens, output_tokens=output_tokens, requests=requests,
                     burstiness=burstiness, seed=seed, progress=progress)  # fmt: skip
        first, each = done.quantile("first_token", percentile), done.quantile("per_token", percentile)
        tried += list(zip(rates.tolist(), first.tolist(), each.tolist(), strict=True))
        good = (first <= first_token) & (each <= per_token)
        passed |= set(rates[good].tolist())
        failing = np.nonzero(~good)[0]
        if not done.complete:
            limit = "interrupted"
            break
        if not len(failing):
            low = high
            break
        k = int(failing[0])
        limit = "time to first token" if first[k] > first_token else "time per token"
        low, high = (float(rates[k - 1]) if k else low), float(rates[k])
    tried.sort()
    best = max(r for r in passed if r < high or high == low)
    columns = np.array(tried).T
    return Capacity(best, best * float(np.mean(output_tokens)), best / top, columns[0], columns[1], columns[2], limit)


def best_rate(cost: StepCost, input_tokens: float, output_tokens: float) -> float:
    """Requests a second of a server that never runs out of work: as many at work as fit, prompts mixed in.

    Parameters
    ----------
    cost : StepCost
        What a step of the engine costs.
    input_tokens, output_tokens : float
        Of every request.

    Returns
    -------
    float, 1/s

    Notes
    -----
    Equation: b / (output tokens x seconds of a step that writes b tokens and reads b x input / output), with b the most
    requests that memory, engine and chunk allow. Fails for lengths that vary much: see ``serve``. Taught in chapter 09.
    """
    b = min(cost.most_requests, cost.chunk * output_tokens / input_tokens)
    b = max(b, 1.0)
    fresh = b * input_tokens / output_tokens
    time = cost.seconds(b, b * (input_tokens + output_tokens / 2), fresh, input_tokens)
    return float(b / output_tokens / time)
