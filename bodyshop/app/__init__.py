"""The application: the command line and what composes several stages."""
