"""Run what README.md shows: `python -m tests.readme` checks it, `--write` puts the real outputs in.

A block ```` ```python file=NAME ```` is written to a file NAME; in a block ```` ```console ```` each line that begins
with `$ ` is run by a shell in the folder of those files, and what follows is its output.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

README = Path(__file__).parent.parent / "README.md"
BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def real(text: str) -> Iterator[tuple[str, str, str]]:
    """For each command that the text shows: the command, the output shown, and the real one."""
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(README.parent / "tests", Path(folder, "tests"))
        for kind, file, body in BLOCK.findall(text):
            if file:
                Path(folder, file).write_text(body, encoding="utf-8")
            elif kind == "console" and not _lacking(body):
                for command, shown in _commands(body):
                    yield command, shown, _output(command, folder)


def _lacking(body: str) -> list[str]:
    """Programs that a block needs and this machine does not have."""
    return [name for name in ("cc", "node") if f"$ {name} " in body and shutil.which(name) is None]


def alike(output: str) -> str:
    """An output with what rounding makes of it on one machine or another taken out."""
    output = re.sub(r"^(  \S.* agrees) .*$", r"\1", output, flags=re.MULTILINE)
    output = re.sub(r"\d(?:\.\d)?e-\d\d|0\.0e\+00", "~", output)
    output = re.sub(r"\d+ other edits? ", "some other edits ", output)
    return " ".join(output.split())


def _commands(body: str) -> list[tuple[str, str]]:
    parts = re.split(r"^\$ (.*)\n", body, flags=re.MULTILINE)
    return list(zip(parts[1::2], parts[2::2], strict=True))


def _output(command: str, folder: str) -> str:
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ.get("PATH", "")]),
        "PYTHONIOENCODING": "utf-8",
        "COLUMNS": "100",
    }
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return "\n".join(line.rstrip() for line in done.stdout.splitlines()) + "\n" * bool(done.stdout)


def main() -> int:
    """Check or rewrite README.md; 1 where an output is not the real one."""
    text = README.read_text(encoding="utf-8")
    wrong = 0
    for command, shown, output in real(text):
        if alike(shown) != alike(output):
            wrong += 1
            print(f"$ {command}\n{output}")
            text = text.replace(f"$ {command}\n{shown}", f"$ {command}\n{output}", 1)
    if "--write" in sys.argv:
        README.write_text(text, encoding="utf-8")
        return 0
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
