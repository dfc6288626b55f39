"""Shim for setuptools: the top-level ``data`` folder is installed as ``poma_assets/data``."""

from setuptools import setup

setup(
    package_dir={"poma_assets.data": "data"},
    packages=None,
)
