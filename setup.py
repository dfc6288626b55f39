"""Shim for setuptools: the top-level ``data`` folder is installed as ``poma_assets/data``."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["poma_assets", "poma_assets.*"]), "poma_assets.data"],
    package_dir={"poma_assets.data": "data"},
)
