"""The text of a source file: places in it, what stands there, and what is put in its place."""

from __future__ import annotations

import ast
import os
import re
import sys
from bisect import bisect_right
from collections.abc import Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple, TypeAlias

FunctionNode: TypeAlias = "ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda"
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_ANNOTATED = re.compile(r"^[ \t]+[\w.]+(\[.*\])?[ \t]*:[^\n=]+=", re.MULTILINE)
_NEWLINE = re.compile(r"\r\n|\r|\n")
_CODING = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")


def code_name(node: FunctionNode) -> str:
    """The name that the code object of a function has."""
    return "<lambda>" if isinstance(node, ast.Lambda) else node.name


@lru_cache(maxsize=20_000)
def walk(node: ast.AST) -> list[ast.AST]:
    """A node and all that stands in it, as `ast.walk` has them: kept, for trees that nobody changes."""
    found = [node]
    for one in found:
        found += ast.iter_child_nodes(one)
    return found


def _without_annotations(node: ast.AST, inside: bool) -> None:
    """What a function sets with an annotation (`h: Array = ...`) taken for what it is there, an assignment."""
    inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (inside and not isinstance(node, ast.ClassDef))
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        block = getattr(node, name, None)
        for place, one in enumerate(block if isinstance(block, list) else ()):
            if inside and isinstance(block, list) and isinstance(one, ast.AnnAssign) and one.value is not None:
                block[place] = ast.copy_location(ast.Assign([one.target], one.value), one)
            _without_annotations(one, inside)


class Splice(NamedTuple):
    """Replace the characters `[start:end]` of a file by `text`."""

    path: str
    start: int
    end: int
    text: str


