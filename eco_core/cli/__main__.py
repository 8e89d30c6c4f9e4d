"""``python -m eco_core.cli`` is ``eco``."""

import sys

from eco_core.cli.app import main

sys.exit(main())
