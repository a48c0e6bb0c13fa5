"""What a port's numbers alone tell of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from rowcol.batched.rnn import backward as backward_in_rows
from rowcol.bridge.answer import Answer
from rowcol.bridge.case import cases
from rowcol.bridge.declaration import Declaration
from rowcol.bridge.diagnose.breaks import breaks
from rowcol.bridge.diagnose.explain import explain
from rowcol.bridge.diagnose.needed import NEVER, Needed, _Call
from rowcol.bridge.diagnose.numbers import diagnose_numbers
from rowcol.bridge.diagnose.observed import Observed
from rowcol.bridge.diagnose.parts import chunks
from rowcol.bridge.diagnose.sums import NO_SUM, Sums, Watch
from rowcol.bridge.diagnosis import Explanation
from rowcol.bridge.diff import Expected, diff, expect, single_cases
from rowcol.bridge.judge import judge
from rowcol.bridge.load import load
from rowcol.bridge.oracle import trusted_side
from rowcol.bridge.problem import Problem
from rowcol.bridge.run import run
from rowcol.reference.rnn import backward as backward_in_columns
from tests.corpus.load import load as corpus
from tests.corpus.score_numbers import observed

PORTS = Path(__file__).parent / "ports"


def numbers(path: Path) -> tuple[Declaration, list[tuple[Expected, Answer]]]:
    port = load(str(path))[0]
    trusted = trusted_side(port)
    chosen = single_cases(port, cases(port, 0))
    return port, [(expect(port, trusted, case), run(port, case)) for case in chosen]


def explained(folder: Path, *edits: tuple[str, str], port: str = "story.py") -> Explanation | None:
    text = (PORTS / port).read_text()
    for right, wrong in edits:
        assert text.count(right) == 1
        text = text.replace(right, wrong)
    path = folder / port
    path.write_text(text)
    return explain(*numbers(path), budget=6.0)


TRANSPOSE = ("dh_next = dtanh @ self.W2.T", "dh_next = dtanh @ self.W2")


def test_the_missing_transpose_is_named(tmp_path: Path) -> None:
    found = explained(tmp_path, TRANSPOSE)
    assert found is not None
    assert found["operation"] == "da_next = Waa.T @ daraw"
    assert not found["unexplained"]
    assert found["reproduced"] == ["W1", "W2", "W3", "bh", "bo", "loss"]


def test_a_port_of_rows_is_shown_the_equation_on_rows(tmp_path: Path) -> None:
    found = explained(tmp_path, TRANSPOSE)
    assert found is not None
    assert found["shown_in"] == "rows"
    assert found["edits"][0]["side"] == "batched"
    assert found["edits"][0]["was"] == "dh_next = dpre[t] @ Whh.T"
    assert found["edits"][0]["becomes"] == "dh_next = dpre[t] @ Whh"
    assert "`dh_next = dpre[t] @ Whh.T` read as `dh_next = dpre[t] @ Whh`" in found["sentence"]


def test_a_port_of_columns_is_shown_the_equation_on_columns(tmp_path: Path) -> None:
    edit = ("dhnext = np.dot(Whh.T, dhraw)", "dhnext = np.dot(Whh, dhraw)")
    found = explained(tmp_path, edit, port="karpathy_like.py")
    assert found is not None
    assert found["shown_in"] == "columns"
    assert found["edits"][0]["becomes"] == "da_next = Waa @ daraw"


def test_a_fault_that_needs_a_batch_is_named_by_the_reference_s_equation(tmp_path: Path) -> None:
    found = explained(
        tmp_path,
        ("total += -np.sum(np.log(p_right))", "total += -np.log(np.sum(p_right))"),
    )
    assert found is not None
    assert found["edits"][0]["side"] == "batched"
    assert found["operation"].startswith("loss = ")


def test_an_index_that_wraps_around_is_named(tmp_path: Path) -> None:
    found = explained(tmp_path, ("self.H[:, t - 1] if t > 0 else self.h_init", "self.H[:, t - 1]"))
    assert found is not None
    assert found["operation"] == "dWaa += daraw @ a[t - 1].T"


def test_the_rate_of_an_update_that_comes_too_early_is_found(tmp_path: Path) -> None:
    found = explained(
        tmp_path,
        ("dW2 += h_prev.T @ dtanh", "dW2 += h_prev.T @ dtanh; self.W2 = self.W2 - 0.03 * dW2"),
    )
    assert found is not None
    assert "Whh - 0.03 * " in found["edits"][0]["becomes"]
    assert found["operation"] == "da_next = Waa.T @ daraw"


def test_gradients_under_each_other_s_names_are_told(tmp_path: Path) -> None:
    found = explained(tmp_path, ('"bh": dbh', '"bh": dbo'))
    assert found is not None
    assert found["operation"] == "db += daraw"
    assert (found["edits"][0]["was"], found["edits"][0]["becomes"]) == ("db", "dby")


def test_two_faults_are_explained_one_after_the_other(tmp_path: Path) -> None:
    found = explained(
        tmp_path, ("dW3 += e.T @ h", "dW3 = e.T @ h"), ("dW1 += x.T @ dtanh", "dW1 -= x.T @ dtanh")
    )
    assert found is not None
    assert not found["unexplained"]
    assert {edit["operation"] for edit in found["edits"]} == {
        "dWya += dz[t] @ a[t].T",
        "dWax += daraw @ x[t].T",
    }


LAYERS = '''
import numpy as np
from rowcol.bridge import port

ACTIVATIONS = [np.tanh, lambda raw: 1 / (1 + np.exp(-raw))]
SLOPES = [lambda out: 1 - out ** 2, lambda out: out * (1 - out)]


@port("dense", """
    U: W1  input hidden1
    V: W2  hidden1 hidden2
    W: W3  hidden2 output
    x: x   batch input
    y: y   batch output
