from __future__ import annotations
import torch
from qgen.diffusion.noise import ImageNoise

def denoiser_calls(settings, schedule):
    return settings.steps or {"ancestral": schedule.steps, "ddim": 50, "dpm-solver": 20}[settings.sampler]

@torch.no_grad()
def sample(denoiser, schedule, settings, seeds, shape, device="cpu", batch=64, progress=None):
    ab = schedule.alphas_bar.float(); out = []
    k = denoiser_calls(settings, schedule)
    for i in range(0, len(seeds), batch):
        noise = ImageNoise(seeds[i:i+batch], shape, device); x = noise.next(); n = len(x)
        ts = torch.linspace(schedule.steps - 1, 0, k + 1).round().long()
        for j, (a, b) in enumerate(zip(ts[:-1], ts[1:])):
            e = denoiser(x, a.expand(n)); x0 = ((x-(1-ab[a]).sqrt()*e)/ab[a].sqrt()).clamp(-1,1)
            e = (x-ab[a].sqrt()*x0)/(1-ab[a]).sqrt(); x = ab[b].sqrt()*x0+(1-ab[b]).sqrt()*e
            if progress: progress(i * k + j * n, len(seeds) * k)
        out.append(x0)
    return torch.cat(out)
