"""Devices by name: the published snapshots of IBM's machines, what is known of them, and their maps."""

from qgen.backends.devices.device import Device as Device
from qgen.backends.devices.facts import DeviceFacts as DeviceFacts
from qgen.backends.devices.opening import device_names as device_names
from qgen.backends.devices.opening import open_device as open_device
from qgen.backends.devices.picture import draw_device as draw_device
