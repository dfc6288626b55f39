"""poma-assets: from myeloma RNA sequencing reads to defended answers about pomalidomide."""

__version__ = "0.1.0"
