"""A cluster's scheduler in discrete events: first come first served, backfill, fair share, preemption.

Taught in chapter 11.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np

from dcserver import catalog
from dcserver.checks import require_between, require_choice, require_whole
from dcserver.progress import Progress, reporter
from dcserver.sharing.schedule import Schedule, Segment
from dcserver.sharing.servers import Parts, Servers
from dcserver.sharing.trace import SERVER, Trace

POLICIES = ("first come, first served", "backfill", "fair share", "preemption")
_JOBS_A_REPORT = 400  # a tenth of a second or so


class _Waiting:
    """Waiting jobs in the order of arrival or, with fair share, those of the user who holds the least first."""

    def __init__(self, trace: Trace, fair: bool) -> None:
        self.user = trace.user.tolist() if fair else [0] * len(trace)
        self.lines: dict[int, list[int]] = {}
        self.holds = dict.fromkeys(self.user, 0)

    def add(self, job: int) -> None:
        insort(self.lines.setdefault(self.user[job], []), job)

    def remove(self, job: int) -> None:
        line = self.lines[self.user[job]]
        del line[bisect_left(line, job)]
        if not line:
            del self.lines[self.user[job]]

    def __iter__(self) -> Iterator[int]:
        if len(self.lines) == 1:
            (line,) = self.lines.values()
            yield from line
            return
        for user in sorted(self.lines, key=lambda u: (self.holds[u], self.lines[u][0])):
            yield from self.lines[user]


class _Run:
    """One simulation: the state between events and what happens at each."""

    def __init__(self, trace: Trace, servers: int, policy: str, pack: bool, overestimate: float, record: bool,
                 constants: Any, report: Progress) -> None:  # fmt: skip
        import simpy

        self.env = simpy.Environment()
        self.trace, self.policy, self.report = trace, policy, report
        self.arrival, self.size = trace.arrival.tolist(), trace.gpus.tolist()
        self.work = trace.duration.tolist()  # seconds still to do
        self.over, self.c, self.record = overestimate, constants, record
        self.depth = int(constants["backfill_depth"])
        self.servers = Servers(servers, pack)
        self.waiting = _Waiting(trace, policy == "fair share")
        self.running: dict[int, tuple[float, float, Parts, Any]] = {}  # job: (since, overhead first, where, end event)
        n = len(trace)
        self.start, self.end, self.promised = np.full((3, n), np.nan)
        self.lost, self.evictions = np.zeros(n), np.zeros(n, dtype=int)
        self.head: int | None = None  # the job that must start next
        self.reserved: tuple[float, set[int]] | None = None
        self.segments: list[Segment] = []
        self.last = self.busy = self.idle_while_blocked = self.stranded = 0.0
        self.horizon, self.done, self.latest = trace.arrival[-1] if n else 0.0, 0, 0.0

    def account(self) -> None:
        """Accelerator-seconds since the last event: busy, idle while a job waits, idle though there are enough for it."""
        now = min(self.env.now, self.horizon)
        if now > self.last:
            free, passed = self.servers.total_free, now - self.last
            self.busy += (self.servers.count * SERVER - free) * passed
            if self.head is not None:
                self.idle_while_blocked += free * passed
                self.stranded += free * passed * (free >= self.size[self.head])
            self.last = now

    # What happens.

    def arrivals(self) -> Generator[Any, Any, None]:
        before = 0.0
        for job, moment in enumerate(self.arrival):
            if moment > before:
                yield self.env.timeout(moment - before)
                before = self.env.now
            self.account()
            self.waiting.add(job)
            self.schedule()

    def finished(self, event: Any) -> None:
        job = event.value
        since, overhead, parts, mine = self.running.get(job, (0.0, 0.0, [], None))
        if mine is not event:  # it was sent away before that
            return
        self.account()
        self.leave(job, since, parts)
        self.end[job], self.work[job] = self.env.now, 0.0
        self.lost[job] += overhead
        self.done += 1
        if self.done % _JOBS_A_REPORT == 0 or self.done == len(self.trace):
            self.report(self.done, len(self.trace))
        self.schedule()

    def begin(self, job: int, parts: Parts) -> None:
        overhead = self.c["restart_time"] if self.evictions[job] else 0.0
        takes = self.work[job] + overhead
        now = self.env.now
        self.servers.take(job, parts, now + takes * self.over)
        event = self.env.timeout(takes, job)
        event.callbacks.append(self.finished)
        self.running[job] = (now, overhead, parts, event)
        self.waiting.holds[self.waiting.user[job]] += self.size[job]
        if np.isnan(self.start[job]):
            self.start[job] = now

    def leave(self, job: int, since: float, parts: Parts) -> None:
        self.servers.give_back(job, parts)
        del self.running[job]
        self.waiting.holds[self.waiting.user[job]] -= self.size[job]
        if self.record:
            self.segments.extend(Segment(s, since, self.env.now, count, job) for s, count in parts)

    def evict(self, job: int) -> None:
        """Send a job away: work since its last checkpoint is lost, and it will need time to restart."""
        since, overhead, parts, _ = self.running[job]
        self.leave(job, since, parts)
        ran = self.env.now - since
        saved = max(ran - overhead, 0.0) // self.c["checkpoint_interval"] * self.c["checkpoint_interval"]
        self.work[job] -= saved
        self.lost[job] += ran - saved
        self.evictions[job] += 1
        self.waiting.add(job)

    # What is decided.

    def schedule(self) -> None:
        while True:
            if self.head is None:
                self.head = next(iter(self.waiting), None)
                if self.head is None:
                    return
                self.waiting.remove(self.head)
            parts = self.servers.find(self.size[self.head])
            if parts is None and self.policy == "preemption" and self.make_room(self.head):
                parts = self.servers.find(self.size[self.head])
            if parts is None:
                break
            self.begin(self.head, parts)
            self.head = self.reserved = None
        if self.policy != POLICIES[0] and self.waiting.lines:
            self.backfill(self.head)

    def backfill(self, head: int) -> None:
        """Start what can run without making the first job wait longer than it must."""
        if self.reserved is None:
            self.reserved = self.servers.earliest(self.size[head])
            self.promised[head] = self.reserved[0]
        moment, kept = self.reserved
        too_large, too_large_and_long = SERVER * self.servers.count + 1, SERVER * self.servers.count + 1
        chosen = []
        for job in islice(self.waiting, self.depth):
            size = self.size[job]
            if size >= too_large:
                continue
            takes = self.work[job] + (self.c["restart_time"] if self.evictions[job] else 0.0)
            outlasts = self.env.now + takes * self.over > moment
            if outlasts and size >= too_large_and_long:
                continue
            parts = self.servers.find(size, kept if outlasts else ())
            if parts is not None:
                self.begin(job, parts)
                chosen.append(job)
                if not self.servers.total_free:
                    break
            elif outlasts:
                too_large_and_long = size
            else:
                too_large = size
        for job in chosen:
            self.waiting.remove(job)

    def make_room(self, job: int) -> bool:
        """Send smaller jobs away that had their minimum run, if that lets this job of whole servers start."""
        size, latest = self.size[job], self.env.now - self.c["minimum_run"]
        if size < SERVER:
            return False
        may_go = {j for j, (since, *_) in self.running.items() if since <= latest and self.size[j] < size}
        victims = self.servers.cheapest_to_clear(size, may_go) if may_go else None
        for victim in sorted(victims or ()):
            self.evict(victim)
        return victims is not None


def simulate(trace: Trace, gpus: int, policy: str = "backfill", *, pack: bool = True, overestimate: float = 1.0,
             record: bool = False, constants: Any = None, progress: Progress | bool | None = None) -> Schedule:  # fmt: skip
    """Run a trace of jobs on a cluster of servers with eight accelerators each.

    Parameters
    ----------
    trace : Trace
        The jobs. One of up to eight accelerators runs within a server; a larger one on whole servers, all at once (a
        gang).
    gpus : int
        Accelerators of the cluster [1], a multiple of eight.
    policy : str
        "first come, first served": the first job waits until it fits, and all others behind it. "backfill" (EASY): the
        first job is promised the earliest moment at which it can start; others may start before it if that does not
        delay it. "fair share": backfill, and the first job is one of the user who holds the fewest accelerators.
        "preemption": backfill, and a job of whole servers may send smaller ones away that had their minimum run.
    pack : bool
        Small jobs go to the fullest server that has room; if not, to the emptiest.
    overestimate : float
        What users say that a job will take, over what it takes [1]; at least 1: jobs are never cut off.
    record : bool
        Keep who ran where and when (for a picture of a small cluster).
    constants : mapping, optional
        Constants of the family "sharing": minimum run, checkpoint interval, restart time, backfill depth.
    progress : callable or True, optional
        Called with jobs finished and jobs in all. Stopping (KeyboardInterrupt) keeps what has been simulated.

    Returns
    -------
    Schedule
        Exact for these rules. Left out: speed that depends on where a job runs, failures, users who go home when the
        queue is long, and decisions that take time. Taught in chapter 11.

    Raises
    ------
    ValueError
        For an unknown policy, accelerators that are no multiple of eight, an estimate below 1, or a job larger than
        the cluster.
    """
    require_choice(POLICIES, policy=policy)
    require_whole(gpus=gpus)
    require_between(1, float("inf"), overestimate=overestimate)
    if gpus % SERVER:
        raise ValueError(f"gpus={gpus} must be a multiple of {SERVER}: servers of {SERVER}")
    if len(trace) and trace.gpus.max() > gpus:
        raise ValueError(f"a job wants {trace.gpus.max():,} accelerators, the cluster has gpus={gpus:,}")
    run = _Run(trace, gpus // SERVER, policy, pack, overestimate, record,
               catalog.constants("sharing") if constants is None else constants, reporter(progress, "jobs"))  # fmt: skip
    run.env.process(run.arrivals())
    complete = True
    try:
        run.env.run()
    except KeyboardInterrupt:
        complete = False
    return Schedule(trace, gpus, policy, run.start, run.end, run.lost, run.evictions, run.promised, run.busy,
                    run.idle_while_blocked, run.stranded, run.last, complete, tuple(run.segments))  # fmt: skip


def compare(trace: Trace, gpus: int, policies: Sequence[str] = POLICIES, *, progress: Progress | bool | None = None,
            **options: Any) -> dict[str, Schedule]:  # fmt: skip
    """The same jobs under several policies, one after the other.

    Parameters
    ----------
    trace, gpus
        As for ``simulate``.
    policies : sequence of str
        Which, in order.
    progress : callable or True, optional
        Called with jobs finished under all policies, and how many there are. Stopping keeps what has been simulated.
    options
        Further arguments of ``simulate``.

    Returns
    -------
    dict
        Policy to ``Schedule``; the last is incomplete, and further ones are missing, if it was stopped. Taught in
        chapter 11.

    Raises
    ------
    ValueError
        As ``simulate``.
    """
    require_choice(POLICIES, policies=list(policies))
    tell, total = reporter(progress, "jobs"), len(trace) * len(policies)
    found: dict[str, Schedule] = {}
    for i, policy in enumerate(policies):

        def tell_all(done: float, _: float, before: int = i * len(trace)) -> None:
            tell(before + done, total)

        found[policy] = simulate(trace, gpus, policy, progress=tell_all, **options)
        if not found[policy].complete:
            break
    return found
