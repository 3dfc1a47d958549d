"""Error mitigation: values of several noisy circuits, and of calibrations, combined to less noisy ones."""
