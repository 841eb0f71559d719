"""`python -m tahr`."""

import sys

from tahr.cli import main

sys.exit(main())
