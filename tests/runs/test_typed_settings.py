"""What words mean is decided by the type of the setting, for every field of every group of settings there is."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from types import NoneType
from typing import Any, Literal, Union, get_args, get_origin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter

import qgen.backends.gradients.registry as gradients
import qgen.devserver.faults  # so that its settings are known here
import qgen.studies.comparison
import qgen.studies.noise  # noqa: F401
from qgen.errors import ConfigError
from qgen.noise.settings import NoiseSettings  # noqa: F401
from qgen.runs import RunConfig, override_config, preset_names, read_config
from qgen.settings import Settings
from qgen.yaml_values import Unquoted, _options, coerce, coerce_any, dump_yaml, parse_yaml

#: Folders that were really called so, and words that YAML takes for something else than text.
# fmt: off
AWKWARD = [
    "2024-01-01", "123", "no", "cats #2", "[x]", "*star", "null", "~", "1_000", "0x10", " a: b", "yes", "1e-3", "1:30",
    "true", "{a: 1}", "&anchor", "!tag", "|", ">", "- item", "? key", "%", "@", "`", '"quoted"', "'quoted'", "a\tb", "",
    "0o7", "010", ".5", "-", "=", "a=b", "<<", ".inf", "---", "...", "\\", "{", "[", "Übung", "a\nb",
]
# fmt: on
#: Text that names one of a list, checked by the group itself.
CHECKED = ("ansatz", "extractor.name", "generator.noise", "text.encoder")


def kinds_of_settings() -> list[type[Settings]]:
    def below(kind: type[Settings]) -> Iterator[type[Settings]]:
        for each in kind.__subclasses__():
            yield each
            yield from below(each)

    methods = [gradients._as_settings(name) for name in gradients._METHODS]
    return list(dict.fromkeys([*below(Settings), *methods]))


FIELDS = {
    f"{kind.__name__}.{name}": (kind, name, field.annotation)
    for kind in kinds_of_settings()
    for name, field in kind.model_fields.items()
}


def leaves(annotation: Any) -> set[Any]:
    """The types in an annotation, and those of the words of its literals."""
    if get_origin(annotation) is Literal:
        return {type(word) for word in get_args(annotation)}
    inner = [leaves(part) for part in get_args(annotation) if part is not Ellipsis and not isinstance(part, str | int)]
    return set().union(*inner) if inner else {annotation}


def elements(annotation: Any, place: Any) -> Iterator[Any]:
    """`place` put wherever a single value may stand: [place], {"a": place}, ((place, 1), ...)."""
    for option in get_args(annotation) if type(None) in get_args(annotation) else (annotation,):
        inner = get_args(option)
        if get_origin(option) is tuple and inner[-1] is Ellipsis:
            yield from ([each] for each in elements(inner[0], place))
        elif get_origin(option) is tuple:
            for at, part in enumerate(inner):
                yield from ([each if k == at else 0 for k in range(len(inner))] for each in elements(part, place))
        elif get_origin(option) is dict:
            yield from ({"cx": each} for each in elements(inner[1], place))
        elif option is not NoneType:
            yield place


NUMBERS = {
    name: field for name, field in FIELDS.items() if leaves(field[2]) & {int, float} and Any not in leaves(field[2])
}
BOOLEANS = {name: field for name, field in FIELDS.items() if bool in leaves(field[2])}
TEXTS = {name: field for name, field in FIELDS.items() if field[2] is str}


def text_keys() -> list[str]:
    """The dotted keys of all settings of a run that are text, for the kinds of models that have them."""

    def walk(kind: Any, at: tuple[str, ...]) -> Iterator[str]:
        for option in get_args(kind) or (kind,):
            if isinstance(option, type) and issubclass(option, Settings):
                for name, field in option.model_fields.items():
                    yield from walk(field.annotation, (*at, name))
            elif option is str and kind is str:
                yield ".".join(at)

    return list(dict.fromkeys(walk(RunConfig, ())))


def base_of(key: str) -> RunConfig:
    for preset in (
        "gan-classical",
        "patch-gan",
        "style-gan",
        "quanvunet",
        "vae-gan",
        "latent-unet",
        "classifier",
        "iqp-digits",
    ):
        more = [{"model": {"autoencoder": {}, "joint": {}}}] if preset == "latent-unet" else []
        config = read_config(preset, more)
        try:
            value(config, key)
        except AttributeError:
            continue
        return config
    return read_config("gan-classical", ["start.run=x"])


def value(config: Any, key: str) -> Any:
    for part in key.split("."):
        config = getattr(config, part)
    return config


def test_there_is_something_to_look_at() -> None:
    assert {"BackendSettings.name", "DataSettings.name", "TransferSettings.run", "Fault.reason"} <= TEXTS.keys()
    assert {"data.name", "backend.name", "backend.gradient", "start.run", "model.discriminator.extractor.name"} <= set(
        text_keys()
    )
    assert {"TrainingSettings.betas", "NoiseSettings.depolarizing", "HardwareOptions.tiles"} <= NUMBERS.keys()
    assert {"SPSA.step", "SPSA.directions", "ParameterShift.fraction"} <= NUMBERS.keys()
    assert {"SPSA.shared", "SamplingSettings.clip", "QuanvolutionSettings.shared"} <= BOOLEANS.keys()


@pytest.mark.rows(6)
@pytest.mark.parametrize("key", text_keys())
def test_text_is_text_to_the_last_letter(key: str) -> None:
    base = base_of(key)
    for words in AWKWARD:
        if key.endswith(CHECKED) or (key == "data.name" and not words):
            with pytest.raises(ConfigError, match=re.escape(repr(words))):
                override_config(base, [f"{key}={words}"])
        else:
            assert value(override_config(base, [f"{key}={words}"]), key) == words


@given(st.text())
def test_any_text_is_text(words: str) -> None:
    for _, _, annotation in TEXTS.values():
        read = coerce(annotation, Unquoted(words))
        assert (type(read), read) == (str, words)
    for key in ("data.name", "backend.name", "backend.gradient"):
        if words:
            assert value(override_config(GAN, [f"{key}={words}"]), key) == words


GAN = read_config("gan-classical")


@given(st.text(st.characters(codec="utf-8")))
@example("null")
@example("1e-3")
@example("0o7")
@example("+1")
@example("\x85")
def test_text_survives_the_file_of_a_run(words: str) -> None:
    """Through `config.yaml`, also where nothing says that it is text."""
    plain = {"text": words, "any": {"a b": words}, "perhaps": words, "many": [words]}
    read = parse_yaml(dump_yaml(plain))
    assert coerce(str, read["text"]) == words
    assert coerce(dict[str, Any], read["any"]) == {"a b": words}
    assert coerce(str | None, read["perhaps"]) == words
    assert coerce(tuple[str, ...], read["many"]) == [words]


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text("ab1e-.:#~ "),
        lambda inner: st.lists(inner) | st.dictionaries(st.text("ab1"), inner),
        max_leaves=9,
    )
)
def test_plain_values_survive_where_any_type_is_allowed(plain: Any) -> None:
    assert coerce(Any, parse_yaml(dump_yaml(plain))) == plain


@pytest.mark.parametrize("name", NUMBERS)
def test_true_and_false_are_no_numbers(name: str) -> None:
    kind, field, annotation = NUMBERS[name]
    for wrong in (True, False):
        tried = list(elements(annotation, wrong))
        assert tried
        for given_ in tried:
            with pytest.raises(ConfigError, match=f"`{field}"):
                kind.read({field: given_})
    for words in ("yes", "on", "false", "No", "TRUE"):
        for given_ in elements(annotation, Unquoted(words)):
            if str in _options(annotation):  # text is allowed too
                assert coerce(annotation, given_) == words
                continue
            with pytest.raises(ConfigError, match=f"`{field}"):
                kind.read({field: given_})


@pytest.mark.parametrize("name", BOOLEANS)
def test_numbers_and_text_are_not_true_or_false(name: str) -> None:
    kind, field, annotation = BOOLEANS[name]
    for wrong in (0, 1, 1.0, "yes", "true", "1", *map(Unquoted, ("0", "1", "1.0", "t", "y", "truth"))):
        with pytest.raises(ConfigError, match=f"`{field}`: give true or false"):
            kind.read({field: wrong})
    for words, right in {"yes": True, "ON": True, "true": True, " no ": False, "Off": False, "FALSE": False}.items():
        assert coerce(annotation, Unquoted(words)) is right


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_are_numbers_however_they_are_written(number: float) -> None:
    for words in (repr(number), f"{number:e}".replace("e", "E"), f" {number:.20g} "):
        for annotation in (float, float | None, Any, Union[Literal["auto"], float]):  # noqa: UP007
            assert coerce(annotation, Unquoted(words)) == float(words)
        assert coerce(float, parse_yaml(words.strip())) == coerce(float, words) == float(words)


@given(st.integers())
def test_whole_numbers_too(number: int) -> None:
    for annotation in (int, int | None, Any, float, Literal["all"] | int):
        for words in (str(number), f"{number:_}"):
            assert coerce(annotation, Unquoted(words)) == number
    assert TypeAdapter(int).validate_python(coerce(int, Unquoted("1e3"))) == 1000
    assert coerce(int, Unquoted(hex(abs(number)))) == abs(number)


def test_choices_between_types() -> None:
    """The rule for several types, as `qgen/yaml_values.py` and docs/settings.md have it."""
    table = {
        (str | None, "null"): None,
        (str | None, "~"): None,
        (str | None, ""): None,
        (str | None, "no"): "no",
        (str | None, "nullify"): "nullify",
        (bool | None, "null"): None,
        (bool | None, "on"): True,
        (int | Literal["auto"], "auto"): "auto",
        (int | Literal["auto"], "7"): 7,
        (Literal["32", "bf16"], "32"): "32",
        (Literal[1, 3], "3"): 3,
        (tuple[float, float], "[0.9, 1e-1]"): [0.9, 0.1],
        (tuple[str, ...], "[no, 1, null]"): ["no", "1", None],
        (Any, "no"): False,
        (Any, "cats"): "cats",
        (Any, "2024-01-01"): "2024-01-01",
        (Any, "[1e-3, {a: yes}]"): [0.001, {"a": True}],
        (Any, "[1"): "[1",
    }
    for (annotation, words), right in table.items():
        read = coerce(annotation, Unquoted(words))
        assert (type(read), read) == (type(right), right), (annotation, words)
    assert coerce_any("1:30") == "1:30"


@pytest.mark.parametrize("name", preset_names())
def test_presets_survive_the_file_of_a_run(name: str) -> None:
    config = read_config(name)
    assert RunConfig.read(parse_yaml(dump_yaml(config.plain()))) == config


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [" * 100_000, "too deep|not|expected"),
        ("\n".join(f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9) if k else 1}]" for k in range(12)), "stands for more"),
        ("a: &a [*a]", "holds itself"),
        ("a: 1\na: 2", "twice"),
        ("a: !!python/object:os.system x", "could not determine a constructor"),
        ("a: \x00", "special characters"),
        ("[1, 2", "expected"),
    ],
)
def test_documents_that_are_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        parse_yaml(text)
    assert "\n" not in str(caught.value)


def test_a_whole_group_is_merged_with_what_is_there() -> None:
    config = read_config("qvunet-7hq", ["model.vertex={layers: 2}", "model.vertex.options={mirrored: no}"])
    assert (config.model.vertex.groups, config.model.vertex.layers) == (7, 2)
    assert config.model.vertex.options == {"mirrored": False}
    for pair in itertools.permutations(["training.steps=5", "training.steps=1e1"]):
        assert read_config("unet", pair).training.steps == int(float(pair[1].partition("=")[2]))
