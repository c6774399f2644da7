"""Finding a record by the many ways in which people write its name.

"H100 SXM", "NVIDIA H100-SXM5-80GB" and "DGX-H100_H100-SXM-80GBx8_TRT" mean one card; "H100 NVL" means another.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

# Words that say who makes a thing, not which thing it is.
_VENDORS = {"nvidia", "amd", "intel", "google", "aws", "huawei", "geforce", "tesla", "instinct", "qualcomm"}
# Words that tell two relatives apart: a name with one of these left over is not the name without it.
_TELLING = re.compile(
    r"[\d.]+(gb?|b|m|t|w)?|sxm\d*|pcie|nvl\d*|oam|ti|super|xt|xtx|d|laptop|mobile|mig|vgpu|tiny|mini|lite|small|base|"
    r"medium|large|xl|pro|max|ultra|next"
)


@lru_cache(maxsize=10_000)
def words(name: str) -> tuple[str, ...]:
    """Lower-case words of a name, without vendor, release number ("v0.1") and count ("8x", "x8").

    >>> words("NVIDIA H100-SXM-80GBx8"), words("8xMI300X"), words("GPT-3 1.3B")
    (('h100', 'sxm', '80gb'), ('mi300x',), ('gpt', '3', '1.3b'))
    """
    name = re.sub(r"\bv\d+\.\d+\b", " ", str(name).lower())
    name = re.sub(r"\b\d+x(?=[a-z])|(?<=gb)x\d+", "", name.replace("_", " "))
    found = re.findall(r"[a-z0-9+]+(?:\.\d[a-z0-9+]*)*", name)
    return tuple(w for w in found if w not in _VENDORS)


def compact(name: str) -> str:
    """The words of a name run together, so that spaces and hyphens do not matter."""
    return "".join(words(name))


def begins(word: str, known: str) -> bool:
    """Whether a word of a known name begins with the given word, without cutting a number in two: A1 is not A100."""
    return known.startswith(word) and not (word[-1:].isdigit() and re.match(r"[\d.]", known[len(word) :]))


def _abbreviated(name: str, names: Iterable[str]) -> list[str]:
    """Names of which every given word begins some word."""
    given = words(name)
    if all(_TELLING.fullmatch(w) for w in given):  # a bare "80GB" or "7.5B" names nothing
        return []
    return [n for n in names if all(any(begins(w, k) for k in words(n)) for w in given)]


def _decorated(name: str, aliases: Mapping[str, str]) -> list[str]:
    """Names of which an alias stands in the given text, where the rest of the text tells no relative apart."""
    given = words(name)
    found = []
    for alias, known in aliases.items():
        parts = words(alias)
        if not set(parts) <= set(given) or all(_TELLING.fullmatch(p) for p in parts):
            continue
        if not any(_TELLING.fullmatch(w) for w in given if w not in parts) and known not in found:
            found.append(known)
    return found


def find(kind: str, name: str, aliases: Mapping[str, str]) -> str:
    """The one name that the text means.

    Parameters
    ----------
    kind : str
        What is looked for, in the plural, for the messages.
    name : str
        What was asked for.
    aliases : Mapping
        Every way of writing (the names themselves included) and the name that it stands for.

    Raises
    ------
    ValueError
        If several names fit (they are listed), or none (the nearest are listed).
    """
    by_compact: dict[str, str] = {}
    for alias, known in aliases.items():
        by_compact.setdefault(compact(alias), known)
    asked = compact(name)
    if asked in by_compact:
        return by_compact[asked]
    singular = kind.rstrip("s")
    names = list(dict.fromkeys(aliases.values()))
    for fits in (_abbreviated(name, names), _decorated(name, aliases)):
        if len(fits) == 1:
            return fits[0]
        if fits:
            raise ValueError(f"{singular} {name!r} could be {', '.join(fits)}: say which")
    nearest = [by_compact[n] for n in difflib.get_close_matches(asked, by_compact, n=5, cutoff=0.4)]
    hint = ", ".join(list(dict.fromkeys(nearest))[:3] or names[:5])
    raise ValueError(f"unknown {singular} {name!r}; the nearest are {hint}")
