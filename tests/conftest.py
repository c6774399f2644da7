"""Settings of all tests."""

import os

from hypothesis import HealthCheck, Phase, settings

# No test depends on how busy the machine is: what is quick is measured by the benchmarks.
settings.register_profile("dcserver", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# For tools/mutants.py: the same few examples each time, no search for the simplest one that fails, no advice.
settings.register_profile(
    "mutants",
    deadline=None,
    suppress_health_check=list(HealthCheck),
    max_examples=10,
    derandomize=True,
    database=None,
    phases=[Phase.explicit, Phase.generate],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dcserver"))
