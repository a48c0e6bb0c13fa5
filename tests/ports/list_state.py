"""Which category does a sentence belong to? Many to one: it is read word by word, the answer comes at the end.

Plain vectors, one sentence at a time. The list of states starts with the initial one, so states[i] is what
the network knew *before* word i and states[i + 1] what it knew after.
"""

import numpy as np

from rowcol.bridge import port


def softmax(v):
    e = np.exp(v - v.max())
    return e / e.sum()


def read(words, initial, net):
    states = [initial]
    for word in words:
        states.append(np.tanh(net["Wxh"] @ word + net["Whh"] @ states[-1] + net["bh"]))
    return states


def answer(state, net):
    return softmax(net["Why"] @ state + net["by"])


def learn(words, label, initial, net):
    """Loss and gradients for one sentence."""
    states = read(words, initial, net)
    probs = answer(states[-1], net)
    loss = -np.log(probs[label])

    grad = {name: np.zeros_like(weights) for name, weights in net.items()}

    # the readout sees the last state only
    d_scores = probs.copy()
    d_scores[label] -= 1
    grad["Why"] = np.outer(d_scores, states[-1])
    grad["by"] = d_scores
    d_state = net["Why"].T @ d_scores

    # walk back through the words
    for i in range(len(words), 0, -1):
        before, after = states[i - 1], states[i]
        d_sum = (1 - after**2) * d_state
        grad["bh"] += d_sum
        grad["Wxh"] += np.outer(d_sum, words[i - 1])
        grad["Whh"] += np.outer(d_sum, before)
        d_state = net["Whh"].T @ d_sum

    grad["initial"] = d_state
    return loss, grad


@port(
    "rnn",
    """
    Wxh: Wax  hidden input
    Whh: Waa  hidden prev
    Why: Wya  output hidden
    bh : b    hidden
    by : by   output
    words  : x   time input
    label  : y                        # the category's number
    initial: a0  hidden
    """,
)
def classifier(words, label, initial, **net):
    return learn(words, label, initial, net)
