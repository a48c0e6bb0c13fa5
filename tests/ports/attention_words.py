"""Attenzione, parola per parola: vettori semplici, liste di liste, nessun prodotto tra matrici a tre assi.

domande[testa][i], chiavi[testa][i], valori[testa][i] sono i vettori della parola i; pesi[testa][i] dice quanto la
parola i guarda ciascuna delle altre.
"""
import numpy as np

from rowcol.bridge import port


def softmax(v):
    e = np.exp(v - np.max(v))
    return e / np.sum(e)


def proietta(parole, W, b):
    return [[W[t] @ parola + b[t] for parola in parole] for t in range(len(W))]


def avanti(parole, p):
    teste, n = range(len(p["Wq"])), range(len(parole))
    domande = proietta(parole, p["Wq"], p["bq"])
    chiavi = proietta(parole, p["Wk"], p["bk"])
    valori = proietta(parole, p["Wv"], p["bv"])
    radice = np.sqrt(len(p["bq"][0]))
    pesi = [[softmax(np.array([domande[t][i] @ k for k in chiavi[t]]) / radice) for i in n] for t in teste]
    misti = [[sum(a * v for a, v in zip(pesi[t][i], valori[t])) for i in n] for t in teste]
    uscite = [sum(p["Wo"][t] @ misti[t][i] for t in teste) + p["bo"] for i in n]
    return np.array(uscite), (domande, chiavi, valori, pesi, misti, radice)


def indietro(parole, d_uscite, p, memoria):
    domande, chiavi, valori, pesi, misti, radice = memoria
    g = {nome: np.zeros_like(peso) for nome, peso in p.items()}
    d_parole = np.zeros_like(parole)
    for t in range(len(p["Wq"])):
        d_domande = [np.zeros_like(v) for v in domande[t]]
        d_chiavi = [np.zeros_like(v) for v in chiavi[t]]
        d_valori = [np.zeros_like(v) for v in valori[t]]
        for i in range(len(parole)):
            g["Wo"][t] += np.outer(d_uscite[i], misti[t][i])
            d_misto = p["Wo"][t].T @ d_uscite[i]
            a = pesi[t][i]
            d_a = np.array([v @ d_misto for v in valori[t]])
            jacobiana = np.diag(a) - np.outer(a, a)
            d_punti = jacobiana @ d_a / radice
            for j in range(len(parole)):
                d_valori[j] += a[j] * d_misto
                d_domande[i] += d_punti[j] * chiavi[t][j]
                d_chiavi[j] += d_punti[j] * domande[t][i]
        for lettera, d in (("q", d_domande), ("k", d_chiavi), ("v", d_valori)):
            for i, parola in enumerate(parole):
                g["W" + lettera][t] += np.outer(d[i], parola)
                g["b" + lettera][t] += d[i]
                d_parole[i] += p["W" + lettera][t].T @ d[i]
    g["bo"] = d_uscite.sum(axis=0)
    return g, d_parole


@port("attention", """
    Wq: W[q]  head key model
    Wk: W[k]  head key model
    Wv: W[v]  head key model
    bq: b[q]  head key
    bk: b[k]  head key
    bv: b[v]  head key
    Wo: Wo    head model key
    bo: bo    model
    parole: x       time model
    d_uscite: dout  time model
""")
def attenzione(parole, d_uscite, **p):
    uscite, memoria = avanti(parole, p)
    g, d_parole = indietro(parole, d_uscite, p, memoria)
    return uscite, {**g, "parole": d_parole}
