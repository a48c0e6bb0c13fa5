"""`rowcol convert`: nothing is lost, nothing is guessed, and a bad file leaves nothing behind."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rowcol.bridge import convert
from rowcol.bridge.cli import main
from rowcol.bridge.conversion import converted
from rowcol.bridge.dialects import dialect_named, dialects
from rowcol.bridge.dialects.entry import Dialect, Entry
from rowcol.bridge.family import FAMILIES, family_named, words_of
from rowcol.bridge.notation import parse
from rowcol.bridge.problem import Problem
from rowcol.bridge.recognise import recognise

SIZES = {"input": 3, "hidden": 5, "output": 7, "hidden1": 5, "hidden2": 6, "head": 2, "key": 3, "direction": 2}
Arrays = dict[str, Any]


def weights(dialect: Dialect, entry: Entry, family: str, layers: int = 1, directions: int = 1) -> Arrays:
    """Random weights of a network in a dialect."""
    text = "\n".join(entry.lines(family, layers, directions, data=False))
    layout = parse(text, family_named(family, words_of(text)).vocabulary())
    rng = np.random.default_rng(3)
    shapes = layout.bind(SIZES).shapes
    return {name.replace(".", dialect.separator): rng.standard_normal(s) for name, s in shapes.items()}


def of(name: str, family: str, layers: int = 1, directions: int = 1, variant: int = 0) -> Arrays:
    dialect = dialect_named(name)
    return weights(dialect, dialect.families[family][variant], family, layers, directions)


def networks() -> Iterator[tuple[str, int, int]]:
    for family in FAMILIES:
        for layers, directions in ((1, 1), (2, 1), (1, 2), (3, 2)):
            if not (family == "attention" and layers * directions > 1) and not (family == "dense" and directions == 2):
                yield family, layers, directions


def told(family: str) -> dict[str, int]:
    return {"head": 2} if family == "attention" else {}


def save(path: Path, arrays: Arrays) -> str:
    np.savez(path, **arrays)
    return str(path)


# Round trips


@pytest.mark.parametrize(("family", "layers", "directions"), list(networks()))
def test_a_round_trip_through_any_other_dialect_changes_no_bit(family: str, layers: int, directions: int) -> None:
    tried = 0
    for one in dialects():
        for entry in one.families.get(family, ()):
            if not entry.has(layers, directions):
                continue
            arrays = weights(one, entry, family, layers, directions)
            source = recognise(arrays, family, one.name, told(family), settings=entry.settings)
            for other in dialects():
                if family in other.missing:
                    continue
                try:
                    there = converted(arrays, source, other.name)
                except Problem:
                    continue
                back = convert(there.arrays, family, other.name, one.name, sizes=told(family), **entry.settings)
                again = convert(back, family, one.name, other.name, sizes=told(family), **entry.settings)
                assert list(back) == list(arrays)
                if not any("sum" in remark for remark in there.remarks):
                    assert all(back[name].tobytes() == arrays[name].tobytes() for name in arrays)
                assert all(again[name].tobytes() == there.arrays[name].tobytes() for name in again)
                tried += 1
    assert tried >= 4


def test_two_biases_stay_apart_where_both_sides_have_two() -> None:
    arrays = of("pytorch", "lstm")
    back = convert(convert(arrays, "lstm", "pytorch", "onnx"), "lstm", "onnx", "pytorch")
    assert all(np.array_equal(back[name], arrays[name]) for name in arrays)


def test_two_biases_are_added_where_there_is_room_for_one_and_that_is_said() -> None:
    arrays = of("pytorch", "lstm")
    done = converted(arrays, recognise(arrays, "lstm", "pytorch", {}), "keras")
    assert np.array_equal(done.arrays["bias"], arrays["bias_ih_l0"] + arrays["bias_hh_l0"])
    assert any("bias: two biases that only ever act as their sum" in remark for remark in done.remarks)


def test_weights_without_biases_stay_without() -> None:
    arrays = {name: w for name, w in of("pytorch", "gru").items() if "bias_" not in name}
    done = converted(arrays, recognise(arrays, "gru", "pytorch", {}), "keras")
    assert "bias" not in done.arrays
    assert any("use_bias=False" in remark for remark in done.remarks)


def test_an_exercise_that_always_has_biases_gets_zeros() -> None:
    arrays = {"weight_ih_l0": np.ones((20, 3)), "weight_hh_l0": np.ones((20, 5))}
    assert not np.any(convert(arrays, "lstm", "pytorch", "cs231n")["b"])


def test_the_dtype_is_kept() -> None:
    arrays = {name: w.astype(np.float32) for name, w in of("keras", "lstm").items()}
    assert {w.dtype for w in convert(arrays, "lstm", "keras", "pytorch").values()} == {np.dtype(np.float32)}


def test_zeros_keep_their_sign() -> None:
    arrays = of("keras", "lstm")
    arrays["bias"][:2] = -0.0, 0.0
    back = convert(convert(arrays, "lstm", "keras", "pytorch"), "lstm", "pytorch", "keras")
    assert back["bias"].tobytes() == arrays["bias"].tobytes()


# What cannot be represented


def test_the_other_reset_convention_is_refused() -> None:
    with pytest.raises(Problem, match="reset='before', and PyTorch computes reset='after' only"):
        convert(of("keras", "gru", variant=1), "gru", "keras", "pytorch")


def test_a_bias_inside_the_reset_is_not_added_to_the_one_outside() -> None:
    with pytest.raises(Problem, match="'bias_hh_l0': the candidate's recurrent bias stands inside the reset"):
        convert(of("pytorch", "gru"), "gru", "pytorch", "nnx")


def test_a_bias_inside_the_reset_may_go_where_it_is_zero() -> None:
    arrays = of("flax", "gru")
    arrays["hn/bias"][:] = 0
    assert "dense_h/kernel" in convert(arrays, "gru", "flax", "nnx")


def test_which_model_the_arrays_are_is_not_guessed() -> None:
    with pytest.raises(Problem, match="--reset before or --reset after"):
        convert(of("onnx", "gru"), "gru", "onnx", "keras")


def test_more_layers_than_a_dialect_has_are_refused() -> None:
    with pytest.raises(Problem, match="has no rnn of 2 layers"):
        convert(of("pytorch", "rnn", 2), "rnn", "pytorch", "karpathy")


def test_sizes_that_the_arrays_do_not_tell_are_asked_for() -> None:
    arrays = of("pytorch", "attention")
    with pytest.raises(Problem, match=r"--sizes 'head = \.\.\.'"):
        convert(arrays, "attention", "pytorch", "keras")
    assert convert(arrays, "attention", "pytorch", "keras", sizes={"head": 2})["query/kernel"].shape == (6, 2, 3)


# Names and shapes


def test_what_the_names_begin_with_is_found_out() -> None:
    arrays = {f"model/lstm/lstm_cell/{n}": w for n, w in of("keras", "lstm").items() if "dense" not in n}
    assert set(convert(arrays, "lstm", "keras", "nnx")) == {"dense_i/kernel", "dense_h/kernel", "dense_h/bias"}


def test_two_networks_in_one_file_are_told_apart_by_prefix() -> None:
    arrays = {f"h.{k}.attn.{n}": w + k for k in (0, 1) for n, w in of("gpt2", "attention").items()}
    with pytest.raises(Problem, match=r"under 'h\.0\.attn\.', 'h\.1\.attn\.'"):
        convert(arrays, "attention", "gpt2", "pytorch", sizes={"head": 2})
    taken = convert(arrays, "attention", "gpt2", "pytorch", sizes={"head": 2}, prefix="h.1.attn.")
    assert np.array_equal(taken["in_proj_weight"], arrays["h.1.attn.c_attn.weight"].T)


def test_an_array_that_belongs_to_nothing_is_named() -> None:
    arrays = {**of("pytorch", "lstm"), "weight_hr_l0": np.ones((2, 5))}
    with pytest.raises(Problem, match="'weight_hr_l0': no array of this lstm of PyTorch"):
        convert(arrays, "lstm", "pytorch", "keras")
    assert convert(arrays, "lstm", "pytorch", "keras", ignore=["weight_hr_l0"])


def test_a_matrix_of_the_wrong_shape_is_named_with_the_right_one() -> None:
    arrays = of("pytorch", "lstm")
    arrays["weight_hh_l0"] = arrays["weight_hh_l0"].T
    with pytest.raises(Problem, match=r"'weight_hh_l0' has the shape \(5, 20\), expected \(20, 5\).*transpose"):
        convert(arrays, "lstm", "pytorch", "keras")


def test_one_of_two_biases_is_not_enough() -> None:
    arrays = of("pytorch", "lstm")
    del arrays["bias_hh_l0"]
    with pytest.raises(Problem, match="'bias_ih_l0' without 'bias_hh_l0'"):
        convert(arrays, "lstm", "pytorch", "keras")


@pytest.mark.parametrize("name", ["dense_2", "head"])
def test_an_output_layer_under_another_name_is_taken_along(name: str, tmp_path: Path, capsys: Any) -> None:
    arrays = {key.replace("dense", name): w for key, w in of("keras", "lstm").items()}
    lstm = {key if key.startswith(name) else f"lstm_1/lstm_cell/{key}": w for key, w in arrays.items()}
    words = ["--family", "lstm", "--from", "keras", "--to", "cs231n", "--verify"]
    assert main(["convert", save(tmp_path / "in.npz", lstm), str(tmp_path / "out.npz"), *words]) == 0
    said = capsys.readouterr().out
    assert f"{name}/kernel, {name}/bias: taken for the output layer" in said
    assert "left out" not in said
    assert np.array_equal(np.load(tmp_path / "out.npz")["W_vocab"], arrays[f"{name}/kernel"])


def test_layers_beside_the_network_are_not_left_out_unasked() -> None:
    lstm = {f"lstm/lstm_cell/{key}": w for key, w in of("keras", "lstm").items() if "dense" not in key}
    two = {**lstm, "dense_1/kernel": np.ones((5, 6)), "dense_2/kernel": np.ones((6, 7))}
    with pytest.raises(Problem, match=r"'dense_1/kernel', 'dense_2/kernel': no array of this lstm.*--ignore"):
        convert(two, "lstm", "keras", "cs231n")
    assert "W_vocab" not in convert(two, "lstm", "keras", "cs231n", ignore=["dense_"])
    with pytest.raises(Problem, match="'dense_1/kernel': no array of this lstm"):
        convert({**lstm, "dense_1/kernel": np.ones((9, 7))}, "lstm", "keras", "cs231n")


def test_an_output_layer_that_only_the_other_file_has_is_not_called_verified(tmp_path: Path, capsys: Any) -> None:
    whole = of("pytorch", "lstm")
    one = save(tmp_path / "in.npz", {key: w for key, w in whole.items() if "linear" not in key})
    other = save(tmp_path / "out.npz", whole)
    words = ["--family", "lstm", "--from", "pytorch", "--to", "pytorch", "--verify"]
    assert main(["convert", one, other, *words]) == 2
    assert "has an output layer, and IN has none" in capsys.readouterr().err


def test_half_an_output_layer_is_refused() -> None:
    arrays = of("keras", "lstm")
    del arrays["dense/kernel"]
    with pytest.raises(Problem, match="'dense/bias' without 'dense/kernel': they belong together"):
        convert(arrays, "lstm", "keras", "cs231n")


def test_integers_that_are_no_weights_are_left_out_and_that_is_said(tmp_path: Path, capsys: Any) -> None:
    seed = {"seed_generator/seed_generator_state": np.arange(2, dtype=np.uint32)}
    source = save(tmp_path / "in.npz", {**of("keras", "lstm"), **seed})
    words = ["--family", "lstm", "--from", "keras", "--to", "cs231n"]
    assert main(["convert", source, str(tmp_path / "out.npz"), *words]) == 0
    assert "left out, as no part of this network: seed_generator/seed_generator_state" in capsys.readouterr().out
    whole = {**of("keras", "lstm"), "bias": np.arange(20)}
    with pytest.raises(Problem, match="'bias' holds int64; weights are floating-point numbers"):
        convert(whole, "lstm", "keras", "cs231n")


def test_what_is_ignored_may_hold_anything(tmp_path: Path) -> None:
    source = save(tmp_path / "in.npz", {**of("keras", "lstm"), "vocabulary": np.array(["a", "b"])})
    words = ["convert", source, str(tmp_path / "out.npz"), "--family", "lstm", "--from", "keras", "--to", "keras"]
    assert main(words) == 2
    assert main([*words, "--ignore", "vocabulary", "--verify"]) == 0


def test_what_the_other_file_must_have_is_not_ignored_there(tmp_path: Path) -> None:
    source = save(tmp_path / "in.npz", of("keras", "lstm"))
    words = ["--family", "lstm", "--from", "keras", "--to", "nnx", "--ignore", "dense", "--verify"]
    assert main(["convert", source, str(tmp_path / "out.npz"), *words]) == 0  # nnx calls the lstm's own dense_i


@pytest.mark.parametrize("value", [np.nan, -np.inf])
def test_a_weight_that_is_no_finite_number_is_refused_with_its_place(value: float, tmp_path: Path, capsys: Any) -> None:
    arrays = of("pytorch", "lstm")
    arrays["weight_hh_l0"][3, 1] = value
    save(tmp_path / "in.npz", arrays)
    assert refused(tmp_path, capsys, rf"'weight_hh_l0' holds {value} at \[3, 1\]")


def test_a_file_of_another_family_is_recognised() -> None:
    with pytest.raises(Problem, match="As the family 'lstm' of the dialect 'pytorch' they would fit"):
        convert(of("pytorch", "lstm"), "rnn", "pytorch", "keras")
    with pytest.raises(Problem, match="As the family 'lstm' of the dialect 'flax'"):
        convert(of("flax", "lstm"), "lstm", "keras", "pytorch")


# The command


def test_the_command_says_what_it_did_to_each_array(tmp_path: Path, capsys: Any) -> None:
    source, out = save(tmp_path / "in.npz", of("keras", "lstm")), tmp_path / "out.npz"
    assert main(["convert", source, str(out), "--family", "lstm", "--from", "keras", "--to", "onnx", "--verify"]) == 0
    said = capsys.readouterr().out
    assert "gates i f g o to i o f g" in said
    assert "verified: the reference computes the same" in said
    assert np.load(out)["W"].shape == (1, 20, 3)


def test_pytorch_weights_in_a_conv1d_without_their_transpose_are_caught(tmp_path: Path, capsys: Any) -> None:
    theirs = of("pytorch", "attention")
    loaded = convert(theirs, "attention", "pytorch", "gpt2", sizes={"head": 2})
    loaded["c_proj.weight"] = theirs["out_proj.weight"]
    one, other = save(tmp_path / "torch.npz", theirs), save(tmp_path / "gpt2.npz", loaded)
    before = Path(other).read_bytes()
    words = ["--family", "attention", "--from", "pytorch", "--to", "gpt2", "--sizes", "head = 2", "--verify"]
    assert main(["convert", one, other, *words]) == 1
    said = capsys.readouterr().err
    assert "'c_proj.weight' was loaded without its transpose" in said
    assert "c_attn.weight" not in said
    assert Path(other).read_bytes() == before


def test_gates_in_another_order_are_caught(tmp_path: Path, capsys: Any) -> None:
    right = of("pytorch", "lstm")
    wrong = {**right, "weight_hh_l0": np.concatenate(np.split(right["weight_hh_l0"], 4)[:2][::-1]
             + np.split(right["weight_hh_l0"], 4)[2:])}  # fmt: skip
    one, other = save(tmp_path / "a.npz", right), save(tmp_path / "b.npz", wrong)
    words = ["--family", "lstm", "--from", "pytorch", "--to", "pytorch", "--verify"]
    assert main(["convert", one, other, *words]) == 1
    assert "'weight_hh_l0' has its gates in the order f i g o; PyTorch's is i f g o" in capsys.readouterr().err


def test_a_file_that_is_there_is_left_as_it_is(tmp_path: Path, capsys: Any) -> None:
    source, out = save(tmp_path / "in.npz", of("keras", "lstm")), tmp_path / "out.npz"
    out.write_text("precious")
    words = ["convert", source, str(out), "--family", "lstm", "--from", "keras", "--to", "onnx"]
    assert main(words) == 2
    assert out.read_text() == "precious"
    assert main([*words, "--force"]) == 0
    assert main(["convert", source, source, *words[3:], "--force"]) == 2


# Files that are not what they should be


def npy(value: Any, **keywords: Any) -> bytes:
    stream = io.BytesIO()
    np.save(stream, value, **keywords)
    return stream.getvalue()


def header(shape: str, dtype: str = "<f8") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def archive(path: Path, *members: tuple[str, bytes]) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, data in members:
            file.writestr(name, data)


HOSTILE = {
    "a pickle": (("weight_ih_l0.npy", npy(np.array([{}]), allow_pickle=True)), "holds pickled objects"),
    "a size that is not there": (("weight_ih_l0.npy", header("(1000000000000, 8)") + b"\0" * 64), "there are 64"),
    "a negative size": (("weight_ih_l0.npy", header("(-1, -8)") + b"\0" * 64), "claims the shape"),
    "an integer that never ends": (("weight_ih_l0.npy", header("(" + "9" * 5000 + ",)")), "npy format|cut off"),
    "a path": (("../../weight_ih_l0.npy", npy(np.ones(3))), "is a path"),
    "an absolute path": (("/etc/weight.npy", npy(np.ones(3))), "is a path"),
    "a path of Windows": (("C:\\weight.npy", npy(np.ones(3))), "is a path"),
    "another kind of member": (("weight_ih_l0.txt", b"hello"), "is no array"),
    "no array behind the ending": (("weight_ih_l0.npy", b"hello"), "no array in the .npy format"),
    "words": (("weight_ih_l0.npy", npy(np.array(["one", "two"]))), "Expected real numbers"),
    "nothing of a number": (("weight_ih_l0.npy", header("(3,)", "|V0")), "Expected real numbers"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_file_gets_one_message_and_nothing_is_written(kind: str, tmp_path: Path, capsys: Any) -> None:
    member, message = HOSTILE[kind]
    archive(tmp_path / "in.npz", member)
    assert refused(tmp_path, capsys, message)


def test_a_file_that_unpacks_to_far_more_than_it_is_is_not_unpacked(
    tmp_path: Path, capsys: Any, monkeypatch: Any
) -> None:
    monkeypatch.setattr("rowcol.bridge.weights.ROOM", 1000)
    with zipfile.ZipFile(tmp_path / "in.npz", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("weight_ih_l0.npy", npy(np.zeros((1000, 1000))))
    assert refused(tmp_path, capsys, "it is not unpacked")


@pytest.mark.parametrize("length", [0, 10, 700, -30])
def test_a_truncated_file_gets_one_message(length: int, tmp_path: Path, capsys: Any) -> None:
    path = Path(save(tmp_path / "in.npz", of("pytorch", "lstm")))
    path.write_bytes(path.read_bytes()[:length])
    assert refused(tmp_path, capsys, "is no .npz file, or a damaged one")


def test_a_flipped_bit_gets_one_message(tmp_path: Path, capsys: Any) -> None:
    path = Path(save(tmp_path / "in.npz", of("pytorch", "lstm")))
    data = bytearray(path.read_bytes())
    data[400] ^= 1
    path.write_bytes(data)
    assert refused(tmp_path, capsys, "damaged")


def test_a_missing_file_a_folder_and_another_ending_get_one_message(tmp_path: Path, capsys: Any) -> None:
    assert refused(tmp_path, capsys, "no such file")
    (tmp_path / "in.npz").mkdir()
    assert refused(tmp_path, capsys, "is a folder")
    assert refused(tmp_path, capsys, "ends in .npz or .safetensors", "in.pt")


def test_nothing_partial_is_left_when_the_folder_cannot_be_written(tmp_path: Path, capsys: Any) -> None:
    save(tmp_path / "in.npz", of("pytorch", "lstm"))
    assert refused(tmp_path, capsys, "cannot be written", output="nowhere/out.npz")


def refused(folder: Path, capsys: Any, message: str, source: str = "in.npz", output: str = "out.npz") -> bool:
    """One message on stderr that says it, status 2, and no new file."""
    import re

    before = sorted(folder.iterdir())
    words = ["--family", "lstm", "--from", "pytorch", "--to", "keras"]
    assert main(["convert", str(folder / source), str(folder / output), *words]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.strip().splitlines()) == 1
    assert re.search(message, said.err), said.err
    return sorted(folder.iterdir()) == before


def test_safetensors_hold_the_same_weights(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    from safetensors.numpy import load_file, save_file

    save_file(of("pytorch", "lstm"), tmp_path / "in.safetensors")
    words = ["--family", "lstm", "--from", "pytorch", "--to", "onnx", "--verify"]
    assert main(["convert", str(tmp_path / "in.safetensors"), str(tmp_path / "out.safetensors"), *words]) == 0
    assert load_file(tmp_path / "out.safetensors")["B"].shape == (1, 40)


def test_a_damaged_safetensors_file_gets_one_message(tmp_path: Path, capsys: Any) -> None:
    pytest.importorskip("safetensors")
    (tmp_path / "in.safetensors").write_bytes(b"\xff" * 40)
    assert refused(tmp_path, capsys, "damaged", "in.safetensors")


# A layout of one's own


MINE = """
    W:  Wax[i f g o]|b[i f g o]  (input|1) (gate hidden)   # the bias as a last row
    U:  Waa[f i o g]             (gate prev) hidden
    Wy: Wya                      hidden output
    X:  x                        batch time input          # data, which no file of weights has
