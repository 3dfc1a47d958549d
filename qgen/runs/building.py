"""Builds the model that a run's settings describe, with initial weights, if it fits into memory."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from math import prod
from typing import Any, TypedDict, TypeVar

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from qgen.backends import Backend, open_settings
from qgen.captions import CaptionFacts
from qgen.data import ImageSet
from qgen.errors import ConfigError
from qgen.generators.kinds import BUILT_IN
from qgen.generators.protocols import BuildContext, Generator, Purpose, Shape, TrainableModel, can_sample
from qgen.memory import format_bytes, free_memory
from qgen.randomness import derive
from qgen.runs.config import RunConfig
from qgen.runs.stages import with_stages_noted

_NEW = {"empty", "empty_strided", "zeros", "ones", "full", "rand", "randn"}
#: A model that takes more than this part of what is free is counted before it is made.
_LARGE = 1 / 8
#: Bytes of a model that is described, up to which it is made with its weights.
_LARGEST_DESCRIBED = 1 << 28

Built = TypeVar("Built", bound=TrainableModel)
#: What a model has, beside `sample`: see `qgen.generators.protocols`.
_MEMBERS = [
    "shape",
    "network",
    "backend",
    "conditioning",
    "averaged",
    "circuits_per_training_image",
    "players",
    "describe",
    "export",
    "sampler",
    "sampling_info",
    "num_calls",
    "circuits_per_image",
    "dry_run",
]
_ABSENT = object()


def build_model(config: RunConfig, images: ImageSet, backend: Backend) -> TrainableModel:
    """Build the model that the settings train with these images.

    Raises:
        ConfigError, BackendError, CircuitError: see `build_generator`; or labels are needed, and there are none.
    """
    classes = None if images.class_names is None else len(images.class_names)
    captions = None if images.captions is None else images.captions.facts
    return _build(config, images.shape, backend, config.backend.gradient, "training", classes, captions, images.name)


def build_generator(
    config: RunConfig,
    shape: Shape,
    backend: Backend | None = None,
    gradient: str = "auto",
    trained: bool = False,
    num_classes: int | None = None,
    captions: CaptionFacts | None = None,
) -> Generator:
    """Build the generator that settings describe, for images of shape (C, H, W), with its initial weights.

    Args:
        config: the settings.
        shape: channels, height and width; images are square.
        backend: backend of its circuits; None: the one of the settings, with their gradient.
        gradient: gradient method on this backend.
        trained: whether it only samples from here on: what only training runs is then not put on the backend.
        num_classes: classes of the data; None: they have no labels.
        captions: what is to be known of the captions of the data; None: they have none.

    Raises:
        ConfigError, BackendError, CircuitError: the settings contradict each other, the backend cannot serve them, or
            the model makes no images.
    """
    if backend is None:
        backend, gradient = open_settings(config.backend), config.backend.gradient
    config = with_stages_noted(config)
    purpose: Purpose = "sampling" if trained else "description"
    model = _build(config, shape, backend, gradient, purpose, num_classes, captions, config.data.name)
    if not can_sample(model):
        raise ConfigError(f"a model of kind `{config.kind.name}` makes no images")
    return model


def _build(
    config: RunConfig,
    shape: Shape,
    backend: Backend,
    gradient: str,
    purpose: Purpose,
    num_classes: int | None,
    captions: CaptionFacts | None,
    data_name: str,
) -> TrainableModel:
    seed = derive(config.training.seed, "weights")
    context = BuildContext(shape, backend, gradient, seed, config.groups, num_classes, captions, data_name, purpose)
    with torch.random.fork_rng(devices=[]):  # a user's modules draw their initial weights from torch's own generator
        torch.default_generator.manual_seed(seed)
        model = config.kind.build(config.model, context)
    missing = [name for name in _MEMBERS if inspect.getattr_static(model, name, _ABSENT) is _ABSENT]
    if config.kind.name not in BUILT_IN and missing:
        raise ConfigError(
            f"what `build` of the generator `{config.kind.name}` returns lacks {', '.join(missing)}: "
            "see qgen.generators.Generator, or derive the class from qgen.generators.OnePassGenerator"
        )
    return model


class DataFacts(TypedDict):
    """What a model has to know of its data, as arguments of `build_generator`."""

    num_classes: int | None
    captions: CaptionFacts | None


def data_facts(numbers: Mapping[str, Any]) -> DataFacts:
    """Return what a model has to know of its data, from the plain values that its conditioning or a checkpoint has."""
    captions = numbers.get("captions")
    return {
        "num_classes": numbers.get("num_classes"),
        "captions": None if captions is None else CaptionFacts.read(captions),
    }


@contextmanager
def closing_on_error(backend: Backend) -> Iterator[None]:
    """Close a backend, which may hold a lock, if this block fails."""
    try:
        yield
    except BaseException:
        backend.close()
        raise


def build_in_memory(build: Callable[[], Built], copies: int = 1, what: str = "weights") -> Built:
    """Build a model if its weights fit into memory.

    A small model is built at once. One that turns out to be large is given up, counted without memory (torch's device
    `meta`), and built again if it fits.

    Args:
        build: builds it, each time the same.
        copies: copies of each weight that will be kept, as by gradients and by an optimiser.
        what: what takes the memory, for the error.

    Raises:
        ConfigError: they take more than is free.
    """
    free = free_memory()
    try:
        with _Counting(int(free * _LARGE / copies)):
            return build()
    except _LargeError:
        pass
    with torch.device("meta"):
        weights = list(build().network.parameters())
    size = copies * sum(weight.numel() * weight.element_size() for weight in weights)
    if size > free:
        raise ConfigError(
            f"the model does not fit into memory: {what} take {format_bytes(size)}, and {format_bytes(free)} are free; "
            "choose a smaller model"
        )
    return build()


def build_without_weights(build: Callable[[], Built]) -> Built:
    """Build a model that is described and counted, but never run: a large one has weights without memory.

    Args:
        build: builds it, each time the same.
    """
    try:
        with _Counting(_LARGEST_DESCRIBED):
            return build()
    except _LargeError:
        with torch.device("meta"):
            return build()


class _LargeError(Exception):
    """The model is large."""


class _Counting(TorchDispatchMode):
    """Counts new tensors within this block, each before it is made; raises _LargeError beyond `most` bytes."""

    def __init__(self, most: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left = most

    def __torch_dispatch__(self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Any = None) -> Any:
        options = kwargs or {}
        if func.overloadpacket.__name__ in _NEW and args and isinstance(args[0], Sequence):
            dtype = options.get("dtype") or torch.get_default_dtype()
            self._left -= prod(int(side) for side in args[0]) * dtype.itemsize
            if self._left < 0:
                raise _LargeError
        return func(*args, **options)
