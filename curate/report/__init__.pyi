from .stage import (
    write_report as write_report,
)
