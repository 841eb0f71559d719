"""`keras.engine` and its modules: the classes that programs imported from inside Keras 1 and 2."""

from tahr.layers import Input, InputLayer, InputSpec, Layer
from tahr.models import Model, Sequential
from tahr.utils import get_source_inputs

__all__ = ["Input", "InputLayer", "InputSpec", "Layer", "Model", "Sequential", "get_source_inputs"]
