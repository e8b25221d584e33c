"""Whole numbers as text for the scripts of a page, in about one character each."""

from __future__ import annotations

from collections.abc import Sequence

DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_"
"""Digits of numbers to the base 64; the script that reads the text has the same."""
BASE = len(DIGITS)
FAR = BASE - 1
"""Digit before a number that is far from the number before."""
LARGEST_STEP = (BASE - 2) // 2
MISSING = "."


def short_numbers(numbers: Sequence[int | None]) -> str:
    """Write whole numbers from 0 to 4095 as text.

    A number near the number before is one digit, the step plus 31; any other number is the digit 63 and two digits.

    Parameters
    ----------
    numbers : the numbers; None where a number is missing.
    """
    text, before = [], 0
    for number in numbers:
        if number is None:
            text.append(MISSING)
            continue
        step = number - before
        is_near = abs(step) <= LARGEST_STEP
        text.append(
            DIGITS[step + LARGEST_STEP] if is_near else "".join(DIGITS[d] for d in (FAR, *divmod(number, BASE)))
        )
        before = number
    return "".join(text)
