"""Backends that Qiskit's Sampler primitive reaches: IBM Runtime's local mode, and what other packages provide."""

from qgen.backends.primitives.local import LocalRuntimeBackend as LocalRuntimeBackend
from qgen.backends.primitives.provider import ProviderBackend as ProviderBackend
from qgen.backends.primitives.provider import provider_offers as provider_offers
