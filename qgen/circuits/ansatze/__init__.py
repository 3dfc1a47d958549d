"""One file an ansatz; each holds one constant, `ANSATZ`, that `qgen.circuits.catalogue` lists."""
