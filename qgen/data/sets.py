"""The data sets known by name: description, reference, licence, and files where they are published ones."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from qgen.data.idx import IdxFile

Split = Literal["train", "test"]


@dataclass(frozen=True)
class IdxSource:
    """The files of a set in IDX format.

    Attributes:
        folders: sub-folders of a data folder in which tools store them, our own first.
        mirrors: URLs to which the file names are appended.
        train: the file of images and the file of labels.
        test: the same for the test split.
    """

    folders: tuple[str, ...]
    mirrors: tuple[str, ...]
    train: tuple[IdxFile, IdxFile]
    test: tuple[IdxFile, IdxFile]

    def files(self, split: Split) -> tuple[IdxFile, IdxFile]:
        """Return the file of images and the file of labels of a split."""
        return self.train if split == "train" else self.test

    @property
    def all_files(self) -> tuple[IdxFile, ...]:
        """Every file of the set."""
        return (*self.train, *self.test)

    @property
    def packed_bytes(self) -> int:
        """Size of a download of the whole set."""
        return sum(file.packed_bytes for file in self.all_files)


@dataclass(frozen=True)
class KnownSet:
    """A published set of square grey images.

    Attributes:
        name: its name in settings.
        about: one line on its content.
        size: height and width, in pixels.
        train: number of training images.
        test: number of test images.
        class_names: name of label k at index k.
        reference: authors, title, year.
        licence: as its authors or publishers state it.
        idx: its files; None for the digits, which come with scikit-learn.
    """

    name: str
    about: str
    size: int
    train: int
    test: int
    class_names: tuple[str, ...]
    reference: str
    licence: str
    idx: IdxSource | None


_TEN = tuple("0123456789")


def _files(part: str, count: int, images: tuple[str, int], labels: tuple[str, int]) -> tuple[IdxFile, IdxFile]:
    """Return the two files of a split of MNIST or a set made like it, each given by its SHA-256 and packed size."""
    return (
        IdxFile(f"{part}-images-idx3-ubyte", (count, 28, 28), *images),
        IdxFile(f"{part}-labels-idx1-ubyte", (count,), *labels),
    )


DIGITS = KnownSet(
    name="digits",
    about="handwritten digits of 13 people, in 17 grey levels",
    size=8,
    train=1438,
    test=359,
    class_names=_TEN,
    reference="E. Alpaydin, C. Kaynak: Optical Recognition of Handwritten Digits. UCI Machine Learning Repository "
    "(1998), doi:10.24432/C50P49; the part that scikit-learn ships",
    licence="CC BY 4.0",
    idx=None,
)

MNIST = KnownSet(
    name="mnist",
    about="handwritten digits",
    size=28,
    train=60_000,
    test=10_000,
    class_names=_TEN,
    reference="Y. LeCun, L. Bottou, Y. Bengio, P. Haffner: Gradient-based learning applied to document recognition. "
    "Proc. IEEE 86, 2278 (1998)",
    licence="CC BY-SA 3.0",
    idx=IdxSource(
        folders=("mnist", "MNIST/raw"),
        mirrors=(
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        train=_files(
            "train",
            60_000,
            ("ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db", 9_912_422),
            ("65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5", 28_881),
        ),
        test=_files(
            "t10k",
            10_000,
            ("0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7", 1_648_877),
            ("ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2", 4_542),
        ),
    ),
)

FASHION_MNIST = KnownSet(
    name="fashion-mnist",
    about="articles of clothing",
    size=28,
    train=60_000,
    test=10_000,
    class_names=(
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    reference="H. Xiao, K. Rasul, R. Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning "
    "Algorithms (2017), arXiv:1708.07747",
    licence="MIT",
    idx=IdxSource(
        folders=("fashion-mnist", "fashion_mnist", "FashionMNIST/raw"),
        mirrors=(
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        train=_files(
            "train",
            60_000,
            ("c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888", 26_421_880),
            ("bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9", 29_515),
        ),
        test=_files(
            "t10k",
            10_000,
            ("5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b", 4_422_102),
            ("0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34", 5_148),
        ),
    ),
)


@dataclass(frozen=True)
class CaptionedSet:
    """A set of RGB images with captions, of which a machine may have one version or another.

    Attributes:
        name: its name in settings.
        about: one line on its content.
        size: height and width, in pixels, unless settings say otherwise.
        reference: where it is defined.
        licence: of each version.
    """

    name: str
    about: str
    size: int
    reference: str
    licence: str


EMOJI = CaptionedSet(
    name="emoji",
    about="emoji in colour, with names and colours as captions",
    size=64,
    reference="The Unicode Consortium: Unicode Emoji, Unicode Technical Standard 51; drawn by Google (Noto Color "
    "Emoji) or Twitter (Twemoji)",
    licence="Noto: SIL Open Font License 1.1; Twemoji: CC BY 4.0",
)

KNOWN_SETS = MappingProxyType({known.name: known for known in (DIGITS, MNIST, FASHION_MNIST)})
CAPTIONED_SETS = MappingProxyType({EMOJI.name: EMOJI})
