"""`rowcol train`: both implementations learn a text, and whatever sets them apart is said."""

import json

import numpy as np
import pytest

from rowcol.bridge import learners
from rowcol.bridge.cli import main
from rowcol.bridge.problem import Problem
from rowcol.bridge.train import DINOSAURS, train

SMALL = {"steps": 25, "hidden": 12, "length": 7, "batch": 2}
SMALL_OPTIONS = ["--steps", "25", "--hidden", "12", "--length", "7", "--batch", "2"]


def quiet(line):
    """In place of the terminal."""


def text_file(tmp_path, content):
    path = tmp_path / "text.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def test_the_two_stay_together_at_the_default_rate():
    training = train(None, steps=100, out=quiet)
    assert training.agrees
    assert len(training.distances) == len(training.drifts) == 100
    assert max(training.distances) < 1e-9
    assert 0 < training.worst_ratio < 1
    assert training.compared == 100 * len(["Wax", "Waa", "b", "Wya", "by", "a0"])
    assert training.reference_loss == pytest.approx(training.batched_loss, abs=1e-12)
    assert training.reference_loss < np.log(training.different)


def test_models_that_stayed_together_write_the_same():
    training = train(None, **SMALL, out=quiet)
    assert training.samples["reference"] == training.samples["batched"]
    assert len(training.samples["reference"]) == 240


def test_both_start_from_the_same_weights():
    race = learners.Race(np.arange(40) % 5, rate=0.01, hidden=4, length=3, batch=2, seed=1, dtype="float64")
    assert learners.distance(race.reference.weights, learners.as_columns(race.batched.weights)) == 0
    assert not np.array_equal(race.reference.weights["Waa"], race.reference.weights["Waa"].T)


def test_the_third_run_starts_one_rounding_unit_away():
    race = learners.Race(np.arange(40) % 5, rate=0.01, hidden=4, length=3, batch=2, seed=1, dtype="float64")
    for name, W in race.reference.weights.items():
        assert np.all(np.abs(race.third.weights[name] - W) <= np.spacing(np.abs(W)))
        assert not np.any(race.third.weights[name] == W)


def test_the_batches_walk_along_the_text_and_begin_again():
    walk = learners.batches(np.arange(15), batch=2, length=3)
    first, second, third = next(walk), next(walk), next(walk)
    assert first.x.T.tolist() == [[0, 1, 2], [7, 8, 9]]
    assert first.y.T.tolist() == [[1, 2, 3], [8, 9, 10]]
    assert second.x.T.tolist() == [[3, 4, 5], [10, 11, 12]]
    assert (first.anew, second.anew, third.anew) == (True, False, True)
    assert third.x.tolist() == first.x.tolist()


def test_states_are_carried_from_batch_to_batch():
    race = learners.Race(np.arange(40) % 5, rate=0.01, hidden=4, length=3, batch=2, seed=1, dtype="float64")
    list(race.steps(2))
    assert np.all(race.reference.a0 != 0)
    np.testing.assert_allclose(race.batched.h0, race.reference.a0, atol=1e-13)


def test_at_a_rate_of_a_tenth_a_third_run_shows_what_rounding_does():
    lines = []
    training = train(None, steps=60, rate=0.1, out=lines.append)
    assert training.agrees
    assert max(training.drifts) > 1e-3
    assert 0 < training.worst_drift[0] <= 100
    assert any("Rounding alone does that" in line for line in lines)


def test_float32_agrees_by_a_bar_of_its_own():
    training = train(None, **SMALL, dtype="float32", out=quiet)
    assert training.agrees
    assert 1e-9 < max(training.distances) < 1e-2


def test_the_same_seed_gives_the_same_numbers_and_another_one_others():
    one, same = train(None, **SMALL, out=quiet), train(None, **SMALL, out=quiet)
    other = train(None, **SMALL, seed=1, out=quiet)
    assert one.as_json() == same.as_json()
    assert one.reference_loss != other.reference_loss


def transposed(*arguments):
    """The batched side with the gradient of its square matrix turned over."""
    loss, grads = right_rnn(*arguments)
    return loss, {**grads, "Whh": grads["Whh"].T}


right_rnn = learners.rnn_in_rows


def test_a_gradient_that_is_the_transpose_is_caught_from_the_first_step_on(monkeypatch, capsys):
    monkeypatch.setattr(learners, "rnn_in_rows", transposed)
    assert main(["train", *SMALL_OPTIONS]) == 1
    shown = capsys.readouterr().out
    assert "Gradients  DIFFER from the same weights, at 25 of 25 steps" in shown
    assert "first at step 1; the worst (Waa, " in shown
    assert "DO NOT agree" in shown


def test_a_fault_that_begins_between_two_measurements_of_the_bar_is_caught(monkeypatch):
    calls = []

    def late(*arguments):
        calls.append(1)
        return (transposed if len(calls) > 20 else right_rnn)(*arguments)

    monkeypatch.setattr(learners, "rnn_in_rows", late)
    training = train(None, **SMALL, out=quiet)
    assert not training.gradients_agree
    assert training.first_beyond == 11  # two calls a step


