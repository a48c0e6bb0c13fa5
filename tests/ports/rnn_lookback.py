"""Word-level language model with truncated backpropagation through time.

From every step the error walks back over at most `lookback` earlier steps (truncation is an approximation:
with a lookback as long as the sentence nothing is cut off). Plain 1-D vectors, no biases, words are numbers.
"""
import numpy as np


class SentenceRNN:
    def __init__(self, U, V, W, lookback=4):
        self.U, self.V, self.W = U, V, W
        self.lookback = lookback

    def forward(self, words):
        T = len(words)
        # one row more than there are words: s[-1] is the state before the first word and stays zero
        s = np.zeros((T + 1, self.W.shape[0]))
        o = np.zeros((T, self.V.shape[0]))
        for t in range(T):
            # U times a one-hot vector is a column of U
            s[t] = np.tanh(self.U[:, words[t]] + self.W.dot(s[t - 1]))
            scores = np.exp(self.V.dot(s[t]))
            o[t] = scores / scores.sum()
        return o, s

    def loss(self, words, following):
        o, _ = self.forward(words)
        return -np.sum(np.log(o[np.arange(len(following)), following]))

    def bptt(self, words, following):
        T = len(following)
        o, s = self.forward(words)
        dU = np.zeros(self.U.shape)
        dV = np.zeros(self.V.shape)
        dW = np.zeros(self.W.shape)
        do = o
        do[np.arange(T), following] -= 1.0
        for t in range(T)[::-1]:
            dV += np.outer(do[t], s[t])
            delta = self.V.T.dot(do[t]) * (1 - s[t] ** 2)
            for step in range(max(0, t - self.lookback), t + 1)[::-1]:
                dW += np.outer(delta, s[step - 1])
                dU[:, words[step]] += delta
                delta = self.W.T.dot(delta) * (1 - s[step - 1] ** 2)
        return dU, dV, dW

    def sgd_step(self, words, following, rate):
        dU, dV, dW = self.bptt(words, following)
        self.U -= rate * dU
        self.V -= rate * dV
        self.W -= rate * dW


from rowcol.bridge import port


@port("rnn", """
    U: Wax  hidden input
    V: Wya  output hidden
    W: Waa  hidden prev
    words: x      time
    following: y  time
""")
def sentence(U, V, W, words, following):
    model = SentenceRNN(U, V, W, lookback=len(words))
    dU, dV, dW = model.bptt(words, following)
    return model.loss(words, following), {"U": dU, "V": dV, "W": dW}