""", activations="tanh, sigmoid", objective="OBJECTIVE", sizes="hidden1 = input, hidden2 = input, output = input")
def layers(U, V, W, x, y):
    weights, out = [U, V, W], [x]
    for matrix, activation in zip(weights, ACTIVATIONS):
        out.append(activation(out[-1] @ matrix))
    z = out[-1] @ W
    p = PROBABILITIES
    loss = LOSS
    d, grads = p - y, {}
    for k in (2, 1, 0):
        grads["UVW"[k]] = out[k].T @ d
        if k > 0:
            d = (d @ weights[k].T) * SLOPES[k - 1](out[k])
    return loss, grads
'''
SOFTMAX = ("np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)", "-(y * np.log(p)).sum()")
LOGISTIC = ("1 / (1 + np.exp(-z))", "-(y * np.log(p) + (1 - y) * np.log(1 - p)).sum()")


@pytest.mark.parametrize(
    ("objective", "right", "wrong", "operation"),
    [
        (SOFTMAX, "d @ weights[k].T", "d @ weights[k - 1].T", "da = W[n].T @ daraw"),
        (SOFTMAX, "SLOPES[k - 1](out[k])", "SLOPES[k - 1](ACTIVATIONS[k - 1](out[k]))", "slope = g_slope(a[n])"),
        (SOFTMAX, "d, grads = p - y", "d, grads = (p - y) * z", "dz = p - y"),
        (SOFTMAX, "d, grads = p - y", "d, grads = p - y.max(axis=0)", "dz = p - y"),
        (SOFTMAX, "(y * np.log(p))", "(y[-1] * np.log(p[-1]))", "loss = -np.sum(y * log_p)"),
        (LOGISTIC, " + (1 - y) * np.log(1 - p)", "", "loss = np.sum(softplus(z) - y * z)"),
        (LOGISTIC, "+ (1 - y) * np.log", "- (1 - y) * np.log", "loss = np.sum(softplus(z) - y * z)"),
    ],
)
def test_a_fault_of_layers_or_of_a_loss_is_named_by_its_equation(
    tmp_path: Path, objective: tuple[str, str], right: str, wrong: str, operation: str
) -> None:
    text = LAYERS.replace("OBJECTIVE", "softmax" if objective is SOFTMAX else "logistic")
    text = text.replace("PROBABILITIES", objective[0]).replace("= LOSS", f"= {objective[1]}")
    assert text.count(right) == 1
    (tmp_path / "net_of_layers.py").write_text(text.replace(right, wrong))
    found = explain(*numbers(tmp_path / "net_of_layers.py"), budget=6.0)
    assert found is not None
    assert not found["unexplained"]
    assert found["operation"] == operation


HEADS = '''
import numpy as np
from rowcol.bridge import port


def split(z, head):
    return z.reshape(*z.shape[:2], head, -1).transpose(0, 2, 1, 3)


def merged(z):
    return z.transpose(0, 2, 1, 3).reshape(len(z), z.shape[2], -1)


@port("attention", """
    Q: W[q]   model (head key)
    K: W[k]   model (head key)
    V: W[v]   model (head key)
    O: Wo     (head key) model
    x: x      batch time model
    d: dout   batch time model
