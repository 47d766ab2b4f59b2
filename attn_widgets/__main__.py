"""``python -m attn_widgets``: the same as the command ``attn-widgets``."""

import sys

from attn_widgets.cli import main

sys.exit(main())
