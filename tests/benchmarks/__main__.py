"""Prints the tables: `python -m tests.benchmarks [--threads 1] [--only networks growth bridge]`."""

from __future__ import annotations

import argparse
import os
import sys

from . import THREADS

TABLES = ("networks", "growth", "bridge")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--threads", type=int, default=1, help="of the products, here and in PyTorch (1)")
    parser.add_argument("--runs", type=int, default=7, help="how many pairs a ratio is the median of (7)")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES)
    parser.add_argument("--families", nargs="+", help="networks: these only")
    parser.add_argument("--sizes", nargs="+", type=int, metavar="N", help="networks: the N-th sizes only, from 1")
    args = parser.parse_args()
    if any(os.environ.get(name) != str(args.threads) for name in THREADS):
        environment = {**os.environ, **dict.fromkeys(THREADS, str(args.threads))}
        os.execve(sys.executable, [sys.executable, "-m", "tests.benchmarks", *sys.argv[1:]], environment)
    _tell(args)


def _tell(args: argparse.Namespace) -> None:
    import platform

    import numpy as np
    from tabulate import tabulate

    from . import networks

    try:
        import torch

        torch.set_num_threads(args.threads)
        versions = f"PyTorch {torch.__version__}"
    except ImportError:
        versions = "no PyTorch"
    print(f"Python {platform.python_version()}, NumPy {np.__version__}, {versions}; {args.threads} thread(s)")
    print(f"each ratio: the median of {args.runs} paired runs, of 3 where one takes seconds (the smallest-the largest)")
    print(
        "floor: the necessary products and ufuncs alone, in the cache, in arrays that are there already\n", flush=True
    )

    if "networks" in args.only:
        rows = []
        wanted = [networks.SIZES[n - 1] for n in args.sizes or range(1, len(networks.SIZES) + 1)]
        for family in args.families or networks.FAMILIES:
            chosen = [(sizes, "float32") for sizes in wanted]
            chosen += [(sizes, "float64") for sizes in wanted if family == "lstm" and sizes == networks.SIZES[1]]
            for sizes, dtype in chosen:
                rows.append(networks.row(family, sizes, dtype, args.runs, args.threads))
                print(f"\r\033[K{family} {sizes}", end="", file=sys.stderr, flush=True)
        print("\r\033[K", end="", file=sys.stderr)
        print(tabulate(rows, networks.HEADS_OF_TABLE, tablefmt="github", disable_numparse=True), "\n", flush=True)
        small, families = networks.summary(rows)
        print("PyTorch / ours (PyTorch / floor):\n")
        print(tabulate(small, (networks.HEADS_OF_TABLE[1], *families), tablefmt="github"), "\n", flush=True)
    if "growth" in args.only:
        rows = [row for family in networks.FAMILIES for row in networks.growth(family, args.runs, args.threads)]
        heads = ("family", "axis", *(f"x {2**k}, ms" for k in range(4)), "power of each doubling")
        print(f"from {networks.FROM} (batch time input hidden output), one axis longer and longer:\n")
        print(tabulate(rows, heads, tablefmt="github", disable_numparse=True), "\n", flush=True)
    if "bridge" in args.only:
        from . import bridge

        print(tabulate(bridge.rows(args.runs), bridge.HEADS, tablefmt="github", disable_numparse=True))


if __name__ == "__main__":
    main()
