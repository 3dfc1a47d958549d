"""Kernels as distributions of strings: their probabilities, and a mixture that goes where distributions differ."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from chi_square import check_frequencies

from qgen.circuits.iqp import iqp
from qgen.errors import InputError
from qgen.models.born.kernels import PACE, AdaptiveKernel, GaussianKernels
from qgen.models.born.machine import BornMachine
from qgen.models.born.settings import BornPriorSettings

BITS, SCALES = 5, (0.7, 2.0)


@pytest.fixture
def kernel(rng: np.random.Generator) -> AdaptiveKernel:
    """Somewhere on its way."""
    made = AdaptiveKernel(GaussianKernels(BITS, SCALES), seed=int(rng.integers(1000)))
    with torch.no_grad():
        made.logits.copy_(torch.from_numpy(rng.normal(size=made.logits.shape)))
        made.mixture.copy_(torch.from_numpy(rng.normal(size=made.mixture.shape)))
    return made


def all_strings() -> torch.Tensor:
    """(2^n, n), float32; qubit q is bit q of the row's number."""
    return (torch.arange(1 << BITS)[:, None] >> torch.arange(BITS) & 1).float()


def weight(kernel: GaussianKernels | AdaptiveKernel) -> torch.Tensor:
    """The probability of each string: the MMD where that string alone differs."""
    return torch.stack([kernel.exact_mmd(row) for row in torch.eye(1 << BITS).double()]).detach()


def test_probabilities_are_the_kernels_by_walsh_transform() -> None:
    distance = np.arange(1 << BITS)
    distance = np.bitwise_count(distance[:, None] ^ distance).astype(float)
    wanted = np.mean([np.exp(-distance / (2 * scale**2)) for scale in SCALES], axis=0)
    signs = 1 - 2.0 * (all_strings() @ all_strings().T).remainder(2).double().numpy()
    found = (signs * weight(GaussianKernels(BITS, SCALES)).numpy()) @ signs
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_strings_are_drawn_by_their_probabilities(kernel: AdaptiveKernel, rng: np.random.Generator) -> None:
    source = torch.Generator().manual_seed(int(rng.integers(2**31)))
    drawn = kernel.draw(20001, source)
    assert (drawn.dtype, drawn.shape) == (torch.float32, (20001, BITS))
    gaussian, whole = weight(kernel.gaussian).numpy(), weight(kernel).numpy()
    assert whole.sum() == pytest.approx(1, abs=1e-6)
    check_frequencies(drawn[:10000].to(torch.uint8).numpy(), gaussian)
    check_frequencies(drawn[10000:].to(torch.uint8).numpy(), 2 * whole - gaussian)
    logarithms = kernel.log_probabilities(all_strings()).detach()
    np.testing.assert_allclose(logarithms.exp(), 2 * whole - gaussian, rtol=1e-4)


def likelihood(kernel: AdaptiveKernel, shares: np.ndarray) -> float:
    """Of the mixture, of all strings in proportion to these numbers (2^n,)."""
    return float((shares / shares.sum()) @ kernel.log_probabilities(all_strings().to(kernel.logits)).detach().numpy())


def test_the_mixture_is_fitted_to_what_differs(kernel: AdaptiveKernel, rng: np.random.Generator) -> None:
    """The loss has the value and the circuit's gradient of the MMD, and for the mixture that of a likelihood."""
    kernel.double()
    squares = torch.from_numpy(rng.uniform(size=1 << BITS)).requires_grad_()
    whole = weight(kernel)
    loss = kernel.exact_mmd(squares)
    assert loss.item() == pytest.approx(float(whole @ squares.detach()), abs=1e-12)
    loss.backward()
    torch.testing.assert_close(squares.grad, whole, rtol=0, atol=1e-12)
    wanted = (whole * squares.detach()).numpy()
    for parameter in (kernel.logits, kernel.mixture):
        for place in rng.choice(parameter.numel(), 4, replace=False):
            flat, found = parameter.data.view(-1), []
            for move in (1e-5, -2e-5):
                flat[place] += move
                found.append(likelihood(kernel, wanted))
            flat[place] += 1e-5
            slope = (found[0] - found[1]) / 2e-5
            assert float(parameter.grad.view(-1)[place]) == pytest.approx(-slope, abs=1e-8)


