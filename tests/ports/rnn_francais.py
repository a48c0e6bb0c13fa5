# TP 4 : étiquetage de séquences avec un réseau récurrent simple.
# Un exemple par ligne ; lot : (exemples, temps, traits), étiquettes : (exemples, temps, classes).
import numpy as np

from rowcol.bridge import port


def probabilités(scores):
    scores = scores - scores.max(axis=1, keepdims=True)
    exposants = np.exp(scores)
    return exposants / exposants.sum(axis=1, keepdims=True)


class Réseau:
    def __init__(self, poids_entrée, poids_boucle, poids_sortie, biais_caché, biais_sortie):
        self.poids_entrée = poids_entrée    # (traits, cachés)
        self.poids_boucle = poids_boucle    # (cachés, cachés)
        self.poids_sortie = poids_sortie    # (cachés, classes)
        self.biais_caché = biais_caché
        self.biais_sortie = biais_sortie

    def propager(self, lot):
        nombre, durée = lot.shape[:2]
        self.lot = lot
        self.états = [np.zeros((nombre, self.biais_caché.size))]   # l'état nul d'abord
        self.sorties = []
        for instant in range(durée):
            somme = lot[:, instant].dot(self.poids_entrée) + self.états[-1] @ self.poids_boucle
            self.états.append(np.tanh(somme + self.biais_caché))
            score = np.dot(self.états[-1], self.poids_sortie) + self.biais_sortie
            self.sorties.append(probabilités(score))

    def perte(self, étiquettes):
        """Entropie croisée, moyenne sur les exemples, somme sur le temps."""
        total = 0
        for instant, sortie in enumerate(self.sorties):
            total -= (étiquettes[:, instant] * np.log(sortie)).sum()
        return total / len(étiquettes)

    def rétropropager(self, étiquettes):
        nombre = len(étiquettes)
        g_entrée = np.zeros(self.poids_entrée.shape)
        g_boucle = np.zeros(self.poids_boucle.shape)
        g_sortie = np.zeros(self.poids_sortie.shape)
        g_biais_caché = np.zeros(self.biais_caché.shape)
        g_biais_sortie = np.zeros(self.biais_sortie.shape)
        venu_du_futur = np.zeros_like(self.états[0])

        for instant in range(len(self.sorties) - 1, -1, -1):
            avant, après = self.états[instant], self.états[instant + 1]
            écart = (self.sorties[instant] - étiquettes[:, instant]) / nombre
            g_sortie += après.T @ écart
            g_biais_sortie += écart.sum(axis=0)

            d_état = écart.dot(self.poids_sortie.T) + venu_du_futur
            d_somme = d_état * (1 - après ** 2)    # dérivée de tanh
            g_entrée += np.dot(self.lot[:, instant].T, d_somme)
            g_boucle += avant.T @ d_somme
            g_biais_caché += d_somme.sum(axis=0)
            venu_du_futur = d_somme.dot(self.poids_boucle.T)

        return g_entrée, g_boucle, g_sortie, g_biais_caché, g_biais_sortie


@port("rnn", """
    We: Wax  input hidden
    Wb: Waa  prev hidden
    Ws: Wya  hidden output
    bc: b    hidden
    bs: by   output
    lot: x   batch time input
    étiquettes: y  batch time output
""", reduction="mean over batch")
def tp4(We, Wb, Ws, bc, bs, lot, étiquettes):
    réseau = Réseau(We, Wb, Ws, bc, bs)
    réseau.propager(lot)
    perte = réseau.perte(étiquettes)
    return perte, dict(zip(("We", "Wb", "Ws", "bc", "bs"), réseau.rétropropager(étiquettes)))