class Source:
    """The text of a file (or of a notebook's cell) with its syntax tree and the offsets of every node.

    The text keeps the file's own line ends, tabs and missing last newline; `encoded` gives back its bytes.
    """

    def __init__(self, path: str, text: str, encoding: str = "utf-8", *, on_disk: bool = True) -> None:
        self.path, self.text, self.encoding, self.on_disk = path, text, encoding, on_disk
        self.tree = ast.parse(text)
        if _ANNOTATED.search(text):
            _without_annotations(self.tree, False)
        self._starts = [0, *(match.end() for match in _NEWLINE.finditer(text))]
        self._ascii = text.isascii()
        self._spans: dict[ast.AST, tuple[int, int]] = {}
        self._parents: dict[ast.AST, ast.AST] | None = None
        self._blocks: dict[ast.AST, tuple[list[ast.stmt], int]] | None = None

    @classmethod
    def read(cls, path: str) -> Source:
        """Read a file, or a notebook's cell that Python holds under that name."""
        if os.path.isfile(path):
            with open(path, "rb") as file:
                data = file.read()
            encoding = _encoding(data)
            return cls(path, data.decode(encoding), encoding)
        cached = getattr(sys.modules.get("linecache"), "cache", {}).get(path)
        if cached is None or len(cached) != 4:
            raise FileNotFoundError(f"no source text for {path}")
        return cls(path, "".join(cached[2]), on_disk=False)

    def encoded(self) -> bytes:
        """The bytes of the text as the file holds them."""
        return self.text.encode(self.encoding)

    def offset(self, line: int, column: int) -> int:
        """The character offset of an AST position (line from 1, column in UTF-8 bytes)."""
        start = self._starts[line - 1]
        if self._ascii:
            return start + column
        end = self._starts[line] if line < len(self._starts) else len(self.text)
        return start + len(self.text[start:end].encode()[:column].decode(errors="ignore"))

    def span(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> tuple[int, int]:
        """Start and end offset of a node."""
        found = self._spans.get(node)
        if found is None:
            assert node.end_lineno is not None and node.end_col_offset is not None
            found = self.offset(node.lineno, node.col_offset), self.offset(node.end_lineno, node.end_col_offset)
            self._spans[node] = found
        return found

    def segment(self, node: ast.expr | ast.stmt | ast.arg | ast.keyword) -> str:
        """The text of a node."""
        start, end = self.span(node)
        return self.text[start:end]

    def line(self, offset: int) -> int:
        """The line (from 1) on which an offset stands."""
        return bisect_right(self._starts, offset)

    def line_start(self, line: int) -> int:
        """The offset at which a line (from 1) begins; past the last line, the text's end."""
        return self._starts[line - 1] if line <= len(self._starts) else len(self.text)

    def line_text(self, line: int) -> str:
        """A line without its line end."""
        return self.text[self.line_start(line) : self.line_start(line + 1)].rstrip("\r\n")

    @property
    def newline(self) -> str:
        """The line end that the text uses."""
        found = _NEWLINE.search(self.text)
        return found.group() if found else "\n"

    def parent(self, node: ast.AST) -> ast.AST | None:
        """The node that a node stands in."""
        if self._parents is None:
            self._parents = {}
            for outer in walk(self.tree):
                for inner in ast.iter_child_nodes(outer):
                    self._parents[inner] = outer
        return self._parents.get(node)

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement that holds a node (or is it)."""
        while not isinstance(node, ast.stmt):
            outer = self.parent(node)
            if outer is None:
                raise ValueError("this node is not one of this source's tree")
            node = outer
        return node

    def statement_at(self, offset: int) -> ast.stmt | None:
        """The innermost statement that holds an offset."""
        best: ast.stmt | None = None
        latest = 0
        for start, end, node in self._statements:
            if start <= offset < end and start >= latest:
                best, latest = node, start
        return best

    @cached_property
    def _statements(self) -> list[tuple[int, int, ast.stmt]]:
        return [(*self.span(node), node) for node in walk(self.tree) if isinstance(node, ast.stmt)]

    def block(self, statement: ast.stmt) -> tuple[list[ast.stmt], int]:
        """The list of statements that a statement stands in, and its place there."""
        if self._blocks is None:
            self._blocks = {}
            for outer in walk(self.tree):
                for _, value in ast.iter_fields(outer):
                    if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
                        for index, one in enumerate(value):
                            self._blocks[one] = (value, index)
        return self._blocks[statement]

    # Splices that keep the user's formatting.

    def replace(self, node: ast.expr | ast.stmt | ast.keyword, text: str) -> Splice:
        """A node's text replaced."""
        start, end = self.span(node)
        return Splice(self.path, start, end, text)

    def indent(self, statement: ast.stmt) -> str:
        """The white space before a statement on its line."""
        start = self.line_start(statement.lineno)
        return re.match(r"[ \t\f]*", self.text[start:]).group()  # type: ignore[union-attr]

    def opens_line(self, statement: ast.stmt) -> bool:
        """Whether nothing but white space stands before a statement on its line."""
        start, _ = self.span(statement)
        return not self.text[self.line_start(statement.lineno) : start].strip()

    def before(self, statement: ast.stmt, text: str) -> Splice:
        """A new statement (its own lines unindented, joined by newlines) in front of one."""
        start, _ = self.span(statement)
        if not self.opens_line(statement):
            return Splice(self.path, start, start, f"{text}; ")
        indent = self.indent(statement)
        lines = text.replace("\n", f"{self.newline}{indent}")
        return Splice(self.path, start, start, f"{lines}{self.newline}{indent}")

    def after(self, statement: ast.stmt, text: str) -> Splice:
        """A new statement behind one, on its own line where the user's layout has it so."""
        _, end = self.span(statement)
        rest = self.text[end : self.line_start(self.line(end) + 1)].lstrip(" \t\f")
        if rest.startswith(";") or not self.opens_line(statement):
            return Splice(self.path, end, end, f"; {text}")
        # Behind a comment on the same line, which belongs to the statement.
        end += len(self.text[end : self.line_start(self.line(end) + 1)].rstrip("\r\n"))
        indent = self.newline + self.indent(statement)
        lines = indent + text.replace("\n", indent)
        return Splice(self.path, end, end, lines)

    def delete(self, statement: ast.stmt) -> Splice:
        """A statement taken out, with its line if that is all on it; `pass` where it was all of a block."""
        start, end = self.span(statement)
        if len(self.block(statement)[0]) == 1:
            return Splice(self.path, start, end, "pass")
        line_end = self.line_start(self.line(end) + 1)
        rest = self.text[end:line_end].strip()
        if rest.startswith(";"):
            return Splice(self.path, start, end + re.match(r"\s*;[ \t]*", self.text[end:]).end(), "")  # type: ignore[union-attr]
        if not self.opens_line(statement):
            before = self.text[:start].rstrip()
            return Splice(self.path, len(before) - 1 if before.endswith(";") else start, end, "")
        line_start = self.line_start(statement.lineno)
        if line_end == len(self.text) and not self.text.endswith(("\n", "\r")):
            line_start = len(self.text[:line_start].rstrip("\r\n"))
        return Splice(self.path, line_start, line_end, "")


def apply(text: str, splices: Sequence[Splice], shift: int = 0) -> str:
    """The text with splices applied, their offsets less `shift`; they must not overlap."""
    if len(splices) == 1 and splices[0].start >= shift:
        splice = splices[0]
        return text[: splice.start - shift] + splice.text + text[splice.end - shift :]
    parts: list[str] = []
    done = 0
    for splice in sorted(splices, key=lambda s: (s.start, s.end)):
        start, end = splice.start - shift, splice.end - shift
        if start < done:
            raise ValueError("these edits overlap")
        parts += (text[done:start], splice.text)
        done = end
    parts.append(text[done:])
    return "".join(parts)


def _encoding(data: bytes) -> str:
    if data.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig"
    for line in data.split(b"\n", 2)[:2]:
        found = _CODING.match(line)
        if found:
            return found.group(1).decode("ascii")
    return "utf-8"
