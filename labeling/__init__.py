"""Labelling: damage masks and reviews in Label Studio, and mask files of other tools.

The sub-packages form layers, each of which imports only those below it:

``backend``
    A model beside the server: live proposals, and regions grown from clicks.
``sync``
    Projects, tasks, predictions and annotations between the catalog and a server.
``exchange``
    Masks from and to COCO, VIA, YOLO and PNG files.
``consensus``
    One mask per picture and class from the annotations of several annotators.
``records``
    Pictures and annotations in the catalog.
``formats``
    Masks as bytes, run lengths, polygons and files.
``server``
    The Label Studio server and its client.
``configs``
    Labelling configurations.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
