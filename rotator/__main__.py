"""`python -m rotator`."""

from __future__ import annotations

import sys

from rotator.cli.main import main

sys.exit(main())
