"""Backends `noisy:DEVICE`: a device's noise by our own engine, with adjoint gradients."""
