"""Variational autoencoders, classical or with a circuit, and their discriminators."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.autoencoder.describe import autoencoder_rows as autoencoder_rows
    from qgen.models.autoencoder.describe import decoder_rows as decoder_rows
    from qgen.models.autoencoder.describe import describe_parts as describe_parts
    from qgen.models.autoencoder.describe import describe_vae_gan as describe_vae_gan
    from qgen.models.autoencoder.describe import used_circuits as used_circuits
    from qgen.models.autoencoder.diffusers_kl import DIFFUSERS_PREFIX as DIFFUSERS_PREFIX
    from qgen.models.autoencoder.diffusers_kl import DiffusersAutoencoder as DiffusersAutoencoder
    from qgen.models.autoencoder.diffusers_kl import diffusers_folder as diffusers_folder
    from qgen.models.autoencoder.diffusers_kl import read_diffusers as read_diffusers
    from qgen.models.autoencoder.diffusers_kl import read_diffusers_settings as read_diffusers_settings
    from qgen.models.autoencoder.files import AUTOENCODER_FILE as AUTOENCODER_FILE
    from qgen.models.autoencoder.files import SavedAutoencoder as SavedAutoencoder
    from qgen.models.autoencoder.files import find_autoencoder as find_autoencoder
    from qgen.models.autoencoder.files import read_autoencoder as read_autoencoder
    from qgen.models.autoencoder.files import save_autoencoder as save_autoencoder
    from qgen.models.autoencoder.network import Autoencoder as Autoencoder
    from qgen.models.autoencoder.network import Posterior as Posterior
    from qgen.models.autoencoder.network import build_autoencoder as build_autoencoder
    from qgen.models.autoencoder.network import code_statistics as code_statistics
    from qgen.models.autoencoder.settings import AutoencoderBranchSettings as AutoencoderBranchSettings
    from qgen.models.autoencoder.settings import AutoencoderSettings as AutoencoderSettings
    from qgen.models.autoencoder.settings import DiffusersAutoencoderSettings as DiffusersAutoencoderSettings
    from qgen.models.autoencoder.settings import FirstStageSettings as FirstStageSettings
    from qgen.models.autoencoder.vae_gan import VAEGAN as VAEGAN
    from qgen.models.autoencoder.vae_gan import build_discriminator as build_discriminator
    from qgen.models.autoencoder.vae_gan import build_vae_gan as build_vae_gan
else:
    __getattr__, __dir__ = lazy_imports(__name__)
