"""Names of devices, and of the backends that simulate one."""

#: What comes before the name of a device, or of a noise file, in the names of backends that simulate its noise.
SIMULATORS = ("aer:", "noisy:")


def simulated(name: str) -> str:
    """Return the device or noise file of a backend's name: `fake_fez` of `noisy:fake_fez`; any other as it is."""
    for prefix in SIMULATORS:
        if name.startswith(prefix):
            return name.removeprefix(prefix)
    return name
