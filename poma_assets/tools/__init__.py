"""External programs: one wrapper a module, all through ``command.run_command``."""
