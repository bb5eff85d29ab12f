"""Twin uniform quantisers of PTQ4ViT (arXiv 2111.12293): two steps a power of two apart, as sorted codebooks.

    code = flag (top bit), payload;  M = 2**(b-1) - 1
    softmax  flag 0: [0, 2**-i), step 2**-i / M        flag 1: [2**-i, 1], step 1 / M
    GELU     flag 0: negatives, fine step              flag 1: from zero on, fine step * 2**m

Known; the clean piecewise form (the released code adds the inactive region's clamp to every value). Split by sign,
GELU's is also one reading of V-2SF (TSPTQ-ViT, arXiv 2305.12901; reconstructed). Every entry is exact:
``payload << shift``.
"""

from __future__ import annotations

import torch

from golden.quantizers.codebook import CodebookQuantiser, make_codebook
from golden.quantizers.log import GELU_MINIMUM


def calibrate_softmax(bits: int, split: int) -> CodebookQuantiser:
    """Twin uniform for probabilities, the regions meeting at ``2**-split``.

    Payloads of the coarse region that lie inside the fine one are never emitted; their levels repeat the first that
    is. Our decision for ``split >= bits``: what the coarse step would round to zero keeps the fine region's end.
    """
    top = (1 << (bits - 1)) - 1
    payload = torch.arange(top + 1, dtype=torch.float64)
    fine, coarse = 2.0**-split / top, 1 / top
    # the smallest payload that a value of the coarse region rounds to, and where it begins
    first = min(max(1, (top + 1) >> split), top)
    begin = max(2.0**-split, (first - 0.5) * coarse)
    used = payload.clamp(min=first)
    levels = torch.cat([payload * fine, used * coarse])
    starts = torch.where(payload > first, (payload - 0.5) * coarse, begin)
    bounds = torch.cat([(payload[1:] - 0.5) * fine, starts])
    return make_codebook(levels, bounds, bits, unit=fine, probability=True, parameters={"split": split})


def calibrate_gelu(largest: float, bits: int, exponent: int) -> CodebookQuantiser:
    """Split by sign for GELU's output, positives up to ``largest`` in steps of ``2**exponent`` times the fine one."""
    coarse = max(largest, 1e-6) / (2 ** (bits - 1) - 0.5)
    return _signed(coarse / 2**exponent, bits, exponent)


def calibrate_gelu_full_negatives(bits: int, exponent: int) -> CodebookQuantiser:
    """PTQ4ViT's own: the fine step is GELU's minimum over ``2**(bits - 1)``, so that no negative clips (known)."""
    return _signed(-GELU_MINIMUM / 2 ** (bits - 1), bits, exponent)


def _signed(fine: float, bits: int, exponent: int) -> CodebookQuantiser:
    count = 1 << (bits - 1)
    payload = torch.arange(-count, count, dtype=torch.float64)
    levels = payload * fine * torch.where(payload > 0, 2.0**exponent, 1.0)
    upper = payload[1:]
    bounds = (upper - 0.5) * fine * torch.where(upper > 0, 2.0**exponent, 1.0)
    parameters = {"exponent": exponent}
    return make_codebook(levels, bounds, bits, unit=fine, probability=False, parameters=parameters)