"""
DEEP = """
    W0: Wax hidden input
    U0: Waa hidden prev
    W1: Wax.1 hidden below
    U1: Waa.1 hidden prev
    U2: Waa.reverse prev hidden
    W2: Wax.reverse input hidden
    W3: Wax.1.reverse below hidden
    U3: Waa.1.reverse prev hidden
"""


def asked(tmp_path: Path, arrays: Arrays, layout: str, *options: str, family: str = "lstm") -> int:
    mine = tmp_path / "mine.txt"
    mine.write_text(layout, encoding="utf-8")
    given = save(tmp_path / "in.npz", arrays), str(tmp_path / "out.npz")
    return main(["convert", *given, "--family", family, "--from", "pytorch", "--to-layout", str(mine), *options])


def test_weights_go_to_a_layout_of_ones_own_and_are_verified(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arrays = of("pytorch", "lstm")
    del arrays["linear.bias"]
    assert asked(tmp_path, arrays, MINE, "--verify") == 0
    assert "verified: the reference computes the same" in capsys.readouterr().out
    found = np.load(tmp_path / "out.npz")
    assert sorted(found) == ["U", "W", "Wy"]
    assert np.array_equal(found["W"][:-1], arrays["weight_ih_l0"].T)
    assert np.array_equal(found["W"][-1], arrays["bias_ih_l0"] + arrays["bias_hh_l0"])
    i, f, g, o = arrays["weight_hh_l0"].reshape(4, 5, 5)
    assert np.array_equal(found["U"], np.concatenate([f.T, i.T, o.T, g.T]))


def test_the_lines_of_several_layers_and_both_directions_stand_for_themselves(tmp_path: Path) -> None:
    arrays = {name: w for name, w in of("pytorch", "rnn", 2, 2).items() if "bias" not in name and "linear" not in name}
    assert asked(tmp_path, arrays, DEEP, family="rnn") == 0
    found = np.load(tmp_path / "out.npz")
    assert np.array_equal(found["W1"], arrays["weight_ih_l1"])
    assert np.array_equal(found["U3"], arrays["weight_hh_l1_reverse"].T)


@pytest.mark.parametrize(
    ("layout", "said"),
    [
        (MINE.replace("hidden output", "hiden output"), "mine.txt: layout line 4: there is no axis 'hiden'"),
        (MINE.replace("    U:  Waa[f i o g]             (gate prev) hidden\n", ""), "has no place in"),
        (DEEP, "say in brackets what the line holds"),
        (MINE + "    V:  Waa.1[i f g o]  (gate prev) hidden\n", "an array that IN does not have"),
    ],
    ids=["an axis", "a line is missing", "of another family", "of a layer that is not there"],
)
def test_a_layout_that_cannot_be_right_writes_nothing(
    layout: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert asked(tmp_path, of("pytorch", "lstm"), layout) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out.npz").exists()


def test_a_line_without_weights_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arrays = {name: w for name, w in of("pytorch", "lstm").items() if "linear" not in name}
    assert asked(tmp_path, arrays, MINE) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert "mine.txt: the line 'Wy: Wya hidden output' is of an array that IN does not have" in said


# Names as Keras had them before its version 3


def test_names_with_the_colon_of_older_keras_are_taken(tmp_path: Path) -> None:
    arrays = of("keras", "lstm")
    older = {("" if "dense" in name else "lstm/lstm_cell/") + f"{name}:0": w for name, w in arrays.items()}
    given = save(tmp_path / "in.npz", older)
    command = ["convert", given, str(tmp_path / "out.npz"), "--family", "lstm", "--from", "keras", "--to", "pytorch"]
    assert main([*command, "--verify"]) == 0
    found = np.load(tmp_path / "out.npz")
    expected = convert(arrays, "lstm", "keras", "pytorch")
    assert sorted(found) == sorted(expected)
    assert all(np.array_equal(found[name], expected[name]) for name in expected)


def test_two_spellings_of_one_name_are_not_chosen_from() -> None:
    arrays = of("keras", "rnn")
    with pytest.raises(Problem, match="'kernel' and 'kernel:0' are one name here"):
        convert({**arrays, "kernel:0": arrays["kernel"] + 1}, "rnn", "keras", "pytorch")
    kept = convert({**arrays, "kernel:0": arrays["kernel"] + 1}, "rnn", "keras", "pytorch", ignore=["kernel:0"])
    assert np.array_equal(kept["weight_ih_l0"], arrays["kernel"].T)


def test_arrays_without_names_are_to_be_saved_by_name(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "w_list.npz"
    np.savez(file, np.zeros((3, 20)), np.zeros((5, 20)), np.zeros(20))
    words = [str(file), str(tmp_path / "out.npz"), "--family", "lstm"]
    assert main(["convert", *words, "--from", "keras", "--to", "pytorch"]) == 2
    assert capsys.readouterr().err == (
        f"{file}: the arrays have no names ('arr_0', 'arr_1', 'arr_2'), and their order tells no layer. Save them by "
        "name: np.savez(FILE, **{w.path: w.numpy() for w in model.weights}).\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("{folder} out.npz --family lstm --from keras --to pytorch", "{folder}: is a folder; expected a file"),
        ("w.npz out.npz --family lstm --from kerass --to pytorch", "--from: unknown dialect 'kerass'; did you mean"),
        ("w.npz out.npz --family lstm --from keras --to pytroch", "--to: unknown dialect 'pytroch'; did you mean"),
        ("w.npz out.npz --family lsmt --from keras --to pytorch", "--family: unknown family 'lsmt'; did you mean"),
    ],
)
def test_the_option_or_the_file_is_named(
    words: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", *(word.format(folder=tmp_path) for word in words.split())]) == 2
    assert capsys.readouterr().err.startswith(said.format(folder=tmp_path))
