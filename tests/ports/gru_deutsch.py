"""GRU für Zeitreihen: aus vielen Messungen wird am Ende eine Klasse (Zeit, Stapel, Merkmal)."""
import numpy as np

from rowcol.bridge import port


class Zelle:
    """Rücksetztor vor dem Produkt; das Auffrischtor z behält: h = z * h_alt + (1 - z) * neu."""

    def __init__(self, gewichte):
        self.gewichte = gewichte
        self.ableitungen = {name: np.zeros_like(w) for name, w in gewichte.items()}

    @staticmethod
    def stufe(a):
        return 1.0 / (1.0 + np.exp(-a))

    def vorwärts(self, x, h_alt):
        g = self.gewichte
        z = self.stufe(np.dot(x, g["Wz"]) + np.dot(h_alt, g["Uz"]) + g["bz"])
        r = self.stufe(np.dot(x, g["Wr"]) + np.dot(h_alt, g["Ur"]) + g["br"])
        gefiltert = r * h_alt
        neu = np.tanh(np.dot(x, g["Wn"]) + np.dot(gefiltert, g["Un"]) + g["bn"])
        h = z * h_alt + (1 - z) * neu
        return h, (x, h_alt, z, r, gefiltert, neu)

    def rückwärts(self, dh, merkzettel):
        g, abl = self.gewichte, self.ableitungen
        x, h_alt, z, r, gefiltert, neu = merkzettel

        dh_alt = dh * z
        dn = dh * (1 - z) * (1 - neu ** 2)
        dz = dh * (h_alt - neu) * z * (1 - z)

        abl["Wn"] += np.dot(x.T, dn)
        abl["Un"] += np.dot(gefiltert.T, dn)
        abl["bn"] += dn.sum(axis=0)
        d_gefiltert = np.dot(dn, g["Un"].T)
        dh_alt += d_gefiltert * r
        dr = d_gefiltert * h_alt * r * (1 - r)

        for tor, d in (("z", dz), ("r", dr)):
            abl["W" + tor] += np.dot(x.T, d)
            abl["U" + tor] += np.dot(h_alt.T, d)
            abl["b" + tor] += d.sum(axis=0)
            dh_alt += np.dot(d, g["U" + tor].T)
        return dh_alt


def lernschritt(zelle, messungen, klassen, h, V, v):
    """Mittlere Kreuzentropie über den Stapel, und alle Ableitungen."""
    zettel = []
    for x in messungen:
        h, merkzettel = zelle.vorwärts(x, h)
        zettel.append(merkzettel)
    größe = len(h)
    punkte = h @ V + v
    punkte -= punkte.max(axis=1, keepdims=True)
    p = np.exp(punkte) / np.exp(punkte).sum(axis=1, keepdims=True)
    verlust = -np.mean(np.log(p[np.arange(größe), klassen]))

    fehler = p.copy()
    fehler[np.arange(größe), klassen] -= 1
    fehler /= größe
    dV, dv = h.T @ fehler, fehler.sum(axis=0)
    dh = fehler @ V.T
    while zettel:
        dh = zelle.rückwärts(dh, zettel.pop())
    return verlust, dV, dv, dh


@port("gru", """
    Wz: Wax[z]  input hidden
    Wr: Wax[r]  input hidden
    Wn: Wax[n]  input hidden
    Uz: Waa[z]  prev hidden
    Ur: Waa[r]  prev hidden
    Un: Waa[n]  prev hidden
    bz: b[z]    hidden
    br: b[r]    hidden
    bn: b[n]    hidden
    V: Wya  hidden output
    v: by   output
    messungen: x  time batch input
    klassen: y    batch
    anfang: a0    batch hidden
""", reset="before", update="z keeps", reduction="mean over batch")
def messreihen(messungen, klassen, anfang, V, v, **gewichte):
    zelle = Zelle(gewichte)
    verlust, dV, dv, d_anfang = lernschritt(zelle, messungen, klassen, anfang, V, v)
    return verlust, {**zelle.ableitungen, "V": dV, "v": dv, "anfang": d_anfang}
