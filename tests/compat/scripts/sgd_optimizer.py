# SGD with Keras 2's arguments; a custom optimizer in the form of Keras 2 goes the same way.
import numpy as np
from keras import backend as K
from keras.layers import Dense
from keras.legacy import interfaces
from keras.models import Sequential
from keras.optimizers import SGD, Optimizer


class Descent(Optimizer):
    """Momentum, written as Keras 2 wrote its own optimizers."""

    def __init__(self, lr=0.01, momentum=0.0, **kwargs):
        super(Descent, self).__init__(**kwargs)
        with K.name_scope(self.__class__.__name__):
            self.iterations = K.variable(0, dtype="int64", name="iterations")
            self.lr = K.variable(lr, name="lr")
            self.momentum = K.variable(momentum, name="momentum")

    @interfaces.legacy_get_updates_support
    def get_updates(self, loss, params):
        grads = self.get_gradients(loss, params)
        self.updates = [K.update_add(self.iterations, 1)]
        moments = [K.zeros(K.int_shape(p), dtype=K.dtype(p)) for p in params]
        self.weights = [self.iterations] + moments
        for p, g, m in zip(params, grads, moments):
            v = self.momentum * m - self.lr * g
            self.updates.append(K.update(m, v))
            self.updates.append(K.update(p, p + v))
        return self.updates

    def get_config(self):
        config = {"lr": float(K.get_value(self.lr)), "momentum": float(K.get_value(self.momentum))}
        base_config = super(Descent, self).get_config()
        return dict(list(base_config.items()) + list(config.items()))


x = np.random.RandomState(0).rand(128, 4)
y = x.dot([[1.0], [2.0], [-1.0], [0.5]])
weights, losses = None, []
for optimizer in (SGD(lr=0.01, momentum=0.9, decay=0.0, nesterov=False), Descent(lr=0.01, momentum=0.9)):
    model = Sequential([Dense(8, activation="tanh", input_shape=(4,)), Dense(1)])
    if weights is None:
        weights = model.get_weights()
    model.set_weights(weights)
    model.compile(optimizer=optimizer, loss="mse")
    losses.append(model.fit(x, y, epochs=15, shuffle=False, verbose=0).history["loss"])
    print(losses[-1])
assert losses[0][-1] < 0.5 * losses[0][0]
assert np.allclose(losses[0], losses[1], rtol=1e-4)
