"""What nccl-tests prints, as rows of the table of collectives.

The log is read by its own header, so that versions with and without a root column, or with out-of-place results
only, are read alike. It names no links: the caller adds these as columns.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from dcserver.catalog.tables import measurements

_TAG = re.compile(r"^\[\d+,\d+\]<\w+>:\s?")  # what mpirun --tag-output puts before each line
_RANK = re.compile(r"#\s+Rank\s+(\d+)\s+.*?\bon\s+(\S+)\s+device\s+\d+\s+\[[^\]]*\]\s*(.*?)\s*$")
_START = re.compile(r"#\s*nThreads?:?\s+(\d+)\s+nGpus:?\s+(\d+)\b")
_PROGRAM = re.compile(r"\b([a-z]+(?:_[a-z]+)*)_perf\b")
_NAMES = {"alltoall": "all_to_all", "sendrecv": "point_to_point"}


@dataclass
class _Run:
    """What the comments above a table of results said."""

    collective: str = ""
    in_process: int = 1
    header: list[str] = field(default_factory=list)
    ranks: dict[int, tuple[str, str]] = field(default_factory=dict)


def read_nccl_tests(text: str, **columns: object) -> list[dict[str, str]]:
    """Rows of the table of collectives from the standard output of nccl-tests (or rccl-tests).

    Parameters
    ----------
    text : str
        The whole output, comments included; several runs may follow each other.
    **columns
        What the log does not say, by column of the table: ``intra_node_fabric="NVLink4 + NVSwitch"``,
        ``inter_node_fabric="InfiniBand"``, ``nic_bandwidth_per_gpu_Bps=50e9``; and what it may not say, or what should
        replace what it says: ``accelerator``, ``collective``, ``n_nodes``, ``gpus_per_node``, ``system``.

    Returns
    -------
    list of dict
        One row a message size, out of place: bytes, seconds and B/s as text, as ``csv.DictReader`` gives them.

    Raises
    ------
    ValueError
        If the text is no such log, a line of it is broken, results were wrong, the collective or the number of
        ranks is neither printed nor given, or both are and differ.

    Notes
    -----
    Ranks are counted on the lines "Rank ... on HOST device ..."; HOSTs are the nodes. Sizes count as nccl-tests does:
    for all_gather and reduce_scatter the whole buffer, not one rank's part. Taught in chapter 07.
    """
    if not isinstance(text, str):
        raise ValueError(f"text={type(text).__name__} must be the log's text, not a file or its name")
    allowed = list(measurements("collectives")[0])
    unknown = [name for name in columns if name not in allowed]
    if unknown:
        raise ValueError(f"{unknown[0]} is no column of the table of collectives; its columns are {', '.join(allowed)}")
    given = {name: str(value) for name, value in columns.items() if value is not None}
    rows: list[dict[str, str]] = []
    run = _Run()
    for number, raw in enumerate(text.splitlines(), 1):
        line = _TAG.sub("", raw).strip()
        if program := _PROGRAM.search(line):
            run.collective = program[1]
        if line.startswith("#"):
            _comment(run, line)
        elif re.match(r"\d+\s+\d+\s", line):
            rows += _result(run, line, number, given)
    if not rows:
        raise ValueError("text is no log of nccl-tests with results: no line of size, count, type, time, algbw, busbw")
    return rows


def _comment(run: _Run, line: str) -> None:
    if start := _START.match(line):
        run.in_process, run.ranks, run.header = int(start[2]), {}, []
    elif rank := _RANK.match(line):
        run.ranks[int(rank[1])] = (rank[2], rank[3])
    else:
        words = line.lstrip("# ").split()
        if words[:2] == ["size", "count"] and {"time", "algbw", "busbw"} <= set(words):
            run.header = words


def _result(run: _Run, line: str, number: int, given: dict[str, str]) -> list[dict[str, str]]:
    """One line of results; none for a message of no bytes, which nccl-tests may begin with."""
    if not run.header:
        raise ValueError(f"line {number}: results without the header 'size count type ... time algbw busbw' above them")
    first = run.header.index("time")
    cells = line.split()
    last = len(run.header) - first  # the columns before may be blank, those from the first time on never are
    if not 3 + last <= len(cells) <= len(run.header):
        raise ValueError(f"line {number}: {len(cells)} cells where the header has {len(run.header)} columns: {line!r}")
    results = cells[-last:]
    try:
        size, (time, algorithm, bus) = int(cells[0]), (float(x) for x in results[:3])
    except ValueError:
        raise ValueError(f"line {number}: size, time, algbw or busbw is not a number: {line!r}") from None
    if size == 0:
        return []
    if not 0 < time < float("inf"):
        raise ValueError(f"line {number}: time={time:g} us must be above 0")
    if run.header[first + 3 : first + 4] in (["#wrong"], ["wrong"]) and results[3] not in ("0", "N/A"):
        raise ValueError(f"line {number}: {results[3]} wrong results: a faulty run is no measurement")
    row = _machine(run, given, number)
    collective = given.get("collective") or _NAMES.get(run.collective, run.collective)
    if not collective:
        raise ValueError("the log does not name its collective: say for instance collective='all_reduce'")
    several = f" -g {run.in_process}" if run.in_process > 1 else ""
    return [
        {"system": "own measurement", "tool": f"nccl-tests {collective}_perf{several}", "algorithm": "auto"}
        | row
        | given
        | {"collective": collective, "message_bytes": str(size), "time_s": f"{time * 1e-6:.6g}",
           "algbw_Bps": f"{algorithm * 1e9:.6g}", "busbw_Bps": f"{bus * 1e9:.6g}"}
    ]  # fmt: skip


def _machine(run: _Run, given: dict[str, str], number: int) -> dict[str, str]:
    """Ranks, nodes and accelerator, counted on the lines of the ranks unless given; both must agree."""
    hosts = {host for host, _ in run.ranks.values()}
    names = sorted({name for _, name in run.ranks.values() if name})
    ranks, nodes = _count(given, "n_ranks"), _count(given, "n_nodes")
    each = _count(given, "gpus_per_node")
    counted = len(run.ranks)
    ranks = ranks or counted or nodes * each
    if not ranks:
        raise ValueError("the log lists no ranks: say n_nodes and gpus_per_node")
    nodes = nodes or (ranks // each if each else len(hosts) or 1)
    if counted and ranks != counted:
        raise ValueError(f"line {number}: n_ranks={ranks} is given where the log lists {counted} ranks")
    if each and nodes * each != ranks or nodes < 1 or ranks % nodes:
        raise ValueError(
            f"n_nodes={nodes} times gpus_per_node={each or ranks / nodes:g} is not the log's {ranks} ranks"
        )
    if len(names) > 1 and "accelerator" not in given:
        raise ValueError(f"the log lists several accelerators ({', '.join(names)}): say accelerator")
    row = {"n_ranks": str(ranks), "n_nodes": str(nodes), "gpus_per_node": str(ranks // nodes)}
    return row | {"accelerator": names[0]} if names else row


def _count(given: dict[str, str], name: str) -> int:
    if name not in given:
        return 0
    if not re.fullmatch(r"[1-9]\d*(\.0)?", given[name]):
        raise ValueError(f"{name}={given[name]} must be a whole number, 1 or more")
    return int(float(given[name]))
