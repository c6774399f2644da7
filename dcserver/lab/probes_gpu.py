"""A GPU, asked through PyTorch where that is installed; nothing of the package needs it."""

import importlib.util
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from dcserver.lab.browser import IN_BROWSER
from dcserver.lab.probes import CannotMeasure, Point, sizes_between
from dcserver.units import KiB, MiB


def torch_device() -> tuple[Any, str]:
    """PyTorch and the accelerator it can use; CannotMeasure says why there is none."""
    if IN_BROWSER:
        raise CannotMeasure("a browser's Python reaches no GPU")
    if importlib.util.find_spec("torch") is None:
        raise CannotMeasure("PyTorch is not installed here, so no GPU was asked")
    import torch

    if torch.cuda.is_available():
        return torch, "cuda"
    if getattr(torch.backends, "mps", None) and torch.backends.mps.is_available():
        return torch, "mps"
    raise CannotMeasure("PyTorch finds no GPU")


def matrix_products(seconds: float, torch: Any, device: str) -> Iterator[Point]:
    """FLOP/s of square matrix products on the GPU, by number format and edge length."""
    wait = getattr(torch, device).synchronize
    formats = [("fp32", torch.float32), ("fp16", torch.float16), ("bf16", torch.bfloat16)]
    for name, dtype in formats:
        began = time.perf_counter()
        for edge in (256, 512, 1024, 2048, 4096, 8192, 16384):
            try:
                a, b = (torch.randn(edge, edge, device=device, dtype=torch.float32).to(dtype) for _ in range(2))
                taken = _device_time(lambda a=a, b=b: a @ b, wait, seconds / 3 / 12)  # type: ignore[misc]
            except RuntimeError:  # out of memory, or a format that this device has not
                break
            yield name, edge, 2.0 * edge**3 / taken
            if 8 * taken * 12 > seconds / 3 - (time.perf_counter() - began):
                break


def copy_bandwidth(seconds: float, torch: Any, device: str) -> Iterator[Point]:
    """Bytes a second read plus written while copying on the GPU, and one way over its bus, by bytes."""
    wait = getattr(torch, device).synchronize
    sizes = sizes_between(64 * KiB, 1024 * MiB)
    for what in ("copy", "host to GPU"):
        for size in sizes if what == "copy" else sizes[:-1]:
            try:
                host = torch.empty(int(size) // 4, pin_memory=device == "cuda" and what != "copy")
                source = host.to(device) if what == "copy" else host
                target = torch.empty(int(size) // 4, device=device)
                taken = _device_time(lambda s=source, t=target: t.copy_(s), wait, seconds / 2 / len(sizes))  # type: ignore[misc]
            except RuntimeError:
                break
            yield what, size, (2.0 if what == "copy" else 1.0) * size / taken


def _device_time(call: Callable[[], Any], wait: Callable[[], None], seconds: float) -> float:
    """Seconds a call of work that the device queues: several are queued, so that launching is hidden behind running."""

    def several(n: int) -> float:
        start = time.perf_counter()
        for _ in range(n):
            call()
        wait()
        return (time.perf_counter() - start) / n

    several(2)  # the first calls choose kernels and fill pools
    n = int(np.clip(seconds / 3 / max(several(1), 1e-7), 1, 2000))
    return min(several(n) for _ in range(3))


def clock_and_power(seconds: float, torch: Any, device: str) -> Iterator[Point]:
    """SM clock in hertz and board power in watts under a long matrix product in BF16, as nvidia-smi says."""
    if device != "cuda":
        raise CannotMeasure("clock and power are read from nvidia-smi, which is for NVIDIA GPUs")
    edge = 8192
    a = torch.randn(edge, edge, device=device).to(torch.bfloat16)
    once = _device_time(lambda: a @ a, torch.cuda.synchronize, 0.2)
    for _ in range(int(min(seconds, 2.0) / once)):
        a @ a
    command = ["nvidia-smi", "--query-gpu=clocks.sm,power.draw", "--format=csv,noheader,nounits", "-i",
               str(torch.cuda.current_device())]  # fmt: skip
    try:
        time.sleep(min(seconds, 2.0) / 2)  # power is an average over the last tenths of a second
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout
        clock, watts = (float(x) for x in said.split(","))
    except (OSError, ValueError, subprocess.SubprocessError):
        raise CannotMeasure("nvidia-smi did not tell clock and power") from None
    finally:
        torch.cuda.synchronize()
    yield "clock under bf16 products", edge, 1e6 * clock
    yield "power under bf16 products", edge, watts
