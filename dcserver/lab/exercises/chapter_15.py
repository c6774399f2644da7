"""Exercises of chapter 15: what is it for?"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from dcserver import applications, catalog
from dcserver.lab.exercises import Answer, Design, Exactly, Function, above, below

CARD = "H100 SXM"


def _year(plan: Any) -> dict[str, float]:
    """What a plan for a simulated year reaches if the model flatters by all of its factor."""
    names = {"spacing", "cards"}
    if not isinstance(plan, Mapping) or set(plan) != names:
        raise ValueError(f"the answer must be a dictionary with {' and '.join(sorted(names))}")
    card = catalog.accelerator(CARD)
    run = applications.climate(plan["spacing"], plan["cards"], card)
    watts, off = applications.card_power(card, run), catalog.application("climate").factor
    return {
        "years a day, at worst": float(run.years_a_day / off),
        "spacing": float(plan["spacing"]),
        "cards": float(plan["cards"]),
        "the cards draw": float(plan["cards"] * watts),
        "most at worst, with any number of cards": float(run.most_years_a_day / off),
    }


def _bayes(sensitivity: Any, specificity: Any, prevalence: Any) -> Any:
    return applications.predictive_value(sensitivity, specificity, prevalence)


def _share() -> float:
    """The share p that 15 times on 256 cards implies, by Amdahl."""
    return (1 - 1 / 15) / (1 - 1 / 256)


EXERCISES = {
    "implants": Answer(
        lambda: 50e9 / (2000 * 30e3 * 2),
        unit="",
        slips=[
            (8, "The port is sold in bits a second, 400 Gb/s; the samples are counted in bytes."),
            (2, "A sample of 16 bits has two bytes."),
            (1 / 8, "A sample of 16 bits has two bytes, not sixteen."),
            (2000, "That is for one channel. An implant has 2,000."),
        ],
        because="120 MB/s an implant: what sounds like a torrent is a quarter of a percent of one port.",
        hint="Bytes a second of one implant first: channels x samples a second x bytes.",
        wrong=[(50e9 / (2000 * 30e3 * 2) * 8, "sold in bits"), (50e9 / (2000 * 30e3), "two bytes")],
    ),
    "year-a-day": Design(
        _year,
        goals={
            "years a day, at worst": above(1.0),
            "spacing": below(5.01e3, "m"),
            "cards": below(2000),
        },
        slips=[
            (
                lambda plan, got: got["spacing"] < 100,
                "The spacing is wanted in metres: 5 km are 5e3.",
            ),
            (
                lambda plan, got: got["most at worst, with any number of cards"] < 1.0,
                "No number of cards is sure of a year a day on so fine a grid: the part of a step that cards do not share may take the whole day.",
            ),
            (
                lambda plan, got: got["spacing"] > 5.01e3,
                "That is coarser than asked. The spacing sets cells and steps, so it is worth every metre that you may have.",
            ),
            (
                lambda plan, got: got["years a day, at worst"] < 1.0,
                "Too slow at worst, but not by nature: more cards shorten the streaming part of each step.",
            ),
            (lambda plan, got: got["cards"] > 2000, "Fast enough. The last cards bring little; take some back."),
        ],
        because="Most of each step is now the part that cards do not share. To be sure at 3 km nothing would help but a shorter one.",
        hint="Set the spacing to the most allowed, then try numbers of cards.",
        wrong=[
            ({"spacing": 5e3, "cards": 300}, "more cards shorten"),
            ({"spacing": 3e3, "cards": 2000}, "No number of cards"),
            ({"spacing": 5, "cards": 2000}, "in metres"),
            ({"spacing": 5e3, "cards": 9000}, "take some back"),
        ],
    ),
    "positive": Function(
        _bayes,
        points=[(0.95, 0.95, 0.01), (0.944, 0.726, 0.007), (0.9, 0.99, 0.3), (0.8, 0.6, 0.05)],
        slips=[
            (
                lambda sensitivity, specificity, prevalence: sensitivity + 0 * np.asarray(specificity + prevalence),
                "That is how many of the ill test positive. Asked is how many of the positive are ill.",
            ),
            (
                lambda sensitivity, specificity, prevalence: (
                    sensitivity * prevalence / (sensitivity * prevalence + specificity * (1 - prevalence))
                ),
                "The healthy who test positive are the share 1 - specificity of them, not the share specificity.",
            ),
            (
                lambda sensitivity, specificity, prevalence: sensitivity * prevalence + specificity * (1 - prevalence),
                "That is the accuracy: all that are right, over all. Asked is right among the positive alone.",
            ),
        ],
        because="The healthy are so many that a small share of them outnumbers the ill.",
        hint="Two groups test positive: some of the ill, and some of the healthy. Divide the first by both.",
        wrong=[
            (lambda sensitivity, specificity, prevalence: sensitivity + 0 * specificity, "how many of the positive"),
            (
                lambda sensitivity, specificity, prevalence: sensitivity * prevalence + specificity * (1 - prevalence),
                "That is the accuracy",
            ),
        ],
    ),
    "amdahl": Answer(
        _share,
        tolerance=0.003,
        unit="",
        slips=[
            (
                Exactly(15 / 256),
                "That is the efficiency: speed-up over cards. Asked is the share of the old time that the cards took over.",
            ),
            (Exactly(1 - _share()), "That is the share that stayed as slow as before. Asked is the rest."),
            (
                Exactly(1 - 1 / 15),
                "Nearly: that would be so if the cards took no time at all. Each of 256 still does its part.",
            ),
        ],
        because="More than 6 % stayed as it was: with any number of cards the job would not be 16 times as fast.",
        hint="1 / 15 = 1 - p + p / 256. Solve for p.",
        wrong=[(15 / 256, "That is the efficiency"), (1 - _share(), "stayed as slow")],
    ),
}
