/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The counterpart inside QEMU's tree of what trace-header.awk makes */
#include "trace/trace-hw_virtio_mhp.h"
