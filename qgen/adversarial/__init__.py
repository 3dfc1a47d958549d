"""Adversarial training: losses, the gradient penalty, and the objectives of the two players, of autoencoders too."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.adversarial.joint import DecodedDiscriminatorObjective as DecodedDiscriminatorObjective
    from qgen.adversarial.joint import DecoderObjective as DecoderObjective
    from qgen.adversarial.joint import JointPlayers as JointPlayers
    from qgen.adversarial.losses import LOSSES as LOSSES
    from qgen.adversarial.losses import gradient_penalty as gradient_penalty
    from qgen.adversarial.objectives import AdversarialDraws as AdversarialDraws
    from qgen.adversarial.objectives import DiscriminatorObjective as DiscriminatorObjective
    from qgen.adversarial.objectives import GeneratorObjective as GeneratorObjective
    from qgen.adversarial.reconstruction import (
        ReconstructionDiscriminatorObjective as ReconstructionDiscriminatorObjective,
    )
    from qgen.adversarial.reconstruction import ReconstructionObjective as ReconstructionObjective
    from qgen.adversarial.reconstruction import ReconstructionPlayers as ReconstructionPlayers
    from qgen.adversarial.reconstruction import psnr as psnr
    from qgen.adversarial.settings import AdversarialSettings as AdversarialSettings
    from qgen.adversarial.settings import ReconstructionSettings as ReconstructionSettings
else:
    __getattr__, __dir__ = lazy_imports(__name__)
