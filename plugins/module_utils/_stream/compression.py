# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How files may be packed, and how their names tell."""

from __future__ import annotations

PLAIN, GZIP, ZSTD = "none", "gzip", "zstd"
ENDINGS = {PLAIN: "", GZIP: ".gz", ZSTD: ".zst"}
