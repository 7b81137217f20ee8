"""From jobs to outcomes: the scheduler, the supervisor of each child process, the worker in it, and tuning."""
