"""Devices by name: the published snapshots of IBM's machines, what is known of them, and their maps."""

from qgen.devices.device import Device as Device
from qgen.devices.facts import DeviceFacts as DeviceFacts
from qgen.devices.opening import device_names as device_names
from qgen.devices.opening import open_device as open_device
from qgen.devices.picture import draw_device as draw_device
