"""Numbers of few bits as the decimals that they stand for: a half-precision 9/10 is 0.9, not 0.8999."""

from __future__ import annotations

import math
import re

# Significant bits, by the type's name in numpy, torch, TensorFlow, JAX and ml_dtypes.
_BITS = {"bfloat16": 8, "float16": 11, "float32": 24}
_TYPE = re.compile("|".join(_BITS))
_MOST_DIGITS = 9  # that a number of 24 bits needs


def decimal(number: float, value: object) -> float:
    """Return the shortest decimal number that is `number` in the precision of `value`'s own type.

    Parameters
    ----------
    number : float
        What was read from `value`.
    value : object
        A scalar, array or tensor, or a list of them; of another type than `_BITS` the number stays as it is.
    """
    first = value[0] if isinstance(value, list | tuple) and value else value
    named = _TYPE.search(str(getattr(first, "dtype", "")))
    if named is None or not math.isfinite(number):
        return number
    bits = _BITS[named[0]]
    shorter = (float(f"{number:.{digits}g}") for digits in range(1, _MOST_DIGITS))
    return next((one for one in shorter if _rounded(one, bits) == _rounded(number, bits)), number)


def _rounded(number: float, bits: int) -> float:
    mantissa, exponent = math.frexp(number)
    return math.ldexp(round(math.ldexp(mantissa, bits)), exponent - bits)
