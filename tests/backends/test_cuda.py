"""The engine on a GPU, where there is one: the same numbers, and nothing leaves the device."""

from __future__ import annotations

import pytest
import torch

from qgen import QuantumLayer
from qgen.backends import open_backend
from qgen.circuits import ansatz, ansatz_names
from qgen.errors import InputError

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize("name", ansatz_names())
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-10)])
def test_a_gpu_gives_the_numbers_of_the_processor(name: str, dtype: torch.dtype, tolerance: float) -> None:
    circuit = ansatz(name, layers=2)
    layers = [QuantumLayer(circuit).to(device, dtype) for device in ("cpu", "cuda")]
    inputs = torch.randn(3, 5, circuit.num_inputs, dtype=dtype)
    upstream = torch.randn(3, 5, circuit.num_observables, dtype=dtype)
    found = []
    for layer in layers:
        here = inputs.to(layer.weight.device).requires_grad_()
        values = layer(here)
        values.backward(upstream.to(values.device))
        assert values.device.type == layer.weight.device.type
        found.append([tensor.detach().cpu() for tensor in (values, here.grad, layer.weight.grad)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=tolerance)


def test_nothing_is_copied_through_the_host() -> None:
    layer = QuantumLayer(ansatz("hqconv", qubits=8, layers=1)).cuda()
    inputs = torch.randn(4, 8, device="cuda", requires_grad=True)
    layer(inputs).sum().backward()  # the first call moves the program's tables to the device
    torch.cuda.set_sync_debug_mode("error")
    try:
        layer(inputs).sum().backward()
    finally:
        torch.cuda.set_sync_debug_mode("default")


def test_tensors_on_two_devices_are_named() -> None:
    circuit = ansatz("basic")
    engine = open_backend("statevector").compile(circuit)
    with pytest.raises(InputError, match="inputs are on cuda:0, weights on cpu"):
        engine.expectations(torch.zeros(4, device="cuda"), torch.zeros(circuit.num_weights))
