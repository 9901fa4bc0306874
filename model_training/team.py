"""Several processes that train or measure one network (`torchrun`), to what one process would reach.

In training each computes its share of every batch; sums, not means, travel between them, so that shares may
differ in size. Batch norm takes its statistics over the whole batch, on GPU (NCCL) and on CPU (gloo) alike.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import distributed, nn

T = TypeVar("T")


@dataclass(frozen=True)
class Team:
    """This process, `rank` of `size`; alone unless torchrun started more."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes and reports."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of `count` samples this process computes."""
        return slice(self.rank * count // self.size, (self.rank + 1) * count // self.size)

    def add(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of `values` over all processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def add_gradients(self, net: nn.Module) -> None:
        """Give every process the sum of all their gradients."""
        if self.size == 1:
            return
        gradients = [p.grad for p in net.parameters() if p.grad is not None]
        flat = self.add(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, summed in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
            gradient.copy_(summed.view(gradient.shape))

    def gathered(self, values: T) -> list[T]:
        """What each process has, in their order; every one gets all of it."""
        if self.size == 1:
            return [values]
        found: list[T] = [values] * self.size
        distributed.all_gather_object(found, values)
        return found

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.size > 1:
            distributed.barrier()


@contextmanager
def joined(device: torch.device) -> Iterator[Team]:
    """The team that torchrun's environment describes, as long as it is needed."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield Team()
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(distributed.get_rank(), distributed.get_world_size())
    finally:
        distributed.destroy_process_group()


def training_device() -> torch.device:
    """The GPU, this process's own where there are several, or else the CPU."""
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def hardware(device: torch.device) -> str:
    """What computes there, in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{os.cpu_count()} CPU cores"


def join_norms(net: nn.Module, team: Team) -> None:
    """Let every batch norm of `net` take its statistics over all processes."""
    if team.size == 1:
        return
    for path, module in list(net.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent, _, name = path.rpartition(".")
            setattr(net.get_submodule(parent), name, JoinedNorm(module))


class JoinedNorm(nn.BatchNorm2d):
    """Batch norm over the batches of all processes, with the parameters and buffers of another.

    torch's SyncBatchNorm does the same on GPU only.
    """

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__(norm.num_features, norm.eps, norm.momentum)
        self.weight, self.bias = norm.weight, norm.bias
        for name, buffer in norm.named_buffers():
            setattr(self, name, buffer)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Normalised `x` (n, channel, h, w); in training over the processes' n together."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        count = _Summed.apply(wide.new_tensor(float(wide[:, 0].numel())))
        mean = _Summed.apply(wide.sum(dim=(0, 2, 3))) / count
        centred = wide - mean[:, None, None]
        variance = _Summed.apply((centred * centred).sum(dim=(0, 2, 3))) / count
        self._follow(mean.detach(), variance.detach() * count / (count - 1))
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale[:, None, None] + self.bias[:, None, None]).to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: torch.Tensor, variance: torch.Tensor) -> None:
        assert self.running_mean is not None and self.running_var is not None
        assert self.momentum is not None and self.num_batches_tracked is not None
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance, self.momentum)
        self.num_batches_tracked += 1


class _Summed(torch.autograd.Function):
    """The sum over all processes; so is its gradient."""

    @staticmethod
    def forward(ctx: Any, values: torch.Tensor) -> torch.Tensor:
        summed = values.clone()
        distributed.all_reduce(summed)
        return summed

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> torch.Tensor:
        summed = gradients[0].clone()
        distributed.all_reduce(summed)
        return summed
