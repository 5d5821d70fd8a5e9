"""Where multiplying in bfloat16 is quicker."""

from contextlib import AbstractContextManager, nullcontext
from typing import Any

__all__ = ["mixed_precision"]


def mixed_precision(device_type: str, *, wanted: bool = True) -> AbstractContextManager[Any]:
    """Context in which torch multiplies in bfloat16: on CUDA, and on processors that have instructions for it.

    On two crops of 64³ voxels a training step takes 0.45 instead of 0.84 CPU seconds with AVX512-BF16; without these
    instructions bfloat16 is imitated, and slow.
    """
    import torch

    if not wanted or (device_type == "cpu" and not _processor_has_bfloat16()):
        return nullcontext()
    return torch.autocast(device_type, dtype=torch.bfloat16)


def _processor_has_bfloat16() -> bool:
    import torch

    ask = getattr(torch.cpu, "_is_avx512_bf16_supported", None)  # torch has no public word for it
    return ask is not None and bool(ask())
