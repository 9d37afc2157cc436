"""What people see: consumers of the engine's events."""