def test_strings_that_are_drawn_fit_it_alike(kernel: AdaptiveKernel, rng: np.random.Generator) -> None:
    squares, parameters = torch.from_numpy(rng.uniform(size=1 << BITS)).float(), [kernel.logits, kernel.mixture]
    exact = torch.cat([part.flatten() for part in torch.autograd.grad(kernel.exact_mmd(squares.double()), parameters)])
    source, found = torch.Generator().manual_seed(int(rng.integers(2**31))), []
    for _ in range(100):
        drawn = kernel.draw(4000, source)
        some = squares[(drawn.long() << torch.arange(BITS)).sum(1)]
        loss = kernel.mmd(some, drawn)
        torch.testing.assert_close(loss, some.mean())
        found.append(torch.cat([part.flatten() for part in torch.autograd.grad(loss, parameters)]))
    mean, error = torch.stack(found).mean(0), torch.stack(found).std(0) / len(found) ** 0.5
    # Of 72 numbers, one is off by 7 of its errors once in 10^8 runs; the bias of a quotient is below a tenth of it.
    assert ((mean - exact).abs() <= 7 * error + 1e-6).all()
    assert exact.norm() > 10 * error.norm()


def test_what_is_not_above_zero_is_not_looked_for(kernel: AdaptiveKernel) -> None:
    drawn = kernel.draw(20, torch.Generator().manual_seed(1))
    loss = kernel.mmd(-torch.ones(20), drawn)
    assert loss.item() == -1
    assert all((part == 0).all() for part in torch.autograd.grad(loss, [kernel.logits, kernel.mixture]))


def test_components_that_nothing_needs_do_no_harm(kernel: AdaptiveKernel) -> None:
    with torch.no_grad():
        kernel.mixture[:] = torch.linspace(-1e3, 0, len(kernel.mixture))  # shares of zero in float32
        kernel.logits[0] = 1e3
    drawn = kernel.draw(50, torch.Generator().manual_seed(1))
    for loss in (kernel.mmd(torch.ones(50), drawn), kernel.exact_mmd(torch.ones(1 << BITS).double())):
        assert loss.item() == pytest.approx(1, abs=1e-5)
        found = torch.autograd.grad(loss, [kernel.logits, kernel.mixture])
        assert all(part.isfinite().all() for part in found)


def test_it_finds_the_string_that_differs(rng: np.random.Generator) -> None:
    """Of 8 bits, uniform but for one parity of four of them: Gaussian kernels draw its string once in 3,000."""
    secret = np.zeros(8, dtype=int)
    secret[rng.choice(8, 4, replace=False)] = 1
    every = np.arange(1 << 8)[:, None] >> np.arange(8) & 1
    allowed = torch.from_numpy(every[every @ secret % 2 == 0]).float()
    machine = BornMachine(iqp(8, "none"), seed=1)
    kernel = AdaptiveKernel(machine.kernel, seed=1)
    with torch.no_grad():
        machine.weight.fill_(np.pi / 4)  # fair coins
    source = torch.Generator().manual_seed(int(rng.integers(2**31)))
    optimizer = torch.optim.Adam(kernel.parameters(), 0.1 / PACE)
    for _ in range(150):
        optimizer.zero_grad()
        machine.loss(allowed[torch.randint(len(allowed), (500,), generator=source)], source, kernel).backward()
        optimizer.step()
    share = kernel.log_probabilities(torch.from_numpy(secret[None]).float()).exp()
    assert share > 0.3


def test_bad_settings_are_said() -> None:
    with pytest.raises(InputError, match=r"above 0, not \[1.0, 0.0\]"):
        GaussianKernels(4, (1.0, 0.0))
    with pytest.raises(ValueError, match=r"4 or more, .* not 3"):
        BornPriorSettings(kernel="adaptive", strings=3)
