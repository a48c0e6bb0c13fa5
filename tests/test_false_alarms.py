"""A short share of `python -m tests.false_alarms`, and the cases that taught the bar something."""

from __future__ import annotations

import numpy as np
import pytest

from rowcol.bridge.case import Recipe, make_case
from rowcol.bridge.declaration import Sizes
from rowcol.bridge.diff import BLIND, diff, expect, single_cases
from rowcol.bridge.examine import Options, examine
from rowcol.bridge.family import FAMILIES
from rowcol.bridge.oracle import trusted_side
from tests.corpus.load import PORTS, Fault, combinations
from tests.corpus.load import load as corpus
from tests.false_alarms import ROOM_ABOVE, ROOM_BELOW, ports_of, right, story_faults, wrong
from tests.faults_found import MISSED, tally
from tests.regrouped import WAYS, right_port

FAULTS = story_faults()


def test_a_right_port_is_never_called_wrong() -> None:
    tally = right(200, seed=70_000)
    assert tally.alarms == []
    assert tally.room >= ROOM_BELOW
    assert tally.agreeing > 5 * tally.blind


@pytest.mark.parametrize("family", FAMILIES)
def test_far_out_and_at_odd_sizes_a_right_port_is_never_called_wrong(family: str) -> None:
    assert right(40, seed=90_000, family=family).alarms == []


@pytest.mark.parametrize("family", FAMILIES)
def test_no_fault_gets_through_where_the_numbers_can_show_it(family: str) -> None:
    found = tally([*corpus(family), *combinations(family)][::30], 6, seed=90_000)
    assert (found.missed, found.never_found) == ([], [])
    assert found.outcomes[MISSED] == 0 < found.cases


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.id for fault in FAULTS])
def test_each_of_the_storys_faults_is_found_on_every_case(fault: Fault) -> None:
    tally = wrong(fault, 4, seed=70_000)
    assert tally.missed == []
    assert tally.room >= ROOM_ABOVE
    assert tally.findings == {"wrong loss" if fault.forward else "wrong gradient"}


def test_the_storys_faults_stand_in_at_least_ten_styles() -> None:
    assert len({fault.port for fault in FAULTS}) >= 10


def test_the_regrouped_ports_use_every_spelling() -> None:
    names = " ".join(right_port(seed).name for seed in range(60))
    assert [way for ways in WAYS.values() for way in ways if repr(way) not in names] == []


@pytest.mark.parametrize(
    ("seed", "weights", "why"),
    [
        (590, 3.0, "1 - s keeps few digits where the sigmoid s is nearly one, and its logarithm is the loss"),
        (674, 100.0, "(1 + tanh(a/2))/2 and exp(a)/(1 + exp(a)) round by a unit of one"),
        (86, 3.0, "exp(z) overflows without the shift by the largest logit"),
        (98, 100.0, "a probability that has nearly underflowed has few digits"),
        (1961, 100.0, "the squares in the norm of a gradient overflow in float32"),
    ],
)
def test_what_a_textbook_formula_loses_is_no_fault(seed: int, weights: float, why: str) -> None:
    port = right_port(seed)
    recipe = Recipe("far out", weights, upstream=1.0 if seed % 5 else 12.0)
    case = single_cases(port, [make_case(port, seed, recipe)])[0]
    assert diff(port, [expect(port, trusted_side(port), case)]).differing == [], why


def test_a_case_on_which_rounding_decides_is_blind_and_not_passed() -> None:
    port = right_port(590)
    case = single_cases(port, [make_case(port, 590, Recipe("far out", weights=1e4))])[0]
    expected = expect(port, trusted_side(port), case)
    verdicts = diff(port, [expected]).verdicts
    assert verdicts["loss"].state == BLIND
    assert not np.isnan(expected.deviations["loss"])


def test_the_verdict_on_a_right_port_is_that_it_agrees_with_nothing_blind_and_no_doubt() -> None:
    for seed in range(80_000, 80_020):
        report = examine(right_port(seed), Options(seed=seed))
        remarks = [one for one in report["remarks"] if "is reached, and the gradients are clipped to it" not in one]
        assert (report["status"], remarks) == (0, []), report["port"]
        assert BLIND not in [array["state"] for array in report["arrays"]]


@pytest.mark.parametrize(("weights", "seed"), [(10.0, 714176), (30.0, 2787)])
def test_a_loss_near_zero_is_rounded_as_the_one_beside_it(weights: float, seed: int) -> None:
    # Of these cases the three runs move the loss by chance by nothing, and -log(p) of p near one is off by a digit.
    with ports_of(PORTS / "dense_running_total.py") as (port,):
        sizes = Sizes({"batch": 1}, {}) if weights == 30 else None
        case = single_cases(port, [make_case(port, seed, Recipe("saturated", weights, 1.0), sizes)])[0]
        verdict = diff(port, [expect(port, trusted_side(port), case)]).verdicts["loss"]
        assert verdict.state == "agrees", verdict
        assert verdict.difference > 100 * np.finfo(float).eps * abs(verdict.trusted)


def test_zero_times_the_logarithm_of_nothing_is_nobodys_fault() -> None:
    # -y log p - (1 - y) log(1 - p), where p is one to the last digit, is not a number.
    with ports_of(PORTS / "rnn_closures.py") as (port,):
        recipe, sizes = Recipe("saturated", 30.0, 1.0), Sizes({"batch": 1, "time": 1}, {})
        states = set()
        for seed in range(2030, 2050):
            case = single_cases(port, [make_case(port, seed, recipe, sizes)])[0]
            verdict = diff(port, [expect(port, trusted_side(port), case)]).verdicts["loss"]
            assert verdict.state != "differs", (seed, verdict)
            states.add((verdict.state, bool(np.isnan(verdict.port))))
        assert ("blind", True) in states
