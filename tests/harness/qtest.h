/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Client of QEMU's qtest protocol: ports and memory of a machine whose vCPUs
 * are stopped (-S), so that a test can play the guest. It knows nothing of PCI
 * or virtio: virtio-pci.h does.
 *
 * Every function ends the test when QEMU does not answer as it should: there
 * is nothing that a test could do about it.
 */
#ifndef MHP_QTEST_H
#define MHP_QTEST_H

#include "vm.h"

typedef struct Qtest Qtest;

/*
 * Append the arguments for a machine that a qtest client drives, to be called
 * before vm_start(). The result belongs to the caller; it uses a channel of
 * @vm, which must live longer.
 */
Qtest *qtest_new(Vm *vm);
void qtest_free(Qtest *qtest);

void qtest_outl(Qtest *qtest, uint16_t port, uint32_t value);
uint32_t qtest_inl(Qtest *qtest, uint16_t port);

/* One access of 1, 2, 4 or 8 bytes, as registers want it */
void qtest_write_reg(Qtest *qtest, uint64_t addr, unsigned size,
                     uint64_t value);
uint64_t qtest_read_reg(Qtest *qtest, uint64_t addr, unsigned size);

/* Any number of bytes */
void qtest_write(Qtest *qtest, uint64_t addr, const void *data, size_t size);
void qtest_read(Qtest *qtest, uint64_t addr, void *data, size_t size);
void qtest_memset(Qtest *qtest, uint64_t addr, uint8_t value, uint64_t size);

G_DEFINE_AUTOPTR_CLEANUP_FUNC(Qtest, qtest_free)

#endif /* MHP_QTEST_H */
