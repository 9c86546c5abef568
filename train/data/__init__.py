"""The pictures, masks and features a training reads."""
