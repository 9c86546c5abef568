"""Networks that only look: run by LiteRT with XNNPACK, converted from Keras once and cached."""
