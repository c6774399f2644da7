"""Which changes of the code count as mutants that a test must mind, and which of them a sample takes."""

import importlib.util
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "tools" / "mutants.py"
spec = importlib.util.spec_from_file_location("mutants", SCRIPT)
assert spec
assert spec.loader
mutants = importlib.util.module_from_spec(spec)
spec.loader.exec_module(mutants)


def function(body: str) -> str:
    return f"def f(a, b):\n    {body}"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("raise ValueError(f'{a} is {b + 1}')", "raise ValueError(f'{a} is {b - 1}')"),
        ("return 'two words'", "return 'TWO WORDS'"),
        ("return list(zip(a, b, strict=True))", "return list(zip(a, b, strict=False))"),
        ("return list(zip(a, b, strict=True))", "return list(zip(a, b, ))"),
        ("return np.asarray(a, dtype=float)", "return np.asarray(a, )"),
        ("return np.where(np.asarray(a, dtype=bool), b, 0)", "return np.where(np.asarray(a, dtype=None), b, 0)"),
    ],
)
def test_words_for_people_and_guards_do_not_count(before: str, after: str) -> None:
    assert mutants.is_out_of_sight(function(before), function(after))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("return a + 1", "return a - 1"),
        ("return a + 1", "return a + 2"),
        ("return a['key']", "return a['KEY']"),
        ("return list(zip(a, b, strict=True))", "return list(zip(a, strict=True))"),
        ("return g(np.asarray(a, dtype=float), b)", "return g(b)"),
        ("return np.asarray(a, dtype=float)", "return np.asarray(dtype=float)"),
        ("return np.zeros(a, dtype=bool)", "return np.zeros(a, )"),
    ],
)
def test_numbers_operators_keys_and_arguments_count(before: str, after: str) -> None:
    assert not mutants.is_out_of_sight(function(before), function(after))


def test_a_sample_is_the_same_each_time_and_spans_the_whole_source() -> None:
    everything = list(range(1000))
    sample = mutants.systematic_sample(everything, 40, seed=3)
    assert sample == mutants.systematic_sample(everything, 40, seed=3)
    assert sample != mutants.systematic_sample(everything, 40, seed=5)
    assert {b - a for a, b in zip(sample, sample[1:], strict=False)} == {25}
    assert mutants.systematic_sample(everything, 0, seed=3) == everything


def test_every_part_has_its_files_and_its_tests() -> None:
    for part in mutants.PARTS:
        assert mutants.files_of(part), part
        assert mutants.tests_of(part), part