""", scale=1.0)
def heads(Q, K, V, O, x, d, head):
    q, k, v = split(x @ Q, head), split(x @ K, head), split(x @ V, head)
    p = np.exp(q @ k.transpose(0, 1, 3, 2))
    p = p / p.sum(axis=-1, keepdims=True)
    seen = merged(p @ v)
    dO = np.zeros_like(O)
    for n in range(len(x)):
        for t in range(x.shape[1]):
            dO += np.outer(seen[n, t], d[n, t])
    dseen = split(d @ O.T, head)
    dp = dseen @ v.transpose(0, 1, 3, 2)
    dv = p.transpose(0, 1, 3, 2) @ dseen
    ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))
    dq, dk = ds @ k, ds.transpose(0, 1, 3, 2) @ q
    grads = {name: np.einsum("bti,btj->ij", x, merged(g)) for name, g in (("Q", dq), ("K", dk), ("V", dv))}
    return seen @ O, {**grads, "O": dO}
'''
DSCORES = "dscores = weights[h, t] * (dweights - np.sum(weights[h, t] * dweights))"


@pytest.mark.parametrize(
    ("right", "wrong", "operation"),
    [
        ("(p * dp).sum(axis=-1, k", "(p * dp).sum(axis=-2, k", DSCORES),
        ("(dp - (p * dp).sum(axis=-1, keepdims=True))", "dp - (p * p * dp).sum(axis=-1, keepdims=True)", DSCORES),
        ("dv = p.transpose", "dv = dp.transpose", "dV[:, :seen] += dcontext @ weights[h, t].T"),
        ("ds.transpose(0, 1, 3, 2) @ q", "ds.sum(axis=2)[..., None] * q", "dK[:, :seen] += scale * (q[h, t] @"),
        ("dO += np", "dO = np", "dWo[:, h] += dout[t] @ context[h, t].T"),
        ("bti,btj->ij", "bti,bsj->ij", "dWq[h] += dq[t] @ x[t].T"),
        ("split(d @ O.T, head)", "split(d @ O.T, head)[:, ::-1]", "dcontext = Wo[:, h].T @ dout[t]"),
    ],
)
def test_a_fault_of_attention_is_named_by_its_equation(tmp_path: Path, right: str, wrong: str, operation: str) -> None:
    assert HEADS.count(right) == 1
    (tmp_path / "heads.py").write_text(HEADS.replace(right, wrong))
    found = explain(*numbers(tmp_path / "heads.py"), budget=6.0)
    assert found is not None
    assert not found["unexplained"]
    assert found["operation"].startswith(operation)


def test_what_makes_two_gates_is_named_by_the_equation_of_one(tmp_path: Path) -> None:
    turned = ('np.einsum("tnp,gtnh->gph", H[:-1], B)', 'np.einsum("tnp,gtnh->gph", H[:-1][::-1], B)')
    found = explained(tmp_path, turned, port="gru_sensors.py")
    assert found is not None
    assert found["operation"] in ("dWaa_r += drraw @ a[t - 1].T", "dWaa_z += dzraw @ a[t - 1].T")


def test_what_stays_unexplained_is_said(tmp_path: Path) -> None:
    found = explained(
        tmp_path,
        ("dW3 += e.T @ h", "dW3 = e.T @ h"),
        ("dW1 += x.T @ dtanh", "dW1 += np.cos(x.T @ dtanh) - 7"),
    )
    assert found is not None
    assert found["unexplained"] == ["W1"]
    assert "W1 stay unexplained" in found["sentence"]


def test_a_right_port_needs_no_explanation(tmp_path: Path) -> None:
    assert explained(tmp_path) is None


def test_numbers_that_are_nobody_s_have_no_explanation() -> None:
    port, pairs = numbers(PORTS / "story.py")
    rng = np.random.default_rng(0)
    for _, answer in pairs:
        answer.gradients = {n: rng.standard_normal(g.shape) for n, g in answer.gradients.items()}
    assert explain(port, pairs, budget=0.5) is None


def test_no_cases_have_no_explanation() -> None:
    assert explain(numbers(PORTS / "story.py")[0], []) is None


def test_both_sides_are_afterwards_what_they_were(tmp_path: Path) -> None:
    functions = [backward_in_columns, backward_in_rows]
    before = [(f.__code__, set(f.__globals__)) for f in functions]
    explained(tmp_path, TRANSPOSE)
    assert [(f.__code__, set(f.__globals__)) for f in functions] == before


@pytest.mark.parametrize("budget", [0.0, 2.0])
def test_an_explanation_is_plain_data(tmp_path: Path, budget: float) -> None:
    (tmp_path / "story.py").write_text((PORTS / "story.py").read_text().replace(*TRANSPOSE))
    found = explain(*numbers(tmp_path / "story.py"), budget=budget)
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("class/raw-gate-in-the-cell", "dg = i[t] * dc"),
        ("separate_gates/candidate-like-a-gate", "dgraw = tanh_slope(g[t]) * dg"),
        (
            "class/U-untransposed",
            "da_next = Waa_i.T @ diraw + Waa_f.T @ dfraw + Waa_g.T @ dgraw + Waa_o.T @ doraw",
        ),
        ("bias_row/forget-wraps-around", "df = c[t - 1] * dc"),
        ("outer_lists/bo-as-bg", "db_o += doraw"),
    ],
)
def test_the_gate_that_is_off_is_read_from_the_sums_of_its_steps(tmp_path: Path, name: str, operation: str) -> None:
    fault = next(fault for fault in corpus("lstm") if fault.id == name)
    port = load(str(fault.write(tmp_path)))[0]
    found = explain(port, observed(port), budget=6.0)
    assert found is not None
    assert found["operation"] == operation
    assert not found["unexplained"]


def test_the_first_turn_that_is_off_tells_which_equations_and_edits_can_be_at_fault(tmp_path: Path) -> None:
    fault = next(fault for fault in corpus("lstm") if fault.id == "class/sigmoid-prime-of-the-gate")
    port = load(str(fault.write(tmp_path)))[0]
    seen = Observed(port, observed(port))
    reference = seen.sides[0]
    with seen.names(), np.errstate(all="ignore"):
        reference.keep(seen.first)
        seen.take_sums_apart()
        (backward,) = [p for p in reference.parts if p.name == "backward" and "diraw" in p.quantities]
        turns = {e.target: seen.needed["reference"].at(e) for e in backward.equations}
        alone = {target for target, turn in turns.items() if getattr(turn, "alone", False)}
        assert alone == {"di", "diraw"}
        fitting = [e for e in breaks([backward], seen.cases[seen.first].sizes) if seen.fit(reference, [e])]
    assert "diraw = sigmoid_slope(1 / (1 + np.exp(-i[t]))) * di" in [edit.becomes for edit in fitting]
    assert {edit.equations[0].target for edit in fitting} <= alone


def test_edits_that_are_compiled_at_once_do_what_each_does_alone() -> None:
    port, pairs = numbers(PORTS / "story.py")
    seen = Observed(port, pairs)
    with seen.names(), np.errstate(all="ignore"):
        (backward,) = [p for p in seen.sides[0].parts if p.name == "backward" and "daraw" in p.quantities]
        edits = [e for e in breaks([backward], seen.cases[seen.first].sizes) if e.equations[0].target == "daraw"][:40]
        alone = [seen.reproduced(seen.sides[0], [edit], seen.first) for edit in edits]
        chunks(edits)
        assert sum(edit.among is not None for edit in edits) > 20
        assert [seen.reproduced(seen.sides[0], [edit], seen.first) for edit in edits] == alone
    assert len(set(alone)) > 2


def test_a_port_that_raises_is_explained_where_sizes_are_equal(tmp_path: Path) -> None:
    fault = next(fault for fault in corpus("rnn") if fault.id == "story/bias-over-the-wrong-axis")
    port = load(str(fault.write(tmp_path)))[0]
    with pytest.raises(Problem):
        numbers(tmp_path / "story.py")
    found = explain(port, observed(port), budget=6.0)
    assert found is not None
    assert found["operation"] == "dby += dz[t]"
    assert "summed over the features, not over the examples" in found["sentence"]


def test_of_two_movements_one_may_break_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # What an equation makes is moved twice: a sum of its kind may come of it the first time only.
    needed = Needed.__new__(Needed)
    moves = iter([np.ones(2), NEVER])
    monkeypatch.setattr(Needed, "_moved", lambda self, by: next(moves))
    assert needed._effect(None, {0: _Call({}, np.ones(2))}, None) is NEVER  # type: ignore[arg-type]


def test_a_sum_tells_at_which_turn_of_which_example_it_is_off() -> None:
    rng = np.random.default_rng(0)
    watch = Watch([])
    watch.texts = ["backward: daraw", "backward: daraw"]
    states, inputs = rng.normal(size=(2, 4, 8, 1)), rng.normal(size=(2, 4, 5, 1))
    daraw = rng.normal(size=(2, 4, 8, 1))
    dWaa, dWax = np.zeros((8, 8)), np.zeros((8, 5))
    for example in range(2):
        watch.begin()
        for turn in range(4):
            watch.see(0, daraw[example, turn], states[example, turn], dWaa)
            watch.see(1, daraw[example, turn], inputs[example, turn], dWax)

    def gradients(quantity: np.ndarray) -> dict[str, np.ndarray]:
        return {
            "Waa": np.einsum("btik,btjk->ij", quantity, states),
            "Wax": np.einsum("btik,btjk->ij", quantity, inputs),
        }

    sums = Sums(watch, gradients(daraw))
    assert sums.off(gradients(daraw), 1e-6) == frozenset()
    moved = daraw.copy()
    moved[1, 2] += 0.1
    assert sums.off(gradients(moved), 1e-6) == {(0, 2)}
    other = {**gradients(daraw), "Waa": gradients(daraw)["Waa"] + rng.normal(size=(8, 8))}
    assert sums.off(other, 1e-6) == {(0, NO_SUM)}


def test_numbers_that_are_none_are_not_explained(tmp_path: Path) -> None:
    path = tmp_path / "story.py"
    path.write_text((PORTS / "story.py").read_text().replace(*TRANSPOSE))
    (port,) = load(str(path))
    trusted = trusted_side(port)
    found = diff(port, [expect(port, trusted, case) for case in single_cases(port, cases(port, 0))])
    judgement = judge(port, trusted, found, 0)
    assert diagnose_numbers(port, found, judgement) is not None
    found.answers[1].gradients["W1"][0, 0] = np.nan
    assert diagnose_numbers(port, found, judgement) is None
