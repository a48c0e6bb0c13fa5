"""A parser of command lines whose complaints are one line each: what was wrong, what was expected, what to do."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from typing import NoReturn

from .problem import Problem, nearest
from .words import listed


class Parser(argparse.ArgumentParser):
    """As the standard library's, but for what it says; the usage is what `--help` shows."""

    def error(self, message: str) -> NoReturn:
        name, _, what = message.removeprefix("argument ").partition(": ")
        found = (
            re.fullmatch(r"(?P<missing>the following arguments are required): (?P<names>.*)", message)
            or re.fullmatch(r"(?P<one_of>one of the arguments) (?P<names>.*) is required", message)
            or re.fullmatch(r"(?P<ambiguous>ambiguous option): (?P<word>\S+) could match (?P<names>.*)", message)
            or re.fullmatch(r"(?P<choice>invalid choice): '?(?P<word>.*?)'? \(choose from (?P<names>[^)]*)\).*", what)
            or re.fullmatch(r"(?P<beside>not allowed with argument) (?P<names>.*)", what)
            or re.fullmatch(r"(?P<value>expected .*argument.*)", what)
            or re.fullmatch(r"(?P<none>ignored explicit argument) (?P<word>.*)", what)
        )
        said = {} if found is None else found.groupdict()
        names = re.findall(r"[^\s,']+", said.get("names") or "")
        if "missing" in said:
            text = self._missing(names)
        elif "one_of" in said:
            text = f"one of {' and '.join(names)} must be there: {' or '.join(map(self._shown, names))}"
        elif "ambiguous" in said:
            text = f"{said['word'].partition('=')[0]} may be {' or '.join(names)}: write it out"
        elif "choice" in said:
            text = f"{name}: '{said['word']}' is unknown{nearest(said['word'], names, ';')} expected {_either(names)}"
        elif "beside" in said:
            text = f"{name} and {' '.join(names)} exclude each other: leave one of them out"
        elif "value" in said:
            text = f"{name} needs a value behind it: {self._shown(name)}"
        elif "none" in said:
            text = f"{name} takes no value: leave out {said['word']}"
        else:
            text = message.removeprefix("argument ")
        raise self._problem(text)

    def stranger(self, words: Sequence[str]) -> Problem:
        """What is said of arguments that the command does not take."""
        options = [option for action in self._actions for option in action.option_strings]
        word = next((word for word in words if word.startswith("-")), words[0])
        if word.startswith("-"):
            name = word.partition("=")[0]
            text = f"{self.prog} has no option {name}{nearest(name, options)}"
        else:
            takes = " ".join(self._name(a) for a in self._actions if not a.option_strings)
            text = f"'{word}' is one argument too many: {self.prog} takes {takes or 'none'}"
        return self._problem(text)

    def _problem(self, text: str) -> Problem:
        return Problem(f"{text}{' See' if text.endswith('?') else '; see'} {self.prog} --help")

    def _missing(self, names: Sequence[str]) -> str:
        """What is said of arguments that must be there."""
        if names == ["COMMAND"]:
            return "which command?"
        helps = [self._action(name).help for name in names]
        shown = [f"{self._shown(n)}{f' ({text})' if text else ''}" for n, text in zip(names, helps, strict=True)]
        return f"{self.prog} needs {listed(shown)}"

    def _shown(self, name: str) -> str:
        """An argument as it is written: `--seed SEED`, `PORT.py`."""
        action = self._action(name)
        if not action.option_strings:
            return str(action.metavar or action.dest)
        choices = "|".join(map(str, action.choices or ()))
        value = action.metavar or choices or action.dest.upper()
        return f"{action.option_strings[0]} {value}"

    def _action(self, name: str) -> argparse.Action:
        word = name.partition("/")[0]
        return next(a for a in self._actions if word in (*a.option_strings, a.metavar, a.dest))

    @staticmethod
    def _name(action: argparse.Action) -> str:
        return str(action.metavar or action.dest) + " ..." * (action.nargs in ("*", "+"))


def _either(names: Sequence[str]) -> str:
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
