"""Settings of all tests."""

from hypothesis import HealthCheck, settings

# No test depends on how busy the machine is: what is quick is measured by the benchmarks.
settings.register_profile("dcserver", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("dcserver")
