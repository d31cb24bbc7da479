"""Answers that are remembered: computed once, and bounded."""

import pytest

from hoptrail_tracer.memory import remembered


def test_question_that_comes_again_is_computed_once():
    asked = []
    length = remembered(8)(lambda text: asked.append(text) or len(text))
    assert [length("abc"), length("abc"), length("de")] == [3, 3, 2]
    assert asked == ["abc", "de"]


def test_full_memory_forgets_and_still_answers():
    asked = []
    double = remembered(4)(lambda number: asked.append(number) or 2 * number)
    assert [double(number) for number in range(10)] == list(range(0, 20, 2))
    assert len(double.__self__) <= 4
    assert double(0) == 0
    assert asked.count(0) == 2


def test_failure_is_not_remembered():
    asked = []

    @remembered(4)
    def inverse(number):
        asked.append(number)
        return 1 / number

    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            inverse(0)
    assert asked == [0, 0]
