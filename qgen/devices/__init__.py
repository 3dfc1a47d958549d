"""Devices by name: the published snapshots of IBM's machines, their summaries and their maps."""

from qgen.devices.device import Device as Device
from qgen.devices.device import DeviceSummary as DeviceSummary
from qgen.devices.figure import draw_device as draw_device
from qgen.devices.names import simulated as simulated
from qgen.devices.snapshots import device_names as device_names
from qgen.devices.snapshots import open_device as open_device
