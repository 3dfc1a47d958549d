"""Training images: known sets, distributions and folders, and how images are written to files."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.data.histograms import save_samples as save_samples
    from qgen.data.image_files import paired_rows as paired_rows
    from qgen.data.image_files import save_animation as save_animation
    from qgen.data.image_files import save_grid as save_grid
    from qgen.data.image_files import save_single as save_single
    from qgen.data.image_files import to_uint8 as to_uint8
    from qgen.data.image_set import ImageSet as ImageSet
    from qgen.data.load import caption_facts as caption_facts
    from qgen.data.load import image_shape as image_shape
    from qgen.data.load import num_classes as num_classes
    from qgen.data.load import open_images as open_images
    from qgen.data.prompt_grid import save_prompt_grid as save_prompt_grid
    from qgen.data.settings import DataSettings as DataSettings
    from qgen.data.status import SetStatus as SetStatus
    from qgen.data.status import list_sets as list_sets
    from qgen.data.subset import batch_indices as batch_indices
else:
    __getattr__, __dir__ = lazy_imports(__name__)
