"""Affine fit of colors: from a small composite to what the network made of it."""

import cv2
import numpy as np

from phnet.images.arrays import Doubles, Floats

SMOOTHING = 0.5  # sigma, in small pixels, of the blur of both sides before the fit
RIDGE = 1e-3  # pulls a fit without contrast towards what is known otherwise
LEAST_WEIGHT = 1e-4  # less foreground than this tells nothing


def unblend(composite: Floats, result: Floats, mask: Floats) -> tuple[Floats, Floats]:
    """Undo eq. 1 at soft edges: the network's own picture, and how far to trust it.

    Returns:
        predicted (h, w, 3) and weight (h, w): the mask squared, since a mixed pixel shows the
        foreground only in part.
    """
    safe = np.maximum(mask, 0.1)[..., None]
    predicted = composite + (result - composite) / safe
    weight = np.where(mask > 0.1, mask * mask, 0).astype(np.float32)
    return predicted.astype(np.float32), weight


def affine_fit(composite: Floats, predicted: Floats, weight: Floats) -> Doubles:
    """The affine map (4, 3) of the whole foreground: least squares, pulled to the identity."""
    inside = weight > 0
    w = weight[inside][:, None]
    x, y = composite[inside], predicted[inside]
    x = np.column_stack([x, np.ones_like(w)])
    products = ((x * w).T @ np.column_stack([x, y])).astype(np.float64)  # (4, 7)
    scale = max(float(w.sum()), 1e-9)
    ridge = RIDGE * np.eye(4)
    left = products[:, :4] / scale + ridge
    right = products[:, 4:] / scale + ridge @ np.eye(4, 3)
    return np.asarray(np.linalg.solve(left, right))


def smooth(pictures: list[Floats], weight: Floats) -> list[list[Floats]]:
    """Blur pictures (h, w, 3) under the mask, so that nothing from outside it flows in.

    Returns:
        the channels of each, (h, w).
    """
    amount = np.asarray(cv2.GaussianBlur(weight, (0, 0), SMOOTHING))
    inside = amount > LEAST_WEIGHT
    share = 1 / np.maximum(amount, LEAST_WEIGHT)

    def blurred(channel: Floats) -> Floats:
        sums = cv2.GaussianBlur(channel * weight, (0, 0), SMOOTHING)
        return np.where(inside, sums * share, channel)

    return [[blurred(picture[..., c]) for c in range(3)] for picture in pictures]
