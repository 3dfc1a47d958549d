"""Draw a prior pool: many codes of a Born machine, or of a classical prior, into a file, part by part."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from qgen.errors import RunError
from qgen.generators.born import BornGenerator
from qgen.memory import format_bytes, free_memory
from qgen.models.born.pool import IDENTITY, PriorPool
from qgen.progress import ProgressCallback
from qgen.randomness import derive
from qgen.runs import provenance
from qgen.runs.folder import writing
from qgen.sampling.sample import Trained

#: Codes of a part, which is what is lost where drawing is interrupted. On hardware the journal keeps every job.
PART = 50_000


def check_pool(trained: Trained, count: int) -> BornGenerator:
    """Return the generator whose codes can be drawn.

    Raises:
        RunError: the run is of another kind, or so many codes do not fit into memory.
    """
    generator: Any = trained.generator
    if not isinstance(generator, BornGenerator):
        raise RunError(
            f"{trained.run.path} has no prior of bits: a pool is drawn from a run of a Born machine, as `qgen train "
            "iqp-digits` makes"
        )
    needed, free = 3 * count * generator.network.settings.bits, free_memory()
    if needed > free:
        raise RunError(f"{count:,} codes take {format_bytes(needed)} of memory, and {format_bytes(free)} are free")
    return generator


def draw_pool(
    trained: Trained, out: Path, count: int, seed: int = 0, progress: ProgressCallback | None = None
) -> PriorPool:
    """Draw a pool and write it; what an interrupted call has drawn is taken up, and a finished pool is returned.

    Args:
        trained: a run with a prior of bits, on any backend.
        out: the file. Parts lie in a folder beside it meanwhile.
        count: how many codes.
        seed: of all.
        progress: called with the codes that are drawn, and all.

    Raises:
        RunError: see `check_pool`; or the file, or the folder, has codes of another distribution, backend or seed.
    """
    network = check_pool(trained, count).network
    facts, parts = _facts(trained, count, seed), out.with_name(f"{out.name}.parts")
    if out.exists():
        return _same(out, facts, count)
    size = count if trained.backend.capabilities.remote else PART
    with writing(out):
        parts.mkdir(parents=True, exist_ok=True)
        for number, first in enumerate(range(0, count, size)):
            file, many = parts / f"{number:06d}.safetensors", min(size, count - first)
            if file.exists():
                _same(file, facts, many)
            else:
                PriorPool(network.prior.draw(many, derive(seed, "pool", number)), facts).write(file)
            if progress is not None:
                progress(first + many, count)
        files = sorted(parts.glob("*.safetensors"))
        now = {"backend": provenance.backend_facts(trained.backend), "created": provenance.now()}
        pool = PriorPool(torch.cat([PriorPool.read(file).bits for file in files]), facts | now)
        pool.write(out)
        shutil.rmtree(parts)
    return pool


def _facts(trained: Trained, count: int, seed: int) -> dict[str, Any]:
    generator: Any = trained.generator
    prior, circuit = generator.network.prior, generator.drawn
    digest = sha256()
    for name, values in sorted(prior.state_dict().items()):
        digest.update(name.encode() + values.detach().cpu().contiguous().numpy().tobytes())
    return {
        "run": trained.run.address,
        "step": trained.step,
        "prior": generator.network.settings.prior.name,
        "circuit": None if circuit is None else circuit.circuit.digest,
        "weights": digest.hexdigest(),
        "count": count,
        "seed": seed,
        "backend": provenance.backend_facts(trained.backend),
        "machine": provenance.machine(torch.device("cpu")),
    }


def _same(file: Path, facts: dict[str, Any], count: int) -> PriorPool:
    """Read a file that is there already.

    Raises:
        RunError: it is damaged, or is not what is to be drawn.
    """
    found = PriorPool.read(file)
    wanted = {
        "number": count,
        **{name: facts[name] for name in (*IDENTITY, "seed")},
        **_how(facts),
    }
    has = {**found.facts, "number": len(found.bits), **_how(found.facts)}
    for name, value in wanted.items():
        if has.get(name) != value:
            raise RunError(
                f"{file} has codes of another {name} than those to be drawn: give another --out, or remove it"
            )
    return found


def _how(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a pool's backend its codes depend on most."""
    backend = facts.get("backend", {})  # a file that was made otherwise says nothing of one
    return {"backend": backend.get("name"), "mitigation": backend.get("mitigation")}
