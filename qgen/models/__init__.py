"""Image generators as torch modules, classical and hybrid."""

from qgen.models.describe import ModelDescription as ModelDescription
from qgen.models.describe import describe_model as describe_model
from qgen.models.settings import QuanvolutionSettings as QuanvolutionSettings
from qgen.models.settings import UNetSettings as UNetSettings
from qgen.models.settings import VertexSettings as VertexSettings
from qgen.models.unet import UNet as UNet
from qgen.models.unet import build_unet as build_unet
