"""What generators of all kinds share while they sample: seeds of images, evaluation mode, batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from qgen.progress import ProgressCallback
from qgen.randomness import derive, image_streams


def image_seeds(seed: int, count: int) -> list[int]:
    """The seeds of images number 0 to `count` - 1: image 17 has the same one whatever is sampled beside it."""
    return [derive(seed, "image", number) for number in range(count)]


@contextmanager
def eval_mode(network: nn.Module, seeds: Sequence[int]) -> Iterator[None]:
    """Within this block the network is in evaluation mode and records no gradients.

    Args:
        network: what samples.
        seeds: of the images.
    """
    was_training = network.training
    network.eval()
    try:
        # What cannot tell images apart draws from torch's global generator: a device that runs all of them as one.
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(derive(seeds[0] if seeds else 0, "shots"))
            yield
    finally:
        network.train(was_training)


def sample_in_batches(
    network: nn.Module,
    seeds: Sequence[int],
    batch: int,
    call: Callable[[slice], Tensor],
    progress: ProgressCallback | None = None,
) -> Tensor:
    """Return the images (N, C, H, W) of all seeds, on the CPU, in float32.

    Args:
        network: put into evaluation mode meanwhile.
        seeds: one an image.
        batch: images in one call, at most.
        call: the images of some of the seeds, (n, C, H, W).
        progress: called with the images that are done, and all images.
    """
    count, images = len(seeds), []
    with eval_mode(network, seeds):
        for first in range(0, max(1, count), batch):
            rows = slice(first, first + batch)
            with image_streams(seeds[rows]):
                images.append(call(rows).float().cpu())
            if progress is not None:
                progress(min(first + batch, count), count)
    return torch.cat(images)
