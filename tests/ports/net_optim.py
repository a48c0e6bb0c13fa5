"""Optimisers. They are handed the layers after the backward pass and use the gradients up."""


class Optimiser:
    def apply(self, layers, examples):
        """`examples` is what the summed gradients have to be divided by."""
        for layer in layers:
            for name, weight in layer.params.items():
                self.step(name, weight, layer.grads[name] / examples)
            layer.grads = {}

    def step(self, name, weight, grad):
        raise NotImplementedError


class SGD(Optimiser):
    def __init__(self, rate=0.1):
        self.rate = rate

    def step(self, name, weight, grad):
        weight -= self.rate * grad


class Momentum(SGD):
    def __init__(self, rate=0.1, inertia=0.9):
        super().__init__(rate)
        self.inertia = inertia
        self.speed = {}

    def step(self, name, weight, grad):
        self.speed[name] = self.inertia * self.speed.get(name, 0.0) - self.rate * grad
        weight += self.speed[name]
