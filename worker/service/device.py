"""Which device computes, and with how many threads: part of what makes counts repeatable."""

from __future__ import annotations

import os

import torch

from worker.contract.settings import Settings


def prepare(settings: Settings) -> torch.device:
    """Choose the device and make its arithmetic repeatable. Raises RuntimeError if cuda is asked for and missing."""
    cores = os.cpu_count() or 1
    torch.set_num_threads(settings.threads or max(1, cores // settings.worker_processes))
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
    if settings.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("SURETY_DEVICE=cuda, but torch sees no CUDA device; set it to auto or cpu")
    return torch.device("cuda" if settings.device != "cpu" and torch.cuda.is_available() else "cpu")


def describe(device: torch.device) -> str:
    """The device's name, for provenance."""
    return (
        torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu ({torch.backends.cpu.get_cpu_capability()})"
    )
