"""Captions in files, of classes and of attributes; and combinations of words that are held out."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from qgen.captions import words_of
from qgen.data import DataSettings, caption_facts, open_images
from qgen.errors import ConfigError, DataError


@pytest.fixture
def folder(tmp_path, rng):
    """Five images in two sub-folders, and their names."""
    names = ["a/one.png", "a/two.jpg", "b/three.png", "b/four.png", "b/five.png"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (6, 6, 3)).astype(np.uint8)).save(tmp_path / name)
    return tmp_path, sorted(names)


def opened(path, **settings):
    return open_images(DataSettings.read({"name": str(path), **settings}))


def of_files(path, **settings):
    images = opened(path, captions="own", **settings)
    return [images.captions[place] for place in range(len(images))]


def test_a_text_file_beside_each_image_has_a_caption_on_each_line(folder):
    path, names = folder
    for number, name in enumerate(names):
        text = f"  picture {number}\n\nthe same, again\n"
        (path / name).with_suffix(".txt").write_text(text, encoding="utf-8-sig" if number else "utf-8")
    assert of_files(path) == [(f"picture {number}", "the same, again") for number in range(5)]
    assert caption_facts(DataSettings(name=str(path), captions="own")).words == (
        *("0", "1", "2", "3", "4"),
        *("again", "picture", "same", "the"),
    )


@pytest.mark.parametrize("form", ["jsonl", "json", "coco"])
def test_lists_of_captions_are_read(folder, form):
    path, names = folder
    own = {name: [f"{name} ü", "more"][: 1 + number % 2] for number, name in enumerate(names)}
    if form == "jsonl":
        rows = [{"file_name": name, "text": texts[0] if len(texts) == 1 else texts} for name, texts in own.items()]
        (path / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    elif form == "json":
        (path / "captions.json").write_text(json.dumps(own))
    else:
        images = [{"id": 7 + number, "file_name": name} for number, name in enumerate(names)]
        notes = [{"image_id": 7 + number, "caption": text} for number, name in enumerate(names) for text in own[name]]
        (path / "captions.json").write_text(json.dumps({"images": images, "annotations": notes}))
    assert of_files(path) == [tuple(own[name]) for name in names]


def test_images_without_captions_are_named(folder):
    path, _ = folder
    with pytest.raises(DataError, match=r"comes without captions: set `data.captions` to `class` or `attributes`"):
        of_files(path)
    (path / "b" / "four.txt").write_text("four")
    with pytest.raises(DataError, match=r"4 of 5 images have no caption in .*, such as a/one.png: give each"):
        of_files(path)


@pytest.mark.parametrize("content", ["[]", "{", '{"a/one.png": 3}', '{"images": [], "annotations": [{}]}', "[[" * 999])
def test_what_is_no_list_of_captions_is_refused_by_a_line(folder, content):
    path, _ = folder
    (path / "captions.json").write_text(content)
    with pytest.raises(DataError, match=r"captions.json (is not a JSON object of file names|in )|have no caption"):
        of_files(path)


def test_captions_of_classes_are_their_names(folder):
    images = opened(folder[0], captions="class")
    assert [images.captions[place] for place in range(5)] == [("a",), ("a",), ("b",), ("b",), ("b",)]
    digits = open_images(DataSettings(name="digits", captions="class", limit=20))
    assert [digits.captions[place] for place in range(20)] == [(str(label),) for label in digits.labels.tolist()]
    assert digits.captions.facts.words == tuple("0123456789")


def test_captions_change_neither_images_nor_their_digest():
    bare = open_images(DataSettings(name="digits", limit=50))
    images = open_images(DataSettings(name="digits", limit=50, captions="attributes"))
    assert images.sha256 == bare.sha256
    assert torch.equal(images.images, bare.images)
    assert bare.captions is None


def test_attributes_are_cut_by_all_training_images_whatever_is_selected():
    few, test = (
        open_images(DataSettings(name="digits", captions="attributes", **form))
        for form in ({"limit": 30, "classes": (3, 4)}, {"split": "test"})
    )
    np.testing.assert_array_equal(few.scheme.cuts, test.scheme.cuts)
    facts = caption_facts(DataSettings(name="digits", captions="attributes"))
    assert facts.words == few.captions.facts.words == test.captions.facts.words


def test_what_is_held_out_is_all_that_has_all_the_words(rng):
    usual = {"name": "digits", "captions": "attributes", "limit": 300}
    every = open_images(DataSettings.read(usual))
    wanted = [every.captions[place][0] for place in rng.choice(300, 2, replace=False)]
    shuffled = [" ".join(rng.permutation(words_of(caption))) for caption in wanted]
    images = open_images(DataSettings.read({**usual, "hold_out": shuffled}))
    sets = [set(words_of(caption)) for caption in wanted]
    stays = [place for place in range(300) if not any(set(words_of(every.captions[place][0])) >= own for own in sets)]
    assert torch.equal(images.images, every.images[stays])
    assert torch.equal(images.labels, every.labels[stays])
    assert [images.captions[place] for place in range(len(images))] == [every.captions[place] for place in stays]
    assert images.captions.facts.words == every.captions.facts.words
    assert f"without {300 - len(stays):,} images that are held out" in images.source


def test_holding_out_is_refused_where_it_means_nothing():
    def digits(**settings):
        return open_images(DataSettings.read({"name": "digits", "limit": 40, **settings}))

    with pytest.raises(DataError, match=r"no image of digits has a caption with all words of one of 'thin thick'"):
        digits(captions="attributes", hold_out=["thin thick"])
    with pytest.raises(DataError, match=r"leaves no image of digits"):
        digits(captions="class", hold_out=list("0123456789"))
    with pytest.raises(DataError, match=r"which has no words"):
        digits(captions="class", hold_out=["?"])
    with pytest.raises(ConfigError, match=r"`hold_out` is about captions"):
        digits(hold_out=["7"])
    with pytest.raises(ConfigError, match=r"`attributes` is for `captions: attributes`"):
        digits(captions="class", attributes=["slant"])
