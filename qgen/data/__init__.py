"""The images that generators learn from."""

from typing import TYPE_CHECKING

from qgen.lazy import on_demand

if TYPE_CHECKING:
    from qgen.data.catalogue import SetStatus as SetStatus
    from qgen.data.catalogue import list_sets as list_sets
    from qgen.data.images import ImageSet as ImageSet
    from qgen.data.opening import image_shape as image_shape
    from qgen.data.opening import open_images as open_images
    from qgen.data.order import batch_indices as batch_indices
    from qgen.data.pictures import save_grid as save_grid
    from qgen.data.pictures import save_single as save_single
    from qgen.data.pictures import to_uint8 as to_uint8
    from qgen.data.sample_pictures import save_samples as save_samples
    from qgen.data.settings import DataSettings as DataSettings
else:
    __getattr__, __dir__ = on_demand(__name__)
