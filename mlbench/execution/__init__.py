"""Execution of jobs: the scheduler, the supervisor of child processes, the worker in them, and tuning."""
