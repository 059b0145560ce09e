"""A simulated model without a network around it: a prompt in, everything a response says out."""

from __future__ import annotations

from fairlead.demo.simulated.bodies import VERSIONS, Told, prompt_tokens, reasoning_tokens
from fairlead.demo.simulated.chance import Draws
from fairlead.demo.simulated.prompt import Body, Prompt
from fairlead.demo.simulated.rates import Side
from fairlead.demo.simulated.solvers import answer

OPEN_MODEL = "sim-open-32b"


def told(body: Body, prompt: Prompt, draws: Draws, *, side: Side, created: int) -> Told:
    """What this side tells in answer to a body, whose prompt and draws are given."""
    asked = str(body.get("model", ""))
    return Told(
        said=answer(prompt, side=side, draws=draws),
        model=VERSIONS.get(asked, asked),
        id=draws.label(f"{side}/id"),
        created=created,
        prompt=prompt_tokens(body),
        reasoning=reasoning_tokens(body, draws),
    )
