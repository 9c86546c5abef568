"""What TensorFlow says that is no news is not shown."""

from __future__ import annotations

from bodyshop_core.quiet_tensorflow import import_tensorflow


def test_that_each_network_was_compiled_is_not_told_and_other_warnings_are(caplog):
    import tensorflow

    import_tensorflow()
    calls = "%s out of the last %s calls to step triggered tf.function retracing. Tracing is ..."
    logger = tensorflow.get_logger()
    logger.addHandler(caplog.handler)
    try:
        logger.warning(calls, 5, 16)
        logger.warning("out of memory")
    finally:
        logger.removeHandler(caplog.handler)
    assert {record.getMessage() for record in caplog.records} == {"out of memory"}
