"""Every task of the settings can be built."""

from analysis.experiment import TASKS
from analysis.tasks import registry


def test_every_task_of_the_settings_can_be_built():
    assert tuple(registry.BUILDERS) == TASKS
