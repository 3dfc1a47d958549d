"""Controls of a hybrid: the outputs of its circuits replaced by their mean, or by those of other images."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor

from qgen.nn.layer import QuantumLayer
from qgen.randomness import generator, image_count


class OutputMeans(Mapping[str, Tensor]):
    """The mean output of each quantum layer that was called, by its name: (O,), or (K, O) of K copies, float64."""

    def __init__(self) -> None:
        self._sums: dict[str, tuple[Tensor, int]] = {}

    def add(self, name: str, outputs: Tensor, axes: int) -> None:
        """Count the outputs of a call, whose last `axes` axes are those of the mean."""
        rows = outputs.detach().double().reshape(-1, *outputs.shape[outputs.ndim - axes :])
        total, count = self._sums.get(name, (torch.zeros_like(rows[0]) if len(rows) else 0, 0))
        if len(rows):
            self._sums[name] = (total + rows.sum(0), count + len(rows))

    def __getitem__(self, name: str) -> Tensor:
        total, count = self._sums[name]
        return total / count

    def __iter__(self) -> Iterator[str]:
        return iter(self._sums)

    def __len__(self) -> int:
        return len(self._sums)


def quantum_layers(network: torch.nn.Module) -> dict[str, QuantumLayer]:
    """Return the quantum layers in a network, by name; one that is shared is there once."""
    return {name: inner for name, inner in network.named_modules() if isinstance(inner, QuantumLayer)}


@contextmanager
def output_means(network: torch.nn.Module) -> Iterator[OutputMeans]:
    """Within this block the mean outputs of all quantum layers in a network are taken, over all rows of all calls.

    The network's results stay as they are. The yielded means are complete at the end of the block.
    """
    means = OutputMeans()
    with ExitStack() as stack:
        for name, layer in quantum_layers(network).items():
            stack.enter_context(_replaced(layer, _noting(name, layer, means)))
        yield means


@contextmanager
def mean_outputs(network: torch.nn.Module, means: Mapping[str, Tensor]) -> Iterator[None]:
    """Within this block quantum layers give their mean outputs, whatever comes in, and run no circuits.

    A hybrid whose results stay as they are has learned to do without its circuits; their mean is a bias that a
    classical layer could have had.

    Args:
        network: has the layers.
        means: of each layer by its name, as `output_means` takes them; the others stay as they are.
    """
    with ExitStack() as stack:
        for name, layer in quantum_layers(network).items():
            if name in means:
                stack.enter_context(_replaced(layer, _constant(layer, means[name])))
        yield


@contextmanager
def shuffled_outputs(network: torch.nn.Module, seed: int = 0) -> Iterator[None]:
    """Within this block quantum layers give each image of a batch the outputs of another one.

    The distribution of the outputs is as it was, and what they say of an image is gone. The first axis is that of the
    images, or of as many consecutive rows for each, as `image_streams` has it; patches of an image stay together. In
    every call of a layer images are put in another cycle, in which none keeps its own outputs; one alone does.

    Args:
        network: has the layers.
        seed: of the cycles.
    """
    with ExitStack() as stack:
        for number, layer in enumerate(quantum_layers(network).values()):
            stack.enter_context(_replaced(layer, _shuffling(layer, seed, number)))
        yield


def _noting(name: str, layer: QuantumLayer, means: OutputMeans) -> Callable[..., Tensor]:
    forward, axes = layer.forward, _own_axes(layer)

    def noted(inputs: Tensor | None = None) -> Tensor:
        outputs: Tensor = forward(inputs)
        means.add(name, outputs, axes)
        return outputs

    return noted


def _constant(layer: QuantumLayer, mean: Tensor) -> Callable[..., Tensor]:
    axes = _own_axes(layer)

    def constant(inputs: Tensor | None = None) -> Tensor:
        like = layer.weight if inputs is None else inputs
        return mean.to(like).expand(*like.shape[: like.ndim - axes], *mean.shape)

    return constant


def _shuffling(layer: QuantumLayer, seed: int, number: int) -> Callable[..., Tensor]:
    forward, axes, calls = layer.forward, _own_axes(layer), 0

    def shuffled(inputs: Tensor | None = None) -> Tensor:
        nonlocal calls
        outputs: Tensor = forward(inputs)
        calls += 1
        if outputs.ndim == axes:
            return outputs
        source = generator(seed, "shuffled outputs", number, calls)
        return outputs[_cycle(len(outputs), source).to(outputs.device)]

    return shuffled


def _cycle(rows: int, source: torch.Generator) -> Tensor:
    """Return for each row of a batch the one whose outputs it gets, (rows,)."""
    images = image_count()
    if not images or rows % images:
        images = rows  # there is no axis of images
    order = torch.randperm(images, generator=source)
    other = torch.empty_like(order)
    other[order] = order.roll(1)
    each = rows // max(1, images)
    return (other[:, None] * each + torch.arange(each)).flatten()


def _own_axes(layer: QuantumLayer) -> int:
    """Return how many of the last axes of the outputs belong to the layer."""
    return 1 if layer.copies is None else 2


@contextmanager
def _replaced(layer: QuantumLayer, forward: Callable[..., Tensor]) -> Iterator[None]:
    """Within this block a layer has this `forward`; what it had before comes back."""
    before = vars(layer).get("forward")
    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward
        if before is not None:
            layer.forward = before
