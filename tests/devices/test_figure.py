"""The map of a device: where its qubits lie, and that the figure shows what it should."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from qgen.devices import Device, device_names, draw_device, open_device
from qgen.devices.coordinates import qubit_coordinates
from qgen.errors import BackendError, QgenError

PNG = b"\x89PNG\r\n\x1a\n"
RING = (1, 2, 3, 5, 8, 11, 14, 13, 12, 10, 7, 4)  # the left one of the two hexagons of a Falcon chip


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_coupled_qubits_of_every_device_are_neighbours() -> None:
    for name in device_names():
        device = open_device(name)
        places = qubit_coordinates(device)
        assert len(set(places)) == device.qubits
        lengths = [math.dist(places[first], places[second]) for first, second in device.coupler_errors]
        # The bow tie of Yorktown alone has couplers across corners.
        assert max(lengths, default=1) <= (math.sqrt(2) if name == "fake_yorktown" else 1), name


@pytest.mark.parametrize("name", ["fake_kolkata", "fake_casablanca", "fake_washington", "fake_athens"])
def test_devices_without_coordinates_lie_as_their_like_with_coordinates(name: str) -> None:
    device = open_device(name)
    assert device.coordinates is None
    like = next(
        other
        for other in map(open_device, device_names())
        if other.coordinates
        and device.qubits == other.qubits
        and device.coupler_errors.keys() <= other.coupler_errors.keys()
    )
    assert like.coordinates is not None
    shifts = {(x - u, y - v) for (x, y), (u, v) in zip(qubit_coordinates(device), like.coordinates, strict=True)}
    assert len(shifts) == 1


def test_a_shape_that_nobody_knows_is_laid_out_by_springs() -> None:
    couplers = {(a, b): 0.01 for a in range(4) for b in range(a + 1, 4)}
    device = dataclasses.replace(
        open_device("fake_lima"), qubits=4, coupler_errors=couplers, readout_errors=(0.1,) * 4, coordinates=None
    )
    places = qubit_coordinates(device)
    distances = [math.dist(places[a], places[b]) for a, b in couplers]
    assert sorted(distances)[len(distances) // 2] == pytest.approx(1)
    assert min(distances) > 0.4  # discs do not lie on one another
    assert places == qubit_coordinates(device)


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", ["fake_berlin", "fake_kyoto", "fake_prague", "fake_yorktown", "fake_armonk"])
def test_a_map_is_drawn_as_png(name: str, tmp_path: Path) -> None:
    draw_device(open_device(name), tmp_path / "map.png")
    assert (tmp_path / "map.png").read_bytes().startswith(PNG)
    assert [path.name for path in tmp_path.iterdir()] == ["map.png"]
    assert 200 < pixels(tmp_path / "map.png").mean() < 252


@pytest.mark.parametrize(("ending", "start"), [(".pdf", b"%PDF"), (".svg", b"<?xml")])
def test_a_map_is_drawn_as_vectors(ending: str, start: bytes, tmp_path: Path) -> None:
    draw_device(open_device("fake_lima"), tmp_path / f"map{ending}")
    assert (tmp_path / f"map{ending}").read_bytes().startswith(start)


def test_the_worse_qubit_is_the_darker_one(tmp_path: Path) -> None:
    def darkness(readout: tuple[float | None, ...]) -> list[float]:
        device = dataclasses.replace(open_device("fake_manila"), readout_errors=readout)
        draw_device(device, tmp_path / "map.png")
        image = pixels(tmp_path / "map.png")
        # Five discs in a row, 0.5 inch apart at 200 dots an inch, half an inch around the middle of the figure.
        row, middle = round(200 * (0.55 + 0.25)), image.shape[1] // 2
        return [255 - image[row - 22, middle + 100 * (qubit - 2)].mean() for qubit in range(5)]

    values = darkness((0.01, 0.02, 0.05, 0.1, 0.2))
    assert values == sorted(values)
    assert values[-1] > values[0] + 100
    same = darkness((0.01, 0.01, 0.01, None, 1.0))
    assert same[0] == same[1] == same[2] != same[3] == same[4]


def test_chosen_qubits_stand_out_and_the_others_fade(tmp_path: Path) -> None:
    device = open_device("fake_montreal")
    draw_device(device, tmp_path / "plain.png")
    draw_device(device, tmp_path / "chosen.png", RING)
    draw_device(device, tmp_path / "couplers.png", RING, [(2, 1), (2, 3)])
    plain, chosen, couplers = (pixels(tmp_path / f"{name}.png") for name in ("plain", "chosen", "couplers"))
    assert plain.shape == chosen.shape == couplers.shape
    right = (slice(110, plain.shape[0] - 160), slice(int(0.6 * plain.shape[1]), None))  # beside the ring, on the map
    assert chosen[right].mean() > plain[right].mean() + 5
    black = [(image.max(axis=2) < 40).sum() for image in (plain, chosen, couplers)]
    assert black[1] > black[2] > black[0]


@pytest.mark.parametrize(
    ("chosen", "couplers", "named"),
    [((5,), None, "5"), ((0, -1), None, "-1"), ((0, 1), [(0, 2)], "0-2"), ((), [(9, 8)], "8-9")],
)
def test_a_choice_that_is_not_on_the_device_is_refused(
    chosen: tuple[int, ...], couplers: list[tuple[int, int]] | None, named: str, tmp_path: Path
) -> None:
    with pytest.raises(BackendError, match=f"fake_lima has qubits 0 to 4 and 4 couplers; not among them: {named}"):
        draw_device(open_device("fake_lima"), tmp_path / "map.png", chosen, couplers)
    assert not any(tmp_path.iterdir())


@pytest.fixture
def lima() -> Device:
    return open_device("fake_lima")


def test_files_that_cannot_be_written_are_named(lima: Device, tmp_path: Path) -> None:
    with pytest.raises(QgenError, match=r"does not end in \.png, \.svg or \.pdf"):
        draw_device(lima, tmp_path / "map.jpg")
    with pytest.raises(QgenError, match=r"Cannot write .*: No such file"):
        draw_device(lima, tmp_path / "nowhere" / "map.png")
