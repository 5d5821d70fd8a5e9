"""Sums that stay in vector registers, or as plain loops where those do not compile."""

from numba.core.errors import NumbaError  # noqa: TID253

try:
    from tomoset.annotation.templates.engines._gemm_lanes import (
        HAS_PAIR_PRODUCTS,
        LANES,
        ROTATIONS,
        cosine_and_sine_sums,
        extremes_of_blocks,
        prove,
    )

    prove()
except (ImportError, AttributeError, NumbaError):  # a numba whose intrinsics are built in another way
    from tomoset.annotation.templates.engines._gemm_loops import (
        HAS_PAIR_PRODUCTS,
        LANES,
        ROTATIONS,
        cosine_and_sine_sums,
        extremes_of_blocks,
    )

__all__ = ["HAS_PAIR_PRODUCTS", "LANES", "ROTATIONS", "cosine_and_sine_sums", "extremes_of_blocks"]
