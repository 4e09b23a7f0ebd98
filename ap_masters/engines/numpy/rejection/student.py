"""Critical values of the generalized ESD test, without scipy."""

from functools import cache
from math import exp, lgamma, log, log1p, sqrt

_TINY = 1e-300
_EPSILON = 1e-16


@cache
def critical_values(n: int, outliers: int, alpha: float) -> tuple[float, ...]:
    """Return lambda_i for i = 0..outliers-1 of n samples (Rosner 1983, one-sided alpha / (2 (n - i)))."""
    values = []
    for i in range(outliers):
        degrees = n - i - 2
        t = student_quantile(alpha / (2 * (n - i)), degrees)
        values.append(t * (n - i - 1) / sqrt((degrees + t * t) * (n - i)))
    return tuple(values)


def student_quantile(tail: float, degrees: int) -> float:
    """Return the value that Student's t exceeds with probability ``tail``, 0 < tail < 0.5, by bisection.

    The tail of t is half the regularized incomplete beta function at x = degrees / (degrees + t^2) (Abramowitz
    and Stegun 26.5.27); it is solved for x, on which it is monotone.
    """
    low, high = 0.0, 1.0
    for _ in range(200):
        middle = (low + high) / 2
        if middle in {low, high}:
            break
        if 0.5 * _incomplete_beta(degrees / 2, 0.5, middle) < tail:
            low = middle
        else:
            high = middle
    return sqrt(degrees * (1 - high) / high)


def _incomplete_beta(a: float, b: float, x: float) -> float:
    """Return I_x(a, b) by its continued fraction (Abramowitz and Stegun 26.5.8)."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - _incomplete_beta(b, a, 1 - x)
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    return front / _continued_fraction(a, b, x)


def _continued_fraction(a: float, b: float, x: float) -> float:
    """Return 1 + d1/(1 + d2/(1 + ...)) of the incomplete beta function, forwards (Lentz)."""
    value, c, d = 1.0, 1.0, 0.0
    for step in range(1, 10_000):
        m = step // 2
        term = (
            m * (b - m) * x / ((a + step - 1) * (a + step))
            if step % 2 == 0
            else -(a + m) * (a + b + m) * x / ((a + step - 1) * (a + step))
        )
        d = 1 / ((1 + term * d) or _TINY)
        c = (1 + term / c) or _TINY
        value *= c * d
        if abs(c * d - 1) < _EPSILON:
            break
    return value
