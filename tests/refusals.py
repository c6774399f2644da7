"""Tables of what must be refused: (function, a call that works, {name: values that it must not have})."""

from collections.abc import Callable, Sequence
from typing import Any

import pytest

Table = Sequence[tuple[Callable[..., Any], dict[str, Any], dict[str, tuple[Any, ...]]]]


def each_of(table: Table) -> Any:
    """One test for each value of a table, of a function that takes ``f, good, name, value``."""
    cases = [
        pytest.param(f, good, name, value, id=f"{f.__name__}-{name}-{value}")
        for f, good, bad in table
        for name, values in bad.items()
        for value in values
    ]
    return pytest.mark.parametrize(("f", "good", "name", "value"), cases)


def assert_refused_by_name_and_value(f: Callable[..., Any], good: dict[str, Any], name: str, value: Any) -> None:
    """The call works; with the one value in it, it is refused, and says which and what."""
    f(**good)
    with pytest.raises(ValueError, match=f"{name}={value:g} must"):
        f(**(good | {name: value}))
