"""Answers that are not true: a result that is not the job's, a bill that is none, a state that nobody knows."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Literal

Spoilt = Literal["rows", "shots", "names", "missing", "empty"]


def spoil(body: bytes, how: Spoilt) -> bytes:
    """The result of a job with something wrong: half of its rows or shots, other names, an array too few, nothing."""
    if how == "empty":
        return b""
    plain: dict[str, Any] = json.loads(body)
    for item in plain["data"]:
        item["results"] = _SPOILT[how](item["results"])
    return json.dumps(plain).encode()


def misbill(body: bytes, bill: float | str) -> bytes:
    """A job's metrics with another bill; `late`: it is not known yet; other words stand where the seconds should."""
    plain: dict[str, Any] = json.loads(body)
    if bill == "late":
        plain["usage"] = {"status": "pending"}
    else:
        number: Any = float("nan") if bill == "nan" else bill
        plain["usage"] = plain["usage"] | dict.fromkeys(("qpu_charge_time_seconds", "quantum_seconds"), number)
    return json.dumps(plain).encode()


def misstate(body: bytes, state: str) -> bytes:
    """A job in another state."""
    plain: dict[str, Any] = json.loads(body)
    plain["status"] = state
    plain["state"] = {"status": state}
    return json.dumps(plain).encode()


def _changed(results: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    """Every array of bits, by another one."""
    from ibm_quantum_schemas.common import CompressedTensorModel

    found = {}
    for name, packed in results.items():
        array = CompressedTensorModel.model_validate(packed).to_numpy()
        found[name] = (
            CompressedTensorModel.from_numpy(change(array)).model_dump(mode="json") if array.ndim > 1 else packed
        )
    return found


def _fewer_rows(results: dict[str, Any]) -> dict[str, Any]:
    def half(array: Any) -> Any:
        rows = array.shape[:-2]
        axis = rows.index(max(rows)) if rows else 0
        return array.take(range(max(1, array.shape[axis] // 2)), axis)

    return _changed(results, half)


def _fewer_shots(results: dict[str, Any]) -> dict[str, Any]:
    return _changed(results, lambda array: array[..., : max(1, array.shape[-2] // 2), :])


def _other_names(results: dict[str, Any]) -> dict[str, Any]:
    return {f"not_{name}": packed for name, packed in results.items()}


def _one_less(results: dict[str, Any]) -> dict[str, Any]:
    return dict(list(results.items())[1:])


_SPOILT = {"rows": _fewer_rows, "shots": _fewer_shots, "names": _other_names, "missing": _one_less}
