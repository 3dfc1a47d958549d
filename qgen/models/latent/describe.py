"""A diffusion in codes, in numbers: the denoiser's parts, then those of the autoencoder, which is frozen."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from qgen.models.autoencoder.describe import autoencoder_rows, used_circuits
from qgen.models.description import ModelDescription, Part, count
from qgen.models.latent.network import LatentDiffusion
from qgen.models.quantum_branch import QuantumBranch, branches
from qgen.nn import QuantumLayer


def describe_latent_diffusion(model: LatentDiffusion) -> ModelDescription:
    """Describe it; a call is one of the denoiser. Nothing is run."""
    shapes = dict(autoencoder_rows(model.codec.autoencoder, "codec.autoencoder"))
    runs = model.denoiser.circuits_per_call
    code = model.codec.autoencoder.code_shape
    rows = [*_denoiser_rows(model.denoiser, code, runs)]
    rows += [Part(name, shape, count(model.get_submodule(name)), 0) for name, shape in shapes.items()]
    if model.discriminator is not None:
        rows.append(Part("discriminator", (1,), count(model.discriminator), 0))
    used = used_circuits(model)
    layers = [layer for layer in model.modules() if isinstance(layer, QuantumLayer)]
    return ModelDescription(
        rows=tuple(rows),
        parameters=count(model),
        quantum_parameters=sum(layer.weight.numel() for layer in layers),
        trainable=sum(weight.numel() for weight in model.parameters() if weight.requires_grad),
        circuits_per_call=runs,
        qubits=max((circuit.qubits for circuit in used), default=0),
        circuits=used,
        branch_parameters=sum(count(branch) for branch in branches(model)),
    )


def _denoiser_rows(denoiser: nn.Module, code: tuple[int, ...], runs: int) -> Iterator[Part]:
    """Yield the direct parts of the denoiser; the circuits are those of the one that has the branch.

    Of a denoiser with circuits in its transformers, what belongs to each circuit is a part of its own.
    """
    parts = [(name, part) for name, part in denoiser.named_children() if count(part)]
    of = getattr(denoiser, "circuits_of", None)
    for name, part in parts:
        if of is not None:
            own = [branch for branch in of if branch.startswith(f"{name}.")]
            inner = [(branch, count(denoiser.get_submodule(branch))) for branch in own]
            shape = code if name == parts[-1][0] else ()
            yield Part(f"denoiser.{name}", shape, count(part) - sum(size for _, size in inner), 0)
            yield from (Part(f"denoiser.{branch}", (), size, of[branch]) for branch, size in inner)
            continue
        hybrid = any(isinstance(inner, QuantumBranch) for inner in part.modules())
        shape = code if name == parts[-1][0] else ()
        yield Part(f"denoiser.{name}", shape, count(part), runs if hybrid else 0)
