"""The lessons and their labs: found, run, checked, written."""

from servicelab.lessons.lesson import Lesson, Run, all_lessons, find, learner_copy, restore, run

__all__ = ["Lesson", "Run", "all_lessons", "find", "learner_copy", "restore", "run"]
