"""One file for each contender, and what they share: the circuit, the reference and the worker process.

A contender's file imports its library only inside `build`, so that anyone can read the rest without having it:

    NAME              how tables and figures call it
    REQUIRES          {import name: pip requirement}; imported before the baseline of memory is taken
    STATES            (a gate, always): batches of states alive at the peak of a step; (0, 0) if one by one
    DEVICES           ("cpu",), or ("cpu", "cuda")
    build(spec, device) -> step
    step(x (B, n), w (P,), g (B, n)) -> values (B, n), grad_x (B, n), grad_w (P,)     NumPy, float32 in; angles: radians

and where needed:

    ENVIRON           environment variables, set before the imports
    before_import()   what has to happen before the imports
    SAMPLES           how many samples are measured, where a whole batch is out of reach; the time is scaled up
"""

ALL = (
    "qgen",
    "tfq",
    "flagquantum",
    "torchquantum",
    "tensorcircuit",
    "pennylane_jax",
    "pennylane_torch",
    "catalyst",
    "lightning",
    "pyqtorch",
    "deepquantum",
    "fastqml",
    "mindquantum",
    "qulacs",
)
STOCK = "stock"