def test_an_update_that_is_wrong_is_caught_by_the_drift_though_gradients_agree(monkeypatch):
    right = learners.adagrad_in_rows
    monkeypatch.setattr(learners, "adagrad_in_rows", lambda W, g, m, rate: right(W, g, m, rate * 1.0001))
    training = train(None, **SMALL, out=quiet)
    assert training.gradients_agree
    assert not training.drift_agrees
    assert not training.agrees


def test_a_side_that_gives_what_is_not_a_number_differs(monkeypatch, capsys):
    def spoiled(*arguments):
        loss, grads = right_rnn(*arguments)
        return loss, {**grads, "Whh": grads["Whh"] * np.nan}

    monkeypatch.setattr(learners, "rnn_in_rows", spoiled)
    assert main(["train", "--json", *SMALL_OPTIONS]) == 1
    report = json.loads(capsys.readouterr().out)
    assert report["gradients"]["worst_array"] == "Waa"
    assert report["weights"]["distance"] is None
    assert set(report["samples"]) == {"reference"}
    assert main(["train", *SMALL_OPTIONS]) == 1
    assert "DO NOT agree" in capsys.readouterr().out


def test_a_text_with_accents_and_chinese_is_learned_and_written(tmp_path, capsys):
    path = text_file(tmp_path, "\ufeffétude à l'œuvre\r\n恐龍是一類爬行動物\r\n" * 9)
    assert main(["train", path, *SMALL_OPTIONS]) == 0
    shown = capsys.readouterr().out
    assert "\ufeff" not in shown and "\r" not in shown
    assert set(shown) & set("恐龍是一類爬行動物")


def test_what_a_terminal_would_obey_is_not_written_to_it(tmp_path, capsys):
    assert main(["train", text_file(tmp_path, "a\x1b[31mb\x07" * 20), *SMALL_OPTIONS]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown and "\x07" not in shown


def test_the_report_fits_eighty_columns_and_shows_what_was_compared(capsys):
    assert main(["train", *SMALL_OPTIONS]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 80
    for words in (
        "dinosaurs.txt",
        "third run",
        "    25",
        "agree from the same weights",
        "implementations agree.",
    ):
        assert words in shown
    assert "Rounding alone does that" not in shown


def test_json_is_one_object_with_the_final_numbers(capsys):
    assert main(["train", "--json", *SMALL_OPTIONS]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["agrees"] is True
    assert report["steps"] == 25 and report["dtype"] == "float64"
    assert report["loss"]["reference"] == pytest.approx(report["loss"]["batched"])
    assert report["weights"]["largest_distance"] < 1e-9
    assert report["gradients"]["worst_ratio_to_bar"] < 1
    assert set(report["samples"]) == {"reference", "batched"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"a", "has one character only"),
        (b"aaaa", "has 4 characters, but all are 'a'"),
        (b"abc\nd\xffe", ":2: is not UTF-8: byte 5 (0xff)"),
        (b"hello world", "has 11 characters, too few for a batch of 3 (--batch) sequences of 16"),
        (b"hello world", "which take 49. Try --length 3,"),
        (b"ab", "Try --length 1 --batch 1,"),
    ],
)
def test_a_text_that_cannot_be_learned_is_refused_with_its_reason(tmp_path, capsys, content, words):
    path = text_file(tmp_path, content)
    assert main(["train", path]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(path)
    assert words in said.err


def test_what_the_message_about_a_short_text_advises_works(tmp_path):
    assert main(["train", text_file(tmp_path, "hello world"), "--length", "3", "--steps", "3"]) == 0
    assert main(["train", text_file(tmp_path, "ab"), "--length", "1", "--batch", "1", "--steps", "3"]) == 0


def test_a_missing_file_and_a_directory_are_said_to_be_so(tmp_path, capsys):
    missing = str(tmp_path / "missing.txt")
    assert main(["train", missing]) == 2
    assert f"{missing}: no such file" in capsys.readouterr().err
    assert main(["train", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("steps", 0),
        ("hidden", 0),
        ("length", 0),
        ("batch", -1),
        ("rate", 0.0),
        ("rate", float("nan")),
        ("seed", -1),
    ],
)
def test_an_option_that_no_training_can_have_is_refused_by_its_name(option, value):
    with pytest.raises(Problem, match=f"--{option} .*expected"):
        train(None, **{**SMALL, option: value}, out=quiet)


def test_a_rate_that_overflows_is_called_too_large():
    with pytest.raises(Problem, match="no longer finite numbers at step 1: --rate 1e\\+300 is too large"):
        train(None, **SMALL, rate=1e300, dtype="float32", out=quiet)


def test_the_text_that_comes_along_is_a_list_of_names():
    with open(DINOSAURS, encoding="utf-8") as file:
        names = file.read().split("\n")
    assert names.pop() == ""
    assert len(names) == len(set(names)) > 600
    assert all(name.isascii() and name.isalpha() and name.islower() for name in names)
