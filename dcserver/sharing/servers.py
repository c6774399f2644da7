"""Which accelerators of which server are free: a job within a server must not be cut, a larger one takes whole servers.

Taught in chapter 11.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Collection

from dcserver.sharing.trace import SERVER

Parts = list[tuple[int, int]]  # (server, accelerators of it)


class Servers:
    """Free accelerators of equal servers, and who holds the others until when, as far as they said.

    Parameters
    ----------
    count : int
        Servers of eight accelerators each.
    pack : bool
        A small job goes to the fullest server that has room; if not, to the emptiest.
    """

    def __init__(self, count: int, pack: bool = True) -> None:
        self.count, self.total_free = count, count * SERVER
        self.free = [SERVER] * count
        self.held: list[dict[int, tuple[float, int]]] = [{} for _ in range(count)]  # job: (until, accelerators)
        # Servers by the number of their free accelerators, each list in order: the first fit is found without a scan.
        self._with_free: list[list[int]] = [[] for _ in range(SERVER)] + [list(range(count))]
        self._order = [range(n, SERVER + 1) if pack else range(SERVER, n - 1, -1) for n in range(SERVER + 1)]

    def find(self, gpus: int, shunned: Collection[int] = ()) -> Parts | None:
        """Where a job of that size fits now, away from the shunned servers; None if nowhere."""
        if gpus > self.total_free:
            return None
        if gpus <= SERVER:
            for room in self._order[gpus]:
                for server in self._with_free[room]:
                    if server not in shunned:
                        return [(server, gpus)]
            return None
        needed, empty = gpus // SERVER, self._with_free[SERVER]
        if len(empty) < needed:
            return None
        chosen = [s for s in empty if s not in shunned][:needed] if shunned else empty[:needed]
        return [(s, SERVER) for s in chosen] if len(chosen) == needed else None

    def _move(self, server: int, room: int) -> None:
        old = self._with_free[self.free[server]]
        del old[bisect_left(old, server)]
        insort(self._with_free[room], server)
        self.total_free += room - self.free[server]
        self.free[server] = room

    def take(self, job: int, parts: Parts, until: float) -> None:
        """Give these accelerators to a job that says it will be done by then."""
        for server, gpus in parts:
            self._move(server, self.free[server] - gpus)
            self.held[server][job] = (until, gpus)

    def give_back(self, job: int, parts: Parts) -> None:
        """Take a job's accelerators back."""
        for server, gpus in parts:
            self._move(server, self.free[server] + gpus)
            del self.held[server][job]

    def earliest(self, gpus: int) -> tuple[float, set[int]]:
        """When a job of that size will surely fit if nothing else starts, and on which servers."""
        if gpus > SERVER:
            empty_at = sorted(
                (max((until for until, _ in h.values()), default=0.0), s) for s, h in enumerate(self.held)
            )
            chosen = empty_at[: gpus // SERVER]
            return chosen[-1][0], {s for _, s in chosen}
        best = (float("inf"), -1)
        for server, holders in enumerate(self.held):
            room, when = self.free[server], 0.0
            for until, count in sorted(holders.values()):
                if room >= gpus or until >= best[0]:
                    break
                room, when = room + count, until
            if room >= gpus:
                best = min(best, (when, server))
        return best[0], {best[1]}

    def cheapest_to_clear(self, gpus: int, may_go: Collection[int]) -> set[int] | None:
        """Jobs to send away so that a job of whole servers fits, with as few accelerators as can be; None if it cannot."""
        empty = len(self._with_free[SERVER])
        costs = sorted(
            (SERVER - self.free[s], s)
            for s, holders in enumerate(self.held)
            if holders and all(job in may_go for job in holders)
        )
        needed = gpus // SERVER - empty
        if len(costs) < needed:
            return None
        return {job for _, s in costs[:needed] for job in self.held[s]}
