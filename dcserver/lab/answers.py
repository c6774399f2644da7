"""What the learner answered, kept for the session in this process, and in a file only when asked.

Answers are keyed by chapter and name, so running a cell twice loses nothing. Nothing leaves the machine.
"""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Key = tuple[str, str, str]  # chapter, kind (recall, predict, check, quiz), name

_FORMAT = "dcserver progress 1"
_KINDS = {"recall": "recall", "predict": "prediction", "check": "exercise", "quiz": "quiz"}
_chapter = ""
_answers: dict[Key, dict[str, Any]] = {}
_listeners: dict[tuple[Key | None, str], Callable[[], None]] = {}


def chapter(number: int | str) -> None:
    """Says which chapter the following cells belong to; stands in its set-up cell.

    number: a chapter's number, or any short name
    """
    global _chapter
    _chapter = f"{number:02d}" if isinstance(number, int) else str(number)


def key(kind: str, name: str) -> Key:
    """Where the answer of that kind and name is kept in the present chapter."""
    return (_chapter, kind, name)


def get(where: Key) -> dict[str, Any]:
    """The answer kept there: empty if there is none."""
    return _answers.get(where, {})


def enrol(where: Key) -> None:
    """Lists something in the progress table before it is answered."""
    _answers.setdefault(where, {})


def put(where: Key, **what: Any) -> None:
    """Keeps an answer and tells the cards that show it."""
    _answers[where] = {**get(where), **what}
    _tell(where)


def listen(where: Key | None, who: str, call: Callable[[], None]) -> None:
    """Calls back when that answer (None: any) changes; a cell that runs again takes the place of its former self."""
    _listeners[where, who] = call


def _tell(where: Key) -> None:
    for (heard, _), call in list(_listeners.items()):
        if heard in (where, None):
            call()


def _state(kind: str, answer: dict[str, Any]) -> str:
    if not answer:
        return "open"
    if kind == "predict":
        return {True: "predicted, right", False: "predicted, surprised"}.get(answer.get("right"), "predicted")  # type: ignore[arg-type]
    if kind == "check":
        return "solved" if answer.get("right") else "tried"
    return f"{answer.get('score', 0)} of {answer.get('of', 0)} right"


def overview() -> tuple[str, list[list[str]]]:
    """A sentence, and a table with a header row: everything asked so far and how it stands."""
    rows = [[c, _KINDS[kind], name, _state(kind, answer)] for (c, kind, name), answer in _answers.items()]
    if not rows:
        return "Nothing asked yet: run the chapter's cells first.", []
    done = sum(row[-1] != "open" for row in rows)
    return f"{done} of {len(rows)} answered.", [["chapter", "what", "name", "state"], *rows]


def save(path: str | os.PathLike[str], overwrite: bool = False) -> str:
    """Writes the session's answers into a JSON file, whole or not at all.

    Parameters
    ----------
    path : where to; nothing is ever saved unless you call this
    overwrite : a file that stands there is kept unless this is True

    Returns
    -------
    str
        What was done, in a sentence.

    Raises
    ------
    FileExistsError
        If the file stands and ``overwrite`` is False.
    """
    path = Path(path)
    rows = [{"chapter": c, "kind": kind, "name": name, **answer} for (c, kind, name), answer in _answers.items()
            if answer]  # fmt: skip
    if not overwrite:
        try:
            # Claims the name before anything is written, so that two savers cannot both think it free.
            path.open("x").close()
        except FileExistsError:
            raise FileExistsError(
                f"{path.name} stands already: save under another name, or say overwrite=True"
            ) from None
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".part")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({"format": _FORMAT, "answers": rows}, file, indent=1, ensure_ascii=False)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        if not overwrite:
            path.unlink(missing_ok=True)
        raise
    return f"{len(rows)} answers saved in {path.name}"


def restore(path: str | os.PathLike[str]) -> str:
    """Brings back answers from a file that ``save`` wrote; what was answered in this session stays.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If it is not a file of saved answers.
    """
    path = Path(path)
    wrong = ValueError(f"{path.name} is not a file that lesson.save wrote")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise wrong from None
    if not isinstance(data, dict) or data.get("format") != _FORMAT or not isinstance(data.get("answers"), list):
        raise wrong
    found: dict[Key, dict[str, Any]] = {}
    for row in data["answers"]:
        if not isinstance(row, dict) or row.get("kind") not in _KINDS or not isinstance(row.get("name"), str):
            raise wrong
        rest = {k: v for k, v in row.items() if k not in ("chapter", "kind", "name")}
        found[str(row.get("chapter", "")), row["kind"], row["name"]] = rest
    fresh = [where for where in found if not get(where)]
    for where in fresh:
        _answers[where] = found[where]
        _tell(where)
    return f"{len(fresh)} answers restored from {path.name}, {len(found) - len(fresh)} kept as they are"


def forget() -> None:
    """Empties the session's answers; saved files stay."""
    _answers.clear()
    _listeners.clear()
