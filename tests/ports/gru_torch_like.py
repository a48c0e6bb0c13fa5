"""nn.GRU in plain NumPy, to run (and finetune) on a machine where torch does not install.

Takes the state dict as it is: weight_ih_l0 (3H, I), weight_hh_l0 (3H, H), bias_ih_l0 and bias_hh_l0 (3H),
always in the order reset, update, new. batch_first=False.
"""

import numpy as np

from rowcol.bridge import port


def _sigmoid(x):
    return 0.5 * (1.0 + np.tanh(0.5 * x))


class GRU:
    def __init__(self, weight_ih, weight_hh, bias_ih, bias_hh):
        self.weight_ih = weight_ih
        self.weight_hh = weight_hh
        self.bias_ih = bias_ih
        self.bias_hh = bias_hh
        self.hidden_size = weight_hh.shape[1]
        self.zero_grad()

    def zero_grad(self):
        self.grad = {
            name: np.zeros_like(getattr(self, name))
            for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }

    def __call__(self, input, h_0):
        """input (T, N, I), h_0 (N, H) -> output (T, N, H)"""
        output = []
        self.input = input
        self.saved = []
        h = h_0
        for x in input:
            gi = x @ self.weight_ih.T + self.bias_ih
            gh = h @ self.weight_hh.T + self.bias_hh
            i_r, i_z, i_n = np.split(gi, 3, axis=1)
            h_r, h_z, h_n = np.split(gh, 3, axis=1)
            r = _sigmoid(i_r + h_r)
            z = _sigmoid(i_z + h_z)
            n = np.tanh(i_n + r * h_n)
            self.saved.append((h, r, z, n, h_n))
            h = n + z * (h - n)
            output.append(h)
        return np.stack(output)

    def backward(self, grad_output):
        """grad_output (T, N, H) -> grad_input (T, N, I), grad_h_0 (N, H)"""
        grad_input = np.empty_like(self.input)
        grad_h = np.zeros_like(grad_output[0])
        for t in range(len(grad_output) - 1, -1, -1):
            h, r, z, n, h_n = self.saved[t]
            grad_h = grad_h + grad_output[t]

            grad_pre_n = grad_h * (1 - z) * (1 - n**2)
            grad_pre_z = grad_h * (h - n) * z * (1 - z)
            grad_pre_r = grad_pre_n * h_n * r * (1 - r)
            grad_gi = np.concatenate((grad_pre_r, grad_pre_z, grad_pre_n), axis=1)
            grad_gh = np.concatenate((grad_pre_r, grad_pre_z, grad_pre_n * r), axis=1)

            self.grad["weight_ih"] += grad_gi.T @ self.input[t]
            self.grad["weight_hh"] += grad_gh.T @ h
            self.grad["bias_ih"] += grad_gi.sum(0)
            self.grad["bias_hh"] += grad_gh.sum(0)
            grad_input[t] = grad_gi @ self.weight_ih
            grad_h = grad_h * z + grad_gh @ self.weight_hh
        return grad_input, grad_h


@port(
    "gru",
    """
    weight_ih: Wax[r z n]   (gate hidden) input
    weight_hh: Waa[r z n]   (gate hidden) prev
    bias_ih:   b[r z n]     (gate hidden)
    bias_hh:   b[r z]|bn    ((gate hidden)|hidden)
    input:     x            time batch input
    h_0:       a0           batch hidden
    grad_output: da         time batch hidden
    """,
    reset="after",
    update="z keeps",
)
def torch_gru(input, h_0, grad_output, **state_dict):
    layer = GRU(**state_dict)
    output = layer(input, h_0)
    grad_input, grad_h_0 = layer.backward(grad_output)
    return output, {**layer.grad, "input": grad_input, "h_0": grad_h_0}
