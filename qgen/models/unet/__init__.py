"""The U-Net of De Falco et al. (2024), arXiv:2402.16147, classical or hybrid."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.unet.describe import describe_unet as describe_unet
    from qgen.models.unet.network import UNet as UNet
    from qgen.models.unet.network import build_unet as build_unet
    from qgen.models.unet.settings import QuanvolutionSettings as QuanvolutionSettings
    from qgen.models.unet.settings import UNetSettings as UNetSettings
    from qgen.models.unet.settings import VertexSettings as VertexSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
