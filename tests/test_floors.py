"""Every so many-th fault of the corpus, as `python -m tests.corpus.score` counts them all, against the same floors."""

from __future__ import annotations

from tests.corpus.score import chosen, score, shares

EVERY = 16


def test_a_share_of_the_corpus_reaches_the_floors() -> None:
    results = score("rnn", chosen("rnn", EVERY), jobs=2, fresh=5)
    missed = [(row.words, row.part, row.floor) for row in shares(results, []) if not row.holds]
    assert not missed, "; ".join(f"{r.id}: {r.note}" for r in results if r.note)
