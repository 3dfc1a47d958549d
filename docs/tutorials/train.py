# %% [markdown]
# # Train, sample, evaluate
#
# A small QVU-Net: a diffusion U-Net on 8x8 digits with a circuit at its vertex, trained for 200 of the 450 steps that
# `qgen train digits` takes.

# %%
import qgen

run = qgen.train("digits", steps=200, out="runs/tutorial", progress=False)
run

# %% [markdown]
# A run is a folder: settings, metrics, checkpoints, and where all that came from. It is the same that `qgen train
# digits` makes, and `qgen train runs/tutorial --resume --set training.steps=400` goes on with it.

# %%
print(run.path, [file.name for file in sorted(run.path.iterdir())])
print({name: round(value, 4) for name, value in run.metrics[-1].items() if name in ("step", "loss")})

# %% [markdown]
# Each image has a seed of its own: image 3 is the same whatever is sampled beside it.

# %%
images = run.sample(32, seed=7, progress=False)
images

# %% [markdown]
# The circuits can run elsewhere: with shots on Aer, or with the errors of a device, transpiled for it. Noisy
# circuits of 12 qubits take their time: two images, in three steps.

# %%
run.sample(2, seed=7, steps=3, backend="noisy:fake_fez", progress=False)

# %% [markdown]
# How good are they? Every number has a 95 % interval, and beside it stands that of real images in place of the samples.
# Of a hybrid it is also measured what becomes of the samples if the outputs of its circuits are replaced by their mean,
# or by those of other images.

# %%
found = run.evaluate(300, features="digits", progress=False)
for name in ("fid", "precision", "coverage"):
    values = found.plain()["metrics"][name]
    print(f"{name:<10} {values['value']:8.3f}   real images {values['real']['value']:8.3f}")
for sentence in found.plain()["controls"]["summary"]:
    print(sentence)

# %% [markdown]
# **Next**: [runs, settings, data](../runs.md), [diffusion U-Nets](../diffusion.md), [evaluation](../evaluation.md).
