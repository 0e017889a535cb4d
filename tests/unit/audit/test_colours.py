"""The palette: told apart by everybody, on light and on dark ground, by computation and not by eye.

What dichromats see is simulated as Machado, Oliveira and Fernandes do (IEEE TVCG 15(6), 2009, severity 1.0), distances
are those of CIE 1976 (L*a*b*, D65), contrast is that of WCAG 2.2.
"""

import itertools
import re

import numpy as np
import pytest

from audit.report.render import PAGES

SIGHT = {
    "everybody": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])
APART = 25.0
"""Colours beside each other that are 10 apart are told apart at a glance; these are lines far from one another."""
GRAPHIC, TEXT = 3.0, 4.5
"""The contrast that WCAG asks of graphics (1.4.11) and of text (1.4.3)."""


def colours(scheme: str) -> dict[str, str]:
    """Return the variables of the page's style for one scheme; those that it does not set are the light one's."""
    style = (PAGES / "static" / "style.css").read_text()
    light, _, rest = style.partition("@media (prefers-color-scheme: dark)")
    found = dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", light))
    if scheme == "dark":
        found |= dict(re.findall(r"--([a-z0-9-]+): (#[0-9a-f]{6})", rest.split("\n}", 1)[0]))
    return found


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    ratio = TO_XYZ @ np.clip(light, 0, 1) / WHITE
    f = np.where(ratio > 216 / 24389, np.cbrt(ratio), (24389 / 27 * ratio + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(TO_XYZ[1] @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_series_are_told_apart(scheme: str, sight: str) -> None:
    series = {name: value for name, value in colours(scheme).items() if name.startswith("series-")}
    assert len(series) == 5
    seen = {name: lab(np.array(SIGHT[sight]) @ linear(value)) for name, value in series.items()}
    apart = {(a, b): float(np.linalg.norm(seen[a] - seen[b])) for a, b in itertools.combinations(seen, 2)}
    assert min(apart.values()) >= APART, min(apart.items(), key=lambda item: item[1])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_what_is_drawn_and_written_stands_out_from_its_ground(scheme: str) -> None:
    found = colours(scheme)
    for ground in ("ground", "raised"):
        for name, value in found.items():
            if name.startswith("series-"):
                assert contrast(value, found["ground"]) >= GRAPHIC, name
            if name in ("ink", "soft", "accent", "good", "bad", "warn"):
                assert contrast(value, found[ground]) >= TEXT, (name, ground)
    for name in ("good", "bad", "warn"):
        assert contrast(found[name], found[f"{name}-ground"]) >= TEXT, name


def test_colours_of_red_and_green_alone_would_be_found_out() -> None:
    red, green = (lab(np.array(SIGHT["deuteranopia"]) @ linear(colour)) for colour in ("#c0392b", "#7a7a00"))
    assert float(np.linalg.norm(red - green)) < APART
