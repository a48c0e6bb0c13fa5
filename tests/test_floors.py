"""Every so many-th fault of the corpus, as `python -m tests.corpus.score` counts them all, against the same floors."""

from __future__ import annotations

from tests.corpus.score import FLOORS, chosen, score, shares

EVERY = 16
FEW = 10  # of fewer than these a share says nothing: one more or less would decide


def test_a_share_of_the_corpus_reaches_the_floors() -> None:
    results = score("rnn", chosen("rnn", EVERY), jobs=2, fresh=5)
    missed = [row for row in shares(results, [], FLOORS["rnn"]) if row.part[1] >= FEW and not row.holds]
    assert not missed, "; ".join(f"{r.id}: {r.note}" for r in results if r.note)
