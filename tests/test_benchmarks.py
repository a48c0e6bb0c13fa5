"""The benchmarks time the same work: what they compare computes the same."""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.benchmarks import measure, networks

SMALL = networks.Sizes(batch=3, time=5, input=4, hidden=8, output=6)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", list(networks.GATES))
def test_the_loop_that_people_write_computes_what_the_batched_side_does(family: str, dtype: str) -> None:
    given = networks.arrays(family, SMALL, dtype)
    loss, gradients = networks.ours(family, given)()
    loop = networks.by_steps(family, given)
    assert loop is not None
    other, others = loop()
    assert other == pytest.approx(loss, rel=1e-4 if dtype == "float32" else 1e-12)
    assert set(others) == set(gradients)
    for name, gradient in others.items():
        assert gradient.dtype == gradients[name].dtype == dtype
        np.testing.assert_allclose(gradient, gradients[name], rtol=2e-3 if dtype == "float32" else 1e-9, atol=1e-5)


@pytest.mark.parametrize("family", networks.GATES)
def test_what_is_written_in_place_computes_the_same_at_every_call(family: str) -> None:
    given = networks.arrays(family, SMALL, "float64")
    here = networks.in_place(family, given)
    assert here is not None
    for _ in range(2):
        networks.check(family, [networks.ours(family, given), here], "float64")


@pytest.mark.parametrize("family", networks.FAMILIES)
def test_pytorch_computes_what_the_batched_side_does(family: str) -> None:
    pytest.importorskip("torch")
    given = networks.arrays(family, SMALL, "float64")
    networks.check(family, [networks.ours(family, given), networks.in_torch(family, given)], "float64")


def test_a_difference_is_not_overlooked() -> None:
    given = networks.arrays("rnn", SMALL, "float64")
    other = {**given, "Whh": given["Whh"].T}
    with pytest.raises(AssertionError):
        networks.check("rnn", [networks.ours("rnn", given), networks.by_steps("rnn", other)], "float64")


def test_ratios_are_of_pairs() -> None:
    found = measure.ratio([2.0, 9.0, 8.0], [1.0, 3.0, 2.0])
    assert found == (3.0, 2.0, 4.0)
    assert str(found) == "3.00 (2.00-4.00)"


@pytest.mark.skipif(not os.path.exists("/proc/self/clear_refs"), reason="the system does not tell")
def test_the_peak_of_memory_is_that_of_the_work() -> None:
    found = measure.peak_memory(lambda: np.ones(1 << 22))
    assert found is not None
    assert 32 <= found < 64


@pytest.mark.parametrize("family", networks.FAMILIES)
def test_the_floor_does_the_products_that_are_counted(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    operations = []

    def counted(a: networks.Array, b: networks.Array, out: networks.Array) -> None:
        operations.append(2.0 * out.size * a.shape[-1])

    run = networks.products_alone(family, SMALL, "float32")
    monkeypatch.setattr(np, "matmul", counted)
    run()
    assert sum(operations) == networks.operations(family, SMALL)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("family", networks.FAMILIES)
def test_the_floor_takes_no_time_for_numbers_that_are_none(family: str, dtype: str) -> None:
    with np.errstate(all="raise"):
        networks.products_alone(family, SMALL, dtype)()
        networks.elements_alone(family, SMALL, dtype)()


def test_the_table_in_short_has_a_row_a_size() -> None:
    lines = [
        [*("rnn", "1 2", "float32", "9", "9", "9"), *("1.50 (1.40-1.60)", "2.50"), *"abcdef"],
        [*("rnn", "3 4", "float32", "9", "9", "9"), *("0.50 (0.40-0.60)", "0.70"), *"abcdef"],
        [*("lstm", "3 4", "float32", "9", "9", "9"), *("0.60 (0.40-0.80)", "0.90"), *"abcdef"],
        [*("lstm", "3 4", "float64", "9", "9", "9"), *("0.10 (0.10-0.10)", "0.10"), *"abcdef"],
    ]
    rows, families = networks.summary(lines)
    assert families == ["rnn", "lstm"]
    assert rows == [["1 2", "1.50 (2.50)", ""], ["3 4", "0.50 (0.70)", "0.60 (0.90)"]]
