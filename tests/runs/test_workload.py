"""How often circuits run is counted, not guessed."""

from typing import Any

import pytest

from qgen.backends import open_backend
from qgen.backends.base import Executable
from qgen.runs import build_generator, read_config
from qgen.runs.workload import sampling_uses, training_uses

SHAPE = (1, 8, 8)


@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["model.vertex.ansatz=masked"],
        ["model.vertex.groups=2", "model.quanvolution={level: 1, groups: 1, ansatz: hqconv}"],
    ],
)
def test_the_counts_are_those_of_the_rows_that_reach_the_backend(
    changes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config("digits", [*changes, "sampling.steps=3"])
    generator = build_generator(config, SHAPE, open_backend("statevector"))
    uses, sampled = training_uses(generator), sampling_uses(generator)
    assert sum(use.per_image for use in uses) == generator.circuits_per_training_image
    assert sum(use.per_image for use in sampled) == generator.circuits_per_image

    batches: list[int] = []
    plain = Executable.batch

    def counted(self: Executable, inputs: Any, weights: Any) -> Any:
        plan, batch = plain(self, inputs, weights)
        batches.append(len(batch.weight_rows))
        return plan, batch

    monkeypatch.setattr(Executable, "batch", counted)
    generator.sample([1, 2, 3])
    assert len(batches) == sum(use.submissions for use in sampled)
    assert sum(batches) == 3 * generator.circuits_per_image


def test_a_classical_model_has_none() -> None:
    config = read_config("unet", ["training.steps=1"])
    assert training_uses(build_generator(config, (1, 28, 28))) == ()
