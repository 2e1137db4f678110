"""No test is timed, those of generated examples neither: a machine with neighbours takes as long as it takes."""

from importlib.util import find_spec

if find_spec("hypothesis"):  # which the environment of tests/conformance has not
    from hypothesis import settings

    settings.register_profile("untimed", deadline=None)
    settings.load_profile("untimed")
