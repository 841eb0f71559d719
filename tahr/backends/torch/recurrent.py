"""LSTM and GRU by torch's own fused kernels, whose gates have the same order (LSTM) or another one (GRU)."""

from typing import Any

import torch

from tahr.backends.forward import is_forward


class Recurrent:
    """The recurrent duties of the PyTorch backend."""

    def lstm(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        if mask is not None or x.dtype != kernel.dtype or is_forward():
            return None
        weights = [kernel.T, recurrent.T]
        if bias is not None:
            weights += [bias, torch.zeros_like(bias)]
        hidden = [s.to(x.dtype)[None] for s in states]
        training = torch.is_grad_enabled()
        outputs, h, c = torch.lstm(
            x, hidden, [w.contiguous() for w in weights], bias is not None, 1, 0.0, training, False, True
        )
        return outputs, [h[0], c[0]]

    def gru(self, x: Any, kernel: Any, recurrent: Any, bias: Any, states: Any, mask: Any) -> Any:
        if mask is not None or x.dtype != kernel.dtype or is_forward():
            return None
        weights = [_reset_first(kernel.T, 0), _reset_first(recurrent.T, 0)]
        if bias is not None:
            weights += [_reset_first(bias[0], 0), _reset_first(bias[1], 0)]
        training = torch.is_grad_enabled()
        first = states[0].to(x.dtype)[None]
        outputs, h = torch.gru(x, first, weights, bias is not None, 1, 0.0, training, False, True)
        return outputs, [h[0]]


def _reset_first(weight: Any, axis: int) -> Any:
    """Return Keras's order of gates (update, reset, candidate) as torch's (reset, update, candidate)."""
    update, reset, candidate = weight.chunk(3, axis)
    return torch.cat([reset, update, candidate], axis)
