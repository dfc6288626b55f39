"""The fault harness: kills, full disks, jumping clocks, unwelcome company; afterwards nothing may be lost.

``python -m poma_assets_tests.faults`` runs it (docs/reliability.md); ``test_faults.py`` is its short version.
"""
