"""Runs: what one is (settings), where it lies (a folder), and what it keeps (checkpoints)."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.backends.settings import BackendSettings as BackendSettings
    from qgen.runs.absolute_paths import absolute_backend_name as absolute_backend_name
    from qgen.runs.absolute_paths import with_absolute_paths as with_absolute_paths
    from qgen.runs.building import DataFacts as DataFacts
    from qgen.runs.building import build_generator as build_generator
    from qgen.runs.building import build_in_memory as build_in_memory
    from qgen.runs.building import build_model as build_model
    from qgen.runs.building import build_without_weights as build_without_weights
    from qgen.runs.building import closing_on_error as closing_on_error
    from qgen.runs.building import data_facts as data_facts
    from qgen.runs.checkpoint import Checkpoint as Checkpoint
    from qgen.runs.checkpoint import load_checkpoint as load_checkpoint
    from qgen.runs.checkpoint import model_fingerprint as model_fingerprint
    from qgen.runs.checkpoint import save_checkpoint as save_checkpoint
    from qgen.runs.config import EMASettings as EMASettings
    from qgen.runs.config import RunConfig as RunConfig
    from qgen.runs.config import TrainingSettings as TrainingSettings
    from qgen.runs.config import TransferSettings as TransferSettings
    from qgen.runs.config_files import override_config as override_config
    from qgen.runs.config_files import read_config as read_config
    from qgen.runs.config_files import resume_config as resume_config
    from qgen.runs.folder import Run as Run
    from qgen.runs.folder import find_run as find_run
    from qgen.runs.folder import new_run as new_run
    from qgen.runs.folder import writing as writing
    from qgen.runs.shipped import preset_names as preset_names
    from qgen.runs.shipped import preset_summary as preset_summary
    from qgen.runs.transferring import transfer as transfer
else:
    __getattr__, __dir__ = lazy_imports(__name__)
