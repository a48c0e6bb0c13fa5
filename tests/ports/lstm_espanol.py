# LSTM para clasificar frases (muchas palabras, una sola respuesta). Una frase cada vez, vectores columna.
# z = [h; x] : primero el estado oculto anterior, debajo la palabra.
import numpy as np

from rowcol.bridge import port


def sigmoide(x):
    return 1 / (1 + np.exp(-x))


def derivada_sigmoide(s):
    return s * (1 - s)


def derivada_tanh(s):
    return 1 - s ** 2


class RedLSTM:
    def __init__(self, pesos):
        self.pesos = pesos
        self.tamaño = pesos["b_olvido"].shape[0]

    def adelante(self, frase):
        """frase: lista de columnas (entrada, 1). Devuelve las probabilidades de las clases."""
        p = self.pesos
        self.ocultos = {-1: np.zeros((self.tamaño, 1))}
        self.celdas = {-1: np.zeros((self.tamaño, 1))}
        self.z, self.olvido, self.entrada, self.salida, self.candidato = {}, {}, {}, {}, {}
        for t, palabra in enumerate(frase):
            self.z[t] = np.vstack([self.ocultos[t - 1], palabra])
            self.olvido[t] = sigmoide(p["W_olvido"] @ self.z[t] + p["b_olvido"])
            self.entrada[t] = sigmoide(p["W_entrada"] @ self.z[t] + p["b_entrada"])
            self.salida[t] = sigmoide(p["W_salida"] @ self.z[t] + p["b_salida"])
            self.candidato[t] = np.tanh(p["W_candidato"] @ self.z[t] + p["b_candidato"])
            self.celdas[t] = self.olvido[t] * self.celdas[t - 1] + self.entrada[t] * self.candidato[t]
            self.ocultos[t] = self.salida[t] * np.tanh(self.celdas[t])
        puntuación = np.dot(p["W_clase"], self.ocultos[len(frase) - 1]) + p["b_clase"]
        exponencial = np.exp(puntuación - np.max(puntuación))
        self.y = exponencial / np.sum(exponencial)
        return self.y

    def pérdida(self, clase):
        return -np.log(self.y[clase, 0])

    def atrás(self, clase):
        p = self.pesos
        grad = {nombre: np.zeros_like(peso) for nombre, peso in p.items()}
        último = len(self.z) - 1

        dy = self.y.copy()
        dy[clase] -= 1
        grad["W_clase"] = np.dot(dy, self.ocultos[último].T)
        grad["b_clase"] = dy
        dh = np.dot(p["W_clase"].T, dy)
        dc = np.zeros_like(dh)

        for t in range(último, -1, -1):
            tanh_c = np.tanh(self.celdas[t])
            dc = dc + dh * self.salida[t] * derivada_tanh(tanh_c)
            d_salida = dh * tanh_c * derivada_sigmoide(self.salida[t])
            d_olvido = dc * self.celdas[t - 1] * derivada_sigmoide(self.olvido[t])
            d_entrada = dc * self.candidato[t] * derivada_sigmoide(self.entrada[t])
            d_candidato = dc * self.entrada[t] * derivada_tanh(self.candidato[t])

            dz = np.zeros_like(self.z[t])
            for puerta, d in (("olvido", d_olvido), ("entrada", d_entrada),
                              ("salida", d_salida), ("candidato", d_candidato)):
                grad["W_" + puerta] += d @ self.z[t].T
                grad["b_" + puerta] += d
                dz += p["W_" + puerta].T @ d

            dh = dz[:self.tamaño]
            dc = dc * self.olvido[t]
        return grad


@port("lstm", """
    W_olvido:    (Waa|Wax)[f]  hidden (prev|input)
    W_entrada:   (Waa|Wax)[i]  hidden (prev|input)
    W_salida:    (Waa|Wax)[o]  hidden (prev|input)
    W_candidato: (Waa|Wax)[g]  hidden (prev|input)
    b_olvido:    b[f]  hidden 1
    b_entrada:   b[i]  hidden 1
    b_salida:    b[o]  hidden 1
    b_candidato: b[g]  hidden 1
    W_clase: Wya  output hidden
    b_clase: by   output 1
    frase: x      time input 1
    clase: y
""")
def clasificar(frase, clase, **pesos):
    red = RedLSTM(pesos)
    red.adelante(list(frase))
    return red.pérdida(clase), red.atrás(clase)
