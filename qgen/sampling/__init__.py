"""Sampling: images from a trained run, on any backend."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.sampling.pictures import PictureRequest as PictureRequest
    from qgen.sampling.pictures import check_images as check_images
    from qgen.sampling.pictures import check_interpolation as check_interpolation
    from qgen.sampling.pictures import check_steps as check_steps
    from qgen.sampling.pictures import save_denoising as save_denoising
    from qgen.sampling.pictures import save_interpolation as save_interpolation
    from qgen.sampling.pictures import save_nearest as save_nearest
    from qgen.sampling.pictures import save_trajectory as save_trajectory
    from qgen.sampling.request import check_request as check_request
    from qgen.sampling.request import sampling_config as sampling_config
    from qgen.sampling.sample import Samples as Samples
    from qgen.sampling.sample import Trained as Trained
    from qgen.sampling.sample import asking_captions as asking_captions
    from qgen.sampling.sample import check_count as check_count
    from qgen.sampling.sample import open_trained as open_trained
    from qgen.sampling.sample import sample_facts as sample_facts
    from qgen.sampling.sample import sample_images as sample_images
    from qgen.sampling.sample import sample_name as sample_name
    from qgen.sampling.sample import sample_run as sample_run
else:
    __getattr__, __dir__ = lazy_imports(__name__)
