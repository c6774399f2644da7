"""Exercises of chapter 09: what does one answer cost?"""

from collections.abc import Mapping
from typing import Any

from dcserver import catalog, inference
from dcserver.lab.exercises import Answer, Design, Function, below

# Rent of one card, USD/h (catalog: AWS on demand).
_RENT = {"H100": 6.88, "H200": 7.91}
_CARDS = {"H100": "H100 SXM", "H200": "H200"}


def _deploy(design: Mapping[str, Any]) -> dict[str, float]:
    """Pause between tokens and price of a design for Llama 3.1 70B in FP8."""
    known = {"card", "tensor_parallel", "requests"}
    if unknown := set(design) - known:
        raise ValueError(
            f"{', '.join(sorted(map(str, unknown)))} is no part of the design; it has {', '.join(sorted(known))}"
        )
    card = str(design["card"]).removesuffix(" SXM")
    if card not in _CARDS:
        raise ValueError(f"card={design['card']!r} is neither 'H100' nor 'H200'")
    ways = float(design["tensor_parallel"])
    if ways not in (1, 2, 4, 8):
        raise ValueError(f"tensor_parallel={design['tensor_parallel']} is not 1, 2, 4 or 8")
    device, model = catalog.accelerator(_CARDS[card]), catalog.transformer("Llama 3.1 70B")
    how: dict[str, Any] = {"weight_format": "fp8", "kv_dtype": "fp8", "tensor_parallel": ways}
    room = float(inference.requests_in_memory(model, device, 1500, **how))
    wanted = float(design["requests"])
    if wanted > room:
        raise ValueError(f"requests={wanted:g} do not fit: beside the weights there is room for {room:g}")
    done = inference.offline(model, device, input_tokens=1000, output_tokens=500, concurrency=wanted, **how)
    price = inference.price_per_million(_RENT[card] * ways, done.tokens_per_second)
    return {"a token every": float(done.time_per_token), "a million tokens": float(price)}


_WORK = 12 * (0.150 + 499 * 0.025)

EXERCISES = {
    "lonely": Function(
        lambda weights, bits, bandwidth: bandwidth / (weights * bits / 8),
        points=[(8.03e9, 16, 3.35e12), (70.6e9, 4.85, 0.96e12), (1.1e9, 8, 6.8e10)],
        unit="1/s",
        slips=[
            (1 / 8, "Weights are sold in bits and read in bytes: eight bits to a byte."),
            (8, "Weights are sold in bits and read in bytes: eight bits to a byte."),
            (0.5, "Two operations for each weight are arithmetic. What limits here is reading it, once."),
            (
                lambda weights, bits, bandwidth: weights * bits / 8 / bandwidth,
                "That is the seconds of one token. How many of them fit into a second?",
            ),
        ],
        because="It holds on a phone and on a B200, as long as the request is alone.",
        hint="Bytes of all weights over bytes a second are the seconds of one token.",
        wrong=[
            (lambda weights, bits, bandwidth: bandwidth / (weights * bits), "eight bits to a byte"),
            (lambda weights, bits, bandwidth: weights * bits / 8 / bandwidth, "seconds of one token"),
            (lambda weights, bits, bandwidth: bandwidth / (2 * weights * bits / 8), "reading it, once"),
        ],
    ),
    "deploy": Design(
        _deploy,
        goals={"a token every": below(0.035, "s"), "a million tokens": below(2.0, "USD")},
        slips=[
            (
                lambda design, got: got["a token every"] > 0.035 and got["a million tokens"] <= 2.0,
                "Cheap, but the tokens come too slowly: everybody at work lengthens the step. Let fewer in.",
            ),
            (
                lambda design, got: got["a million tokens"] > 2.0 and float(design["tensor_parallel"]) > 2,
                "So many cards write quickly, but each waits for the others and has little to do. Share the layers among fewer.",
            ),
            (
                lambda design, got: got["a million tokens"] > 2.0,
                "The card waits for its memory and is paid all the same. Let more requests in, as long as there is room and patience.",
            ),
        ],
        because="One H200 has room for the weights and for enough caches; an H100 alone has not.",
        hint="Start with one H200 and raise the requests until the tokens become too slow.",
        wrong=[
            ({"card": "H200", "tensor_parallel": 1, "requests": 128}, "Let fewer in"),
            ({"card": "H100", "tensor_parallel": 8, "requests": 128}, "among fewer"),
            ({"card": "H200", "tensor_parallel": 1, "requests": 8}, "Let more requests in"),
            ({"card": "H100", "tensor_parallel": 1, "requests": 64}, "do not fit"),
        ],
    ),
    "little": Answer(
        _WORK,
        unit="requests",
        slips=[
            (12 * 0.150 / _WORK, "A request stays until its last token, not only until its first."),
            (12 * 0.025 / _WORK, "That is the pause before one token. A request stays for all of them."),
            (1 / 12, "That is how long one request stays. The rate is missing: how many such are there at a time?"),
            (1000, "The times are in seconds already."),
        ],
        because="So the server must have room for that many caches, and more for the bursts.",
        hint="How long does one request stay, from its first moment to its last token?",
        wrong=[
            (12 * 0.150, "until its last token"),
            (_WORK / 12, "The rate is missing"),
            (1000 * _WORK, "seconds already"),
        ],
    ),
    "guess": Function(
        lambda a, k: (1 - a ** (k + 1)) / (1 - a),
        points=[(0.5, 1), (0.7, 4), (0.9, 8), (0.0, 3)],
        unit="tokens",
        slips=[
            (
                lambda a, k: (1 - a**k) / (1 - a),
                "That ends one term early: after k right guesses, the check yields one more.",
            ),
            (lambda a, k: a * k, "A guess counts only if all before it were right."),
            (lambda a, k: 1 + a * k, "A guess counts only if all before it were right."),
            (
                lambda a, k: (1 - a ** (k + 1)) / (1 - a) - 1,
                "The check itself yields a token, even if every guess is wrong.",
            ),
        ],
        because="With a = 0.7 and four guesses, not five tokens but 2.8.",
        hint="Add up: one for certain, one more with probability a, one more with a squared.",
        wrong=[
            (lambda a, k: a * k, "all before it"),
            (lambda a, k: (1 - a**k) / (1 - a), "one term early"),
            (lambda a, k: 1 + a * k, "all before it"),
        ],
    ),
}
