"""Bad input is refused with its name, its value and what is allowed; good input passes, scalar or array."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcserver import checks

EVERY_NUMBER_CHECK = [
    checks.require_positive,
    checks.require_non_negative,
    checks.require_whole,
    lambda **quantities: checks.require_between(0, 1e12, **quantities),
]


@pytest.mark.parametrize("check", EVERY_NUMBER_CHECK)
def test_good_values_pass_as_scalar_list_array_and_numpy_number(check):
    for good in (8, 8.0, [1, 2, 3], np.array([[1.0], [4.0]]), np.float32(2), np.int64(7)):
        assert check(memory=good) is None


@pytest.mark.parametrize("check", EVERY_NUMBER_CHECK)
@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (float("nan"), "NaN"),
        ([1.0, float("nan")], "NaN"),
        (None, "NaN"),
        ("80 GB", "'80 GB' is not a number"),
        ("8", "'8' is not a number"),
        (object(), "is not a number"),
        ([[1], [2, 3]], "is not a number"),
        (-1, "-1"),
    ],
)
def test_what_is_not_a_number_in_range_is_named(check, bad, said):
    with pytest.raises(ValueError, match="batch_size") as caught:
        check(batch_size=bad)
    assert said in str(caught.value)


def test_the_first_bad_element_is_shown_in_full():
    with pytest.raises(ValueError, match=r"tokens=-123456789 must be"):
        checks.require_positive(tokens=np.array([5.0, -123456789.0, -2.0]))


def test_zero_is_no_size_but_is_a_count():
    checks.require_non_negative(spares=0)
    checks.require_whole(minimum=0, spares=0)
    with pytest.raises(ValueError, match="above 0"):
        checks.require_positive(size=0)
    with pytest.raises(ValueError, match="1 or more"):
        checks.require_whole(gpus=0)


def test_infinity_is_no_quantity():
    for check in (checks.require_positive, checks.require_non_negative, checks.require_whole):
        with pytest.raises(ValueError, match="bandwidth"):
            check(bandwidth=float("inf"))


def test_half_a_gpu_is_refused():
    with pytest.raises(ValueError, match=r"gpus=2.5 must be a whole number, 1 or more"):
        checks.require_whole(gpus=[1, 2.5])


def test_both_ends_of_a_range_are_allowed():
    checks.require_between(0, 1, utilization=[0, 0.5, 1])
    with pytest.raises(ValueError, match=r"utilization=1.2 must lie between 0 and 1"):
        checks.require_between(0, 1, utilization=1.2)


def test_seven_does_not_divide_96_heads():
    checks.require_divides("tensor_parallel", 8, "attention heads", 96)
    with pytest.raises(ValueError, match=r"tensor_parallel=7 does not divide 96 attention heads"):
        checks.require_divides("tensor_parallel", 7, "attention heads", 96)
    with pytest.raises(ValueError, match=r"tensor_parallel=5 does not divide 96"):
        checks.require_divides("tensor_parallel", np.array([1, 2, 5]), "attention heads", 96)


@pytest.mark.filterwarnings("error")
def test_zero_divides_nothing_and_warns_of_nothing():
    with pytest.raises(ValueError, match=r"pipeline_parallel=0 does not divide 96 layers"):
        checks.require_divides("pipeline_parallel", 0, "layers", 96)


def test_an_unknown_word_gets_the_nearest_known_one():
    checks.require_choice(("ring", "tree"), algorithm="ring")
    checks.require_choice(("ring", "tree"), algorithm=np.array(["ring", "tree"], dtype=object))
    with pytest.raises(ValueError, match=r"algorithm='rign' is not one of 'ring', 'tree'; did you mean 'ring'\?"):
        checks.require_choice(("ring", "tree"), algorithm="rign")
    with pytest.raises(ValueError, match="is not one of 'ring', 'tree'$"):
        checks.require_choice(("ring", "tree"), algorithm="gossip")  # near to nothing: no hint
    with pytest.raises(ValueError, match="None"):
        checks.require_choice(("ring", "tree"), algorithm=None)


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), min_size=1, max_size=8))
def test_an_array_passes_exactly_when_each_element_does(values):
    def passes(value):
        try:
            checks.require_positive(x=value)
        except ValueError:
            return False
        return True

    assert passes(np.array(values)) == all(passes(value) for value in values)


@given(st.integers(min_value=1, max_value=1000), st.integers(min_value=1, max_value=1000))
def test_a_product_is_divided_by_its_factors(divisor, times):
    checks.require_divides("parts", divisor, "things", divisor * times)
    if divisor > 1:
        with pytest.raises(ValueError, match="parts"):
            checks.require_divides("parts", divisor, "things", divisor * times + 1)
