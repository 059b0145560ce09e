"""Vectors for embeddings requests: drawn from the words of a text, so that texts with words in common lie closer."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fairlead.demo.simulated.bodies import tokens_in
from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Body

Vector = npt.NDArray[np.float32]
MOST_INPUTS, MOST_DIMENSIONS = 2_048, 4_096


@lru_cache(maxsize=4_096)
def of_word(word: str, dimensions: int) -> Vector:
    """The direction of one word."""
    seed = int(Draws(0, word).share("word") * 2**53)
    return np.random.default_rng(seed).standard_normal(dimensions, dtype=np.float32)


def vector(text: str, dimensions: int) -> Vector:
    """The direction of a text, of length one."""
    words = re.findall(r"\w+", text.lower()) or [""]
    total = np.sum([of_word(word, dimensions) for word in words], axis=0)
    return np.asarray(total / np.linalg.norm(total), dtype=np.float32)


def encoded(found: Vector, body: Body) -> Any:
    """The vector as the request wants it."""
    if body.get("encoding_format") == "base64":
        return base64.b64encode(found.astype("<f4").tobytes()).decode()
    return [round(float(value), 7) for value in found]


def embeddings(body: Body, *, model: str) -> dict[str, Any]:
    """The response to an embeddings request."""
    given = body.get("input")
    texts = [given] if isinstance(given, str) else [str(each) for each in cast("list[Any]", given)[:MOST_INPUTS]]
    asked = body.get("dimensions")
    dimensions = min(asked, MOST_DIMENSIONS) if isinstance(asked, int) and asked > 0 else 256
    data: list[Mapping[str, Any]] = [
        {"object": "embedding", "index": index, "embedding": encoded(vector(text, dimensions), body)}
        for index, text in enumerate(texts)
    ]
    count = sum(map(tokens_in, texts))
    return {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": count, "total_tokens": count}}
