"""From the annotations of several annotators to one mask per picture and class."""
