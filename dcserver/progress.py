"""Progress of long work: what it calls as it goes, and a bar of one line for a terminal.

Long functions take ``progress``: a function of what is done and what there is to do, True for a bar on standard error,
or nothing. They catch KeyboardInterrupt and return what is done so far, saying that it is not all.
"""

import sys
from collections.abc import Callable

Progress = Callable[[float, float], None]
_WIDTH = 30


def text_progress(what: str = "") -> Progress:
    """A progress bar of one line on standard error.

    Parameters
    ----------
    what : str
        What is counted, in the plural.

    Returns
    -------
    callable
        Takes what is done and what there is to do; ends the line when all is done.

    Notes
    -----
    Taught in chapter 03.
    """

    def show(done: float, total: float) -> None:
        filled = int(_WIDTH * done / max(total, 1e-300))
        end = "\n" if done >= total else ""
        words = f"{done:,.0f} of {total:,.0f} {what}".rstrip()
        print(f"\r[{'#' * filled:{_WIDTH}}] {words}", end=end, file=sys.stderr, flush=True)

    return show


def reporter(progress: Progress | bool | None, what: str = "") -> Progress:
    """What a long function calls: the given function, a bar for True, or one that does nothing.

    Parameters
    ----------
    progress : callable, True or None
        What the caller wants: a function of (done, total), a bar on standard error, or nothing.
    what : str
        What is counted, for the bar.

    Returns
    -------
    callable

    Notes
    -----
    How long experiments report in every chapter from 03 on. Taught in chapter 03.

    >>> reporter(None)(1, 2)
    """
    if progress is True:
        return text_progress(what)
    return progress or (lambda done, total: None)
