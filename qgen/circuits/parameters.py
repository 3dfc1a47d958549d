"""Which parameter of a circuit plays which part: checks that inputs, weights and mixture cover it exactly once."""

from collections import Counter
from collections.abc import Iterable, Mapping

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen.errors import CircuitError


def as_parameters(what: str, given: Iterable[Parameter]) -> tuple[Parameter, ...]:
    """The given parameters (a `ParameterVector` counts as its elements) as a tuple, in the given order.

    Raises:
        CircuitError: something else than parameters, or a parameter given twice.
    """
    if isinstance(given, (str, bytes, Parameter)) or not isinstance(given, Iterable):
        raise CircuitError(f"The {what} must be a list of qiskit Parameters or a ParameterVector, not {given!r}.")
    parameters = tuple(given)
    for parameter in parameters:
        if not isinstance(parameter, Parameter):
            raise CircuitError(
                f"The {what} must be qiskit Parameters, but one is {parameter!r} ({type(parameter).__name__}). "
                "Give the Parameter objects that the circuit uses (circuit.parameters lists them)."
            )
    twice = [parameter for parameter, count in Counter(parameters).items() if count > 1]
    if twice:
        raise CircuitError(f"The {what} name {_names(twice)} more than once; give each parameter once.")
    return parameters


def check_roles(circuit: QuantumCircuit, roles: Mapping[str, tuple[Parameter, ...]]) -> None:
    """Checks that each parameter of `circuit` has exactly one of the `roles`, and that each role's parameters are used.

    Raises:
        CircuitError: a parameter in two roles, in none (unbound), or not in the circuit.
    """
    used = set(circuit.parameters)
    owner: dict[Parameter, str] = {}
    for role, parameters in roles.items():
        both = [parameter for parameter in parameters if parameter in owner]
        if both:
            raise CircuitError(
                f"Parameters cannot be both {owner[both[0]]} and {role}: {_names(both)}. Give each to one of them."
            )
        missing = [parameter for parameter in parameters if parameter not in used]
        if missing:
            raise CircuitError(f"The circuit does not use these {role}: {_names(missing)}.{_advice(circuit, missing)}")
        owner.update(dict.fromkeys(parameters, role))
    unbound = [parameter for parameter in circuit.parameters if parameter not in owner]
    if unbound:
        raise CircuitError(
            f"The circuit has unbound parameters: {_names(unbound)}. Name each in inputs or in weights, "
            "or give it a value with circuit.assign_parameters()."
        )


def _advice(circuit: QuantumCircuit, missing: list[Parameter]) -> str:
    namesakes = {parameter.name for parameter in circuit.parameters} & {parameter.name for parameter in missing}
    if namesakes:
        return (
            " Its parameters of the same name are other objects (qiskit tells parameters apart by identity): "
            "take them from circuit.parameters."
        )
    return " Leave them out, or use them in a gate."


def _names(parameters: Iterable[Parameter], most: int = 8) -> str:
    names = [parameter.name for parameter in parameters]
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
