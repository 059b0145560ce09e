"""Charts read off their pixels: the file is unpacked, the bars are found by colour, their heights measured."""

from __future__ import annotations

import re
import struct
import zlib

from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Prompt
from fairlead.demo.simulated.solvers.said import Said, Unclear, found, other

DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
SIGNATURE = b"\x89PNG\r\n\x1a\n"
MOST_PIXELS = 4_000_000


def chunk(png: bytes, kind: bytes) -> bytes:
    """The data of the first chunk of a kind."""
    at = len(SIGNATURE)
    while at + 8 <= len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        if name == kind:
            return png[at + 8 : at + 8 + size]
        at += size + 12
    raise Unclear(str(kind))


def columns_of(png: bytes) -> list[bytes]:
    """The columns of a palette image whose rows are not filtered."""
    if not png.startswith(SIGNATURE):
        raise Unclear("not a PNG")
    width, height = struct.unpack(">II", chunk(png, b"IHDR")[:8])
    if width * height > MOST_PIXELS:
        raise Unclear("picture too large")
    data = zlib.decompressobj().decompress(chunk(png, b"IDAT"), (width + 1) * height)
    return [data[x :: width + 1] for x in range(1, width + 1)]


def heights(columns: list[bytes]) -> tuple[list[int], int]:
    """Heights of the bars from left to right, and the height of the axis; ink is colour 1, bars are colour 3."""
    bars = [max(group) for group in runs([column.count(3) for column in columns])]
    return bars, max(column.count(1) for column in columns) - 1


def runs(columns: list[int]) -> list[list[int]]:
    """Neighbouring columns that hold a bar."""
    groups: list[list[int]] = []
    for before, count in zip([0, *columns], columns, strict=False):
        if count and not before:
            groups.append([])
        if count:
            groups[-1].append(count)
    return groups


def asked_for(values: list[int], named: list[int], *, difference: bool) -> int:
    """What the question wants of the values."""
    if difference:
        return abs(values[named[0]] - values[named[1]])
    return sum(values[day] for day in named) if named else max(values)


def misread(values: list[int], named: list[int], draws: Draws, *, step: int, top: int) -> list[int]:
    """The values with one bar read as a neighbour, or a little too high or low."""
    at = draws.pick("bar", named or [values.index(max(values))])
    read = other(draws, "read", values[at], (values[at] + 2 * step, values[at] - 3 * step, *values, top))
    return [*values[:at], read, *values[at + 1 :]]


def chart(prompt: Prompt, draws: Draws, *, right: bool) -> Said:
    """A figure read off the picture."""
    if prompt.image is None:
        raise Unclear("no picture")
    text = prompt.user
    tall, axis = heights(columns_of(prompt.image))
    top = int(found(r"from 0 to (\d+)", text)[1])
    values = [round(each * top / axis) for each in tall]
    asked = text.partition(f"to {top}.")[2]
    named = [DAYS.index(day) for day in re.findall("|".join(DAYS), asked)]
    difference = "how many more" in asked.lower()
    value = asked_for(values, named, difference=difference)
    if not right:
        step = top // axis
        slip = asked_for(misread(values, named, draws, step=step, top=top), named, difference=difference)
        value = slip if slip != value else value + 2 * step
    ways = (f"{value} pallets.", f"The chart shows {value}.", f"It was {value} pallets.")
    return Said(text=draws.pick("way", ways))
