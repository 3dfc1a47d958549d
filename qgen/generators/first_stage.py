"""First stages: autoencoders, trained before, that a model works in the codes of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from qgen.errors import ConfigError
from qgen.generators.protocols import BuildContext

if TYPE_CHECKING:
    from qgen.models import Autoencoder, LatentCodec
    from qgen.models.autoencoder import DiffusersAutoencoder, FirstStageSettings, SavedAutoencoder

_ADVICE = "train one with `qgen train vae-gan --name first-stage`, and give --set model.first_stage=runs/first-stage"


def build_codec(
    first_stage: str | None,
    noted: FirstStageSettings | None,
    context: BuildContext,
    seed: int,
    reach: float = 1.0,
    as_maps: bool = False,
) -> LatentCodec:
    """Return the codec of a first stage: with its weights where it is to be trained in.

    Its encoder runs on the exact engine, its decoder on the backend.

    Args:
        first_stage: the run, the file, or `diffusers:FOLDER`; None: there is none.
        noted: the settings that a run noted of it; None: nothing is noted yet.
        context: has the shape of the images and the backend.
        seed: of initial weights, where those of the first stage come from a checkpoint.
        reach: how many standard deviations of a code's numbers are a 1 of its states.
        as_maps: see `LatentCodec`.

    Raises:
        ConfigError: there is no first stage, or it is for other images, or another one than the settings say.
        BackendError, CircuitError: the backend cannot serve the circuit of its decoder.
        RunError: the file of the first stage is damaged.
    """
    from qgen.models import LatentCodec

    settings, saved = _open(first_stage, noted, context)
    autoencoder = _build(settings, context, seed)
    codec = LatentCodec(autoencoder, as_maps)
    if saved is not None and not codec.mean.is_meta:
        autoencoder.load_state_dict(dict(saved.weights))
        codec.mean.copy_(saved.mean)
        codec.deviation.copy_(reach * saved.deviation)
    return codec


def first_stage_paths(first_stage: str | None) -> Mapping[str, Any]:
    """Return the settings of a model that say where its first stage is, by an absolute path, and what it is.

    Raises:
        ConfigError: there is none.
        RunError: its file is damaged.
    """
    from qgen.models.autoencoder import (
        DIFFUSERS_PREFIX,
        diffusers_folder,
        find_autoencoder,
        read_autoencoder,
        read_diffusers_settings,
    )

    if first_stage is None:
        return {}
    if first_stage.startswith(DIFFUSERS_PREFIX):
        place = f"{DIFFUSERS_PREFIX}{diffusers_folder(first_stage).resolve()}"
        return {"first_stage": place, "autoencoder": read_diffusers_settings(first_stage).plain()}
    file = find_autoencoder(first_stage).resolve()
    return {"first_stage": str(file), "autoencoder": read_autoencoder(file).settings.plain()}


def _build(settings: FirstStageSettings, context: BuildContext, seed: int) -> Autoencoder | DiffusersAutoencoder:
    from qgen.models import AutoencoderSettings, build_autoencoder
    from qgen.models.autoencoder import DiffusersAutoencoder

    if isinstance(settings, AutoencoderSettings):
        return build_autoencoder(settings, context.shape, context.backend, seed=seed, idle_encoder=True)
    return DiffusersAutoencoder(settings, context.shape)


def _open(
    first_stage: str | None, noted: FirstStageSettings | None, context: BuildContext
) -> tuple[FirstStageSettings, SavedAutoencoder | None]:
    """Return the settings of the autoencoder; and, where its weights are needed, what its file holds."""
    from qgen.models.autoencoder import DIFFUSERS_PREFIX, find_autoencoder, read_autoencoder, read_diffusers

    if noted is not None and context.purpose != "training":
        return noted, None
    if first_stage is None:
        raise ConfigError(f"the model needs an autoencoder, its first stage: {_ADVICE}")
    if first_stage.startswith(DIFFUSERS_PREFIX):
        saved = read_diffusers(first_stage, context.shape)
    else:
        saved = read_autoencoder(find_autoencoder(first_stage))
    if saved.shape != context.shape:
        theirs, ours = ("x".join(map(str, shape)) for shape in (saved.shape, context.shape))
        raise ConfigError(
            f"the first stage {first_stage} takes images of {theirs}, and those of {context.data_name} are "
            f"{ours}: choose the data that it was trained with"
        )
    if noted not in (None, saved.settings):
        raise ConfigError(f"the first stage {first_stage} is another one than `model.autoencoder` says: leave that out")
    return saved.settings, saved
