"""A right port of the recurrent network as text, to be spoilt in one place at a time."""

from __future__ import annotations

HEAD = """\
import numpy as np
from rowcol.bridge import port
"""

LAYOUT = """
    Wx: Wax  input hidden
    Wh: Waa  prev hidden
    b:  b    hidden
    Wy: Wya  hidden output
    by: by   output
    X:  x    batch time input
    Y:  y    batch time output
    h0: a0   batch hidden
"""

PARAMETERS = "Wx, Wh, b, Wy, by, X, Y, h0"

NET = """

def net(Wx, Wh, b, Wy, by, X, Y, h0):
    hs, ps, loss = [h0], [], 0.0
    for t in range(X.shape[1]):
        hs.append(np.tanh(X[:, t] @ Wx + hs[-1] @ Wh + b))
        z = hs[-1] @ Wy + by
        p = np.exp(z - z.max(axis=1, keepdims=True))
        ps.append(p / p.sum(axis=1, keepdims=True))
        loss -= np.sum(Y[:, t] * np.log(ps[-1]))
    g = {k: np.zeros_like(v) for k, v in dict(Wx=Wx, Wh=Wh, b=b, Wy=Wy, by=by).items()}
    carry = np.zeros_like(h0)
    for t in reversed(range(X.shape[1])):
        dz = ps[t] - Y[:, t]
        g["Wy"] += hs[t + 1].T @ dz
        g["by"] += dz.sum(axis=0)
        d = (dz @ Wy.T + carry) * (1 - hs[t + 1] ** 2)
        g["b"] += d.sum(axis=0)
        g["Wx"] += X[:, t].T @ d
        g["Wh"] += hs[t].T @ d
        carry = d @ Wh.T
    g["h0"] = carry
    return loss, g

"""

# Where the decorator stands in the text that `source` makes without a `head`.
DECORATOR = (HEAD + NET).count("\n") + 2


def source(
    then: str = "return loss, g",
    *,
    body: str = "loss, g = net(Wx, Wh, b, Wy, by, X, Y, h0)",
    layout: tuple[str, str] = ("", ""),
    keywords: str = "",
    parameters: str = PARAMETERS,
    head: str = "",
    family: str = "rnn",
) -> str:
    """The port file: `body` makes `loss` and `g`, `then` is what follows; `layout` is one replacement."""
    lines = LAYOUT.replace(*layout) if layout[0] else LAYOUT
    function = "\n".join("    " + line for line in (body + "\n" + then).splitlines() if line)
    decorator = f'@port("{family}", """{lines}"""{", " + keywords if keywords else ""})'
    return f"{HEAD}{NET}\n{head}{decorator}\ndef mine({parameters}):\n{function}\n"


def declared(expression: str, definitions: str) -> str:
    """A port file that declares not a function but the value of an expression."""
    return f'{HEAD}{NET}\n{definitions}\n\nmine = port("rnn", """{LAYOUT}""")({expression})\n'
