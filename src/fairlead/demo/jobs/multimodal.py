"""Yard charts: a picture of a week's pallets and a question about its bars."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from datetime import datetime
from random import Random

import numpy as np
import numpy.typing as npt

from fairlead.demo.jobs.task import Job, Task
from fairlead.demo.words import PEOPLE, SITES, WEEKDAYS

WIDTH, HEIGHT, LEFT, BOTTOM = 216, 150, 30, 134
STEPS = 120  # pixels from the axis to its top, so that a bar's height is its value without rounding
PALETTES: tuple[tuple[int, ...], ...] = (
    (0xFF, 0xFF, 0xFF, 0x22, 0x22, 0x22, 0xDD, 0xDD, 0xDD, 0x1F, 0x6F, 0xB5),
    (0xFB, 0xF8, 0xF1, 0x33, 0x2E, 0x26, 0xE3, 0xDC, 0xCC, 0xB4, 0x4A, 0x2F),
    (0xF4, 0xF8, 0xF6, 0x1C, 0x2B, 0x26, 0xD3, 0xE0, 0xDA, 0x2C, 0x8A, 0x5B),
)
# Three by five pixels each, row by row.
GLYPHS = {
    "0": "111101101101111",
    "1": "010110010010111",
    "2": "111001111100111",
    "3": "111001111001111",
    "4": "101101111001001",
    "5": "111100111001111",
    "6": "111100111101111",
    "7": "111001010010010",
    "8": "111101111101111",
    "9": "111101111001111",
    "M": "101111111101101",
    "T": "111010010010010",
    "W": "101101111111101",
    "F": "111100110100100",
    "S": "111100111001111",
}

Canvas = npt.NDArray[np.uint8]


def write_text(canvas: Canvas, said: str, *, x: int, y: int) -> None:
    """Draw small figures and letters in ink."""
    for index, char in enumerate(said):
        shape = np.array([int(bit) for bit in GLYPHS[char]], dtype=np.uint8).reshape(5, 3)
        spot = canvas[y : y + 5, x + 4 * index : x + 4 * index + 3]
        spot[shape == 1] = 1


def bars(values: Sequence[int], top: int) -> Canvas:
    """The chart as palette indices: 0 paper, 1 ink, 2 grid, 3 bar."""
    canvas = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    for part in range(5):
        y = BOTTOM - STEPS * part // 4
        canvas[y, LEFT:] = 2
        label = str(top * part // 4)
        write_text(canvas, label, x=LEFT - 3 - 4 * len(label), y=y - 2)
    for index, value in enumerate(values):
        x = LEFT + 8 + 30 * index
        canvas[BOTTOM - value * STEPS // top : BOTTOM, x : x + 18] = 3
        write_text(canvas, WEEKDAYS[index][0], x=x + 8, y=BOTTOM + 4)
    canvas[BOTTOM, LEFT:] = 1
    canvas[BOTTOM - STEPS : BOTTOM, LEFT] = 1
    return canvas


def png(canvas: Canvas, palette: tuple[int, ...]) -> bytes:
    """The canvas as a PNG file with a palette."""
    height, width = canvas.shape
    rows = np.concatenate([np.zeros((height, 1), dtype=np.uint8), canvas], axis=1).tobytes()
    chunks = (
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0)),
        (b"PLTE", bytes(palette)),
        (b"IDAT", zlib.compress(rows, 2)),
        (b"IEND", b""),
    )
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def asked_of(rng: Random, values: Sequence[int]) -> tuple[str, int]:
    """A question about the bars, and its answer."""
    first, second = rng.sample(range(len(values)), 2)
    one, other = WEEKDAYS[first], WEEKDAYS[second]
    kind = rng.randrange(4)
    if kind == 0:
        return rng.choice((f"How many pallets went out on {one}?", f"Read the bar for {one}.")), values[first]
    if kind == 1:
        total = values[first] + values[second]
        return rng.choice((f"How many pallets on {one} and {other} together?", f"Add up {one} and {other}.")), total
    if kind == 2:
        high, low = (one, other) if values[first] >= values[second] else (other, one)
        return f"How many more pallets went out on {high} than on {low}?", abs(values[first] - values[second])
    return rng.choice(("How many pallets went out on the best day?", "What does the highest bar show?")), max(values)


def chart_question(rng: Random, at: datetime) -> Task:
    """A chart of one yard and week, and a question about it."""
    top = rng.choice((120, 240, 480, 600, 1200))
    unit = top // STEPS
    values = [unit * rng.randrange(8, 118) for _ in range(rng.choice((5, 6)))]
    asked, answer = asked_of(rng, values)
    system = (
        f"You read charts for {rng.choice(PEOPLE)}, yard manager. Today is {at.date().isoformat()}.\n"
        "Each chart shows one bar per weekday from Monday on. Read the figures off the picture as exactly as you can.\n"
        "Answer in one short sentence with one figure."
    )
    user = (
        f"Pallets out of {rng.choice(SITES)}, week {rng.randrange(1, 53)}. Monday to {WEEKDAYS[len(values) - 1]},"
        f" axis from 0 to {top}. {asked}"
    )
    return Task(system=system, user=user, expected=answer, image=png(bars(values, top), rng.choice(PALETTES)))


MULTIMODAL = Job(
    name="yard charts",
    category="multimodal",
    model="gpt-4o",
    dialect="openai",
    grader="number",
    calls=1590,
    distinct=1560,
    writers=(chart_question,),
    parameters={"max_tokens": 120},
    hours=(5, 9),
)
