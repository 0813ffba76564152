# Copyright: the runbook.postgres contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

"""How files may be packed, and how their names tell."""

from __future__ import annotations

PLAIN, GZIP, ZSTD, LZ4 = "none", "gzip", "zstd", "lz4"
ENDINGS = {PLAIN: "", GZIP: ".gz", ZSTD: ".zst", LZ4: ".lz4"}

# What a program that is no part of Python reads from standard input and writes to standard output, unpacked.
UNPACKERS = {ZSTD: ["zstd", "--decompress", "--quiet", "--stdout"], LZ4: ["lz4", "-d", "-q", "-c"]}
