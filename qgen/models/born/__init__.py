"""Born machines and their classical opponents: distributions of bits, and images made of them."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.born.machine import BornMachine as BornMachine
    from qgen.models.born.network import BornNetwork as BornNetwork
    from qgen.models.born.settings import BornSettings as BornSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
