"""Autoencoders as networks: shapes, distributions, statistics of codes, description."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from torch.distributions import Normal, kl_divergence

from qgen.errors import ConfigError
from qgen.models import Autoencoder, AutoencoderSettings, build_vae_gan
from qgen.models.autoencoder import (
    Posterior,
    build_autoencoder,
    code_statistics,
    describe_vae_gan,
    find_autoencoder,
    read_autoencoder,
    save_autoencoder,
)

CIRCUIT = {"kind": "circuit", "qubits": 2, "layers": 1}


def small(size: int = 8, channels: int = 1, **settings: Any) -> Autoencoder:
    given = {"widths": [8, 16] if size > 8 else [8], "channels": 2} | settings
    return build_autoencoder(AutoencoderSettings.read(given), (channels, size, size))


@examples(12)
@given(
    st.integers(2, 16).map(lambda half: 2 * half),
    st.sampled_from([1, 3]),
    st.lists(st.integers(1, 9), min_size=1, max_size=2),
    st.one_of(st.none(), st.integers(1, 5)),
    st.sampled_from(["encoder", "decoder"]),
)
def test_codes_and_images_have_the_shapes_that_are_said(
    size: int, channels: int, widths: list[int], vector: int | None, place: str
) -> None:
    settings = AutoencoderSettings.read({"widths": widths, "vector": vector, "quantum": CIRCUIT | {"place": place}})
    if size == 4 and len(widths) == 2:
        with pytest.raises(ConfigError, match=r"too small for 2 `model\.widths`"):
            settings.code_shape(size)
        return
    network = build_autoencoder(settings, (channels, size, size))
    images = torch.rand(3, channels, size, size) * 2 - 1
    posterior = network.encode(images)
    side = -(-size // 2 ** len(widths)) if len(widths) == 2 else size // 2
    expected = (vector,) if vector else (4, side, side)
    assert settings.code_shape(size) == network.code_shape == expected
    assert posterior.mean.shape == posterior.logvar.shape == (3, *expected)
    assert network(images).shape == images.shape
    assert network.circuits == 1


def test_the_default_is_the_network_that_was_sized() -> None:
    """Residual blocks, strided convolutions and norms of widths 32 and 64, with a code of 4x7x7."""
    network = build_autoencoder(AutoencoderSettings(), (1, 28, 28))
    assert network.code_shape == (4, 7, 7)

    def conv(inputs: int, outputs: int, side: int = 3) -> int:
        return inputs * outputs * side**2 + outputs

    block = {width: 2 * (2 * width + conv(width, width)) for width in (32, 64)}
    encoder = conv(4, 32) + block[32] + conv(32, 64) + block[64] + 2 * 64 + conv(64, 8, 1)
    decoder = conv(4, 64) + 2 * block[64] + conv(64, 32) + 2 * block[32] + 2 * 32 + conv(32, 32) + conv(8, 1)
    assert sum(weight.numel() for weight in network.parameters()) == encoder + decoder == 328_753


def test_distributions_are_those_of_the_formulas(rng: np.random.Generator) -> None:
    mean, logvar, noise = (torch.tensor(rng.normal(size=(3, 2, 4))) for _ in range(3))
    posterior = Posterior(mean, logvar)
    normal = Normal(mean, (0.5 * logvar).exp())
    expected = kl_divergence(normal, Normal(torch.zeros_like(mean), torch.ones_like(mean))).flatten(1).sum(1)
    torch.testing.assert_close(posterior.kl(), expected)
    torch.testing.assert_close(normal.cdf(posterior.sample(noise)), Normal(0.0, 1.0).cdf(noise))


def test_distributions_are_those_of_diffusers(rng: np.random.Generator) -> None:
    vae = pytest.importorskip("diffusers.models.autoencoders.vae")
    moments = torch.tensor(rng.normal(size=(3, 4, 2, 2)))
    theirs = vae.DiagonalGaussianDistribution(moments)
    torch.testing.assert_close(Posterior(*moments.chunk(2, 1)).kl(), theirs.kl())


@pytest.mark.parametrize("vector", [None, 3])
def test_an_image_s_code_depends_on_no_other_image(vector: int | None, rng: np.random.Generator) -> None:
    network = small(vector=vector, quantum=CIRCUIT).eval()
    images = torch.tensor(rng.uniform(-1, 1, size=(5, 1, 8, 8)), dtype=torch.float32)
    together, alone = network.encode(images), network.encode(images[2:3])
    torch.testing.assert_close(together.mean[2:3], alone.mean)
    torch.testing.assert_close(network.decode(together.mean)[2:3], network.decode(alone.mean))


@pytest.mark.parametrize("place", ["encoder", "decoder"])
@pytest.mark.parametrize("vector", [None, 3])
def test_the_circuit_changes_its_own_part_alone(place: str, vector: int | None, rng: np.random.Generator) -> None:
    network, without = (small(vector=vector, quantum=quantum) for quantum in (CIRCUIT | {"place": place}, {}))
    images = torch.tensor(rng.uniform(-1, 1, size=(5, 1, 8, 8)), dtype=torch.float32)
    codes = network.encode(images).mean.detach()
    # All that both have begins alike, so that they differ by the circuit only.
    own = dict(network.named_parameters())
    assert all(torch.equal(weight, own[name]) for name, weight in without.named_parameters())
    assert torch.equal(codes, without.encode(images).mean) == (place == "decoder")
    assert torch.equal(network.decode(codes), without.decode(codes)) == (place == "encoder")


@pytest.mark.parametrize("vector", [None, 3])
def test_statistics_of_codes_are_those_of_all_at_once(vector: int | None, rng: np.random.Generator) -> None:
    network = small(vector=vector)
    images = torch.tensor(rng.integers(0, 256, size=(11, 1, 8, 8)), dtype=torch.uint8)
    mean, deviation = code_statistics(network, images, batch=4)
    assert network.training
    codes = network.eval().encode(images.float() / 127.5 - 1).mean.detach().double()
    rows = codes.transpose(0, 1).flatten(1).numpy()
    shape = (2, 1, 1) if vector is None else (3,)
    assert mean.shape == deviation.shape == shape
    np.testing.assert_allclose(mean.flatten(), rows.mean(1), atol=1e-5)
    np.testing.assert_allclose(deviation.flatten(), rows.std(1), rtol=1e-5)
    other = code_statistics(network, images.float() / 127.5 - 1, batch=256)
    torch.testing.assert_close(other, (mean, deviation))


@pytest.mark.parametrize("settings", [{}, {"vector": 3}, {"quantum": CIRCUIT}, {"gan": False}, {"widths": [8, 4, 4]}])
def test_the_description_is_that_of_a_run(settings: dict[str, Any]) -> None:
    model = build_vae_gan(AutoencoderSettings.read({"widths": [8, 4], "channels": 2} | settings), (1, 14, 14))
    facts = describe_vae_gan(model)
    assert sum(row.parameters for row in facts.rows) == facts.parameters == sum(w.numel() for w in model.parameters())
    assert sum(row.circuits for row in facts.rows) == facts.circuits_per_call == model.autoencoder.circuits
    assert len(facts.circuits) == facts.circuits_per_call
    seen: dict[str, tuple[int, ...]] = {}
    for row in facts.rows:
        model.get_submodule(row.name).register_forward_hook(
            lambda module, given, output, name=row.name: seen.update({name: tuple(output.shape[1:])})
        )
    made = model.autoencoder(torch.zeros(2, 1, 14, 14))
    if model.discriminator is not None:
        model.discriminator(made)
    # A branch of maps adds to them, and is no module that is called.
    shown = {row.name: row.shape for row in facts.rows if row.name in seen}
    assert seen == shown
    assert {row.name for row in facts.rows} - shown.keys() <= {"autoencoder.encoder.branch"}


def test_torch_s_own_generator_is_left_alone_and_seeds_decide() -> None:
    settings = AutoencoderSettings.read({"widths": [8], "quantum": CIRCUIT})
    before = torch.get_rng_state()
    one, two, other = (build_vae_gan(settings, (1, 8, 8), seed=seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["autoencoder.encoder.first.weight"], other["autoencoder.encoder.first.weight"])


def test_a_file_holds_all_of_it(tmp_path: Any) -> None:
    network = small(quantum=CIRCUIT)
    statistics = torch.rand(2, 1, 1), torch.rand(2, 1, 1)
    save_autoencoder(tmp_path / "autoencoder.safetensors", network, statistics)
    assert find_autoencoder(str(tmp_path)) == tmp_path / "autoencoder.safetensors"
    saved = read_autoencoder(find_autoencoder(str(tmp_path)))
    assert (saved.settings, saved.shape) == (network.settings, network.image_shape)
    assert torch.equal(saved.mean, statistics[0])
    assert torch.equal(saved.deviation, statistics[1])
    again = build_autoencoder(saved.settings, saved.shape, seed=9)
    again.load_state_dict(saved.weights)
    images = torch.zeros(1, 1, 8, 8)
    assert torch.equal(again.eval()(images), network.eval()(images))
    for name, words in (("nowhere", "there is no run"), (str(tmp_path.parent), "holds no autoencoder.safetensors")):
        with pytest.raises(ConfigError, match=words):
            find_autoencoder(name)


@pytest.mark.parametrize(
    ("shape", "words"), [((1, 9, 9), "an even side"), ((1, 2, 2), "from 4"), ((1, 8, 6), "square")]
)
def test_images_that_do_not_fit_are_refused(shape: tuple[int, int, int], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        build_autoencoder(AutoencoderSettings.read({"widths": [8]}), shape)
