"""Memory of a training step, estimated from steps of one image and of two before any is taken; glibc's allocator."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import cast

import torch
from torch import nn

from qgen.errors import ConfigError
from qgen.generators import Player, TrainableModel, input_shape
from qgen.memory import format_bytes, free_memory
from qgen.nn.recomputation import Recomputed, set_checkpointing
from qgen.runs.config import TrainingSettings

#: Tensors that each optimiser keeps for a parameter.
_STATE = {"adam": 2, "sgd": 0, "adadelta": 2}
#: How much more than what the backward pass needs is in use at once.
_MARGIN = 1.2

# glibc's names (malloc.h), and the largest values that it takes.
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_NEVER_TRIM, _LARGEST = 2**31 - 1, 2**30


def weights_kept(settings: TrainingSettings) -> int:
    """Return the copies of each weight in training: itself, its gradient, its average and the optimiser's state."""
    return 3 + _STATE[settings.optimizer]


def switch_checkpointing_on(network: nn.Module) -> None:
    """Let the blocks of a network be computed again in the backward pass.

    Raises:
        ConfigError: it has no such blocks.
    """
    if not set_checkpointing(network):
        raise ConfigError(
            "training.checkpointing is for networks of blocks that can be computed again, U-Nets and transformers, and "
            "this one has none: leave it out"
        )


def check_batch(settings: TrainingSettings, images: int) -> None:
    """Refuse a batch that the data set cannot fill.

    Raises:
        ConfigError: it has more images than there are.
    """
    if settings.batch > images:
        raise ConfigError(
            f"training.batch = {settings.batch:,} is more than the {images:,} images that there are to learn from; "
            f"choose one of at most {images:,}"
        )


def check_step(model: TrainableModel, settings: TrainingSettings, share: int, device: torch.device) -> None:
    """Refuse a step that does not fit into memory.

    Args:
        model: on its device.
        settings: of the training.
        share: images of a batch on this device.
        device: the device.

    Raises:
        ConfigError: what the backward pass keeps for so many images takes more than is free.
    """
    if not model.backend.capabilities.adjoint:  # circuits cost time or money there, and a step has a few images
        return
    weights = [weight for player in model.players() for weight in player.parameters.values()]
    trained = (weights_kept(settings) - 2) * sum(weight.numel() * weight.element_size() for weight in weights)
    free = free_memory() if device.type == "cpu" else torch.cuda.mem_get_info(device)[0]
    one = bytes_kept(model, 1, device)
    if trained + _MARGIN * one * share < free:  # more than it takes: a part is the same for any number of images
        return
    two = bytes_kept(model, 2, device)
    fixed, each = trained + max(0, 2 * one - two), _MARGIN * max(1, two - one)
    if fixed + each * share > free:
        most = max(0, int((free - fixed) // each))
        advice = f"choose training.batch of at most {most:,}" if most else "choose a smaller model"
        raise ConfigError(
            f"a step of {share:,} images takes about {format_bytes(fixed + each * share)} of memory, and "
            f"{format_bytes(free)} are free: {advice}"
        )


def bytes_kept(model: TrainableModel, count: int, device: torch.device) -> int:
    """Return the bytes that the backward pass keeps for `count` images, beside the weights: of the largest player.

    It grows linearly from the first image on.
    """
    return max(_kept(model, player, count, device) for player in model.players())


def _kept(model: TrainableModel, player: Player, count: int, device: torch.device) -> int:
    own = {weight.untyped_storage().data_ptr() for weight in model.network.parameters()}
    kept: dict[int, int] = {}
    blocks: list[dict[int, int]] = []  # of each one that will be computed again
    inside: list[dict[int, int]] = [kept]

    def note(tensor: torch.Tensor) -> torch.Tensor:
        place = tensor.untyped_storage()
        if place.data_ptr() not in own:
            inside[-1][place.data_ptr()] = place.nbytes()
        return tensor

    def enter(_block: nn.Module, inputs: tuple[object, ...]) -> None:
        for given in inputs:
            if isinstance(given, torch.Tensor):
                note(given)
        blocks.append({})
        inside.append(blocks[-1])

    def leave(_block: nn.Module, _inputs: object, _output: object) -> None:
        inside.pop()

    draws = player.objective.draw(count, model.shape, torch.Generator().manual_seed(0)).to(device)
    images = torch.zeros(count, *input_shape(model, player), device=device)
    given = None if model.conditioning is None else model.conditioning.examples(count).to(device)
    hooks = torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor)
    module = cast(nn.Module, player.objective)
    again = [block for block in module.modules() if isinstance(block, Recomputed) and block.checkpointing]
    with ExitStack() as stack:
        for block in again:
            stack.callback(block.register_forward_pre_hook(enter).remove)
            stack.callback(block.register_forward_hook(leave).remove)
        stack.enter_context(_unchanged(module))
        stack.enter_context(hooks)
        loss = player.objective(images, draws, given)
        # While the graph keeps them: freed memory is given out again. Of what is computed again, one block at a time.
        total = sum(kept.values()) + max((sum(block.values()) for block in blocks), default=0)
        del loss
    return total


@contextmanager
def _unchanged(module: nn.Module) -> Iterator[None]:
    """Within this block nothing in the module changes, and no random number is missing afterwards."""
    was_training = module.training
    module.eval()
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            yield
    finally:
        module.train(was_training)


def keep_memory() -> bool:
    """Tell glibc to keep freed blocks; return whether that is possible (on Linux with glibc only).

    By default large tensors are mapped anew from the system each time, and every page of them is cleared: a training
    step of the U-Nets at batch 128 then takes a tenth longer. The peak of memory stays what it is.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # another C library
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER_TRIM))
