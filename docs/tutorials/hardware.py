# %% [markdown]
# # To hardware, rehearsed
#
# `qgen devserver` is IBM's service on this machine: it speaks the same protocol to Qiskit's own client, simulates
# devices by their snapshots, and keeps a ledger of what it would have billed. So the whole path can be tried without an
# account, and without cost.

# %%
import qgen

qgen.train("gan-quantum-g", steps=50, out="runs/hardware-tutorial", progress=False)

# %% [markdown]
# Before anything is submitted there is a plan: jobs, executions, QPU seconds.

# %%
# !qgen devserver -- qgen sample runs/hardware-tutorial --backend ibm_fez --count 4 --dry-run

# %% [markdown]
# What is submitted is agreed to: by a question, or by `--yes` within a limit that holds over restarts.

# %%
# !qgen devserver -- qgen sample runs/hardware-tutorial --backend ibm_fez --count 4 --max-qpu-seconds 60 --yes

# %% [markdown]
# Every job stands in the run's journal before it is submitted. The same command again pays for nothing twice and draws
# the same images.

# %%
# !qgen jobs runs/hardware-tutorial

# %% [markdown]
# With an account, leave `qgen devserver --` out: `qgen backends login` keeps the key. **Next**:
# [hardware](../hardware.md), [what a circuit becomes on a device](../transpile.md).
