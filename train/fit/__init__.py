"""Training itself: epochs, schedules, state that survives a kill."""
