"""Groups of pictures into train, validation and test, checked for leaks."""
