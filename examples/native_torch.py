"""A tahr model as a module in a program of PyTorch: part of a module, trained by `torch.optim`, compiled, saved.

    TAHR_BACKEND=torch python examples/native_torch.py [--epochs 40]

The exit code is 1 if the network does not learn the function, or the saved state does not bring it back.
"""

import argparse
import io
import os
import sys
from collections.abc import Sequence

os.environ.setdefault("TAHR_BACKEND", "torch")

import torch

import tahr as keras
from tahr import layers


class Regression(torch.nn.Module):
    """A module of PyTorch around layers of tahr and its own."""

    def __init__(self) -> None:
        super().__init__()
        self.body = keras.Sequential(
            [
                keras.Input((2,)),
                layers.Dense(32, "tanh"),
                layers.BatchNormalization(momentum=0.8),
                layers.Dense(16, "tanh"),
            ]
        )
        self.head = torch.nn.Linear(16, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(x))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=40)
    epochs = parser.parse_args(arguments).epochs
    keras.utils.set_random_seed(0)
    x = torch.rand(512, 2) * 4 - 2
    y = torch.sin(x[:, :1]) * x[:, 1:]
    net = Regression()
    print(f"{sum(p.numel() for p in net.parameters())} parameters: {', '.join(net.state_dict())}")
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=64, shuffle=True)
    for epoch in range(epochs):
        net.train()
        for inputs, targets in batches:
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(net(inputs), targets).backward()
            optimizer.step()
        net.eval()
        with torch.no_grad():
            loss = torch.nn.functional.mse_loss(net(x), y).item()
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1}: {loss:.4f}")
    file = io.BytesIO()
    torch.save(net.state_dict(), file)
    file.seek(0)
    other = Regression().eval()
    other.load_state_dict(torch.load(file))
    with torch.no_grad():
        same = torch.equal(other(x), net(x))
    print(f"mean squared error {loss:.4f}; the saved state gives {'the same' if same else 'another'} network")
    return 0 if same and loss < 0.1 * y.var().item() else 1


if __name__ == "__main__":
    sys.exit(main())
